"""The sessions of a store."""

from __future__ import annotations

import builtins
from typing import Any

from respell.sessions.record import SessionQuery, SessionRecord


class Sessions:
    """Rows of sessions: `store.sessions`."""

    def insert(self, record: SessionRecord) -> SessionRecord:
        """Add a session and return it with `key` and times filled in.

        With `fork_of` and `fork_seq` it shares the records of that session up to
        `fork_seq`: its counters, chain and effects without outcome start from there.

        Raises:
            UsageError: A session with this id is in the store already, or there is no
                record `fork_seq` to fork from.
        """
        raise NotImplementedError

    def get(self, session: int | str) -> SessionRecord:
        """Return the session of this key (int) or full id (str).

        Raises:
            SessionNotFound: There is none.
        """
        raise NotImplementedError

    def find(self, text: str) -> SessionRecord:
        """Return the session that a person means.

        Args:
            text: A full id, a unique prefix of four or more characters, a unique name, or
                `@last` for the one that changed last.

        Raises:
            SessionNotFound: None or several match; lists candidates.
        """
        raise NotImplementedError

    def update(self, key: int, **fields: Any) -> None:
        """Change fields of a session; `updated_at` becomes now unless it is given.

        Args:
            key: The session's key.
            **fields: Fields of `SessionRecord` by name, except id and key.

        Raises:
            SessionNotFound: There is no such session.
            UsageError: There is no such field, or the store keeps it by itself.
        """
        raise NotImplementedError

    def list(self, query: SessionQuery | None = None) -> builtins.list[SessionRecord]:
        """Return the sessions that match, newest first unless the query says otherwise."""
        raise NotImplementedError

    def count(self, query: SessionQuery | None = None) -> int:
        """Return how many sessions match, whatever the query's limit and offset are."""
        raise NotImplementedError

    def delete(self, key: int) -> None:
        """Delete a session with its history, artifacts, state and inbox.

        While a fork still reads from its history it is only hidden, and goes with the fork.

        Raises:
            SessionNotFound: There is no such session.
            SessionBusy: A live host holds it.
        """
        raise NotImplementedError
