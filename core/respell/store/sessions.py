"""The sessions of a store."""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import apsw

from respell import values
from respell.errors import SessionBusy, SessionNotFound, UsageError
from respell.sessions.lifecycle import ENDED, check_status
from respell.sessions.record import FIELDS, SessionQuery, SessionRecord
from respell.store import session_rows as rows
from respell.store.bus import Bus
from respell.store.database import Database
from respell.store.heads import Head
from respell.store.history import History
from respell.store.leases import Leases
from respell.store.notes import Notes
from respell.store.queries import Where, order
from respell.store.sums import SUMMED, sum_sql
from respell.times import rfc3339

_OWN = (
    "id", "key", "fork_of", "fork_seq", "events", "records", "head_hash", "artifacts", "redacted",
)  # fmt: skip
_SETTABLE = tuple(name for name in FIELDS if name not in _OWN)

_BY_KEY = f"SELECT {rows.COLUMNS} FROM sessions WHERE key = ? AND NOT deleted"
_BY_ID = f"SELECT {rows.COLUMNS} FROM sessions WHERE id = ? AND NOT deleted"
_SET_INPUT = (
    "INSERT OR REPLACE INTO session_inputs (session, input, sum) VALUES (?1, ?2, row_sum(?1, ?2))"
)

_SORTS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "name": "folded(name)",
    "events": "events",
    "artifacts": "artifacts",
    "status": "status",
}
_PREFIX_LENGTH = 4
_SHOWN_CANDIDATES = 8
_PURGED_AT_ONCE = 20_000
_TOLD = {
    "active": "session.resumed", "suspended": "session.suspended", "completed": "session.completed",
    "failed": "session.failed", "archived": "session.archived",
}  # fmt: skip
_INCOMPLETE = 2  # in the column `deleted`: an import that has not come to its end
_HEX = re.compile(r"[0-9a-fA-F-]+")
# "deleted" alone, too: without it SQLite doesn't see that the index of those is enough.
_ABANDONED = f"FROM sessions WHERE deleted AND deleted = {_INCOMPLETE} AND updated_at < ?"
_UNNEEDED = (
    "FROM sessions AS old WHERE deleted AND deleted = 1"
    " AND NOT EXISTS (SELECT 1 FROM sessions WHERE fork_of = old.key)"
    " AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.session = old.key AND kind <> 'events'"
    " AND (expires_at IS NULL OR expires_at > {now})"
    " AND EXISTS (SELECT 1 FROM sessions AS it WHERE it.id = grantee AND NOT it.deleted))"
)

# Another purge may have removed it meanwhile.
_IS_STILL_IT = "SELECT 1 FROM sessions WHERE key = ?1 AND id = ?3 AND deleted = 1"

OWNED_TABLES = (
    "artifacts", "open_effects", "blob_refs", "leases", "session_inputs", "inbox", "grants",
    "subscriptions", "debug_marks",
)  # fmt: skip
"""Tables with rows of sessions, besides their records; they go when a session goes, and tags of
artifacts with their rows."""

OWN_SCOPES = ("session:", "respell:loaded:", "respell:aliases:")
"""Scopes of the state that end in a session's id and go with it."""


