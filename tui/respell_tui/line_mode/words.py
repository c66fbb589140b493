"""A command of the line mode: its names and what it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from respell.errors import UsageError

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

Answer = dict[str, Any]

Again = Literal["same", "bare", "never"]
"""What an empty line behind a command does: the same, the command alone, or nothing."""

PLACE = re.compile(r"(?:(?P<file>.+):)?(?P<line>\d+)")


_SHOWN = 60  # characters of what was typed wrongly
_DIGITS = 18  # of a number: longer ones mean the same


@dataclass(frozen=True, slots=True)
class Word:
    """One command.

    Attributes:
        names: What it is called: its short name first.
        perform: What it does.
        takes: Its arguments, for people.
        help: What it does, in a few words.
        of: What its arguments are, for completion (`completing.KINDS`); empty for none.
        also: Other names, which gdb or rr have for it.
        again: What an empty line behind it does.
    """

    names: tuple[str, ...]
    perform: Callable[[LineMode, str], Answer | None]
    takes: str
    help: str
    of: str = ""
    also: tuple[str, ...] = ()
    again: Again = "same"


def number_in(text: str, what: str) -> int:
    """Return a number.

    Raises:
        UsageError: It is none; says what it should be.
    """
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{shlex.quote(text[:_SHOWN])} is not {what}, which is a number")
    return int(text[:_DIGITS])


def place_in(text: str) -> tuple[str | None, int]:
    """Return file, if any, and line of `LINE` or `FILE:LINE`.

    Raises:
        UsageError: It is neither.
    """
    match = PLACE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a place: give LINE or FILE:LINE")
    return match["file"], int(match["line"][:_DIGITS])


def break_option(text: str) -> tuple[str, int, str]:
    """Return file, line and condition of an option `FILE:LINE[:CONDITION]`.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(.+?):(\d+)(?::(.*))?", text, re.DOTALL)
    if match is None:
        raise UsageError(f"--break takes FILE:LINE or FILE:LINE:CONDITION, not {shlex.quote(text)}")
    return match[1], int(match[2]), match[3] or ""
