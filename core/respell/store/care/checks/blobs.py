"""Blobs: their rows, their bytes in the database or in files, and their lists of chunks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from respell.errors import NotFound, RespellError, StoreCorrupt
from respell.store.blob_forms import CHUNK_SIZE, CHUNKED, IN_FILE, INLINE, OWN_SIZE, StoredBlob
from respell.store.care.inspection import Inspection, Mend
from respell.store.care.object_folder import object_files
from respell.times import SECOND

_HASH_SIZE = 32
_AT_ONCE = 2_000
_CODECS = (0, 1)
_PLACES = (INLINE, IN_FILE, CHUNKED)
_LEFT_ALONE = 3600 * SECOND
"""Files younger than this may be a writer's that is about to add their row."""

_AGAIN = "Store its content once more, or restore it from a backup"

_SELECT = """
    SELECT id, hash, size, stored_size, codec, place,
        (SELECT length(data) FROM blob_data WHERE blob_data.id = blobs.id)
    FROM blobs
"""
_ROWS = f"{_SELECT} WHERE id > ? ORDER BY id LIMIT {_AT_ONCE}"
_ROW = f"{_SELECT} WHERE id = ?"


@dataclass(frozen=True, slots=True)
class _Row:
    """A blob's row, and how many bytes there are for it in the database."""

    id: int
    hash: bytes
    size: int
    stored_size: int
    codec: int
    place: int
    inline: int | None


def check_blobs(it: Inspection) -> None:
    """Check that all bytes of all blobs are there; with `read_data`, that they are right."""
    total = it.rows("blobs", f"SELECT count(*), ifnull(sum({OWN_SIZE}), 0) FROM blobs")
    it.report.blobs, it.report.blob_bytes = total[0] if total else (0, 0)
    it.expect(it.report.blobs)
    # Lists first: reading them verifies their chunks, which need not be read again then.
    _each(it, lists=True)
    if _each(it, lists=False):
        _each(it, lists=True, again=True)  # those that have just lost pieces for good
    _check_strays(it)
    _check_files(it)


def _each(it: Inspection, *, lists: bool, again: bool = False) -> int:
    """Check all lists, or all other blobs; return how many were taken out."""
    last, before = 0, it.taken_out
    while rows := it.rows("blobs", _ROWS, (last,)):
        last = rows[-1][0]
        for row in (_Row(*columns) for columns in rows):
            if lists == (row.place == CHUNKED):
                _check(it, row)
                it.progress(0 if again else 1)
    return it.taken_out - before


def _check(it: Inspection, row: _Row) -> None:
    wrong = _wrong(it, row)
    if not wrong:
        if it.read_data:
            it.verified.add(row.hash)
        if row.place == CHUNKED:
            _check_measure(it, row)
        return
    if not it.rows("blobs", "SELECT 1 FROM blobs WHERE id = ? AND hash = ?", (row.id, row.hash)):
        return  # the collector took it meanwhile
    path = it.store.blobs.path(row.hash)
    where = str(path if row.place == IN_FILE else it.database.path)
    it.found(
        "blob.damaged",
        f"blob {row.hash.hex()} in {where} {wrong}{it.users_of(row.hash)}",
        _AGAIN,
        Mend(
            "moves what is left of it to damaged/, so that it can be stored again",
            lambda: _take_out(it, row, path),
            still=_is_still_damaged(it, row),
        ),
        blob=row.hash,
        path=where,
    )


def _check_measure(it: Inspection, row: _Row) -> None:
    """Compare what a list's row says of its pieces together with the pieces."""

    def do() -> str:
        sql = "UPDATE blobs SET stored_size = ?, codec = ? WHERE id = ? AND hash = ?"
        it.database.write(sql, (*it.store.blobs.measure_list(row.hash), row.id, row.hash))
        return "it says so now"

    try:
        stored_size, codec = it.store.blobs.measure_list(row.hash)
    except RespellError:
        return  # the collector has just taken it, or pieces of it
    if (row.stored_size, row.codec) != (stored_size, codec):
        it.found(
            "blob.measure",
            f"the row of blob {row.hash.hex()} says that it occupies {row.stored_size} bytes"
            f"{' compressed' * row.codec}, and its pieces make it {stored_size}"
            f"{' compressed' * codec}",
            "",
            Mend("makes it say so", do),
            blob=row.hash,
        )


def _wrong(it: Inspection, row: _Row) -> str:
    """Return what is wrong with a blob; empty if nothing is."""
    if len(row.hash) != _HASH_SIZE or row.place not in _PLACES or row.codec not in _CODECS:
        return "has a row that can't be one"
    if row.place == IN_FILE:
        return _wrong_file(it, row)
    if row.inline is None:
        return "is missing"
    if row.place == CHUNKED:
        return _wrong_list(it, row)
    if row.inline != row.stored_size:
        return f"has {row.inline} bytes where {row.stored_size} were written"
    return _wrong_bytes(row, _inline(it, row)) if _is_read(it, row) else ""


def _is_read(it: Inspection, row: _Row) -> bool:
    """Whether its bytes have to be read: they are wanted, and nobody has read them yet."""
    return it.read_data and row.hash not in it.verified


def _wrong_file(it: Inspection, row: _Row) -> str:
    path = it.store.blobs.path(row.hash)
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            return "is no file"
        if info.st_size != row.stored_size:
            return f"has {info.st_size} bytes where {row.stored_size} were written"
        return _wrong_bytes(row, path.read_bytes()) if _is_read(it, row) else ""
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"can't be read: {error.strerror}"


def _wrong_bytes(row: _Row, data: bytes | None) -> str:
    if data is None:
        return "can't be read"
    try:
        StoredBlob(row.hash, row.size, row.codec, data).content()
    except ValueError as error:
        return f"is not what was written: {error}"
    return ""


