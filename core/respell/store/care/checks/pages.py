"""The database as SQLite sees it: its pages, its indexes, and its tables' definitions."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from respell.errors import StoreCorrupt
from respell.store import schema
from respell.store.care.inspection import Inspection, Mend, text_of
from respell.store.database import Database, define_functions

_MESSAGES = 100
_BACKUP = "Restore the folder from a backup, or export the sessions that can still be read"
_KEYS = {
    "sessions": "key",
    "session_inputs": "session",
    "state": "rowid",
    "blobs": "id",
    "blob_data": "id",
    "leases": "session",
    "inbox": "id",
    "audit": "id",
    "grants": "id",
    "bus_events": "sequence",
    "subscriptions": "key",
    "deliveries": "rowid",
    "debug_marks": "id",
}
"""What numbers the rows of a table; those of the others are reached by their sessions."""

_BY_SESSION = ("records", "artifacts", "open_effects", "blob_refs")
_LAST_KEY = 2**32
_LOOKS = 2_000
"""How many ranges that can't be read are split before the rest is taken as it is."""


def check_pages(it: Inspection) -> None:
    """Let SQLite look at its file, then name what can't be read."""
    messages = _messages(it)
    if not messages:
        return
    for message in messages[1:]:
        _report(it, message, None)
    # Last, because it puts all of them right or none.
    _report(it, messages[0], _reindex(it))
    if not _messages(it):
        it.take_for_mended("database.damaged")
        return
    for table in (*_KEYS, *_BY_SESSION):
        for what, session in _unreadable(it, table):
            it.found("database.lost", f"{what} can't be read", _BACKUP, session=session)


def _report(it: Inspection, message: str, mend: Mend | None) -> None:
    path = str(it.database.path)
    it.found("database.damaged", f"{path} is damaged: {message}", _BACKUP, mend, path=path)


def _messages(it: Inspection) -> list[str]:
    pragma = "integrity_check" if it.read_data else "quick_check"
    try:
        rows = it.database.rows(f"PRAGMA {pragma}({_MESSAGES})")
    except StoreCorrupt as error:
        return [f"SQLite can't go through it ({error.__cause__ or error})"]
    lines = [line for (text,) in rows for line in str(text).splitlines()]
    return [line for line in lines if line != "ok" and not line.startswith("***")]


def _reindex(it: Inspection) -> Mend:
    def do() -> str:
        it.database.execute("REINDEX")
        left = _messages(it)
        if left:
            raise StoreCorrupt(f"more than the indexes is damaged: {left[0]}")
        return "all indexes were made anew"

    return Mend("makes the indexes anew, if that is all that is damaged", do)


def _unreadable(it: Inspection, table: str) -> Iterator[tuple[str, str]]:
    """Yield what can't be read of a table, and the id of the session it belongs to."""
    if table in _BY_SESSION:
        for key, name in it.names.items():
            if not _is_readable(it.database, f"SELECT * FROM {table} WHERE session = ?", (key,)):
                yield f"some {table.replace('_', ' ')} of session {name}", name
        return
    column = _KEYS[table]
    sql = f"SELECT * FROM {table} WHERE {column} BETWEEN ? AND ?"
    for first, last in _gaps(it.database, sql, 1, _last(it.database, table, column)):
        end = f"rows {first} to {last}" if last < _LAST_KEY else f"the rows from {first} on"
        yield f"{f'row {first}' if first == last else end} of the table {table}", ""


def _last(database: Database, table: str, column: str) -> int:
    try:
        return int(database.value(f"SELECT max({column}) FROM {table}") or 0)
    except StoreCorrupt:
        return _LAST_KEY


def _gaps(database: Database, sql: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of keys that can't be read, by halves, neighbours together."""
    waiting, gap = [(first, last)], None
    looks = _LOOKS
    while waiting:
        low, high = waiting.pop()
        if low > high or _is_readable(database, sql, (low, high)):
            continue
        looks -= 1
        if low < high and looks > 0:
            middle = (low + high) // 2
            waiting += [(middle + 1, high), (low, middle)]
        elif gap is not None and gap[1] + 1 == low:
            gap = (gap[0], high)
        else:
            if gap is not None:
                yield gap
            gap = (low, high)
    if gap is not None:
        yield gap


def _is_readable(database: Database, sql: str, bindings: tuple[int, ...]) -> bool:
    try:
        database.read_through(sql, bindings)
    except StoreCorrupt:
        return False
    return True


# Definitions -----------------------------------------------------------------------------


def check_definitions(it: Inspection) -> None:
    """Compare tables, indexes and triggers with those that a new store has."""
    wanted = _definitions()
    sql = "SELECT type, CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema WHERE sql NOT NULL"
    present = {
        (text_of(name), kind): text_of(text) for kind, name, text in it.rows("sqlite_schema", sql)
    }
    for (name, kind), text in wanted.items():
        found = present.pop((name, kind), None)
        if found == text:
            continue
        lacks = "is not there" if found is None else "is not defined as it should be"
        mend = None if kind == "table" else _redefine(it, kind, name, text, found is not None)
        advice = _BACKUP if kind == "table" else ""
        it.found("database.definition", f"the {kind} {name} {lacks}", advice, mend)
    for name, kind in present:
        if not name.startswith("sqlite_"):
            it.found(
                "database.definition",
                f"the {kind} {name!r} is none of this store's",
                f"Remove it with another program (DROP {kind.upper()}) if you know what it is",
            )


def _definitions() -> dict[tuple[str, str], str]:
    connection = apsw.Connection(":memory:")
    try:
        define_functions(connection)
        for step in schema.MIGRATIONS:
            connection.execute(step).fetchall()
        rows = connection.execute(
            "SELECT name, type, sql FROM sqlite_schema WHERE sql NOT NULL"
        ).fetchall()
    finally:
        connection.close()
    return {(str(name), str(kind)): str(text) for name, kind, text in rows}


def _redefine(it: Inspection, kind: str, name: str, text: str, there: bool) -> Mend:
    def do() -> str:
        if there:
            it.database.execute(f"DROP {kind.upper()} IF EXISTS {name}")
        it.database.execute(text)
        return f"the {kind} {name} was made anew"

    return Mend(f"makes the {kind} anew", do)
