"""Noticing that a process stands still: it neither computes nor says anything."""

from __future__ import annotations

import time

STILL_S = 10.0
"""Seconds without a word and without computing after which a process stands still."""

LOOK_S = 1.0


class Stillness:
    """Looks at a process of which a word is expected.

    One that computes may do so for ever. One that sleeps and should not is waiting for what
    never comes, or was stopped. Where the system does not tell (there is no /proc) nobody is
    ever found to stand still.
    """

    def __init__(self, pid: int) -> None:
        """Begin to wait for a word."""
        self._pid = pid
        self._seen: tuple[str, int] | None = None
        self._since = time.monotonic()

    def heard(self) -> None:
        """Begin anew: it has said or taken something."""
        self._seen = None
        self._since = time.monotonic()

    def look(self) -> str:
        """Return how it stands still ("sleeps", "is stopped"); empty where it does not, yet."""
        now = _state_of(self._pid)
        state = now[0]
        if state not in ("S", "T", "t") or now != self._seen:
            self._seen = now
            self._since = time.monotonic()
            return ""
        if time.monotonic() - self._since < STILL_S:
            return ""
        return "sleeps" if state == "S" else "is stopped"


def _state_of(pid: int) -> tuple[str, int]:
    """Return state and time on processors of a process; ("", 0) where that can't be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "", 0
    return fields[0].decode(), int(fields[11]) + int(fields[12])
