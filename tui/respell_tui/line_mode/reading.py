"""Commands from files and pipes: each line knows where it stands, and so does what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from respell.debug.worker import Cancelled
from respell.errors import RespellError, UsageError
from respell_tui.text import fit, one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_SHOWN = 80  # columns of a command that is wrong


@dataclass(frozen=True, slots=True)
class Line:
    """A command, and where it stands.

    Attributes:
        text: The command.
        where: File and line, 1-based: `checks.txt:3`.
    """

    text: str
    where: str


def lines_of(path: str) -> Iterator[Line]:
    """Return the lines of a file.

    Raises:
        UsageError: It can't be read.
    """
    try:
        text = Path(path).expanduser().read_bytes().decode(errors="replace")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can't read the commands in {path}: {why}") from None
    return (Line(one, f"{path}:{number}") for number, one in enumerate(text.split("\n"), 1))


def lines_of_pipe() -> Iterator[Line]:
    """Return the lines of standard input, as they come."""
    if sys.stdin is None:
        return
    for number, data in enumerate(sys.stdin.buffer, 1):
        yield Line(data.decode(errors="replace"), f"standard input:{number}")


def carry_out(mode: LineMode, lines: Iterable[Line]) -> None:
    """Carry out commands, to the first one that is wrong; what is raised says where that is.

    Raises:
        RespellError: One of them can't be carried out. Its notes say which.
        Cancelled: Ctrl-C came.
    """
    for line in lines:
        try:
            mode.perform(line.text)
        except RespellError as error:
            error.add_note(f"{line.where}: {fit(one_line(line.text.strip()), _SHOWN)}")
            raise
        if mode.interrupts.came:
            raise Cancelled(f"{line.where}: Ctrl-C ended it")
        if mode.over or mode.out.closed:
            break


def with_place(error: RespellError) -> str:
    """Return what went wrong, and in which command of which file."""
    notes: list[str] = getattr(error, "__notes__", [])
    return ": ".join([*reversed(notes), str(error)])
