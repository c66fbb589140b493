"""A replaying worker that a debugger drives: one process, and the conversation with it.

A worker stands still until it gets an order, and says where it stands when it does again.
`fork` makes another one that stands at the same place; each has sockets of its own. The
history is handed out in windows, as they are asked for.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from respell import values
from respell.engine.channel import READY_WITHIN_S, WINDOWS_AHEAD, start_worker
from respell.engine.frames import Kind, Splitter, frame
from respell.errors import EffectFailed, NotFound, UsageError, WorkerFailed

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork would outlive a host that died, so there are no checkpoints."""

_KEPT_BYTES = 64 * 1024 * 1024
_MAX_BLOB_READ = 8 * 1024 * 1024
TELL_EVERY_S = 0.3

Order = dict[str, Any]
Report = dict[str, Any]
OnWait = Callable[[float], None]
"""Called now and then while a worker is busy, with the seconds it has been."""


class Cancelled(EffectFailed):
    """A move was given up, as it was asked to be."""


class Windows:
    """A history in windows, readable from any of them on; one that is followed grows.

    Args:
        read: Returns a new iterator over the windows of the records from one sequence number to
            another; for the same two it always yields the same ones.
        last: Sequence number of the last record.
        after: What comes after them (see `respell.engine.frames.After`).
    """

    def __init__(self, read: Callable[[int, int], Iterator[bytes]], last: int, after: int) -> None:
        self._read = read
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._parts = [(1, last)]  # first and last record of what was there at once
        self._begins = [0]  # indices of the first windows of parts, as far as known
        self._part = self._at = 0  # the part that is being read, and the next window of it
        self._rest = read(1, last)
        self.after = after

    def extend(self, last: int) -> None:
        """Take in the records up to another last one."""
        self._parts.append((self._parts[-1][1] + 1, last))

    def get(self, index: int) -> bytes | None:
        """Return the window of that index from 0, None behind the last."""
        if index in self._kept:
            return self._kept[index]
        if index < self._at:
            part = bisect_right(self._begins, index) - 1
            self._begin(part, self._begins[part])
        while True:
            for window in self._rest:
                self._keep(self._at, window)
                self._at += 1
                if self._at > index:
                    return window
            if self._part + 1 == len(self._parts):
                return None
            if self._part + 1 == len(self._begins):
                self._begins.append(self._at)
            self._begin(self._part + 1, self._at)

    def _begin(self, part: int, at: int) -> None:
        self._part, self._at = part, at
        self._rest = self._read(*self._parts[part])

    def _keep(self, index: int, window: bytes) -> None:
        if index in self._kept or self._kept_bytes + len(window) > _KEPT_BYTES:
            return
        self._kept[index] = window
        self._kept_bytes += len(window)


class Wake:
    """Lets another thread, or a signal handler, end a wait.

    Attributes:
        fd: What becomes readable.
    """

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)
        # Whoever sets it late must not write into what has got its number since. Of the same
        # thread: a signal handler may come in between.
        self._using = threading.RLock()

    def set(self) -> None:
        """Wake the one who waits, or who waits next; nothing once it is closed."""
        with self._using:
            if self._write < 0:
                return
            try:
                os.write(self._write, b"!")
            except BlockingIOError:
                return  # it is full of wake-ups already

    def clear(self) -> None:
        """Forget what was set."""
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            return  # nothing was

    def close(self) -> None:
        """Free it; a second time is nothing."""
        with self._using:
            if self._write < 0:
                return
            os.close(self.fd)
            os.close(self._write)
            self.fd = self._write = -1


