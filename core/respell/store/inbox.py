"""What other processes ask of the host of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One request.

    Attributes:
        kind: e.g. `suspend`.
        payload: A value (see `respell.values`).
        at: When it was posted, µs since 1970 UTC.
    """

    kind: str
    payload: Any
    at: int


class Inbox:
    """Requests by session: `store.inbox`."""

    def post(self, session: int, kind: str, payload: Any = None) -> None:
        """Leave a request for the host of a session.

        Raises:
            SessionNotFound: There is no such session.
        """
        raise NotImplementedError

    def drain(self, session: int) -> list[InboxItem]:
        """Take out and return all requests, oldest first.

        Cheap when there are none. Inside a transaction they are only gone once it commits.
        """
        raise NotImplementedError
