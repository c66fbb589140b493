"""State by scope and key, and requests to hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from respell import values
from respell.errors import SessionNotFound
from respell.sessions.record import SessionRecord
from respell.store import InboxItem, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process", clock=lambda: 7) as store:
        yield store


def test_values_are_kept_by_scope_and_key(store: Store) -> None:
    state = store.state
    state.set("global", "count", values.encode(1))
    state.set("global", "count", values.encode(2))
    state.set("global", "", b"\xc0")
    state.set("custom:a", "count", values.encode([1, 2.0]))
    assert values.decode(state.get("global", "count") or b"") == 2
    assert state.get("global", "other") is None
    assert state.get("global", "") == b"\xc0"
    assert state.list("global") == ["", "count"]
    assert state.items("custom:a") == [("count", values.encode([1, 2.0]))]
    assert state.delete("global", "count")
    assert not state.delete("global", "count")
    assert state.list("custom:a") == ["count"]


def test_clearing_a_scope_leaves_the_others(store: Store) -> None:
    for scope in ("session:a", "session:ab"):
        for key in ("ä", "z", "a"):
            store.state.set(scope, key, b"\x01")
    assert store.state.list("session:a") == ["a", "z", "ä"]
    assert store.state.clear("session:a") == 3
    assert store.state.clear("session:a") == 0
    assert store.state.list("session:ab") == ["a", "z", "ä"]


def test_requests_arrive_once_and_in_order(store: Store, tmp_path: Path) -> None:
    host, other = (store.sessions.insert(SessionRecord()).key for _ in "ab")
    with Store(tmp_path / "store", clock=lambda: 9) as sender:
        sender.inbox.post(host, "suspend")
        sender.inbox.post(other, "tag", {"tag": "x"})
        sender.inbox.post(host, "outcome", {"number": 3, "value": 1.0})
    assert store.inbox.drain(host) == [
        InboxItem(1, "suspend", None, at=9),
        InboxItem(3, "outcome", {"number": 3, "value": 1.0}, at=9),
    ]
    assert store.inbox.drain(host) == []
    assert [item.kind for item in store.inbox.drain(other)] == ["tag"]
    with pytest.raises(SessionNotFound):
        store.inbox.post(99, "suspend")


def test_requests_of_a_host_that_fails_are_not_lost(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    store.inbox.post(key, "suspend")
    with pytest.raises(RuntimeError, match="died"), store.transaction():
        raise RuntimeError(f"died with {store.inbox.drain(key)}")
    assert [item.kind for item in store.inbox.drain(key)] == ["suspend"]
