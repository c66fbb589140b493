"""Changing sessions from outside, where no host runs them."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.errors import InvalidTransition
from respell.history.record import Part, Record, Status
from respell.sessions.agreeing import Agreed, Operation, agree
from respell.sessions.lifecycle import (
    ACTIVE,
    ARCHIVED,
    COMPLETED,
    FAILED,
    SUSPENDED,
    check_transition,
)
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us

_POINTS = {
    ACTIVE: "SessionRestore",
    SUSPENDED: "SessionCheckpoint",
    COMPLETED: "SessionEnd",
    FAILED: "SessionEnd",
    ARCHIVED: "SessionArchive",
}
_INSTEAD = {"complete": COMPLETED, "fail": FAILED, "archive": ARCHIVED}
_EVENTS = {
    ACTIVE: "lifecycle.resume",
    SUSPENDED: "lifecycle.suspend",
    COMPLETED: "lifecycle.complete",
    FAILED: "lifecycle.fail",
    ARCHIVED: "lifecycle.archive",
}


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
        HookCancelled: A hook does not let it happen; nothing was changed.
    """
    agreed = _agreed(store, session, wanted, {"reason": reason}, may_change=("reason",))
    if agreed.replaced:
        return store.sessions.get(session.key)
    wanted = _INSTEAD.get(agreed.instead, wanted)
    reason = str(agreed.data.get("reason", reason))
    fields: dict[str, Any] = {}
    if wanted != ARCHIVED:
        fields |= {"ended_at": now_us(), "waiting_for": None}
    if wanted == FAILED:
        message = reason or f"marked as failed from {by}"
        fields["error"] = {"message": message, "traceback": ""}
    return _change(store, session, wanted, fields, agreed, reason=reason, by=by)


def _agreed(
    store: Store,
    session: SessionRecord,
    wanted: str,
    data: dict[str, Any],
    may_change: tuple[str, ...] = (),
) -> Agreed:
    """Ask the hooks whether a session may change its status."""

    def possible() -> None:
        store.leases.acquire(session.key)
        now = store.sessions.get(session.key)
        check_transition(now.status, wanted, session=now.id[:8])

    operation = Operation(
        _POINTS[wanted], _EVENTS[wanted].replace("lifecycle", "session"), session.id,
        frozenset(may_change), tuple(_INSTEAD) if wanted in _INSTEAD.values() else (),
    )  # fmt: skip
    told = {"status": session.status, "name": session.name, **data}
    return agree(store, operation, told, possible=possible)


def suspend_without_program(store: Store, session: SessionRecord, *, by: str) -> SessionRecord:
    """Suspend an active session without program; return it as it is then.

    Args:
        store: Where it is.
        session: The session.
        by: Who does it, as the history shows it.

    Raises:
        InvalidTransition: It has a program, or is not active; nothing was changed.
    """
    _check_no_program(session, SUSPENDED)
    agreed = _agreed(store, session, SUSPENDED, {})
    if agreed.replaced:
        return store.sessions.get(session.key)
    return _change(store, session, SUSPENDED, {}, agreed, by=by)


def activate_without_program(store: Store, session: SessionRecord, *, by: str) -> SessionRecord:
    """Make a suspended session without program active again; return it as it is then.

    Args:
        store: Where it is.
        session: The session.
        by: Who does it, as the history shows it.

    Raises:
        InvalidTransition: It has a program, or is not suspended; nothing was changed.
    """
    _check_no_program(session, ACTIVE)
    agreed = _agreed(store, session, ACTIVE, {})
    if agreed.replaced:
        return store.sessions.get(session.key)
    return _change(store, session, ACTIVE, {"waiting_for": None}, agreed, by=by)


def _check_no_program(session: SessionRecord, wanted: str) -> None:
    if session.has_program:
        raise InvalidTransition(
            f"session {session.id[:8]} has a program: it becomes {wanted} where that runs",
            current=session.status,
            wanted=wanted,
        )


def _change(
    store: Store,
    session: SessionRecord,
    wanted: str,
    fields: dict[str, Any],
    agreed: Agreed,
    *,
    by: str,
    reason: str = "",
) -> SessionRecord:
    with store.transaction():
        lease = store.leases.acquire(session.key)
        now = store.sessions.get(session.key)  # as it is now that nobody else can change it
        check_transition(now.status, wanted, session=now.id[:8])
        args: dict[str, Any] = {"was": now.status, "by": by}
        if reason:
            args["reason"] = reason
        writer = store.history.writer(now.key, lease)
        writer.append(agreed.records(writer.number))
        writer.append(
            [
                Record(
                    Part.NOTE, writer.number + 1, status=Status.OK, name=_EVENTS[wanted],
                    at=now_us(), args=values.encode(args),
                )
            ]
        )  # fmt: skip
        if fields.get("error"):
            fields["error"] |= {"event": writer.number}
        store.sessions.update(now.key, status=wanted, **fields)
        action = _EVENTS[wanted].replace("lifecycle", "session")
        store.audit.note(action, session=now.id, actor=by, target=now.name, reason=reason)
        store.leases.release(now.key, lease)
        changed = store.sessions.get(now.key)  # afterwards somebody may have deleted it
    store.sync()
    return changed


def delete_session(
    store: Store, session: SessionRecord, *, by: str = "outside", reason: str = ""
) -> None:
    """Delete a session with its history, artifacts, state and temporary files.

    While a fork still reads from its history, that is only hidden, and goes with the fork.

    Args:
        store: Where it is.
        session: The session.
        by: Who does it, as the audit log shows it.
        reason: Why, likewise.

    Raises:
        SessionNotFound: There is no such session (any more).
        SessionBusy: A host runs it; says who.
        HookCancelled: A hook does not let it happen; nothing was deleted.
    """
    from respell.engine.effects.confined import remove_temporary_folder

    operation = Operation("SessionDelete", "session.delete", session.id)
    told = {"status": session.status, "name": session.name, "reason": reason}
    agreed = agree(
        store, operation, told, possible=lambda: store.sessions.delete(session.key)
    )  # fmt: skip
    if agreed.replaced:
        return

    def audited(record: SessionRecord) -> None:
        store.audit.note(
            "session.delete", session=record.id, actor=by, target=record.name, reason=reason
        )

    store.sessions.delete(session.key, along=audited)
    store.sync()
    remove_temporary_folder(session.id)
