"""Import: a session out of a file, with the id it had; all of it or nothing.

The file is read twice. First everything in it but the content is checked, and nothing is
written. Then its content is verified and stored, and its sessions under rows that nobody sees,
in short transactions, so that others go on writing; the last transaction makes them visible.
A process that dies before leaves rows that `respell gc` removes, or the next import of the same
session.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from respell.errors import StoreFull, UsageError
from respell.history.record import HASH_SIZE
from respell.security import Permissions
from respell.sessions.record import SessionRecord
from respell.store.blob_forms import StoredBlob
from respell.store.exchange.arrival import Arrival
from respell.store.exchange.arrival import recorded_permissions as recorded_permissions
from respell.store.exchange.contents import Contents
from respell.store.exchange.file import ExportReader
from respell.store.exchange.rows import SessionRow
from respell.store.store import Store

OnProgress = Callable[[int, int], None]
"""Called with how many bytes of how many are done."""

_SPARE_BYTES = 16 * 1024 * 1024


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

    That the pieces of content above 8 MiB make up what they should is left to an import.

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
    limits: Mapping[str, Any] | None = None,
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
        limits: Limits of whoever imports it; the stricter of these and its own hold.
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
        with Arrival(store, ids, limits) as arrival:
            again = Contents(reader, again=True)
            again.hand_to(arrival, lambda at: told(reader.size + at))
            if reader.chain != chain:
                raise UsageError(f"{path} was changed while it was read; nothing was imported")
            arrival.complete(contents, permissions, path, actor)
    store.sync()
    return store.sessions.get(contents.session_id)


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
        if self._store is None:
            if not blob.is_list:
                blob.content()  # which an import verifies when it stores it
        elif blob.address not in self._store.blobs:
            self.new_bytes += len(blob.data)

    def session(self, row: SessionRow) -> None:
        self._last = row.record.id
        self.sessions[self._last] = row.record

    def state(self, rows: Sequence[tuple[str, str, bytes, int]]) -> None:
        self.new_bytes += sum(len(key) + len(value) for _, key, value, _ in rows)

    def artifacts(self, rows: Sequence[Sequence[Any]]) -> None:
        self.new_bytes += 500 * len(rows)

    def grants(self, rows: Sequence[Sequence[Any]]) -> None:
        self.new_bytes += 300 * len(rows)

    def refs(self, addresses: Sequence[bytes]) -> None:
        self.new_bytes += 2 * HASH_SIZE * len(addresses)

    def records(self, rows: Sequence[tuple[bytes | None, bytes]]) -> None:
        # Once in the log and once in the database.
        self.new_bytes += 2 * sum(len(body) + 2 * HASH_SIZE for _, body in rows)

    def head(self, records: int, events: int, head_hash: bytes) -> None:
        self.sessions[self._last] = replace(
            self.sessions[self._last], records=records, events=events, head_hash=head_hash
        )
