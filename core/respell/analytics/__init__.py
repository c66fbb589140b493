"""Analytics: the numbers of one session, and of a whole store."""

from __future__ import annotations

from respell.analytics.session_stats import (
    ArtifactSizes,
    EffectStats,
    HookStats,
    SessionStats,
    session_stats,
)
from respell.analytics.store_stats import StoreStats, store_stats

__all__ = [
    "ArtifactSizes",
    "EffectStats",
    "HookStats",
    "SessionStats",
    "StoreStats",
    "session_stats",
    "store_stats",
]
