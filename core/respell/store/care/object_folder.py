"""What lies in the folder `objects/`, whoever put it there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_ADDRESS = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{2}")
_UNFINISHED = "tmp-"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One entry of the folder.

    Attributes:
        path: Where it is.
        kind: `blob`: named as the file of a blob; `unfinished`: being written, or left by a
            writer that was cut short; `foreign`: nothing that a store makes.
        address: The address it is named after, empty unless `kind` is `blob`.
        size: Bytes; 0 for what is no file.
        modified: When it was written, µs since 1970 UTC.
    """

    path: Path
    kind: Literal["blob", "unfinished", "foreign"]
    address: bytes
    size: int
    modified: int


def object_files(folder: Path) -> Iterator[FoundFile]:
    """Yield all entries below the folder; follows no links, and skips what is gone meanwhile.

    Raises:
        OSError: A folder can't be read.
    """
    for name, info in _entries(folder):
        path = folder / name
        if not stat.S_ISDIR(info.st_mode) or not _PREFIX.fullmatch(name):
            yield _found(path, "foreign", info)
            continue
        for inner, its_info in _entries(path):
            if not stat.S_ISREG(its_info.st_mode):
                yield _found(path / inner, "foreign", its_info)
            elif _ADDRESS.fullmatch(inner) and inner.startswith(name):
                yield _found(path / inner, "blob", its_info)
            elif inner.startswith(_UNFINISHED):
                yield _found(path / inner, "unfinished", its_info)
            else:
                yield _found(path / inner, "foreign", its_info)


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield name, os.lstat(folder / name)
        except FileNotFoundError:
            continue


def _found(
    path: Path, kind: Literal["blob", "unfinished", "foreign"], info: os.stat_result
) -> FoundFile:
    address = bytes.fromhex(path.name) if kind == "blob" else b""
    size = info.st_size if stat.S_ISREG(info.st_mode) else 0
    return FoundFile(path, kind, address, size, info.st_mtime_ns // 1000)
