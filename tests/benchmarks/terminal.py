"""The real app on a terminal: how long from a key to what is painted for it."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from types import TracebackType

QUIET_S = 0.12
"""Where nothing more is painted for so long, a key is answered."""

PATIENCE_S = 120.0


class Terminal:
    """A program on a terminal of its own; what it paints is read as it comes."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, size: tuple[int, int] = (120, 40),
        **environment: str,
    ) -> None:  # fmt: skip
        """Start a program.

        Args:
            command: Its words.
            folder: Its working and home directory.
            size: Columns and rows.
            environment: More variables.
        """
        ours, theirs = pty.openpty()
        columns, rows = size
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
            start_new_session=True, env=_environment(folder, environment),
        )  # fmt: skip
        os.close(theirs)
        self._ours = ours
        self.painted = ""

    def __enter__(self) -> Terminal:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """End the program."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self, timeout_s: float) -> str:
        """Return what is painted next; empty for nothing in that time."""
        if not select.select([self._ours], [], [], max(0.0, timeout_s))[0]:
            return ""
        piece = os.read(self._ours, 1 << 16).decode(errors="replace")
        self.painted = (self.painted + piece)[-400_000:]
        return piece

    def write(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def rest(self, quiet_s: float = 0.4) -> None:
        """Wait until nothing is painted for a while."""
        while self._read(quiet_s):
            pass

    def until(self, pattern: str, *, since: float | None = None) -> float:
        """Wait until something is painted from now on, and return how many seconds it took.

        Args:
            pattern: What, as a regular expression over bytes and escape sequences; what has one
                style in one line is painted in one piece.
            since: From when it counts; None for now.
        """
        begun = time.perf_counter() if since is None else since
        wanted, seen = re.compile(pattern), ""
        while time.perf_counter() - begun < PATIENCE_S:
            seen += self._read(1.0)
            if wanted.search(seen):
                return time.perf_counter() - begun
        sys.exit(f"{pattern!r} was never painted; the last of what was:\n{seen[-2000:]}")

    def answered_s(self, keys: str) -> tuple[float, float]:
        """Press keys, and return after how many seconds anything was painted, and all of it."""
        while self._read(0):
            pass
        begun = time.perf_counter()
        self.write(keys)
        first = last = 0.0
        while piece := self._read(PATIENCE_S if not first else QUIET_S):
            assert piece
            last = time.perf_counter() - begun
            first = first or last
        return first, last

    def peak_mb(self) -> float:
        """Return how much memory the program itself ever had, in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) * 1024 / 1e6


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8",
        "TERM": "xterm-256color", "COLORTERM": "truecolor", **more,
    }  # fmt: skip


def p95(samples: Sequence[float]) -> float:
    """Return the value that 95 of 100 samples do not exceed."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * 0.95))]
