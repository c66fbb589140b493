"""How long hooks of a script compute: the worker can't be asked, so it is watched.

The worker says when it begins to compute in a hook and when it no longer does. What it waits
for (an effect, a timer, a person) does not count. A hook that takes too long is stopped with
the worker; a note in the history says so, and at the re-execution it is left where it hung.
"""

from __future__ import annotations

TIMED_OUT = "hook.timed_out"
_CALL = b"hook.call"
_MOST_NESTED = 10_000


class HookWatch:
    """Adds up how long the hook call computes that the worker is in.

    Args:
        limit_s: Seconds that one may take.

    Attributes:
        ordinal: The call that the worker computes in; 0 for none.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.ordinal = 0
        self._since: float | None = None  # it computes since then; None while it waits
        self._spent: dict[int, float] = {}  # seconds, of this call and those that it is inside of

    def computes_in(self, ordinal: int, now: float) -> None:
        """Note that the worker computes in another call now, or in none (0)."""
        self._add_up(now)
        self.ordinal = ordinal
        self._since = now if ordinal else None
        if not ordinal or len(self._spent) > _MOST_NESTED:
            self._spent.clear()

    def recorded(self, name: bytes, ordinal: int, now: float) -> None:
        """Note that an event of one record came: a hook's call has ended, and the next begins."""
        if self.ordinal and name == _CALL:
            self._spent.pop(ordinal, None)
            self.ordinal, self._since = ordinal + 1, now

    def waits(self, now: float) -> None:
        """Note that the worker waits for an answer."""
        self._add_up(now)
        self._since = None

    def goes_on(self, now: float) -> None:
        """Note that the worker was answered."""
        if self.ordinal and self._since is None:
            self._since = now

    @property
    def due(self) -> float | None:
        """When the call will have taken too long, by time.monotonic(); None for never."""
        if not self.ordinal or self._since is None:
            return None
        return self._since + self.limit_s - self._spent.get(self.ordinal, 0.0)

    def over(self, now: float) -> bool:
        """Whether the call has taken too long."""
        due = self.due
        return due is not None and now >= due

    def _add_up(self, now: float) -> None:
        if self.ordinal and self._since is not None:
            spent = self._spent.get(self.ordinal, 0.0)
            self._spent[self.ordinal] = spent + now - self._since
            self._since = now
