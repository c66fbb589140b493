"""The artifacts of a store."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from respell import values
from respell.artifacts.record import ArtifactQuery, ArtifactRecord, made
from respell.errors import ArtifactNotFound, SessionNotFound, UsageError
from respell.sessions.record import no_usage
from respell.store import artifact_search
from respell.store.blob_forms import LZ4, BlobInfo
from respell.store.blobs import Blobs
from respell.store.bus import Bus
from respell.store.database import Database, Row
from respell.store.queries import json_or_null, limits_of, value_or_null
from respell.store.sums import row_sum, sum_sql

# In the order of the record's fields.
_COLUMNS = (
    "a.session, a.name, a.content_hash, a.size, s.id, a.sequence, a.version, a.previous_hash,"
    " a.artifact_type, a.mime_type, a.description, a.tags, a.custom, a.is_value, b.stored_size,"
    " b.codec, a.created_at, a.created_by, a.parent_artifact, a.event"
)
_CONTENT_HASH = 2
_JOINED = (
    "JOIN sessions AS s ON s.key = a.session AND NOT s.deleted"
    " LEFT JOIN blobs AS b ON b.hash = a.content_hash"
)
# Those of deleted sessions too, which are kept while another session may read them.
_JOINED_KEPT = _JOINED.replace("NOT s.deleted", "s.deleted < 2")
_SELECT = f"SELECT {_COLUMNS} FROM artifacts AS a {_JOINED}"
_SELECT_KEPT = f"SELECT {_COLUMNS} FROM artifacts AS a {_JOINED_KEPT}"
_USAGE = f"ifnull(usage, '{json.dumps(no_usage())}')"
_USED = f"ifnull({_USAGE} ->> '$.artifact_bytes', 0)"
_INSERT = (
    "INSERT INTO artifacts (session, sequence, name, version, content_hash, previous_hash,"
    " artifact_type, mime_type, size, description, tags, custom, is_value, created_at,"
    " created_by, parent_artifact, event, sum, folded_name, folded_text) VALUES ("
    + ", ".join("?" * 20)
    + ")"
)
_INSERT_TAG = (
    "INSERT OR IGNORE INTO artifact_tags (tag, session, created_at, sequence) VALUES (?, ?, ?, ?)"
)
_MORE = f"json_set({_USAGE}, '$.artifact_bytes', {_USED} + ?2)"
_COUNT = f"""
    UPDATE sessions SET
        sequence = max(sequence, ?1), artifacts = artifacts + 1, usage = {_MORE}, updated_at = ?3,
        sum = {sum_sql("sessions", {"usage": _MORE})}
    WHERE key = ?4
"""
# The version after which a new one comes may be a deleted one.
_PLACE = """
    SELECT s.id, s.status, s.sequence, s.artifacts, s.usage, s.limits, ifnull(a.version, 0),
        a.content_hash, EXISTS (SELECT 1 FROM blobs WHERE hash = ?3),
        EXISTS (SELECT 1 FROM subscriptions)
    FROM sessions AS s LEFT JOIN artifacts AS a ON a.session = s.key AND a.name = ?2
        AND a.version = (SELECT max(version) FROM artifacts WHERE session = ?1 AND name = ?2)
    WHERE s.key = ?1 AND NOT s.deleted
"""
_LESS = f"json_set({_USAGE}, '$.artifact_bytes', max({_USED} - ?1, 0))"
_DISCOUNT = f"""
    UPDATE sessions SET
        artifacts = artifacts - 1, usage = {_LESS}, updated_at = ?2,
        sum = {sum_sql("sessions", {"usage": _LESS})}
    WHERE key = ?3
"""
_ID_PARTS = 3
_HASH_DIGITS = 8


class Place(NamedTuple):
    """Where the next artifact of a name comes; true until the transaction ends.

    Attributes:
        id: Id of its session.
        status: The session's status.
        sequence: The number in the session that was given last.
        artifacts: How many artifacts the session has.
        usage_column: What the session has used, as its row has it.
        limits_column: The session's limits, likewise.
        version: The newest version of that name, deleted or not; 0 if there is none.
        previous_hash: That version's content.
        knows_content: Whether the store has a row for the content that was asked about.
        has_listeners: Whether anybody listens to any events.
    """

    id: str
    status: str
    sequence: int
    artifacts: int
    usage_column: str | None
    limits_column: str | None
    version: int
    previous_hash: bytes | None
    knows_content: bool
    has_listeners: bool

    @property
    def usage(self) -> dict[str, Any]:
        """What the session has used, as in its record."""
        usage: dict[str, Any] = (
            no_usage() if self.usage_column is None else json.loads(self.usage_column)
        )
        return usage

    @property
    def limits(self) -> dict[str, Any]:
        """The session's limits, as in its record."""
        return {} if self.limits_column is None else limits_of(self.limits_column)


