"""The real `respell` command in processes of its own, for tests that read as stories."""

from __future__ import annotations

import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from textwrap import dedent
from typing import Any

RESPELL = str(Path(sys.executable).parent / "respell")
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON text."""
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """What a person sees and types while a command runs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = ""

    def type(self, text: str) -> None:
        """Type something; `\\x03` is Ctrl-C."""
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until this is shown."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert select.select([self._descriptor], [], [], max(0.0, until - time.monotonic()))[0]
            self.shown += os.read(self._descriptor, 65536).decode().replace("\r\n", "\n")

    def end(self) -> str:
        """Return all that was shown, once the command has ended."""
        self.shown += _read_to_the_end(self._descriptor)
        return self.shown


class CommandLine:
    """A person's shell: a folder, a store of its own, and the `respell` command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.environment = {
            "PATH": os.path.dirname(RESPELL) + os.pathsep + os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "RESPELL_STORE": str(self.store),
        }

    def script(self, text: str, name: str = "script.lua") -> str:
        """Write a Lua file and return its name."""
        (self.folder / name).write_text(dedent(text).lstrip())
        return name

    def __call__(
        self, *words: str, code: int | None = 0, stdin: str = "", **environment: str
    ) -> Ended:
        """Run a command to its end and check its exit code (None: any)."""
        done = subprocess.run(
            [RESPELL, *words],
            input=stdin.encode(),
            capture_output=True,
            cwd=self.folder,
            env=self.environment | environment,
            timeout=PATIENCE_S,
            check=False,
        )
        ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert code is None or ended.code == code, ended
        return ended

    @contextmanager
    def begun(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command and leave it running; it is killed at the end if it still is."""
        process = subprocess.Popen(
            [RESPELL, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def on_a_terminal(
        self, *words: str, typed: str = "", columns: int = 100, **environment: str
    ) -> tuple[int, str]:
        """Run a command on a terminal; return its exit code and all it wrote there."""
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [RESPELL, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env=self.environment | environment,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        try:
            screen = _read_to_the_end(ours)
            return process.wait(PATIENCE_S), screen
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    @contextmanager
    def terminal(self, *words: str, columns: int = 200, **environment: str) -> Iterator[Terminal]:
        """Start a command on a terminal of its own, where Ctrl-C works as well."""
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            ["setsid", "--ctty", RESPELL, *words],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.folder,
            env=self.environment | environment,
        )  # fmt: skip
        os.close(theirs)
        try:
            yield Terminal(ours)
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def wait_until(self, ident: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return a session's object once a condition holds for it."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            session: dict[str, Any] = self("show", ident, "--json").json
            if condition(session):
                return session
        raise AssertionError(f"session {ident} did not get there: {session}")


def _read_to_the_end(terminal: int) -> str:
    """Return all that is written to a terminal until nobody has it open any more."""
    data = b""
    until = time.monotonic() + PATIENCE_S
    while select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        data += piece
    return data.decode().replace("\r\n", "\n")


def session_of(ended: Ended) -> str:
    """Return the id that `respell run` wrote first."""
    first = ended.err.splitlines()[0]
    word, _, ident = first.partition(" ")
    assert word == "session", ended
    return ident


def next_line(process: subprocess.Popen[bytes], stream: str = "stdout") -> str:
    """Return the next line a running command writes."""
    file = getattr(process, stream)
    line: bytes = file.readline()
    return line.decode().rstrip("\n")