class DebugWorker:
    """One worker process.

    Attributes:
        pid: Its process id.
        report: Where it stands, as it said last; empty before its first stop.
        ran_s: Seconds for which it and those it was forked from have run.
    """

    def __init__(
        self,
        ours: socket.socket,
        sockets: socket.socket,
        windows: Windows,
        read_blob: Callable[[bytes, int, int], bytes],
        wake: Wake,
    ) -> None:
        ours.setblocking(False)
        self._socket, self._sockets = ours, sockets
        self._windows, self._read_blob, self._wake = windows, read_blob, wake
        self._splitter = Splitter()
        self._outgoing = bytearray()
        self._sent = 0  # windows
        self._said_after: int | None = None  # what it was told comes after them
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self.pid = 0
        self.report: Report = {}
        self.ran_s = 0.0
        self.closed = False

    @classmethod
    def start(
        cls,
        init: bytes,
        windows: Windows,
        *,
        memory_bytes: int,
        read_blob: Callable[[bytes, int, int], bytes],
        wake: Wake,
    ) -> DebugWorker:
        """Start a process that stands before the script's first line.

        Raises:
            WorkerFailed: It did not start.
        """
        ours, theirs = socket.socketpair()
        sockets, their_sockets = socket.socketpair()
        worker = cls(ours, sockets, windows, read_blob, wake)
        try:
            worker._process = start_worker([theirs, their_sockets], memory_bytes)
        except BaseException:
            ours.close()
            sockets.close()
            raise
        finally:
            theirs.close()
            their_sockets.close()
        worker.pid = worker._process.pid
        try:
            worker._listen(Kind.READY, time.monotonic() + READY_WITHIN_S, None)
            worker._send(frame(Kind.INIT, init))
            for _ in range(WINDOWS_AHEAD):
                worker._send_window()
            # It only has to read the script: one that says nothing by then is stuck.
            worker.report = worker._listen(Kind.PAUSED, time.monotonic() + 2 * READY_WITHIN_S, None)
        except BaseException:
            worker.close()
            raise
        return worker

    def fork(self, *, tie: bool) -> DebugWorker:
        """Return another worker that stands where this one does.

        Args:
            tie: It dies with this one: one that shall run can't outlive a host that died. One
                that only stands still ends by itself then.
        """
        ours, theirs = socket.socketpair()
        sockets, their_sockets = socket.socketpair()
        child = DebugWorker(ours, sockets, self._windows, self._read_blob, self._wake)
        try:
            socket.send_fds(self._sockets, [b"f"], [theirs.fileno(), their_sockets.fileno()])
            self.ask("fork", tie=tie)
            # What was on its way to the parent when it forked has not reached the child.
            said = child._listen(Kind.REPLY, None, None)
            child.pid = said["pid"]
            child._pidfd = os.pidfd_open(child.pid) if hasattr(os, "pidfd_open") else -1
            child._sent = said["windows"]
            child._said_after = None if said["all"] is False else said["all"]
            while child._sent < self._sent:
                child._said_after = None
                child._send_window()
            if self._said_after is not None and child._said_after is None:
                child._send_window()
        except BaseException:
            child.close()
            raise
        finally:
            theirs.close()
            their_sockets.close()
        child.report, child.ran_s = self.report, self.ran_s
        return child

    def ask(self, order: str, *, timeout_s: float | None = None, **details: Any) -> Any:
        """Give an order that leaves the worker where it is, and return what it came to.

        Raises:
            UsageError: It can't be done; says why.
            Cancelled: The time was over, or it was cancelled: the worker is not usable any more.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        self._send(frame(Kind.COMMAND, values.encode({"order": order, **details})))
        try:
            reply = self._listen(Kind.REPLY, until, None)
        except Cancelled:
            self.close()  # its reply would be taken for that to another order
            raise
        if isinstance(reply, dict) and "refused" in reply:
            raise UsageError(as_text(reply["refused"]))
        return reply

    def run(self, order: Order, on_wait: OnWait | None = None) -> Report:
        """Let it run, and return where it stands next.

        Raises:
            Cancelled: It was cancelled: the worker is not usable any more.
            WorkerFailed: It broke off.
        """
        started = time.perf_counter()
        self._catch_up()
        self._send(frame(Kind.COMMAND, values.encode(order)))
        self.report = self._listen(Kind.PAUSED, None, on_wait)
        self.ran_s += time.perf_counter() - started
        return self.report

    def private_bytes(self) -> int:
        """Return how much memory is this process's alone; 0 where that can't be told."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup", "rb") as file:
                return sum(
                    int(line.split()[1]) * 1024 for line in file if line.startswith(b"Private_")
                )
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        """End the process. It has no effect outside, so nothing is lost."""
        if self.closed:
            return
        self.closed = True
        # One that stands still ends when its socket does; one that runs has to be killed.
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        elif self._pidfd >= 0:
            with suppress(ProcessLookupError):  # it has ended
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.close(self._pidfd)
        self._socket.close()
        self._sockets.close()

    # The conversation --------------------------------------------------------------------

    def _listen(self, wanted: int, until: float | None, on_wait: OnWait | None) -> Any:
        """Return the payload of the next frame of a kind; serves the history meanwhile."""
        poll = select.poll()
        poll.register(self._wake.fd, select.POLLIN)
        started = time.monotonic()
        while True:
            events = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
            poll.register(self._socket, events)
            now = time.monotonic()
            waits = [max(0.0, until - now)] if until is not None else []
            if on_wait is not None:
                waits.append(TELL_EVERY_S)
            ready = dict(poll.poll(min(waits) * 1000 if waits else None))
            if self._wake.fd in ready:
                raise Cancelled("the move was cancelled")
            if not ready:
                if until is not None and time.monotonic() >= until:
                    raise Cancelled("it took too long and was given up")
                if on_wait is not None:
                    on_wait(time.monotonic() - started)
                continue
            state = ready[self._socket.fileno()]
            if state & select.POLLOUT:
                self._flush()
            if state & ~select.POLLOUT:
                for kind, payload in self._receive():
                    if kind == wanted:
                        return values.decode(payload) if kind != Kind.READY else None
                    self._serve(kind, payload)

    def _receive(self) -> list[tuple[int, bytes]]:
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        if not data:
            raise WorkerFailed(
                "the worker that the debugger drives broke off; go to another position, or open "
                "the session again"
            )
        return self._splitter.feed(data)

    def _serve(self, kind: int, payload: bytes) -> None:
        if kind == Kind.WINDOW:
            self._send_window()
        elif kind == Kind.BLOB:
            size = payload[0]
            offset = int.from_bytes(payload[1 + size : 9 + size], "little")
            length = int.from_bytes(payload[9 + size : 17 + size], "little")
            try:
                data = self._read_blob(payload[1 : 1 + size], offset, min(length, _MAX_BLOB_READ))
            except (NotFound, UsageError) as error:
                raise WorkerFailed(f"the worker asked for what is not there: {error}") from None
            self._send(frame(Kind.DATA, data))
        elif kind == Kind.FINISH:
            message = values.decode(payload[1:]).get("message", "")
            raise UsageError(f"there is nothing to debug: {as_text(message)}")
        elif kind == Kind.STOPPED:
            report = values.decode(payload)
            raise WorkerFailed(
                f"the re-execution stopped: {as_text(report.get('message') or report['kind'])}"
            )
        else:
            raise WorkerFailed(f"a debugged worker sent a frame of kind {kind}")

    def _send_window(self) -> None:
        if self._said_after is not None:
            return
        window = self._windows.get(self._sent)
        if window is None:
            self._said_after = self._windows.after
            self._send(frame(Kind.END, bytes((self._said_after,))))
        else:
            self._sent += 1
            self._send(frame(Kind.HISTORY, window))

    def _catch_up(self) -> None:
        """Tell it what has been recorded since it was told that this was all."""
        if self._said_after is None:
            return
        if self._windows.get(self._sent) is not None:
            self._said_after = None
            for _ in range(WINDOWS_AHEAD):
                self._send_window()
        elif self._said_after != self._windows.after:
            self._said_after = None
            self._send_window()

    def _send(self, data: bytes) -> None:
        self._outgoing += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._outgoing:
                sent = self._socket.send(self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outgoing.clear()  # what it said last is still to be read


def as_text(value: object) -> str:
    """Return text that a worker sent, which may be bytes."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
