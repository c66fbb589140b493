"""What the tests of confinement compute in confined processes."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from respell.errors import UsageError

_calls = 0


def warm_up() -> None:
    re.compile("late").search("imports happen before the doors close")


def echo(payload: Any) -> Any:
    return payload


def pid(payload: None) -> int:
    return os.getpid()


def end_soon(payload: None) -> int:
    from respell.tools import confined

    confined.IDLE_S = 0.05
    return os.getpid()


def count(payload: None) -> int:
    global _calls
    _calls += 1
    return _calls


def refuse(payload: str) -> None:
    raise UsageError(payload)


def fail(payload: str) -> None:
    raise ValueError(payload)


def nest(payload: int) -> Any:
    return nest(payload + 1)


def loop(payload: None) -> None:
    while True:
        pass


def sleep(payload: float) -> str:
    time.sleep(payload)
    return "awake"


def regex(payload: dict[str, str]) -> bool:
    return re.search(payload["pattern"], payload["text"]) is not None


def eat(payload: int) -> int:
    return len(bytearray(payload))


def keep(payload: int) -> int:
    _kept.append(bytearray(payload))
    return os.getpid()


_kept: list[bytearray] = []


def large(payload: int) -> str:
    return "x" * payload


def crash(payload: None) -> None:
    import ctypes

    ctypes.string_at(0)


def misbehave(payload: bytes) -> None:
    os.write(0, payload)
    os._exit(0)


def escape(payload: str) -> str:
    """Try something that is not allowed and say what came of it."""
    attempts = {
        "read": lambda: Path("/etc/passwd").read_text(),
        "write": lambda: Path("/tmp/respell-escaped").touch(),
        "list": lambda: os.listdir("/"),
        "socket": socket.socket,
        "fork": os.fork,
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "kill": lambda: os.kill(os.getppid(), 0),
    }
    try:
        return f"done: {attempts[payload]()!r}"
    except OSError as error:
        return type(error).__name__


def environment(payload: None) -> dict[str, str]:
    return dict(os.environ)
