"""`respell complete`, `fail`, `archive` and `delete`."""

from __future__ import annotations

import sys

from respell.errors import InvalidTransition, UsageError
from respell.sessions.changes import delete_session, end_session
from respell.sessions.lifecycle import ARCHIVED, COMPLETED, FAILED
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.context import BY, Command, short
from respell_tui.describe import count

NOT_DELETED = 2


def complete(command: Command) -> int:
    """Mark a session as completed."""
    return _end(command, COMPLETED)


def fail(command: Command) -> int:
    """Mark a session as failed."""
    return _end(command, FAILED, reason=command.args.reason)


def archive(command: Command) -> int:
    """Put an ended session away."""
    return _end(command, ARCHIVED)


def _end(command: Command, status: str, *, reason: str = "") -> int:
    with command.with_session(command.args.id) as (store, session):
        _check_idle(command, store, session, status)
        end_session(store, session, status, reason=reason, by=BY)
        command.err.line(f"session {short(session)} is {status}")
    return 0


def _check_idle(command: Command, store: Store, session: SessionRecord, wanted: str) -> None:
    holder = store.leases.holder(session.key)
    if holder is not None:
        raise InvalidTransition(
            f"session {short(session)} is running ({holder}); suspend it first: "
            + command.respell("suspend", short(session), "--wait", "10"),
            current="active", wanted=wanted,
        )  # fmt: skip


def delete(command: Command) -> int:
    """Delete a session and all that belongs to it."""
    with command.with_session(command.args.id) as (store, session):
        _check_idle(command, store, session, "deleted")
        if not command.args.yes and not _agreed(command, session):
            command.err.line("nothing was deleted")
            return NOT_DELETED
        delete_session(store, session, by=BY)
        command.err.line(f"session {short(session)} is deleted{_kept(store, session)}")
    return 0


def _kept(store: Store, session: SessionRecord) -> str:
    """Say that others may still read what they were granted, if they may."""
    if store.sessions.hidden(session.id) is None:
        return ""
    at = store.clock()
    grants = [
        one for one in store.grants.list(owner=session.key)
        if one.kind != "events" and one.holds(at)
    ]  # fmt: skip
    if not grants:
        return ""
    return (
        f"; what it granted can still be read by {count(len(grants), 'grant')}, until that ends or "
        "is revoked (`respell grants`)"
    )


def _agreed(command: Command, session: SessionRecord) -> bool:
    if sys.stdin is None or not sys.stdin.isatty() or not command.err.is_terminal:
        raise UsageError(
            f"nobody can be asked here whether to delete session {short(session)}: add --yes"
        )
    command.err.line(
        f"delete session {short(session)} ({session.name}, {session.status}) with its history of "
        f"{count(session.events, 'event')} and {count(session.artifacts, 'artifact')}? [y/N]"
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")
