"""The artifacts of a store."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import apsw

from respell import values
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.errors import ArtifactNotFound, SessionNotFound, UsageError
from respell.sessions.record import no_usage
from respell.store import artifact_search
from respell.store.blobs import Blobs
from respell.store.database import Database, Row
from respell.store.queries import json_or_null, value_or_null
from respell.store.sums import row_sum, sum_sql

_COLUMNS = (
    "a.session, s.id, a.sequence, a.name, a.version, a.content_hash, a.previous_hash,"
    " a.artifact_type, a.mime_type, a.size, b.stored_size, b.codec, a.description, a.tags,"
    " a.custom, a.is_value, a.created_at, a.created_by, a.parent_artifact, a.event"
)
_JOINED = (
    "JOIN sessions AS s ON s.key = a.session AND NOT s.deleted"
    " LEFT JOIN blobs AS b ON b.hash = a.content_hash"
)
_SELECT = f"SELECT {_COLUMNS} FROM artifacts AS a {_JOINED}"
_USAGE = f"ifnull(usage, '{json.dumps(no_usage())}')"
_USED = f"ifnull({_USAGE} ->> '$.artifact_bytes', 0)"
_INSERT = (
    "INSERT INTO artifacts (session, sequence, name, version, content_hash, previous_hash,"
    " artifact_type, mime_type, size, description, tags, custom, is_value, created_at,"
    " created_by, parent_artifact, event, sum, folded_name, folded_text) VALUES ("
    + ", ".join("?" * 20)
    + ")"
)
_MORE = f"json_set({_USAGE}, '$.artifact_bytes', {_USED} + ?2)"
_COUNT = f"""
    UPDATE sessions SET
        sequence = CASE ?1 WHEN 0 THEN sequence + 1 ELSE max(sequence, ?1) END,
        artifacts = artifacts + 1, usage = {_MORE}, updated_at = ?3,
        sum = {sum_sql("sessions", {"usage": _MORE})}
    WHERE key = ?4 AND NOT deleted RETURNING id, sequence
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


class Artifacts:
    """Rows of artifacts: `store.artifacts`. Their bytes are blobs, stored before."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def insert(self, record: ArtifactRecord) -> ArtifactRecord:
        """Add an artifact; return it with id, sequence, version and sizes filled in.

        Its bytes count as used by its session (`usage["artifact_bytes"]`).

        Args:
            record: The artifact. With a `sequence` it gets that number, which has to be free;
                otherwise the next.

        Raises:
            SessionNotFound: There is no such session.
            NotFound: Its content is not in the store.
            UsageError: Another artifact of the session has, or had, that number.
        """
        database = self._database
        with database:
            blob = self._blobs.info(record.content_hash)
            now = self._clock()
            found = database.row(_COUNT, (record.sequence, blob.size, now, record.session_key))
            if found is None:
                raise SessionNotFound(f"there is no session with key {record.session_key}")
            session_id, sequence = found
            version, previous = self._latest(record.session_key, record.name)
            record = replace(
                record,
                session_id=session_id,
                sequence=record.sequence or sequence,
                version=version + 1,
                previous_hash=previous,
                size=blob.size,
                stored_size=blob.stored_size,
                is_compressed=blob.is_compressed,
                created_at=record.created_at or now,
            )
            try:
                database.write(_INSERT, _row(record))
            except apsw.ConstraintError as error:
                raise UsageError(
                    f"session {session_id} has, or had, an artifact of number {record.sequence}"
                ) from error
        return record

    def _latest(self, session: int, name: str) -> tuple[int, bytes | None]:
        """Return version and content of the newest version of a name, deleted or not."""
        row = self._database.row(
            "SELECT version, content_hash FROM artifacts WHERE session = ? AND name = ?"
            " ORDER BY version DESC LIMIT 1",
            (session, name),
        )
        return (row[0], row[1]) if row else (0, None)

    def get(self, artifact_id: str) -> ArtifactRecord:
        """Return the artifact of this id (`SESSION/SEQUENCE/HASH`).

        Raises:
            ArtifactNotFound: There is none, or it was deleted.
        """
        session_id, sequence, digits = _parsed(artifact_id)
        row = self._database.row(
            f"{_SELECT} WHERE s.id = ? AND a.sequence = ? AND NOT a.deleted",
            (session_id, sequence),
        )
        if row is None or row[5].hex()[:_HASH_DIGITS] != digits:
            raise ArtifactNotFound(
                f"there is no artifact {artifact_id} (any more); `respell artifacts list` shows "
                "those there are"
            )
        return _record(row)

    def versions(self, session: int, name: str) -> builtins.list[ArtifactRecord]:
        """Return every version of a name in a session, oldest first."""
        rows = self._database.rows(
            f"{_SELECT} WHERE a.session = ? AND a.name = ? AND NOT a.deleted ORDER BY a.version",
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
        rows = artifact_search.page(self._database, query or ArtifactQuery(), _COLUMNS, _JOINED)
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
            self._database.write(_DISCOUNT, (record.size, self._clock(), record.session_key))


def _parsed(artifact_id: str) -> tuple[str, int, str]:
    parts = artifact_id.split("/")
    if len(parts) != _ID_PARTS or not parts[1].isascii() or not parts[1].isdecimal():
        raise ArtifactNotFound(
            f"{artifact_id!r} is not the id of an artifact; one looks like SESSION/SEQUENCE/HASH, "
            "as `respell artifacts list` shows it"
        )
    return parts[0], int(parts[1]), parts[2]


def _row(record: ArtifactRecord) -> builtins.list[Any]:
    tags = json_or_null(record.tags)
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
    return ArtifactRecord(
        session_key=row[0],
        session_id=row[1],
        sequence=row[2],
        name=row[3],
        version=row[4],
        content_hash=row[5],
        previous_hash=row[6],
        artifact_type=row[7],
        mime_type=row[8],
        size=row[9],
        stored_size=row[10] or 0,
        is_compressed=bool(row[11]),
        description=row[12],
        tags=json.loads(row[13]) if row[13] else [],
        custom=values.decode(row[14]) if row[14] else {},
        is_value=bool(row[15]),
        created_at=row[16],
        created_by=row[17],
        parent_artifact=row[18],
        event=row[19],
    )
