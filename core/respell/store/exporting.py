"""Export: one session with all that belongs to it, as one file that stands alone.

What belongs to a session: its history from the first record on (a fork's shared beginning
too), its input, state and artifacts, all content these refer to, and the sessions without
program that it created. The global state and sessions it only loaded are not its own.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from respell._version import __version__
from respell.errors import RespellError, StoreCorrupt, StoreFull, UsageError
from respell.history.record import FIRST_HASH, HASH_SIZE, Record, chain
from respell.sessions.record import SessionRecord
from respell.store.disk import sync_file, sync_folder
from respell.store.export_blobs import BlobsOut
from respell.store.export_file import ExportWriter, Kind, is_export
from respell.store.export_rows import ARTIFACT_COLUMNS, SESSION_COLUMNS, STATE_SCOPES
from respell.store.faults import DISK_FULL
from respell.store.large import put_back, set_apart
from respell.store.lineage import Segment, lineage
from respell.store.redacted_rows import RedactedRows
from respell.store.redaction import Redaction
from respell.store.store import Store
from respell.times import now_us

OnProgress = Callable[[int, int], None]
"""Called with how many bytes of about how many are done."""

_FRAME_BYTES = 1024 * 1024
_FRAME_ROWS = 2000
_RECORD_BYTES = 400  # what one takes, roughly; for the progress only
# A hash inside a packed value: 32 bytes, or 32 bytes that are text as well.
_ADDRESS = re.compile(rb"[\xc4\xd9]\x20(?=(.{32}))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: The file.
        session_id: Id of the session.
        sessions: How many sessions it holds: this one, and those without program it created.
        records: How many records.
        artifacts: How many artifacts, those that were deleted left out.
        blobs: How many pieces of content.
        size: Bytes of the file.
        redacted: Whether parts of it were replaced, now or before.
        redactions: How many matches were replaced now.
        left_out: Ids of sessions that it loaded, which are not its own.
    """

    path: Path
    session_id: str
    sessions: int
    records: int
    artifacts: int
    blobs: int
    size: int
    redacted: bool
    redactions: int
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell export --json` shows it."""
        return {**asdict(self), "path": str(self.path), "left_out": list(self.left_out)}


def export_session(
    store: Store,
    session: SessionRecord,
    path: Path,
    *,
    redact: Sequence[str] = (),
    actor: str = "",
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write a session to a file; it may be running, and is left as it is.

    The file appears complete or not at all. One that is there already is replaced if it is an
    export, too, and left alone if it is anything else.

    Args:
        store: Where the session is.
        session: The session.
        path: The file to write.
        redact: Regular expressions (Python's `re`): what matches is replaced everywhere.
        actor: Who exports, for the audit log: a session's id, or `cli`, `python`, …
        on_progress: Called with how many bytes of about how many are written.

    Raises:
        UsageError: A pattern is malformed, or the file can't be written; says why.
        SessionNotFound: The session was deleted meanwhile.
        StoreFull: There is no space left for the file.
        StoreCorrupt: Part of the session is damaged; says which.
    """
    redaction = Redaction(redact) if redact else None
    path = Path(path).absolute()
    with _written(path) as file:
        export = _Export(store, session, ExportWriter(file), redaction, on_progress)
        report = export.write(path)
    if not store.read_only:
        store.audit.note(
            "session.export", session=report.session_id, actor=actor, target=str(path),
            reason="redacted" if report.redacted else "",
        )  # fmt: skip
    return report


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of `path` once the block has ended well."""
    if "\0" in str(path):
        raise UsageError(f"a path can't have a NUL byte: {str(path)!r}")
    unfinished = path.with_name(f".respell-{secrets.token_hex(8)}.tmp")
    try:
        _check_free(path)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        with os.fdopen(descriptor, "wb", buffering=_FRAME_BYTES) as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, RespellError):
            raise _not_written(path, error) from error
        raise


def _check_free(path: Path) -> None:
    if path.is_dir() or (path.exists() and not is_export(path)):
        raise UsageError(
            f"{path} is there already and is no exported session; nothing was written. Choose "
            "another name, or remove it first"
        )


def _not_written(path: Path, error: OSError) -> StoreFull | UsageError:
    if error.errno in DISK_FULL:
        return StoreFull(
            f"there is no space left to write {path}; nothing was written. Free some, or choose "
            "another place"
        )
    return UsageError(f"can't write {path}: {error.strerror or error}; choose another place")


class _Export:
    """One export.

    Content goes first, outside of any transaction, for it never changes. Then the rows of one
    moment are written, with what content they came to need meanwhile, and at last the records
    up to that moment, to which nothing can be added any more.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        writer: ExportWriter,
        redaction: Redaction | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._store = store
        self._database = store._database
        self._key = session.key
        self._writer = writer
        self._redaction = redaction
        self._blobs = BlobsOut(store.blobs, writer, redaction, self._progressed)
        self._on_progress = on_progress
        self._total = 0
        self._records = self._artifacts = self._sessions = 0
        self._shared: set[bytes] | None = None
        self._larges: dict[Segment, set[bytes]] = {}

    def write(self, path: Path) -> ExportReport:
        main = self._store.sessions.get(self._key)
        redacted = main.redacted or self._redaction is not None
        self._writer.pack(
            Kind.ABOUT,
            {
                "respell": __version__,
                "exported_at": now_us(),
                "session_id": main.id,
                "redacted": redacted,
            },
        )
        self._write_blobs(self._tree(main))
        with self._database.snapshot():
            main = self._store.sessions.get(self._key)
            tree = self._tree(main)
            self._write_blobs(tree)
            for one in tree[1:]:
                self._write_rows(one)
                self._write_records(one)
            self._write_rows(main)
        self._write_records(main)
        self._writer.pack(
            Kind.END,
            {
                "sessions": self._sessions,
                "records": self._records,
                "artifacts": self._artifacts,
                "blobs": self._blobs.count,
            },
        )
        self._progressed(self._total)
        loaded = self._store.state.list(f"respell:loaded:{main.id}")
        inside = {one.id for one in tree}
        return ExportReport(
            path=path,
            session_id=main.id,
            sessions=self._sessions,
            records=self._records,
            artifacts=self._artifacts,
            blobs=self._blobs.count,
            size=self._writer.size,
            redacted=redacted,
            redactions=self._redaction.replaced if self._redaction else 0,
            left_out=tuple(it for it in loaded if it not in inside),
        )

    def _tree(self, main: SessionRecord) -> list[SessionRecord]:
        """Return the session and those without program that it, or they, created."""
        created: dict[str, list[str]] = {}
        for session_id, creator in self._database.rows(
            "SELECT id, created_by FROM sessions WHERE script IS NULL AND created_by IS NOT NULL"
            " AND NOT deleted ORDER BY key"
        ):
            created.setdefault(creator, []).append(session_id)
        found = [main]
        for one in found:
            found += map(self._store.sessions.get, created.pop(one.id, ()))
        return found

    def _progressed(self, done: int) -> None:
        if self._on_progress is not None:
            self._on_progress(min(done, self._total), self._total)

    # ── content ──────────────────────────────────────────────────────────────────────────

    def _write_blobs(self, tree: list[SessionRecord]) -> None:
        needed: dict[bytes, bool] = {}
        for one in tree:
            for address in self._referred(one):
                needed.setdefault(address, False)
            for address, is_value, deleted, _ in self._contents(one.key):
                if not deleted:
                    needed[address] = needed.get(address, False) or bool(is_value)
        if not self._total:
            self._total = sum(one.records for one in tree) * _RECORD_BYTES
            self._total += sum(map(self._blobs.size_of, needed))
        for address, is_value in needed.items():
            self._blobs.copy(address, is_json=is_value)
        if self._redaction is not None:
            for one in tree:
                for address, _, _, sequence in self._contents(one.key):
                    self._redaction.moved.artifact(sequence, address)

    def _contents(self, key: int) -> list[tuple[bytes, int, int, int]]:
        rows = self._database.rows(
            "SELECT content_hash, is_value, deleted, sequence FROM artifacts WHERE session = ?",
            (key,),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def _referred(self, session: SessionRecord) -> set[bytes]:
        """Return the addresses that a session's row and history refer to."""
        found = self._own_refs(session.key)
        if self._redaction is not None:
            # Large values of records are taken apart, redacted and put together again.
            found -= self._large(Segment(session.key, session.fork_seq, session.records))
        if session.has_program:
            found |= self._scripts(session)
        if session.fork_of is not None:
            if self._shared is None:
                self._shared = self._shared_refs(session)
            found |= self._shared
        return found

    def _own_refs(self, key: int) -> set[bytes]:
        rows = self._database.rows("SELECT hash FROM blob_refs WHERE session = ?", (key,))
        return {address for (address,) in rows}

    def _large(self, segment: Segment) -> set[bytes]:
        """Return the addresses of large values of records."""
        if segment not in self._larges:
            rows = self._database.rows(
                "SELECT large FROM records WHERE session = ? AND seq > ? AND seq <= ?"
                " AND large IS NOT NULL",
                (segment.key, segment.after, segment.up_to),
            )
            self._larges[segment] = {it for (large,) in rows for it in _addresses(large)}
        return self._larges[segment]

    def _scripts(self, session: SessionRecord) -> set[bytes]:
        """Return the script that the history begins with, and the one a fork goes on with."""
        found = {bytes.fromhex(session.script_hash)} if session.script_hash else set()
        for _, body in self._store.history.records(session.key, 1, 1):
            script = Record.unpack(body).arguments().get("script")
            if isinstance(script, str):
                script = script.encode()
            if isinstance(script, bytes) and script in self._store.blobs:
                found.add(script)
        return found

    def _shared_refs(self, session: SessionRecord) -> set[bytes]:
        """Return what the records a fork shares refer to; their session may refer to more."""
        found: set[bytes] = set()
        for segment in lineage(self._database, session.key)[:-1]:
            candidates = self._own_refs(segment.key)
            large = self._large(segment)
            if self._redaction is None:
                found |= large
            for _, body in self._store.history.records(
                session.key, segment.after + 1, segment.up_to
            ):
                found.update(
                    address
                    for match in _ADDRESS.finditer(body)
                    if (address := match[1]) in candidates and address not in large
                )
        return found

    # ── rows ─────────────────────────────────────────────────────────────────────────────

    def _write_rows(self, session: SessionRecord) -> None:
        rows = None if self._redaction is None else RedactedRows(self._redaction)
        self._sessions += 1
        columns = self._columns(session.key)
        self._writer.pack(Kind.SESSION, columns if rows is None else rows.session(columns))
        for batch in self._state(session):
            self._writer.pack(Kind.STATE, batch if rows is None else list(map(rows.state, batch)))
        deleted = ARTIFACT_COLUMNS.index("deleted")
        for batch in self._artifact_rows(session.key):
            self._artifacts += sum(not row[deleted] for row in batch)
            self._writer.pack(
                Kind.ARTIFACTS, batch if rows is None else list(map(rows.artifact, batch))
            )
        refs = sorted(self._referred(session))
        if self._redaction is not None:
            refs = sorted(map(self._redaction.moved.address, refs))
        most = _FRAME_BYTES // HASH_SIZE
        for at in range(0, len(refs), most):
            self._writer.frame(Kind.REFS, b"".join(refs[at : at + most]))

    def _columns(self, key: int) -> dict[str, Any]:
        names = [name for name in SESSION_COLUMNS if name != "input"]
        row = self._database.rows(
            f"SELECT {', '.join(names)},"
            " (SELECT input FROM session_inputs WHERE session = key) FROM sessions WHERE key = ?",
            (key,),
        )[0]
        return dict(zip((*names, "input"), row, strict=True))

    def _state(self, session: SessionRecord) -> Iterator[list[list[Any]]]:
        scopes = ["session"]
        if session.forked_from is not None and self._redaction is None:
            scopes.append("aliases")
        for scope in scopes:
            key = None
            while rows := self._database.rows_up_to(
                _FRAME_BYTES,
                "SELECT key, updated_at, value FROM state WHERE scope = ?1"
                f" AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT {_FRAME_ROWS}",
                (STATE_SCOPES[scope] + session.id, key),
            ):
                yield [[scope, name, value, updated_at] for name, updated_at, value in rows]
                key = rows[-1][0]

    def _artifact_rows(self, key: int) -> Iterator[list[list[Any]]]:
        last = 0
        while rows := self._database.rows_up_to(
            _FRAME_BYTES,
            f"SELECT {', '.join(ARTIFACT_COLUMNS)},"
            " CAST(ifnull(custom, '') || description AS BLOB)"
            f" FROM artifacts WHERE session = ? AND sequence > ? ORDER BY sequence"
            f" LIMIT {_FRAME_ROWS}",
            (key, last),
        ):
            yield [list(row[:-1]) for row in rows]
            last = rows[-1][0]

    # ── records ──────────────────────────────────────────────────────────────────────────

    def _write_records(self, session: SessionRecord) -> None:
        head = before = FIRST_HASH
        batch: list[tuple[bytes | None, bytes]] = []
        held = 0
        for seq, known, large, body in self._rows_of_records(session):
            whole = body if large is None else self._whole(session, seq, large, body)
            before = chain(before, whole)
            if before != known:
                raise StoreCorrupt(
                    f"record {seq} of session {session.id} is not what was written: it doesn't "
                    "fit the hash chain. Nothing was exported; run `respell check`"
                )
            if self._redaction is not None:
                record = self._redaction.record(Record.unpack(whole))
                rest, large, _ = set_apart(record, self._blobs)
                whole, body = record.pack(), rest.pack()
            head = chain(head, whole)
            batch.append((large, body))
            held += len(body)
            if held >= _FRAME_BYTES or len(batch) == _FRAME_ROWS:
                self._flush(batch)
                batch, held = [], 0
        self._flush(batch)
        self._writer.pack(
            Kind.HEAD, {"records": session.records, "events": session.events, "head_hash": head}
        )

    def _flush(self, batch: list[tuple[bytes | None, bytes]]) -> None:
        if batch:
            self._writer.pack(Kind.RECORDS, batch)
            self._records += len(batch)
            self._progressed(self._blobs.done + self._records * _RECORD_BYTES)

    def _rows_of_records(
        self, session: SessionRecord
    ) -> Iterator[tuple[int, bytes, bytes | None, bytes]]:
        for segment in lineage(self._database, session.key):
            start, end = segment.after + 1, min(segment.up_to, session.records)
            while start <= end and (
                rows := self._database.rows_up_to(
                    _FRAME_BYTES,
                    "SELECT seq, hash, large, body FROM records WHERE session = ?"
                    f" AND seq BETWEEN ? AND ? ORDER BY seq LIMIT {_FRAME_ROWS}",
                    (segment.key, start, end),
                )
            ):
                for row in rows:
                    yield row[0], row[1], row[2], row[3]
                start = rows[-1][0] + 1

    def _whole(self, session: SessionRecord, seq: int, large: bytes, body: bytes) -> bytes:
        try:
            return put_back(Record.unpack(body), large, self._store.blobs).pack()
        except (ValueError, KeyError) as error:
            raise StoreCorrupt(
                f"a large value of record {seq} of session {session.id} can't be read: {error}"
            ) from error


def _addresses(large: bytes) -> list[bytes]:
    """Return the addresses in the column `large` of a record."""
    return [large[at : at + HASH_SIZE] for at in range(1, len(large), HASH_SIZE)]