class Artifacts:
    """Rows of artifacts: `store.artifacts`. Their bytes are blobs, stored before."""

    def __init__(
        self, database: Database, blobs: Blobs, bus: Bus, clock: Callable[[], int]
    ) -> None:
        """Made by `Store`."""
        self._database = database
        self._blobs = blobs
        self._bus = bus
        self._clock = clock

    def place(self, session: int, name: str, content_hash: bytes = b"") -> Place:
        """Return where the next artifact of a name comes, and what decides whether it may.

        Args:
            session: Key of the session.
            name: The name.
            content_hash: The address of its content, if that is known already.

        Raises:
            SessionNotFound: There is no such session.
        """
        row = self._database.row(_PLACE, (session, name, content_hash))
        if row is None:
            raise SessionNotFound(f"there is no session with key {session}")
        return Place(*row)

    def insert(
        self, record: ArtifactRecord, *, blob: BlobInfo | None = None, place: Place | None = None
    ) -> ArtifactRecord:
        """Add an artifact; return it with id, sequence, version and sizes filled in.

        Its bytes count as used by its session (`usage["artifact_bytes"]`).

        Args:
            record: The artifact. With a `sequence` it gets that number, which has to be free;
                otherwise the next.
            blob: How its content is stored, if that was seen in the transaction that is open.
            place: Where it comes, likewise.

        Raises:
            SessionNotFound: There is no such session.
            NotFound: Its content is not in the store.
            UsageError: Another artifact of the session has, or had, that number.
        """
        database, key = self._database, record.session_key
        with database.part as joined:
            if blob is None or not joined:
                blob = self._blobs.info(record.content_hash)
            if place is None or not joined:
                place = self.place(key, record.name)
            self._check_free(record, place)
            now = self._clock()
            record = _completed(record, blob, place, now)
            database.execute(_INSERT, _row(record))
            if record.tags:
                row = (key, record.created_at, record.sequence)
                database.execute_many(_INSERT_TAG, [(tag, *row) for tag in record.tags])
            database.execute(_COUNT, (record.sequence, blob.size, now, key))
            if place.has_listeners and self._bus.wanted("artifact.stored"):
                self._tell_stored(record)
        return record

    def _check_free(self, record: ArtifactRecord, place: Place) -> None:
        """Refuse a number that another artifact has, or had."""
        if 0 < record.sequence <= place.sequence and self._database.row(
            "SELECT 1 FROM artifacts WHERE session = ? AND sequence = ?",
            (record.session_key, record.sequence),
        ):
            raise UsageError(
                f"session {place.id} has, or had, an artifact of number {record.sequence}"
            )

    def _tell_stored(self, record: ArtifactRecord) -> None:
        data = {
            "artifact_id": record.id, "artifact_type": record.artifact_type, "name": record.name,
            "version": record.version, "size": record.size, "session_id": record.session_id,
        }  # fmt: skip
        cause = _cause_of(record)
        self._bus.tell("artifact.stored", record.session_id, data, cause=cause)

    def get(self, artifact_id: str, *, kept: bool = False) -> ArtifactRecord:
        """Return the artifact of this id (`SESSION/SEQUENCE/HASH`).

        Args:
            artifact_id: Its id.
            kept: Also one of a deleted session, kept because another session may read it.

        Raises:
            ArtifactNotFound: There is none, or it was deleted.
        """
        session_id, sequence, digits = _parsed(artifact_id)
        row = self._database.row(
            f"{_SELECT_KEPT if kept else _SELECT} WHERE s.id = ? AND a.sequence = ?"
            " AND NOT a.deleted",
            (session_id, sequence),
        )
        if row is None or row[_CONTENT_HASH].hex()[:_HASH_DIGITS] != digits:
            raise ArtifactNotFound(
                f"there is no artifact {artifact_id} (any more); `respell artifacts list` shows "
                "those there are"
            )
        return _record(row)

    def label(self, session: int, sequence: int) -> str:
        """Return the id of an artifact by its number, also of a deleted session."""
        row = self._database.row(
            f"{_SELECT_KEPT} WHERE a.session = ? AND a.sequence = ?", (session, sequence)
        )
        return f"/{sequence}" if row is None else _record(row).id

    def versions(
        self, session: int, name: str, *, kept: bool = False
    ) -> builtins.list[ArtifactRecord]:
        """Return every version of a name in a session, oldest first; `kept` as for `get`."""
        rows = self._database.rows(
            f"{_SELECT_KEPT if kept else _SELECT} WHERE a.session = ? AND a.name = ?"
            " AND NOT a.deleted ORDER BY a.version",
            (session, name),
        )
        return [_record(row) for row in rows]

    def of_event(self, session: int, number: int) -> builtins.list[ArtifactRecord]:
        """Return what an event of a session made, in that order, deleted ones included."""
        rows = self._database.rows(
            f"{_SELECT} WHERE a.session = ? AND a.event = ? ORDER BY a.sequence",
            (session, number),
        )
        return [_record(row) for row in rows]

    def count(self, query: ArtifactQuery | None = None) -> int:
        """Return how many artifacts match, whatever the query's limit and offset are."""
        return artifact_search.count(self._database, query or ArtifactQuery())

    def metadata_size(self, query: ArtifactQuery) -> int:
        """Return about how many bytes of metadata `list` would return for a query."""
        return artifact_search.metadata_size(self._database, query)

    def list(self, query: ArtifactQuery | None = None) -> builtins.list[ArtifactRecord]:
        """Return the artifacts that match, newest first unless the query says otherwise.

        Raises:
            UsageError: They can't be sorted or found by that.
        """
        query = query or ArtifactQuery()
        joined = _JOINED_KEPT if query.granted else _JOINED
        rows = artifact_search.page(self._database, query, _COLUMNS, joined)
        return [_record(row) for row in rows]

    def delete(self, artifact_id: str) -> None:
        """Delete an artifact; its number and version are not used again.

        Raises:
            ArtifactNotFound: There is none, or it was deleted before.
        """
        with self._database:
            record = self.get(artifact_id)
            self._database.write(
                "UPDATE artifacts SET deleted = 1 WHERE session = ? AND sequence = ?",
                (record.session_key, record.sequence),
            )
            self._database.write(
                "DELETE FROM grants WHERE session = ? AND kind = 'artifact' AND target = ?",
                (record.session_key, str(record.sequence)),
            )
            self._database.write(_DISCOUNT, (record.size, self._clock(), record.session_key))
            self._bus.tell(
                "artifact.deleted",
                record.session_id,
                {"artifact_id": record.id, "name": record.name, "session_id": record.session_id},
            )


