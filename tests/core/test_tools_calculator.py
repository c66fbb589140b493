"""calculator: arithmetic, functions, variables, limits, and failures as values."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell.effect import Kind
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin._expression import Calculation, parse
from workbench import tool_context

TOOLS = ToolRegistry()


def call(folder: Path, **params: Any) -> dict[str, Any]:
    return TOOLS.invoke("calculator", params, tool_context(folder))


def value(text: str, **variables: float) -> float:
    return Calculation(variables).value(parse(text))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2 + 3 * 4", 14), ("(2 + 3) * 4", 20), ("[2 + 3] * 4", 20), ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4), ("2 ^ -1", 0.5), ("2 * 10 % 3", 2), ("8 / 4 % 3", 8), ("7 - 2 + 1", 6),
        ("1 + 2 - 4", -1), ("10 / 4", 2.5), ("-7 % 3", -1), ("7.5 % 2", 1.5), ("- - 1", 1),
        ("1 - -2", 3), ("+3", 3), ("1k + 2M", 2_001_000), ("5u * 1G", 5000), ("2µ / 2n", 1000),
        ("3m", 0.003), ("1p", 1e-12), ("1T / 1K", 1e9), (".5 + 5.", 5.5), ("1e3 + 2E-1", 1000.2),
        ("1 < 2", 1), ("2 <= 2", 1), ("1 > 2", 0), ("2 >= 3", 0), ("1 == 1.0", 1), ("1 != 1", 0),
        ("1 + 1 == 2 && 3 > 2", 1), ("0 || 0", 0), ("1 and 0", 0), ("0 or 5", 1), ("!0", 1),
        ("!3 + 1", 1), ("1 < 2 == 1", 1), ("0 && 1 / 0", 0),
        ("sqrt(sqrt(16))", 2), ("exp(0)", 1), ("ln(e())", 1), ("log(1000)", 3), ("log(2, 8)", 3),
        ("log(3, 9)", 2), ("abs(-3)", 3), ("sign(-9)", -1), ("sign(0)", 0), ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3), ("max(0 / 0, 1)", 1), ("int(-2.7)", -2), ("ceil(2.1)", 3),
        ("floor(-2.1)", -3), ("round(2.5)", 3), ("round(-2.5)", -3),
        ("round(0.49999999999999994)", 0),
        ("round(5, 12)", 10), ("sin(pi() / 2)", 1), ("cos(0)", 1), ("atan(1) * 4", math.pi),
        ("sinh(0) + cosh(0) + tanh(0)", 1), ("asin(1) + acos(1)", math.pi / 2), ("tan(0)", 0),
        ("asinh(0) + acosh(1) + atanh(0)", 0), ("print(1, 2)", 2),
        ("2 * pi + e", 2 * math.pi + math.e),
        ("1234567890123 + 1", 1234567890124), ("while_1 + evaluate", 3),
    ],
)  # fmt: skip
def test_values(expression: str, expected: float) -> None:
    assert value(expression, while_1=1, evaluate=2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 / 0", "Infinity"), ("-1 / 0", "-Infinity"), ("0 / 0", "NaN"), ("1 / -0", "-Infinity"),
        ("5 % 0", "NaN"), ("sqrt(-1)", "NaN"), ("log(0)", "-Infinity"), ("ln(-1)", "NaN"),
        ("2 ^ 10000", "Infinity"), ("(-2) ^ 10001", "-Infinity"), ("(-2) ^ 0.5", "NaN"),
        ("0 ^ -1", "Infinity"), ("exp(1000)", "Infinity"), ("sinh(-1000)", "-Infinity"),
        ("cosh(1000)", "Infinity"), ("atanh(1)", "Infinity"), ("acosh(0)", "NaN"),
        ("asin(2)", "NaN"), ("1e999", "Infinity"), ("round(inf)", "Infinity"),
        ("floor(NaN)", "NaN"),
        ("sin(inf)", "NaN"), ("round(0, 1)", "NaN"), ("min(NaN)", "NaN"),
    ],
)  # fmt: skip
def test_what_is_no_number_has_a_name(tmp_path: Path, expression: str, expected: str) -> None:
    answer = call(tmp_path, input=expression)
    assert (answer["result"]["result"], answer["result"]["result_type"]) == (expected, "special")
    assert answer["success"] is True


def test_the_shape_of_an_answer(tmp_path: Path) -> None:
    answer = call(tmp_path, input="x^2 + y", variables={"x": 3, "y": 0.5, "unit": "m"})
    assert answer["result"] == {
        "input": "x^2 + y",
        "result": 9.5,
        "result_type": "float",
        "variables": {"x": 3, "y": 0.5, "unit": "m"},
    }
    envelope = json.loads(answer["text"])
    usage = envelope.pop("resource_usage")
    assert envelope == {"operation": "evaluate", "success": True, "result": answer["result"]}
    assert usage["operations_count"] == 5
    assert usage["memory_bytes"] > 0
    assert usage["cpu_time_ms"] >= 0
    assert answer["metadata"] == {}
    assert '"result": 14.0' in call(tmp_path, expression="2 + 3 * 4")["text"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", r"the expression ends \(at 1\) where a number"),
        ("1 +", r"the expression ends \(at 4\)"),
        ("1 2", r"there is '2' \(at 3\) where an operator"),
        ("2x", r"there is 'x' \(at 2\)"),
        ("(1 + 2", r"where \) for the \( at 1 should be"),
        ("[1)", r"where \] for the \[ at 1"),
        ("1 $ 2", r"the sign '\$' \(at 3\)"),
        ("1, 2", "there is ','"),
        ("sqr(4)", "no function sqr .*did you mean sqrt"),
        ("sqrt(1, 2)", "takes one argument, not 2"),
        ("max()", "takes one or more, not 0"),
        ("pi(1)", "takes no argument, not 1"),
        ("log(1, 2, 3)", "takes 1 to 2 arguments, not 3"),
        ("sqrt + 1", r"sqrt is a function and needs its arguments"),
        ("speed * 2", "no variable speed; did you mean sped"),
        ("unit * 2", "the variable unit is not a number"),
        ("yes + 1", "the variable yes is not a number"),
        ("1" * 1001, "1001 characters; at most 1000"),
        ("(" * 21 + "1" + ")" * 21, "nests deeper than 20"),
        ("1" + " + 1" * 101, "more than 100 operators"),
        ("-" * 101 + "1", "more than 100 operators"),
        ("+".join(["e()"] * 51), "more than 50 function calls"),
        ("+".join(f"v{i}" for i in range(51)), "more than 50 different names"),
    ],
)
def test_a_wrong_expression_is_an_answer_not_an_error(
    tmp_path: Path, expression: str, says: str
) -> None:
    variables = {"sped": 1, "unit": "m", "yes": True}
    answer = call(tmp_path, input=expression, variables=variables)
    assert answer["success"] is False
    assert answer["result"] is None
    assert re.search(says, answer["error"]), answer["error"]
    assert json.loads(answer["text"]) == {
        "operation": "evaluate",
        "success": False,
        "error": {"message": answer["error"], "code": None, "details": None},
    }


def test_validating(tmp_path: Path) -> None:
    good = call(tmp_path, operation="validate", input="sin(1) + 2")
    assert good["result"] == {"input": "sin(1) + 2", "valid": True}
    assert json.loads(good["text"])["operation"] == "validate"
    free = call(tmp_path, operation="validate", input="0 && x")
    assert (free["success"], free["result"]["valid"]) == (True, False)
    assert "no variable x" in free["result"]["error"]
    bound = call(tmp_path, operation="validate", input="0 && x", variables={"x": 1})
    assert bound["result"]["valid"] is True


def test_everything_that_is_listed_exists(tmp_path: Path) -> None:
    known = call(tmp_path, operation="functions")["result"]
    assert {"arithmetic", "comparison", "logical", "trigonometric", "hyperbolic", "mathematical",
            "rounding", "constants", "utility", "examples", "note"} == set(known)  # fmt: skip
    for group in ("trigonometric", "hyperbolic", "mathematical", "rounding", "utility"):
        for name in known[group]:
            value(f"{name}(0.5)")
    for name in known["constants"]:
        value(name)
    for sign in [*known["arithmetic"], *known["comparison"], "&&", "||", "and", "or"]:
        value(f"1 {sign} 2")
    for expression in known["examples"].values():
        value(expression, x=3, y=4)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "parameter input is missing; evaluate needs it"),
        ({"operation": "validate"}, "parameter input is missing; validate"),
        ({"operation": "evalute", "input": "1"}, "did you mean evaluate"),
        ({"input": 5}, "must be a string"),
        ({"input": "1", "variables": 5}, "must be a table"),
        ({"inptu": "1"}, "did you mean input"),
        ({"input": "1", "expression": "2"}, "expression is another name of input"),
    ],
)
def test_wrong_parameters_are_errors(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        call(tmp_path, **params)


NUMBERS = st.integers(-1000, 1000).map(str) | st.floats(0, 1e6).map(lambda x: f"{x:.6f}")


@given(st.recursive(
    NUMBERS.map(lambda text: f"({text})"),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({''.join(t)})"),
    max_leaves=15,
))  # fmt: skip
def test_it_agrees_with_python(text: str) -> None:
    try:
        expected = eval(text)  # our own text, not a script's
    except ZeroDivisionError:
        return
    assert value(text) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.text(alphabet="0123456789.+-*/%^()[]!<>=&|,ekMxpi sqrt", max_size=60))
def test_any_text_is_a_value_or_one_error(text: str) -> None:
    answer = TOOLS.invoke("calculator", {"input": text}, tool_context(Path("/")))
    assert answer["success"] == (answer["error"] is None)


def test_nothing_is_committed_for_a_calculation() -> None:
    assert TOOLS.kind_of("calculator", {"input": "1"}) is Kind.READ


def test_a_script_calculates_and_a_replay_finds_the_same(script: Any, store: Store) -> None:
    done = script("""
        local r = Tool.invoke("calculator", {input = "2 + 3 * x", variables = {x = 4}})
        print(r.success, r.result.result, math.type(r.result.result))
        print(JSON.parse(r.text).result.result)
        print(Tool.calculator:execute{expression = "1 +"}.error)
    """)
    assert done.session.status == "completed", script.lines
    assert script.lines == [
        "true\t14.0\tfloat",
        "14.0",
        "the expression ends (at 4) where a number, a name or a parenthesis should be",
    ]
    assert respell.replay(done.session, store=store).identical
