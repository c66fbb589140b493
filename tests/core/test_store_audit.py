"""The audit log: who did what, and who was refused."""

from __future__ import annotations

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
