"""The store itself: one folder, one connection, and the tables as attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from respell.store.artifacts import Artifacts
from respell.store.audit import Audit
from respell.store.blobs import Blobs
from respell.store.bus import Bus
from respell.store.database import Database, Durability
from respell.store.debugging import Debugging
from respell.store.grants import Grants
from respell.store.history import History
from respell.store.inbox import Inbox
from respell.store.leases import Leases
from respell.store.notes import Notes
from respell.store.rates import Rates
from respell.store.sessions import Sessions
from respell.store.state import State
from respell.times import now_us


class _Undone(Exception):
    """Raised at the end of what was only tried."""


class Store:
    """An open store.

    Any number of processes may have one store open, and any number of threads may share
    one `Store`. A process made by `fork()` has to open the store for itself.

    Attributes:
        path: The folder.
        durability: `full`: what `sync()` returned from survives power loss; `process`: it
            survives the death of this process.
        clock: What gives the time, in µs since 1970 UTC.
        read_only: The folder or the database can't be written to.
        sessions, history, state, blobs, artifacts, leases, inbox, bus, audit, grants, debugging,
            notes: What it holds.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        durability: Durability = "full",
        create: bool = True,
        compress: bool = True,
        audit: bool = True,
        clock: Callable[[], int] = now_us,
    ) -> None:
        """Open the store in this folder.

        Args:
            path: The folder; `~` is expanded.
            durability: See the class.
            create: Make folder and database where there are none.
            compress: Compress content above 10 KiB where that makes it smaller.
            audit: Keep a log of who does what, and who is refused.
            clock: Gives the time for rows, leases and queries, in µs since 1970 UTC.

        Raises:
            StoreMissing: There is no store here and `create` is False.
            StoreTooNew: Written by a newer Respell; nothing was touched.
            StoreCorrupt: The database is not one of Respell's, or is damaged.
            StoreError: The folder can't be made, read or opened; says why.
        """
        self.path = Path(path).expanduser().absolute()
        self.durability: Durability = durability
        self.clock = clock
        self._database = Database(self.path, durability=durability, create=create)
        self.read_only = self._database.read_only
        self.blobs = Blobs(self._database, clock, compress=compress)
        self.history = History(self._database, self.blobs, clock)
        self.leases = Leases(self._database, clock)
        self.bus = Bus(self._database, clock)
        self.sessions = Sessions(self._database, self.history, self.leases, self.bus, clock)
        self.state = State(self._database, clock)
        self.artifacts = Artifacts(self._database, self.blobs, self.bus, clock)
        self.inbox = Inbox(self._database, clock)
        self.audit = Audit(self._database, clock, enabled=audit)
        self.grants = Grants(self._database, clock)
        self.debugging = Debugging(self._database)
        self.notes = Notes(self._database)
        self.rates = Rates(self._database)

    def __repr__(self) -> str:
        return f"<Store {self.path}>"

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which all writes are committed together, or none.

        Holds the store's writer lock; keep it short. It nests within a thread: an inner
        one that fails undoes its own writes only. Other threads wait.

        Raises:
            StoreBusy: The writer lock was not free within 30 seconds.
            StoreFull: There is no space left; nothing of the transaction was kept.
        """
        return self._database

    def stop_waiting(self) -> None:
        """Have whoever waits here for another writer give up with StoreBusy; from any thread.

        Nothing where nobody waits.
        """
        self._database.stop_waiting()

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Return a context whose writes are undone at its end: to find out what would happen."""
        with suppress(_Undone), self.transaction():
            yield
            raise _Undone

    def sync(self) -> None:
        """Return once all that was committed here is durable.

        Waits for the disk with durability `full`, and only if something was committed
        since the last call. Other threads and processes go on writing meanwhile.
        """
        self._database.sync()

    def data_version(self) -> int:
        """Return a number that changes whenever another process or `Store` committed."""
        return self._database.data_version()

    def close(self) -> None:
        """Wait for the disk as `sync` does and close; a second time does nothing."""
        try:
            self.sync()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
