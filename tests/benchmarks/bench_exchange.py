"""Export and import of a session, against reading, hashing and writing its bytes by hand."""

from __future__ import annotations

import io
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from benchmarks.measure import Figure
from respell import values
from respell.artifacts.record import ArtifactRecord
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session

_CONTENT_MIB = 1024
_RECORDS = 100_000
_NEEDED_BYTES = 5 << 30
_MIB = 1 << 20


def figures(folder: Path) -> list[Figure]:
    """Measure a session with 1 GiB of artifacts, and one with 100,000 records."""
    found = []
    if shutil.disk_usage(folder).free > _NEEDED_BYTES:
        found += _content(folder)
    return found + _records(folder)


def _content(folder: Path) -> list[Figure]:
    with Store(folder / "content") as store:
        key = store.sessions.insert(SessionRecord(name="content")).key
        address, size = store.blobs.put_stream(_Pieces(_pieces()))
        store.artifacts.insert(ArtifactRecord(key, "content.bin", address, size))
        store.sync()
        out, back, by_hand = _there_and_back(folder, store, key)
    floor = "the exported bytes read, hashed with blake3 and written by hand, durable"
    return [
        Figure("export of 1 GiB of artifacts", out, "s", 1 / 0.3, by_hand, floor),
        Figure("import of 1 GiB of artifacts", back, "s", 1 / 0.3, by_hand, floor),
    ]


def _records(folder: Path) -> list[Figure]:
    with Store(folder / "records") as store:
        key = store.sessions.insert(SessionRecord(name="records")).key
        writer = store.history.writer(key, store.leases.acquire(key))
        for first in range(1, _RECORDS + 1, 1000):
            writer.append([_record(number) for number in range(first, first + 1000)])
        store.sync()
        out, back, _ = _there_and_back(folder, store, key)
    return [
        Figure(f"export of {_RECORDS:,} records", out * 1e6 / _RECORDS, "us", 20.0, note="each"),
        Figure(f"import of {_RECORDS:,} records", back * 1e6 / _RECORDS, "us", 40.0, note="each"),
    ]


def _there_and_back(folder: Path, store: Store, key: int) -> tuple[float, float, float]:
    """Return the seconds of an export, of its import, and of the same bytes by hand."""
    file = folder / "session.export"
    out = _seconds(lambda: export_session(store, store.sessions.get(key), file))
    by_hand = _seconds(lambda: _by_hand(file, folder / "by hand"))
    with Store(folder / "other") as other:
        back = _seconds(lambda: import_session(other, file))
    for path in (folder / "other", folder / "by hand", file):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return out, back, by_hand


def _by_hand(source: Path, target: Path) -> None:
    hasher = blake3()
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(_MIB):
            hasher.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _pieces() -> Iterator[bytes]:
    """Yield content of which about half can be compressed away."""
    noise = random.Random(1)
    for _ in range(_CONTENT_MIB):
        yield noise.randbytes(_MIB // 2) + bytes(_MIB // 2)


class _Pieces(io.RawIOBase):
    """A stream of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _record(number: int) -> Record:
    args = values.encode({"key": f"key {number}", "value": {"n": number, "text": "x" * 100}})
    return Record(
        Part.EFFECT, number, ordinal=number, status=Status.OK, name="state.set",
        source="main.lua", line=12, at=number, args=args,
    )  # fmt: skip
