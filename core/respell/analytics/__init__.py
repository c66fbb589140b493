"""Analytics: the numbers of one session, and of a whole store."""

from __future__ import annotations

from respell.analytics.over_time import Bucket, By, OverTime, over_time
from respell.analytics.privacy import Pseudonyms
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
    "Bucket",
    "By",
    "EffectStats",
    "HookStats",
    "OverTime",
    "Pseudonyms",
    "SessionStats",
    "StoreStats",
    "over_time",
    "session_stats",
    "store_stats",
]
