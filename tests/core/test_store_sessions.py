"""Sessions are kept, found, listed and deleted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from respell import values
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.errors import (
    InvalidTransition,
    NotFound,
    RespellError,
    SessionBusy,
    SessionNotFound,
    UsageError,
)
from respell.history.record import FIRST_HASH
from respell.sessions.lifecycle import STATUSES, check_transition, may_become
from respell.sessions.record import SessionQuery, SessionRecord, session_json
from respell.store import Store
from respell.values import BooleanKey
from store_children import effect


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    ticks = itertools.count(1_000_000, 1_000_000)
    with Store(tmp_path / "store", clock=lambda: next(ticks)) as store:
        yield store


FULL = SessionRecord(
    name="nightly",
    description="Reads the news",
    status="suspended",
    script="agents/n\udcffws.lua",
    script_hash="ab" * 32,
    args=["--all", "näh", "\udcff"],
    input={"n": 1, "x": 1.0, b"\xff": [b"\xfe", None], BooleanKey(True): {}},
    tags=["news", "näh"],
    metadata={"owner": "lena", 1: 2.5},
    parent_session_id="p",
    forked_from="f",
    forked_at="12+0",
    created_by="me",
    created_at=5,
    updated_at=6,
    ended_at=7,
    usage={"operations": 3, "tokens": 5, "cost_usd": 0.25, "artifact_bytes": 9, "active_s": 1.5},
    limits={"tokens": 1000},
    waiting_for={"prompt": "Go on?", "schema": {"type": "boolean"}},
    error={"message": "no", "traceback": "at", "event": 3},
)


def test_a_session_comes_back_exactly_as_it_was_stored(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        stored = store.sessions.insert(FULL)
        assert stored == replace(FULL, key=stored.key)
        assert store.sessions.get(stored.key) == stored
    with Store(tmp_path) as store:
        assert store.sessions.get(stored.id) == stored


def test_a_new_session_has_times_counters_and_empty_fields(store: Store) -> None:
    stored = store.sessions.insert(SessionRecord())
    again = store.sessions.get(stored.key)
    assert again == stored
    assert (again.created_at, again.updated_at, again.ended_at) == (1_000_000, 1_000_000, None)
    assert (again.events, again.records, again.artifacts) == (0, 0, 0)
    assert again.head_hash == FIRST_HASH
    assert (again.args, again.tags, again.metadata, again.limits) == ([], [], {}, {})
    assert again.usage["operations"] == 0


def test_the_same_id_is_not_stored_twice(store: Store) -> None:
    stored = store.sessions.insert(SessionRecord())
    with pytest.raises(UsageError, match=f"there is a session {stored.id}"):
        store.sessions.insert(SessionRecord(id=stored.id))
    assert store.sessions.count() == 1


def test_changing_fields_moves_updated_at(store: Store) -> None:
    stored = store.sessions.insert(SessionRecord(name="a", tags=["x"]))
    changes = {
        "name": "b",
        "tags": ["y", "z"],
        "metadata": {"k": 1},
        "waiting_for": {"prompt": "?"},
    }
    store.sessions.update(stored.key, **changes)
    changed = store.sessions.get(stored.key)
    assert changed == replace(stored, updated_at=2_000_000, **changes)
    store.sessions.update(stored.key, updated_at=77, waiting_for=None, input=[1])
    changed = store.sessions.get(stored.key)
    assert (changed.updated_at, changed.waiting_for, changed.input) == (77, None, [1])
    store.sessions.update(stored.key, input=None)
    assert store.sessions.get(stored.key).input is None


def test_a_wrong_field_names_the_right_one(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    with pytest.raises(UsageError, match="did you mean 'tags'"):
        store.sessions.update(key, tag=["x"])
    with pytest.raises(UsageError, match="the store keeps the field 'events'"):
        store.sessions.update(key, events=5)
    with pytest.raises(UsageError, match="active, suspended, completed, failed, archived"):
        store.sessions.update(key, status="done")
    with pytest.raises(SessionNotFound, match="no session with key 99"):
        store.sessions.update(99, name="x")


def test_a_session_is_found_by_id_prefix_name_or_as_the_last_one(store: Store) -> None:
    one = store.sessions.insert(
        SessionRecord(id="aaaabbbb-0000-4000-8000-000000000001", name="morning")
    )
    two = store.sessions.insert(
        SessionRecord(id="aaaacccc-0000-4000-8000-000000000002", name="evening")
    )
    find = store.sessions.find
    assert find(one.id) == find(one.id.upper()) == find("aaaab") == find("AAAAB") == one
    assert find("morning") == one
    assert find("@last") == two
    store.sessions.update(one.key, description="now")
    assert find("@last").key == one.key


def test_what_is_not_found_says_what_there_is(store: Store) -> None:
    with pytest.raises(SessionNotFound, match="has no sessions yet"):
        store.sessions.find("@last")
    for digit in "12":
        store.sessions.insert(SessionRecord(id=f"aaaa{digit}", name="twin"))
    with pytest.raises(
        SessionNotFound, match=r"2 sessions answer to 'twin'.*\n  aaaa2 .*\n  aaaa1 "
    ):
        store.sessions.find("twin")
    with pytest.raises(SessionNotFound, match="2 sessions answer to 'aaaa'"):
        store.sessions.find("aaaa")
    with pytest.raises(SessionNotFound, match="Is it 'twin'"):
        store.sessions.find("twni")
    with pytest.raises(SessionNotFound, match="needs 4 or more characters"):
        store.sessions.find("aaa")
    with pytest.raises(SessionNotFound, match="respell list"):
        store.sessions.get("aaa")


def test_many_candidates_are_not_all_listed(store: Store) -> None:
    for number in range(10):
        store.sessions.insert(SessionRecord(name="same", description=str(number)))
    with pytest.raises(SessionNotFound, match=r"10 sessions answer(?s:.*)and 2 more"):
        store.sessions.find("same")


def ids(store: Store, query: SessionQuery | None = None) -> str:
    return "".join(record.id for record in store.sessions.list(query))


def test_sessions_are_listed_newest_first_and_filtered_by_everything(store: Store) -> None:
    add = store.sessions.insert
    add(SessionRecord(id="a", name="Ärger", tags=["x"], created_at=10, updated_at=99))
    add(SessionRecord(id="b", name="beta", tags=["x", "y"], created_at=20, parent_session_id="a"))
    add(SessionRecord(id="c", name="Gamma", status="failed", created_at=30, created_by="lena"))
    add(SessionRecord(id="d", name="delta", description="über ÄRGER", created_at=40))
    assert ids(store) == "dcba"
    assert ids(store, SessionQuery(status="failed")) == "c"
    assert ids(store, SessionQuery(tags=["x"])) == "ba"
    assert ids(store, SessionQuery(tags=["y", "x"])) == "b"
    assert ids(store, SessionQuery(parent="a")) == "b"
    assert ids(store, SessionQuery(created_by="lena")) == "c"
    assert ids(store, SessionQuery(created_after=20, created_before=40)) == "cb"
    assert ids(store, SessionQuery(text="ärger")) == "da"
    assert ids(store, SessionQuery(limit=2, offset=1)) == "cb"
    assert ids(store, SessionQuery(offset=3)) == "a"
    assert ids(store, SessionQuery(sort="name")) == "bdca"
    assert ids(store, SessionQuery(sort="name", desc=True)) == "acdb"
    assert ids(store, SessionQuery(sort="updated_at")) == "adcb"
    assert ids(store, SessionQuery(sort="created_at", desc=False)) == "abcd"
    assert store.sessions.count(SessionQuery(tags=["x"], limit=1)) == 2
    for sort in ("events", "artifacts", "status"):
        assert sorted(ids(store, SessionQuery(sort=sort))) == list("abcd")
    with pytest.raises(UsageError, match="can't be sorted by 'color'; choose one of created_at"):
        store.sessions.list(SessionQuery(sort="color"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'gone' is not a status"):
        store.sessions.list(SessionQuery(status="gone"))


def test_text_that_is_no_text_is_refused_by_name(store: Store) -> None:
    with pytest.raises(UsageError, match="'\\\\udcff' can't be stored"):
        store.sessions.insert(SessionRecord(name="\udcff"))
    with pytest.raises(UsageError, match="can't be stored"):
        store.sessions.find("\udcff")


def test_a_text_is_taken_literally(store: Store) -> None:
    store.sessions.insert(SessionRecord(name="100 percent"))
    assert store.sessions.list(SessionQuery(text="100%")) == []
    assert store.sessions.list(SessionQuery(text="' OR 1 --")) == []


def test_a_deleted_session_takes_everything_with_it(store: Store) -> None:
    kept = store.sessions.insert(SessionRecord())
    gone = store.sessions.insert(SessionRecord(input="x"))
    token = store.leases.acquire(gone.key)
    store.history.writer(gone.key, token).append([effect(1)])
    store.leases.release(gone.key, token)
    store.state.set(f"session:{gone.id}", "k", values.encode(1))
    store.state.set(f"session:{kept.id}", "k", values.encode(2))
    store.inbox.post(gone.key, "suspend")
    store.artifacts.insert(ArtifactRecord(gone.key, "a.txt", store.blobs.put(b"a"), 1))
    store.sessions.delete(gone.key)
    assert [it.id for it in store.sessions.list()] == [kept.id]
    assert store.state.list(f"session:{gone.id}") == []
    assert store.state.list(f"session:{kept.id}") == ["k"]
    assert store.artifacts.list(ArtifactQuery()) == []
    for ask in (store.sessions.get, store.history.records, store.inbox.post, store.leases.acquire):
        with pytest.raises(NotFound):
            ask(gone.key, "x") if ask == store.inbox.post else ask(gone.key)  # type: ignore[operator]
    with pytest.raises(SessionNotFound):
        store.sessions.delete(gone.key)
    # Its number never comes again; its id may, and nothing of the old one shows up.
    new = store.sessions.insert(SessionRecord(id=gone.id))
    assert new.key > gone.key
    assert store.sessions.get(new.key).input is None
    assert list(store.history.records(new.key)) == []


def test_a_session_that_is_running_is_not_deleted(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    store.leases.acquire(key)
    with pytest.raises(SessionBusy, match="is held by process") as refusal:
        store.sessions.delete(key)
    assert "process" in refusal.value.holder
    assert store.sessions.count() == 1


def test_the_json_form_has_exactly_the_documented_keys(store: Store) -> None:
    stored = store.sessions.insert(replace(FULL, args=["--all"], error={"message": "no"}))
    shown = session_json(
        stored,
        running=True,
        interrupted=False,
        in_doubt=[{"number": 3, "name": "tool.invoke", "args": {"data": b"\xff"}}],
    )
    assert list(shown) == [
        "id", "name", "description", "status", "running", "interrupted", "script",
        "script_hash", "args", "input", "tags", "metadata", "parent_session_id", "forked_from",
        "created_at", "updated_at", "ended_at", "events", "artifacts", "usage", "limits",
        "waiting_for", "error", "in_doubt",
    ]  # fmt: skip
    assert shown["created_at"] == "1970-01-01T00:00:00.000005Z"
    assert shown["error"] == {"message": "no", "traceback": None, "event": None}
    assert shown["in_doubt"][0]["args"] == {"data": {"$bytes": "/w=="}}
    assert list(shown["usage"]) == [
        "operations", "tokens", "cost_usd", "artifact_bytes", "active_s",
    ]  # fmt: skip


def test_only_the_documented_transitions_are_allowed() -> None:
    allowed = {(one, other) for one in STATUSES for other in STATUSES if may_become(one, other)}
    assert allowed == {
        ("active", "suspended"), ("active", "completed"), ("active", "failed"),
        ("suspended", "active"), ("suspended", "completed"), ("suspended", "failed"),
        ("completed", "archived"), ("failed", "archived"),
    }  # fmt: skip
    check_transition("active", "failed", session="s")
    with pytest.raises(InvalidTransition) as refusal:
        check_transition("active", "archived", session="nightly")
    assert str(refusal.value) == (
        "session nightly is active and can't become archived: "
        "it can become suspended or completed or failed"
    )
    assert (refusal.value.current, refusal.value.wanted) == ("active", "archived")
    with pytest.raises(InvalidTransition, match="nothing follows"):
        check_transition("archived", "active", session="s")
    with pytest.raises(UsageError, match="'done' is not a status"):
        check_transition("active", "done", session="s")
    assert issubclass(InvalidTransition, RespellError)
