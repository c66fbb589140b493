"""Content-addressed bytes: in the database, in files, or as a list of chunks."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from respell.errors import NotFound, StoreCorrupt, StoreError
from respell.store.blob_files import BlobFiles
from respell.store.blob_forms import (
    CHUNK_SIZE,
    CHUNKED,
    HASH_SIZE,
    IN_FILE,
    RAW,
    WHOLE_LIMIT,
    BlobInfo,
    Packed,
    StoredBlob,
    as_stored,
    packed_as,
)
from respell.store.blob_streams import ChunkWriter, chunks, read_up_to
from respell.store.database import Database
from respell.times import SECOND

_ATTEMPTS = 5
_CACHE_BYTES = 16 * 1024 * 1024
TOUCHED_EVERY = 60 * SECOND
"""How late `touched` may be: what is put again and again is not written each time."""

_FIND = "SELECT id, size, stored_size, codec, place, touched FROM blobs WHERE hash = ?"
_INSERT = (
    "INSERT INTO blobs (hash, size, stored_size, codec, place, touched) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (hash) DO UPDATE SET stored_size = excluded.stored_size,"
    " codec = excluded.codec, place = excluded.place, touched = excluded.touched"
)
_SUMMED_UP = (
    "SELECT count(*), ifnull(sum(stored_size), 0), ifnull(max(codec), 0) FROM blobs"
    " WHERE hash IN (SELECT unhex(value) FROM json_each(?))"
)
_INSERT_NEW = (
    "INSERT INTO blobs (hash, size, stored_size, codec, place, touched) VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_DATA = "INSERT OR REPLACE INTO blob_data (id, data) SELECT id, ? FROM blobs WHERE hash = ?"


class Blobs:
    """Bytes by the blake3 hash of their raw content: `store.blobs`."""

    def __init__(
        self, database: Database, clock: Callable[[], int], *, compress: bool = True
    ) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock
        self._compress = compress
        self._files = BlobFiles(
            database.folder / "objects", database.faults, durable=database.durability == "full"
        )
        self._cache: dict[bytes, bytes] = {}
        self._cached = 0
        self._cache_mutex = threading.Lock()

    # ── writing ──────────────────────────────────────────────────────────────────────────

    def put(self, data: bytes) -> bytes:
        """Store bytes and return their address (32 bytes). The same content is stored once.

        A large one waits for the disk: call it before a transaction rather than inside.

        Raises:
            StoreFull: There is no space left.
        """
        return self.add(data)[0]

    def add(self, data: bytes) -> tuple[bytes, BlobInfo]:
        """Store bytes like `put`; return their address and how they are stored.

        Raises:
            StoreFull: There is no space left.
        """
        address = blake3(data).digest()
        return address, self.add_at(address, data)

    def add_at(self, address: bytes, data: bytes, *, is_new: bool = False) -> BlobInfo:
        """Store bytes like `put`; return how they are stored.

        Args:
            address: Their address.
            data: The bytes.
            is_new: They are not in the store, as was seen in the transaction that is open.

        Raises:
            StoreFull: There is no space left.
        """
        info = None if is_new else self._info(address)
        if info is not None and self._is_intact(address, info):
            return info
        if len(data) > WHOLE_LIMIT:
            self.put_stream(io.BytesIO(data))
            return self.info(address)
        packed = packed_as(address, data, self._compress)
        if packed.place == IN_FILE:
            self._write([packed])
        elif (made := self._write_inline(packed, is_new=info is None)) is not None:
            return made
        return self.info(address)

    def _write_inline(self, it: Packed, *, is_new: bool) -> BlobInfo | None:
        """Write a blob into the database; return how it is stored if nobody has it already."""
        now = self._clock()
        with self._database.part as joined:
            if not (joined and is_new):
                self._write_row(it, now)
                return None
            row = (it.size, it.stored_size, it.codec, it.place, now)
            self._database.execute(_INSERT_NEW, (it.address, *row))
            key = self._database.last_key()
            self._database.execute("INSERT INTO blob_data (id, data) VALUES (?, ?)", (key, it.data))
        return BlobInfo(key, *row)

    def put_stream(self, reader: BinaryIO) -> tuple[bytes, int]:
        """Store all that a reader gives and return (address, size); memory stays flat.

        Raises:
            StoreFull: There is no space left.
        """
        head = read_up_to(reader, WHOLE_LIMIT + 1)
        if len(head) <= WHOLE_LIMIT:
            return self.put(head), len(head)
        whole = blake3()
        size = 0
        manifest = bytearray()
        pieces = chunks(head, reader)
        del head
        with ChunkWriter(self._write_chunk) as writer:
            for chunk in pieces:
                whole.update(chunk)
                size += len(chunk)
                address = blake3(chunk).digest()
                manifest += address
                if address in writer or self.is_stored(address):
                    continue
                writer.add(address, chunk)
                if writer.is_full:
                    self._write_chunk_rows(writer.take())
            self._write_chunk_rows(writer.take())
        address = whole.digest()
        if not self.is_stored(address):
            # The manifest has no address of its own to be verified by: its hash stands first.
            data = blake3(manifest).digest() + manifest
            self._write([Packed(address, size, RAW, CHUNKED, len(data), data)])
        return address, size

    def _write_chunk(self, address: bytes, chunk: bytes) -> Packed:
        """Compress a chunk, and write it if it goes into a file; done by threads."""
        packed = packed_as(address, chunk, self._compress)
        if packed.place != IN_FILE:
            return packed
        return self._files.write_one(packed)

    def _write_chunk_rows(self, packed: Sequence[Packed]) -> None:
        """Make chunks known whose files are written."""
        in_files = [it for it in packed if it.place == IN_FILE]
        self._files.sync_names(it.address for it in in_files)
        now = self._clock()
        with self._database:
            gone = sum(not self._files.has(it.address, it.stored_size) for it in in_files)
            if gone:
                raise StoreError(_collected_too_early(gone, len(in_files)))
            for it in packed:
                self._write_row(it, now)

    def check_complete(self, address: bytes) -> None:
        """Refuse a list of chunks of which some were collected.

        Raises:
            StoreError: Not all are there; says how many.
            NotFound: There is no such blob.
        """
        self._check_chunks(b"".join(self.stored(address).chunks))

    def measure_list(self, address: bytes) -> tuple[int, int]:
        """Return what a list of chunks occupies with them, and its codec: see `BlobInfo`.

        Raises:
            StoreError: Not all chunks are there; says how many.
            NotFound: There is no such blob.
        """
        manifest = b"".join(self.stored(address).chunks)
        occupied, codec = self._check_chunks(manifest)
        return HASH_SIZE + len(manifest) + occupied, codec

    def _check_chunks(self, manifest: bytes) -> tuple[int, int]:
        """Refuse a list of chunks that are not all there (any more); in its transaction.

        Returns:
            How many bytes the chunks occupy; and their codec, compressed if any of them is.
        """
        parts = range(0, len(manifest), HASH_SIZE)
        wanted = {manifest[at : at + HASH_SIZE].hex() for at in parts}
        found, occupied, codec = self._database.rows(_SUMMED_UP, (json.dumps(list(wanted)),))[0]
        if found < len(wanted):
            raise StoreError(_collected_too_early(len(wanted) - found, len(wanted)))
        return occupied, codec

    def is_stored(self, address: bytes) -> bool:
        """Whether a blob is there and need not be written; notes that it is in use again."""
        info = self._info(address)
        return info is not None and self._is_intact(address, info)

    def _is_intact(self, address: bytes, info: BlobInfo) -> bool:
        """Whether all of a blob is there; notes that it is in use again."""
        if info.place == IN_FILE and not self._files.has(address, info.stored_size):
            return False
        if info.place == CHUNKED and not all(map(self.is_stored, self._manifest(address, info))):
            return False
        now = self._clock()
        if now - info.touched <= TOUCHED_EVERY:
            return True
        # Keeps the collector away until something refers to it again, unless it was faster.
        sql = "UPDATE blobs SET touched = ? WHERE id = ? AND hash = ?"
        return self._database.write(sql, (now, info.id, address)) > 0

    def _write(self, packed: list[Packed]) -> None:
        """Write blobs: the files first, so that a crash leaves only files nobody knows."""
        files = [it for it in packed if it.place == IN_FILE]
        for _ in range(_ATTEMPTS):
            written = {it.address: it for it in self._files.write(files)}
            now = self._clock()
            with self._database:
                # The collector takes files without a row away, but only under the lock that
                # is held now: those that are here will stay.
                if all(self._files.has(it.address, it.stored_size) for it in written.values()):
                    for it in packed:
                        self._write_row(written.get(it.address, it), now)
                    return
        raise StoreError(
            f"files written to {self._database.folder / 'objects'} disappear at once; does another "
            "program clear that folder?"
        )

    def _write_row(self, it: Packed, now: int) -> None:
        # The row may be there already: written by another process just now, or left when its
        # file was lost.
        stored_size, codec = it.stored_size, it.codec
        if it.place == CHUNKED:
            occupied, codec = self._check_chunks(it.data[HASH_SIZE:])
            stored_size += occupied
        row = (it.address, it.size, stored_size, codec, it.place, now)
        self._database.write(_INSERT, row)
        if it.place != IN_FILE:
            self._database.write(_INSERT_DATA, (it.data, it.address))

    def put_stored(self, blobs: Sequence[StoredBlob]) -> None:
        """Write blobs of another store, whose content was verified; those there are skipped.

        A list comes after its chunks.

        Raises:
            StoreFull: There is no space left.
        """
        packed = {it.address: as_stored(it) for it in blobs if not self.is_stored(it.address)}
        self._write(list(packed.values()))

    def write_stored(self, blob: StoredBlob) -> Packed:
        """Write the file of such a blob, if it goes into one; threads may do so at once.

        It is in the store once `add_stored` has noted it, within two minutes.

        Raises:
            StoreFull: There is no space left.
        """
        packed = as_stored(blob)
        if packed.place != IN_FILE:
            return packed
        return self._files.write_one(packed)

    def add_stored(self, written: Sequence[Packed]) -> None:
        """Note blobs that `write_stored` has written."""
        self._write_chunk_rows(written)

    def keep(self, address: bytes, session: int) -> None:
        """Note that a session's history refers to a blob, so that it is not collected.

        Large arguments and outcomes are noted by `HistoryWriter.append`, artifacts and
        scripts by their rows; this is for addresses inside of recorded values.
        """
        self._database.write(
            "INSERT OR IGNORE INTO blob_refs (session, hash) VALUES (?, ?)", (session, address)
        )

    # ── reading ──────────────────────────────────────────────────────────────────────────

    def get(self, address: bytes) -> bytes:
        """Return all bytes of a blob, verified.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: What is stored is not what was written; names hash and file.
        """
        info = self.info(address)
        if info.place != CHUNKED:
            return self._whole(address, info)
        return b"".join(self._chunks(address, info))

    def read(self, address: bytes, offset: int, size: int) -> bytes:
        """Return a window of a blob, verified; shorter at its end, empty behind it.

        Args:
            address: The blob's address.
            offset: First byte, from 0.
            size: At most so many bytes.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: What is stored is not what was written; names hash and file.
        """
        info = self.info(address)
        end = min(offset + size, info.size)
        if offset >= end:
            return b""
        if info.place != CHUNKED:
            return self._recent(address, info)[offset:end]
        manifest = self._manifest(address, info)
        parts = []
        for index in range(offset // CHUNK_SIZE, (end - 1) // CHUNK_SIZE + 1):
            start = index * CHUNK_SIZE
            chunk = self._recent(manifest[index], self._chunk_info(address, info, manifest, index))
            parts.append(chunk[max(offset - start, 0) : end - start])
        return b"".join(parts)

    def stream(self, address: bytes) -> Iterator[bytes]:
        """Return an iterator of all bytes of a blob in pieces of at most 8 MiB, verified.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: What is stored is not what was written; names hash and file.
        """
        info = self.info(address)
        if info.place == CHUNKED:
            return self._chunks(address, info)
        return iter((self._whole(address, info),))

    def _chunks(self, address: bytes, info: BlobInfo) -> Iterator[bytes]:
        """Return an iterator of a list's chunks, each verified, and in the end the whole."""
        manifest = self._manifest(address, info)

        def verified() -> Iterator[bytes]:
            whole = blake3()
            for index, chunk in enumerate(manifest):
                data = self._whole(chunk, self._chunk_info(address, info, manifest, index))
                whole.update(data)
                yield data
            if whole.digest() != address:
                raise StoreCorrupt(_damaged(address, str(self._database.path)))

        return verified()

    def _chunk_info(
        self, address: bytes, info: BlobInfo, manifest: list[bytes], index: int
    ) -> BlobInfo:
        """Return how a chunk is stored, if it can be one of that list."""
        chunk = self._info(manifest[index])
        if chunk is None:
            raise StoreCorrupt(
                f"blob {manifest[index].hex()}, a piece of {address.hex()}, is missing in "
                f"{self._database.path}; restore the store from a backup"
            )
        size = min(CHUNK_SIZE, info.size - index * CHUNK_SIZE)
        if chunk.place == CHUNKED or chunk.size != size:
            raise StoreCorrupt(_damaged(address, str(self._database.path)))
        return chunk

    def stored(self, address: bytes) -> StoredBlob:
        """Return a blob as it lies in the store, verified; see `put_stored`.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: What is stored is not what was written; names hash and file.
        """
        info = self.info(address)
        if info.place == CHUNKED:
            data = b"".join(self._manifest(address, info))
            return StoredBlob(address, info.size, RAW, data, is_list=True)
        data, where = self._stored(address, info)
        blob = StoredBlob(address, info.size, info.codec, data)
        try:
            blob.content()
        except ValueError as error:
            raise StoreCorrupt(_damaged(address, where)) from error
        return blob

    def path(self, address: bytes) -> Path:
        """Return where the file of a blob is, if it is in a file."""
        return self._files.path(address)

    def size(self, address: bytes) -> int:
        """Return the size of a blob in bytes.

        Raises:
            NotFound: There is no such blob.
        """
        return self.info(address).size

    def info(self, address: bytes) -> BlobInfo:
        """Return how a blob is stored.

        Raises:
            NotFound: There is no such blob.
        """
        info = self._info(address)
        if info is None:
            raise NotFound(f"the store {self._database.folder} has no blob {address.hex()}")
        return info

    def __contains__(self, address: object) -> bool:
        """Whether there is such a blob."""
        return isinstance(address, bytes) and self._info(address) is not None

    def _info(self, address: bytes) -> BlobInfo | None:
        row = self._database.row(_FIND, (address,))
        return None if row is None else BlobInfo(*row)

    def _recent(self, address: bytes, info: BlobInfo) -> bytes:
        """Return a blob's bytes, kept for a while: windows are read one after the other."""
        with self._cache_mutex:
            data = self._cache.pop(address, None)
            if data is not None:
                self._cache[address] = data  # as the youngest
                return data
        data = self._whole(address, info)
        with self._cache_mutex:
            if address not in self._cache:
                self._cache[address] = data
                self._cached += len(data)
            while self._cached > _CACHE_BYTES and len(self._cache) > 1:
                self._cached -= len(self._cache.pop(next(iter(self._cache))))
        return data

    def _stored(self, address: bytes, info: BlobInfo) -> tuple[bytes, str]:
        """Return the stored bytes of one that is no list, and where they are."""
        if info.place == IN_FILE:
            data = self._files.read(address, info.stored_size)
            return data, str(self._files.path(address))
        return self._inline(address, info), str(self._database.path)

    def _whole(self, address: bytes, info: BlobInfo) -> bytes:
        data, where = self._stored(address, info)
        try:
            return StoredBlob(address, info.size, info.codec, data).content()
        except ValueError as error:
            raise StoreCorrupt(_damaged(address, where)) from error

    def _inline(self, address: bytes, info: BlobInfo) -> bytes:
        data: bytes | None = self._database.value(
            "SELECT data FROM blob_data WHERE id = ?", (info.id,)
        )
        if data is None:
            raise StoreCorrupt(
                f"the bytes of blob {address.hex()} are missing in {self._database.path}; "
                "restore the store from a backup"
            )
        return data

    def _manifest(self, address: bytes, info: BlobInfo) -> list[bytes]:
        """Return the addresses of a blob's chunks."""
        data = self._inline(address, info)
        manifest = data[HASH_SIZE:]
        fits = len(manifest) == -(-info.size // CHUNK_SIZE) * HASH_SIZE
        if not fits or blake3(manifest).digest() != data[:HASH_SIZE]:
            raise StoreCorrupt(_damaged(address, str(self._database.path)))
        return [manifest[at : at + HASH_SIZE] for at in range(0, len(manifest), HASH_SIZE)]


def _damaged(address: bytes, where: str) -> str:
    return (
        f"blob {address.hex()} in {where} is not what was written; restore it from a backup, or "
        "store its content once more after `respell check --repair`"
    )


def _collected_too_early(gone: int, of: int) -> str:
    return (
        f"{gone} of {of} pieces of what is being stored were collected before it was complete; "
        "store it again, with a longer grace period for `gc`"
    )
