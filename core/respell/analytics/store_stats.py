"""The numbers of a whole store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from respell.analytics.session_stats import ratio
from respell.sessions.lifecycle import STATUSES
from respell.store import Store
from respell.store.measuring import measure


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The numbers of a store.

    Attributes:
        path: Its folder.
        sessions: How many sessions there are by status.
        running: How many of them a live host runs.
        events: Events of all sessions; what a fork shares counts for both.
        artifacts: Artifacts of all sessions, all versions.
        operations: Effects of all sessions that counted as operations.
        tokens: Tokens of models.
        cost_usd: What they cost.
        active_s: How long hosts ran sessions, in seconds.
        artifact_bytes: Sizes of all artifacts.
        distinct_bytes: The same, with equal content counted once.
        dedup_ratio: `artifact_bytes` by `distinct_bytes`; 1 where nothing is equal.
        blobs: How many blobs the store has: artifacts, snapshots of files, scripts, values.
        blob_bytes: Their content's size.
        stored_bytes: What that occupies.
        compression_ratio: `blob_bytes` by `stored_bytes`; 1 where nothing is compressed.
        disk: Bytes by place: `store.db`, `store.db-wal`, `objects`, `trash`, `damaged`, `other`.
        disk_bytes: All of them.
    """

    path: str
    sessions: dict[str, int]
    running: int
    events: int
    artifacts: int
    operations: int
    tokens: int
    cost_usd: float
    active_s: float
    artifact_bytes: int
    distinct_bytes: int
    dedup_ratio: float
    blobs: int
    blob_bytes: int
    stored_bytes: int
    compression_ratio: float
    disk: dict[str, int]
    disk_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell stats --json` shows it."""
        return asdict(self)


def store_stats(store: Store) -> StoreStats:
    """Return the numbers of a store; reads no history and no content."""
    found = measure(store)
    sums = found.by_status.values()
    return StoreStats(
        path=str(store.path),
        sessions={
            status: found.by_status[status].sessions if status in found.by_status else 0
            for status in STATUSES
        },
        running=len(store.leases.live()),
        events=sum(one.events for one in sums),
        artifacts=sum(one.artifacts for one in sums),
        operations=sum(one.operations for one in sums),
        tokens=sum(one.tokens for one in sums),
        cost_usd=sum(one.cost_usd for one in sums),
        active_s=sum(one.active_s for one in sums),
        artifact_bytes=found.artifact_bytes,
        distinct_bytes=found.distinct_bytes,
        dedup_ratio=ratio(found.artifact_bytes, found.distinct_bytes),
        blobs=found.blobs,
        blob_bytes=found.blob_bytes,
        stored_bytes=found.stored_bytes,
        compression_ratio=ratio(found.blob_bytes, found.stored_bytes),
        disk=found.disk,
        disk_bytes=sum(found.disk.values()),
    )
