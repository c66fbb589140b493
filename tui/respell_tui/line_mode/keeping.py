"""Commands that keep positions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from respell.errors import UsageError
from respell_tui.line_mode.words import Answer, Word
from respell_tui.text import one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def bookmarks(mode: LineMode, _rest: str = "") -> Answer:
    """List them."""
    marks = mode.debugger.bookmarks()
    for one in marks:
        mode.line(one_line(f"{one.name}  {one.position}  {one.note}").rstrip())
    if not marks:
        mode.line("there are no bookmarks; `bookmark NAME` keeps this position")
    return {"bookmarks": [one.to_json() for one in marks]}


def _bookmark(mode: LineMode, rest: str) -> Answer:
    if not rest:
        return bookmarks(mode)
    name, _, note = rest.partition(" ")
    if name in ("start", "end") or re.fullmatch(r"[\d.+%]+", name):
        raise UsageError(f"`goto {name}` is a position by itself; give the bookmark another name")
    made = mode.debugger.bookmark(name, note.strip())
    mode.line(one_line(f"{made.name} is {made.position}"))
    return {"bookmark": made.to_json()}


def _unbookmark(mode: LineMode, rest: str) -> Answer:
    mode.debugger.delete_bookmark(rest)
    return {}


WORDS = (
    Word(("bookmark",), _bookmark, "[NAME [NOTE]]", "keep this position; or list all", "bookmark",
         again="never"),
    Word(("unbookmark",), _unbookmark, "NAME", "forget one", "bookmark", again="never"),
)  # fmt: skip
