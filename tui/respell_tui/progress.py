"""How far long work has got, on a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from respell_tui.output import Out

QUIET_S = 0.3
EVERY_S = 0.1


class Progress:
    """One line that is written over, and gone at the end; nothing where nobody looks.

    Args:
        out: Where it is shown: the stream of words.
        what: What is done, e.g. `re-executing`.
        of: What is counted.
    """

    def __init__(self, out: Out, what: str, of: str = "records") -> None:
        self._out = out
        self._what = what
        self._of = of
        self._due = time.monotonic() + QUIET_S
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Say that so many of so many are done; the line goes when all are."""
        if done >= total:
            self.end()
            return
        now = time.monotonic()
        if not self._out.is_terminal or now < self._due:
            return
        self._due = now + EVERY_S
        self._shown = True
        share = 100 * done // max(total, 1)
        self._out.over(f"{self._what}: {share} % of {total:,} {self._of}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = False
            self._out.over("")
