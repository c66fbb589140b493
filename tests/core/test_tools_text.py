"""text_manipulator: every operation, its options, and texts that are made to hurt."""

from __future__ import annotations

import json
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
from respell.tools.builtin import text_manipulator
from workbench import tool_context

TOOLS = ToolRegistry()


def call(operation: str, text: str, **options: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"operation": operation, "input": text}
    if options:
        params["options"] = options
    return TOOLS.invoke("text_manipulator", params, tool_context(Path("/")))


def changed(operation: str, text: str, **options: Any) -> str:
    result: str = call(operation, text, **options)["result"]["result"]
    return result


def test_the_shape_of_an_answer() -> None:
    answer = call("uppercase", "héllo")
    assert answer["result"] == {
        "result": "HÉLLO",
        "operation": "uppercase",
        "original_length": 6,
        "result_length": 6,
    }
    assert json.loads(answer["text"]) == {
        "operation": "uppercase",
        "success": True,
        "message": "Text uppercase operation completed",
        "result": answer["result"],
    }


@pytest.mark.parametrize(
    ("operation", "text", "options", "expected"),
    [
        ("lowercase", "ÀB", {}, "àb"),
        ("reverse", "aé1", {}, "1éa"),
        ("trim", " \t a b \n", {}, "a b"),
        ("replace", "a.b.c", {"from": ".", "to": "--"}, "a--b--c"),
        ("replace", "aXb", {"from": "X", "to": ""}, "ab"),
        ("replace", "ab", {"from": "", "to": "-"}, "-a-b-"),
        ("substring", "hello world", {"start": 6, "end": 11}, "world"),
        ("substring", "hello", {"start": 0, "end": 6}, ""),
        ("substring", "hello", {"start": 3, "end": 3}, ""),
        ("substring", "hello", {"start": 4.0, "end": 5}, "o"),
        ("substring", "aéb", {"start": 0, "end": 2}, "a"),
        ("split", "a b c", {}, '["a","b","c"]'),
        ("split", "a, b", {"delimiter": ", "}, '["a","b"]'),
        ("split", "ab", {"delimiter": ""}, '["","a","b",""]'),
        ("split", "", {}, '[""]'),
        ("join", '["a", "b"]', {}, "a b"),
        ("join", '["a", "b"]', {"delimiter": "+"}, "a+b"),
        ("join", "[]", {}, ""),
        ("snake_case", "HelloWorld", {}, "hello_world"),
        ("snake_case", "HTTPResponse", {}, "httpresponse"),
        ("snake_case", "already_snake", {}, "already_snake"),
        ("snake_case", "aA Bc", {}, "a_a bc"),
        ("snake_case", "Already_Snake", {}, "already_snake"),
        ("camel_case", "hello_world-again", {}, "helloWorldAgain"),
        ("camel_case", "HelloWorld", {}, "helloWorld"),
        ("pascal_case", "hello_world-again", {}, "HelloWorldAgain"),
        ("pascal_case", "_x__yZ", {}, "XYZ"),
        ("sanitize", "  a\x00b\x1b[1mé\n\tc  ", {}, "ab[1m\n\tc"),
        ("truncate", "Hello, world!", {"max_length": 5}, "He..."),
        ("truncate", "Hello", {"max_length": 3}, "..."),
        ("truncate", "Hello", {"max_length": 0}, ""),
        ("truncate", "Hi", {"max_length": 2}, "Hi"),
        ("truncate", "x" * 101, {}, "x" * 97 + "..."),
        ("truncate", "ééé", {"max_length": 5}, "é..."),
        ("truncate", "aéé", {"max_length": 4}, "a..."),
        ("indent", "a\n\nb\n", {}, "    a\n    \n    b\n"),
        ("indent", "a\r\nb", {"spaces": 1}, " a\n b"),
        ("indent", "", {}, ""),
        ("dedent", "    a\n      b\n\n    c", {}, "a\n  b\n\nc"),
        ("dedent", "\ta\n\tb\n", {}, "a\nb\n"),
        ("dedent", "a\n  b", {}, "a\n  b"),
        ("normalize_whitespace", "  a \n\t b  ", {}, "a b"),
        ("word_wrap", "aaa bbb ccc", {"width": 7}, "aaa bbb\nccc"),
        ("word_wrap", "abcdefgh ij", {"width": 3}, "abc\ndef\ngh\nij"),
        ("word_wrap", "x abcd y", {"width": 3}, "x\nabc\nd y"),
        ("word_wrap", "short\nlines", {}, "short\nlines"),
        ("word_wrap", "w" * 81, {}, "w" * 80 + "\nw"),
    ],
)
def test_operations(operation: str, text: str, options: dict[str, Any], expected: str) -> None:
    assert changed(operation, text, **options) == expected


