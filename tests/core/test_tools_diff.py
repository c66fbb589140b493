"""diff_calculator: texts in four formats, values, files, and what is too much."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import respell
from respell.errors import EffectFailed, PermissionDenied
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin import diff_calculator
from respell.tools.builtin._differences import compare_texts, compare_values
from workbench import tool_context

TOOLS = ToolRegistry()
OLD, NEW = "a\nb\nc\n", "a\nx\nc\nd\n"


def diff(folder: Path, **params: Any) -> dict[str, Any]:
    return TOOLS.invoke("diff_calculator", params, tool_context(folder))


def test_a_text_diff_in_v060s_envelope(tmp_path: Path) -> None:
    answer = diff(tmp_path, old_text=OLD, new_text=NEW)
    assert answer["result"] == {
        "type": "text",
        "format": "unified",
        "diff": "--- old\n+++ new\n@@ -1,3 +1,4 @@\n a\n-b\n+x\n c\n+d\n",
        "stats": {"old_lines": 3, "new_lines": 4},
    }
    envelope = json.loads(answer["text"])
    assert (envelope["operation"], envelope["result"]) == ("text_diff", answer["result"])
    assert answer["metadata"] == {}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Inline", " a\n-b\n+x\n c\n+d\n"),
        (
            "context",
            "*** old\n--- new\n***************\n*** 1,3 ****\n  a\n! b\n  c\n"
            "--- 1,4 ----\n  a\n! x\n  c\n+ d\n",
        ),
        (
            "SIMPLE",
            "Total changes: 2\n\nReplaced at lines 2-2 with lines 2-2\n"
            "Added at line 4: 1 line(s)\n",
        ),
    ],
)
def test_every_format(tmp_path: Path, written: str, expected: str) -> None:
    found = diff(tmp_path, operation="text_diff", old_text=OLD, new_text=NEW, format=written)
    assert found["result"]["diff"] == expected
    assert found["result"]["format"] == written


def test_lines_without_an_end_and_lines_that_are_gone(tmp_path: Path) -> None:
    found = diff(tmp_path, old_text="a\nb", new_text="a\nb\n")["result"]["diff"]
    assert "-b\n\\ No newline at end of file\n+b\n" in found
    gone = diff(tmp_path, old_text="a\nb\n", new_text="a\n", format="simple")["result"]["diff"]
    assert "Removed at line 2: 1 line(s)" in gone
    # A form feed does not end a line.
    assert diff(tmp_path, old_text="a\fb\r\n", new_text="")["result"]["stats"]["old_lines"] == 1


def test_equal_texts_have_no_differences(tmp_path: Path) -> None:
    assert diff(tmp_path, old_text=OLD, new_text=OLD)["result"]["diff"] == ""


def test_context_lines_are_as_many_as_are_wanted(tmp_path: Path) -> None:
    old = "".join(f"{i}\n" for i in range(20))
    new = old.replace("10\n", "ten\n")
    found = diff(tmp_path, old_text=old, new_text=new, context_lines=1)["result"]["diff"]
    assert found == "--- old\n+++ new\n@@ -10,3 +10,3 @@\n 9\n-10\n+ten\n 11\n"


def test_a_json_diff_name_by_name(tmp_path: Path) -> None:
    answer = diff(
        tmp_path,
        type="json",
        old_json={"same": 1, "list": [1], "gone": "x", "deep": {"a": True, "b": {"c": 1}}},
        new_json={"same": 1.0, "list": [1, 2], "new": {}, "deep": {"a": 1, "b": {"c": 1}}},
    )
    assert answer["result"] == {
        "type": "json",
        "diff": {
            "added": {"new": {}},
            "removed": {"gone": "x"},
            "modified": {
                "list": {"old": [1], "new": [1, 2]},
                "deep.a": {"old": True, "new": 1},
            },
            "unchanged": ["same", "deep.b"],
        },
        "summary": {"added": 1, "removed": 1, "modified": 2, "unchanged": 2},
    }
    assert json.loads(answer["text"])["operation"] == "json_diff"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1], [1, 2], {"[]": {"old_length": 1, "new_length": 2, "old": [1], "new": [1, 2]}}),
        ('{"a": 1}', '{"a": 2}', {"a": {"old": 1, "new": 2}}),
        ("1", "2", {"": {"old": 1, "new": 2}}),
        ({"a": {"b": 1}}, {"a": 5}, {"a": {"old": {"b": 1}, "new": 5}}),
    ],
)
def test_json_of_other_kinds(tmp_path: Path, old: Any, new: Any, expected: Any) -> None:
    found = diff(tmp_path, old_json=old, new_json=new)["result"]["diff"]
    assert found["modified"] == expected


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


@given(old=TREES, new=TREES)
def test_values_differ_exactly_where_they_are_said_to(old: Any, new: Any) -> None:
    found = compare_values(old, new)
    changes = sum(len(found[name]) for name in ("added", "removed", "modified"))
    assert (changes == 0) == (json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True))
    back = compare_values(new, old)
    assert (back["added"], back["removed"]) == (found["removed"], found["added"])


@settings(max_examples=50)
@given(
    old=st.lists(st.sampled_from(["a\n", "b\n", "\n"]), max_size=8),
    new=st.lists(st.sampled_from(["a\n", "c\n", "\n"]), max_size=8),
)
def test_an_inline_diff_has_both_texts_in_it(old: list[str], new: list[str]) -> None:
    payload = {"old": "".join(old), "new": "".join(new), "format": "inline", "context_lines": 0}
    lines = compare_texts(payload)["diff"].splitlines(keepends=True)
    assert [line[1:] for line in lines if line[0] in " -"] == old
    assert [line[1:] for line in lines if line[0] in " +"] == new


def test_files_are_compared_and_win(tmp_path: Path) -> None:
    (tmp_path / "old").write_text(OLD)
    (tmp_path / "new").write_text(NEW)
    found = diff(tmp_path, old_file="old", new_file="new", old_text="", new_text="")
    assert "+x\n" in found["result"]["diff"]
    (tmp_path / "old").write_text('{"a": 1}')
    (tmp_path / "new").write_text('{"a": 1}')
    found = diff(tmp_path, type="json", old_file="old", new_file="new")
    assert found["result"]["summary"]["unchanged"] == 1


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "nothing to compare: give old_text and new_text, or old_file and new_file"),
        ({"type": "json"}, "give old_json and new_json"),
        ({"old_text": "a"}, "parameter new_text is missing; a diff has two sides"),
        ({"new_file": "f"}, "parameter old_file is missing"),
        ({"type": "yaml", "old_text": "", "new_text": ""}, "allowed are: text, json"),
        ({"type": "text", "operation": "json_diff"}, "give one of them"),
        ({"operation": "merge"}, "allowed are: text_diff, json_diff"),
        ({"old_text": "", "new_text": "", "format": "unifid"}, "did you mean unified"),
        ({"old_json": "{", "new_json": "{}"}, "the old JSON is wrong"),
        ({"old_json": "[" * 100_000, "new_json": "{}"}, "the old JSON nests too deep"),
        ({"old_json": "{}", "new_json": "[" * 95 + "]" * 95}, "the new JSON nests too deep"),
        ({"old_file": "gone", "new_file": "f"}, "gone: No such file"),
        ({"old_file": ".", "new_file": "f"}, "Is a directory"),
        ({"old_file": "pipe", "new_file": "f"}, "pipe is not a regular file"),
        ({"old_file": "f", "new_file": "f"}, "f is no UTF-8 text: byte 1 is wrong"),
    ],
)
def test_what_is_wrong_with_a_call(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "f").write_bytes(b"\xff")
    with pytest.raises(EffectFailed, match=says):
        diff(tmp_path, **params)


def test_files_outside_and_huge_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermissionDenied, match="--allow read=/etc/passwd"):
        diff(tmp_path, old_file="/etc/passwd", new_file="/etc/passwd")
    monkeypatch.setattr(diff_calculator, "MAX_INPUT_BYTES", 10)
    (tmp_path / "big").write_text("x" * 11)
    with pytest.raises(EffectFailed, match="is larger than the 10 bytes"):
        diff(tmp_path, old_file="big", new_file="big")
    with pytest.raises(EffectFailed, match="parameter old_text has 11 bytes; at most 10"):
        diff(tmp_path, old_text="x" * 11, new_text="")


def test_a_diff_that_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    ctx = tool_context(tmp_path)
    numbers = random.Random(1)
    old, new = ("".join(f"{numbers.randrange(400)}\n" for _ in range(60_000)) for _ in range(2))
    ctx.cancel.set()
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        TOOLS.invoke("diff_calculator", {"old_text": old, "new_text": new}, ctx)


def test_a_script_compares_and_its_replay_is_identical(script: Any, store: Store) -> None:
    result = script(
        """
        local texts = {old_text = "a", new_text = "b", format = "inline"}
        io.write(Tool.invoke("diff_calculator", texts).result.diff)
        local j = Tool.diff_calculator:execute{type = "json", old_json = {1}, new_json = {}}
        print(j.result.summary.modified, JSON.parse(j.text).operation)
        """
    )
    assert script.lines[-1].split() == ["1", "json_diff"]
    assert respell.replay(result.session, store=store).identical
