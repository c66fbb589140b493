"""Export: one session with all that belongs to it, as one file that stands alone.

What belongs to a session: its history from the first record on (a fork's shared beginning
too), its input, state and artifacts, all content these refer to, and the sessions without
program that it created. The global state and sessions it only loaded are not its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from respell._version import __version__
from respell.errors import StoreCorrupt
from respell.history.record import FIRST_HASH, HASH_SIZE, Record, chain
from respell.sessions.record import SessionRecord
from respell.store.exchange.export_blobs import BlobsOut
from respell.store.exchange.file import FRAME_ROWS, ExportWriter, Kind, new_export
from respell.store.exchange.redacted_rows import RedactedRows
from respell.store.exchange.redaction import BytesPattern, Redaction
from respell.store.exchange.references import References
from respell.store.exchange.rows import (
    ARTIFACT_COLUMNS,
    GRANT_COLUMNS,
    SESSION_COLUMNS,
    STATE_SCOPES,
)
from respell.store.large import put_back, set_apart
from respell.store.lineage import lineage
from respell.store.store import Store
from respell.times import now_us

OnProgress = Callable[[int, int], None]
"""Called with how many bytes of about how many are done."""

_FRAME_BYTES = 1024 * 1024
_RECORD_BYTES = 400  # what one takes, roughly; for the progress only


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
    redact: Sequence[str | BytesPattern] = (),
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
        redact: Regular expressions (Python's `re`): what matches is replaced everywhere. Give
            a `LinearPattern` in place of a text that comes from a script.
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
    with new_export(path) as file:
        export = _Export(store, session, ExportWriter(file), redaction, on_progress)
        report = export.write(path)
    if not store.read_only:
        store.audit.note(
            "session.export", session=report.session_id, actor=actor, target=str(path),
            reason="redacted" if report.redacted else "",
        )  # fmt: skip
    return report


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
        self._inside: set[str] = set()
        self._total = 0
        self._records = self._artifacts = self._sessions = 0
        self._references = References(store, large=redaction is None)

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
            self._inside = {one.id for one in tree}
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
            for address in self._references.of(one):
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
        grants = self._grants(session.key) if self._redaction is None else []
        for at in range(0, len(grants), FRAME_ROWS):
            self._writer.pack(Kind.GRANTS, grants[at : at + FRAME_ROWS])
        refs = sorted(self._references.of(session))
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
                f" AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT {FRAME_ROWS}",
                (STATE_SCOPES[scope] + session.id, key),
            ):
                yield [[scope, name, value, updated_at] for name, updated_at, value in rows]
                key = rows[-1][0]

    def _grants(self, key: int) -> list[list[Any]]:
        """Return what a session granted to others that are exported with it."""
        sql = f"SELECT {', '.join(GRANT_COLUMNS)} FROM grants WHERE session = ? ORDER BY id"
        grantee = GRANT_COLUMNS.index("grantee")
        rows = self._database.rows(sql, (key,))
        return [list(row) for row in rows if row[grantee] in self._inside]

    def _artifact_rows(self, key: int) -> Iterator[list[list[Any]]]:
        last = 0
        while rows := self._database.rows_up_to(
            _FRAME_BYTES,
            f"SELECT {', '.join(ARTIFACT_COLUMNS)},"
            " CAST(ifnull(custom, '') || description AS BLOB)"
            f" FROM artifacts WHERE session = ? AND sequence > ? ORDER BY sequence"
            f" LIMIT {FRAME_ROWS}",
            (key, last),
        ):
            yield [list(row[:-1]) for row in rows]
            last = rows[-1][0]

    # ── records ──────────────────────────────────────────────────────────────────────────

    def _write_records(self, session: SessionRecord) -> None:
        head = before = FIRST_HASH
        batch: list[tuple[bytes | None, bytes]] = []
        held = seq = top = 0
        for seq, known, large, body in self._rows_of_records(session):
            top = max(top, int.from_bytes(body[1:9], "little"))
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
            if held >= _FRAME_BYTES or len(batch) == FRAME_ROWS:
                self._flush(batch)
                batch, held = [], 0
        self._check_end(session, seq, top, before)
        self._flush(batch)
        self._writer.pack(
            Kind.HEAD, {"records": session.records, "events": session.events, "head_hash": head}
        )

    def _check_end(self, session: SessionRecord, seq: int, number: int, head: bytes) -> None:
        """Refuse a history that does not end where its session says that it does."""
        if (seq, number, head) == (session.records, session.events, session.head_hash):
            return
        self._store.sessions.get(session.id)  # it may have been deleted meanwhile
        raise StoreCorrupt(
            f"session {session.id} should have {session.records} records in {session.events} "
            f"events, and record {seq} of event {number} is the last: its end is lost. Nothing was "
            "exported; run `respell check`"
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
                    f" AND seq BETWEEN ? AND ? ORDER BY seq LIMIT {FRAME_ROWS}",
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
