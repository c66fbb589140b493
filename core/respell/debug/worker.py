"""A replaying worker that a debugger drives: one process, and the conversation with it.

A worker stands still until it gets an order, and says where it stands when it does again.
`fork` makes another one that stands at the same place; each has sockets of its own.

The conversation can't come to a stop, because

- one side at a time has something to do: a worker that stands still says nothing, but what an
  order comes to; one that runs, or carries out an order, asks for windows and blobs until it says
  where it stands (PAUSED) or what came of it (REPLY). So an answer belongs to the last order;
- whoever waits also serves: nobody waits for a word without handing out what is asked for and
  sending what is still to be sent;
- a worker whose answer was not waited for, whatever the reason, is ended at once: what it says
  later would be taken for the answer to something else;
- as long as a worker has not been told that this is all (END), it has a window that it has not
  begun, or has asked for one. Of windows and blobs it gets one for each that it asks for;
- both read in order. A worker that carries out `fork` has read all that it was sent, so its
  child begins with the same windows, and nothing is on the way to either of them;
- the host keeps no descriptor of the workers' ends, so a process that dies is always noticed;
- one that neither computes nor says anything although it should is noticed by that
  (`respell.engine.stillness`), and ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from respell import values
from respell.debug.windows import Windows
from respell.engine.channel import MAX_BLOB_READ, READY_WITHIN_S, start_worker
from respell.engine.frames import After, Kind, Splitter, frame
from respell.engine.stillness import LOOK_S, Stillness
from respell.engine.wake import Wake
from respell.engine.windows import Ahead
from respell.engine.wire import parse_report
from respell.errors import EffectFailed, NotFound, UsageError, WorkerFailed

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork would outlive a host that died, so there are no checkpoints."""

TELL_EVERY_S = 0.3

Order = dict[str, Any]
Report = dict[str, Any]
OnWait = Callable[[float], None]
"""Called now and then while a worker is busy, with the seconds it has been."""


class Cancelled(EffectFailed):
    """A move was given up, as it was asked to be."""


