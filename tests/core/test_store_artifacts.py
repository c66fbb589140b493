"""Rows of artifacts: numbered, versioned, listed, deleted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from respell.artifacts.record import ArtifactQuery, ArtifactRecord, artifact_json
from respell.errors import ArtifactNotFound, NotFound, SessionNotFound, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    ticks = itertools.count(1_000_000, 1_000_000)
    with Store(tmp_path / "store", durability="process", clock=lambda: next(ticks)) as store:
        yield store


def add(store: Store, session: int, name: str, content: bytes, **fields: object) -> ArtifactRecord:
    address = store.blobs.put(content)
    record = ArtifactRecord(session, name, address, len(content), **fields)  # type: ignore[arg-type]
    return store.artifacts.insert(record)


def test_an_artifact_comes_back_exactly_as_it_was_stored(store: Store) -> None:
    session = store.sessions.insert(SessionRecord())
    stored = add(
        store, session.key, "report.txt", b"line\n" * 5000,
        artifact_type="agent_output", mime_type="text/plain", description="d", tags=["a", "b"],
        custom={"k": 1.5, 2: b"\xff"}, is_value=True, created_at=5, created_by="me",
        parent_artifact="p/1/x", event=12,
    )  # fmt: skip
    assert store.artifacts.get(stored.id) == stored
    assert stored.id == f"{session.id}/1/{stored.content_hash.hex()[:8]}"
    assert (stored.version, stored.previous_hash, stored.size) == (1, None, 25_000)
    assert stored.is_compressed
    assert stored.stored_size < 1000
    assert list(artifact_json(stored)) == [
        "id", "session_id", "name", "version", "content_hash", "previous_hash", "artifact_type",
        "mime_type", "size", "stored_size", "is_compressed", "tags", "metadata", "created_at",
        "event",
    ]  # fmt: skip
    again = artifact_json(store.artifacts.get(stored.id))
    assert again["metadata"] == {"$map": [[2, {"$bytes": "/w=="}], ["k", 1.5]]}


def test_the_same_name_again_is_the_next_version(store: Store) -> None:
    one, two = (store.sessions.insert(SessionRecord()).key for _ in "ab")
    first = add(store, one, "a", b"1")
    second = add(store, one, "a", b"2")
    other = add(store, one, "b", b"1")
    elsewhere = add(store, two, "a", b"1")
    assert [it.version for it in (first, second, other, elsewhere)] == [1, 2, 1, 1]
    assert [it.sequence for it in (first, second, other, elsewhere)] == [1, 2, 3, 1]
    assert second.previous_hash == first.content_hash == other.content_hash
    assert store.artifacts.versions(one, "a") == [first, second]
    assert store.sessions.get(one).artifacts == 3


def test_a_deleted_one_is_gone_and_its_number_is_never_used_again(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    first, second = add(store, key, "a", b"1"), add(store, key, "a", b"2")
    store.artifacts.delete(second.id)
    with pytest.raises(ArtifactNotFound, match="any more"):
        store.artifacts.delete(second.id)
    assert store.artifacts.versions(key, "a") == [first]
    assert store.sessions.get(key).artifacts == 1
    third = add(store, key, "a", b"3")
    assert (third.sequence, third.version, third.previous_hash) == (3, 3, second.content_hash)


def test_what_can_not_be_found_says_so(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    stored = add(store, key, "a", b"1")
    for wrong in ("x", "a/b/c", f"{stored.session_id}/1/00000000", f"{stored.session_id}/²/x"):
        with pytest.raises(ArtifactNotFound, match="respell artifacts list"):
            store.artifacts.get(wrong)
    with pytest.raises(SessionNotFound):
        add(store, 99, "a", b"1")
    with pytest.raises(NotFound, match="has no blob"):
        store.artifacts.insert(ArtifactRecord(key, "a", b"?" * 32, 1))
    assert store.sessions.get(key).artifacts == 1
    assert add(store, key, "a", b"2").sequence == 2


def test_artifacts_are_listed_newest_first_and_filtered_by_everything(store: Store) -> None:
    one, two = (store.sessions.insert(SessionRecord()) for _ in "ab")
    add(store, one.key, "data.csv", b"1" * 10, mime_type="text/csv", tags=["x"], created_at=10)
    add(store, one.key, "Notes.md", b"2" * 20, mime_type="text/markdown", created_at=20)
    add(
        store, two.key, "plot.png", b"3" * 30, mime_type="image/png", tags=["x", "y"], created_at=30
    )
    add(store, two.key, "data.csv", b"4" * 40, artifact_type="tool_result", created_at=40,
        description="Ärger")  # fmt: skip

    def sizes(**filters: object) -> list[int]:
        query = ArtifactQuery(**filters)  # type: ignore[arg-type]
        found = store.artifacts.list(query)
        assert store.artifacts.count(replace(query, limit=None, offset=0)) >= len(found)
        return [it.size for it in found]

    assert sizes() == [40, 30, 20, 10]
    assert sizes(session_id=one.id) == [20, 10]
    assert sizes(artifact_type="tool_result") == [40]
    assert sizes(name="data.csv") == [40, 10]
    assert sizes(name_pattern="*.[cm]*") == [40, 20, 10]
    assert sizes(tags=["x"]) == [30, 10]
    assert sizes(tags=["x", "y"]) == [30]
    assert sizes(mime_type="text/*") == [20, 10]
    assert sizes(mime_type="image/png") == [30]
    assert sizes(created_after=20, created_before=40) == [30, 20]
    assert sizes(min_size=20, max_size=30) == [30, 20]
    assert sizes(text="ärger") == [40]
    assert sizes(text="NOTES") == [20]
    assert sizes(sort="name") == [10, 40, 20, 30]
    assert sizes(sort="size", desc=False) == [10, 20, 30, 40]
    assert sizes(limit=2, offset=1) == [30, 20]
    assert store.artifacts.count() == 4
    with pytest.raises(UsageError, match="can't be sorted by 'color'"):
        sizes(sort="color")
