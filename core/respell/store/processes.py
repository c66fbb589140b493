"""Which process this is, and whether another one still lives."""

from __future__ import annotations

import os
import subprocess
import time
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> int | None:
    """Return when a process started, None when there is no such (living) process.

    The unit is the system's own; two processes of one pid differ in it.

    Args:
        pid: Its id in this process's own namespace.
    """
    if boot_id() == "":
        return 0 if pid == os.getpid() else None
    if not (_PROC / "self").exists():
        return _start_by_ps(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses and may contain anything.
    fields = text[text.rindex(")") + 2 :].split()
    state, started = fields[0], fields[19]
    return None if state in ("Z", "X") else int(started)


@cache
def boot_id() -> str:
    """Return what tells one boot of this machine from another; empty if unknown."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _output("sysctl", "-n", "kern.bootsessionuuid") or _output(
            "sysctl", "-n", "kern.boottime"
        )


def pid_namespace() -> str:
    """Return what tells this pid namespace from those of containers; empty if there are none."""
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _start_by_ps(pid: int) -> int | None:
    words = _output("ps", "-o", "stat=,lstart=", "-p", str(pid)).split()
    if len(words) < 6 or words[0].startswith("Z"):
        return None
    return int(time.mktime(time.strptime(" ".join(words[1:6]), "%a %b %d %H:%M:%S %Y")))


def _output(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
