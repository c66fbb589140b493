"""What the store's tests run in processes of their own."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from respell import values
from respell.errors import LeaseLost, SessionBusy
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store

SPAWN = multiprocessing.get_context("spawn")  # a fork would share locks and threads


def effect(number: int, **fields: Any) -> Record:
    """One whole effect, as a script causes it."""
    fields = {"status": Status.OK, "name": "state.set", "args": b"\x80", **fields}
    return Record(Part.EFFECT, number, ordinal=number, at=number, **fields)


def begin(target: Callable[..., None], *args: object) -> tuple[SpawnProcess, Connection]:
    """Start a process that gets one end of a pipe first, and return the other end."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    return process, ours


class Noise(io.RawIOBase):
    """A stream of so many bytes, of which a quarter can be compressed away."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._noise = random.Random(1)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as long as there is something left."""
        size = min(len(buffer), self._left)
        self._left -= size
        buffer[:size] = self._noise.randbytes(size - size // 4) + bytes(size // 4)
        return size


def run_code(
    code: str, *args: object, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True, text=True, timeout=timeout, check=False, **options,
    )  # fmt: skip


def hold(pipe: Connection, path: Path, key: int) -> None:
    """Take a session and keep it until told, or killed."""
    with Store(path) as store:
        try:
            pipe.send(store.leases.acquire(key))
        except SessionBusy as error:
            pipe.send(str(error))
        pipe.recv()


def race_for_lease(pipe: Connection, path: Path, key: int) -> None:
    """Try to take a session at the signal, and say whether it worked."""
    with Store(path) as store:
        pipe.send("ready")
        pipe.recv()
        try:
            store.leases.acquire(key)
            pipe.send("won")
        except SessionBusy:
            pipe.send("refused")
        pipe.recv()


def append_until_killed(pipe: Connection, path: Path, key: int) -> None:
    """Append one event after the other, and say each number once it is durable."""
    with Store(path) as store:
        writer = store.history.writer(key, store.leases.acquire(key))
        while True:
            store.state.set("global", "last", values.encode(writer.number))
            writer.append([effect(writer.number + 1)])
            store.sync()
            pipe.send(writer.number)


def append_for(pipe: Connection, path: Path, seconds: float, durability: str) -> None:
    """Append to an own session for some time; send the milliseconds that each commit took."""
    with Store(path, durability=durability) as store:  # type: ignore[arg-type]
        key = store.sessions.insert(SessionRecord()).key
        writer = store.history.writer(key, store.leases.acquire(key))
        pipe.send("ready")
        pipe.recv()
        took: list[float] = []
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            writer.append([effect(writer.number + 1, args=b"\xda" + bytes(200))])
            store.sync()
            took.append((time.monotonic() - begun) * 1000)
        pipe.send(took)


def freeze_in_transaction(pipe: Connection, path: Path) -> None:
    """Stop (as with Ctrl-Z) while holding the writer lock."""
    with Store(path) as store, store.transaction():
        store.state.set("global", "frozen", b"\xc3")
        pipe.send("stopped")
        os.kill(os.getpid(), signal.SIGSTOP)


def make_store(pipe: Connection, path: Path) -> None:
    """Open a store that several others make at the same moment."""
    pipe.send("ready")
    pipe.recv()
    with Store(path) as store:
        store.sessions.insert(SessionRecord())
    pipe.send("done")


def append_after_takeover(pipe: Connection, path: Path, key: int) -> None:
    """Take a session, wait (as a sleeping laptop does), then try to append."""
    with Store(path) as store:
        writer = store.history.writer(key, store.leases.acquire(key))
        writer.append([effect(1)])
        pipe.send("holding")
        pipe.recv()
        try:
            writer.append([effect(2)])
            pipe.send("appended")
        except LeaseLost as error:
            pipe.send(json.dumps({"error": str(error), "seq": writer.seq}))
