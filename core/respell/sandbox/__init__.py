"""Confinement of a worker by the operating system.

A worker runs hostile Lua. Should a script ever break out of the Lua runtime, it finds a
process that can compute, talk over the one socket it has, and nothing else. Each layer
stands alone, and one that the system lacks is left out and said so.
"""

from __future__ import annotations

import os
import resource
import sys

from respell.errors import WorkerFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LAYERS = ("rlimits", "no_new_privs", "landlock", "seccomp")

_LINUX = sys.platform == "linux"
if _LINUX:
    import ctypes

    from respell.sandbox import landlock, seccomp

    _libc = ctypes.CDLL(None)

_SIGKILL = 9  # on every system; `import signal` would cost the worker's start 2 ms
_MIB = 1 << 20
_SLACK_BYTES = 128 * _MIB
_OPEN_FILES = 64
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_GET_NO_NEW_PRIVS, _PR_SET_NO_NEW_PRIVS = 1, 4, 39, 38

# Who started this process; looked up at import, before that one could have died.
_PARENT = os.getppid()


def confine(*, memory_bytes: int | None, allow_fork: bool = False) -> list[str]:
    """Take from this process, for ever, all that computing Lua does not need.

    Afterwards only file descriptors that are open now can be used, nothing can be imported,
    no process reached, and the process dies with the one that started it. Takes about 2 ms.

    The parent that counts is the *thread* that started this process: the kernel kills a
    worker when that thread ends, so a host starts workers from a thread that lasts.

    Args:
        memory_bytes: What the Lua runtime may use. It keeps to it by itself; the limit set
            here lies well above and is only a backstop. None for none.
        allow_fork: The process may fork, wait for its children and receive their sockets
            (a replaying worker keeps checkpoints so). The host may then read its memory
            figures in /proc, which is refused otherwise.

    Returns:
        The layers in force, a subset of `LAYERS` in their order.

    Raises:
        WorkerFailed: Other threads run in this process; they would stay unconfined.
    """
    active = ["rlimits"] if _limit(memory_bytes, allow_fork) else []
    if not _LINUX:
        return active
    if len(os.listdir("/proc/self/task")) > 1:
        raise WorkerFailed("a worker can't be confined once it has threads")
    tie_to_parent(_PARENT)
    if not allow_fork:
        _prctl(_PR_SET_DUMPABLE, 0)
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        active.append("no_new_privs")
    if landlock.restrict(_libc):
        active.append("landlock")
    if seccomp.install(_libc, os.uname().machine, allow_fork=allow_fork):
        active.append("seccomp")
    return active


def tie_to_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; a fork must ask again.

    Does nothing where the system has no such thing: there a worker ends when it next reads
    from its socket.

    Args:
        parent: Process id of the parent as this process sees it. If it is dead already,
            the process ends here.
    """
    if not _LINUX:
        return
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies; before `confine`.

    Does nothing where the system has no such thing.
    """
    if _LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def limit_address_space(more_bytes: int) -> bool:
    """Let this process map that much more memory than it has mapped now; for ever.

    Returns:
        Whether the limit is in force; systems other than Linux have none that works.
    """
    return _LINUX and _set_limit(resource.RLIMIT_AS, _mapped_bytes() + more_bytes)


def describe() -> dict[str, Any]:
    """Return which layers a worker on this machine would have; confines nothing.

    Returns:
        platform, machine, and layers: name -> {available, detail}.
    """
    machine = os.uname().machine
    details: dict[str, tuple[bool, str]] = {
        "rlimits": (True, "core files, file sizes, open files, processes, address space"),
        "no_new_privs": (False, "Linux only"),
        "landlock": (False, "Linux 5.13 or later only"),
        "seccomp": (False, "Linux only"),
    }
    if _LINUX:
        got = int(_libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
        details["no_new_privs"] = (got >= 0, "nothing is gained by running another program")
        if abi := landlock.version(_libc):
            words = ", ".join(landlock.denied(abi))
            details["landlock"] = (True, f"version {abi}: no {words}")
        else:
            details["landlock"] = (False, "this kernel has none, or it is switched off")
        if seccomp.available(_libc, machine):
            details["seccomp"] = (True, "system calls by allow-list")
        else:
            details["seccomp"] = (False, f"not in this kernel, or not known for {machine}")
    return {
        "platform": sys.platform,
        "machine": machine,
        "layers": {
            name: {"available": available, "detail": detail}
            for name, (available, detail) in details.items()
        },
    }


def _limit(memory_bytes: int | None, allow_fork: bool) -> bool:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    if not allow_fork:
        wanted[resource.RLIMIT_NPROC] = 0  # not for root, whom the kernel exempts
    done = [_set_limit(kind, value) for kind, value in wanted.items()]
    if memory_bytes is not None and _LINUX:
        done.append(limit_address_space(2 * memory_bytes + _SLACK_BYTES))
    return all(done)


def _set_limit(kind: int, value: int) -> bool:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _mapped_bytes() -> int:
    """Return the size of the address space, of which Python maps a lot it never touches."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _prctl(option: int, value: int) -> bool:
    unused = ctypes.c_ulong(0)
    result: int = _libc.prctl(option, ctypes.c_ulong(value), unused, unused, unused)
    return result == 0
