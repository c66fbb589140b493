"""Cutting a history: what comes after its last good record is taken out and kept in a file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from respell.errors import SessionBusy
from respell.history.record import Record
from respell.store.care.damaged import Damaged
from respell.store.heads import Head
from respell.store.lineage import Segment
from respell.store.store import Store
from respell.store.sums import sum_sql

_COLUMNS = ("seq", "hash", "large", "number", "begun", "body")
_END = 2**62
_NAMED = 5


def cut(
    store: Store, damaged: Damaged, key: int, good: int, name: Callable[[int], str]
) -> tuple[list[int], str]:
    """End a history after its last good record; the session is suspended then.

    To be called in a transaction. Forks that share what is cut are cut as well.

    Args:
        store: Where it is.
        damaged: Where the rest is kept.
        key: The session's key.
        good: Sequence number of the last record that stays; 0 for none.
        name: Gives the id of a session.

    Returns:
        The keys of the sessions that were cut; what was done, and what is left, as sentences.

    Raises:
        SessionBusy: A live host holds the session, or one of the forks.
    """
    database = store._database
    keys, said = [key], [_cut_one(store, damaged, key, good, name(key))]
    for (fork,) in database.rows(
        "SELECT key FROM sessions WHERE fork_of = ? AND fork_seq > ?", (key, good)
    ):
        more, about_them = cut(store, damaged, fork, good, name)
        keys += more
        said.append(about_them)
    return keys, ". ".join(said)


def _cut_one(store: Store, damaged: Damaged, key: int, good: int, name: str) -> str:
    holder = store.leases.holder(key)
    if holder is not None:
        raise SessionBusy(f"session {name} is held by {holder}", holder=str(holder))
    database, history = store._database, store.history
    fork_seq, deleted = database.rows(
        "SELECT min(fork_seq, ?), deleted FROM sessions WHERE key = ?", (good, key)
    )[0]
    keys: dict[str, None] = {}

    def rest() -> Iterator[tuple[object, ...]]:
        for row in history.chained(Segment(key, good, _END)):
            keys.update(dict.fromkeys(_state_keys(row[-1])))
            yield row

    path = damaged.keep_rows(f"history-{name}-after-{good}", _COLUMNS, rest())
    database.write("DELETE FROM records WHERE session = ? AND seq > ?", (key, good))
    resummed = sum_sql("sessions", {"fork_seq": "?1"})
    database.write(
        f"UPDATE sessions SET fork_seq = ?1, sum = {resummed} WHERE key = ?2", (fork_seq, key)
    )
    events, head = history.event_at(key, good), history.hash_at(key, good)
    database.write(
        "UPDATE sessions SET records = ?, events = ?, head_hash = ? WHERE key = ?",
        (good, events, head, key),
    )
    history.list_open_effects(key)
    database.heads.note(Head(key, name, good, head))
    if not deleted:
        store.sessions.update(key, status="suspended", ended_at=None, waiting_for=None, error=None)
    later = [
        f"{artifact} version {version}"
        for artifact, version in database.rows(
            "SELECT name, version FROM artifacts WHERE session = ? AND event > ? AND NOT deleted",
            (key, events),
        )
    ]
    said = f"session {name} ends at event {events} now and is suspended; the rest is in {path}"
    if later:
        said += f". Artifacts of later events stay: {_some(later)}"
    if keys:
        said += f". So does state that was set later: {_some(list(keys))}"
    return said


def _state_keys(body: bytes) -> Iterator[str]:
    """Yield the key of the state that a record has changed, as far as it can be told."""
    try:
        record = Record.unpack(body)
    except (struct.error, IndexError, ValueError):
        return
    if record.name.startswith("state.") and isinstance(key := record.arguments().get("key"), str):
        yield key


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
