"""What an export holds, read frame by frame, with everything in it checked.

Nothing is believed because a hash fits: whoever writes a file can write fitting hashes. What
is refused here would otherwise come to light when the session is looked at or resumed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from respell.errors import RespellError, StoreCorrupt, UsageError
from respell.history.record import HASH_SIZE, Part, Record
from respell.store.blob_forms import CHUNK_SIZE, WHOLE_LIMIT, StoredBlob
from respell.store.exchange.export_blobs import BLOB_HEAD
from respell.store.exchange.file import ExportReader, Frame, Kind, unpacked
from respell.store.exchange.rows import (
    ARTIFACT_COLUMNS,
    GRANT_COLUMNS,
    SessionRow,
    artifact_row,
    grant_row,
    session_row,
    state_row,
)

# What code that reads hostile bytes ends in; a `UsageError` is a `ValueError`.
_ODD = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError,
    struct.error,
)  # fmt: skip
_ABOUT = {"respell": str, "exported_at": int, "session_id": str, "redacted": bool}
_OF_A_SESSION = (
    Kind.STATE, Kind.ARTIFACTS, Kind.GRANTS, Kind.REFS, Kind.RECORDS, Kind.HEAD,
)  # fmt: skip
_GRANTEE = GRANT_COLUMNS.index("grantee")
_MAX_LARGE = 512 * 1024 * 1024  # bytes of one value, as between worker and host
_CONTENT_HASH = ARTIFACT_COLUMNS.index("content_hash")
_SIZE = ARTIFACT_COLUMNS.index("size")
_DELETED = ARTIFACT_COLUMNS.index("deleted")


class Taker(Protocol):
    """What takes the contents of an export, in the order in which they may be stored."""

    def blob(self, blob: StoredBlob) -> None:
        """Take content; of a list the chunks came before."""

    def session(self, row: SessionRow) -> None:
        """Take a session; what follows belongs to it."""

    def state(self, rows: Sequence[tuple[str, str, bytes, int]]) -> None:
        """Take values of its state: scope, key, value, time."""

    def artifacts(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take rows of artifacts, in the order of `ARTIFACT_COLUMNS`."""

    def grants(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take rows of grants, in the order of `GRANT_COLUMNS`."""

    def refs(self, addresses: Sequence[bytes]) -> None:
        """Take addresses that its history refers to."""

    def records(self, rows: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Take records: the columns `large` and `body` of each."""

    def head(self, records: int, events: int, head_hash: bytes) -> None:
        """Take where its history ends; the session is complete."""


class Contents:
    """Reads an export once and hands on what is in it.

    Attributes:
        respell: Version of the program that wrote it.
        exported_at: When, in µs since 1970 UTC.
        session_id: Id of the session that was exported.
        redacted: Whether parts of it were replaced.
        counts: How many sessions, records, artifacts and blobs it holds.
    """

    def __init__(self, reader: ExportReader, *, again: bool = False) -> None:
        """Read from there; `again` if all records were checked before."""
        self._reader = reader
        self._again = again
        self.respell = ""
        self.exported_at = 0
        self.session_id = ""
        self.redacted = False
        self.counts = dict.fromkeys(("sessions", "records", "artifacts", "blobs"), 0)
        self._begun = False
        self._sizes: dict[bytes, int] = {}
        self._lists: set[bytes] = set()
        self._creators: dict[str, str | None] = {}
        self._grantees: set[str] = set()
        self._current: SessionRow | None = None
        self._last_sequence = 0

    def hand_to(self, taker: Taker, on_read: Callable[[int], None]) -> None:
        """Read all of it.

        Args:
            taker: What takes it.
            on_read: Called after each frame with how many bytes are read.

        Raises:
            StoreCorrupt: Something is not what it should be; names the frame and its place.
        """
        for frame in self._reader.frames():
            try:
                hand_on = self._checked(frame, taker)
            except _ODD as error:
                raise self._damaged(frame, error) from error
            try:
                hand_on()
            except ValueError as error:
                if isinstance(error, RespellError) and not isinstance(error, UsageError):
                    raise
                raise self._damaged(frame, error) from error
            on_read(self._reader.at)

    def _damaged(self, frame: Frame, error: Exception) -> StoreCorrupt:
        what = f"{frame.kind.name.lower()}: {error}"
        return self._reader.damaged(what, frame.number, frame.at)

    def _checked(self, frame: Frame, taker: Taker) -> Callable[[], None]:
        """Check what a frame holds and return what hands it on."""
        kind, payload = frame.kind, frame.payload
        if self._begun == (kind is Kind.ABOUT):
            raise ValueError("an export begins with one frame that tells what it is about")
        if kind in _OF_A_SESSION and self._current is None:
            raise ValueError("it belongs to no session")
        match kind:
            case Kind.BLOB:
                return partial(taker.blob, self._blob(payload))
            case Kind.LIST:
                return partial(taker.blob, self._list(payload))
            case Kind.SESSION:
                return partial(taker.session, self._session(unpacked(payload)))
            case Kind.STATE:
                return partial(taker.state, [state_row(row) for row in _rows(payload)])
            case Kind.ARTIFACTS:
                return partial(taker.artifacts, [self._artifact(row) for row in _rows(payload)])
            case Kind.GRANTS:
                return partial(taker.grants, [self._grant(row) for row in _rows(payload)])
            case Kind.REFS:
                return partial(taker.refs, self._known(_addresses(payload)))
            case Kind.RECORDS:
                return partial(taker.records, [self._record(row) for row in _rows(payload)])
            case Kind.HEAD:
                return partial(taker.head, *self._head(unpacked(payload)))
            case Kind.ABOUT:
                return partial(self._about, unpacked(payload))
            case Kind.END:
                return partial(self._end, unpacked(payload))

    # ── what it is about ─────────────────────────────────────────────────────────────────

    def _about(self, about: Any) -> None:
        if not isinstance(about, dict) or set(about) != set(_ABOUT):
            raise ValueError(f"it should tell {', '.join(_ABOUT)}")
        for name, kind in _ABOUT.items():
            setattr(self, name, _of(kind, about[name]))
        self._begun = True

    def _end(self, counts: Any) -> None:
        if self._current is not None:
            raise ValueError(f"session {self._current.record.id} has no end")
        if self.session_id not in self._creators:
            raise ValueError(f"session {self.session_id} is not in it")
        for session_id, creator in self._creators.items():
            if session_id != self.session_id and creator not in self._creators:
                raise ValueError(f"session {session_id} does not belong to the others")
        for session_id in self._grantees - self._creators.keys():
            raise ValueError(f"something is granted to session {session_id}, which is not in it")
        if counts != self.counts:
            raise ValueError(f"it should hold {counts}, and holds {self.counts}")

    # ── content ──────────────────────────────────────────────────────────────────────────

    def _blob(self, payload: bytes) -> StoredBlob:
        address, size, codec = BLOB_HEAD.unpack_from(payload)
        if size > WHOLE_LIMIT:
            raise ValueError(f"one of {size} bytes has to be a list of chunks")
        return self._noted(StoredBlob(address, size, codec, payload[BLOB_HEAD.size :]))

    def _list(self, payload: bytes) -> StoredBlob:
        address, size, codec = BLOB_HEAD.unpack_from(payload)
        blob = StoredBlob(address, size, codec, payload[BLOB_HEAD.size :], is_list=True)
        rest = size
        for chunk in self._known(_addresses(blob.data)):
            if chunk in self._lists or self._sizes[chunk] != min(CHUNK_SIZE, rest):
                raise ValueError(f"blob {chunk.hex()} can't be a chunk of {address.hex()}")
            rest -= self._sizes[chunk]
        if rest or codec or not size:
            raise ValueError(f"the chunks of blob {address.hex()} don't add up to its size")
        self._lists.add(address)
        return self._noted(blob)

    def _noted(self, blob: StoredBlob) -> StoredBlob:
        if blob.address in self._sizes:
            raise ValueError(f"blob {blob.address.hex()} comes twice")
        self._sizes[blob.address] = blob.size
        self.counts["blobs"] += 1
        return blob

    def _known(self, addresses: list[bytes]) -> list[bytes]:
        """Return the addresses, if all of them are those of blobs that came before."""
        for address in addresses:
            if address not in self._sizes:
                raise ValueError(f"blob {address.hex()} is not in the file")
        return addresses

    # ── sessions ─────────────────────────────────────────────────────────────────────────

    def _session(self, columns: Any) -> SessionRow:
        if self._current is not None:
            raise ValueError("it begins before the one before it ended")
        row = session_row(columns, redacted=self.redacted)
        record = row.record
        if record.id in self._creators:
            raise ValueError(f"session {record.id} comes twice")
        if record.has_program and record.id != self.session_id:
            raise ValueError(f"session {record.id} has a program of its own")
        if record.script_hash is not None:
            self._known([bytes.fromhex(record.script_hash)])
        self._creators[record.id] = record.created_by
        self._current, self._last_sequence = row, 0
        self.counts["sessions"] += 1
        return row

    def _artifact(self, columns: Any) -> Sequence[Any]:
        row = artifact_row(columns)
        if not row[_DELETED]:
            self._known([row[_CONTENT_HASH]])
            if self._sizes[row[_CONTENT_HASH]] != row[_SIZE]:
                raise ValueError("an artifact has another size than its content")
            self.counts["artifacts"] += 1
        if self._current is None or not self._last_sequence < row[0] <= self._current.sequence:
            raise ValueError(f"there can't be an artifact of number {row[0]}")
        self._last_sequence = row[0]
        return row

    def _grant(self, columns: Any) -> Sequence[Any]:
        row = grant_row(columns)
        if self.redacted:
            raise ValueError("what is redacted grants nothing")
        self._grantees.add(row[_GRANTEE])
        return row

    def _record(self, row: Any) -> tuple[bytes | None, bytes]:
        large, body = row
        if not self._again:
            record = Record.unpack(_of(bytes, body))
            if record.part is Part.INTENT:
                due = _of(dict, record.metadata()).get("due")
                if due is not None and not 0 <= _of(int, due) < 2**63:
                    raise ValueError("a timer is due at no time")
        if large is not None:
            addresses = _addresses(_of(bytes, large)[1:])
            if large[0].bit_count() != len(addresses) or large[0] > 7:
                raise ValueError("the large values of a record are not those it tells of")
            if sum(self._sizes[it] for it in self._known(addresses)) > _MAX_LARGE:
                raise ValueError("a record is too large")
        self.counts["records"] += 1
        return large, body

    def _head(self, head: Any) -> tuple[int, int, bytes]:
        self._current = None
        return _of(int, head["records"]), _of(int, head["events"]), _of(bytes, head["head_hash"])


def _of(kind: Any, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"a {kind.__name__} should be where {value!r:.40} is")
    return value


def _rows(payload: bytes) -> list[Any]:
    rows: list[Any] = _of(list, unpacked(payload))
    return rows


def _addresses(data: bytes) -> list[bytes]:
    if len(data) % HASH_SIZE:
        raise ValueError("an address is cut")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
