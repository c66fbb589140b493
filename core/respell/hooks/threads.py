"""Threads that hooks run in, so that one which hangs holds up nobody but itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], Callable[[], None]]
"""Does something and returns what tells that it is done."""


class _Thread:
    __slots__ = ("_idle", "go", "job")

    def __init__(self, idle: list[_Thread]) -> None:
        self._idle = idle
        self.go = threading.Lock()
        self.go.acquire()
        self.job: Job | None = None
        threading.Thread(target=self._work, name="respell-hooks", daemon=True).start()

    def _work(self) -> None:
        while True:
            self.go.acquire()
            job = self.job
            assert job is not None
            tell = job()
            self.job = job = None
            # First: who is told may have the next job at once.
            self._idle.append(self)
            tell()


_idle: list[_Thread] = []


def run(job: Job) -> None:
    """Run a job in a thread that has none, or in a new one."""
    try:
        one = _idle.pop()
    except IndexError:
        one = _Thread(_idle)
    one.job = job
    one.go.release()