class Sessions:
    """Rows of sessions: `store.sessions`."""

    def __init__(
        self,
        database: Database,
        history: History,
        leases: Leases,
        bus: Bus,
        clock: Callable[[], int],
    ) -> None:
        """Made by `Store`."""
        self._database = database
        self._history = history
        self._leases = leases
        self._bus = bus
        self._notes = Notes(database)
        self._clock = clock
        self._updates: dict[tuple[str, ...], str] = {}

    def insert(self, record: SessionRecord, *, told: bool = True) -> SessionRecord:
        """Add a session and return it with `key` and times filled in.

        With `fork_of` and `fork_seq` it shares the records of that session up to
        `fork_seq`: its counters, chain and effects without outcome start from there.

        Args:
            record: The session.
            told: Tell those who listen that it was created, and that it has started if it has
                no program.

        Raises:
            UsageError: A session with this id is in the store already, or there is no
                record `fork_seq` to fork from.
        """
        check_status(record.status)
        now = record.created_at or self._clock()
        times = (now, record.updated_at or now)
        told = told and self._bus.is_heard()
        if record.fork_of is None and record.input is None and not told:
            fields = rows.fields_of(record, *times, rows.NO_COUNTERS)
            return self._insert(fields)
        with self._database:
            fields = rows.fields_of(record, *times, self._counters(record))
            made = self._insert(fields)
            if record.input is not None:
                self._database.write(_SET_INPUT, (made.key, values.encode(record.input)))
            if record.fork_of is not None:
                self._history.copy_open_effects(record.fork_of, record.fork_seq, made.key)
            if told:
                self.tell("session.created", made)
                if not made.has_program:
                    self.tell("session.started", made)
        return made

    def tell(self, type: str, session: SessionRecord, **more: Any) -> None:
        """Tell those who listen what becomes of a session.

        Args:
            type: What happened, e.g. `session.started`.
            session: The session as it is now.
            **more: What else there is to know.
        """
        if self._bus.wanted(type):
            data = {
                "session_id": session.id, "name": session.name, "status": session.status,
                "tags": session.tags, "created_by": session.created_by,
                "parent_session_id": session.parent_session_id,
                "forked_from": session.forked_from, **more,
            }  # fmt: skip
            self._bus.tell(type, session.id, data)

    def _insert(self, fields: builtins.list[Any]) -> SessionRecord:
        try:
            with self._database.mutex:
                key = self._database.insert(rows.INSERT, rows.bindings(fields))
                made = rows.inserted(fields, key)
                self._database.note_new(Head(key, made.id, made.records, made.head_hash))
                return made
        except apsw.ConstraintError as error:
            if "sessions.id" not in str(error):
                raise
            raise UsageError(
                f"there is a session {fields[0]} in this store already, or a deleted one that "
                "a fork still needs; give the new one another id"
            ) from None

    def _counters(self, record: SessionRecord) -> rows.Counters:
        """Return the counters that a new session starts with."""
        if record.fork_of is None:
            return rows.NO_COUNTERS
        source, seq = self.get(record.fork_of), record.fork_seq
        if not 0 <= seq <= source.records:
            raise UsageError(
                f"session {source.id} has {source.records} records; it can't be forked after "
                f"record {seq}"
            )
        events = self._history.event_at(source.key, seq)
        return events, seq, self._history.hash_at(source.key, seq), 0

    def get(self, session: int | str, *, deleted: bool = False) -> SessionRecord:
        """Return the session of this key (int) or full id (str).

        Args:
            session: Key or id.
            deleted: Also one that is hidden, because a fork still needs its history.

        Raises:
            SessionNotFound: There is none.
        """
        sql = _BY_KEY if isinstance(session, int) else _BY_ID
        if deleted:
            sql = sql.replace(" AND NOT deleted", "")
        row = self._database.row(sql, (session,))
        if row is None:
            raise SessionNotFound(
                f"there is no session {session} in the store {self._database.folder}; "
                "`respell list` shows those there are"
            )
        return rows.from_row(row)

    def hidden(self, session_id: str) -> SessionRecord | None:
        """Return a deleted session of which something is still needed; None if there is none."""
        sql = _BY_ID.replace("NOT deleted", "deleted = 1")
        row = self._database.row(sql, (session_id,))
        return None if row is None else rows.from_row(row)

    def permissions(self, key: int) -> dict[str, Any] | None:
        """Return what a session may do if that is not what its history begins with.

        So it is for one that was imported, or to which somebody allowed more; None for others.

        Args:
            key: The session's key; it may be hidden.
        """
        found = self._database.value("SELECT permissions FROM sessions WHERE key = ?", (key,))
        return None if found is None else values.decode(found)

    def set_permissions(self, key: int, permissions: Mapping[str, Any]) -> None:
        """Change what a session may do (`Permissions.to_dict`)."""
        self._database.write(
            "UPDATE sessions SET permissions = ? WHERE key = ?", (values.encode(permissions), key)
        )

    def find(self, text: str) -> SessionRecord:
        """Return the session that a person means.

        Args:
            text: A full id, a unique prefix of four or more characters, a unique name, or
                `@last` for the one that changed last.

        Raises:
            SessionNotFound: None or several match; lists candidates.
        """
        if text == "@last":
            sql = f"SELECT {rows.COLUMNS} FROM sessions WHERE NOT deleted"
            row = self._database.row(f"{sql} ORDER BY updated_at DESC, key DESC LIMIT 1")
            if row is None:
                raise SessionNotFound(
                    f"the store {self._database.folder} has no sessions yet; "
                    "`respell run SCRIPT` makes one"
                )
            return rows.from_row(row)
        row = self._database.row(_BY_ID, (text.lower(),))
        if row is not None:
            return rows.from_row(row)
        found = self._matches(text)
        if len(found) == 1:
            return found[0]
        raise SessionNotFound(_several(text, found) if found else self._none(text))

    def _matches(self, text: str) -> builtins.list[SessionRecord]:
        where = Where("NOT deleted")
        if len(text) >= _PREFIX_LENGTH and _HEX.fullmatch(text):
            low = text.lower()
            # "g" follows every hexadecimal digit and the hyphen.
            where.add("((name = ? AND name <> '') OR (id >= ? AND id < ?))", text, low, f"{low}g")
        else:
            where.add("name = ? AND name <> ''", text)
        sql = f"SELECT {rows.COLUMNS} FROM sessions WHERE {where} ORDER BY created_at DESC"
        return [rows.from_row(row) for row in self._database.rows(sql, where.bindings)]

    def _none(self, text: str) -> str:
        names = self._database.rows(
            "SELECT name FROM sessions WHERE name <> '' AND NOT deleted ORDER BY key DESC LIMIT 500"
        )
        near = difflib.get_close_matches(text, list(dict.fromkeys(name for (name,) in names)))
        hint = f" Is it {' or '.join(map(repr, near))}?" if near else ""
        if len(text) < _PREFIX_LENGTH and _HEX.fullmatch(text):
            hint += f" The beginning of an id needs {_PREFIX_LENGTH} or more characters."
        return (
            f"no session has the id or the name {text!r} in the store "
            f"{self._database.folder}.{hint} `respell list` shows those there are"
        )

    def update(self, key: int, **fields: Any) -> None:
        """Change fields of a session; `updated_at` becomes now unless it is given.

        Args:
            key: The session's key.
            **fields: Fields of `SessionRecord` by name, except those the store keeps
                itself: id, key, fork_of, fork_seq, events, records, head_hash, artifacts.

        Raises:
            SessionNotFound: There is no such session.
            UsageError: There is no such field, or the store keeps it by itself.
        """
        if "input" in fields:
            with self._database:
                value = fields.pop("input")
                if value is None:
                    self._database.write("DELETE FROM session_inputs WHERE session = ?", (key,))
                else:
                    self._database.write(_SET_INPUT, (key, values.encode(value)))
                self.update(key, **fields)
            return
        if "updated_at" not in fields:
            fields["updated_at"] = self._clock()
        names = tuple(fields)
        sql = self._updates.get(names)
        if sql is None:
            sql = self._updates[names] = _update_sql(names)
        if "status" in fields:
            self._update_status(key, sql, fields)
            return
        self._write(key, sql, fields)

    def _update_status(self, key: int, sql: str, fields: Mapping[str, Any]) -> None:
        """Write fields of a session with its status, and tell those who listen."""
        status = check_status(fields["status"])
        with self._database:
            was = self._database.value("SELECT status FROM sessions WHERE key = ?", (key,))
            self._write(key, sql, fields)
            if status in ENDED:
                self._bus.remove_all(key)
            # Becoming active means to go on, also for one whose host died.
            if (status != was or status == "active") and self._bus.wanted(_TOLD[status]):
                self.tell(_TOLD[status], self.get(key), previous_status=was)

    def _write(self, key: int, sql: str, fields: Mapping[str, Any]) -> None:
        bindings = (*(rows.to_column(*field) for field in fields.items()), key)
        if not self._database.write(sql, bindings):
            raise SessionNotFound(
                f"there is no session with key {key} in the store {self._database.folder}; "
                "was it deleted meanwhile?"
            )

    def count(self, query: SessionQuery | None = None) -> int:
        """Return how many sessions match, whatever the query's limit and offset are."""
        where = _where(query or SessionQuery())
        sql = f"SELECT count(*) FROM sessions WHERE {where}"
        return int(self._database.value(sql, where.bindings))

    def list(self, query: SessionQuery | None = None) -> builtins.list[SessionRecord]:
        """Return the sessions that match, newest first unless the query says otherwise.

        Raises:
            UsageError: There is no such status, or it can't be sorted by that field.
        """
        query = query or SessionQuery()
        where = _where(query)
        if query.sort not in _SORTS:
            raise UsageError(
                f"sessions can't be sorted by {query.sort!r}; choose one of {', '.join(_SORTS)}"
            )
        tail, bindings = order(
            _SORTS,
            query.sort,
            query.desc,
            from_a=("name", "status"),
            last=("key",),
            limit=query.limit,
            offset=query.offset,
        )
        sql = f"SELECT {rows.COLUMNS} FROM sessions WHERE {where}{tail}"
        return [rows.from_row(row) for row in self._database.rows(sql, where.bindings + bindings)]

    def delete(
        self, key: int, *, along: Callable[[SessionRecord], None] | None = None
    ) -> builtins.list[str]:
        """Delete a session with its history, artifacts, state and inbox.

        While a fork still reads from its history, or another session may read an artifact or
        the state by a grant, it is only hidden, and goes with the last of these.

        Args:
            key: The session's key.
            along: Called with the session in the transaction that takes it away.

        Returns:
            The ids of the sessions that are gone for good, as those hidden before that
            nothing needs any more.

        Raises:
            SessionNotFound: There is no such session.
            SessionBusy: A live host holds it.
        """
        with self._database:
            record = self.get(key)
            holder = self._leases.holder(key)
            if holder is not None:
                raise SessionBusy(
                    f"session {record.id} is held by {holder} and can't be deleted; "
                    f"`respell suspend {record.id}` first",
                    holder=str(holder),
                )
            self._database.write("UPDATE sessions SET deleted = 1 WHERE key = ?", (key,))
            self._database.write("DELETE FROM inbox WHERE session = ?", (key,))
            self._bus.remove_all(key)
            self.tell("session.deleted", record)
            if along is not None:
                along(record)
        return self.purge()

    def abandoned(self, before: int) -> builtins.list[int]:
        """Return the keys of sessions whose import was cut short before that time (in µs)."""
        return [key for (key,) in self._database.rows(f"SELECT key {_ABANDONED}", (before,))]

    def discard(self, key: int, before: int = 2**62) -> None:
        """Mark one of these as deleted, unless its import is at work; `purge` removes it then."""
        with self._database:
            if self._leases.holder(key) is None:
                self._database.write(
                    f"UPDATE sessions SET deleted = 1"
                    f" WHERE key IN (SELECT key {_ABANDONED}) AND key = ?",
                    (before, key),
                )

    def unneeded(self) -> builtins.list[int]:
        """Return the keys of deleted sessions that no fork and no grant needs (any more)."""
        return [key for (key,) in self._database.rows(f"SELECT key {self._unneeded}")]

    @property
    def _unneeded(self) -> str:
        return _UNNEEDED.format(now=int(self._clock()))

    def purge(self) -> builtins.list[str]:
        """Remove what deleted sessions left: all of those that nothing needs any more.

        Done by `delete`; needed again only where that was cut short.

        Returns:
            Their ids.
        """
        purged = []
        while (row := self._database.row(f"SELECT key, id {self._unneeded} LIMIT 1")) is not None:
            key, session_id = row
            # In portions, because a long history would keep other writers waiting.
            while self._database.write(
                "DELETE FROM records WHERE session = ?1 AND seq < ?2 + "
                f"(SELECT min(seq) FROM records WHERE session = ?1) AND EXISTS ({_IS_STILL_IT})",
                (key, _PURGED_AT_ONCE, session_id),
            ):
                pass
            if self._remove(key, session_id):
                purged.append(session_id)
        return purged

    def _remove(self, key: int, session_id: str) -> bool:
        """Remove all of a deleted session but its records; False if another purge was faster."""
        database = self._database
        with database:
            if database.row(_IS_STILL_IT, (key, None, session_id)) is None:
                return False
            for table in OWNED_TABLES:
                database.write(f"DELETE FROM {table} WHERE session = ?", (key,))
            database.write("DELETE FROM grants WHERE grantee = ?", (session_id,))
            for scope in OWN_SCOPES:
                database.write("DELETE FROM state WHERE scope = ?", (scope + session_id,))
            database.write("DELETE FROM sessions WHERE key = ?", (key,))
            if key > int(self._notes.get(rows.LAST_KEY) or 0):
                self._notes.set(rows.LAST_KEY, str(key))
            database.heads.remove(key, session_id)
        return True


