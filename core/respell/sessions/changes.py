"""Changing a session's status from outside, where no host runs it."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.history.record import Part, Record, Status
from respell.sessions.lifecycle import ARCHIVED, COMPLETED, FAILED, check_transition
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us

_EVENTS = {COMPLETED: "lifecycle.complete", FAILED: "lifecycle.fail", ARCHIVED: "lifecycle.archive"}


def end_session(
    store: Store, session: SessionRecord, wanted: str, *, reason: str = "", by: str = "outside"
) -> SessionRecord:
    """Complete, fail or archive a session that nobody runs; return it as it is then.

    Args:
        store: Where it is.
        session: The session.
        wanted: completed, failed or archived.
        reason: Why it failed, for people.
        by: Who does it, as the history shows it.

    Raises:
        InvalidTransition: Its status does not allow that; nothing was changed.
        SessionBusy: A host runs it; says who.
    """
    with store.transaction():
        lease = store.leases.acquire(session.key)
        now = store.sessions.get(session.key)  # as it is now that nobody else can change it
        check_transition(now.status, wanted, session=now.id[:8])
        args: dict[str, Any] = {"was": now.status, "by": by}
        if reason:
            args["reason"] = reason
        writer = store.history.writer(now.key, lease)
        writer.append(
            [
                Record(
                    Part.NOTE, writer.number + 1, status=Status.OK, name=_EVENTS[wanted],
                    at=now_us(), args=values.encode(args),
                )
            ]
        )  # fmt: skip
        fields: dict[str, Any] = {"status": wanted}
        if wanted != ARCHIVED:
            fields |= {"ended_at": now_us(), "waiting_for": None}
        if wanted == FAILED:
            message = reason or f"marked as failed from {by}"
            fields["error"] = {"message": message, "traceback": "", "event": writer.number}
        store.sessions.update(now.key, **fields)
        store.leases.release(now.key, lease)
    store.sync()
    return store.sessions.get(session.key)
