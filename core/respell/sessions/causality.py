"""Why an event happened: the events that led to it, back to a line of the script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from respell.errors import EventNotFound, SessionNotFound
from respell.history.events import Event, events
from respell.sessions.inheritance import aliases_of
from respell.sessions.record import SessionRecord
from respell.sessions.timeline import teller_of
from respell.store import Store

MOST = 1_000
"""Most events of one chain; in a store as it should be none is nearly as long."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One event of a chain of causes.

    Attributes:
        session_id: Id of the session whose history has it.
        event: The event.
    """

    session_id: str
    event: Event

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Return the event as `respell events --json` shows it."""
        return self.event.to_json(self.session_id, full=full)


def causes(
    store: Store,
    session: SessionRecord,
    number: int,
    *,
    may_read: Callable[[SessionRecord], bool] = lambda _: True,
) -> list[Cause]:
    """Return an event, what caused it, what caused that, and so on to the first cause.

    The first cause is an event that a line of the script caused by itself (the event says which
    line), or that came from outside. Where an event was received that another session
    published, the chain goes on in that session's history.

    Args:
        store: Where the session is.
        session: The session; of one without program, events have the numbers that they have in
            the history of the program that created it.
        number: The event's number.
        may_read: Whether the chain may go on in another session's history.

    Raises:
        EventNotFound: The history has no such event.
    """
    one = teller_of(store, session)
    found: list[Cause] = []
    seen: set[tuple[int, int]] = set()
    while len(found) < MOST and (one.key, number) not in seen:
        seen.add((one.key, number))
        event = next(events(store, one.key, number, number), None)
        if event is None:
            break
        found.append(Cause(one.id, event))
        cause = event.caused_by
        if isinstance(cause, str):
            elsewhere = _elsewhere(store, one, cause)
            if elsewhere is None or not may_read(elsewhere[0]):
                break
            one, number = elsewhere
        elif cause is None:
            break
        else:
            number = cause
    if not found:
        raise EventNotFound(
            f"session {session.id[:8]} has no event {number}; its last one is {one.events}"
        )
    return found


def _elsewhere(store: Store, here: SessionRecord, cause: str) -> tuple[SessionRecord, int] | None:
    """Return session and number of a cause in another history; None where it is not there."""
    of, _, number = cause.partition("/")
    if not (number.isascii() and number.isdecimal()):
        return None
    try:
        session = store.sessions.get(aliases_of(store, here).get(of, of))
    except SessionNotFound:
        return None
    return session, int(number)
