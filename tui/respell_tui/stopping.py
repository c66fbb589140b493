"""Signals while a session runs: they suspend it, and asked twice they stop it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from respell.engine.run import Run
from respell_tui.output import Out

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopper:
    """Turns Ctrl-C, SIGTERM and SIGHUP into a suspend, and a second one into a kill.

    Both are safe: whatever was not recorded is done again at the next resume.
    """

    def __init__(self, words: Out) -> None:
        self._words = words
        self._run: Run | None = None
        self._previous: dict[int, Any] = {}
        self.asked = 0

    def __enter__(self) -> Stopper:
        for number in _SIGNALS:
            # What was ignored when we came (nohup, a shell's `&`) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *error: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    @contextlib.contextmanager
    def holding(self, held: Run) -> Iterator[None]:
        """Pass signals to this run; also those that came before there was one."""
        self._run = held
        for count in range(1, self.asked + 1):
            self._pass_on(count)
        try:
            yield
        finally:
            self._run = None

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked == 1 and self._words.is_terminal:
            # Not through the stream: the signal may have come while it was writing.
            os.write(2, b"\nsuspending at the next effect; once more to stop now\n")
        self._pass_on(self.asked)

    def _pass_on(self, count: int) -> None:
        if self._run is None:
            return
        if count == 1:
            self._run.suspend()
        else:
            self._run.kill()
