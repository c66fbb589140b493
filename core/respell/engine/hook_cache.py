"""Outcomes that hooks have stored under keys, for all sessions of a store."""

from __future__ import annotations

from collections.abc import Sequence

from respell import values
from respell.hooks.results import Cache
from respell.store import Store
from respell.times import SECOND, now_us

SCOPE = "respell:hook-cache"
"""A scope of the state that no script can name: theirs get a prefix of the known ones."""


class HookCache:
    """Keeps outcomes, with what says until when they are good.

    Args:
        store: Where they are kept.
        most: How many are kept at most.
    """

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._most = most

    def find(self, key: str) -> bytes | None:
        """Return the canonical bytes of an outcome; None where there is no good one."""
        kept = self._store.state.get(SCOPE, key)
        if kept is None:
            return None
        until, outcome = values.decode(kept)
        if until is not None and until <= now_us():
            return None
        return outcome.encode() if isinstance(outcome, str) else bytes(outcome)

    def keep(self, keys: Sequence[Cache], outcome: bytes) -> None:
        """Keep an outcome under keys; the oldest make room. Within a transaction."""
        now = now_us()
        for one in keys:
            until = None if one.ttl is None else now + int(one.ttl * SECOND)
            self._store.state.set(SCOPE, one.key, values.encode([until, outcome]))
        self._store.state.keep_newest(SCOPE, self._most)
