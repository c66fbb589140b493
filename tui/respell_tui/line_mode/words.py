"""A command of the line mode: its names and what it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from respell.errors import UsageError

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

Answer = dict[str, Any]

PLACE = re.compile(r"(?:(?P<file>.+):)?(?P<line>\d+)")


@dataclass(frozen=True, slots=True)
class Word:
    """One command: its names, what it does, its arguments and its help."""

    names: tuple[str, ...]
    perform: Callable[[LineMode, str], Answer | None]
    takes: str
    help: str


def number_in(text: str, what: str) -> int:
    """Return a number.

    Raises:
        UsageError: It is none; says what it should be.
    """
    if not text.isdigit():
        raise UsageError(f"{text!r} is not {what}")
    return int(text)


def place_in(text: str) -> tuple[str | None, int]:
    """Return file, if any, and line of `LINE` or `FILE:LINE`.

    Raises:
        UsageError: It is neither.
    """
    match = PLACE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a place: give LINE or FILE:LINE")
    return match["file"], int(match["line"])


def break_option(text: str) -> tuple[str, int, str]:
    """Return file, line and condition of an option `FILE:LINE[:CONDITION]`.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(.+?):(\d+)(?::(.*))?", text, re.DOTALL)
    if match is None:
        raise UsageError(f"--break takes FILE:LINE or FILE:LINE:CONDITION, not {shlex.quote(text)}")
    return match[1], int(match[2]), match[3] or ""
