"""Processes that a signal has stopped, which neither end nor say anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_STOPPED = ("T", "t")  # by a signal; by a debugger of processes


def stopped_process(pid: int) -> int | None:
    """Return which process is stopped by a signal: this one, or one that it has started.

    Args:
        pid: A process of this machine.

    Returns:
        Its pid; None where there is none, or the system does not tell (all but Linux).
    """
    for one in (pid, *_children(pid)):
        try:
            state = Path(f"/proc/{one}/stat").read_text(errors="replace").rpartition(") ")[2][:1]
        except OSError:
            continue  # it has ended, or there is no /proc
        if state in _STOPPED:
            return one
    return None


def _children(pid: int) -> Iterator[int]:
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, listed.read_text().split())
        except OSError:
            continue
