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
