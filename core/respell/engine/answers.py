"""Answers to the worker, which are withheld while the session is paused."""

from __future__ import annotations

import time

from respell.engine.channel import Channel
from respell.engine.hook_watch import HookWatch
from respell.engine.performing import Outcome
from respell.engine.wire import answer


class Answers:
    """Hands outcomes to one worker.

    Args:
        channel: Leads to it.
        watch: Watches how long its hooks compute.

    Attributes:
        are_withheld: Whether the session is held (see `respell.engine.holding`).
        at_rest: Whether it stands still: it is held, and no step is in progress.
    """

    def __init__(self, channel: Channel, watch: HookWatch) -> None:
        self._channel = channel
        self._watch = watch
        self._withheld: list[tuple[int, Outcome]] = []
        self.are_withheld = False
        self.at_rest = False

    def give(self, ordinal: int, outcome: Outcome) -> None:
        """Answer an event, or do so once the session goes on."""
        if self.are_withheld:
            self._withheld.append((ordinal, outcome))
        else:
            self._channel.answer(answer(ordinal, outcome.answered, outcome.value))
            self._watch.goes_on(time.monotonic())

    def has(self, ordinal: int) -> bool:
        """Return whether an answer is withheld."""
        return any(one[0] == ordinal for one in self._withheld)

    def pause(self) -> None:
        """Neither hear nor answer the worker until `go_on`."""
        self.are_withheld = True
        self.rest()

    def rest(self) -> None:
        """Stand still: the worker is neither heard nor does it compute."""
        self.at_rest = True
        self._watch.waits(time.monotonic())
        self._channel.listen(False)
        self._channel.let_compute(False)

    def go_on(self) -> None:
        """Hear the worker again; what is withheld is given by `release`."""
        self.are_withheld = False
        self._stir()

    def release(self) -> None:
        """Give what was withheld."""
        withheld, self._withheld = self._withheld, []
        for one in withheld:
            self.give(*one)

    def hand_on(self) -> None:
        """Give what was withheld by now and hear the worker; further answers are withheld."""
        self._stir()
        self.are_withheld = False
        self.release()
        self.are_withheld = True

    def _stir(self) -> None:
        self.at_rest = False
        self._watch.goes_on(time.monotonic())
        self._channel.listen(True)
        self._channel.let_compute(True)
