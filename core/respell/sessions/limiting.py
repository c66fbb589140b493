"""Changing the limits of a session: at once where nobody runs it, else by asking its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from respell import values
from respell.errors import InvalidTransition, SessionBusy, UsageError
from respell.history.record import Part, Record, Status
from respell.policies.limits import check_limits, merged, written
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us


def set_limits(store: Store, session: SessionRecord, limits: Mapping[str, Any], *, by: str) -> bool:
    """Set limits of a session anew; the others stay.

    Args:
        store: Where it is.
        session: The session.
        limits: By name; None takes one back.
        by: Who does it, as history and audit log show it.

    Returns:
        Whether its host was asked, which takes them within 100 ms; otherwise they hold already.

    Raises:
        UsageError: A limit is unknown or no positive number, or none is given, or the memory
            of a running session should change.
        InvalidTransition: It has ended.
    """
    asked = written(check_limits(limits, lift=True))
    if not asked:
        raise UsageError("no limit was given; e.g. operations=100")
    while True:
        now = store.sessions.get(session.key)
        if now.status in ENDED:
            raise InvalidTransition(
                f"session {now.id[:8]} is {now.status}: its limits mean nothing any more",
                current=now.status, wanted="other limits",
            )  # fmt: skip
        if store.leases.holder(now.key) is not None:
            _ask_host(store, now, asked, by)
            return True
        try:
            _set_now(store, now, asked, by)
        except SessionBusy:  # somebody has just begun to run it
            continue
        return False


def _ask_host(store: Store, session: SessionRecord, asked: dict[str, Any], by: str) -> None:
    if "memory_bytes" in asked:
        raise UsageError(
            f"session {session.id[:8]} runs, and its Lua process has its memory from its start; "
            "suspend it, then resume it with another limit memory_bytes"
        )
    with store.transaction():
        store.inbox.post(session.key, "limits", {"limits": asked, "by": by})
        _audit(store, session, asked, by)
    store.sync()


def _set_now(store: Store, session: SessionRecord, asked: dict[str, Any], by: str) -> None:
    with store.transaction():
        lease = store.leases.acquire(session.key)
        now = store.sessions.get(session.key)
        writer = store.history.writer(now.key, lease)
        writer.append(
            [
                Record(
                    Part.NOTE, writer.number + 1, status=Status.OK, name="limit.set",
                    at=now_us(), args=values.encode({"limits": asked, "by": by}),
                )
            ]
        )  # fmt: skip
        store.sessions.update(now.key, limits=merged(now.limits, check_limits(asked, lift=True)))
        _audit(store, now, asked, by)
        store.leases.release(now.key, lease)
    store.sync()


def _audit(store: Store, session: SessionRecord, asked: dict[str, Any], by: str) -> None:
    words = ", ".join(f"{name}={value}" for name, value in asked.items())
    store.audit.note("session.limits", session=session.id, actor=by, target=words)
