"""CSV as it comes: what its bytes mean, what stands between its fields, and its rows."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from respell.errors import UsageError

DELIMITERS = (",", ";", "\t", "|")
MARKS = ((codecs.BOM_UTF16_LE, "UTF-16LE"), (codecs.BOM_UTF16_BE, "UTF-16BE"))
"""How texts in other encodings than UTF-8 begin."""
MAX_COLUMNS = 16_384

_LOOKED_AT = 10  # rows that a delimiter is guessed from
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.A)


@dataclass(frozen=True, slots=True)
class Table:
    """CSV text that has been taken apart as far as its header.

    Attributes:
        text: All of it, without a byte order mark.
        encoding: What its bytes were.
        delimiter: One character.
        header: Names of the columns; one without a name is `Column_N`.
    """

    text: str
    encoding: str
    delimiter: str
    header: list[str]

    @classmethod
    def of(cls, data: str | bytes, delimiter: str | None = None) -> Table:
        """Return the table of some CSV.

        Args:
            data: Text, or bytes in UTF-8, UTF-16 or Windows-1252.
            delimiter: One character; found out by default.

        Raises:
            UsageError: It has no header, or too many columns.
        """
        text, encoding = _decoded(data)
        # The process is confined to this call, so the limit for the process is.
        csv.field_size_limit(sys.maxsize)
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise UsageError("options.delimiter must be one character, and no quote or line end")
        between = delimiter or _delimiter(text)
        first = next(_lines(text, between), None)
        if first is None:
            raise UsageError("parameter input is empty; CSV begins with the names of its columns")
        if len(first) > MAX_COLUMNS:
            raise UsageError(f"the header has {len(first)} columns; at most {MAX_COLUMNS} can be")
        header = [name or f"Column_{i}" for i, name in enumerate(first, 1)]
        return cls(text, encoding, between, header)

    def all_rows(self) -> Iterator[list[str]]:
        """Return the rows below the header, whatever their length; empty lines are none."""
        return islice(_lines(self.text, self.delimiter), 1, None)

    def rows(self) -> Iterator[list[str]]:
        """Return the rows below the header.

        Raises:
            UsageError: One is not as long as the header.
        """
        for number, row in enumerate(self.all_rows(), 1):
            problem = self.problem_with(number, row)
            if problem:
                raise UsageError(problem)
            yield row

    def problem_with(self, number: int, row: Sequence[str]) -> str | None:
        """Return what is wrong with a row, counted from 1 below the header; None for nothing."""
        if len(row) == len(self.header):
            return None
        return f"row {number} has {len(row)} fields; the header has {len(self.header)}"

    def column(self, name: str) -> int:
        """Return where a column is, from 0.

        Raises:
            UsageError: There is none of this name.
        """
        if name in self.header:
            return self.header.index(name)
        near = difflib.get_close_matches(name[:100], self.header, n=1)
        hint = f"; did you mean {near[0]:.100}?" if near else "."
        names = ", ".join(self.header[:20])
        raise UsageError(f"there is no column {name!r:.100}{hint} Columns are: {names:.1000}")


class _Lines:
    """Where a CSV writer writes; each row is one call, and ends with two characters."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, row: str) -> None:
        """Keep a row, which ends with a mere line feed here."""
        self.parts.append(row[:-2] + "\n")


def written(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    """Return rows as CSV text."""
    lines = _Lines()
    # The writer quotes what its line ends are made of, and a field may have either.
    csv.writer(lines, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return "".join(lines.parts)


def number_in(field: str) -> float | None:
    """Return the finite number that a field is; None when it is none."""
    if not _NUMBER.fullmatch(field):
        return None
    number = float(field)
    return number if math.isfinite(number) else None


def _decoded(data: str | bytes) -> tuple[str, str]:
    if isinstance(data, str):
        return data.removeprefix("\ufeff"), "UTF-8"
    for mark, name in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, errors="replace"), name
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode(), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("windows-1252", errors="replace"), "windows-1252"


def _lines(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return (row for row in reader if row)


def _delimiter(text: str) -> str:
    """Return the delimiter that makes the first rows longest, of those that make them equal."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        counts = {len(row) for row in islice(_lines(text, delimiter), _LOOKED_AT)}
        if len(counts) == 1 and max(counts) > most:
            best, most = delimiter, max(counts)
    if most > 1:
        return best
    # No delimiter makes them equal: what the header has most of, probably.
    first = next(_lines(text, "\0"), [""])[0]
    return max(DELIMITERS, key=first.count)
