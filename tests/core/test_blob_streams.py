"""Large content: in little memory, whole after a kill, and never more than it says it is."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, cast

import apsw
import lz4.frame
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from respell.artifacts.storing import store_artifact
from respell.errors import StoreCorrupt, StoreError, StoreFull
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.blob_files import BlobFiles
from respell.store.blob_forms import Packed
from respell.store.care.checking import check
from store_children import begin

KIB, MIB = 1024, 1024 * 1024
THRESHOLDS = (0, 10 * KIB, 256 * KIB, MIB, 8 * MIB, 9 * MIB)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def unfinished(store: Store) -> list[Path]:
    return list((store.path / "objects").rglob("tmp-*"))


# Properties ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("blobs") / "store", durability="process") as opened:
        yield opened


class Portions(io.RawIOBase):
    """Gives bytes in portions of its own choice, as a pipe does."""

    def __init__(self, data: bytes, portion: int) -> None:
        self._data = io.BytesIO(data)
        self._portion = portion

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._portion))


@given(
    threshold=st.sampled_from(THRESHOLDS),
    more=st.integers(-2, 2),
    repeats=st.booleans(),
    seed=st.integers(0, 5),
    portion=st.sampled_from((700 * KIB + 1, 16 * MIB)),
    windows=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3 * MIB)), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_come_back_by_every_way_in_and_out(
    shared: Store, threshold: int, more: int, repeats: bool, seed: int, portion: int,
    windows: list[tuple[float, int]],
) -> None:  # fmt: skip
    size = max(threshold + more, 0)
    data = (noise(997, seed) * (size // 997 + 1))[:size] if repeats else noise(size, seed)
    reader = cast(BinaryIO, Portions(data, portion))
    address, counted = shared.blobs.put_stream(reader)
    assert (address, counted) == (blake3(data).digest(), size)
    assert shared.blobs.put(data) == address
    assert shared.blobs.get(address) == data
    assert b"".join(shared.blobs.stream(address)) == data
    for place, length in windows:
        offset = int(place * size)
        assert shared.blobs.read(address, offset, length) == data[offset : offset + length]


# Memory ----------------------------------------------------------------------------------


IN_AND_OUT = """
import sys
from blake3 import blake3
from respell.artifacts import reading, storing
from respell.sessions.record import SessionRecord
from respell.store import Store

MIB = 1024 * 1024

class Content:
    def __init__(self, count):
        self.left, self.rest, self.hash = count, b"", blake3()
        self.half = bytes(range(256)) * 2048
    def read(self, size=-1):
        if not self.rest and self.left:
            self.left -= 1
            noise = blake3(self.left.to_bytes(8, "big")).digest(length=MIB - len(self.half))
            self.rest = noise + self.half
            self.hash.update(self.rest)
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

def peak():
    with open("/proc/self/status") as status:
        return int(status.read().partition("VmHWM:")[2].split()[0]) // 1024

count = int(sys.argv[2])
with Store(sys.argv[1]) as store:
    session = store.sessions.insert(SessionRecord())
    storing.store_artifact(store, session, "warm up", Content(9))
    list(reading.pieces(store, store.artifacts.list()[0]))
    before = peak()
    content = Content(count)
    record = storing.store_artifact(store, session, "large.bin", content)
    assert record.size == count * MIB, record.size
    assert record.content_hash == content.hash.digest()
    after_in = peak()
    reading.verify(store, record)
    with reading.open_content(store, record) as file:
        file.seek((count - 1) * MIB)
        assert len(file.read()) == MIB
    print(after_in - before, peak() - before)
