"""What a whole store holds, added up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from respell.store.blob_forms import CHUNKED, OWN_SIZE

if TYPE_CHECKING:
    from respell.store.store import Store

_SESSIONS = (
    "SELECT status, count(*), coalesce(sum(events), 0), coalesce(sum(artifacts), 0),"
    " coalesce(sum(json_extract(usage, '$.operations')), 0),"
    " coalesce(sum(json_extract(usage, '$.tokens')), 0),"
    " coalesce(sum(json_extract(usage, '$.cost_usd')), 0.0),"
    " coalesce(sum(json_extract(usage, '$.active_s')), 0.0)"
    " FROM sessions WHERE NOT deleted GROUP BY status"
)
# A blob of chunks is a list of others, which are counted by themselves.
_BLOBS = (
    "SELECT count(*), coalesce(sum(CASE WHEN place <> ? THEN size END), 0),"
    f" coalesce(sum({OWN_SIZE}), 0) FROM blobs"
)
_ARTIFACTS = (
    "SELECT coalesce(sum(size), 0), coalesce(sum(CASE WHEN nth = 1 THEN size END), 0) FROM"
    " (SELECT size, row_number() OVER (PARTITION BY content_hash) AS nth FROM artifacts"
    " JOIN sessions ON key = session WHERE NOT artifacts.deleted AND NOT sessions.deleted)"
)
_OF_SESSION = (
    "SELECT count(DISTINCT name), coalesce(sum(size), 0) FROM artifacts"
    " WHERE session = ? AND NOT deleted"
)
_CONTENT_OF_SESSION = (
    "SELECT coalesce(sum(size), 0), coalesce(sum(stored_size), 0) FROM"
    " (SELECT a.size, b.stored_size FROM artifacts AS a"
    " LEFT JOIN blobs AS b ON b.hash = a.content_hash"
    " WHERE a.session = ? AND NOT a.deleted GROUP BY a.content_hash)"
)
# Times before 1970 are nobody's.
_ARTIFACTS_BY_TIME = (
    "SELECT (a.created_at + ?2) / ?1, count(*), sum(a.size) FROM artifacts AS a"
    " JOIN sessions AS s ON s.key = a.session WHERE NOT a.deleted AND NOT s.deleted"
    " AND a.created_at >= max(?3, 0) AND a.created_at < ?4 AND (?5 IS NULL OR a.session = ?5)"
    " GROUP BY 1"
)
_SESSIONS_BY_TIME = (
    "SELECT ({column} + ?2) / ?1, count(*) FROM sessions WHERE NOT deleted"
    " AND {column} >= max(?3, 0) AND {column} < ?4 AND (?5 IS NULL OR key = ?5) GROUP BY 1"
)
_PLACES = ("store.db", "store.db-wal", "objects", "trash", "damaged")


@dataclass(frozen=True, slots=True)
class StatusSums:
    """The sums over all sessions of one status."""

    sessions: int
    events: int
    artifacts: int
    operations: int
    tokens: int
    cost_usd: float
    active_s: float


@dataclass(frozen=True, slots=True)
class StoreSums:
    """What a store holds.

    Attributes:
        by_status: Sums by the sessions' status.
        blobs: How many blobs there are.
        blob_bytes: Their content's size.
        stored_bytes: What it occupies, compressed where that helped.
        artifact_bytes: Sizes of all artifacts.
        distinct_bytes: The same, with equal content counted once.
        disk: Bytes by place: `store.db`, `store.db-wal`, `objects` and so on; `other` for the
            rest of the folder.
    """

    by_status: dict[str, StatusSums]
    blobs: int
    blob_bytes: int
    stored_bytes: int
    artifact_bytes: int
    distinct_bytes: int
    disk: dict[str, int]


def measure(store: Store) -> StoreSums:
    """Return what a store holds; looks at rows and file sizes, and reads no content."""
    database = store._database
    by_status = {status: StatusSums(*sums) for status, *sums in database.rows(_SESSIONS)}
    blobs, blob_bytes, stored_bytes = database.rows(_BLOBS, (CHUNKED,))[0]
    artifact_bytes, distinct_bytes = database.rows(_ARTIFACTS)[0]
    return StoreSums(
        by_status, blobs, blob_bytes, stored_bytes, artifact_bytes, distinct_bytes,
        _disk(store.path),
    )  # fmt: skip


def artifact_sums(store: Store, session: int) -> tuple[int, int, int, int]:
    """Return what the artifacts of a session add up to.

    Args:
        store: Where it is.
        session: The session's key.

    Returns:
        How many names they have; their bytes; the same, with equal content counted once; and
        what that occupies.
    """
    database = store._database
    names, total = database.rows(_OF_SESSION, (session,))[0]
    distinct, stored = database.rows(_CONTENT_OF_SESSION, (session,))[0]
    return names, total, distinct, stored


def artifacts_by_time(
    store: Store, session: int | None, width: int, shift: int, since: int, until: int
) -> list[tuple[int, int, int]]:
    """Return how many artifacts were stored in each span of time, and their bytes.

    Args:
        store: Where they are.
        session: Only those of the session of this key; None for all that are not deleted.
        width: How long a span is, in µs.
        shift: The first span begins so many µs before 1970 UTC.
        since: Only those stored at or after this time, in µs since 1970 UTC.
        until: Only those stored before it.

    Returns:
        Number of the span, artifacts, bytes; spans without any are left out.
    """
    rows = store._database.rows(_ARTIFACTS_BY_TIME, (width, shift, since, until, session))
    return [(index, count, size) for index, count, size in rows]


def sessions_by_time(
    store: Store, session: int | None, column: str, width: int, shift: int, since: int, until: int
) -> list[tuple[int, int]]:
    """Return how many sessions were created, or ended, in each span of time.

    Args:
        store: Where they are.
        session: Only the one of this key; None for all that are not deleted.
        column: `created_at` or `ended_at`.
        width: As for `artifacts_by_time`.
        shift: Likewise.
        since: Likewise.
        until: Likewise.

    Returns:
        Number of the span, sessions; spans without any are left out.
    """
    sql = _SESSIONS_BY_TIME.format(column={"created_at": "created_at"}.get(column, "ended_at"))
    return [(index, count) for index, count in
            store._database.rows(sql, (width, shift, since, until, session))]  # fmt: skip


def _disk(folder: Path) -> dict[str, int]:
    sizes = dict.fromkeys((*_PLACES, "other"), 0)
    for entry in _entries(folder):
        place = entry.name if entry.name in _PLACES else "other"
        sizes[place] += _size(entry)
    return sizes


def _size(entry: os.DirEntry[str]) -> int:
    try:
        if entry.is_dir(follow_symlinks=False):
            return sum(map(_size, _entries(entry.path)))
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # removed while we look
        return 0


def _entries(folder: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return
