"""The heads outside of the database: which histories have lost their end, or themselves."""

from __future__ import annotations

from respell.errors import NotFound, StoreCorrupt
from respell.store.care.inspection import GONE, Inspection, Mend
from respell.store.database import Row
from respell.store.heads import DamagedSlot, Head

_LOST = (
    "If there is a backup, restore the store from it; otherwise the session goes on from where "
    "it is now"
)


def check_heads(it: Inspection) -> None:
    """Compare where histories end with where they ended when they were durable last."""
    if "sessions" in it.unreadable_tables:
        return
    heads = it.database.heads
    try:
        for slot in heads.read():
            if isinstance(slot, DamagedSlot):
                it.found(
                    "heads.damaged",
                    f"{heads.path} is damaged at the place of session {it.name(slot.key)}",
                    "No data is lost; the next append writes it again",
                    _mend(it, slot.key, "writes it again"),
                    path=str(heads.path),
                )
            else:
                _check(it, slot)
    except OSError as error:
        it.found(
            "heads.damaged",
            f"{heads.path} can't be read: {error.strerror}",
            "No data is lost; remove it, and the next write makes a new one",
            path=str(heads.path),
        )


def _check(it: Inspection, head: Head) -> None:
    rows = _rows_of(it, head)
    if not rows:
        if it.database.heads.slot(head.key) != head or not _has_vanished(it, head):
            return  # it was deleted just now
        it.found(
            GONE,
            f"session {head.session} is gone, with its {head.records} records: the database is "
            "older than what was durable",
            "If there is a backup, restore the store from it",
            _mend(it, head.key, "takes that for granted"),
            session=head.session,
        )
        return
    records = rows[0][0]
    mend = _mend(it, head.key, "takes that for granted")
    if records < head.records:
        it.found(
            "history.behind",
            f"session {head.session} has lost its last {head.records - records} records: it has "
            f"{records}, and had {head.records} when they were durable",
            _LOST, mend, session=head.session,
        )  # fmt: skip
    elif not _agrees(it, head):
        it.found(
            "history.replaced",
            f"session {head.session} has another record {head.records} than the one that was "
            "durable: the database was replaced or changed",
            _LOST, mend, session=head.session,
        )  # fmt: skip


def _rows_of(it: Inspection, head: Head) -> list[Row]:
    """Return how many records the session of a head has, as a row; no row without it."""
    name = head.session.encode()
    rows = it.rows(
        "sessions", "SELECT records, CAST(id AS BLOB) FROM sessions WHERE key = ?", (head.key,)
    )
    return [row for row in rows if row[1][: len(name)] == name]


def _has_vanished(it: Inspection, head: Head) -> bool:
    """Whether there is a slot, and no session, where nobody is just deleting one."""
    if it.store.read_only:
        return True
    with it.database:  # who deletes a session empties its slot before giving the lock back
        return not _rows_of(it, head) and it.database.heads.slot(head.key) == head


def _agrees(it: Inspection, head: Head) -> bool:
    try:
        return it.store.history.hash_at(head.key, head.records) == head.hash
    except (NotFound, StoreCorrupt):
        return True  # a finding of its own


def _mend(it: Inspection, key: int, promise: str) -> Mend:
    return Mend(promise, lambda: _write(it, key))


def _write(it: Inspection, key: int) -> str:
    rows = it.database.rows(
        "SELECT key, id, records, head_hash FROM sessions WHERE key = ?", (key,)
    )
    if rows:
        it.database.heads.note(Head(*rows[0]))
        return "what the database says counts from now on"
    it.database.heads.remove(key, "")
    return "it is not looked for any more"
