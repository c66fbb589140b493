"""What rows hold: whether it is what was written, and whether it can be read at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import StoreCorrupt, UsageError
from respell.store.care.inspection import Inspection, Mend
from respell.store.sums import SUMMED, row_sum, sum_sql

_AT_ONCE = 200
_TEXT, _JSON, _VALUE = "text", "JSON", "a value"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table whose columns have a form.

    Attributes:
        name: Its name.
        place: The columns that say which row it is.
        label: What a row is called, with its place put in.
        forms: The columns that have a form, and which.
        advice: What to do about a row that is not what was written.
        removable: Whether a row that can't be read is better taken out.
    """

    name: str
    place: tuple[str, ...]
    label: str
    forms: dict[str, str]
    advice: str
    removable: bool = False


_TABLES = (
    _Table(
        "sessions", ("key",), "the row of session {0}",
        {
            "id": _TEXT, "name": _TEXT, "description": _TEXT, "status": _TEXT,
            "script_hash": _TEXT, "args": _JSON, "tags": _JSON, "metadata": _VALUE,
            "parent_session_id": _TEXT, "forked_from": _TEXT, "forked_at": _TEXT,
            "created_by": _TEXT, "usage": _JSON, "limits": _JSON, "waiting_for": _VALUE,
            "error": _VALUE, "permissions": _VALUE,
        },
        "Compare what `respell show` says with what you know; what is set again is right again",
    ),
    _Table(
        "session_inputs", ("session",), "the input of session {0}", {"input": _VALUE},
        "Its first event has the input as well", removable=True,
    ),
    _Table(
        "artifacts", ("session", "sequence"), "the row of artifact {1} of session {0}",
        {
            "name": _TEXT, "artifact_type": _TEXT, "mime_type": _TEXT, "description": _TEXT,
            "tags": _JSON, "custom": _VALUE, "created_by": _TEXT, "parent_artifact": _TEXT,
            "folded_name": _TEXT, "folded_text": _TEXT,
        },
        "Compare what `respell artifacts show` says with what you know; its content is all right",
    ),
    _Table(
        "state", ("rowid",), "the value {key!r} of the state {scope!r}",
        {"scope": _TEXT, "key": _TEXT, "value": _VALUE}, "Set it again, or delete it",
    ),
    _Table(
        "grants", ("id",), "grant {0}",
        {"kind": _TEXT, "target": _TEXT, "grantee": _TEXT, "granted_by": _TEXT},
        "Compare what `respell grants` says with what you know, and grant or revoke it again",
        removable=True,
    ),
    _Table(
        "debug_marks", ("id",), "breakpoint or bookmark {0}",
        {"kind": _TEXT, "name": _TEXT, "value": _VALUE}, "Set it again", removable=True,
    ),
    _Table(
        "audit", ("id",), "entry {0} of the audit log",
        {"session": _TEXT, "actor": _TEXT, "action": _TEXT, "target": _TEXT, "reason": _TEXT},
        "What it says can't be relied on",
    ),
    _Table(
        "bus_events", ("sequence",), "event {0} of the bus",
        {
            "id": _TEXT, "type": _TEXT, "data": _VALUE, "session": _TEXT,
            "correlation_id": _TEXT, "cause_session": _TEXT, "source": _TEXT, "language": _TEXT,
            "target_language": _TEXT,
        },
        "Who waits for it can be told what happened in another way", removable=True,
    ),
    _Table(
        "subscriptions", ("rowid",), "subscription {0}",
        {
            "name": _TEXT, "pattern": _TEXT, "prefix": _TEXT, "about": _TEXT, "language": _TEXT,
            "owner": _VALUE,
        },
        "Subscribe again", removable=True,
    ),
    _Table(
        "open_effects", ("session", "number"), "effect {1} of session {0} among those without "
        "outcome", {"name": _TEXT}, "",
    ),
    _Table(
        "inbox", ("id",), "request {0} to a host", {"kind": _TEXT, "payload": _VALUE},
        "Ask again", removable=True,
    ),
    _Table(
        "notes", ("key",), "the note {key!r}", {"key": _TEXT, "value": _VALUE},
        "It is made anew when it is needed", removable=True,
    ),
)  # fmt: skip

# Without these nobody could tell which row it is, or what it may do.
_NEVER_MENDED = frozenset(("id", "status", "script_hash", "scope", "key", "value", "permissions"))


def check_contents(it: Inspection) -> None:
    """Read all rows that have a form or a sum, and report those that are damaged."""
    for table in _TABLES:
        for row in _rows(it, table):
            _check(it, table, row)


def _shown(table: _Table, name: str) -> str:
    return f"CAST({name} AS BLOB)" if table.forms.get(name) in (_TEXT, _JSON) else name


