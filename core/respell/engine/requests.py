"""What others ask of a session that runs: they leave it in its inbox."""

from __future__ import annotations

from respell.engine.answers import Answers
from respell.engine.ending import Ended
from respell.engine.ledger import Ledger
from respell.engine.policing import Policing
from respell.engine.row import Row
from respell.engine.stopping import Stopping
from respell.engine.timers import Timers
from respell.store import Store


class Requests:
    """Does what was asked of one run.

    Args:
        store: The store.
        row: The session's row.
        ledger: The session's.
        policing: Its limits may be changed.
        stopping: It may be suspended.
        answers: The worker may be paused,
        timers: and its deadlines with it.
    """

    def __init__(
        self,
        store: Store,
        row: Row,
        ledger: Ledger,
        policing: Policing,
        stopping: Stopping,
        answers: Answers,
        timers: Timers,
    ) -> None:
        self._store = store
        self._row = row
        self._ledger = ledger
        self._policing = policing
        self._stopping = stopping
        self._answers = answers
        self._deadlines = timers.deadlines

    def take(self) -> None:
        """Do what the inbox holds."""
        for item in self._store.inbox.drain(self._row.session.key):
            if item.kind == "suspend":
                self._stopping.stop(Ended("suspended", "asked"))
            elif item.kind == "pause":
                self._pause()
            elif item.kind == "unpause":
                self._go_on()
            elif item.kind == "limits":
                session = self._row.session
                limits = self._policing.change(session, item.payload)
                self._store.sessions.update(session.key, limits=limits)
                self._row.reload()

    def _pause(self) -> None:
        if not self._answers.are_withheld:
            self._answers.pause()
            self._deadlines.pause()
            self._ledger.note("lifecycle.pause", {})

    def _go_on(self) -> None:
        if self._answers.are_withheld:
            self._answers.go_on()
            self._deadlines.go_on()
            self._ledger.note("lifecycle.unpause", {})
            self._answers.release()
