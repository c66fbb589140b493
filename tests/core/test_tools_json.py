"""json_processor: jq, lines of JSON, JSON Schemas, and what is made to hurt."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import respell
from respell.effect import Kind
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry, confinement
from respell.tools.builtin import json_processor
from workbench import tool_context

TOOLS = ToolRegistry()
USERS = '{"users": [{"name": "Ann", "age": 31}, {"name": "Bob", "age": 25}]}'


def call(**params: Any) -> dict[str, Any]:
    return TOOLS.invoke("json_processor", params, tool_context(Path("/")))


def queried(query: str, value: Any = "null") -> Any:
    return call(input=value, query=query)["result"]


def test_the_shape_of_an_answer() -> None:
    answer = call(input=USERS, query=".users[0]")
    assert answer["result"] == {"name": "Ann", "age": 31}
    assert json.loads(answer["text"]) == answer["result"], "the bare result, without an envelope"
    assert answer["metadata"] == {
        "operation": "query",
        "response": {
            "operation": "query",
            "success": True,
            "message": "JSON query executed successfully",
            "result": answer["result"],
        },
    }


@pytest.mark.parametrize(
    ("query", "value", "expected"),
    [
        (".users[].name", USERS, ["Ann", "Bob"]),
        (".users | map(.age) | add / length", USERS, 28),
        (".users | map(select(.age > 30)) | length", USERS, 1),
        (".a", {"a": [1, 2.5]}, [1, 2.5]),
        ("empty", "1", []),
        ("1, 2", "null", [1, 2]),
        (".", '"text"', "text"),
        (".", "not JSON", "not JSON"),
        (".", "NaN", "NaN"),
        (".", "", ""),
        (".", {1: "a", 2.5: "b"}, {"1": "a", "2.5": "b"}),
        (".environment", '{"environment": "important"}', "important"),
        (".x = 1 # a comment", "{}", {"x": 1}),
        ("def f: . + 1; f", "1", 2),
        ('test("a+b")', '"caab"', True),
        ("[inputs]", "1", []),
        ("env | keys - [\"TZ\"]", "1", []),
        ("$ENV.HOME", "1", None),
        ("debug", "1", 1),
        ("0 | todate", "1", "1970-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_queries(query: str, value: Any, expected: Any) -> None:
    assert queried(query, value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30), ("30.0", 30.0), ("1e2", 100.0), ("9007199254740993", 9007199254740993),
        ("-9223372036854775808", -(2**63)), ("12345678901234567890", 12345678901234567890.0),
        ("1e400", 1.7976931348623157e308), ("-1e400", -1.7976931348623157e308), ("0.1", 0.1),
        ("1" * 5000, 1.7976931348623157e308),
    ],
)  # fmt: skip
def test_numbers_stay_what_they_are(text: str, expected: float) -> None:
    got = queried(".", text)
    assert (got, type(got)) == (expected, type(expected))


def test_null_is_an_answer_too() -> None:
    answer = call(input="{}", query=".missing")
    assert (answer["result"], answer["text"]) == (None, "null")
    assert call(input="1", query="[null, 1]")["text"] == "[\n  null,\n  1\n]"


@pytest.mark.parametrize("operation", ["query", "jq", "Transform"])
def test_a_query_has_several_names(operation: str) -> None:
    assert call(operation=operation, json="[1, 2]", query="add")["result"] == 3


def test_lines_of_json() -> None:
    answer = call(operation="stream", input='{"a": 1}\n\n  \n{"a": [2, 3]}\r\n', query=".a")
    assert answer["result"] == [1, [2, 3]]
    assert answer["metadata"]["response"]["message"] == "JSON stream processing completed"
    assert call(operation="stream", input="1\n2")["result"] == [1, 2], "the query is . by default"
    assert call(operation="stream", input="[1]\n[2, 3]", query=".[]")["result"] == [1, 2, 3]
    assert call(operation="stream", input="")["result"] == []
    assert call(operation="stream", input={"a": 1}, query=".a")["result"] == [1]


SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "a/b": {"enum": [1]},
    },
}


def test_validating() -> None:
    good = call(operation="validate", input='{"name": "ann"}', schema=SCHEMA)
    assert good["result"] == {"is_valid": True, "errors": []}
    assert good["metadata"]["operation"] == "validate"
    wrong = {"name": "Ann", "tags": ["x", None, True], "a/b": "yes"}
    bad = call(operation="validate", input=wrong, schema=SCHEMA)
    assert bad["success"] is True
    assert bad["result"] == {
        "is_valid": False,
        "errors": [
            {"path": "/a~1b", "message": '"yes" is not one of [1]', "keyword": "enum"},
            {"path": "/name", "message": "\"Ann\" does not match '^[a-z]+$'", "keyword": "pattern"},
            {"path": "/tags/1", "message": "null is not of type 'string'", "keyword": "type"},
            {"path": "/tags/2", "message": "true is not of type 'string'", "keyword": "type"},
        ],
    }
    missing = call(operation="validate", input="{}", schema=json.dumps(SCHEMA))
    assert missing["result"]["errors"] == [
        {"path": "", "message": "'name' is a required property", "keyword": "required"}
    ]


def test_the_draft_is_7_unless_the_schema_says_otherwise() -> None:
    schema: dict[str, Any] = {"dependentRequired": {"a": ["b"]}}
    assert call(operation="validate", input='{"a": 1}', schema=schema)["result"]["is_valid"]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    assert not call(operation="validate", input='{"a": 1}', schema=schema)["result"]["is_valid"]


def test_errors_are_listed_up_to_a_number() -> None:
    many = call(operation="validate", input=[1] * 500, schema={"items": {"type": "string"}})
    assert len(many["result"]["errors"]) == 100
    long = call(operation="validate", input="x" * 100_000, schema={"type": "number"})
    assert len(long["result"]["errors"][0]["message"]) < 600


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"query": "."}, "parameter input is missing; query needs it"),
        ({"input": "1"}, "parameter query is missing; query needs it"),
        ({"operation": "stream"}, "parameter input is missing; stream"),
        ({"operation": "validate", "input": "1"}, "parameter schema is missing; validate"),
        ({"operation": "stringify", "input": "1"}, "no operation 'stringify'.*query, validate, st"),
        ({"input": "1", "query": "{"}, "Invalid jq syntax: syntax error, .*at line 1, column 1"),
        ({"input": "1", "query": "foo"}, r"foo/0 is not defined at line 1, column 1$"),
        ({"input": "1", "query": "$.x"}, "Invalid jq syntax"),
        ({"input": "1", "query": "1) | (2"}, "Invalid jq syntax"),
        ({"input": "1", "query": ".a"}, "jq execution error: Cannot index number"),
        ({"input": "1", "query": 'error("no such luck")'}, "jq execution error: no such luck"),
        ({"input": "1", "query": '"bye" | halt_error'}, "jq execution error: bye"),
        ({"input": "1", "query": "input"}, "there is no input besides the one given"),
        ({"input": "1", "query": 'import "a" as a; 1'}, "import is not allowed in a query"),
        ({"input": "1", "query": '# x\n include "a"; 1'}, "include is not allowed in a query"),
        ({"input": "1", "query": 'module {}; import "a" as a; 1'}, "import is not allowed"),
        ({"input": b"\xff", "query": "."}, "input has bytes that are not UTF-8"),
        ({"input": {"a": b"\xff"}, "query": "."}, "input has bytes that are not UTF-8"),
        ({"operation": "stream", "input": "1\nno"}, "not JSON in line 2: 'no'; Expecting value"),
        ({"operation": "validate", "input": "1", "schema": {"type": "text"}}, "schema.type: \"te"),
        ({"operation": "validate", "input": "1", "schema": {"required": {}}}, "is wrong: schema.r"),
        ({"operation": "validate", "input": "1", "schema": "{"}, "parameter schema is not JSON"),
        ({"operation": "validate", "input": "1", "schema": 0}, "an object, true or false, not 0"),
        ({"operation": "validate", "input": "1", "schema": {"$ref": "http://x"}}, "does not have"),
        ({"operation": "validate", "input": "1", "schema": {"$ref": "#"}}, "itself without end"),
        ({"input": "1", "query": "." * 200_000}, "query has 200000 bytes; at most 100000"),
        ({"input": "1", "query": 5}, "query must be a string"),
        ({"input": "1", "json": "1", "query": "."}, "json is another name of input"),
    ],
)  # fmt: skip
def test_what_is_wrong(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says) as caught:
        call(**params)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


# What is made to hurt -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"input": "1", "query": "def f: f; f"},
        {"input": "1", "query": "[range(1e12)] | length"},
        {"input": '"%s!"' % ("a" * 40), "query": 'test("(a|a)+$")'},
        {"operation": "validate", "input": "a" * 40 + "!", "schema": {"pattern": "(a+)+$"}},
    ],
)
def test_what_never_ends_is_stopped(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(**{**params, "input": "1", **({"query": "1"} if "query" in params else {})})
    monkeypatch.setattr(json_processor, "TIMEOUT_S", 0.4)
    monkeypatch.setattr(json_processor, "MEMORY_BYTES", 2 << 30)
    began = time.monotonic()
    with pytest.raises(EffectFailed, match=r"longer than|retry-limit-in-match over"):
        call(**params)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "query",
    ['"a" * 1e9', '[limit(1e9; repeat("a" * 1e7))] | add', "[range(1e9)]"],
)
def test_what_eats_memory_is_stopped(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_processor, "MEMORY_BYTES", 16 << 20)
    with pytest.raises(EffectFailed, match="more than the 16 MiB of memory"):
        call(input="1", query=query)
    assert queried("1 + 1") == 2


def test_what_gives_answers_without_end_is_stopped() -> None:
    with pytest.raises(EffectFailed, match="gives more than 1000000 values or 64 MiB"):
        call(input="1", query='"a" * 1000000 | repeat(.)')


def test_what_nests_too_deep_is_refused() -> None:
    deep = "[" * 40_000 + "]" * 40_000
    with pytest.raises(EffectFailed, match="the JSON nests too deep"):
        call(input=deep, query="1")
    with pytest.raises(EffectFailed, match=r"nests too deep|Invalid jq|crashed"):
        call(input="1", query=deep)


def test_a_result_that_nests_too_deep_is_refused() -> None:
    # Python 3.13 reads deeper JSON than those before: there it is found out a step later.
    with pytest.raises(EffectFailed, match="nests too deep"):
        call(input="1", query="reduce range(5000) as $i (null; [.])")
    with pytest.raises(EffectFailed, match="nests deeper than 100 levels"):
        call(input="1", query="reduce range(120) as $i (null; [.])")


def test_a_large_document_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps([{"n": number} for number in range(100_000)])
    assert queried("map(.n) | add", text) == 4999950000
    monkeypatch.setattr(json_processor, "MAX_INPUT_BYTES", 10)
    with pytest.raises(EffectFailed, match="input has 11 bytes; at most 10"):
        call(input="12345678901", query=".")
    with pytest.raises(EffectFailed, match=r"input has \d+ bytes; at most 10"):
        call(input={"a": "bcdefghij"}, query=".")


def test_files_can_not_be_reached(tmp_path: Path) -> None:
    (tmp_path / "secret.jq").write_text("def s: 42;")
    for query in (f'include "secret" {{search: "{tmp_path}"}}; s', "input_filename"):
        try:
            assert queried(query) is None
        except EffectFailed as error:
            assert "include is not allowed" in str(error)  # noqa: PT017


def test_a_query_that_is_no_longer_wanted_is_cancelled() -> None:
    context = tool_context(Path("/"))
    threading.Timer(0.2, context.cancel.set).start()
    with pytest.raises(EffectFailed, match="cancelled"):
        TOOLS.invoke("json_processor", {"input": "1", "query": "def f: f; f"}, context)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
@settings(max_examples=60, deadline=None)
def test_the_identity_changes_nothing(value: Any) -> None:
    answer = call(input=json.dumps(value), query=".")
    assert json.loads(answer["text"]) == value


def test_a_script_queries_and_a_replay_finds_the_same(script: Any, store: Store) -> None:
    done = script("""
        local users = {users = {{name = "Ann"}}}
        local r = Tool.invoke("json_processor", {input = users, query = ".users[0].name"})
        print(r.result, r.text, r.metadata.response.operation)
        local v = Tool.json_processor:execute{operation = "validate", input = '{"a": 1}',
          schema = {required = {"b"}}}
        print(v.result.is_valid, v.result.errors[1].keyword)
        print(pcall(Tool.invoke, "json_processor", {input = "1", query = "{"}))
    """)
    assert script.lines[:2] == ['Ann\t"Ann"\tquery', "false\trequired"]
    assert "Invalid jq syntax" in script.lines[2]
    confinement.close()
    assert respell.replay(done.session, store=store).identical
    assert confinement._pool.pids() == [], "a replay computes nothing"
    assert TOOLS.kind_of("json_processor", {"input": "1", "query": "."}) is Kind.READ
