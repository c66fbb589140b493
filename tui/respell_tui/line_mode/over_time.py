"""Commands that ask about all of the execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell_tui.line_mode.words import Answer, Word

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _last(mode: LineMode, rest: str) -> Answer:
    change = mode.debugger.last_change(rest, mode.frame)
    if change is None:
        mode.line(f"{rest} has not changed before {mode.debugger.position}")
        return {"change": None}
    mode.line(change.describe(rest))
    return {"change": change.to_json()}


WORDS = (
    Word(("last",), _last, "EXPR", "when it last changed before here"),
)  # fmt: skip
