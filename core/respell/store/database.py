"""The connection to store.db: transactions, the wait for the disk, and readable errors."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

import apsw

from respell.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreMissing,
    StoreTooNew,
    UsageError,
)
from respell.store import schema
from respell.store.disk import Wal
from respell.store.faults import ENVIRONMENT, Faults
from respell.store.heads import Head, Heads
from respell.store.lock import GivenUp, WriterLock
from respell.store.sums import row_sum

Durability = Literal["full", "process"]
Row = tuple[Any, ...]

LOCK_TIMEOUT = 30.0
"""Seconds to wait for other writers."""

PAGE_SIZE = 4096
"""A commit writes each page it touches whole, and records of a few KB waste half of larger ones."""

_WAL_PAGES = 2000
"""Checkpoint at this length: each one waits for the disk while others wait for the lock."""

_SAFE_SQLITE = (3, 51, 3)  # older ones can lose a commit when two processes write at once


def sqlite_version() -> str:
    """Return the version of the SQLite that apsw brought, e.g. `3.54.1`."""
    return apsw.sqlite_lib_version()


class Database:
    """One connection, shared by all threads of this process.

    It is its own transaction: `with database:` writes all or nothing, and nests.
    """

    def __init__(self, folder: Path, *, durability: Durability, create: bool) -> None:
        """Open `store.db` in this folder; for the errors see `Store`."""
        if durability not in (levels := get_args(Durability)):
            raise UsageError(f"durability {durability!r}: choose one of {', '.join(levels)}")
        version = sqlite_version()
        if tuple(map(int, version.split("."))) < _SAFE_SQLITE:  # pragma: no cover
            raise StoreError(
                f"SQLite {version} can lose commits when several processes "
                "write; install apsw 3.51.3 or newer"
            )
        self.folder = folder
        self.path = folder / "store.db"
        self.durability: Durability = durability
        self.faults = Faults(folder, self.path)
        self._pid = os.getpid()
        self.mutex = threading.RLock()
        """Held by the thread that uses the connection."""
        self._depth = 0
        self._doomed: BaseException | None = None
        self._undo: list[Callable[[], None]] = []
        self.part = _Part(self)
        self._marks: list[int] = []
        self._commits = 0
        self._synced = 0
        self._sync_mutex = threading.Lock()
        self._sync_failed: OSError | None = None
        self._wal = Wal(folder / "store.db-wal")
        self.heads = Heads(folder / "heads")
        """Where the histories end; noted in transactions, written by `sync`."""
        self._lock: WriterLock | None = None
        self.read_only = _prepare_folder(folder, self.path, self.faults, create=create)
        try:
            self._connection = self._connect()
            self._open()
        except BaseException:
            self.close()
            raise

    # ── opening and closing ──────────────────────────────────────────────────────────────

    def _connect(self) -> apsw.Connection:
        if not self.read_only:
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            return self._configured(str(self.path), flags)
        try:
            connection = self._configured(str(self.path), apsw.SQLITE_OPEN_READONLY)
            connection.execute("PRAGMA user_version").fetchall()
        except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
            # Reading a WAL needs a shared-memory file, which can't be made here. Without a
            # WAL nobody writes, and the file alone is all there is.
            if (self.folder / "store.db-wal").exists():
                raise self._explained(error) from error
            uri = f"{self.path.as_uri()}?immutable=1"
            return self._configured(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        except ENVIRONMENT as error:
            raise self._explained(error) from error
        return connection

    def _configured(self, name: str, flags: int) -> apsw.Connection:
        try:
            connection = apsw.Connection(name, flags=flags, statementcachesize=200)
        except ENVIRONMENT as error:
            raise self._explained(error) from error
        connection.set_busy_timeout(int(LOCK_TIMEOUT * 1000))
        # Without this a statement on a table with a partial index is compiled anew whenever it
        # is given other values, because that index might fit those.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        define_functions(connection)
        return connection

    def _open(self) -> None:
        version = self._version()
        if self.read_only:
            if version < schema.VERSION:
                raise StoreError(
                    f"the store {self.folder} is of an older version and can't be upgraded, "
                    "because it can't be written to; make it writable and open it once"
                )
            return
        try:
            self._lock = WriterLock(self.folder / "writer.lock")
        except OSError as error:
            raise self.faults.of_system(error, "open the writer lock of") from error
        # A backup made with VACUUM INTO is no WAL database any more.
        if version < schema.VERSION or self.value("PRAGMA journal_mode") != "wal":
            self._migrate()
        self._pragma("synchronous=NORMAL")
        self._pragma("mmap_size=0")
        self._pragma("temp_store=MEMORY")
        self._pragma("cache_size=-16000")
        self._pragma(f"wal_autocheckpoint={_WAL_PAGES}")

    def _version(self) -> int:
        """Return the version of the tables, 0 for none, if it is one that can be used."""
        # One query, hence one snapshot: another process may be making the store right now.
        application, version, tables = self.rows(
            "SELECT (SELECT application_id FROM pragma_application_id),"
            " (SELECT user_version FROM pragma_user_version),"
            " (SELECT count(*) FROM sqlite_schema)"
        )[0]
        if application != schema.APPLICATION_ID and (version or tables or application):
            raise StoreCorrupt(
                f"{self.path} is a database of another program; choose another folder for the store"
            )
        if version > schema.VERSION:
            # Not even a checkpoint: what a newer program wrote stays as it is.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            raise StoreTooNew(
                f"the store {self.folder} was written by a newer Respell (its version is "
                f"{version}, this one reads up to {schema.VERSION}); upgrade Respell"
            )
        return int(version)

    def _migrate(self) -> None:
        self._take_lock()
        try:
            # All take effect on a new database only; another process may be as far as we are.
            self._pragma(f"page_size={PAGE_SIZE}")
            self._pragma("auto_vacuum=INCREMENTAL")  # 3 % of a commit, so that files can shrink
            self._pragma("journal_mode=WAL")
        finally:
            self._give_lock()
        with self:
            for step in schema.MIGRATIONS[self._version() :]:
                self.execute(step)
            self._pragma(f"application_id={schema.APPLICATION_ID}")
            self._pragma(f"user_version={schema.VERSION}")

    def _pragma(self, text: str) -> None:
        self.rows(f"PRAGMA {text}")

    def close(self) -> None:
        """Close everything; a second time does nothing."""
        connection = getattr(self, "_connection", None)
        with self.mutex:
            if connection is not None:
                connection.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None
            self._wal.close()
            self.heads.close()

    # ── statements ───────────────────────────────────────────────────────────────────────

    def execute(self, sql: str, bindings: Sequence[Any] = ()) -> apsw.Cursor:
        """Run a statement; inside `with database:` only, or for reads in a `snapshot`."""
        try:
            return self._connection.execute(sql, bindings)
        except ENVIRONMENT as error:
            raise self._explained(error) from error

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row; inside `with database:` only."""
        try:
            self._connection.executemany(sql, rows)
        except ENVIRONMENT as error:
            raise self._explained(error) from error

    def write(self, sql: str, bindings: Sequence[Any] = ()) -> int:
        """Run one writing statement, in a transaction of its own outside of any.

        Returns:
            How many rows it changed.
        """
        with self.mutex:
            if self._depth:
                self._check_doomed()
                self.execute(sql, bindings)
                return self._connection.changes()
            try:
                self._take_lock()
                self.execute(sql, bindings)
                self._committed()
                return self._connection.changes()
            finally:
                self._give_lock()

    def row(self, sql: str, bindings: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query."""
        with self.mutex:
            try:
                rows = self._connection.execute(sql, bindings).fetchall()
            except ENVIRONMENT as error:
                raise self._explained(error) from error
        return rows[0] if rows else None

    def value(self, sql: str, bindings: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row of a query; None without rows."""
        row = self.row(sql, bindings)
        return row[0] if row else None

    def rows(self, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""
        with self.mutex:
            try:
                return self._connection.execute(sql, bindings).fetchall()
            except ENVIRONMENT as error:
                raise self._explained(error) from error

    def rows_up_to(self, size: int, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Return rows of a query until their last columns add up to `size` bytes.

        The row that reaches it is the last one; at least one is returned if there is any.
        """
        found: list[Row] = []
        with self.mutex:
            try:
                cursor = self._connection.execute(sql, bindings)
                for row in cursor:
                    found.append(row)
                    if not isinstance(row[-1], bytes):
                        raise self.faults.damaged("a row lacks its bytes")
                    size -= len(row[-1])
                    if size <= 0:
                        cursor.close()
                        break
            except ENVIRONMENT as error:
                raise self._explained(error) from error
        return found

    def read_through(self, sql: str, bindings: Sequence[Any] = ()) -> None:
        """Read all rows of a query and keep none: to see whether they can be read."""
        with self.mutex:
            try:
                for _ in self._connection.execute(sql, bindings):
                    pass
            except ENVIRONMENT as error:
                raise self._explained(error) from error

    def insert(self, sql: str, bindings: Sequence[Any] = ()) -> int:
        """Run one INSERT, like `write`, and return the new row's key."""
        with self.mutex:
            self.write(sql, bindings)
            return self.last_key()

    def last_key(self) -> int:
        """Return the key of the row inserted last; inside `with database:` only."""
        return self._connection.last_insert_rowid()

    def data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        return int(self.value("PRAGMA data_version"))

    def free_bytes(self) -> int:
        """Return how much of the database's file is unused; new rows will use it."""
        return int(self.value("PRAGMA freelist_count") * self.value("PRAGMA page_size"))

    def release_pages(self, at_once: int) -> None:
        """Give unused pages back to the file system, so many in each transaction.

        Does nothing in a database of the first version, which was not made for it.
        """
        while self.value("PRAGMA auto_vacuum") and (free := self.value("PRAGMA freelist_count")):
            with self:
                self._pragma(f"incremental_vacuum({at_once})")
            if self.value("PRAGMA freelist_count") >= free:
                return  # others use pages up as fast

    def empty_wal(self) -> None:
        """Move all of the WAL into the database, if nobody reads from it right now."""
        with self.mutex:
            try:
                self._take_lock()
                self._connection.set_busy_timeout(0)
                self._pragma("wal_checkpoint(TRUNCATE)")
            finally:
                self._connection.set_busy_timeout(int(LOCK_TIMEOUT * 1000))
                self._give_lock()

    def _explained(self, error: apsw.Error | UnicodeError) -> StoreError | UsageError:
        connection = getattr(self, "_connection", None)  # not there while it is being opened
        return self.faults.of_sqlite(error, connection.system_errno if connection else 0)

    # ── transactions ─────────────────────────────────────────────────────────────────────

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; asked by its own thread only."""
        return self._depth > 0

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have all that is read in the block be of one moment; no other thread comes between.

        Other processes go on writing. Nothing can be written in the block itself, unless it
        is inside a transaction, which is of one moment anyway.
        """
        with self.mutex:
            if self._depth:
                yield
                return
            self.execute("BEGIN")
            try:
                yield
            finally:
                self.execute("ROLLBACK")

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Have something called if the innermost open transaction is rolled back."""
        self._undo.append(undo)

    def note_new(self, head: Head) -> None:
        """Note the head of a session that was just inserted; under the mutex."""
        self.heads.note(head)
        if self._depth:
            self.on_rollback(lambda: self.heads.forget(head.key))
        else:
            self.heads.commit()

    def __enter__(self) -> None:
        self.mutex.acquire()
        try:
            if self._depth:
                self._check_doomed()
                self.execute("SAVEPOINT nested")
            else:
                try:
                    self._take_lock()
                    self.execute("BEGIN IMMEDIATE")
                except BaseException:
                    self._give_lock()
                    raise
                self._doomed = None
        except BaseException:
            self.mutex.release()
            raise
        self._depth += 1
        self._marks.append(len(self._undo))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        mark = self._marks.pop()
        try:
            if self._depth:
                self._leave_inner(error, mark)
            else:
                try:
                    self._leave_outer(error)
                finally:
                    self._give_lock()
        finally:
            self.mutex.release()

    def _leave_inner(self, error: BaseException | None, mark: int) -> None:
        if error is None:
            self._check_doomed()
            self.execute("RELEASE nested")
            return
        if self._connection.in_transaction:
            self.execute("ROLLBACK TO nested")
            self.execute("RELEASE nested")
            self._doomed = None  # nobody enters a doomed one: what failed since is undone now
        else:
            self._doomed = error
        self._call_undo(mark)

    def _leave_outer(self, error: BaseException | None) -> None:
        try:
            if error is None:
                self._check_doomed()
                self.execute("COMMIT")
                self._committed()
                self._undo.clear()
                return
        except BaseException:
            self._roll_back()
            raise
        self._roll_back()

    def _committed(self) -> None:
        self.heads.commit()  # before the count: who sees that waits for the disk with these
        self._commits += 1

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some errors (no space, I/O).
        if self._connection.in_transaction:
            self.execute("ROLLBACK")
        self._call_undo(0)
        self.heads.roll_back()

    def _call_undo(self, mark: int) -> None:
        while len(self._undo) > mark:
            self._undo.pop()()

    def _check_doomed(self) -> None:
        """Refuse to go on in a transaction of which SQLite has undone the first part."""
        if self._doomed is not None or not self._connection.in_transaction:
            raise StoreError(
                f"the transaction on {self.folder} was undone by an error before; nothing of "
                "it was kept"
            ) from self._doomed

    def _take_lock(self) -> None:
        if self._lock is None:
            raise self.faults.not_writable() if self.read_only else self.faults.closed()
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store {self.folder} was opened before this process was forked; a forked "
                "process has to open it again"
            )
        try:
            taken = self._lock.acquire(LOCK_TIMEOUT)
        except GivenUp:
            raise StoreBusy(
                f"another process writes to the store {self.folder}; it was not waited for any "
                "more, and nothing was changed"
            ) from None
        except OSError as error:
            raise self.faults.of_system(error, "lock") from error
        if not taken:
            raise StoreBusy(
                f"another process has been writing to the store {self.folder} for "
                f"{LOCK_TIMEOUT:.0f} seconds; find it (it has {self.folder / 'writer.lock'} "
                "open), end it, or try again"
            )

    def stop_waiting(self) -> None:
        """Have whoever waits for another writer give up; from any thread."""
        lock = self._lock
        if lock is not None:
            lock.stop_waiting()

    def _give_lock(self) -> None:
        """Release the lock; does nothing where it was not taken."""
        if self._lock is not None:
            self._lock.release()

    # ── the wait for the disk ────────────────────────────────────────────────────────────

    def sync(self) -> None:
        """Wait until what was committed by this connection survives power loss.

        With durability `process` nothing is waited for.

        SQLite syncs the WAL before and the database after each checkpoint, so what is not
        in a synced database is in the WAL. It is waited for here, outside of the writer
        lock, because a lock held during the wait would let writers starve.
        """
        committed = self._commits
        if committed <= self._synced:
            return
        all_heads = self._all_heads() if self.heads.is_missing else []
        with self._sync_mutex:
            if committed <= self._synced:  # another thread's wait covered it
                return
            if self._sync_failed is not None:
                # The kernel has dropped the pages it could not write: success would be a lie.
                raise self.faults.of_system(self._sync_failed, "write to") from self._sync_failed
            committed, heads = self._commits, self.heads.take()
            if self.durability == "full":
                try:
                    self._wal.sync()
                except OSError as error:
                    self._sync_failed = error
                    raise self.faults.of_system(error, "write to") from error
            self._synced = committed
            if all_heads or heads:
                self.heads.note_durable([*all_heads, *heads.values()])
        if self.heads.has_durable:
            # Not while `_sync_mutex` is held: who has this one may be waiting for that.
            with self.mutex:
                self.heads.write(self._names_of)

    def _names_of(self, keys: Sequence[int]) -> dict[int, str]:
        """Return the ids of those sessions that are there, by key."""
        if len(keys) == 1:
            return dict(self.rows("SELECT key, id FROM sessions WHERE key = ?", keys))
        sql = "SELECT key, id FROM sessions WHERE key IN (SELECT value FROM json_each(?))"
        return dict(self.rows(sql, (json.dumps(keys),)))

    def _all_heads(self) -> list[Head]:
        """Return where all histories end: for stores that have no file of that yet."""
        rows = self.rows("SELECT key, id, records, head_hash FROM sessions")
        return [Head(*row) for row in rows]


class _Part:
    """Statements that belong together, as `with database:` has them, at less cost inside of one.

    Where a transaction is open already, no point to return to is set: once the block has
    changed something and then fails, the whole transaction can only be undone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun: list[int | None] = []  # changes before, of those inside of a transaction

    def __enter__(self) -> bool:
        """Begin; return whether a transaction was open, so that what was read before holds."""
        database = self._database
        database.mutex.acquire()
        try:
            if database._depth:
                database._check_doomed()
                self._begun.append(database._connection.total_changes())
                return True
            database.__enter__()
            self._begun.append(None)
        except BaseException:
            database.mutex.release()
            raise
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        database = self._database
        before = self._begun.pop()
        try:
            if before is None:
                database.__exit__(kind, error, trace)
            elif error is not None and database._connection.total_changes() != before:
                database._doomed = error
        finally:
            database.mutex.release()


def define_functions(connection: apsw.Connection) -> None:
    """Give a connection what the store's SQL calls."""
    connection.create_scalar_function("folded", _folded, 1, deterministic=True)
    connection.create_scalar_function("row_sum", row_sum, deterministic=True)
    connection.create_scalar_function("is_text", _is_text, deterministic=True)


def _folded(*text: Any) -> Any:
    """Return text in a form in which case does not matter; bytes are text that may be damaged."""
    (one,) = text
    if isinstance(one, bytes):
        one = one.decode(errors="replace")
    return one.casefold() if isinstance(one, str) else one


def _is_text(*columns: Any) -> bool:
    try:
        for one in columns:
            if one is not None:
                one.decode()
    except UnicodeDecodeError:
        return False
    return True


def _prepare_folder(folder: Path, path: Path, faults: Faults, *, create: bool) -> bool:
    """Make the folder if need be, and return whether the store can only be read."""
    try:
        if not path.exists():
            if not create:
                raise StoreMissing(
                    f"there is no store in {folder}; check --store and RESPELL_STORE, or make "
                    "one by running a script"
                )
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise faults.of_system(error, "make") from error
    writable = os.access(folder, os.W_OK | os.X_OK)
    if path.exists():
        return not (writable and os.access(path, os.W_OK))
    if not writable:
        raise StoreError(
            f"can't make a store in {folder}: this user may not write there; choose another "
            "folder with --store"
        )
    return False