def _inline(it: Inspection, row: _Row) -> bytes | None:
    found = it.rows("blob_data", "SELECT data FROM blob_data WHERE id = ?", (row.id,))
    return found[0][0] if found else None


def _wrong_list(it: Inspection, row: _Row) -> str:
    wrong = _wrong_form(it, row)
    return wrong or (_wrong_pieces(it, row) if _is_read(it, row) else "")


def _chunks(row: _Row, data: bytes) -> list[bytes]:
    return StoredBlob(row.hash, row.size, row.codec, data[_HASH_SIZE:]).chunks


def _wrong_form(it: Inspection, row: _Row) -> str:
    """Return what is wrong with a list of pieces, apart from what they hold."""
    data = _inline(it, row) or b""
    chunks = _chunks(row, data)
    if blake3(data[_HASH_SIZE:]).digest() != data[:_HASH_SIZE]:
        return "is not what was written: its list of pieces is damaged"
    if len(chunks) != -(-row.size // CHUNK_SIZE):
        return f"has {len(chunks)} pieces, which is not as many as {row.size} bytes need"
    for index, chunk in enumerate(chunks, 1):
        if not it.rows("blobs", "SELECT 1 FROM blobs WHERE hash = ?", (chunk,)):
            return f"lacks its piece {index} of {len(chunks)} ({chunk.hex()})"
    return ""


def _wrong_pieces(it: Inspection, row: _Row) -> str:
    whole = blake3()
    for chunk in _chunks(row, _inline(it, row) or b""):
        try:
            whole.update(it.store.blobs.get(chunk))
        except (NotFound, StoreCorrupt):
            return ""  # a finding of its own, which names who needs the list
        it.verified.add(chunk)
    return "" if whole.digest() == row.hash else "is not what its pieces add up to"


def _is_still_damaged(it: Inspection, row: _Row) -> Callable[[], bool]:
    """Return what tells whether nobody has stored a blob again since it was looked at."""
    is_list = row.place == CHUNKED
    # What its pieces add up to is not asked again: with the same ones it is the same.
    pieces = _inline(it, row) if is_list and not _wrong_form(it, row) else None

    def still() -> bool:
        found = it.database.row(_ROW, (row.id,))
        if found is None or _Row(*found) != row:
            return False
        if pieces is not None:
            return pieces == _inline(it, row)
        return bool(_wrong_form(it, row) if is_list else _wrong(it, row))

    return still


def _take_out(it: Inspection, row: _Row, path: Path) -> str:
    """Move a damaged blob away; whoever puts the same content heals what refers to it."""
    said = "its row was removed"
    if row.place == IN_FILE:
        if os.path.lexists(path):
            said = f"it is {it.damaged.move(path)} now"
    elif (data := _inline(it, row)) is not None:
        said = f"it is {it.damaged.keep(f'blob-{row.hash.hex()}', data)} now"
    it.database.write("DELETE FROM blob_data WHERE id = ?", (row.id,))
    it.database.write("DELETE FROM blobs WHERE id = ?", (row.id,))
    it.taken_out += 1
    return f"{said}. {_AGAIN}"


# What nothing knows ----------------------------------------------------------------------


_BELONGS_TO_NONE = "id NOT IN (SELECT id FROM blobs)"


def _check_strays(it: Inspection) -> None:
    sql = f"SELECT id FROM blob_data WHERE {_BELONGS_TO_NONE}"
    if "blobs" in it.unreadable_tables:
        return
    for (key,) in it.rows("blob_data", sql):
        it.found(
            "orphan.row",
            f"row {key} of the table blob_data belongs to no blob",
            "",
            _moving_stray(it, key),
        )


def _is_known(it: Inspection, name: str) -> bool:
    sql = f"SELECT 1 FROM blobs WHERE hash = unhex(?) AND place = {IN_FILE}"
    return it.rows("blobs", sql, (name.encode(errors="replace").decode(),)) != []


def _moving_stray(it: Inspection, key: int) -> Mend:
    def still() -> bool:
        sql = f"SELECT 1 FROM blob_data WHERE id = ? AND {_BELONGS_TO_NONE}"
        return it.database.row(sql, (key,)) is not None

    def do() -> str:
        data = it.database.value("SELECT data FROM blob_data WHERE id = ?", (key,))
        path = it.damaged.keep(f"blob_data-{key}", data)
        it.database.write("DELETE FROM blob_data WHERE id = ?", (key,))
        return f"it is {path} now"

    return Mend("moves it to damaged/", do, still=still)


def _moving(it: Inspection, path: Path) -> Mend:
    def still() -> bool:
        return os.path.lexists(path) and not _is_known(it, path.name)

    return Mend("moves it to damaged/", lambda: f"it is {it.damaged.move(path)} now", still=still)


def _check_files(it: Inspection) -> None:
    """Look at what lies in the folder of blobs without being known there."""
    folder = it.database.folder / "objects"
    before = it.store.clock() - _LEFT_ALONE
    try:
        for found in object_files(folder):
            if found.kind == "foreign":
                if _is_known(it, found.path.name):
                    continue  # a finding of its own
                it.found(
                    "file.foreign",
                    f"{found.path} is none of this store's",
                    "",
                    _moving(it, found.path),
                    path=str(found.path),
                )
            elif found.modified < before and not _is_known(it, found.path.name):
                it.report.leftovers += 1
                it.report.leftover_bytes += found.size
    except OSError as error:
        it.found(
            "file.unreadable",
            f"the folder {error.filename or folder} can't be read: {error.strerror}",
            "Let this user read it",
            path=str(error.filename or folder),
        )
