"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, chunks: Iterable[bytes], *, mode: int | None = None) -> int:
    """Write a file so that others see its old content or its new, and a crash leaves one.

    Args:
        path: A resolved path; its folder exists.
        chunks: The content.
        mode: Permission bits; by default those of the file that is replaced, or new ones.

    Returns:
        The number of bytes written.

    Raises:
        OSError: It could not be written; the old content is untouched.
    """
    # Not derived from the name, which may be as long as names can be.
    temporary = path.parent / f".respell-{secrets.token_hex(8)}.tmp"
    size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o666), "wb") as file:
            _take_mode(file.fileno(), path, mode)
            for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)
    return size


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_mode(descriptor: int, path: Path, mode: int | None) -> None:
    if mode is None:
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            return
    os.fchmod(descriptor, mode)
