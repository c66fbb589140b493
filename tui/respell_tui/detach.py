"""Doing something in a process of its own that outlives this one and its terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from respell.errors import RespellError

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Detached:
    """What a detached process said before it was left alone.

    Attributes:
        announced: The line it announced; empty when it failed before.
        error: Why it failed, for people.
        exit_code: What it ended with, where it failed.
    """

    announced: str = ""
    error: str = ""
    exit_code: int = 0


def detached(work: Callable[[Announce], int]) -> Detached:
    """Do work in a new process; return once it has announced something or failed.

    The process has a session of its own (no terminal, no signals from one) and reads and
    writes nothing. Call it before threads, stores or sockets are open.

    Args:
        work: Called in the new process with a function to announce a line with, once.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    if not text:
        _, status = os.waitpid(pid, 0)
        return Detached(error=f"the detached process ended at once (status {status})", exit_code=1)
    return Detached(**json.loads(text))


def _work(work: Callable[[Announce], int], writing: int) -> NoReturn:
    """In the new process: cut all ties, work, and never return to the caller's code."""
    code = 1
    open_ = True

    def say(said: Detached) -> None:
        nonlocal open_
        if open_:
            open_ = False
            fields = {name: getattr(said, name) for name in Detached.__slots__}
            os.write(writing, json.dumps(fields).encode())
            os.close(writing)

    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        code = work(lambda text: say(Detached(announced=text)))
    except RespellError as error:
        code = error.exit_code
        say(Detached(error=str(error), exit_code=code))
    except Exception as error:  # noqa: BLE001 - shown by the process that waits for a word
        say(Detached(error=f"{type(error).__name__}: {error}", exit_code=code))
    finally:
        os._exit(code)


_MOST_SAID = 64 * 1024


class Started:
    """A `respell` command in a process of its own, without a terminal, which outlives this one.

    What it says on its two streams goes into a temporary file that is gone with it.
    """

    def __init__(self, words: Sequence[str], *, store: str | os.PathLike[str]) -> None:
        """Start it.

        Args:
            words: The command and its options.
            store: The store's folder.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "respell_tui", "--store", os.fspath(store), *words],
            stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file,
            start_new_session=True, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip

    def said(self) -> str:
        """Return what it has said so far."""
        return os.pread(self._file.fileno(), _MOST_SAID, 0).decode(errors="replace")

    def code(self) -> int | None:
        """Return the exit code; None while it is at work."""
        return self._process.poll()

    def let_go(self) -> None:
        """Stop looking at it; it goes on."""
        if self._process.poll() is None:
            self._process.returncode = 0  # nobody will wait for it, and that is meant
        self._file.close()
