"""Ctrl-C, while commands are carried out and while nothing is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from respell.debug import Debugger


class Interrupts:
    """Ctrl-C: ends the move in progress; where there is none it is for who waits for input.

    Attributes:
        came: It came during the last command.
    """

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._depth = 0
        self.came = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear it from now on."""
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if not self._depth:
            raise KeyboardInterrupt
        self.came = True
        self._debugger.cancel()

    @contextmanager
    def end_a_move(self) -> Iterator[None]:
        """Have it end what is done inside; one that comes too late ends nothing else."""
        if not self._depth:
            self.came = False
        self._depth += 1
        try:
            yield
        finally:
            if self.came:
                self._debugger.forget_cancel()
            self._depth -= 1