def _columns(table: _Table) -> list[str]:
    return list(dict.fromkeys((*SUMMED.get(table.name, ()), *table.forms)))


def _rows(it: Inspection, table: _Table) -> Iterator[Sequence[Any]]:
    """Yield place, sum and columns of all rows; text comes as bytes, because it may be none."""
    shown = [_shown(table, name) for name in _columns(table)]
    total = "sum" if table.name in SUMMED else "NULL"
    place = ", ".join(table.place)
    after = f"({place}) > ({', '.join('?' * len(table.place))})"
    sql = f"SELECT {place}, {total}, {', '.join(shown)} FROM {table.name}"
    if table.name == "notes":  # there are few, and their place is text
        yield from it.rows(table.name, sql.replace(place, f"CAST({place} AS BLOB)", 1))
        return
    last: Sequence[int] = (-(2**63),) * len(table.place)
    while rows := it.rows(
        table.name, f"{sql} WHERE {after} ORDER BY {place} LIMIT {_AT_ONCE}", last
    ):
        yield from rows
        last = rows[-1][: len(table.place)]


def _check(it: Inspection, table: _Table, row: Sequence[Any]) -> None:
    size = len(table.place)
    place, total = row[:size], row[size]
    columns = dict(zip(_columns(table), row[size + 1 :], strict=True))
    read: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in columns.items():
        read[name], problem = _read(value, table.forms.get(name))
        if problem:
            wrong[name] = problem
    if not wrong and (
        total is None or total == row_sum(*(read[name] for name in SUMMED[table.name]))
    ):
        return
    key = place[0] if table.place[0] in ("key", "session") and table.name != "notes" else 0
    name = it.name(key) if key else ""
    label = table.label.format(name or place[0], *place[1:], **read)
    if not wrong:
        it.found(
            "row.damaged",
            f"{label} is not what was written: it doesn't fit its checksum",
            table.advice,
            session=name,
        )
        return
    it.found(
        "row.unreadable",
        f"{label} can't be read: {', '.join(f'{one} {why}' for one, why in wrong.items())}",
        table.advice,
        _mend(it, table, place, columns, wrong, key),
        session=name,
    )


def _read(value: Any, form: str | None) -> tuple[Any, str]:
    """Return a column as it was written, and what is wrong with it, empty for nothing."""
    if value is None or form is None:
        return value, ""
    try:
        if form == _VALUE:
            values.decode(value)
            return value, ""
        text = value.decode()
        if form == _JSON:
            json.loads(text)
    except UnicodeDecodeError:
        return value.decode(errors="replace"), "is not UTF-8"
    except (ValueError, UsageError, RecursionError):
        return value, f"is not {form}"
    return text, ""


def _mend(
    it: Inspection,
    table: _Table,
    place: Sequence[Any],
    columns: dict[str, Any],
    wrong: dict[str, str],
    key: int,
) -> Mend | None:
    # The place of a note is text, which may be damaged itself.
    equal = "CAST({} AS BLOB) = ?" if table.name == "notes" else "{} = ?"
    where = " AND ".join(map(equal.format, table.place))

    def still() -> bool:
        shown = ", ".join(_shown(table, one) for one in wrong)
        row = it.database.row(f"SELECT {shown} FROM {table.name} WHERE {where}", place)
        return row == tuple(columns[one] for one in wrong)

    def keep() -> str:
        parts = (f"{table.name}-{one}-{'-'.join(map(str, place))}" for one in wrong)
        paths = [
            it.damaged.keep(name, columns[one]) for name, one in zip(parts, wrong, strict=True)
        ]
        return f"what it was is in {', '.join(map(str, paths))}"

    def remove() -> str:
        said = keep()
        if it.database.write(f"DELETE FROM {table.name} WHERE {where}", place) != 1:
            raise StoreCorrupt("its row can't be found again")
        return f"it was taken out; {said}. {table.advice}"

    def replace() -> str:
        said = keep()
        plain = [
            columns[one].decode(errors="replace") if table.forms[one] == _TEXT else None
            for one in wrong
        ]
        # At once: a trigger sums the row up, and must not meet one that can't be read.
        changes = ", ".join(f"{one} = ?" for one in wrong)
        it.database.write(f"UPDATE {table.name} SET {changes} WHERE {where}", (*plain, *place))
        if table.name in SUMMED:
            total = sum_sql(table.name)
            it.database.write(f"UPDATE {table.name} SET sum = {total} WHERE {where}", place)
        return f"what can't be read was replaced or left out; {said}. {table.advice}"

    if table.removable:
        return Mend("takes it out and keeps it in damaged/", remove, key, still)
    if _NEVER_MENDED.isdisjoint(wrong):
        return Mend("replaces what can't be read, and keeps it in damaged/", replace, key, still)
    return None
