"""Noticing that a process stands still: it neither computes nor says anything."""

from __future__ import annotations

import time

LOOKS = 10
"""As often in a row it has to be seen to stand still, `LOOK_S` apart."""

LOOK_S = 1.0
"""Seconds between two looks."""


class Stillness:
    """Looks at a process of which a word is expected.

    One that computes may do so for ever. One that sleeps and should not is waiting for what
    never comes, or was stopped. Looks are counted, not seconds: after the whole machine, or all
    of a container, has stood still nobody is to blame. Where the system does not tell (there
    is no /proc) nobody is ever found to stand still.
    """

    def __init__(self, pid: int) -> None:
        """Begin to wait for a word."""
        self._pid = pid
        self._seen: tuple[str, int] | None = None
        self._looks = 0
        self._due = time.monotonic() + LOOK_S

    def heard(self) -> None:
        """Begin anew: it has said or taken something."""
        self._looks = 0
        self._due = time.monotonic() + LOOK_S

    def look(self) -> str:
        """Return how it stands still ("sleeps", "is stopped"); empty where it does not, yet."""
        if time.monotonic() < self._due:
            return ""
        self._due = time.monotonic() + LOOK_S
        now = _state_of(self._pid)
        if now[0] not in _STILL or now != self._seen:
            self._seen, self._looks = now, 0
            return ""
        self._looks += 1
        return _STILL[now[0]] if self._looks >= LOOKS else ""


_STILL = {"S": "sleeps", "T": "is stopped"}


def _state_of(pid: int) -> tuple[str, int]:
    """Return state and time on processors of a process; ("", 0) where that can't be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "", 0
    return fields[0].decode(), int(fields[11]) + int(fields[12])
