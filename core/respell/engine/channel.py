"""A worker process and the conversation with it.

`Channel` starts the process, feeds it the history in windows (ahead of need, so that
re-execution makes no round trip per effect), serves blobs, and hands everything else the
worker says to its caller. Nothing in here blocks for longer than `poll` was told to.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

from respell.engine.frames import MAX_FRAME, After, Kind, Splitter, frame
from respell.engine.wake import Wake
from respell.engine.windows import WINDOWS_AHEAD, Ahead, Batches, cut
from respell.errors import NotFound, UsageError, WorkerFailed

MOST_ASKED = WINDOWS_AHEAD + 2  # windows and blobs that a worker may have asked for and not taken
READY_WITHIN_S = 20.0
SPIN_S = 0.0001  # how long the worker's next frame is waited for awake
MAX_BLOB_READ = 8 * 1024 * 1024

_FRAME_SLACK = 1024 * 1024

_SERVED = frozenset((Kind.WINDOW, Kind.BLOB))

Frame = tuple[int, bytes]


OnProgress = Callable[[int, int], None]
"""Called with how many records of how many have been handed to a worker."""


def counted(history: Batches, total: int, tell: OnProgress | None) -> Batches:
    """Pass a history through, and tell after each batch how far it has got."""
    done = 0
    for batch in history:
        yield batch
        done += len(batch)
        if tell is not None:
            tell(done, total)


class Channel:
    """One worker process.

    Args:
        memory_bytes: Most that Lua may allocate, in bytes; None for no limit.
        read_blob: Called with (hash, offset, size) for what the worker wants to read.
    """

    def __init__(
        self,
        *,
        memory_bytes: int | None,
        read_blob: Callable[[bytes, int, int], bytes],
    ) -> None:
        self._read_blob = read_blob
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.socket = ours
        # What Lua sends was in its memory, so the limit of that also spares the host's.
        most = MAX_FRAME if memory_bytes is None else min(MAX_FRAME, memory_bytes + _FRAME_SLACK)
        self._splitter = Splitter(most)
        self._outgoing = bytearray()
        self._queued = 0  # bytes ever given to `send`
        self._asked: deque[int] = deque()  # `_queued` after each window and blob not yet taken
        self._windows: Iterator[bytes] = iter(())
        self._ahead = Ahead()
        self._end_of_history: bytes | None = None
        self._after_history: list[bytes] = []
        self._wake = Wake()
        self._selector = selectors.DefaultSelector()
        self._selector.register(ours, selectors.EVENT_READ)
        self._listening = True
        self._selector.register(self._wake.fd, selectors.EVENT_READ)
        self._answered = False
        self.layers: list[str] = []
        self.closed = False  # the worker's end of the socket is, and all it said was read
        self._process = start_worker([theirs], memory_bytes)
        theirs.close()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def begin(self, init: bytes, history: Batches, *, live: bool) -> None:
        """Send what to run and let the history follow.

        Args:
            init: Canonical bytes of the INIT map.
            history: The records to re-execute.
            live: Whether the worker goes on at their end, or stops there.
        """
        self._windows = map(b"".join, cut(history))
        self._end_of_history = frame(Kind.END, bytes((After.LIVE if live else After.STOP,)))
        self.send(frame(Kind.INIT, init))
        self._send_windows()

    def answer(self, data: bytes) -> None:
        """Send an ANSWER frame; behind the history, if some of that is still to come."""
        if self._end_of_history is None:
            self.send(data)
            self._answered = True
        else:
            self._after_history.append(data)

    def _receive_soon(self) -> list[Frame]:
        """Return what the worker says right after an answer, without going to sleep first.

        To be woken up costs more than many an effect; meanwhile the processor is offered to
        others.
        """
        until = time.perf_counter() + SPIN_S
        while not self.closed and time.perf_counter() < until:
            if frames := self._receive():
                return frames
            os.sched_yield()
        return []

    def listen(self, on: bool) -> None:
        """Stop reading what the worker says, or go on with it."""
        if self._listening == on or self.closed:
            return
        self._listening = on
        if on:
            self._selector.register(self.socket, self._wanted())
        else:
            self._selector.unregister(self.socket)

    def let_compute(self, on: bool) -> None:
        """Stop the process where it is, or let it go on; where the system can end it with us.

        Elsewhere one that is stopped would outlive a host that died, so it computes on until it
        has to wait for us.
        """
        if sys.platform == "linux" and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def _wanted(self) -> int:
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)

    def _watch(self) -> None:
        if self._listening and not self.closed:
            self._selector.modify(self.socket, self._wanted())

    def send(self, data: bytes) -> None:
        """Send a frame as soon as the worker takes it."""
        if self.closed:
            return
        self._queued += len(data)
        if not self._outgoing:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except (BrokenPipeError, ConnectionResetError):
                return  # it has ended; what it said before that is still to be read
            if sent == len(data):
                return
            data = data[sent:]
        self._outgoing += data
        self._watch()

    def wake(self) -> None:
        """Make a `poll` in progress return; callable from any thread and signal handler."""
        self._wake.set()

    def poll(self, timeout_s: float | None) -> list[Frame]:
        """Return the frames that came, none when the time passed or `wake` was called.

        `closed` is True once the worker is gone and all it said was returned.

        Raises:
            WorkerFailed: The worker sent what no worker of ours sends.
        """
        if self._answered:
            self._answered = False
            if self._listening and (early := self._receive_soon()):
                return early
        frames: list[Frame] = []
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is not self.socket:
                self._wake.clear()
                continue
            if events & selectors.EVENT_WRITE:
                self._flush()
            if events & selectors.EVENT_READ:
                frames += self._receive()
        return frames

    def wait_ready(self) -> None:
        """Wait until the worker has confined itself.

        Raises:
            WorkerFailed: It ended, or was not ready within 20 s.
        """
        until = time.monotonic() + READY_WITHIN_S
        while not self.layers:
            left = until - time.monotonic()
            if self.closed or left <= 0:
                self.kill()
                raise WorkerFailed(
                    "the Lua process did not start "
                    f"({self.describe_end()}). `respell info` shows what it needs."
                )
            for kind, payload in self.poll(left):
                if kind == Kind.READY:
                    self.layers = payload.decode().split(",")

    def kill(self) -> None:
        """End the process now. It had no effect outside, so nothing is lost."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.closed = True

    def close(self) -> None:
        """Kill the process and free everything."""
        self.kill()
        self._selector.close()
        self.socket.close()
        self._wake.close()

    def describe_end(self) -> str:
        """Return how the process ended, for people."""
        code = self._process.poll()
        if code is None:
            try:
                code = self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                return "still running"
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:  # most real-time signals have no name
            return f"killed by signal {-code}"

    def _receive(self) -> list[Frame]:
        try:
            data = self.socket.recv(1 << 18)
        except (BlockingIOError, InterruptedError):
            return []
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            self._selector.unregister(self.socket)
            self._listening = False
            return []
        try:
            frames = self._splitter.feed(data)
        except ValueError as error:
            raise WorkerFailed(f"the Lua process sent {error}") from None
        if _SERVED.isdisjoint([kind for kind, _ in frames]):
            return frames
        return [one for one in frames if not self._serve(one)]

    def _serve(self, one: Frame) -> bool:
        kind, payload = one
        if kind not in _SERVED:
            return False
        taken = self._queued - len(self._outgoing)
        while self._asked and self._asked[0] <= taken:
            self._asked.popleft()
        if len(self._asked) >= MOST_ASKED:
            raise WorkerFailed("the Lua process asks for more and does not take what it gets")
        if kind == Kind.WINDOW:
            self._ahead.begun()
            self._send_windows()
        else:
            self._send_blob(payload)
        self._asked.append(self._queued)
        return True

    def _send_blob(self, payload: bytes) -> None:
        size = payload[0] if payload else 0
        hash_ = payload[1 : 1 + size]
        offset = int.from_bytes(payload[1 + size : 9 + size], "little")
        length = int.from_bytes(payload[9 + size : 17 + size], "little")
        try:
            data = self._read_blob(hash_, offset, min(length, MAX_BLOB_READ))
        except (NotFound, UsageError) as error:
            raise WorkerFailed(f"the Lua process asked for what is not there: {error}") from None
        self.send(frame(Kind.DATA, data))

    def _send_windows(self) -> None:
        while self._end_of_history is not None and self._ahead.has_room:
            window = next(self._windows, None)
            if window is not None:
                self._ahead.sent(len(window))
                self.send(frame(Kind.HISTORY, window))
                continue
            self.send(self._end_of_history)
            self._end_of_history = None
            for one in self._after_history:
                self.send(one)
            self._after_history.clear()

    def _flush(self) -> None:
        try:
            sent = self.socket.send(self._outgoing)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outgoing.clear()
            return
        del self._outgoing[:sent]
        if not self._outgoing:
            self._watch()


def start_worker(theirs: list[socket.socket], memory_bytes: int | None) -> subprocess.Popen[bytes]:
    """Start a worker process.

    Args:
        theirs: Its end of the socket, and where a debugger drives it, of the one that brings
            the sockets of its forks.
        memory_bytes: Most that Lua may allocate; None for no limit.
    """
    # -I -S: no user site, no .pth files; the few folders that are needed are given by hand.
    fds = [one.fileno() for one in theirs]
    code = (
        f"import sys; sys.path[:0] = {_import_path()!r}; "
        "from respell.engine.worker import main; "
        f"main({fds[0]}, {memory_bytes or 0}, {fds[1] if len(fds) > 1 else -1})"
    )
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    if "TZ" in os.environ:
        environment["TZ"] = os.environ["TZ"]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", code],
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("RESPELL_WORKER_STDERR") else subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,  # the terminal's Ctrl-C is the host's to handle
    )


def _import_path() -> list[str]:
    import blake3
    import lupa

    import respell

    folders = {os.path.dirname(os.path.dirname(m.__file__ or "")) for m in (respell, lupa, blake3)}
    return sorted(folders)