def test_options_of_other_operations_mean_nothing() -> None:
    assert changed("uppercase", "a", **{"from": 5, "width": "x"}) == "A"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "uppercase"}, "parameter input is missing"),
        ({"input": "x"}, "parameter operation is missing"),
        ({"operation": "upercase", "input": "x"}, "did you mean uppercase.*word_wrap"),
        ({"operation": "trim", "input": b"\xff"}, "input must be text; it is bytes"),
        ({"operation": "trim", "input": 5}, "input must be a string, not the number 5"),
        ({"operation": "trim", "input": "x", "options": "y"}, "options must be a table"),
        ({"operation": "replace", "input": "x"}, "options.from, options.to is missing"),
        ({"operation": "replace", "input": "x", "options": {"from": "x"}}, "options.to is missing"),
        ({"operation": "substring", "input": "x", "options": {"start": 0}}, "options.end is miss"),
        ({"operation": "substring", "input": "x", "options": {"start": -1, "end": 1}}, "start.*-1"),
        ({"operation": "indent", "input": "x", "options": {"spaces": "4"}}, "spaces must be an in"),
        ({"operation": "indent", "input": "x", "options": {"spaces": 0.5}}, "spaces must be an in"),
        ({"operation": "word_wrap", "input": "x", "options": {"width": 0}}, "width.*0"),
        (
            {"operation": "split", "input": "x", "options": {"delimiter": 1}},
            "delimiter must be a s",
        ),
        ({"operation": "join", "input": "a b"}, "join needs a JSON array of texts"),
        ({"operation": "join", "input": "[1]"}, "join needs a JSON array of texts"),
        ({"operation": "join", "input": "[" * 100_000}, "join needs a JSON array of texts"),
        ({"operation": "trim", "input": "x", "text": "y"}, "text is another name of input"),
    ],
)
def test_what_is_wrong(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says) as caught:
        TOOLS.invoke("text_manipulator", params, tool_context(Path("/")))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("operation", "text", "options"),
    [
        ("replace", "a" * 100_000, {"from": "a", "to": "b" * 100_000}),
        ("indent", "\n" * 1000, {"spaces": 10**15}),
        ("join", json.dumps(["a"] * 1000), {"delimiter": "x" * 100_000}),
    ],
)
def test_what_would_become_huge_is_refused_before_it_is_made(
    operation: str, text: str, options: dict[str, Any]
) -> None:
    with pytest.raises(EffectFailed, match=r"the result would have \d+ bytes; at most"):
        changed(operation, text, **options)


def test_what_would_fall_into_too_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_manipulator, "MAX_PARTS", 10)
    with pytest.raises(EffectFailed, match="12 parts; at most 10"):
        changed("split", " " * 11)
    with pytest.raises(EffectFailed, match="13 parts; at most 10"):
        changed("split", "x" * 11, delimiter="")
    for operation in ("indent", "dedent", "word_wrap"):
        with pytest.raises(EffectFailed, match="lines; at most 10"):
            changed(operation, "\n" * 11)
    with pytest.raises(EffectFailed, match="lines; at most 10"):
        changed("word_wrap", "x" * 11, width=1)


def test_a_long_word_is_cut_in_linear_time() -> None:
    assert changed("word_wrap", "x" * 900_000, width=1).count("\n") == 899_999


def test_too_much_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_manipulator, "MAX_INPUT_BYTES", 5)
    with pytest.raises(EffectFailed, match="input has 6 bytes; at most 5"):
        changed("trim", "ééé")


@given(st.text(max_size=50), st.text(min_size=1, max_size=3))
def test_what_was_split_is_joined_again(text: str, delimiter: str) -> None:
    assert changed("join", changed("split", text, delimiter=delimiter), delimiter=delimiter) == text


@given(st.text(max_size=100), st.integers(4, 40))
def test_what_is_truncated_fits(text: str, most: int) -> None:
    assert call("truncate", text, max_length=most)["result"]["result_length"] <= most


@given(st.text(alphabet="ab \n", max_size=200), st.integers(1, 20))
def test_what_is_wrapped_fits_and_loses_no_letter(text: str, width: int) -> None:
    wrapped = changed("word_wrap", text, width=width)
    assert all(len(line) <= width for line in wrapped.split("\n"))
    assert "".join(wrapped.split()) == "".join(text.split())


@given(st.text(alphabet="ab\n", max_size=60), st.integers(0, 8))
def test_what_is_indented_is_dedented_again(text: str, spaces: int) -> None:
    text = "x\n" + text
    assert changed("dedent", changed("indent", text, spaces=spaces)) == text


def test_a_script_changes_text_and_a_replay_finds_the_same(script: Any, store: Store) -> None:
    done = script("""
        local r = Tool.invoke("text_manipulator", {operation = "uppercase", input = "hello"})
        print(r.result.result, JSON.parse(r.text).result.result)
        print(Tool.text_manipulator:execute{text = "a b", operation = "split"}.result.result)
    """)
    assert script.lines == ["HELLO\tHELLO", '["a","b"]']
    assert respell.replay(done.session, store=store).identical
    assert TOOLS.kind_of("text_manipulator", {"operation": "trim", "input": ""}) is Kind.READ
