"""The collector: removes what nothing refers to.

What is referred to is derived from the tables each time, never counted. A blob goes when
nothing refers to it and nobody has put it within the grace period; both are asked again in
the transaction that deletes its row. Its file is moved to `trash/` afterwards, under the
writer lock and only while there is no row, and deleted by a later collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from respell.errors import NotFound, StoreCorrupt, UsageError
from respell.store.blob_forms import CHUNKED, IN_FILE, OWN_SIZE
from respell.store.blobs import TOUCHED_EVERY
from respell.store.care.object_folder import FoundFile, object_files
from respell.store.care.trash import Trash
from respell.store.database import Database, Row
from respell.store.store import Store
from respell.times import SECOND

DAY_S = 86400.0

OnProgress = Callable[[int, int], None]
"""Called with how many blobs of how many were looked at."""

LEAST_GRACE = 2 * TOUCHED_EVERY
"""What was put within this time stays, whatever the grace: `touched` may be late, and between
putting a blob and referring to it there is a moment."""

_UNFINISHED_GRACE = 3600 * SECOND
"""A file that is still being written stays at least that long after its last byte."""

_LOOKED_AT_ONCE = 5_000
_REMOVED_AT_ONCE = 500
_PAGES_AT_ONCE = 2_000

_IS_REFERRED_TO = (
    "(EXISTS (SELECT 1 FROM artifacts WHERE content_hash = blobs.hash AND NOT deleted)"
    " OR EXISTS (SELECT 1 FROM blob_refs WHERE blob_refs.hash = blobs.hash)"
    " OR EXISTS (SELECT 1 FROM sessions WHERE script_hash = lower(hex(blobs.hash))))"
)
_CANDIDATES = (
    f"SELECT id, hash, {OWN_SIZE}, place FROM blobs WHERE id > ? AND touched < ?"
    f" AND NOT {_IS_REFERRED_TO} ORDER BY id LIMIT {_LOOKED_AT_ONCE}"
)
_LISTS = f"SELECT id, hash, {OWN_SIZE}, place FROM blobs WHERE place = {CHUNKED}"
_STILL_UNNEEDED = f"SELECT 1 FROM blobs WHERE id = ? AND touched < ? AND NOT {_IS_REFERRED_TO}"


@dataclass(slots=True)
class GcReport:
    """What a collection removed; with `dry_run`, what it would have removed.

    Attributes:
        dry_run: Nothing was removed.
        sessions: Ids of deleted sessions that are gone for good now. Their temporary folders
            are the caller's to remove.
        grants: How many grants that had ended were removed.
        imports: How many imports that were cut short were given up.
        bus_events: How many events of the bus had expired.
        subscriptions: How many subscriptions of processes that have died were ended.
        blobs: How many blobs were removed.
        blob_bytes: What they occupied in the database and in files.
        leftovers: How many files without a row were taken away, as writers leave them that
            are cut short.
        leftover_bytes: Their size.
        trash_files: How many files were deleted from the trash.
        freed_bytes: What was given back to the file system, the database included.
        reusable_bytes: What is still unused within the database; new rows will use it.
    """

    dry_run: bool
    sessions: list[str] = field(default_factory=list)
    grants: int = 0
    imports: int = 0
    bus_events: int = 0
    subscriptions: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    leftovers: int = 0
    leftover_bytes: int = 0
    trash_files: int = 0
    freed_bytes: int = 0
    reusable_bytes: int = 0


def collect(
    store: Store,
    *,
    grace_s: float = DAY_S,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> GcReport:
    """Remove what nothing refers to; other processes may go on writing meanwhile.

    Args:
        store: The store.
        grace_s: What was put within so many seconds stays, and the trash is kept as long.
            Two minutes are the least that counts for blobs, and an hour for files that are
            still being written.
        dry_run: Only say what would be removed.
        on_progress: Called as it goes on.

    Raises:
        UsageError: The grace period is negative.
        StoreFull: There is not even space for the log of the removal. The trash was emptied
            before; delete files in the store's `trash/` if that did not help.
        StoreError: The store can't be written to, or the system refuses; says why.
    """
    if not grace_s >= 0:
        raise UsageError(f"the grace period can't be {grace_s:g} seconds; give 0 or more")
    return _Collection(store, grace_s, GcReport(dry_run), on_progress or _tell_nobody).run()


class _Collection:
    """One run of the collector."""

    def __init__(
        self, store: Store, grace_s: float, report: GcReport, on_progress: OnProgress
    ) -> None:
        self._store = store
        self._database: Database = store._database
        self._objects = self._database.folder / "objects"
        self._trash = Trash(self._database.folder / "trash")
        self._clock = store.clock
        self._grace = int(grace_s * SECOND)
        self._report = report
        self._on_progress = on_progress

    def run(self) -> GcReport:
        if self._store.read_only and not self._report.dry_run:
            raise self._database.faults.not_writable()
        try:
            self._empty_trash()  # first: on a full disk this makes room for the rest
            self._purge_sessions()
            self._tidy_bus()
            self._sweep_blobs()
            self._sweep_files()
            if not self._report.dry_run:
                self._empty_trash()  # without grace: what was just put there
            self._give_pages_back()
        except OSError as error:
            raise self._database.faults.of_system(error, "collect in") from error
        return self._report

    def _before(self, least: int) -> int:
        """Return the time before which something is old enough, in µs since 1970 UTC."""
        return self._clock() - max(self._grace, least)

    # ── sessions ─────────────────────────────────────────────────────────────────────────

    def _purge_sessions(self) -> None:
        sessions, report = self._store.sessions, self._report
        before = self._before(0)
        grants = self._store.grants
        report.grants = (
            grants.count_expired(before) if report.dry_run else grants.forget_expired(before)
        )
        abandoned = sessions.abandoned(before)
        live = self._store.leases.live()  # after those: an import may have begun just now
        given_up = [key for key in abandoned if key not in live]
        report.imports = len(given_up)
        if report.dry_run:
            unneeded = [*sessions.unneeded(), *given_up]
            report.sessions = [sessions.get(key, deleted=True).id for key in unneeded]
            return
        for key in given_up:
            sessions.discard(key, before)
        report.sessions = sessions.purge()

    def _tidy_bus(self) -> None:
        bus, report = self._store.bus, self._report
        report.bus_events, report.subscriptions = bus.prune(dry_run=report.dry_run)

    # ── blobs ────────────────────────────────────────────────────────────────────────────

    def _sweep_blobs(self) -> None:
        """Remove lists of chunks first, then what they alone referred to."""
        begun = self._clock()
        before = self._before(LEAST_GRACE)
        total = self._database.value("SELECT count(*) FROM blobs") or 0
        lists = self._database.rows(_LISTS)
        unneeded = [row for row in lists if self._is_unneeded(row, before)]
        gone = {row[0] for row in self._remove(unneeded, before, begun, set())}
        chunks = self._chunks(row[1] for row in lists if row[0] not in gone)
        last, done = 0, 0
        while rows := self._database.rows(_CANDIDATES, (last, before)):
            last, done = rows[-1][0], done + len(rows)
            unneeded = [row for row in rows if row[3] != CHUNKED and row[1] not in chunks]
            self._remove(unneeded, before, begun, chunks)
            self._on_progress(min(done, total), total)
        self._on_progress(total, total)

    def _is_unneeded(self, row: Row, before: int) -> bool:
        return self._database.row(_STILL_UNNEEDED, (row[0], before)) is not None

    def _chunks(self, lists: Iterable[bytes]) -> set[bytes]:
        """Return the addresses of all chunks in these lists."""
        found: set[bytes] = set()
        for address in lists:
            try:
                found.update(self._store.blobs.stored(address).chunks)
            except NotFound:
                continue  # another collector has just removed it
            except StoreCorrupt as error:
                raise StoreCorrupt(
                    f"nothing more is collected, because the list of pieces of blob "
                    f"{address.hex()} is damaged, and what it needs can't be told: first run "
                    "`respell check --repair`, which takes it out and says who needs it"
                ) from error
        return found

    def _lists_since(self, begun: int) -> Iterator[bytes]:
        """Yield the lists of chunks that were put since then, or shortly before."""
        sql = f"SELECT hash FROM blobs WHERE place = {CHUNKED} AND touched >= ?"
        for (address,) in self._database.rows(sql, (begun - TOUCHED_EVERY,)):
            yield address

    def _remove(self, rows: list[Row], before: int, begun: int, chunks: set[bytes]) -> list[Row]:
        """Remove blobs that are still unneeded; return which these were."""
        removed: list[Row] = []
        rest = iter(rows)
        while some := list(islice(rest, _REMOVED_AT_ONCE)):
            if self._report.dry_run:
                removed += some
            else:
                removed += self._remove_some(some, before, begun, chunks)
        self._report.blobs += len(removed)
        self._report.blob_bytes += sum(size for _, _, size, _ in removed)
        return removed

    def _remove_some(
        self, rows: list[Row], before: int, begun: int, chunks: set[bytes]
    ) -> list[Row]:
        database = self._database
        with database:
            kept = chunks | self._chunks(self._lists_since(begun))
            removed = [row for row in rows if row[1] not in kept and self._is_unneeded(row, before)]
            keys = [(row[0],) for row in removed]
            database.execute_many("DELETE FROM blob_data WHERE id = ?", keys)
            database.execute_many("DELETE FROM blobs WHERE id = ?", keys)
        if any(place == IN_FILE for *_, place in removed):
            database.sync()  # a file must not go before its row has gone for good
            files = [
                (self._store.blobs.path(row[1]), row[1]) for row in removed if row[3] == IN_FILE
            ]
            self._throw_away(files)
        return removed

    # ── files ────────────────────────────────────────────────────────────────────────────

    def _sweep_files(self) -> None:
        """Take away what writers left that were cut short."""
        waiting: list[FoundFile] = []
        for found in object_files(self._objects):
            # Large content has files first, and rows for many of them at once.
            least = LEAST_GRACE if found.kind == "blob" else _UNFINISHED_GRACE
            # What is foreign was never the store's to remove: `check` names it.
            if found.kind == "foreign" or found.modified > self._before(least):
                continue
            if not self._has_row(found.address):
                waiting.append(found)
            if len(waiting) == _REMOVED_AT_ONCE:
                self._take_leftovers(waiting)
                waiting = []
        self._take_leftovers(waiting)

    def _take_leftovers(self, found: list[FoundFile]) -> None:
        sizes = {it.path: it.size for it in found}
        if not self._report.dry_run:
            moved = self._throw_away((it.path, it.address) for it in found)
            sizes = {path: sizes[path] for path in moved}
        self._report.leftovers += len(sizes)
        self._report.leftover_bytes += sum(sizes.values())

    def _throw_away(self, files: Iterable[tuple[Path, bytes]]) -> list[Path]:
        """Move files to the trash, unless their blobs have a row (again); return which."""
        moved = []
        now = self._clock()
        # A writer looks for its file under this lock when it adds the row: one of both sees
        # what the other did.
        with self._database:
            for path, address in files:
                if not self._has_row(address) and self._trash.put(path, now):
                    moved.append(path)
        return moved

    def _has_row(self, address: bytes) -> bool:
        sql = "SELECT 1 FROM blobs WHERE hash = ? AND place = ?"
        return self._database.row(sql, (address, IN_FILE)) is not None

    def _empty_trash(self) -> None:
        for path, size in self._trash.files(self._clock() - self._grace):
            if not self._report.dry_run:
                path.unlink(missing_ok=True)
            self._report.trash_files += 1
            self._report.freed_bytes += size

    # ── the database's file ──────────────────────────────────────────────────────────────

    def _give_pages_back(self) -> None:
        """Shorten the database where it can be, a little at a time."""
        database, report = self._database, self._report
        before = self._file_size()
        if not report.dry_run:
            database.release_pages(_PAGES_AT_ONCE)
            database.empty_wal()
            report.freed_bytes += max(0, before - self._file_size())
        report.reusable_bytes = database.free_bytes()

    def _file_size(self) -> int:
        size = self._database.path.stat().st_size
        # SQLite takes the WAL away when the last connection of another process closes.
        with suppress(FileNotFoundError):
            size += self._database.path.with_name("store.db-wal").stat().st_size
        return size


def _tell_nobody(done: int, total: int) -> None:
    """Keep it to oneself."""
