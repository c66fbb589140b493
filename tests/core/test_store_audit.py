"""The audit log: who did what, and who was refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from respell.store import Store


def test_decisions_are_kept_in_their_order(store: Store) -> None:
    store.audit.note("session.archive", session="a", actor="cli", target="nightly")
    store.audit.note("artifact.get", session="b", actor="a", allowed=False, reason="no grant")
    store.audit.note("session.delete", session="c", actor="cli")
    assert [it.action for it in store.audit.list()] == [
        "session.archive", "artifact.get", "session.delete",
    ]  # fmt: skip
    assert [it.action for it in store.audit.list(session="a")] == [
        "session.archive", "artifact.get",
    ]  # fmt: skip
    (refused,) = store.audit.list(refused=True)
    assert (refused.session, refused.actor, refused.reason) == ("b", "a", "no grant")
    assert not refused.allowed
    assert [it.action for it in store.audit.list(limit=1)] == ["session.delete"]


def test_what_is_rolled_back_was_never_audited(store: Store) -> None:
    with suppress(KeyError), store.transaction():
        store.audit.note("session.delete", session="a")
        raise KeyError
    assert store.audit.list() == []


def test_what_a_session_did_is_found_through_indexes(store: Store) -> None:
    for number in range(3):
        store.audit.note("artifact.get", session="other", actor=f"actor {number}")
        store.audit.note("session.archive", session="mine")
    store.audit.note("artifact.get", session="mine", actor="mine")
    store.audit.note("session.delete", session="other", actor="mine")
    assert [it.action for it in store.audit.list(session="mine")] == [
        *["session.archive"] * 3, "artifact.get", "session.delete",
    ]  # fmt: skip
    (sql,) = queries(store, lambda: store.audit.list(session="mine"))
    assert not scanned(store, sql)


def test_deleted_sessions_are_found_without_a_look_at_all_others(store: Store) -> None:
    for sql in queries(store, lambda: (store.sessions.purge(), store.sessions.abandoned(0))):
        assert [it for it in scanned(store, sql) if "sessions_deleted" not in it] == []


def queries(store: Store, do: Callable[[], object]) -> list[str]:
    """Return the queries that something needs."""
    found: list[str] = []

    def note(_: object, sql: str, __: object) -> bool:
        found.append(sql)
        return True

    connection = store._database._connection
    connection.exec_trace = note
    try:
        do()
    finally:
        connection.exec_trace = None
    return [sql for sql in found if sql.startswith("SELECT")]


def scanned(store: Store, sql: str) -> list[str]:
    """Return the steps of a query's plan that go through a whole table or index."""
    plan = store._database.rows(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
    return [str(step[-1]) for step in plan if step[-1].startswith("SCAN")]