def _cause_of(record: ArtifactRecord) -> tuple[str, int] | None:
    """Return the event that made an artifact; it is in the history of who created it."""
    if record.created_by is None or record.event is None:
        return None
    return record.created_by, record.event


def _parsed(artifact_id: str) -> tuple[str, int, str]:
    parts = artifact_id.split("/")
    if len(parts) != _ID_PARTS or not parts[1].isascii() or not parts[1].isdecimal():
        raise ArtifactNotFound(
            f"{artifact_id!r} is not the id of an artifact; one looks like SESSION/SEQUENCE/HASH, "
            "as `respell artifacts list` shows it"
        )
    return parts[0], int(parts[1]), parts[2]


def _completed(record: ArtifactRecord, blob: BlobInfo, place: Place, now: int) -> ArtifactRecord:
    """Return a new record with all that the store fills in."""
    return made(
        (
            record.session_key,
            record.name,
            record.content_hash,
            blob.size,
            place.id,
            record.sequence or place.sequence + 1,
            place.version + 1,
            place.previous_hash,
            record.artifact_type,
            record.mime_type,
            record.description,
            record.tags,
            record.custom,
            record.is_value,
            blob.stored_size,
            blob.is_compressed,
            record.created_at or now,
            record.created_by,
            record.parent_artifact,
            record.event,
        )
    )


@lru_cache(maxsize=256)
def _tags_column(tags: tuple[str, ...]) -> str | None:
    return json_or_null(tags)


def _row(record: ArtifactRecord) -> builtins.list[Any]:
    tags = _tags_column(tuple(record.tags))
    row: builtins.list[Any] = [
        record.session_key,
        record.sequence,
        record.name,
        record.version,
        record.content_hash,
        record.previous_hash,
        record.artifact_type,
        record.mime_type,
        record.size,
        record.description,
        tags,
        value_or_null(record.custom),
        int(record.is_value),
        record.created_at,
        record.created_by,
        record.parent_artifact,
        record.event,
    ]
    text = "\n".join((record.description, *record.tags)).casefold()
    return [*row, row_sum(*row, 0), record.name.casefold(), text]


def _record(row: Row) -> ArtifactRecord:
    *fields, tags, custom, is_value, stored_size, codec, created_at, created_by, parent, event = row
    return made(
        (
            *fields,
            json.loads(tags) if tags else [],
            values.decode(custom) if custom else {},
            bool(is_value),
            stored_size or 0,
            codec == LZ4,
            created_at,
            created_by,
            parent,
            event,
        )
    )
