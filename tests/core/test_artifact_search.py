"""Finding artifacts: as a plain filter over all of them would, only faster."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respell.artifacts.record import SORTS, ArtifactQuery, ArtifactRecord
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store

NAMES = ("report.md", "Report.MD", "report-2.md", "größe", "GRÖSSE", "a*b", "[x]", "Ω.txt", "x")
TAGS = ("q4", "Q4", "raw", "ß", "a b")
TYPES = ("user_input", "tool_result", "notes")
MIMES = ("text/plain", "text/markdown", "application/json", "image/png")
TEXTS = ("", "the Year", "STRASSE", "naïve\nsecond line", "q4")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


def add(store: Store, session: int, name: str, size: int = 1, **fields: Any) -> ArtifactRecord:
    address = store.blobs.put(b"x" * size)
    return store.artifacts.insert(ArtifactRecord(session, name, address, size, **fields))


# A search finds what a plain filter finds ------------------------------------------------

artifacts = st.lists(
    st.fixed_dictionaries(
        {
            "owner": st.integers(0, 2),
            "name": st.sampled_from(NAMES),
            "size": st.integers(0, 4),
            "artifact_type": st.sampled_from(TYPES),
            "mime_type": st.sampled_from(MIMES),
            "tags": st.lists(st.sampled_from(TAGS), unique=True, max_size=3),
            "description": st.sampled_from(TEXTS),
            "created_at": st.integers(1, 5),
            "gone": st.sampled_from((False, False, False, True)),
        }
    ),
    max_size=25,
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "sessions": st.lists(st.integers(0, 3), unique=True, max_size=3),
        "name": st.sampled_from(NAMES),
        "name_pattern": st.sampled_from(
            (
                "*",
                "r*",
                "*.md",
                "?",
                "REPORT",
                "report-",
                "[Rr]eport*",
                "*Ö*",
                "größe",
                "[",
                "a[*]b",
            )
        ),
        "tags": st.lists(st.sampled_from(TAGS), max_size=3),
        "artifact_type": st.sampled_from(TYPES),
        "mime_type": st.sampled_from((*MIMES, "text/*", "*/*")),
        "created_after": st.integers(0, 6),
        "created_before": st.integers(0, 6),
        "min_size": st.integers(0, 5),
        "max_size": st.integers(0, 5),
        "text": st.sampled_from(("", "year", "strasse", "STRAßE", "q4", "ÏVE", "report", "\n")),
        "sort": st.sampled_from(SORTS),
        "desc": st.sampled_from((None, True, False)),
        "limit": st.integers(0, 6),
        "offset": st.integers(0, 6),
    },
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("search") / "store", durability="process") as opened:
        yield opened


@given(shelf=artifacts, asked=queries)
@settings(max_examples=250, deadline=None)
def test_a_search_finds_what_a_plain_filter_finds(
    shared: Store, shelf: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    for session in shared.sessions.list():
        shared.sessions.delete(session.key)
    with shared.transaction():
        owners = [shared.sessions.insert(SessionRecord()) for _ in range(3)]
        there = []
        for one in map(dict, shelf):
            owner, gone = owners[one.pop("owner")], one.pop("gone")
            record = add(shared, owner.key, one.pop("name"), one.pop("size"), **one)
            if gone:
                shared.artifacts.delete(record.id)
            else:
                there.append(record)
    wanted = asked.pop("sessions", None)
    if wanted is not None:
        asked["session_ids"] = [owners[it].id if it < 3 else "no such session" for it in wanted]
    query = ArtifactQuery(**asked)
    found = shared.artifacts.list(query)
    fit = [it for it in there if fits(query, it)]
    fit.sort(key=lambda it: place(query, it), reverse=descends(query))
    end = None if query.limit is None else query.offset + query.limit
    assert [it.id for it in found] == [it.id for it in fit[query.offset : end]]
    assert found == fit[query.offset : end]
    assert shared.artifacts.count(query) == len(fit)


def fits(query: ArtifactQuery, it: ArtifactRecord) -> bool:
    mime, pattern = query.mime_type, query.name_pattern
    searched = (it.name.casefold(), "\n".join((it.description, *it.tags)).casefold())
    return (
        (query.session_ids is None or it.session_id in query.session_ids)
        and query.name in (None, it.name)
        and (pattern is None or matches(pattern, it.name))
        and set(query.tags) <= set(it.tags)
        and query.artifact_type in (None, it.artifact_type)
        and (mime in (None, it.mime_type) or mime == f"{it.mime_type.split('/')[0]}/*")
        and (query.created_after is None or it.created_at >= query.created_after)
        and (query.created_before is None or it.created_at < query.created_before)
        and (query.min_size is None or it.size >= query.min_size)
        and (query.max_size is None or it.size <= query.max_size)
        and any((query.text or "").casefold() in text for text in searched)
    )


def matches(pattern: str, name: str) -> bool:
    """Match as a glob; without wildcards, whatever contains it in any case."""
    if not any(it in pattern for it in "*?["):
        return pattern.casefold() in name.casefold()
    if pattern == "[":  # a set that never ends matches nothing
        return False
    expression = re.sub(r"\[\*\]|\[Rr\]|.", translated, pattern)
    return re.fullmatch(expression, name, re.S) is not None


def translated(part: re.Match[str]) -> str:
    known = {"*": ".*", "?": ".", "[*]": r"\*", "[Rr]": "[Rr]"}
    return known.get(part[0], re.escape(part[0]))


def descends(query: ArtifactQuery) -> bool:
    return query.sort not in ("name", "artifact_type") if query.desc is None else query.desc


def place(query: ArtifactQuery, it: ArtifactRecord) -> tuple[Any, ...]:
    first = it.name.casefold() if query.sort == "name" else getattr(it, query.sort)
    return first, it.session_key, it.sequence


# Corners ---------------------------------------------------------------------------------


def test_artifacts_of_a_session_that_is_only_hidden_are_not_found(store: Store) -> None:
    seen, hidden = (store.sessions.insert(SessionRecord()) for _ in "ab")
    for session in (seen, hidden):
        add(store, session.key, "a", tags=["t"])
    fork = SessionRecord(fork_of=hidden.key, fork_seq=0, forked_from=hidden.id, forked_at="1")
    store.sessions.insert(fork)
    store.sessions.delete(hidden.key)  # the fork still needs its records
    for query in (
        ArtifactQuery(), ArtifactQuery(tags=["t"]), ArtifactQuery(sort="size"),
        ArtifactQuery(text="a"), ArtifactQuery(session_ids=[seen.id, hidden.id]),
    ):  # fmt: skip
        assert [it.session_id for it in store.artifacts.list(query)] == [seen.id], query
        assert store.artifacts.count(query) == 1
    assert store.artifacts.list(ArtifactQuery(session_id=hidden.id)) == []


def test_two_filters_for_the_session_both_hold(store: Store) -> None:
    one, two = (store.sessions.insert(SessionRecord()) for _ in "ab")
    add(store, one.key, "a")
    add(store, two.key, "b")
    both = ArtifactQuery(session_ids=[one.id, two.id])
    assert store.artifacts.count(both) == 2
    assert store.artifacts.count(replace(both, session_id=two.id)) == 1
    assert store.artifacts.count(ArtifactQuery(session_id=one.id, session_ids=[two.id])) == 0
    assert store.artifacts.count(ArtifactQuery(session_ids=[])) == 0


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"limit": -1}, "limit must be 0 or more, not -1"),
        ({"offset": -1}, "offset must be 0 or more, not -1"),
        ({"min_size": -1}, "min_size must be 0 or more, not -1"),
        ({"name_pattern": "x*" * 600}, "name_pattern may have 1024 bytes"),
        ({"name_pattern": "a*\0b"}, "name_pattern may have 1024 bytes, and none that is zero"),
        ({"name_pattern": "\ud800*"}, "has bytes that are not UTF-8"),
        ({"tags": ["\ud800"]}, "has bytes that are not UTF-8"),
        ({"text": "\ud800"}, "has bytes that are not UTF-8"),
        ({"sort": "owner"}, "can't be sorted by 'owner'; choose one of created_at, name, size"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    store: Store, asked: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        store.artifacts.list(ArtifactQuery(**asked))
    with pytest.raises(UsageError, match=problem):
        store.artifacts.count(ArtifactQuery(**asked))


def test_numbers_beyond_64_bits_are_as_good_as_infinity(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    add(store, key, "a")
    assert len(store.artifacts.list(ArtifactQuery(limit=10**30, max_size=10**30))) == 1
    assert store.artifacts.list(ArtifactQuery(offset=10**30)) == []
    assert store.artifacts.list(ArtifactQuery(min_size=10**30)) == []


def test_a_pattern_made_to_backtrack_takes_no_time(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    add(store, key, "a" * 255)
    assert store.artifacts.list(ArtifactQuery(name_pattern="*a" * 250 + "b")) == []
    assert store.artifacts.list(ArtifactQuery(name_pattern="*a?" * 80 + "*b")) == []


# Tags follow their artifacts -------------------------------------------------------------


def tagged(store: Store) -> list[tuple[str, int]]:
    connection = apsw.Connection(str(store.path / "store.db"))
    try:
        return connection.execute("SELECT tag, sequence FROM artifact_tags").fetchall()
    finally:
        connection.close()


def test_tags_go_with_their_artifact_and_with_its_session(store: Store) -> None:
    one, two = (store.sessions.insert(SessionRecord()) for _ in "ab")
    first = add(store, one.key, "a", tags=["x", "y"])
    add(store, one.key, "b", tags=["x"])
    add(store, two.key, "c", tags=["x"])
    store.artifacts.delete(first.id)
    assert tagged(store) == [("x", 2), ("x", 1)]
    store.sessions.delete(one.key)
    assert tagged(store) == [("x", 1)]


def test_artifacts_of_a_store_of_version_1_are_found_by_everything(tmp_path: Path) -> None:
    with tarfile.open(Path(__file__).parent / "stores" / "v1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    (database,) = tmp_path.rglob("store.db")
    with Store(database.parent) as store:

        def names(**asked: Any) -> list[str]:
            return [it.name for it in store.artifacts.list(ArtifactQuery(sort="name", **asked))]

        everything = names()
        assert "report.md" in everything
        assert "gone.txt" not in everything
        assert names(tags=["draft"]).count("note.txt") == names(name="note.txt").count("note.txt")
        assert set(names(tags=["file", "large"])) == {"large.bin"}
        assert set(names(text="grösse")) == {"report.md"}
        assert set(names(text="FIRST DRAFT")) == {"report.md"}
        assert set(names(text="large")) == {"large.bin"}
        assert set(names(name_pattern="REPORT")) == {"report.md"}
        assert set(names(artifact_type="tool_result")) == {"table.json"}
        assert len(names(limit=3)) == 3
