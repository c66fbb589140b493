"""Commands about breakpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from respell_tui.line_mode.words import PLACE, Answer, Word, number_in, place_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _break(mode: LineMode, rest: str) -> Answer:
    place, options = _options(rest)
    table = mode.debugger.breakpoints
    if not place:
        points = table.list()
        for one in points:
            mode.line(f"{one.id}  {one.describe()}")
        return {"breakpoints": [one.to_json() for one in points]}
    kind, _, what = place.partition(" ")
    if kind == "effect":
        failed = True if what.endswith(" failed") else None
        name = what.removesuffix(" failed") or "*"
        made = table.add_effect(name, failed=failed, hits=options.get("hits", ""))
    elif kind == "error":
        made = table.add_error(caught=what != "uncaught")
    elif kind == "function" or not PLACE.fullmatch(place):
        made = table.add_function(what if kind == "function" else place, **options)
    else:
        file, line = place_in(place)
        made = table.add_line(
            file or mode.debugger.stop.source or mode.debugger.main_source, line, **options
        )
    mode.line(f"breakpoint {made.id}: {made.describe()}")
    return {"breakpoint": made.to_json()}


def _delete(mode: LineMode, rest: str) -> Answer:
    mode.debugger.breakpoints.remove(number_in(rest, "the breakpoint's number"))
    return {}


def _enable(mode: LineMode, rest: str, *, on: bool) -> Answer:
    mode.debugger.breakpoints.enable(number_in(rest, "the breakpoint's number"), on)
    return {}


def _options(text: str) -> tuple[str, dict[str, Any]]:
    """Split `PLACE [if CONDITION] [hits N] [log TEXT]`."""
    options: dict[str, Any] = {}
    for word, key in (("log", "log"), ("hits", "hits"), ("if", "condition")):
        before, found, behind = f" {text} ".partition(f" {word} ")
        if found:
            text, options[key] = before.strip(), behind.strip()
    return text.strip(), options


WORDS = (
    Word(("b", "break"), _break, "[PLACE] [if …] [hits …] [log …]",
          "stop at [FILE:]LINE, a function, `error [uncaught]`, `effect NAME [failed]`; or list"),
    Word(("delete",), _delete, "N", "take a breakpoint away"),
    Word(("disable",), lambda mode, rest: _enable(mode, rest, on=False), "N", "switch one off"),
    Word(("enable",), lambda mode, rest: _enable(mode, rest, on=True), "N", "switch it on again"),
)  # fmt: skip
