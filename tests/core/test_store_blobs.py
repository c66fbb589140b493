"""Blobs: stored once, verified at every read, whole after any crash."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from blake3 import blake3

from respell.errors import NotFound, StoreCorrupt, StoreFull
from respell.store import Store
from respell.store.blob_files import BlobFiles
from respell.store.blob_forms import CHUNK_SIZE, Packed
from respell.store.care.checking import check
from respell.store.measuring import measure
from store_children import SPAWN, run_code

KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that can't be compressed."""
    return random.Random(seed).randbytes(size)


def files(store: Store) -> list[Path]:
    return sorted(path for path in (store.path / "objects").rglob("*") if path.is_file())


SIZES = [0, 1, 10 * KIB, 10 * KIB + 1, 256 * KIB, 256 * KIB + 1, MIB, 8 * MIB, 8 * MIB + 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [noise, bytes], ids=["noise", "zeros"])
def test_any_size_comes_back_whole_and_in_windows(store: Store, size: int, make: type) -> None:
    data = make(size)
    address = store.blobs.put(data)
    assert address == blake3(data).digest()
    assert store.blobs.get(address) == data
    assert store.blobs.size(address) == size
    assert b"".join(store.blobs.stream(address)) == data
    for offset, length in ((0, 10), (size // 2, MIB + 7), (max(size - 5, 0), 100), (size, 5)):
        assert store.blobs.read(address, offset, length) == data[offset : offset + length]
    assert store.blobs.put_stream(io.BytesIO(data)) == (address, size)
    assert address in store.blobs
    assert b"?" * 32 not in store.blobs


def test_small_is_in_the_database_and_large_is_in_read_only_files(store: Store) -> None:
    small = store.blobs.put(noise(256 * KIB))
    assert files(store) == []
    large = store.blobs.put(noise(256 * KIB + 1))
    (path,) = files(store)
    assert path == store.path / "objects" / large.hex()[:2] / large.hex()
    assert path.stat().st_mode & 0o777 == 0o444
    text = store.blobs.put(b"the same line\n" * 100_000)
    assert files(store) == [path]
    infos = [store.blobs.info(address) for address in (small, large, text)]
    assert [info.is_compressed for info in infos] == [False, False, True]
    assert infos[2].stored_size < 20_000


def test_the_same_content_is_stored_once(store: Store) -> None:
    data = noise(300 * KIB)
    assert store.blobs.put(data) == store.blobs.put(bytes(data))
    inode = files(store)[0].stat().st_ino
    store.blobs.put(data)
    assert [path.stat().st_ino for path in files(store)] == [inode]


def test_a_changed_copy_of_a_large_file_costs_only_the_changed_chunks(store: Store) -> None:
    data = noise(20 * MIB)
    store.blobs.put_stream(io.BytesIO(data))
    count = len(files(store))
    changed = data[: 5 * MIB] + b"!" + data[5 * MIB + 1 :]
    address, size = store.blobs.put_stream(io.BytesIO(changed))
    assert len(files(store)) == count + 1
    assert size == len(changed)
    assert store.blobs.get(address) == changed
    assert store.blobs.read(address, 5 * MIB - 2, 5) == changed[5 * MIB - 2 : 5 * MIB + 3]


class Endless(io.RawIOBase):
    """Gives a given number of bytes in odd portions, as a pipe does."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.block = noise(MIB)

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left, 300_001)
        self.left -= size
        start = self.left % 7919
        return self.block[start : start + size]


def test_100_mb_are_stored_and_read_in_little_memory(store: Store) -> None:
    tracemalloc.start()
    try:
        address, size = store.blobs.put_stream(Endless(100 * MIB))  # type: ignore[arg-type]
        middle = store.blobs.read(address, 50 * MIB, 64 * KIB)
        total = sum(map(len, store.blobs.stream(address)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (size, total, len(middle)) == (100 * MIB, 100 * MIB, 64 * KIB)
    assert peak < 64 * MIB


def test_an_unknown_address_is_not_found(store: Store) -> None:
    for ask in (store.blobs.get, store.blobs.size, store.blobs.info):
        with pytest.raises(NotFound, match="has no blob 3f3f3f"):
            ask(b"?" * 32)


@pytest.mark.parametrize("data", [noise(300 * KIB), noise(9 * MIB)], ids=["one file", "chunks"])
def test_a_flipped_byte_in_a_file_is_found_and_named(store: Store, data: bytes) -> None:
    address = store.blobs.put(data)
    other = store.blobs.put(noise(400 * KIB, seed=2))
    for path in files(store):
        if path.name == other.hex():
            continue
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
        with pytest.raises(StoreCorrupt, match=f"blob {path.name} in {path} is not what"):
            store.blobs.get(address)
        content[1000] ^= 1
        path.write_bytes(content)
    assert store.blobs.get(address) == data
    assert len(store.blobs.get(other)) == 400 * KIB


def test_damage_inside_the_database_is_found(store: Store) -> None:
    small, text = store.blobs.put(b"hello"), store.blobs.put(b"line\n" * 10_000)
    chunks = store.blobs.put(noise(9 * MIB))
    for action, address in (
        ("UPDATE blob_data SET data = x'00'", small),
        ("UPDATE blob_data SET data = x'00'", text),
        ("DELETE FROM blob_data", chunks),
    ):
        sql = f"{action} WHERE id = (SELECT id FROM blobs WHERE hash = ?)"
        connection = apsw.Connection(str(store.path / "store.db"))
        connection.execute(sql, (address,))
        connection.close()
        with pytest.raises(StoreCorrupt, match=address.hex()):
            store.blobs.read(address, 0, 5)


def test_a_lost_file_is_reported_and_healed_by_storing_it_again(store: Store) -> None:
    data = noise(9 * MIB)
    address = store.blobs.put(data)
    lost, cut = files(store)[:2]
    lost.unlink()
    with pytest.raises(StoreCorrupt, match=f"the file {lost} .* can't be read"):
        store.blobs.get(address)
    cut.chmod(0o644)
    os.truncate(cut, 10)
    store.blobs.put(data)
    assert store.blobs.get(address) == data


def test_content_whose_row_is_missing_is_stored_again(store: Store) -> None:
    """What a crash between the file and the row leaves: a file nobody refers to."""
    data = noise(300 * KIB)
    address = store.blobs.put(data)
    connection = apsw.Connection(str(store.path / "store.db"))
    connection.execute("DELETE FROM blobs")
    connection.close()
    with pytest.raises(NotFound):
        store.blobs.get(address)
    assert store.blobs.put(data) == address
    assert store.blobs.get(address) == data


def test_a_blob_of_a_rolled_back_transaction_can_be_stored_again(store: Store) -> None:
    with suppress(RuntimeError), store.transaction():
        store.blobs.put(noise(300 * KIB))
        store.blobs.put(b"small")
        raise RuntimeError
    for data in (noise(300 * KIB), b"small"):
        assert store.blobs.get(store.blobs.put(data)) == data


def no_links(path: Path, name: Path) -> None:
    raise OSError(errno.EPERM, "this file system has no links")


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("first_compresses", [True, False])
def test_a_writer_that_dies_leaves_what_another_has_stored_in_another_form(
    store: Store, links: bool, first_compresses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found nothing there, and both write the file; only one lives on to write the row."""
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    data = b"abcdefgh" * 40_000 + noise(600_000)
    write = BlobFiles.write
    with (
        Store(store.path, compress=first_compresses) as first,
        Store(store.path, compress=not first_compresses) as second,
    ):
        faster: list[bytes] = []

        def write_and_die(files: BlobFiles, blobs: Sequence[Packed]) -> list[Packed]:
            monkeypatch.setattr(BlobFiles, "write", write)
            faster.append(first.blobs.put(data))
            write(files, blobs)
            raise KeyboardInterrupt

        monkeypatch.setattr(BlobFiles, "write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            second.blobs.put(data)
        assert first.blobs.get(faster[0]) == data
        assert second.blobs.get(faster[0]) == data
        assert first.blobs.info(faster[0]).is_compressed == first_compresses
    assert len(files(store)) == 1
    assert check(store, read_data=True).findings == []


def test_a_file_without_a_row_serves_whatever_its_form_and_damaged_ones_are_replaced(
    store: Store,
) -> None:
    data = b"abcdefgh" * 40_000 + noise(600_000)
    with Store(store.path, compress=False) as plain:
        address = plain.blobs.put(data)
    for damage in (b"", b"x"):
        if damage:
            store.blobs.path(address).chmod(0o600)
            store.blobs.path(address).write_bytes(damage)
        store._database.write("DELETE FROM blobs")
        assert store.blobs.put(data) == address
        assert store.blobs.info(address).is_compressed == bool(damage)
        assert store.blobs.get(address) == data
    assert check(store, read_data=True).findings == []


def put_many(path: Path, seed: int) -> None:
    with Store(path) as store:
        for number in range(30):
            store.blobs.put(noise(300 * KIB if number % 3 else 100, seed=number))
        store.blobs.put_stream(io.BytesIO(noise(9 * MIB)))


def test_several_processes_store_the_same_content_at_once(store: Store) -> None:
    children = [SPAWN.Process(target=put_many, args=(store.path, seed)) for seed in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    for number in range(30):
        data = noise(300 * KIB if number % 3 else 100, seed=number)
        assert store.blobs.get(blake3(data).digest()) == data
    assert store.blobs.get(blake3(noise(9 * MIB)).digest()) == noise(9 * MIB)
    assert [path for path in files(store) if path.name.startswith("tmp-")] == []


IN_SMALL_SPACE = """
import os, sys
from pathlib import Path
from respell.errors import StoreFull
from respell.store import Store
folder = Path(sys.argv[1])
with Store(folder / "store") as store:
    kept = store.blobs.put(b"kept" * 100)
    for size, room in ((300_000, 0), (200_000, 0)):
        for number in range(1000):
            try:
                store.blobs.put(os.urandom(size))
            except StoreFull as error:
                assert str(folder) in str(error), error
                break
        else:
            raise SystemExit("never full")
    assert store.blobs.get(kept) == b"kept" * 100
    left = [path for path in (folder / "store" / "objects").rglob("tmp-*")]
    assert left == [], left
    (folder / "ballast").unlink()
    again = store.blobs.put(os.urandom(300_000))
    store.sync()
    assert len(store.blobs.get(again)) == 300_000
print("survived")
"""


MOUNT_AND_RUN = """
mount -t tmpfs -o size=8m tmpfs "$0" 2>/dev/null || exit 77
head -c 2000000 /dev/zero > "$0/ballast"
exec "$1" -c "$2" "$0"
"""


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, to mount a small disk for this test alone")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNT_AND_RUN, tmp_path, sys.executable, IN_SMALL_SPACE],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this system lets nobody mount a small disk")
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


def test_a_file_limit_is_an_error_of_the_store(tmp_path: Path) -> None:
    code = """
import resource, signal, sys, os
from respell.errors import StoreError
from respell.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        store.blobs.put(os.urandom(1_000_000))
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    done = run_code(code, tmp_path)
    assert f"can't write a blob to the store {tmp_path}: File too large" in done.stdout, done.stderr
    assert issubclass(StoreFull, OSError)


def test_large_content_occupies_what_its_pieces_do_and_counts_once(store: Store) -> None:
    piece = b"0123456789abcdef" * 65_536
    plain = os.urandom(CHUNK_SIZE)
    address = store.blobs.put(piece * 9 + plain)
    info = store.blobs.info(address)
    pieces = [store.blobs.info(blake3(it).digest()) for it in (piece, plain)]
    assert info.stored_size == 32 * 11 + sum(it.stored_size for it in pieces)
    assert info.is_compressed
    sums = measure(store)
    assert sums.stored_bytes == info.stored_size
    assert sums.blob_bytes == 2 * CHUNK_SIZE
    assert check(store, read_data=True).findings == []
    assert check(store).blob_bytes == info.stored_size
    store._database.write("UPDATE blobs SET stored_size = 352, codec = 0 WHERE place = 2")
    (finding,) = check(store, repair=True).findings
    assert finding.kind == "blob.measure"
    assert finding.repaired
    assert store.blobs.info(address) == info


def test_large_content_no_piece_of_which_is_compressed_is_not_called_compressed(
    store: Store,
) -> None:
    address = store.blobs.put(os.urandom(9_000_000))
    info = store.blobs.info(address)
    assert not info.is_compressed
    assert info.stored_size == 9_000_000 + 32 * 10
