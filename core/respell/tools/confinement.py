"""Computations over hostile input, each in a process that may be killed.

A jq query, a template, a regular expression: what scripts hand in can be made to compute for
ever, to eat all memory, or to crash the library that reads it, and nothing within a process
can stop that. So it happens in a child process, confined like a worker (see
`respell.sandbox`), which lives on for the next computation of its kind.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from respell.errors import EffectFailed, UsageError
from respell.tools.confined import (
    FAILED,
    MAX_VALUE_BYTES,
    OK,
    OUT_OF_MEMORY,
    REFUSED,
    pack,
    unpack,
)

TIMEOUT_S = 30.0
MEMORY_BYTES = 512 << 20

MAX_CHILDREN = 4
_READY_WITHIN_S = 20.0
_LOOK_S = 0.05  # how often a wait looks whether the call was cancelled
_CHUNK = 1 << 18


def call(
    target: str,
    payload: Any,
    *,
    cancel: threading.Event,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> Any:
    """Compute something in a confined process.

    The function finds no files, no network, no environment and no process but its own, and
    can import nothing. What it needs has to be imported by its module; where a library
    imports things late, the module's `warm_up()`, if it has one, is called before the doors
    close. Several calls may be made at once, from any threads; more than `MAX_CHILDREN` wait.

    Args:
        target: `package.module:function`; the function takes the payload and returns a value.
        payload: None, bool, int (64 bit), float, str, bytes, and lists and dicts of them.
        cancel: Ends the computation when it is set.
        timeout_s: How long it may take, in seconds, waiting for its turn included.
        memory_bytes: How much memory it may use besides what its libraries take.

    Returns:
        The function's value, of the same kinds as the payload.

    Raises:
        UsageError: The function raised one; or payload or value are too large.
        EffectFailed: It took too long or too much memory, raised another error, crashed, or
            was cancelled.
    """
    module, _, function = target.partition(":")
    request = pack([function, payload])
    if len(request) > MAX_VALUE_BYTES:
        raise UsageError(f"the input is larger than the {_mib(MAX_VALUE_BYTES)} it may be")
    wait = _Wait(cancel, time.monotonic() + timeout_s, timeout_s)
    key = _Key(module, memory_bytes)
    while True:
        with _pool.child(key, wait) as child:
            try:
                reply = child.ask(request, wait)
            except _Ended as end:
                child.kill()
                if child.reused:
                    continue  # it may have ended by itself, or by what it computed before
                raise EffectFailed(_crash(end.status, memory_bytes)) from None
            child.reused = True
        return _value(reply, memory_bytes)


def layers() -> list[str]:
    """Return the layers of confinement that a computation has on this machine."""
    found: list[str] = call("respell.tools.confined:layers", None, cancel=threading.Event())
    return found


def close() -> None:
    """End all processes that wait for work; the next call starts new ones."""
    _pool.close()


def _value(reply: bytes, memory_bytes: int) -> Any:
    status = reply[0] if reply else None
    if status == OUT_OF_MEMORY:
        raise EffectFailed(_too_much(memory_bytes))
    try:
        value = unpack(reply[1:])
    except ValueError as error:  # a process that was taken over may say anything
        raise EffectFailed(f"the computation returned no value: {error}") from None
    if status == OK:
        return value
    if status == REFUSED:
        raise UsageError(str(value))
    if status == FAILED:
        raise EffectFailed(str(value))
    raise EffectFailed(f"the computation returned no value: its status is {status}")


def _too_much(memory_bytes: int) -> str:
    return f"it needed more than the {_mib(memory_bytes)} of memory that it may use"


def _crash(status: int, memory_bytes: int) -> str:
    name = f"status {status}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-status).name
    return (
        f"the computation crashed ({name}), most likely because "
        f"{_too_much(memory_bytes)}; nothing else was affected"
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):g} MiB"


# Waiting ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long to wait for something, and whether somebody still wants it."""

    cancel: threading.Event
    until: float
    limit_s: float

    def left_s(self) -> float:
        """Return how long the next nap may be.

        Raises:
            EffectFailed: Time is up, or the call was cancelled.
        """
        if self.cancel.is_set():
            raise EffectFailed("the call was cancelled")
        left = self.until - time.monotonic()
        if left <= 0:
            raise EffectFailed(f"it took longer than the {self.limit_s:g} seconds that it may take")
        return min(left, _LOOK_S)


