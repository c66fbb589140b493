"""Searching files: which ones, what in them, and how much of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from respell.errors import PermissionDenied, UsageError
from respell.tools.linear_patterns import LinearPattern
from respell.tools.model import ToolContext
from respell.tools.plain import text_if_possible

MAX_MATCHES = 1000
MAX_DEPTH = 100
MAX_FILE_BYTES = 100 << 20

MAX_ENTRIES = 200_000
MAX_READ_BYTES = 4 << 30
MAX_RESULT_BYTES = 16 << 20
_MAX_LISTED_SKIPS = 1000
_MAX_LINE = 4096  # bytes of a line that are returned
_MAX_EMPTY = 10_000  # empty matches looked at in one line
_LOOKED_AT = 8192  # bytes at the start of a file that tell whether it is text
_LINES_BETWEEN_LOOKS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, and where.

    Attributes:
        pattern: The text or expression.
        depth: How many levels of folders; 1 for the files of one folder.
        context_lines: How many lines before and after a match.
        included: The only extensions to search, small and without dot; empty for all.
        excluded: Extensions not to search.
        excluded_folders: Names of folders not to search, in small letters.
        max_file_bytes: Larger files are skipped.
        max_matches_per_file: No more are looked for.
    """

    pattern: LinearPattern
    depth: int
    context_lines: int
    included: frozenset[str]
    excluded: frozenset[str]
    excluded_folders: frozenset[str]
    max_file_bytes: int
    max_matches_per_file: int


class _Enough(Exception):
    """A limit was reached: what was found so far is the result."""


