"""The folder `trash/`: files that nothing refers to, kept for a while before they are deleted."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class Trash:
    """The folder `trash/` of a store."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when something is first put there."""
        self._folder = folder

    def put(self, path: Path, now: int) -> bool:
        """Move a file there; return False if it is gone already.

        Args:
            path: The file, in the same file system.
            now: The time it is put there, µs since 1970 UTC; its age counts from then.

        Raises:
            OSError: The system refuses.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # The same content may be put here again before it was deleted.
        target = self._folder / f"{path.name}-{secrets.token_hex(4)}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return False
        with suppress(FileNotFoundError):  # who collects beside us has emptied the trash
            os.utime(target, ns=(now * 1000, now * 1000), follow_symlinks=False)
        return True

    def files(self, before: int) -> Iterator[tuple[Path, int]]:
        """Yield path and size of each file that was put here at that time or earlier.

        Args:
            before: µs since 1970 UTC.

        Raises:
            OSError: The folder can't be read.
        """
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return
        for name in names:
            path = self._folder / name
            try:
                info = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(info.st_mode) and info.st_mtime_ns // 1000 <= before:
                yield path, info.st_size
