"""Programs that scripts run: bounded, and ended with all that they have started."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from respell.errors import EffectFailed, UsageError

_LOOK_EVERY_S = 0.05
_ENDS_WITHIN_S = 10.0
_CHUNK = 1 << 16
_MAX_ORDER = 4 << 20  # more than systems let programs have as arguments and environment
_SUPERVISOR = str(Path(__file__).with_name("_descendants.py"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may take.

    Attributes:
        time_s: In seconds; then it is killed.
        output_bytes: Of each of its two streams; what comes after is not kept.
        ends_at_overflow: Kill it when it writes more, instead of letting it go on.
    """

    time_s: float
    output_bytes: int
    ends_at_overflow: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended.

    Attributes:
        status: Its exit code; negative for the number of a signal.
        output: What it wrote to its standard output, up to the limit.
        errors: What it wrote to its standard error, up to the limit.
        timed_out: It was killed because its time was up.
        output_cut: It wrote more to its standard output.
        errors_cut: It wrote more to its standard error.
    """

    status: int
    output: bytes
    errors: bytes
    timed_out: bool
    output_cut: bool
    errors_cut: bool


def run(
    words: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    limits: Limits,
    cancel: threading.Event,
    feed: bytes = b"",
) -> Finished:
    """Run a program to its end, and end all that it has started.

    Args:
        words: Path of the program, then its arguments.
        cwd: Its working directory.
        env: Its whole environment.
        limits: What it may take.
        cancel: Ends it when set.
        feed: What it can read from its standard input.

    Raises:
        OSError: It can't be started.
        UsageError: A word has a NUL byte, or there are too many.
        EffectFailed: The call was cancelled.
    """
    order = _order(words, env)
    control, theirs = socket.socketpair()
    with control:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", _SUPERVISOR, str(theirs.fileno())],
                cwd=cwd,
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # the terminal's Ctrl-C is the host's to handle
            )
        with process:
            conversation = _Conversation(process, control, limits, memoryview(feed))
            try:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    control.sendall(order)
                conversation.until_ended(cancel)
            finally:
                control.close()  # if the program lives, it is ended now
                _gone(process)
            return conversation.finished(words[0])


def _order(words: Sequence[str], env: Mapping[str, str]) -> bytes:
    parts = [str(len(words)), *words, *(f"{name}={value}" for name, value in env.items())]
    if any("\0" in part for part in parts):
        raise UsageError("a command can't have a NUL byte")
    data = os.fsencode("\0".join(parts) + "\0")
    if len(data) > _MAX_ORDER:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), words[0])
    return len(data).to_bytes(8, "little") + data


def _gone(process: subprocess.Popen[bytes]) -> None:
    """Wait until the supervisor has ended the program."""
    try:
        process.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


@dataclass(slots=True)
class _Stream:
    """What came out of one pipe."""

    data: bytearray = field(default_factory=bytearray)
    cut: bool = False


class _Conversation:
    """Feeds a program, and listens to it and its supervisor, until it ends."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        control: socket.socket,
        limits: Limits,
        feed: memoryview,
    ) -> None:
        self._process = process
        self._control = control
        self._limits = limits
        self._feed = feed
        self._until = time.monotonic() + limits.time_s
        self._timed_out = False
        self._told = b""
        self._streams = {"stdout": _Stream(), "stderr": _Stream()}

    def until_ended(self, cancel: threading.Event) -> None:
        """Move bytes until the program has ended, or must end.

        Raises:
            EffectFailed: The call was cancelled.
        """
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._control, selectors.EVENT_READ, "control")
            for name in ("stdin", "stdout", "stderr"):
                pipe = getattr(self._process, name)
                os.set_blocking(pipe.fileno(), False)
                way = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                waiting.register(pipe, way, name)
            while waiting.get_map():
                for key, _ in waiting.select(_LOOK_EVERY_S):
                    if not self._move(key):
                        waiting.unregister(key.fileobj)
                        if key.data == "control":
                            # All that could still write is dead, so there is no more to wait for.
                            self._drain()
                            return
                if cancel.is_set():
                    raise EffectFailed("the call was cancelled")
                if time.monotonic() > self._until:
                    self._timed_out = True
                    return
                if self._limits.ends_at_overflow and self._is_cut():
                    return

    def finished(self, program: str) -> Finished:
        """Return how it ended.

        Raises:
            OSError: It could not be started.
            EffectFailed: Nobody can tell how it ended.
        """
        if self._timed_out or self._is_cut():
            self._drain()
        kind, _, number = self._told.partition(b" ")
        if kind == b"error":
            raise OSError(int(number), os.strerror(int(number)), program)
        ended_here = self._timed_out or (self._limits.ends_at_overflow and self._is_cut())
        if kind != b"exit" and not ended_here:
            raise EffectFailed(f"{program!r:.200} was ended by somebody else, with its supervisor")
        output, errors = self._streams["stdout"], self._streams["stderr"]
        return Finished(
            status=int(number or -9),
            output=bytes(output.data),
            errors=bytes(errors.data),
            timed_out=self._timed_out,
            output_cut=output.cut,
            errors_cut=errors.cut,
        )

    def _is_cut(self) -> bool:
        return any(stream.cut for stream in self._streams.values())

    def _move(self, key: selectors.SelectorKey) -> bool:
        """Move bytes one way; False when no more can come or go there."""
        if key.data == "stdin":
            return self._write()
        try:
            data = os.read(key.fd, _CHUNK)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        if key.data == "control":
            self._told += data
        else:
            self._keep(key.data, data)
        return bool(data)

    def _keep(self, name: str, data: bytes) -> None:
        stream = self._streams[name]
        room = self._limits.output_bytes - len(stream.data)
        stream.data += data[:room]
        stream.cut = stream.cut or len(data) > room

    def _write(self) -> bool:
        assert self._process.stdin is not None
        try:
            if self._feed:
                self._feed = self._feed[
                    os.write(self._process.stdin.fileno(), self._feed[:_CHUNK]) :
                ]
        except BrokenPipeError:
            self._feed = self._feed[:0]
        except BlockingIOError:
            return True
        if self._feed:
            return True
        self._process.stdin.close()
        return False

    def _drain(self) -> None:
        """Take what is still in the pipes; only a stranger that can't be killed leaves one open."""
        for name, stream in self._streams.items():
            pipe = getattr(self._process, name)
            with contextlib.suppress(BlockingIOError):
                while not stream.cut and (data := os.read(pipe.fileno(), _CHUNK)):
                    self._keep(name, data)