class _Ended(Exception):
    """A child ended, instead of answering."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


# Processes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Key:
    """What a child can be used for: what it imported and its limits are fixed."""

    module: str
    memory_bytes: int


class _Child:
    """A confined process and the socket to it."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.reused = False
        self._killed = False
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._poll = select.poll()
        try:
            self._process = _start(key, theirs)
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        ready = _Wait(threading.Event(), time.monotonic() + _READY_WITHIN_S, _READY_WITHIN_S)
        try:
            self.ask(b"", ready)
        except (_Ended, EffectFailed) as error:
            self.kill()
            raise EffectFailed(
                f"a process to compute in could not start ({key.module}, {error})"
            ) from None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process still runs, as far as is known."""
        return not self._killed and self._process.poll() is None

    def kill(self) -> None:
        """End the process now."""
        self._killed = True
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def ask(self, request: bytes, wait: _Wait) -> bytes:
        """Return what the process answers; an empty request waits for it to be ready.

        Raises:
            EffectFailed: Time is up, or the call was cancelled. The process has to be killed.
            _Ended: The process ended.
        """
        outgoing = memoryview(len(request).to_bytes(4, "little") + request if request else b"")
        incoming = bytearray()
        try:
            while len(incoming) < 4 or len(incoming) < _frame_size(incoming):
                events = select.POLLIN | (select.POLLOUT if outgoing else 0)
                self._poll.register(self._socket, events)
                found = self._poll.poll(wait.left_s() * 1000)
                if found and found[0][1] & select.POLLOUT:
                    outgoing = outgoing[self._socket.send(outgoing[:_CHUNK]) :]
                if found and found[0][1] & ~select.POLLOUT:
                    data = self._socket.recv(_CHUNK)
                    if not data:
                        raise _Ended(self._status())
                    incoming += data
        except (BrokenPipeError, ConnectionResetError):
            raise _Ended(self._status()) from None
        return bytes(incoming[4:])

    def _status(self) -> int:
        try:
            return self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return 0  # it closed its socket and lives on: it was taken over


def _frame_size(incoming: bytearray) -> int:
    size = int.from_bytes(incoming[:4], "little")
    if size > MAX_VALUE_BYTES:
        raise EffectFailed(f"its result is larger than the {_mib(MAX_VALUE_BYTES)} it may be")
    return 4 + size


def _start(key: _Key, theirs: socket.socket) -> subprocess.Popen[bytes]:
    # -I -S: no user site, no .pth files; the few folders that are needed are given by hand.
    code = (
        f"import sys; sys.path += {_import_path(key.module)!r}; "
        "from respell.tools.confined import main; "
        f"main({key.module!r}, {key.memory_bytes})"
    )
    environment = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", code],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("RESPELL_WORKER_STDERR") else subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,  # the terminal's Ctrl-C is the host's to handle
    )


def _import_path(module: str) -> list[str]:
    """Return the folders of installed packages, and of what is imported without being one."""
    import sysconfig
    from importlib.util import find_spec

    specs = [find_spec(name) for name in ("respell", "msgpack", module.partition(".")[0])]
    files = [spec.origin for spec in specs if spec is not None and spec.origin]
    homes = [_home(file) for file in files]
    paths = sysconfig.get_paths()
    return list(dict.fromkeys([*homes, paths["purelib"], paths["platlib"]]))


def _home(file: str) -> str:
    folder, name = os.path.split(file)
    return os.path.dirname(folder) if name.startswith("__init__.") else folder


# The processes there are --------------------------------------------------------------------


class _Pool:
    """Children that wait for work, and how many there are at all."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[_Child] = []  # the least recently used first
        self._children = 0
        self._starter: Any = None

    @contextlib.contextmanager
    def child(self, key: _Key, wait: _Wait) -> Iterator[_Child]:
        """Lend a child; one whose call did not end well is killed."""
        child = self._take(key, wait) or self._new(key)
        try:
            yield child
        except BaseException:
            child.kill()
            self._gone()
            raise
        if child.reused and child.is_alive():
            with self._changed:
                self._idle.append(child)
                self._changed.notify()
        else:
            child.kill()
            self._gone()

    def pids(self) -> list[int]:
        """Return the process ids of the children that wait for work."""
        with self._changed:
            return [child.pid for child in self._idle]

    def close(self) -> None:
        """End the children that wait for work."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._children -= len(idle)
            self._changed.notify_all()
        for child in idle:
            child.kill()

    def _take(self, key: _Key, wait: _Wait) -> _Child | None:
        """Return an idle child, or None when a new one may be started."""
        with self._changed:
            while True:
                self._drop_dead()
                for child in reversed(self._idle):
                    if child.key == key:
                        self._idle.remove(child)
                        return child
                if self._children < MAX_CHILDREN:
                    self._children += 1
                    return None
                if self._idle:
                    self._idle.pop(0).kill()
                    return None
                self._changed.wait(wait.left_s())

    def _drop_dead(self) -> None:
        for child in [child for child in self._idle if not child.is_alive()]:
            self._idle.remove(child)
            child.kill()
            self._children -= 1

    def _new(self, key: _Key) -> _Child:
        try:
            child: _Child = self._thread().submit(_Child, key).result()
        except BaseException:
            self._gone()
            raise
        return child

    def _gone(self) -> None:
        with self._changed:
            self._children -= 1
            self._changed.notify()

    def _thread(self) -> Any:
        """Return the thread that starts children.

        A child dies with the thread that started it, and those that perform effects end with
        their session, while another session may be using the child.
        """
        from concurrent.futures import ThreadPoolExecutor

        with self._changed:
            if self._starter is None:
                self._starter = ThreadPoolExecutor(1, thread_name_prefix="respell-confinement")
            return self._starter


_pool = _Pool()
_forgotten: list[_Pool] = []


def _forget() -> None:
    """After a fork the children are the parent's; to talk to them would confuse both."""
    global _pool
    _forgotten.append(_pool)  # kept, so that nothing of it is closed here
    _pool = _Pool()


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
