"""What a fork inherits besides records: which ids mean what, and which variables it sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from respell import values
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import Store

_ALIASES = "respell:aliases:"  # a scope of the state that no script can name


def save_aliases(store: Store, session: SessionRecord, aliases: Mapping[str, str]) -> None:
    """Keep what ids mean in a fork."""
    for old, new in aliases.items():
        store.state.set(_ALIASES + session.id, old, values.encode(new))


def aliases_of(store: Store, session: SessionRecord) -> dict[str, str]:
    """Return what ids mean in a session: empty unless it is a fork."""
    if session.forked_from is None:
        return {}
    return {old: values.decode(new) for old, new in store.state.items(_ALIASES + session.id)}


def edits_of(store: Store, session: SessionRecord, last: int | None = None) -> list[dict[str, Any]]:
    """Return the variables that a fork sets, its ancestors' included, oldest first.

    Args:
        store: Where it is.
        session: The session.
        last: The last record that counts; None for all.
    """
    edits: list[dict[str, Any]] = []
    one = session
    # How many of its records an ancestor's history shares with ours.
    shared = session.records if last is None else last
    while one.fork_of is not None:
        own = _edits_among(store, one, one.fork_seq + 1, shared)
        edits = own + edits
        shared = min(shared, one.fork_seq)
        one = store.sessions.get(one.fork_of, deleted=True)
    if one.forked_from is not None:
        # One that was imported: all records are its own.
        edits = _edits_among(store, one, 1, shared) + edits
    return edits


def _edits_among(
    store: Store, session: SessionRecord, first: int, last: int
) -> list[dict[str, Any]]:
    note, edits = int(Part.NOTE), []
    for batch in store.history.bodies(session.key, last, first=first):
        for body in batch:
            if body[0] == note and (record := Record.unpack(body)).name == "edit.variable":
                edits.append(record.arguments())
    return edits


def known_id(store: Store, session: SessionRecord) -> str:
    """Return the id by which a script knows its own session: that of the one forked first."""
    first = origin_of(store, session)
    if first.forked_from is not None:
        # A fork that was imported: the first is elsewhere, and only the aliases name it.
        for known, meant in aliases_of(store, session).items():
            if meant == session.id:
                return known
    return first.id


def origin_of(store: Store, session: SessionRecord) -> SessionRecord:
    """Return the session that holds a history's first record: itself, unless it is a fork."""
    while session.fork_of is not None:
        session = store.sessions.get(session.fork_of, deleted=True)
    return session
