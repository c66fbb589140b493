"""Commands that keep positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell_tui.line_mode.words import Answer, Word

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _bookmark(mode: LineMode, rest: str) -> Answer:
    if not rest:
        marks = mode.debugger.bookmarks()
        for one in marks:
            mode.line(f"{one.name}  {one.position}  {one.note}")
        return {"bookmarks": [one.to_json() for one in marks]}
    name, _, note = rest.partition(" ")
    return {"bookmark": mode.debugger.bookmark(name, note.strip()).to_json()}


def _unbookmark(mode: LineMode, rest: str) -> Answer:
    mode.debugger.delete_bookmark(rest)
    return {}


WORDS = (
    Word(("bookmark",), _bookmark, "[NAME [NOTE]]", "keep this position; or list all"),
    Word(("unbookmark",), _unbookmark, "NAME", "forget one"),
)  # fmt: skip
