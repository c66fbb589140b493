"""The session's row as its run knows it, and what is changed in it along with records."""

from __future__ import annotations

from collections.abc import Callable

from respell.engine.ledger import Ledger
from respell.engine.performing import Outcome
from respell.engine.policing import Policing
from respell.history.record import Status
from respell.sessions.record import SessionRecord
from respell.store import Store


class Row:
    """The row of the session that runs.

    Args:
        store: Where it is.
        ledger: The session's; what changes the row is committed with its records.
        policing: Knows the limits, and counts what is used.
        session: The row as it was read last.

    Attributes:
        session: The row as it was read last.
        history_room: Bytes that the ledger may have taken in when the history is full.
    """

    def __init__(
        self, store: Store, ledger: Ledger, policing: Policing, session: SessionRecord
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._policing = policing
        self._stale = False  # it has changed since it was read, or will have
        self.session = session
        self.history_room = policing.history_room(session)

    def reload(self) -> None:
        """Read it again: something in the store was changed."""
        self._stale = self._ledger.changes_more
        self.session = self._store.sessions.get(self.session.key)
        self.history_room = self._policing.history_room(self.session)

    def fresh(self) -> SessionRecord:
        """Return it as it is, as far as that can be known before the batch is written."""
        if self._stale and not self._ledger.changes_more:
            self.reload()
        return self.session

    def along(self, change: Callable[[], object] | None) -> None:
        """Have something that may change it done in the transaction that writes the batch."""
        if change is not None:
            self._ledger.along(change)
            self._stale = True

    def keep_usage(self) -> None:
        """Keep what was used so far, so that a killed host does not give it away."""
        with self._store.transaction():  # a tool may store an artifact meanwhile
            self.reload()
            usage = {**self.session.usage, **self._policing.meter.usage()}
            self._store.sessions.update(self.session.key, usage=usage)
        self.reload()

    def count(self, name: str, outcome: Outcome) -> None:
        """Have what an outcome cost committed with it, so that no crash gives it away."""
        if outcome.status is Status.OK and self._policing.meter.spend(name, outcome.value):
            self.along(self.keep_usage)
