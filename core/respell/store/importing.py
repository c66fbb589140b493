"""Import: a session out of a file, with the id it had; all of it or nothing.

The file is read twice. First everything in it is checked, and nothing is written. Then its
content is stored, and its sessions under rows that nobody sees, in short transactions, so that
others go on writing; the last transaction makes them visible. A process that dies before
leaves rows that `respell gc` removes, or the next import of the same session.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from respell import values
from respell.errors import SessionBusy, StoreError, StoreFull, UsageError
from respell.history.record import FIRST_HASH, HASH_SIZE, Record
from respell.security import Permissions
from respell.sessions.record import SessionRecord
from respell.store.appending import INSERT_OPEN, INSERT_RECORD, Batch
from respell.store.blobs import StoredBlob
from respell.store.database import Row
from respell.store.export_contents import Contents
from respell.store.export_file import ExportReader
from respell.store.export_rows import ARTIFACT_COLUMNS, STATE_SCOPES, SessionRow
from respell.store.heads import Head
from respell.store.import_blobs import BlobsIn
from respell.store.large import put_back
from respell.store.leases import HEARTBEAT_EVERY
from respell.store.store import Store

OnProgress = Callable[[int, int], None]
"""Called with how many bytes of how many are done."""

START = "lifecycle.start"

_ARRIVING = 2  # in the column `deleted`: hidden, and not complete
_HIDDEN = 1  # deleted, but a fork still reads its records
_SPARE_BYTES = 16 * 1024 * 1024

_PLACES = {name: f"?{place}" for place, name in enumerate(ARTIFACT_COLUMNS, 2)}
_INSERT_ARTIFACT = (
    f"INSERT INTO artifacts (session, {', '.join(_PLACES)}, folded_name, folded_text)"
    f" VALUES (?1, {', '.join(_PLACES.values())}, folded({_PLACES['name']}),"
    f" folded({_PLACES['description']} || ifnull((SELECT group_concat(char(10) || value, '')"
    f" FROM json_each({_PLACES['tags']})), '')))"
)
_INSERT_STATE = (
    "INSERT INTO state (scope, key, value, updated_at, sum)"
    " VALUES (?1, ?2, ?3, ?4, row_sum(?1, ?2, ?3))"
)
_INSERT_REF = "INSERT OR IGNORE INTO blob_refs (session, hash) VALUES (?, ?)"
_ARRIVE = "UPDATE sessions SET deleted = ?, sequence = ? WHERE key = ?"
_COMPLETE = (
    "UPDATE sessions SET deleted = 0, records = ?, events = ?, head_hash = ?, updated_at = ?,"
    " redacted = ?, permissions = ?, artifacts ="
    " (SELECT count(*) FROM artifacts WHERE session = sessions.key AND NOT deleted)"
    " WHERE key = ?"
)


@dataclass(frozen=True, slots=True)
class ExportedSession:
    """What a file holds, as `inspect` found it.

    Attributes:
        path: The file.
        size: Its bytes.
        respell: Version of the program that wrote it.
        exported_at: When, in µs since 1970 UTC.
        session: The session as it was; `key` is 0.
        redacted: Whether parts of it were replaced.
        sessions: How many sessions it holds: this one, and those without program it created.
        records: How many records.
        artifacts: How many artifacts.
        blobs: How many pieces of content.
    """

    path: Path
    size: int
    respell: str
    exported_at: int
    session: SessionRecord
    redacted: bool
    sessions: int
    records: int
    artifacts: int
    blobs: int


def inspect(path: Path, *, on_progress: OnProgress | None = None) -> ExportedSession:
    """Read an export from start to end, check it, and say what is in it.

    Args:
        path: The file.
        on_progress: Called with how many bytes of how many are read.

    Raises:
        UsageError: It can't be read, or is no export.
        StoreTooNew: It is of a newer format.
        StoreCorrupt: It was cut or changed, or holds what can't be; names the place.
    """
    path = Path(path)
    with ExportReader(path) as reader:
        found = _Summary()
        contents = Contents(reader)
        contents.hand_to(found, lambda at: on_progress(at, reader.size) if on_progress else None)
        return ExportedSession(
            path=path,
            size=reader.size,
            respell=contents.respell,
            exported_at=contents.exported_at,
            session=found.sessions[contents.session_id],
            redacted=contents.redacted,
            **contents.counts,
        )


def import_session(
    store: Store,
    path: Path,
    *,
    permissions: Permissions | None = None,
    actor: str = "",
    on_progress: OnProgress | None = None,
) -> SessionRecord:
    """Take a session out of a file into a store and return it.

    It keeps its id, history, state and artifacts, and so do the sessions without program that
    it created. What it may do here does not come from the file: it runs in the working
    directory of who imports it, with the permissions given here. What it was denied where it
    comes from stays denied.

    Args:
        store: Where to.
        path: A file that `export_session` wrote.
        permissions: What it may do when it is resumed; None for what a script may that is run
            in the current working directory without further flags.
        actor: Who imports, for the audit log: a session's id, or `cli`, `python`, …
        on_progress: Called with how many bytes of how many are done.

    Raises:
        UsageError: The file can't be read or is no export, or one of its sessions is in the
            store already; says which, and what to do.
        SessionBusy: Another process is importing the same session.
        StoreTooNew: The file is of a newer format.
        StoreCorrupt: It was cut or changed, or holds what can't be; names the place.
        StoreFull: There is no space left for it.
    """
    path = Path(path)
    if permissions is None:
        here = Path.cwd()
        permissions = Permissions.from_flags((), (), script_dir=here, cwd=here)
    with ExportReader(path) as reader:
        total = 2 * reader.size

        def told(done: int) -> None:
            if on_progress is not None:
                on_progress(done, total)

        found = _Summary(store)
        contents = Contents(reader)
        contents.hand_to(found, told)
        _check_room(store, path, found.new_bytes)
        chain = reader.chain
        reader.rewind()
        ids = dict.fromkeys((contents.session_id, *found.sessions))
        with _Arrival(store, ids) as arrival:
            again = Contents(reader, again=True)
            again.hand_to(arrival, lambda at: told(reader.size + at))
            if reader.chain != chain:
                raise UsageError(f"{path} was changed while it was read; nothing was imported")
            arrival.complete(contents, permissions, path, actor)
    store.sync()
    return store.sessions.get(contents.session_id)


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


def _check_room(store: Store, path: Path, needed: int) -> None:
    free = shutil.disk_usage(store.path).free
    if needed + _SPARE_BYTES > free:
        raise StoreFull(
            f"there is not enough space for {path} in the store {store.path}: it takes about "
            f"{needed + _SPARE_BYTES >> 20} MiB, and {free >> 20} MiB are free. Nothing was "
            "imported; free some, or run `respell gc`"
        )


class _Summary:
    """Takes note of what is in an export; stores nothing.

    Attributes:
        sessions: Its sessions by id.
        new_bytes: About how many bytes it will take, given what the store has already.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self.sessions: dict[str, SessionRecord] = {}
        self.new_bytes = 0
        self._last = ""

    def blob(self, blob: StoredBlob) -> None:
        if self._store is not None and blob.address not in self._store.blobs:
            self.new_bytes += len(blob.data)

    def session(self, row: SessionRow) -> None:
        self._last = row.record.id
        self.sessions[self._last] = row.record

    def state(self, rows: Sequence[tuple[str, str, bytes, int]]) -> None:
        self.new_bytes += sum(len(key) + len(value) for _, key, value, _ in rows)

    def artifacts(self, rows: Sequence[Sequence[Any]]) -> None:
        self.new_bytes += 500 * len(rows)

    def refs(self, addresses: Sequence[bytes]) -> None:
        self.new_bytes += 2 * HASH_SIZE * len(addresses)

    def records(self, rows: Sequence[tuple[bytes | None, bytes]]) -> None:
        # Once in the log and once in the database.
        self.new_bytes += 2 * sum(len(body) + 2 * HASH_SIZE for _, body in rows)

    def head(self, records: int, events: int, head_hash: bytes) -> None:
        self.sessions[self._last] = replace(
            self.sessions[self._last], records=records, events=events, head_hash=head_hash
        )


