"""What the system says of processes."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path

GONE_WITHIN_S = 30.0


def state_of(pid: int) -> str:
    """Return the state of a process, T for one that is stopped; empty for none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if state in "ZX" else state


def descendants(pid: int = 0) -> set[int]:
    """Return the living processes below one; 0 for this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents[int(entry.name)] = int(fields[1])
    found = {pid or os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid or os.getpid()}


def becomes(pid: int, states: str) -> None:
    """Return once a process, which lives, is in one of these states: signals take their time."""
    while (state := state_of(pid)) not in states:
        assert state, "it has ended"
        os.sched_yield()


def gone(pids: Iterable[int]) -> None:
    """Return once none of these processes lives any more."""
    until = time.monotonic() + GONE_WITHIN_S
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([process], [], [], max(0.0, until - time.monotonic()))
        os.close(process)
        assert ended, f"process {pid} is left behind"


def biggest_rss(pids: Iterable[int]) -> int:
    """Return the bytes of memory that the biggest of these processes has ever had."""
    peaks = [0]
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        peaks += [int(line.split()[1]) * 1024 for line in text.splitlines() if line[:6] == "VmHWM:"]
    return max(peaks)


def living_with(variable: str) -> dict[int, str]:
    """Return the command lines of living processes that were started with a variable.

    Args:
        variable: Name and value, as in `HOME=/home/ada`.
    """
    wanted = os.fsencode(variable)
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            if wanted in variables and state_of(int(entry.name)):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = " ".join(os.fsdecode(one) for one in words)
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found
