"""Parameters against JSON Schema: errors a script's author can act on, and hostile schemas."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respell import patterns
from respell.errors import UsageError
from respell.schema import fitted, plainly_valid, validate

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "number"}},
                "required": ["id"],
                "additionalProperties": False,
            },
        },
        "blob": {"type": "string", "contentEncoding": "binary"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "parameter name is missing"),
        ({"name": 5}, "parameter name must be a string, not the number 5"),
        ({"name": "x", "size": 1.5}, "parameter size must be an integer, not the number 1.5"),
        ({"name": "x", "size": 11}, "parameter size: 11 is greater than the maximum of 10"),
        ({"name": "x", "mode": "fats"}, 'parameter mode is "fats"; allowed are: fast, slow'),
        ({"name": "x", "nmae": 1}, "parameter nmae is unknown; did you mean name?"),
        ({"name": "x", "n" * 5000: 1}, f"parameter {'n' * 60}… is unknown. Known are: name"),
        (
            {"name": "x", **{f"n{number}": 1 for number in range(5000)}},
            "parameter n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 4990 more is unknown. Known",
        ),
        ({"name": "x", "zzz": 1}, "parameter zzz is unknown. Known are: name, size"),
        ({"name": "x", "items": [{"id": 1}, {}]}, "parameter items[2].id is missing"),
        ({"name": "x", "items": [{"id": 1, "idd": 2}]}, "parameter items[1].idd is unknown"),
        ({"name": "x", "items": {"id": 1}}, "parameter items must be an array, not a table"),
        ({"name": b"\xff"}, "parameter name must be text; it is bytes that are not UTF-8"),
        (["x"], "parameter must be a table with named fields, not an array of 1"),
    ],
)
def test_an_error_names_the_parameter_and_what_is_allowed(value: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(SCHEMA, value, "parameter")
    assert str(caught.value).replace("  ", " ").startswith(says)


@pytest.mark.parametrize(
    ("schema", "text", "says"),
    [
        ({"minLength": 3}, "me", "value must have at least 3 characters, not 2"),
        ({"maxLength": 1}, "me", "value must have at most 1 character, not 2"),
    ],
)
def test_an_error_names_the_length_that_is_allowed(schema: Any, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate({"type": "string", **schema}, text, "value")
    assert str(caught.value) == says


def test_bytes_are_fine_where_any_string_is() -> None:
    validate(SCHEMA, {"name": "x", "blob": b"\xff"}, "parameter")
    validate(SCHEMA, {"name": "x", "blob": "text"}, "parameter")


def test_lua_tables_and_floats_are_fitted_to_what_is_meant() -> None:
    fitting = fitted(SCHEMA, {"name": "x", "items": {}, "size": 3.0, "mode": "fast"})
    assert fitting == {"name": "x", "items": [], "size": 3, "mode": "fast"}
    assert type(fitting["size"]) is int


def test_a_valid_call_does_not_wait_for_the_slow_import() -> None:
    code = (
        "import sys; from respell.tools import ToolRegistry\n"
        "from respell.tools.registry import _prepared\n"
        "tools = ToolRegistry()\n"
        "_prepared(tools.find('hash_calculator'), {'operation': 'hash', 'data': 'x'})\n"
        "_prepared(tools.find('http_request'), {'url': 'http://x', 'retry': {'max_attempts': 1}})\n"
        "assert 'jsonschema' not in sys.modules and 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-20, 20) | st.floats(-20, 20) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
kinds = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
schemas = st.recursive(
    st.booleans() | st.just({}) | st.fixed_dictionaries({"type": kinds}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": kinds,
            "title": st.text(max_size=2),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": inner,
            "items": inner,
            "enum": st.lists(st.text(max_size=1), min_size=1, max_size=3),
            "minimum": st.integers(-5, 5),
            "maximum": st.integers(-5, 5),
            "patternProperties": st.just({"^a": False}),
            "prefixItems": st.just([False]),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(schema=schemas, value=json_values)
def test_what_is_plainly_valid_is_valid(schema: Any, value: Any) -> None:
    valid = jsonschema.Draft202012Validator(schema).is_valid(value)
    if plainly_valid(schema, value):
        assert valid
    try:
        validate(schema, value, "it")
    except UsageError:
        assert not valid
    else:
        assert valid


# Schemas from scripts -----------------------------------------------------------------------


def _exponential() -> dict[str, Any]:
    definitions: dict[str, Any] = {"d0": {"type": "integer"}}
    for level in range(1, 40):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"allOf": [below, below]}
    return {"$ref": "#/$defs/d39", "$defs": definitions}


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"type": "strin"}, "x", "JSON Schema is wrong"),
        ("string", "x", "a JSON Schema is a table"),
        ({"$ref": "#"}, "x", "without end"),
        ({"$ref": "#/nowhere"}, "x", "refers to what it does not have"),
        ({"$ref": "http://127.0.0.1:1/schema"}, "x", "refers to what it does not have"),
        ({"pattern": "(a+)+$"}, "a" * 40 + "b", "could take too long"),
        ({"pattern": "(a"}, "x", "JSON Schema is wrong"),
        ({"patternProperties": {"(x*)*y": {}}}, {"x" * 40: 1}, "could take too long"),
        (_exponential(), 5, "branches too much"),
    ],
)
def test_a_hostile_or_wrong_schema_costs_little_and_is_explained(
    schema: Any, value: Any, says: str
) -> None:
    start = time.monotonic()
    with pytest.raises(UsageError, match=says):
        validate(schema, value, "value")
    assert time.monotonic() - start < 20


def test_items_are_unique_by_value() -> None:
    schema = {"uniqueItems": True, "type": "array"}
    validate(schema, [{"a": n} for n in range(20_000)], "value")
    for twice in ([1, 1.0], [{"a": 1}, {"a": 1.0}], [b"\xff", b"\xff"]):
        with pytest.raises(UsageError, match="same item twice"):
            validate(schema, twice, "value")
    validate(schema, [1, True, "1"], "value")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d{4}-\d\d-\d\d$", "2026-11-22", True),
        (r"^[^@\s]+@[^@\s]+$", "a@b.example", True),
        (r"^(?:[0-9a-f]{4}-){3}x$", "0000-1111-2222-x", True),
        (r"^(ab)*$", "ababab", True),
        (r"colou?r|grey", "gray", False),
    ],
)
def test_usual_patterns_are_searched(pattern: str, text: str, found: bool) -> None:
    assert patterns.search(pattern, text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}", "a?" * 30 + "a" * 30, ".*.*.*.*.*=x",
        r"(a*)\1*b", "(?x)(a+) +$", "(a+)(?#c)+$", "((a{1,9}){1,9}){1,9}", "(?:a*?)*?$",
        "(?P<n>a)(?P=n)*",
    ],
)  # fmt: skip
def test_patterns_that_could_run_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="could take too long"):
        patterns.search(pattern, "a" * 60 + "!")


@settings(deadline=None)
@given(
    pattern=st.text(alphabet="ab()|*+?{}2,.[]^$\\", max_size=12),
    text=st.text(alphabet="ab", max_size=24),
)
def test_any_pattern_is_searched_or_refused_soon(pattern: str, text: str) -> None:
    start = time.monotonic()
    with contextlib.suppress(UsageError):
        patterns.search(pattern, text)
    assert time.monotonic() - start < 5


def test_a_pattern_that_python_warns_of_is_searched_quietly() -> None:
    with pytest.raises(UsageError, match="no regular expression"):
        patterns.search("[[", "")
    assert patterns.search("[[]", "[")
