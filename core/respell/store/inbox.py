"""What other processes ask of the host of a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import SessionNotFound
from respell.store.database import Database


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One request.

    Attributes:
        id: Its number.
        kind: e.g. `suspend`.
        payload: A value (see `respell.values`).
        at: When it was posted, µs since 1970 UTC.
    """

    id: int
    kind: str
    payload: Any
    at: int


class Inbox:
    """Requests by session: `store.inbox`."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def post(self, session: int, kind: str, payload: Any = None) -> None:
        """Leave a request for the host of a session.

        Raises:
            SessionNotFound: There is no such session.
        """
        if not self._database.write(
            "INSERT INTO inbox (session, kind, payload, posted_at) SELECT key, ?, ?, ?"
            " FROM sessions WHERE key = ? AND NOT deleted",
            (kind, values.encode(payload), self._clock(), session),
        ):
            raise SessionNotFound(f"there is no session with key {session}")

    def waiting(self, session: int) -> bool:
        """Return whether there is a request that nobody has taken yet."""
        sql = "SELECT 1 FROM inbox WHERE session = ? LIMIT 1"
        return self._database.row(sql, (session,)) is not None

    def drain(self, session: int) -> list[InboxItem]:
        """Take out and return all requests, oldest first.

        Cheap when there are none. Inside a transaction they are only gone once it commits.
        """
        if not self.waiting(session):
            return []
        with self._database:
            items = self.read(session)
            self._database.write("DELETE FROM inbox WHERE session = ?", (session,))
        return items

    def read(self, session: int) -> list[InboxItem]:
        """Return all requests, oldest first, and leave them until they are done with."""
        if not self.waiting(session):
            return []
        rows = self._database.rows(
            "SELECT id, kind, payload, posted_at FROM inbox WHERE session = ? ORDER BY id",
            (session,),
        )
        return [InboxItem(id, kind, values.decode(payload), at) for id, kind, payload, at in rows]

    def done(self, item: InboxItem) -> None:
        """Take out a request that was done: who has made it may be waiting for that."""
        self._database.write("DELETE FROM inbox WHERE id = ?", (item.id,))