class Search:
    """One search and what it has found.

    Args:
        wanted: What to look for.
        ctx: What may be read, and whether the call was cancelled.

    Attributes:
        matches: Tables as v0.6.0 gave them.
        files_searched: How many.
        files_skipped: How many could not be searched.
        cut_short: Which limit ended the search early; empty if none did.
    """

    def __init__(self, wanted: Wanted, ctx: ToolContext) -> None:
        self._wanted = wanted
        self._ctx = ctx
        # Of what is within a folder nobody is asked: what is closed is skipped.
        self._permissions = ctx.permissions.silent()
        self._skipped: list[dict[str, Any]] = []
        self._entries = 0
        self._read_bytes = 0
        self._result_bytes = 0
        self.matches: list[dict[str, Any]] = []
        self.files_searched = 0
        self.files_skipped = 0
        self.cut_short = ""

    def search(self, path: str) -> None:
        """Search a file, or the files in a folder.

        Raises:
            OSError: There is none.
            PermissionDenied: It may not be read.
            UsageError: It is neither, or the file is too large.
        """
        resolved = self._ctx.permissions.check_read(path)
        info = resolved.stat()
        try:
            if stat.S_ISDIR(info.st_mode):
                self._search_folder(os.fsencode(path))
            else:
                problem = self._search_file(os.fsencode(path))
                if problem:
                    raise UsageError(f"{path} can't be searched: {problem}")
        except _Enough as limit:
            self.cut_short = str(limit)

    def result(self) -> dict[str, Any]:
        """Return matches, summary and skipped files."""
        return {
            "matches": self.matches,
            "summary": {
                "total_matches": len(self.matches),
                "files_searched": self.files_searched,
                "files_skipped": self.files_skipped,
                "has_matches": bool(self.matches),
                "truncated": bool(self.cut_short),
            },
            "skipped_files": self._skipped,
        }

    # Folders -----------------------------------------------------------------------------

    def _search_folder(self, folder: bytes) -> None:
        """Search a folder and, as deep as is wanted, those in it; symlinks to folders are not."""
        waiting = [(folder, 1)]
        while waiting:
            shown, depth = waiting.pop()
            below = []
            for entry in self._listed(shown):
                path = os.path.join(shown, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    name = os.fsdecode(entry.name).lower()
                    if depth < self._wanted.depth and name not in self._wanted.excluded_folders:
                        below.append((path, depth + 1))
                elif self._is_wanted(entry.name):
                    problem = self._search_file(path)
                    if problem:
                        self._skip(path, problem)
            waiting += reversed(below)

    def _listed(self, folder: bytes) -> list[os.DirEntry[bytes]]:
        self._ctx.check_cancelled()
        try:
            resolved = self._permissions.check_read(folder)
            with os.scandir(os.fsencode(resolved)) as scan:
                entries = list(islice(scan, MAX_ENTRIES + 1))
        except PermissionDenied:
            self._skip(folder, _DENIED)
            return []
        except OSError as error:
            self._skip(folder, error.strerror or str(error))
            return []
        self._entries += len(entries)
        if self._entries > MAX_ENTRIES:
            raise _Enough(f"stopped after {MAX_ENTRIES} files and folders")
        return sorted(entries, key=lambda entry: entry.name)

    def _is_wanted(self, name: bytes) -> bool:
        extension = os.fsdecode(os.path.splitext(name)[1][1:]).lower()
        if extension in self._wanted.excluded:
            return False
        return not self._wanted.included or extension in self._wanted.included

    def _skip(self, path: bytes, reason: str) -> None:
        self.files_skipped += 1
        if len(self._skipped) < _MAX_LISTED_SKIPS:
            self._skipped.append({"file_path": text_if_possible(path), "reason": reason})

    # Files -------------------------------------------------------------------------------

    def _search_file(self, path: bytes) -> str:
        """Search one file; returns why it can't be, else nothing."""
        self._ctx.check_cancelled()
        try:
            resolved = self._permissions.check_read(path)
            # A pipe would wait for somebody to write into it.
            descriptor = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                info = os.fstat(file.fileno())
                if not stat.S_ISREG(info.st_mode):
                    return "it is not a regular file"
                data = file.read(self._wanted.max_file_bytes + 1)
        except PermissionDenied:
            return _DENIED
        except OSError as error:
            return error.strerror or str(error)
        if len(data) > self._wanted.max_file_bytes:
            return f"it has more than {self._wanted.max_file_bytes} bytes, see max_file_size"
        if b"\0" in data[:_LOOKED_AT]:
            return "it is not text"
        self.files_searched += 1
        self._search_text(path, data)
        self._read_bytes += len(data)
        if self._read_bytes > MAX_READ_BYTES:
            raise _Enough(f"stopped after {MAX_READ_BYTES} bytes")
        return ""

    def _search_text(self, path: bytes, data: bytes) -> None:
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        left = self._wanted.max_matches_per_file
        for number, line in enumerate(lines):
            if number % _LINES_BETWEEN_LOOKS == 0:
                self._ctx.check_cancelled()
            text = line.removesuffix(b"\r")
            for begin, end in islice(_spans(self._wanted.pattern, text), left):
                self._add(path, lines, number, begin, end)
                left -= 1
            if not left:
                return

    def _add(self, path: bytes, lines: list[bytes], number: int, begin: int, end: int) -> None:
        self._ctx.check_cancelled()
        around = self._wanted.context_lines
        line = lines[number].removesuffix(b"\r")
        match = {
            "file_path": text_if_possible(path),
            "line_number": number + 1,
            "column_number": begin + 1,
            "line_content": _shortened(line),
            "matched_text": _shortened(line[begin:end]),
            "context_before": [_shortened(one) for one in lines[max(number - around, 0) : number]],
            "context_after": [_shortened(one) for one in lines[number + 1 : number + 1 + around]],
        }
        self._result_bytes += _size(match)
        if self._result_bytes > MAX_RESULT_BYTES:
            raise _Enough(f"stopped after {MAX_RESULT_BYTES} bytes of matches")
        self.matches.append(match)
        if len(self.matches) >= MAX_MATCHES:
            raise _Enough(f"stopped after {MAX_MATCHES} matches")


_DENIED = "reading it is not allowed"


def _spans(pattern: LinearPattern, line: bytes) -> Iterator[tuple[int, int]]:
    """Return where a pattern is found in a line; an empty match only where there is no other."""
    empty: tuple[int, ...] | None = None
    for begin, end in islice(pattern.spans(line), _MAX_EMPTY):
        if end > begin:
            empty = ()
            yield begin, end
        elif empty is None:
            empty = (begin, end)
    if empty:
        yield empty[0], empty[1]


def _shortened(line: bytes) -> str | bytes:
    line = line.removesuffix(b"\r")
    if len(line) <= _MAX_LINE:
        return text_if_possible(line)
    cut = line[:_MAX_LINE]
    # Not in the middle of a character.
    while cut and cut[-1] & 0xC0 == 0x80 and len(cut) > _MAX_LINE - 4:
        cut = cut[:-1]
    return text_if_possible(cut[:-1] + "…".encode())


def _size(match: dict[str, Any]) -> int:
    texts = [match["line_content"], match["matched_text"]]
    return sum(len(text) for text in [*texts, *match["context_before"], *match["context_after"]])