def _where(query: SessionQuery) -> Where:
    where = Where("NOT deleted")
    if query.status is not None:
        where.add("status = ?", check_status(query.status))
    where.add_given("parent_session_id = ?", query.parent)
    where.add_given("forked_from = ?", query.forked_from)
    where.add_given("created_by = ?", query.created_by)
    where.add_given("created_at >= ?", query.created_after)
    where.add_given("created_at < ?", query.created_before)
    where.add_given("ended_at < ?", query.ended_before)
    where.add_tags("tags", query.tags)
    where.add_text(("name", "description"), query.text)
    return where


def _several(text: str, found: list[SessionRecord]) -> str:
    lines = [
        f"  {it.id}  {it.status}  {rfc3339(it.created_at)[:19]}Z  {it.name}"
        for it in found[:_SHOWN_CANDIDATES]
    ]
    if len(found) > _SHOWN_CANDIDATES:
        lines.append(f"  … and {len(found) - _SHOWN_CANDIDATES} more")
    return f"{len(found)} sessions answer to {text!r}; give more of the id:\n" + "\n".join(lines)


def _update_sql(names: tuple[str, ...]) -> str:
    for name in names:
        if name in _OWN:
            raise UsageError(f"the store keeps the field {name!r} of a session by itself")
        if name not in _SETTABLE:
            near = difflib.get_close_matches(name, _SETTABLE, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"a session has no field {name!r}{hint}")
    given = {name: f"?{number}" for number, name in enumerate(names, 1)}
    assignments = ", ".join(f"{name} = {value}" for name, value in given.items())
    if not given.keys().isdisjoint(SUMMED["sessions"]):
        assignments += f", sum = {sum_sql('sessions', given)}"
    return f"UPDATE sessions SET {assignments} WHERE key = ?{len(names) + 1} AND NOT deleted"
