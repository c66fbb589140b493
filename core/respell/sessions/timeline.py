"""The events that tell a session's story, also where another session's history has them."""

from __future__ import annotations

from collections.abc import Iterator

from respell.errors import SessionNotFound, UsageError
from respell.history.events import KINDS, Event, events
from respell.sessions.inheritance import aliases_of
from respell.sessions.record import SessionRecord
from respell.store import Store


def events_of(
    store: Store,
    session: SessionRecord,
    first: int,
    last: int | None,
    kind: str | None,
    correlation_id: str | None = None,
) -> Iterator[Event]:
    """Return an iterator of the events of `timeline` of one kind and correlation; None for all.

    Raises:
        UsageError: There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of event; choose one of {', '.join(KINDS)}")
    return (
        event
        for event in timeline(store, session, first, last)
        if (kind is None or event.kind == kind)
        and (correlation_id is None or event.correlation_id(session.id) == correlation_id)
    )


def timeline(
    store: Store, session: SessionRecord, first: int = 1, last: int | None = None
) -> Iterator[Event]:
    """Yield a session's events, oldest first.

    What happened to a session without program is in the history of the program that created
    it: those events are yielded that are about it, under their numbers there.

    Args:
        store: Where it is.
        session: The session.
        first: First event number.
        last: Last event number; None for all there are.
    """
    teller = teller_of(store, session)
    if teller.key == session.key:
        yield from events(store, session.key, first, last)
        return
    ids = ids_of(store, session, teller)
    for event in events(store, teller.key, first, last):
        if concerns(event, ids):
            yield event


def teller_of(store: Store, session: SessionRecord) -> SessionRecord:
    """Return the session whose history tells of one: itself, or the program that created it."""
    if session.has_program or session.created_by is None:
        return session
    try:
        creator = store.sessions.get(session.created_by)
    except SessionNotFound:  # it was deleted, or was no session
        return session
    return creator if creator.has_program else session


def ids_of(store: Store, session: SessionRecord, teller: SessionRecord) -> set[str]:
    """Return the ids by which a session is known in the history that tells of it."""
    known = {old for old, new in aliases_of(store, teller).items() if new == session.id}
    return {session.id, *known}


def concerns(event: Event, ids: set[str]) -> bool:
    """Return whether an event is about the session of these ids."""
    if event.name == "session.create":
        return event.outcome in ids
    if event.args.get("session") in ids:
        return True
    scope = event.args.get("scope")
    return isinstance(scope, str) and scope.removeprefix("session:") in ids
