"""data_validation: every rule, where an error is, and rules that are wrong or hostile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from workbench import tool_context

TOOLS = ToolRegistry()
HERE = Path(__file__).parent


def check(value: Any, *rules: Any) -> dict[str, Any]:
    params = {"input": value, "rules": {"rules": list(rules)}}
    answer = TOOLS.invoke("data_validation", params, tool_context(HERE))
    found: dict[str, Any] = answer["result"]
    assert found["valid"] == (not found["errors"])
    return found


def messages(value: Any, *rules: Any) -> list[str]:
    prefix = "Validation error: "
    errors = check(value, *rules)["errors"]
    assert all(error["message"].startswith(prefix) for error in errors)
    return [error["message"].removeprefix(prefix) for error in errors]


def test_the_answer_has_v060s_shape() -> None:
    params = {
        "data": "hi",
        "rules": {"rules": [{"type": "required"}, {"type": "length", "min": 3}]},
    }
    answer = TOOLS.invoke("data_validation", params, tool_context(HERE))
    error = {
        "field": "input",
        "value": "hi",
        "rule": "Length { min: Some(3), max: None }",
        "message": "Validation error: Length must be at least 3",
    }
    assert answer["result"] == {"valid": False, "errors": [error]}
    assert (answer["success"], answer["metadata"]) == (True, {})
    assert json.loads(answer["text"]) == {
        "operation": "validate_data",
        "success": True,
        "message": "Data validation failed",
        "result": answer["result"],
        "metadata": {"rule_count": 2, "error_count": 1},
    }


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ({"type": "required"}, ["x", 0, False, {}], [""]),
        ({"type": "type", "expected": "number"}, [1, 1.5], ["1", True, [1]]),
        ({"type": "type", "expected": "boolean"}, [True], [1]),
        ({"type": "type", "expected": "string"}, ["", b"\xff"], [1, {}]),
        ({"type": "type", "expected": "array"}, [[1], {}], [{"a": 1}]),
        ({"type": "type", "expected": "object"}, [{"a": 1}, {}], [[1]]),
        ({"type": "length", "min": 2, "max": 3}, ["ab", "é", [1, 2], 7], ["a", "abcd", [1], {}]),
        ({"type": "range", "min": 1.5, "max": 3}, [1.5, 3, "9", True], [1, 3.1, float("nan")]),
        ({"type": "pattern", "regex": "^a+$"}, ["aaa", 5], ["b", "ab", b"\xff"]),
        ({"type": "enum", "values": ["a", 1, {"x": 1}]}, ["a", 1.0, {"x": 1.0}], ["b", True, 2]),
        ({"type": "enum", "values": {}}, [], ["b"]),
        ({"type": "email"}, ["a.b+c@example.co.uk", 5], ["a@b", "@x.org", "a b@x.org", b"\xff"]),
        (
            {"type": "url"},
            ["https://example.com/x?y#z", "http://[::1]:80/", "mailto:a@b.org", 5],
            ["example.com", "http://", "https://a b.org", "http://x:99999/", "x:", "//x", ""],
        ),
        ({"type": "date", "format": "%Y-%m-%d"}, ["2024-02-29", 5], ["2023-02-29", "2024-1"]),
        ({"type": "date", "format": "%Y-%m-%d %H:%M:%S"}, ["2024-02-29 10:00:00"], ["2024-02-29"]),
        ({"type": "date", "format": "%I:%M %p"}, ["11:30 pm"], ["13:30 pm", "11:30"]),
        ({"type": "date", "format": "%D"}, ["12/31/99"], ["31/12/99"]),
        ({"type": "date", "format": "ISO8601"}, ["2024-02-29T10:00:00.5Z"], ["2024-02-29"]),
        ({"type": "date"}, ["2024-02-29", "Jan 5, 2024", "1705315800"], ["tomorrow", b"\xff"]),
        ({"type": "custom", "name": "phone"}, ["+4915112345678"], ["0151", "+49 151", 49151]),
        (
            {"type": "custom", "name": "uuid"},
            ["5b2c0f5e-0000-4000-8000-000000000000"],
            ["5b2c0f5e", "5b2c0f5e-0000-4000-8000-00000000000g"],
        ),
        (
            {"type": "custom", "name": "credit_card"},
            ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005"],
            ["4111111111111112", "4111", "4111111111111111x", 4111111111111111],
        ),
        ({"type": "array", "min_items": 1, "max_items": 2}, [[1], [1, 2], "x"], [{}, [1, 2, 3]]),
        ({"type": "array", "unique": True}, [[1, 2, "1", True], {}], [[1, 1.0], [{"a": 1}] * 2]),
        ({"type": "object", "required": ["a"]}, [{"a": 1}, [1]], [{}, {"b": 1}]),
        (
            {"type": "object", "properties": {"a": {"rules": []}}, "additional_properties": False},
            [{"a": 1}, {}],
            [{"a": 1, "b": 2}],
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) and "type" in value else "",
)  # fmt: skip
def test_every_rule(rule: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert messages(value, rule) == [], value
    for value in wrong:
        assert len(messages(value, rule)) == 1, value


def test_an_error_within_a_table_says_where() -> None:
    rules = {
        "type": "object",
        "required": ["name", "mail"],
        "properties": {
            "name": {"rules": [{"type": "length", "min": 3}]},
            "tags": {"rules": [{"type": "array", "item_rules": [{"type": "length", "max": 2}]}]},
        },
    }
    found = check({"name": "x", "tags": ["ok", "long"]}, rules)["errors"]
    assert [(error["field"], error["rule"]) for error in found] == [
        ("input", "Object"),
        ("input.name", "Length { min: Some(3), max: None }"),
        ("input.tags[1]", "Length { min: None, max: Some(2) }"),
    ]
    assert found[0]["message"] == "Validation error: Missing required field: mail"


def test_rules_may_come_without_their_wrapping() -> None:
    params = {"input": "x", "rules": [{"type": "required"}]}
    answer = TOOLS.invoke("data_validation", params, tool_context(HERE))
    assert answer["result"]["valid"]


def test_errors_are_no_more_than_a_hundred_and_their_values_short() -> None:
    many = [{"type": "array", "item_rules": [{"type": "length", "max": 1}]}]
    found = check(["x" * 5000] * 1000, *many, {"type": "required"})["errors"]
    assert len(found) == 100
    assert all(len(error["value"]) <= 1001 for error in found)
    whole = check([["y" * 50] * 100], {"type": "type", "expected": "string"})["errors"]
    assert whole[0]["value"] == "a table of 1"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"rules": {"rules": []}}, "parameter input is missing"),
        ({"input": 1}, "parameter rules is missing"),
        ({"input": 1, "rules": "x"}, "Invalid rules format: rules must be"),
        ({"input": 1, "rules": {"rules": "x"}}, "rules.rules must be"),
        ({"input": 1, "rules": {"type": "required"}}, "rules must be"),
        ({"input": 1, "rules": [5]}, r"rules\[1\] must be a table with a type"),
        ({"input": 1, "rules": [{"type": "requird"}]}, "no rule type 'requird'; did you mean requ"),
        ({"input": 1, "rules": [{"type": "length", "mn": 1}]}, "no field 'mn'; did you mean min"),
        ({"input": 1, "rules": [{"type": "length", "min": -1}]}, "min must be a whole number"),
        ({"input": 1, "rules": [{"type": "length", "min": float("inf")}]}, "a whole number"),
        ({"input": 1, "rules": [{"type": "range", "min": "1"}]}, "min must be a number"),
        ({"input": 1, "rules": [{"type": "type", "expected": "integer"}]}, "no type 'integer'"),
        ({"input": 1, "rules": [{"type": "type"}]}, "expected must be a string"),
        ({"input": 1, "rules": [{"type": "enum", "values": "a"}]}, "values must be an array"),
        ({"input": 1, "rules": [{"type": "custom", "name": "isbn"}]}, "no custom rule 'isbn'"),
        ({"input": 1, "rules": [{"type": "array", "unique": 1}]}, "unique must be true or false"),
        ({"input": 1, "rules": [{"type": "object", "properties": [1]}]}, "properties must be"),
        ({"input": 1, "rules": [{"type": "date", "format": "%d%d"}]}, "dates can't be read as"),
        ({"input": 1, "rules": [{"type": "date", "format": "%H %I"}]}, "dates can't be read as"),
        ({"input": 1, "rules": [{"type": "date", "format": "%Q"}]}, "dates can't be read as"),
        ({"input": 1, "rules": [{"type": "pattern", "regex": "("}]}, "no regular expression"),
        ({"input": 1, "rules": [{"type": "pattern", "regex": r"(a)\1"}]}, "back-references"),
        ({"input": 1, "rules": [{"type": "pattern", "regex": "a" * 20_000}]}, "20000 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_rules(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("data_validation", params, tool_context(HERE))


def test_rules_nest_only_so_deep() -> None:
    rules: Any = []
    for _ in range(60):
        rules = [{"type": "array", "item_rules": rules}]
    with pytest.raises(EffectFailed, match="nests deeper than 50"):
        check([1], *rules)


@pytest.mark.parametrize("regex", ["(a+)+$", "^(a|a)*$", "(a*)*b", "((a{1,30}){1,30})$"])
def test_no_pattern_takes_for_ever(regex: str) -> None:
    start = time.monotonic()
    assert len(messages("a" * 100_000 + "!", {"type": "pattern", "regex": regex})) == 1
    assert time.monotonic() - start < 5


def test_a_pattern_too_complex_for_its_text_is_refused() -> None:
    pattern = {"type": "pattern", "regex": "(.{0,900}x){1}" * 10}
    with pytest.raises(EffectFailed, match="too complex for 10000000 bytes at once"):
        check("a" * 10_000_000, pattern)


def test_a_cancelled_check_ends() -> None:
    ctx = tool_context(HERE)
    ctx.cancel.set()
    params = {"input": [1], "rules": [{"type": "required"}]}
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        TOOLS.invoke("data_validation", params, ctx)


def test_a_script_validates_and_its_replay_is_identical(script: Any, store: Store) -> None:
    result = script(
        """
        local r = Tool.invoke("data_validation", {
          input = {email = "nobody", tags = {}},
          rules = {rules = {{type = "object", required = {}, properties = {
            email = {rules = {{type = "email"}}}, tags = {rules = {{type = "array"}}}}}}},
        })
        print(r.result.valid, r.result.errors[1].field)
        """
    )
    assert script.lines[0].split() == ["false", "input.email"]
    assert respell.replay(result.session, store=store).identical
