"""Whether a session that runs is paused: its host keeps it, and answers nothing."""

from __future__ import annotations

import time

from respell.errors import InvalidTransition
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import Store

PAUSED, UNPAUSED = "lifecycle.pause", "lifecycle.unpause"

# A host that paused takes no new questions: little follows but the ends of what was begun.
_RECORDS = 500
_HEARD_S = 1.0
_LOOK_S = 0.02


def is_paused(store: Store, session: SessionRecord) -> bool:
    """Return whether a session is paused, or held by a debugger; a live host must run it."""
    if store.leases.hold(session.key) is not None:
        return True
    last = store.sessions.get(session.key).records
    paused = False
    for _, body in store.history.records(session.key, max(1, last - _RECORDS)):
        record = Record.unpack(body)
        if record.part is Part.NOTE and record.name.startswith("lifecycle."):
            paused = record.name == PAUSED
    return paused


def ask_host(store: Store, session: SessionRecord, what: str, *, by: str) -> None:
    """Leave a request for the host of a session that runs, and note who asked.

    Args:
        store: Where it is.
        session: The session.
        what: `suspend`, `pause` or `unpause`.
        by: Who asks, as the audit log shows it.
    """
    with store.transaction():
        store.inbox.post(session.key, what)
        store.audit.note(
            f"session.{what}", session=session.id, actor=by, target=session.name,
            reason="asked the process that runs it",
        )  # fmt: skip


def check_pausing(store: Store, session: SessionRecord, what: str) -> None:
    """Do nothing if a session that runs can be paused, or unpaused, now.

    Args:
        store: Where it is.
        session: The session; a live host runs it.
        what: `pause` or `unpause`.

    Raises:
        InvalidTransition: It is paused already, or isn't paused at all.
    """
    wanted = what == "pause"
    until = time.monotonic() + _HEARD_S
    # A host takes a request a moment before its history says so.
    while not store.inbox.waiting(session.key) and is_paused(store, session) == wanted:
        if time.monotonic() >= until:
            state = "paused already" if wanted else "not paused"
            raise InvalidTransition(
                f"session {session.id[:8]} is {state}", current=session.status, wanted=what
            )
        time.sleep(_LOOK_S)
