"""The folder `damaged/`: what a repair took out of the store. Nothing in it is ever deleted."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from respell.store.disk import sync_file, sync_folder

_ODD = re.compile(r"[^0-9A-Za-z.-]+")
_NAME_LENGTH = 100


class Damaged:
    """The folder `damaged/` of a store."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when something is first put there."""
        self._folder = folder

    def move(self, path: Path) -> Path:
        """Move a file, link or folder there and return where it is now.

        Raises:
            OSError: The system refuses.
        """
        target = self._free(path.name)
        path.rename(target)
        sync_folder(self._folder)
        return target

    def keep(self, name: str, data: bytes) -> Path:
        """Write bytes there, durable, and return where they are.

        Raises:
            OSError: The system refuses.
        """
        return self._write(name, (data,))

    def keep_rows(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
        """Write rows of a table there as JSON Lines; bytes become `{"$bytes": base64}`.

        Raises:
            OSError: The system refuses.
        """
        return self._write(
            name,
            (
                f"{json.dumps(dict(zip(columns, map(_plain, row), strict=True)))}\n".encode()
                for row in rows
            ),
        )

    def _write(self, name: str, parts: Iterable[bytes]) -> Path:
        target = self._free(name)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.writelines(parts)
            file.flush()
            sync_file(fd)
        sync_folder(self._folder)
        return target

    def _free(self, name: str) -> Path:
        """Return a path that is not taken, of a name that came from anywhere."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder / f"{_ODD.sub('_', name)[:_NAME_LENGTH]}-{secrets.token_hex(4)}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    return value
