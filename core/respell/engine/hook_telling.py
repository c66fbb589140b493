"""Telling hooks what happens, in its order, while the host goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from respell.hooks.executor import Chain

RENDEZVOUS_S = 0.005
"""How long a host waits for a chain before it goes on with what else there is."""


class Telling:
    """What hooks are still to be told.

    Args:
        record: Records the calls of a chain, inside of the event of a number.
        wake: Has the host look at what is done; from any thread.
    """

    def __init__(self, record: Callable[[Chain, int], None], wake: Callable[[], None]) -> None:
        self._record = record
        self._wake = wake
        self._waiting: deque[tuple[Chain, int]] = deque()  # the first of them runs

    @property
    def is_on(self) -> bool:
        """Whether something is being told."""
        return bool(self._waiting)

    def tell(self, chain: Chain, number: int) -> None:
        """Run a chain once all before it have run.

        Args:
            chain: What is told, and to whom.
            number: Number of the event that it is about; 0 for none.
        """
        self._waiting.append((chain, number))
        if len(self._waiting) == 1:
            chain.start()
            if not chain.wait(RENDEZVOUS_S):
                chain.when_done(self._wake)
            self.go_on()

    def go_on(self) -> None:
        """Begin the next chain if one is done; give up a hook that takes too long."""
        while self._waiting:
            chain, number = self._waiting[0]
            if not chain.done:
                chain.give_up_late()
                return
            self._waiting.popleft()
            self._record(chain, number)
            if self._waiting:
                self._waiting[0][0].start()
                self._waiting[0][0].when_done(self._wake)

    def finish(self) -> None:
        """Wait for all of it, for each hook no longer than it may take."""
        while self._waiting:
            self._waiting[0][0].wait()
            self.go_on()
