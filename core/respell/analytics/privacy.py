"""Numbers that can be shown to anybody: what names somebody or something has another name there.

A pseudonym is the same for the same name in the same store, and tells nothing of it: it comes
from a key that never leaves the store. Numbers, times, statuses and the names of built-in
effects stay as they are.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from blake3 import blake3

from respell.analytics.over_time import OverTime
from respell.analytics.session_stats import SessionStats
from respell.analytics.store_stats import StoreStats
from respell.effect import PERFORMED
from respell.history.events import kind_of
from respell.store import Store

_NOTE = "analytics.pseudonyms"
_DIGITS = 12

# Effects that need no performer, and spans that only the Lua side knows of.
_RECORDED = frozenset(
    (
        "agent.create", "agent.destroy", "agent.execute", "agent.state", "clock.cpu",
        "clock.date", "clock.now", "clock.time", "event.receive", "module.load", "random.seed",
        "random.uuid", "session.restore", "session.suspend", "timer.deadline", "timer.sleep",
        "tool.check", "tool.duration", "workflow.attempt", "workflow.branch",
        "workflow.conditional", "workflow.duration", "workflow.loop", "workflow.parallel",
        "workflow.sequential", "workflow.step",
    )
)  # fmt: skip


class Pseudonyms:
    """Other names for what is in one store."""

    def __init__(self, store: Store) -> None:
        """Use the store's key, which is made the first time.

        A store that can only be read and has none gets one for as long as this lives.
        """
        key = store.notes.get(_NOTE)
        if not isinstance(key, bytes) or len(key) != blake3.key_size:
            key = secrets.token_bytes(blake3.key_size)
            if not store.read_only:
                store.notes.set(_NOTE, key)
        self._key: bytes = key

    def of(self, kind: str, name: str) -> str:
        """Return the pseudonym of something.

        Args:
            kind: What it is, e.g. `session`; the pseudonym begins with it.
            name: Its name.
        """
        text = f"{kind}\0{name}".encode(errors="surrogatepass")
        return f"{kind}-{blake3(text, key=self._key).hexdigest()[:_DIGITS]}"

    def session(self, stats: SessionStats) -> SessionStats:
        """Return the numbers of a session without what names anything."""
        named = {
            name if _is_built_in(name) else self.of("effect", name): one
            for name, one in stats.effects.items()
        }
        return replace(
            stats,
            session_id=self.of("session", stats.session_id),
            effects=dict(sorted(named.items())),
        )

    def store(self, stats: StoreStats) -> StoreStats:
        """Return the numbers of a store without its place."""
        return replace(stats, path=self.of("store", stats.path))

    def over_time(self, found: OverTime) -> OverTime:
        """Return numbers over time without what names a session."""
        known = found.session_id
        return replace(found, session_id=None if known is None else self.of("session", known))


def _is_built_in(name: str) -> bool:
    return name in _RECORDED or name in PERFORMED or kind_of(name) != "effect"
