"""Session records as rows and back. Both are on the hot path of everything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

from respell import values
from respell.history.record import FIRST_HASH
from respell.sessions.record import FIELDS, SessionRecord, no_usage, session_of
from respell.store.database import Row
from respell.store.queries import json_or_null, limits_of, value_or_null
from respell.store.sums import sum_sql

_INPUT = "(SELECT input FROM session_inputs WHERE session = key) AS input"
COLUMNS = ", ".join(_INPUT if name == "input" else name for name in FIELDS)
"""What to select for `from_row`."""

_INSERTED = tuple(name for name in FIELDS if name not in ("key", "input"))
_NUMBERED = {name: f"?{number}" for number, name in enumerate(_INSERTED, 1)}
_SUM = sum_sql("sessions", {"deleted": "0", "permissions": "NULL", **_NUMBERED})
LAST_KEY = "last session key"
"""The note of the last key that no session has any more: its digits as text, for SQL reads it."""

# Who still has the key of a session that is deleted, a debugger above all, never finds another
# one under it. In the note the digits come behind the byte that says how many there are.
_NEW_KEY = (
    "1 + max(ifnull((SELECT max(key) FROM sessions), 0), ifnull((SELECT"
    f" CAST(CAST(substr(value, 2) AS TEXT) AS INTEGER) FROM notes WHERE key = '{LAST_KEY}'), 0))"
)
INSERT = (
    f"INSERT INTO sessions (key, {', '.join(_INSERTED)}, sum)"
    f" VALUES ({_NEW_KEY}, {', '.join(_NUMBERED.values())}, {_SUM})"
)
"""Takes what `bindings` returns."""

Counters = tuple[int, int, bytes, int]
"""events, records, head_hash, artifacts"""

NO_COUNTERS: Counters = (0, 0, FIRST_HASH, 0)

_AT = {name: index for index, name in enumerate(FIELDS)}
_COUNTERS = slice(_AT["events"], _AT["artifacts"] + 1)
_TIMES = slice(_AT["created_at"], _AT["updated_at"] + 1)
_KEY = _AT["key"]
_FORK_SEQ = _AT["fork_seq"]
_all_fields = attrgetter(*FIELDS)
_inserted = itemgetter(*(_AT[name] for name in _INSERTED))
_NO_USAGE = no_usage()


def fields_of(
    record: SessionRecord, created_at: int, updated_at: int, counters: Counters
) -> list[Any]:
    """Return a new session's fields in their order, with what the store decides filled in."""
    fields = list(_all_fields(record))
    fields[_TIMES] = created_at, updated_at
    fields[_COUNTERS] = counters
    if record.fork_of is None:
        fields[_FORK_SEQ] = 0
    return fields


def bindings(fields: list[Any]) -> tuple[Any, ...]:
    """Return the bindings of `INSERT` for these fields."""
    columns = fields.copy()
    for index, to_column in _TO_COLUMNS:
        columns[index] = to_column(columns[index])
    row: tuple[Any, ...] = _inserted(columns)
    return row


def inserted(fields: list[Any], key: int) -> SessionRecord:
    """Return the record of these fields under its new key."""
    fields[_KEY] = key
    return session_of(fields)


def from_row(row: Row) -> SessionRecord:
    """Return the record of a row of `COLUMNS`."""
    fields = list(row)
    for index, from_column, empty in _FROM_COLUMNS:
        column = fields[index]
        fields[index] = empty() if column is None else from_column(column)
    return session_of(fields)


def to_column(name: str, value: Any) -> Any:
    """Return what the column of a field holds for this value."""
    convert = _TO_COLUMN.get(name)
    return value if convert is None else convert(value)


def _usage_column(usage: dict[str, Any]) -> str | None:
    return None if usage == _NO_USAGE else json.dumps(usage)


def _optional_column(value: Any) -> bytes | None:
    return None if value is None else values.encode(value)


def _path_column(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def _nothing() -> None:
    return None


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "script": _path_column,
    "args": json_or_null,
    "tags": json_or_null,
    "metadata": value_or_null,
    "usage": _usage_column,
    "limits": json_or_null,
    "waiting_for": _optional_column,
    "error": _optional_column,
}
_TO_COLUMNS = tuple((_AT[name], convert) for name, convert in _TO_COLUMN.items())

_FROM_COLUMN: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "script": (os.fsdecode, _nothing),
    "args": (json.loads, list),
    "input": (values.decode, _nothing),
    "tags": (json.loads, list),
    "metadata": (values.decode, dict),
    "usage": (json.loads, no_usage),
    "limits": (limits_of, dict),
    "waiting_for": (values.decode, _nothing),
    "error": (values.decode, _nothing),
    "redacted": (bool, bool),
}
_FROM_COLUMNS = tuple((_AT[name], *pair) for name, pair in _FROM_COLUMN.items())
