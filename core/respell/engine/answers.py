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
        are_withheld: Whether the session is paused.
    """

    def __init__(self, channel: Channel, watch: HookWatch) -> None:
        self._channel = channel
        self._watch = watch
        self._withheld: list[tuple[int, Outcome]] = []
        self.are_withheld = False

    def give(self, ordinal: int, outcome: Outcome) -> None:
        """Answer an event, or do so once the session goes on."""
        if self.are_withheld:
            self._withheld.append((ordinal, outcome))
        else:
            self._channel.answer(answer(ordinal, outcome.answered, outcome.value))
            self._watch.goes_on(time.monotonic())

    def pause(self) -> None:
        """Neither hear nor answer the worker until `go_on`."""
        self.are_withheld = True
        self._watch.waits(time.monotonic())
        self._channel.listen(False)

    def go_on(self) -> None:
        """Hear the worker again; what is withheld is given by `release`."""
        self.are_withheld = False
        self._watch.goes_on(time.monotonic())
        self._channel.listen(True)

    def release(self) -> None:
        """Give what was withheld."""
        withheld, self._withheld = self._withheld, []
        for one in withheld:
            self.give(*one)
