"""What a fork inherits besides records: which ids mean what, and which variables it sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from respell import values
from respell.history.record import Record
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


def edits_of(store: Store, session: SessionRecord) -> list[dict[str, Any]]:
    """Return the variables that a fork sets, its ancestors' included, oldest first."""
    edits: list[dict[str, Any]] = []
    one = session
    shared = session.records  # how many of its records an ancestor's history shares with ours
    while one.fork_of is not None:
        own = []
        for _, body in store.history.records(one.key, one.fork_seq + 1, shared):
            record = Record.unpack(body)
            if record.name.startswith("lifecycle."):
                break
            if record.name == "edit.variable":
                own.append(record.arguments())
        edits = own + edits
        shared = min(shared, one.fork_seq)
        one = store.sessions.get(one.fork_of, deleted=True)
    return edits


def first_of(store: Store, session: SessionRecord) -> SessionRecord:
    """Return the session that was forked first: its id is the one the script knows."""
    while session.fork_of is not None:
        session = store.sessions.get(session.fork_of, deleted=True)
    return session
