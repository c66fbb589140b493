"""The difference between two artifacts, as people read it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respell.artifacts.comparing import MAX_COMPARED_BYTES, changes, diff_text
from respell.artifacts.record import ArtifactRecord
from respell.artifacts.storing import Content, store_artifact
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


@pytest.fixture
def session(store: Store) -> SessionRecord:
    return store.sessions.insert(SessionRecord())


def pair(
    store: Store, session: SessionRecord, old: Content, new: Content
) -> tuple[ArtifactRecord, ArtifactRecord]:
    a = store_artifact(store, session, "a.txt", old)
    return a, store_artifact(store, session, "a.txt", new)


def shown(store: Store, session: SessionRecord, old: Content, new: Content) -> list[str]:
    return diff_text(store, *pair(store, session, old, new))


def test_two_versions_differ_as_a_unified_diff(store: Store, session: SessionRecord) -> None:
    old = "".join(f"line {n}\n" for n in range(1, 31))
    new = old.replace("line 4\n", "line four\n").replace("line 20\n", "") + "line 31\n"
    short = session.id[:8]
    assert shown(store, session, old, new) == [
        f"--- {short}/a.txt v1", f"+++ {short}/a.txt v2",
        "@@ -1,7 +1,7 @@", " line 1", " line 2", " line 3", "-line 4", "+line four",
        " line 5", " line 6", " line 7",
        "@@ -17,7 +17,6 @@", " line 17", " line 18", " line 19", "-line 20",
        " line 21", " line 22", " line 23",
        "@@ -28,3 +27,4 @@", " line 28", " line 29", " line 30", "+line 31",
    ]  # fmt: skip


def test_the_same_content_has_no_difference(store: Store, session: SessionRecord) -> None:
    assert shown(store, session, "same\n", b"same\n") == []


def test_a_missing_line_end_is_said(store: Store, session: SessionRecord) -> None:
    assert shown(store, session, "a\nb", "a\nb\n")[2:] == [
        "@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+b",
    ]  # fmt: skip
    assert shown(store, session, "", "a\n")[2:] == ["@@ -0,0 +1 @@", "+a"]


def test_tables_are_compared_field_by_field(store: Store, session: SessionRecord) -> None:
    lines = shown(store, session, {"a": 1, "b": [1, 2]}, {"a": 2, "b": [1, 2]})
    assert lines[2:] == [
        "@@ -1,5 +1,5 @@", " {", '-  "a": 1,', '+  "a": 2,', '   "b": [', "     1,", "     2",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_what_is_no_text_is_only_said_to_differ(
    store: Store, session: SessionRecord, content: bytes
) -> None:
    lines = shown(store, session, "text", content)
    assert lines[2:] == [f"binary content differs: 4 bytes, {len(content)} bytes"]


def test_what_is_too_large_is_refused(store: Store, session: SessionRecord) -> None:
    large = os.urandom(MAX_COMPARED_BYTES + 1)
    with pytest.raises(UsageError, match="artifacts of up to 4194304 bytes can be compared"):
        shown(store, session, "a", large)


def test_what_has_nothing_in_common_takes_no_time(store: Store, session: SessionRecord) -> None:
    old = "".join(f"{n * 7919 % 2}\n" for n in range(500_000))
    new = "".join(f"{n * 104_729 % 3 % 2}\n" for n in range(500_000))
    lines = shown(store, session, old, new)
    assert applied(old.splitlines(True), new.splitlines(True)) == new.splitlines(True)
    assert lines[2].startswith("@@ -1")


def applied(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Apply the changes to the old lines."""
    result: list[str] = []
    at = 0
    for a, b, c, d in changes(old, new):
        assert a < b or c < d
        result += [*old[at:a], *new[c:d]]
        at = b
    return [*result, *old[at:]]


lines = st.lists(st.sampled_from("abcd"), max_size=30)


@given(old=lines, new=lines)
def test_changes_lead_from_the_one_to_the_other(old: list[str], new: list[str]) -> None:
    assert applied(old, new) == new
    changed = sum(b - a + d - c for a, b, c, d in changes(old, new))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    assert changed <= len(old) + len(new) - 2 * sum(it.size for it in blocks)