"""


def grows_by(folder: Path, megabytes: int) -> tuple[int, int]:
    """Return by how many MB a process grows while it stores and reads so much."""
    done = subprocess.run(
        [sys.executable, "-c", IN_AND_OUT, str(folder / "store"), str(megabytes)],
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored, read = map(int, done.stdout.split())
    return stored, read


def test_200_mb_go_in_and_out_in_little_memory(tmp_path: Path) -> None:
    stored, read = grows_by(tmp_path, 200)
    assert stored <= 64
    assert read <= 64


@pytest.mark.slow
def test_1_gb_goes_in_and_out_in_little_memory(tmp_path: Path) -> None:
    stored, read = grows_by(tmp_path, 1024)
    assert stored <= 64
    assert read <= 64


def test_what_compresses_a_thousand_times_is_as_flat(store: Store) -> None:
    address, size = store.blobs.put_stream(cast(BinaryIO, Portions(bytes(60 * MIB), 16 * MIB)))
    assert size == 60 * MIB
    assert max(map(len, store.blobs.stream(address))) == MIB
    assert sum(map(len, store.blobs.stream(address))) == size
    assert sum(it.stat().st_size for it in store.path.rglob("*") if it.is_file()) < 2 * MIB


# Things that break -----------------------------------------------------------------------


class Breaking(Portions):
    """Fails after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data, MIB)
        self._after = after

    def read(self, size: int = -1) -> bytes:
        if self._data.tell() >= self._after:
            raise ConnectionError("the other side is gone")
        return super().read(size)


def test_a_stream_that_breaks_is_not_there_and_can_be_put_again(store: Store) -> None:
    data = noise(40 * MIB)
    with pytest.raises(ConnectionError, match="the other side is gone"):
        store.blobs.put_stream(cast(BinaryIO, Breaking(data, 30 * MIB)))
    assert blake3(data).digest() not in store.blobs
    assert unfinished(store) == []
    assert threads() == []
    address, _ = store.blobs.put_stream(cast(BinaryIO, Portions(data, MIB)))
    assert store.blobs.get(address) == data


def threads() -> list[str]:
    return [it.name for it in threading.enumerate() if it.name.startswith("respell-chunk")]


def test_an_error_in_a_thread_comes_out_once_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = BlobFiles.write_one
    turns = iter(range(100))

    def fails_at_ten(files: BlobFiles, blob: Packed) -> Packed:
        if next(turns) >= 10:
            raise StoreFull("there is no space left")
        return written(files, blob)

    monkeypatch.setattr(BlobFiles, "write_one", fails_at_ten)
    data = noise(40 * MIB)
    with pytest.raises(StoreFull, match="no space left"):
        store.blobs.put_stream(cast(BinaryIO, Portions(data, MIB)))
    assert next(turns) < 40  # it did not go on to the end
    assert (unfinished(store), threads()) == ([], [])
    monkeypatch.undo()
    session = store.sessions.insert(SessionRecord())
    record = store_artifact(store, session, "again", data)
    assert store.blobs.get(record.content_hash) == data
    assert check(store, read_data=True).findings == []


def test_a_file_taken_away_before_its_row_was_written_is_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = BlobFiles.write_one

    def written_and_taken(files: BlobFiles, blob: Packed) -> Packed:
        made = written(files, blob)
        if blob.data[0] & 1:
            files.path(blob.address).unlink()
        return made

    monkeypatch.setattr(BlobFiles, "write_one", written_and_taken)
    with pytest.raises(StoreError, match="were collected before it was complete; store it again"):
        store.blobs.put_stream(cast(BinaryIO, Portions(noise(20 * MIB), MIB)))


