"""What the collector's tests run in processes of their own."""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from respell.artifacts.record import ArtifactRecord
from respell.errors import NotFound, StoreError
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.collecting import collect
from respell.times import now_us
from store_children import effect

CHURN_S = 4.0
_FASTER = 400
_TAKEN = ("has no blob", "were collected", "disappear at once", "No such file")


def fast_clock(start: int, *, ahead: bool) -> Callable[[], int]:
    """Return a clock on which two minutes are 0.3 s; the same in every process.

    Args:
        start: When the test began, µs since 1970 UTC.
        ahead: Files are written long ago by this clock, so that even those in use look as if
            they had been left behind. Otherwise they are written in its future.
    """
    offset = 0 if ahead else -400 * 3600 * 1_000_000
    return lambda: start + (now_us() - start) * _FASTER + offset


def contents(seed: int) -> Callable[[], bytes]:
    """Return what gives content again and again, the same in every writer now and then."""
    rng = random.Random(seed)

    def next_one() -> bytes:
        which = rng.randrange(12)
        size = rng.choice([50, 20_000, 300_000, 300_000, 9_000_000])
        return random.Random(which * 1_000_003 + size).randbytes(size)

    return next_one


def churn(pipe: Connection, path: Path, start: int, ahead: bool, seconds: float, seed: int) -> None:
    """Put blobs that others put as well, refer to them, delete most again."""
    rng, content = random.Random(seed), contents(seed)
    clock = fast_clock(start, ahead=ahead)
    with Store(path, durability="process", clock=clock, compress=False) as store:
        session = store.sessions.insert(SessionRecord()).key
        pipe.send("ready")
        pipe.recv()
        referred: list[str] = []
        count = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = content()
            try:
                address, size = store.blobs.put_stream(io.BytesIO(data))
                made = store.artifacts.insert(
                    ArtifactRecord(session_key=session, name="a", content_hash=address, size=size)
                )
            except (NotFound, StoreError) as error:
                # So slow that the two minutes were over: an error, and nothing that dangles.
                if not any(it in str(error) for it in _TAKEN):
                    raise
                continue
            count += 1
            assert store.blobs.get(address) == data
            referred.append(made.id)
            if len(referred) > 3:
                store.artifacts.delete(referred.pop(rng.randrange(len(referred))))
        pipe.send(count)


def come_and_go(pipe: Connection, path: Path, seconds: float, seed: int) -> None:
    """Make sessions, append to them, fork them, set state, and delete them again."""
    rng = random.Random(seed)
    with Store(path, durability="process") as store:
        pipe.send("ready")
        pipe.recv()
        keys: list[int] = []
        count = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            made = store.sessions.insert(SessionRecord(name=str(count), tags=["t"], input=[1]))
            lease = store.leases.acquire(made.key)
            writer = store.history.writer(made.key, lease)
            for number in range(1, rng.randrange(2, 12)):
                with store.transaction():
                    store.state.set(f"session:{made.id}", str(number), b"\x01")
                    writer.append(
                        [
                            Record(Part.INTENT, 2 * number - 1, name="tool.invoke"),
                            effect(2 * number, outcome=b"\xda\xff\xff" + bytes(0xFFFF)),
                        ]
                    )
                store.sync()
                done = Record(Part.OUTCOME, 2 * number - 1, name="tool.invoke")
                writer.append([done])
            store.leases.release(made.key, lease)
            fork = SessionRecord(fork_of=made.key, fork_seq=rng.randrange(writer.seq + 1))
            keys += [made.key, store.sessions.insert(fork).key]
            store.sync()
            count += 1
            while len(keys) > 6:
                store.sessions.delete(keys.pop(rng.randrange(len(keys))))
        pipe.send(count)


def collect_for(pipe: Connection, path: Path, start: int, ahead: bool, seconds: float) -> None:
    """Collect without a pause and without a grace; send how much was removed."""
    with Store(path, durability="process", clock=fast_clock(start, ahead=ahead)) as store:
        pipe.send("ready")
        pipe.recv()
        removed = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            removed += collect(store, grace_s=0).blobs
        pipe.send(removed)


class _Hanging(io.RawIOBase):
    """Gives random bytes up to the middle, then says so and gives no more for ever."""

    def __init__(self, pipe: Connection, size: int) -> None:
        self._pipe = pipe
        self._left = size // 2

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            self._pipe.send("in the middle")
            time.sleep(3600)
        part = os.urandom(min(size, self._left))
        self._left -= len(part)
        return part


def put_large_and_hang(pipe: Connection, path: Path, size: int) -> None:
    """Store a large file, and stop in its middle."""
    with Store(path) as store:
        store.blobs.put_stream(_Hanging(pipe, size))  # type: ignore[arg-type]
