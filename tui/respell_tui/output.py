"""What goes to standard output and standard error.

Standard output is data, standard error is words. On a terminal all text is made visible
(`respell_tui.text`) unless it was painted here; into a pipe or a file it goes as it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from respell_tui.text import VisibleStream, fit, one_line, visible, width, wrap

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

# JSON text may hold these unescaped; a terminal would obey them.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Painted(str):
    """Text that is safe to write as it is: it was made visible, then coloured."""

    __slots__ = ()


class Out:
    """One of the two standard streams.

    Attributes:
        is_terminal: Whether a person reads it directly.
        closed: Whether its reader went away, or it can't be written to any more; what is
            written then is dropped.
        failure: Why it could not be written to, in words; empty if it could, or if only its
            reader went away.
        told: Whether somebody was told of the failure.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # A process can be started without one of them.
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self.closed = stream is None
        self.failure = ""
        self.told = False
        self._colour = self.is_terminal and wants_colour()
        self._shown = VisibleStream()

    def paint(self, text: str, *styles: str) -> Painted:
        """Return one line of text in a colour, where there are colours.

        Args:
            text: Any text.
            styles: Of `bold`, `dim`, `red`, `green`, `yellow`, `cyan`.
        """
        if not self.is_terminal:
            return Painted(text)
        shown = one_line(text)
        if not self._colour or not styles or not shown:
            return Painted(shown)
        codes = ";".join(_SGR[style] for style in styles)
        return Painted(f"\x1b[{codes}m{shown}\x1b[0m")

    def columns(self) -> int | None:
        """Return how wide the terminal is; None where lines may be as long as they are."""
        return shutil.get_terminal_size().columns if self.is_terminal else None

    def line(self, *parts: str) -> None:
        """Write one line made of parts, e.g. `line("  ", paint(name, "bold"), " is done")`."""
        if self.is_terminal:
            parts = tuple(p if isinstance(p, Painted) else visible(p) for p in parts)
        self._write("".join(parts) + "\n")

    def over(self, text: str) -> None:
        """Write one line of our own over the one the cursor is on, on a terminal only."""
        if self.is_terminal:
            self._write(f"\r\x1b[K{one_line(text)[: (self.columns() or 80) - 1]}")

    def raw(self, data: bytes) -> None:
        """Write bytes of a script: as they are, or made visible on a terminal."""
        if self.is_terminal:
            self._write(self._shown.feed(data))
        else:
            self._write_bytes(data)

    def json(self, value: Any) -> None:
        """Write a value that is in its JSON form already; indented for a person."""
        self._write(json_text(value, indent=2 if self.is_terminal else None) + "\n")

    def _write(self, text: str) -> None:
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            data = text.encode("utf-8", "replace")
        self._write_bytes(data)

    def _write_bytes(self, data: bytes) -> None:
        if self.closed or self._stream is None:
            return
        try:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        except OSError as error:
            self.closed = True
            if not isinstance(error, BrokenPipeError):
                self.failure = error.strerror or type(error).__name__
            _point_at_nothing(self._stream)


def _point_at_nothing(stream: TextIO) -> None:
    """Keep what is still buffered from failing again when the interpreter ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def wants_colour() -> bool:
    """Return whether the environment has no objection to colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def data_out() -> Out:
    """Return standard output."""
    return Out(sys.stdout)


def words_out() -> Out:
    """Return standard error."""
    return Out(sys.stderr)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON text without a character that could steer a terminal."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table gives way where the terminal is too narrow.

    Attributes:
        title: What stands above it.
        right: Whether it is aligned to the right.
        least: Terminal columns it may be cut down to; None if it is never cut.
        leave: Which columns are left out where cutting does not help: first those with 1,
            then those with 2 …; 0 is never left out.
    """

    title: str
    right: bool = False
    least: int | None = None
    leave: int = 0


_GAP = 2
_Cell = tuple[int, str]


def table(out: Out, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns.

    For a person: with headers, aligned, and as wide as the terminal at most. The widest
    columns that may be cut are; where that is not enough, columns are left out. Into a pipe:
    one line per row, its fields separated by tabs, nothing cut.

    Args:
        out: Where to.
        columns: What is known of each column.
        rows: The fields; painted ones keep their colour and are never cut.
    """
    if not out.is_terminal:
        for row in rows:
            out.line("\t".join(one_line(field) for field in row))
        return
    cells = [[_cell(field) for field in row] for row in rows]
    needs = [
        max([width(column.title), *(row[i][0] for row in cells)])
        for i, column in enumerate(columns)
    ]
    widths = _shared(columns, needs, out.columns() or 80)
    titles: list[_Cell] = [(width(it.title), out.paint(it.title, "dim")) for it in columns]
    shown = list(widths)
    for line in (titles, *cells):
        parts: list[str] = []
        for i in shown:
            used, text = line[i]
            if used > widths[i] and not isinstance(text, Painted):
                text = fit(text, widths[i])
                used = width(text)
            gap, last = " " * (widths[i] - used), i == shown[-1]
            parts += [gap, text] if columns[i].right else [text, "" if last else gap]
            parts.append("" if last else " " * _GAP)
        out.line(*parts)


def _shared(columns: Sequence[Column], needs: Sequence[int], room: int) -> dict[int, int]:
    """Return how wide each column is that is shown, by its index."""
    least = [
        need if column.least is None else min(need, column.least)
        for column, need in zip(columns, needs, strict=True)
    ]
    shown = list(range(len(columns)))

    def total(widths: Sequence[int]) -> int:
        return sum(widths[i] for i in shown) + _GAP * (len(shown) - 1)

    optional = sorted((column.leave, i) for i, column in enumerate(columns) if column.leave)
    for _, i in optional:
        if total(least) <= room:
            break
        shown.remove(i)
    # No column gets more than the level, and the level is as high as there is room for.
    capped, level = list(needs), max(needs, default=0)
    while total(capped) > room and total(capped) > total(least):
        level = min(level - 1, room)
        capped = [max(low, min(need, level)) for low, need in zip(least, needs, strict=True)]
    return {i: capped[i] for i in shown}


def _cell(field: str) -> _Cell:
    """Return the columns a field needs and what is written of it."""
    if isinstance(field, Painted):
        return width(re.sub(r"\x1b\[[0-9;]*m", "", field)), field
    text = one_line(field)
    return width(text), text


def fields(out: Out, pairs: Sequence[tuple[str, str]]) -> None:
    """Write named values one below the other; empty ones are left out.

    On a terminal a long value goes on in the next lines, below itself; a painted one is
    written as it is, as what a person is to copy.
    """
    shown = [(name, value) for name, value in pairs if value]
    column = max((len(name) for name, _ in shown), default=0) + 2
    terminal = out.columns()
    for name, value in shown:
        lines = [value] if isinstance(value, Painted) else value.split("\n")
        if terminal is not None and not isinstance(value, Painted):
            room = max(terminal - column, 20)
            lines = [piece for line in lines for piece in wrap(visible(line), room)]
        out.line(out.paint(name, "dim"), " " * (column - len(name)), lines[0])
        for line in lines[1:]:
            out.line(" " * column, line)
