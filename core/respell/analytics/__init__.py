"""Analytics: the numbers of one session, and of a whole store."""

from __future__ import annotations

from respell.analytics.session_stats import (
    ArtifactStats,
    EffectStats,
    HookStats,
    SessionStats,
    session_stats,
)
from respell.analytics.store_stats import StoreStats, store_stats

__all__ = [
    "ArtifactStats",
    "EffectStats",
    "HookStats",
    "SessionStats",
    "StoreStats",
    "session_stats",
    "store_stats",
]