class Telling(io.BytesIO):
    """Tells how far it was read."""

    def __init__(self, data: bytes, pipe: Connection) -> None:
        super().__init__(data)
        self._pipe = pipe

    def read(self, size: int | None = -1) -> bytes:
        self._pipe.send(self.tell() // MIB)
        return super().read(size)


def put_large_ones(pipe: Connection, path: Path) -> None:
    """Store large artifacts one after the other, and tell how far that is."""
    with Store(path) as store:
        session = store.sessions.insert(SessionRecord(name="victim"))
        for turn in range(1000):
            reader = cast(BinaryIO, Telling(noise(24 * MIB, turn), pipe))
            store_artifact(store, session, f"{turn}", reader, tags=["large"])
            pipe.send("stored")


@pytest.mark.parametrize("read", [9, 16, 24])
def test_a_process_killed_while_it_stores_leaves_no_half_artifact(
    tmp_path: Path, read: int
) -> None:
    path = tmp_path / "store"
    process, pipe = begin(put_large_ones, path)
    while pipe.recv() != "stored":
        pass
    while pipe.recv() != read:
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Store(path) as store:
        found = {it.name: it for it in store.artifacts.list()}
        assert set(found) <= {"0", "1"}
        assert "0" in found
        for name, record in found.items():
            assert store.blobs.get(record.content_hash) == noise(24 * MIB, int(name))
        (session,) = store.sessions.list()
        assert session.artifacts == len(found)
        assert session.usage["artifact_bytes"] == 24 * MIB * len(found)
        assert check(store, read_data=True).findings == []


# Hostile and damaged stores --------------------------------------------------------------


def change(store: Store, sql: str, *bindings: object) -> None:
    connection = apsw.Connection(str(store.path / "store.db"))
    connection.execute(sql, bindings)
    connection.close()


def test_a_frame_that_stands_for_more_than_it_says_is_not_unpacked(store: Store) -> None:
    address = store.blobs.put(b"line\n" * 10_000)
    bomb = lz4.frame.compress(bytes(200 * MIB))
    change(store, "UPDATE blob_data SET data = ?", bomb)
    for size in (50_000, 8 * MIB, 200 * MIB, 2**60, -1):
        change(store, "UPDATE blobs SET size = ?, stored_size = ?", size, len(bomb))
        with pytest.raises(StoreCorrupt, match=address.hex()):
            store.blobs.get(address)


def test_a_file_that_is_no_file_any_more_is_not_read(store: Store, tmp_path: Path) -> None:
    address = store.blobs.put(noise(300 * KIB))
    path = next(it for it in (store.path / "objects").rglob("*") if it.is_file())
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(StoreCorrupt, match=f"the file {path} .* can't be read"):
        store.blobs.get(address)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreCorrupt, match="no file of 307200 bytes"):
        store.blobs.get(address)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreCorrupt, match="no file of 307200 bytes"):
        store.blobs.get(address)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(100 * 1024 * MIB)  # sparse: takes no room
    with pytest.raises(StoreCorrupt, match="no file of 307200 bytes"):
        store.blobs.get(address)


def test_a_list_of_chunks_that_is_not_what_it_says_is_refused(store: Store) -> None:
    data = noise(9 * MIB)
    address = store.blobs.put(data)
    first = blake3(data[:MIB]).digest()
    small = store.blobs.put(b"small")

    def listed(*chunks: bytes) -> None:
        manifest = b"".join(chunks)
        change(
            store,
            "UPDATE blob_data SET data = ? WHERE id = (SELECT id FROM blobs WHERE hash = ?)",
            blake3(manifest).digest() + manifest, address,
        )  # fmt: skip

    def refused() -> None:
        for read in (
            store.blobs.get,
            lambda it: list(store.blobs.stream(it)),
            lambda it: store.blobs.read(it, 8 * MIB, 10),
        ):
            with pytest.raises(StoreCorrupt, match=address.hex()):
                read(address)

    listed(*[first] * 8, address)  # of itself
    refused()
    listed(*[first] * 8, small)  # of a chunk that is too short
    refused()
    listed(*[first] * 8, b"?" * 32)  # of a chunk that is nowhere
    refused()
    listed(*[first] * 8)  # of too few
    refused()
    listed(*[first] * 9)  # of the wrong ones: each is intact, the whole is not
    with pytest.raises(StoreCorrupt, match=address.hex()):
        store.blobs.get(address)
    with pytest.raises(StoreCorrupt, match=address.hex()):
        list(store.blobs.stream(address))
    change(store, "UPDATE blobs SET size = ? WHERE hash = ?", 2**50, address)
    refused()
