"""Stands between a host and a program of a script, and ends all that the program has started.

It is a file to be run by itself, not to be imported: `python -I -S _descendants.py FD`. What is
left of a program once it has ended, or when the host wants it to end or is gone itself, becomes
a child of this process (Linux), however it has detached itself, and is killed.

Through the socket FD come the number of words, the words, and the environment as NAME=VALUE, all
ended by NUL bytes, preceded by their length; back go `exit STATUS`, with the status as
`os.waitstatus_to_exitcode` has it, or `error ERRNO`.
"""

import contextlib
import errno
import os
import select
import signal
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_S = 0.02
_KILLING_S = 5.0  # what can't be killed by then, e.g. as it runs as another user, is left


def main() -> None:
    """Run one program and tell how it ended."""
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    words, environment = _order(control)
    _adopt_orphans()
    try:
        if "/" not in words[0]:
            raise FileNotFoundError(errno.ENOENT, "")
        child = os.posix_spawn(
            words[0], words, environment, setsid=True, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
    except OSError as error:
        os.write(control, b"error %d" % (error.errno or errno.EIO))
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)  # the pipes are the program's alone: their end is its end
    status = _wait(child, control)
    _end_all(child)
    with contextlib.suppress(OSError):  # the host may be gone
        os.write(control, b"exit %d" % (-signal.SIGKILL if status is None else status))


def _order(control: int) -> tuple[list[str], dict[str, str]]:
    length = int.from_bytes(_read(control, 8), "little")
    count, *parts = os.fsdecode(_read(control, length)).split("\0")[:-1]
    pairs = (part.partition("=") for part in parts[int(count) :])
    return parts[: int(count)], {name: value for name, _, value in pairs}


def _read(control: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(control, size - len(data))
        if not part:
            os._exit(0)  # the host is gone
        data += part
    return data


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait(child: int, control: int) -> int | None:
    """Return the program's status; None when the host wants it to end, or is gone."""
    pidfd = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
    watched = [control] if pidfd is None else [control, pidfd]
    while True:
        ready = select.select(watched, [], [], _LOOK_S if pidfd is None else None)[0]
        if control in ready:
            return None
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)


def _end_all(child: int) -> None:
    """Kill what is left of the program and of what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    until = time.monotonic() + _KILLING_S
    while _children_left() and time.monotonic() < until:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _children_left() -> bool:
    """Take note of children that have ended; returns whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    """Return the children of this process, which orphans become too."""
    me, found = str(os.getpid()), []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # pid (name, which may have anything in it) state ppid …
                if file.read().rpartition(b")")[2].split()[1] == me.encode():
                    found.append(int(name))
    return found


if __name__ == "__main__":
    main()
