"""Sessions on their way into a store: there, and not to be seen until all of them are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from respell import values
from respell.errors import SessionBusy, StoreError, UsageError
from respell.history.record import FIRST_HASH, Record
from respell.policies.limits import lower
from respell.security import Permissions
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord
from respell.store.appending import INSERT_OPEN, INSERT_RECORD, Batch
from respell.store.blob_forms import StoredBlob
from respell.store.bus_rows import MAX_SUBSCRIPTIONS
from respell.store.database import Row
from respell.store.exchange.contents import Contents
from respell.store.exchange.import_blobs import BlobsIn
from respell.store.exchange.listening import Listening
from respell.store.exchange.rows import (
    ARTIFACT_COLUMNS,
    GRANT_COLUMNS,
    STATE_SCOPES,
    SessionRow,
)
from respell.store.heads import Head
from respell.store.large import put_back
from respell.store.leases import HEARTBEAT_EVERY
from respell.store.store import Store
from respell.store.sums import sum_sql

START = "lifecycle.start"

_ARRIVING = 2  # in the column `deleted`: hidden, and not complete
_HIDDEN = 1  # deleted, but a fork still reads its records

_PLACES = {name: f"?{place}" for place, name in enumerate(ARTIFACT_COLUMNS, 2)}
_INSERT_ARTIFACT = (
    f"INSERT INTO artifacts (session, {', '.join(_PLACES)}, sum, folded_name, folded_text)"
    f" VALUES (?1, {', '.join(_PLACES.values())},"
    f" {sum_sql('artifacts', {'session': '?1', **_PLACES})}, folded({_PLACES['name']}),"
    f" folded({_PLACES['description']} || ifnull((SELECT group_concat(char(10) || value, '')"
    f" FROM json_each({_PLACES['tags']})), '')))"
)
_INSERT_TAGS = (
    "INSERT OR IGNORE INTO artifact_tags (tag, session, created_at, sequence)"
    f" SELECT value, ?1, {_PLACES['created_at']}, {_PLACES['sequence']}"
    f" FROM json_each({_PLACES['tags']}) WHERE NOT {_PLACES['deleted']}"
)
_INSERT_STATE = (
    "INSERT INTO state (scope, key, value, updated_at, sum)"
    " VALUES (?1, ?2, ?3, ?4, row_sum(?1, ?2, ?3))"
)
_GRANT_PLACES = {name: f"?{place}" for place, name in enumerate(GRANT_COLUMNS, 2)}
_GRANT_SUM = sum_sql("grants", {"session": "?1", **_GRANT_PLACES})
_INSERT_GRANT = (
    f"INSERT INTO grants (session, {', '.join(_GRANT_PLACES)}, sum)"
    f" VALUES (?1, {', '.join(_GRANT_PLACES.values())}, {_GRANT_SUM})"
)
_INSERT_REF = "INSERT OR IGNORE INTO blob_refs (session, hash) VALUES (?, ?)"
_ARRIVE = "UPDATE sessions SET deleted = ?, sequence = ? WHERE key = ?"
_GIVE_UP = f"UPDATE sessions SET deleted = 1 WHERE key = ? AND id = ? AND deleted = {_ARRIVING}"
_IS_ARRIVING = f"SELECT 1 FROM sessions WHERE key = ? AND id = ? AND deleted = {_ARRIVING}"
_COMPLETE = (
    "UPDATE sessions SET deleted = 0, records = ?, events = ?, head_hash = ?, updated_at = ?,"
    " redacted = ?, permissions = ?, artifacts ="
    " (SELECT count(*) FROM artifacts WHERE session = sessions.key AND NOT deleted)"
    f" WHERE key = ? AND id = ? AND deleted = {_ARRIVING}"
)
# Of one session: the first address that it refers to and that the store does not have.
_MISSING = (
    "SELECT hash FROM (SELECT hash FROM blob_refs WHERE session = ?1"
    " UNION ALL SELECT content_hash FROM artifacts WHERE session = ?1 AND NOT deleted"
    " UNION ALL SELECT unhex(script_hash) FROM sessions WHERE key = ?1 AND script_hash IS NOT NULL)"
    " AS needed WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.hash = needed.hash) LIMIT 1"
)


class Arrival:
    """Sessions on their way into a store.

    As a context: what was not completed in it is removed again.
    """

    def __init__(
        self, store: Store, ids: Iterable[str], limits: Mapping[str, Any] | None = None
    ) -> None:
        """Make sure that there is room for sessions of these ids.

        Args:
            store: Where they arrive.
            ids: Their ids.
            limits: Those that hold here, too, for sessions that have not ended.
        """
        self._limits = limits or {}
        self._store = store
        self._database = store._database
        self._rows: dict[int, SessionRow] = {}
        self._leases: dict[int, int] = {}
        self._heads: dict[int, Batch] = {}
        self._opened: dict[int, dict[int, Row]] = {}
        self._listening: dict[int, Listening] = {}
        self._key = 0
        self._blobs = BlobsIn(store.blobs, self._renew)
        self._renewed = time.monotonic()
        self._completed = False
        for session_id in ids:
            self._check_free(session_id)

    def __enter__(self) -> Self:
        self._blobs.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blobs.__exit__(kind, error, trace)
        if self._completed:
            return
        try:
            with self._database:
                for key, row in self._rows.items():
                    self._database.write(_GIVE_UP, (key, row.record.id))
            self._store.sessions.purge()
        except StoreError as failed:
            if error is None:
                raise
            error.add_note(f"what was stored so far could not be removed: {failed}")

    def _check_free(self, session_id: str) -> None:
        self._give_up_cut_short(session_id)
        row = self._row_of(session_id)
        if row is not None and row[2] == _HIDDEN:
            self._store.sessions.purge()  # a deletion may have been cut short
            row = self._row_of(session_id)
        if row is not None:
            raise self._taken(session_id, *row)

    def _row_of(self, session_id: str) -> tuple[int, str, int] | None:
        row = self._database.row(
            "SELECT key, name, deleted FROM sessions WHERE id = ?", (session_id,)
        )
        return None if row is None else (row[0], row[1], row[2])

    def _give_up_cut_short(self, session_id: str) -> None:
        """Mark what an import left as deleted, unless it is still at work."""
        with self._database:
            row = self._row_of(session_id)
            if row is not None and row[2] == _ARRIVING:
                self._store.sessions.discard(row[0])

    def _taken(
        self, session_id: str, key: int, name: str, deleted: int
    ) -> SessionBusy | UsageError:
        """Return what to raise where there is a session of this id."""
        if deleted == _ARRIVING:
            holder = self._store.leases.holder(key)
            by = "another process" if holder is None else str(holder)
            return SessionBusy(f"session {session_id} is just being imported by {by}", holder=by)
        if deleted == _HIDDEN:
            return UsageError(
                f"session {session_id} was deleted in the store {self._store.path}, but a fork of "
                "it still needs its history, or another session what it granted; delete the forks "
                "and revoke the grants first, or import it into another store with --store"
            )
        return UsageError(
            f"session {session_id} ({name or 'without name'}) is in the store "
            f"{self._store.path} already; nothing was imported. Import it into another store "
            f"with --store, or delete that one first: `respell delete {session_id}`"
        )

    # ── what arrives ─────────────────────────────────────────────────────────────────────

    def blob(self, blob: StoredBlob) -> None:
        self._blobs.add(blob)

    def session(self, row: SessionRow) -> None:
        self._blobs.flush()
        record = row.record
        if self._limits and record.status not in ENDED:
            record = replace(record, limits=lower(record.limits, self._limits))
        with self._database:
            taken = self._row_of(record.id)
            if taken is not None:  # by another import, since this one began
                error = self._taken(record.id, *taken)
                # A `UsageError` is what the file is blamed for.
                raise error if isinstance(error, SessionBusy) else StoreError(str(error))
            # The time tells the collector for how long nobody has worked on it.
            made = self._store.sessions.insert(
                replace(record, updated_at=self._store.clock()), told=False
            )
            self._leases[made.key] = self._store.leases.acquire(made.key)
            self._database.write(_ARRIVE, (_ARRIVING, row.sequence, made.key))
            for scope in STATE_SCOPES.values():
                self._store.state.clear(scope + record.id)
        self._key = made.key
        self._rows[made.key] = row
        self._heads[made.key] = Batch(made.key, 0, 0, FIRST_HASH)
        self._opened[made.key] = {}
        self._listening[made.key] = Listening()

    def state(self, rows: Sequence[tuple[str, str, bytes, int]]) -> None:
        record = self._rows[self._key].record
        self._insert(
            _INSERT_STATE,
            [(scope + record.id, *rest) for scope, *rest in rows],
        )

    def artifacts(self, rows: Sequence[Sequence[Any]]) -> None:
        given = [(self._key, *row) for row in rows]
        with self._database:
            self._insert(_INSERT_ARTIFACT, given)
            self._insert(_INSERT_TAGS, given)

    def grants(self, rows: Sequence[Sequence[Any]]) -> None:
        self._insert(_INSERT_GRANT, [(self._key, *row) for row in rows])

    def refs(self, addresses: Sequence[bytes]) -> None:
        self._insert(_INSERT_REF, [(self._key, address) for address in addresses])

    def records(self, rows: Sequence[tuple[bytes | None, bytes]]) -> None:
        self._blobs.flush()
        before, opened = self._heads[self._key], self._opened[self._key]
        batch = Batch(self._key, before.seq, before.number, before.hash)
        batch.add_all(map(self._packed, rows), self._store.blobs)
        with self._database:
            self._insert(INSERT_RECORD, batch.rows)
            self.refs(batch.large)
        for number in batch.closed:
            opened.pop(number, None)
        opened.update(batch.opened)
        batch.rows = []
        self._heads[self._key] = batch

    def _packed(self, row: tuple[bytes | None, bytes]) -> tuple[int, bytes]:
        large, body = row
        if large is not None:
            body = put_back(Record.unpack(body), large, self._store.blobs).pack()
        self._listening[self._key].look(body)
        return int.from_bytes(body[1:9], "little"), body

    def _insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        session_id = self._rows[self._key].record.id
        try:
            with self._database:
                # Its key may be another session's by now.
                if self._database.row(_IS_ARRIVING, (self._key, session_id)) is None:
                    raise _collected(session_id, None)
                self._database.execute_many(sql, rows)
        except apsw.ConstraintError as error:
            raise ValueError(f"it does not fit into the store ({error})") from None
        self._renew()

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > HEARTBEAT_EVERY:
            self._renewed = time.monotonic()
            with self._database:
                for key, lease in self._leases.items():
                    self._store.leases.renew(key, lease)

    def head(self, records: int, events: int, head_hash: bytes) -> None:
        end = self._heads[self._key]
        if (records, events, head_hash) != (end.seq, end.number, end.hash):
            raise ValueError(
                "its history does not fit its hash chain, or is not all that it should be"
            )
        record = self._rows[self._key].record
        if record.has_program and not record.redacted:
            _recorded(self._store, self._key)
        opened = list(self._opened[self._key].values())
        if any(due is not None and not _is_time(due) for *_, due in opened):
            raise ValueError("a timer is due at no time")
        self._insert(INSERT_OPEN, opened)

    # ── at the end ───────────────────────────────────────────────────────────────────────

    def complete(
        self, contents: Contents, permissions: Permissions, path: Path, actor: str
    ) -> None:
        """Make all that arrived visible at once."""
        with self._database:
            # The content was stored long before what refers to it, which the collector goes by.
            self._blobs.check_lists()
            for key, row in self._rows.items():
                record, end = row.record, self._heads[key]
                allowed = None
                if record.has_program and not record.redacted:
                    allowed = self._allowed(key, permissions).to_dict()
                shown = self._database.write(
                    _COMPLETE,
                    (
                        end.seq, end.number, end.hash, record.updated_at, int(record.redacted),
                        None if allowed is None else values.encode(allowed), key, record.id,
                    ),
                )  # fmt: skip
                missing = self._database.value(_MISSING, (key,))
                if shown != 1 or missing is not None:
                    raise _collected(record.id, missing)
                self._subscribe(
                    key, record, own_only=bool(allowed and allowed["sessions"] == "own")
                )
                self._store.sessions.tell("session.created", record, imported=True)
                self._store.leases.release(key, self._leases[key])
                self._database.heads.note(Head(key, record.id, end.seq, end.hash))
            self._store.audit.note(
                "session.import", session=contents.session_id, actor=actor,
                target=os.fspath(path), reason="redacted" if contents.redacted else "",
            )  # fmt: skip
        self._completed = True

    def _subscribe(self, key: int, record: SessionRecord, *, own_only: bool) -> None:
        """Let a session that goes on listen as it did, to what happens here from now on."""
        if record.status in ENDED or not record.has_program or record.redacted:
            return
        for name, pattern in list(self._listening[key].patterns.items())[:MAX_SUBSCRIPTIONS]:
            self._store.bus.add(pattern, name=name, session=key, language="lua", own_only=own_only)

    def _allowed(self, key: int, permissions: Permissions) -> Permissions:
        """Return these permissions without what a session was denied where it was begun."""
        there = _recorded(self._store, key)
        denied = tuple(dict.fromkeys((*permissions.deny, *there.deny)))
        sessions = there.sessions if there.sessions == "own" else permissions.sessions
        return replace(permissions, deny=denied, sessions=sessions)


def _is_time(due: object) -> bool:
    # Metadata that was set apart as a blob is looked at here only.
    return type(due) is int and 0 <= due < 2**63


def _collected(session_id: str, missing: bytes | None) -> StoreError:
    what = "its rows were" if missing is None else f"its content {missing.hex()} was"
    return StoreError(
        f"session {session_id} can't be imported: {what} collected before all of it had arrived. "
        "Nothing was imported; import it again, with a longer grace period for `gc`"
    )


def recorded_permissions(store: Store, session: SessionRecord) -> Permissions | None:
    """Return what a session was allowed where it was begun; None if nothing is recorded.

    Of an imported session that is not what it may do here (see `store.sessions.permissions`).
    """
    if session.redacted or not session.has_program:
        return None
    return _recorded(store, session.key)


def _recorded(store: Store, key: int) -> Permissions:
    """Return what the first record says that a program was allowed.

    Raises:
        ValueError: The history does not begin as that of a program.
    """
    for _, body in store.history.records(key, 1, 1):
        record = Record.unpack(body)
        if record.name == START:
            try:
                return Permissions.from_dict(record.arguments()["permissions"])
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"its permissions are none ({error!r:.80})") from None
    raise ValueError("its history does not begin with what the program is")