class _TooLong(Cancelled):
    """It took longer than it was given."""


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
        self._heard: deque[tuple[int, bytes]] = deque()  # frames that nobody has looked at yet
        self._outgoing = bytearray()
        self._sent = 0  # windows
        self._ahead = Ahead()
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
        with ExitStack() as unless_it_starts:
            unless_it_starts.callback(worker.close)
            with theirs, their_sockets:
                worker._process = start_worker([theirs, their_sockets], memory_bytes)
            worker.pid = worker._process.pid
            try:
                worker._listen(Kind.READY, time.monotonic() + READY_WITHIN_S, None)
                worker._send(frame(Kind.INIT, init))
                worker._send_windows()
                # It only has to read the script: one that says nothing by then is stuck.
                until = time.monotonic() + 2 * READY_WITHIN_S
                worker.report = worker._listen(Kind.PAUSED, until, None)
            except _TooLong:
                raise WorkerFailed(
                    "the process that the debugger drives did not come to the script's first line "
                    "in time; `respell info` shows what it needs"
                ) from None
            unless_it_starts.pop_all()
        return worker

    def fork(self, *, tie: bool) -> DebugWorker:
        """Return another worker that stands where this one does.

        Args:
            tie: It dies with this one: one that shall run can't outlive a host that died. One
                that only stands still ends by itself then.

        Raises:
            UsageError: The system makes no more processes.
            Cancelled: It was cancelled: the worker is not usable any more.
            WorkerFailed: It broke off.
        """
        ours, theirs = socket.socketpair()
        sockets, their_sockets = socket.socketpair()
        child = DebugWorker(ours, sockets, self._windows, self._read_blob, self._wake)
        with ExitStack() as unless_it_stands:
            unless_it_stands.callback(child.close)
            with theirs, their_sockets:
                said = self._forked([theirs.fileno(), their_sockets.fileno()], tie)
            child._take_after(self, said["pid"])
            # That of the child: it has the sockets, and takes orders.
            child._listen(Kind.REPLY, None, None)
            unless_it_stands.pop_all()
        return child

    def _forked(self, fds: list[int], tie: bool) -> Any:
        with self._conversing():
            try:
                socket.send_fds(self._sockets, [b"f"], fds)
            except OSError:
                raise self._broke_off() from None
            self._send(_command({"order": "fork", "tie": tie}))
            reply = self._listen(Kind.REPLY, None, None)
        return _unless_refused(reply)

    def _take_after(self, parent: DebugWorker, pid: int) -> None:
        """Begin as a child that its parent has just made."""
        self.pid = pid
        self._sent, self._said_after = parent._sent, parent._said_after
        self._ahead = parent._ahead.copy()
        self.report, self.ran_s = parent.report, parent.ran_s
        try:
            self._pidfd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        except ProcessLookupError:
            raise self._broke_off() from None

    def ask(self, order: str, *, timeout_s: float | None = None, **details: Any) -> Any:
        """Give an order that leaves the worker where it is, and return what it came to.

        Raises:
            UsageError: It can't be done; says why.
            Cancelled: The time was over, or it was cancelled: the worker is not usable any more.
            WorkerFailed: It broke off.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._conversing():
            self._send(_command({"order": order, **details}))
            reply = self._listen(Kind.REPLY, until, None)
        return _unless_refused(reply)

    def run(self, order: Order, on_wait: OnWait | None = None) -> Report:
        """Let it run, and return where it stands next.

        Raises:
            Cancelled: It was cancelled: the worker is not usable any more.
            WorkerFailed: It broke off.
        """
        started = time.perf_counter()
        with self._conversing():
            self._catch_up()
            self._send(_command(order))
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

    @contextmanager
    def _conversing(self) -> Iterator[None]:
        """Give one order and wait for its answer; else the worker is ended."""
        if self.closed:
            raise WorkerFailed("the worker that the debugger drives was ended; ask again")
        with ExitStack() as unless_answered:
            unless_answered.callback(self.close)
            yield
            unless_answered.pop_all()

    def _listen(self, wanted: int, until: float | None, on_wait: OnWait | None) -> Any:
        """Return the payload of the next frame of a kind; serves the history meanwhile."""
        poll = select.poll()
        poll.register(self._wake.fd, select.POLLIN)
        started = time.monotonic()
        stillness = Stillness(self.pid)
        longest = LOOK_S if on_wait is None else TELL_EVERY_S
        while True:
            while self._heard:
                kind, payload = self._heard.popleft()
                if kind == wanted:
                    return self._decoded(payload) if kind != Kind.READY else None
                self._serve(kind, payload)
            events = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
            poll.register(self._socket, events)
            now = time.monotonic()
            wait_s = longest if until is None else min(longest, max(0.0, until - now))
            ready = dict(poll.poll(wait_s * 1000))
            if self._wake.fd in ready:
                self._wake.clear()  # what is asked next was not meant
                raise Cancelled("the move was cancelled")
            if not ready:
                if until is not None and time.monotonic() >= until:
                    raise _TooLong("it took too long and was given up")
                if on_wait is not None:
                    on_wait(time.monotonic() - started)
                if how := stillness.look():
                    raise WorkerFailed(
                        f"the process {self.pid} that the debugger drives {how} and says nothing, "
                        "so it was ended; go to a position, or open the session again"
                    )
                continue
            stillness.heard()
            state = ready[self._socket.fileno()]
            if state & select.POLLOUT:
                self._flush()
            if state & ~select.POLLOUT:
                self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            raise self._broke_off()
        try:
            self._heard += self._splitter.feed(data)
        except ValueError as error:
            raise WorkerFailed(f"a debugged worker sent {error}") from None

    @staticmethod
    def _broke_off() -> WorkerFailed:
        return WorkerFailed(
            "the worker that the debugger drives broke off; go to another position, or open "
            "the session again"
        )

    @staticmethod
    def _decoded(payload: bytes) -> Any:
        try:
            return values.decode(payload)
        except UsageError as error:
            raise WorkerFailed(f"a debugged worker sent nonsense: {error}") from None

    def _serve(self, kind: int, payload: bytes) -> None:
        if kind == Kind.WINDOW:
            self._ahead.begun()
            self._send_windows()
        elif kind == Kind.BLOB:
            self._send_blob(payload)
        elif kind == Kind.FINISH:
            message = parse_report(payload[1:]).get("message", "")
            raise UsageError(f"there is nothing to debug: {as_text(message)}")
        elif kind == Kind.STOPPED:
            report = parse_report(payload)
            why = report.get("message") or report.get("kind")
            raise WorkerFailed(f"the re-execution stopped: {as_text(why)}")
        else:
            raise WorkerFailed(f"a debugged worker sent a frame of kind {kind}")

    def _send_blob(self, payload: bytes) -> None:
        size = payload[0] if payload else 0
        offset = int.from_bytes(payload[1 + size : 9 + size], "little")
        length = int.from_bytes(payload[9 + size : 17 + size], "little")
        try:
            data = self._read_blob(payload[1 : 1 + size], offset, min(length, MAX_BLOB_READ))
        except (NotFound, UsageError) as error:
            raise WorkerFailed(f"the worker asked for what is not there: {error}") from None
        self._send(frame(Kind.DATA, data))

    def _send_windows(self) -> None:
        while self._said_after is None and self._ahead.has_room:
            window = self._windows.get(self._sent)
            if window is None:
                self._said_after = self._windows.after
                self._send(frame(Kind.END, bytes((self._said_after,))))
            else:
                self._sent += 1
                self._ahead.sent(len(window))
                self._send(frame(Kind.HISTORY, window))

    def _catch_up(self) -> None:
        """Tell it what has been recorded since it was told that this was all."""
        if self._said_after is None:
            return
        if self._windows.get(self._sent) is not None:
            self._said_after = None
            if not self._ahead.has_room:
                self._send(frame(Kind.END, bytes((After.MORE,))))
            self._send_windows()
        elif self._said_after != self._windows.after:
            self._said_after = self._windows.after
            self._send(frame(Kind.END, bytes((self._said_after,))))

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


def _command(order: Order) -> bytes:
    return frame(Kind.COMMAND, values.encode(order))


def _unless_refused(reply: Any) -> Any:
    if isinstance(reply, dict) and "refused" in reply:
        raise UsageError(as_text(reply["refused"]))
    return reply


def as_text(value: object) -> str:
    """Return text that a worker sent, which may be bytes."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
