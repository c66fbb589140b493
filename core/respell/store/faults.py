"""What SQLite and the system refuse, as errors that say what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import apsw

from respell.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, UsageError

DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

ENVIRONMENT = (
    apsw.FullError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NotADBError,
    apsw.CorruptError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.NoMemError,
    apsw.ConnectionClosedError,
    apsw.SQLError,
    UnicodeEncodeError,
    UnicodeDecodeError,
)
"""What can go wrong without a mistake in our SQL."""


class Faults:
    """Makes the errors of one store, which all name its folder."""

    def __init__(self, folder: Path, path: Path) -> None:
        """Make the errors of this folder and this database file in it."""
        self._folder = folder
        self._path = path

    def of_system(self, error: OSError, action: str) -> StoreError:
        """Return what to raise when the system refused something in the folder.

        Args:
            error: What the system said.
            action: What was tried, e.g. `write to`.
        """
        if error.errno in DISK_FULL:
            return self.full()
        reason = error.strerror or str(error)
        return StoreError(f"can't {action} the store {self._folder}: {reason}")

    def of_sqlite(self, error: apsw.Error | UnicodeError, code: int = 0) -> StoreError | UsageError:
        """Return what to raise for one of `ENVIRONMENT`.

        Args:
            error: What SQLite said.
            code: The system's error number behind it, 0 for none.
        """
        match error:
            case apsw.FullError():
                return self.full()
            case apsw.BusyError() | apsw.LockedError():
                return StoreBusy(
                    f"another program keeps {self._path} locked; close it (a database browser, "
                    "a backup) and try again"
                )
            case apsw.NotADBError():
                return StoreCorrupt(
                    f"{self._path} is not a database, or its first page is damaged; choose "
                    "another folder for the store, or restore the file from a backup"
                )
            case apsw.CorruptError():
                return self.damaged(str(error))
            case apsw.ReadOnlyError() | apsw.PermissionsError():
                return self.not_writable()
            case apsw.CantOpenError():
                return StoreError(
                    f"can't open {self._path}: check that this user may read it and its folder"
                )
            case apsw.ConnectionClosedError():
                return self.closed()
            case apsw.SQLError():
                return StoreCorrupt(
                    f"the tables of {self._path} are not those of a store ({error}); run "
                    "`respell check`, and restore the folder from a backup"
                )
            case UnicodeDecodeError():
                return StoreCorrupt(
                    f"{self._path} is damaged: a text in it is not UTF-8 any more "
                    f"({error.object[:60]!r}); `respell check --repair` finds and mends the row"
                )
            case UnicodeEncodeError():
                return UsageError(
                    f"the text {error.object[:60]!r} can't be stored: it has bytes that are not "
                    "UTF-8 where only text is allowed"
                )
        if code in DISK_FULL:
            return self.full()
        reason = f"{error} ({os.strerror(code)})" if code else str(error)
        return StoreError(f"can't read or write {self._path}: {reason}")

    def full(self) -> StoreFull:
        """Return what to raise when there is no space left."""
        return StoreFull(
            f"there is no space left for the store {self._folder}; free some, or run "
            "`respell gc`. Nothing that was acknowledged is lost"
        )

    def damaged(self, what: str) -> StoreCorrupt:
        """Return what to raise for a database that holds what nobody wrote."""
        return StoreCorrupt(
            f"{self._path} is damaged ({what}); run `respell check`, and restore the folder from "
            "a backup"
        )

    def closed(self) -> StoreError:
        """Return what to raise for any use of a store that was closed."""
        return StoreError(f"the store {self._folder} was closed; open it again to use it")

    def not_writable(self) -> StoreError:
        """Return what to raise for a write to a store that can only be read."""
        return StoreError(
            f"the store {self._folder} can only be read: this user may not write to it; "
            "change its permissions or choose another one with --store"
        )