class _Arrival:
    """Sessions on their way into a store.

    As a context: what was not completed in it is removed again.
    """

    def __init__(self, store: Store, ids: Iterable[str]) -> None:
        """Make sure that there is room for sessions of these ids."""
        self._store = store
        self._database = store._database
        self._rows: dict[int, SessionRow] = {}
        self._leases: dict[int, int] = {}
        self._heads: dict[int, Batch] = {}
        self._opened: dict[int, dict[int, Row]] = {}
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
                for key in self._rows:
                    self._store.sessions.discard(key)
            self._store.sessions.purge()
        except StoreError as failed:
            if error is None:
                raise
            error.add_note(f"what was stored so far could not be removed: {failed}")

    def _check_free(self, session_id: str) -> None:
        row = self._database.row(
            "SELECT key, name, deleted FROM sessions WHERE id = ?", (session_id,)
        )
        if row is None:
            return
        key, name, deleted = row
        if deleted == _ARRIVING:
            holder = self._store.leases.holder(key)
            if holder is not None:
                raise SessionBusy(
                    f"session {session_id} is just being imported by {holder}", holder=str(holder)
                )
            # That import was cut short.
            self._store.sessions.discard(key)
            self._store.sessions.purge()
        elif deleted == _HIDDEN:
            raise UsageError(
                f"session {session_id} was deleted in the store {self._store.path}, but a fork of "
                "it still needs its history; delete the forks first, or import it into another "
                "store with --store"
            )
        else:
            raise UsageError(
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
        with self._database:
            # The time tells the collector for how long nobody has worked on it.
            made = self._store.sessions.insert(replace(record, updated_at=self._store.clock()))
            self._leases[made.key] = self._store.leases.acquire(made.key)
            self._database.write(_ARRIVE, (_ARRIVING, row.sequence, made.key))
            for scope in STATE_SCOPES.values():
                self._store.state.clear(scope + record.id)
        self._key = made.key
        self._rows[made.key] = row
        self._heads[made.key] = Batch(made.key, 0, 0, FIRST_HASH)
        self._opened[made.key] = {}

    def state(self, rows: Sequence[tuple[str, str, bytes, int]]) -> None:
        record = self._rows[self._key].record
        self._insert(
            _INSERT_STATE,
            [(scope + record.id, *rest) for scope, *rest in rows],
        )

    def artifacts(self, rows: Sequence[Sequence[Any]]) -> None:
        self._insert(_INSERT_ARTIFACT, [(self._key, *row) for row in rows])

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
        return int.from_bytes(body[1:9], "little"), body

    def _insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            with self._database:
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
        if any(type(due) not in (int, type(None)) for *_, due in opened):
            raise ValueError("a timer is due at no time")
        self._insert(INSERT_OPEN, opened)

    # ── at the end ───────────────────────────────────────────────────────────────────────

    def complete(
        self, contents: Contents, permissions: Permissions, path: Path, actor: str
    ) -> None:
        """Make all that arrived visible at once."""
        with self._database:
            for key, row in self._rows.items():
                record, end = row.record, self._heads[key]
                allowed = None
                if record.has_program and not record.redacted:
                    allowed = self._allowed(key, permissions).to_dict()
                self._database.write(
                    _COMPLETE,
                    (
                        end.seq, end.number, end.hash, record.updated_at, int(record.redacted),
                        None if allowed is None else values.encode(allowed), key,
                    ),
                )  # fmt: skip
                self._store.leases.release(key, self._leases[key])
                self._database.heads.note(Head(key, record.id, end.seq, end.hash))
            self._store.audit.note(
                "session.import", session=contents.session_id, actor=actor,
                target=os.fspath(path), reason="redacted" if contents.redacted else "",
            )  # fmt: skip
        self._completed = True

    def _allowed(self, key: int, permissions: Permissions) -> Permissions:
        """Return these permissions without what a session was denied where it was begun."""
        there = _recorded(self._store, key)
        denied = tuple(dict.fromkeys((*permissions.deny, *there.deny)))
        sessions = there.sessions if there.sessions == "own" else permissions.sessions
        return replace(permissions, deny=denied, sessions=sessions)
