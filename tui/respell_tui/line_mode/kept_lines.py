"""The lines that were typed, kept in a file for the next time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_state_path

_MOST_BYTES = 1 << 20  # of the file that are read
_LONGEST = 4_000  # characters of a line that is kept


def kept_path() -> Path:
    """Return the file, in the platform's folder for such."""
    return user_state_path("respell", appauthor=False) / "debug_history"


class KeptLines:
    """The file of lines, which only its owner can read.

    Each line is written as soon as it is typed, so that a terminal that is closed loses none.
    Several debuggers may write at the same time. What begins with a blank is not kept.

    Args:
        path: The file.
        most: How many lines are kept; 0 for none.
        tell: Called, once, with why lines can't be kept.
    """

    def __init__(self, path: Path, most: int, tell: Callable[[str], None]) -> None:
        self._path, self._most, self._tell = path, most, tell
        self._last = ""
        self._failed = False

    def read(self) -> list[str]:
        """Return the lines of before, oldest first."""
        if not self._most:
            return []
        try:
            lines = self._read()
            if len(lines) > 2 * self._most:
                self._write(lines[-self._most :])
        except FileNotFoundError:
            return []
        except OSError as error:
            self._fail(error)
            return []
        found = lines[-self._most :]
        self._last = found[-1] if found else ""
        return found

    def add(self, line: str) -> bool:
        """Keep a line; whether it is one to be kept."""
        fit = line.strip() and not line.startswith(" ") and "\n" not in line
        if not self._most or not fit or line == self._last or len(line) > _LONGEST:
            return False
        self._last = line
        if not self._failed:
            try:
                self._append(line)
            except OSError as error:
                self._fail(error)
        return True

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o600)
            os.write(file, f"{line}\n".encode(errors="surrogateescape"))
        finally:
            os.close(file)

    def _read(self) -> list[str]:
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _MOST_BYTES))
            data = file.read()
        lines = data.decode(errors="surrogateescape").split("\n")
        whole = lines if size <= _MOST_BYTES else lines[1:]
        return [one for one in whole if one.strip() and one.isprintable()]

    def _write(self, lines: list[str]) -> None:
        """Replace the file, whole or not at all; it is made so that only its owner reads it."""
        descriptor, name = tempfile.mkstemp(prefix=".debug_history", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write("".join(f"{one}\n" for one in lines).encode(errors="surrogateescape"))
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise

    def _fail(self, error: OSError) -> None:
        self._failed = True
        self._tell(f"can't keep the lines that are typed in {self._path}: {error.strerror}")
