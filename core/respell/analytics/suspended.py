"""How long a session was suspended, up to each record of its history."""

from __future__ import annotations

_GOES_ON = ("lifecycle.start", "lifecycle.resume")


class Suspended:
    """The clock that runs while no host does: told of the notes about a session's life.

    What has others inside (a workflow, an agent, a call that hooks are around) may last over a
    suspension; how long it took is without that time.
    """

    __slots__ = ("_opened", "_since", "total_us")

    def __init__(self) -> None:
        self.total_us = 0
        self._since = 0
        self._opened: dict[int, int] = {}  # ordinal of what has begun -> the total then

    def tell(self, name: str, at: int) -> None:
        """Take a note, `lifecycle.…`, and when it was made, µs since 1970 UTC."""
        if name == "lifecycle.suspend":
            self._since = at
        elif name in _GOES_ON:
            if self._since:
                self.total_us += max(0, at - self._since)
            self._since = 0

    def begin(self, ordinal: int) -> None:
        """Remember that something begins that others are inside of."""
        self._opened[ordinal] = self.total_us

    def end(self, ordinal: int) -> int:
        """Return how many µs the session was suspended since that began."""
        return self.total_us - self._opened.pop(ordinal, self.total_us)
