"""What others ask of a session that runs: they leave it in its inbox."""

from __future__ import annotations

from respell.engine.ending import Ended
from respell.engine.holding import Holding, hold_of
from respell.engine.policing import Policing
from respell.engine.row import Row
from respell.engine.stopping import Stopping
from respell.store import InboxItem, Store


class Requests:
    """Does what was asked of one run.

    Args:
        store: The store.
        row: The session's row.
        policing: Its limits may be changed.
        stopping: It may be suspended.
        holding: It may be paused, or held by a debugger.
    """

    def __init__(
        self, store: Store, row: Row, policing: Policing, stopping: Stopping, holding: Holding
    ) -> None:
        self._store = store
        self._row = row
        self._policing = policing
        self._stopping = stopping
        self._holding = holding

    def take(self) -> None:
        """Do what the inbox holds."""
        for item in self._store.inbox.read(self._row.session.key):
            self._do(item)
            self._store.inbox.done(item)

    def _do(self, item: InboxItem) -> None:
        holding = self._holding
        if item.kind == "suspend":
            self._stopping.stop(Ended("suspended", "asked"))
        elif item.kind == "pause":
            holding.pause()
        elif item.kind == "unpause":
            holding.unpause()
        elif item.kind == "hold":
            holding.take(hold_of(item.payload))
        elif item.kind == "step":
            holding.step(hold_of(item.payload))
        elif item.kind == "go":
            holding.unpause()
        elif item.kind == "leave":
            holding.leave()
        elif item.kind == "limits":
            session = self._row.session
            limits = self._policing.change(session, item.payload)
            self._store.sessions.update(session.key, limits=limits)
            self._row.reload()
