"""Commands about breakpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from respell.debug import Breakpoint
from respell.errors import UsageError
from respell_tui.line_mode.words import PLACE, Answer, Word, number_in, place_in

if TYPE_CHECKING:
    from respell.debug.breakpoint_table import BreakpointTable
    from respell_tui.line_mode.mode import LineMode


def _break(mode: LineMode, rest: str, *, once: bool = False) -> Answer:
    place, options = _options(rest)
    table = mode.debugger.breakpoints
    if not place:
        return _listed(mode)
    if once:
        options["temporary"] = True
    kind, _, what = place.partition(" ")
    what = what.strip()
    if kind in _OF_EVENTS:
        made = _OF_EVENTS[kind](table, what, options)
    elif kind == "function" or not PLACE.fullmatch(place):
        made = table.add_function(what if kind == "function" else place, **options)
    else:
        file, line = place_in(place)
        made = table.add_line(
            file or mode.debugger.stop.source or mode.debugger.main_source, line, **options
        )
    return _made(mode, made)


def _made(mode: LineMode, made: Breakpoint) -> Answer:
    mode.line(f"breakpoint {made.id}: {made.describe()}")
    return {"breakpoint": made.to_json()}


def _listed(mode: LineMode) -> Answer:
    points = mode.debugger.breakpoints.list()
    for one in points:
        mode.line(f"{one.id}  {one.describe()}")
    if not points:
        mode.line("there are no breakpoints")
    return {"breakpoints": [one.to_json() for one in points]}


def _effect(table: BreakpointTable, text: str, options: dict[str, Any]) -> Breakpoint:
    """Carry out `effect [NAME] [failed] [cost > N] [longer N] [nth N] [where EXPR]`."""
    text, found, where = f" {text}".partition(" where ")
    if found:
        options["where"] = where.strip()
    for pattern, name, kind in _CHOICES:
        if match := re.search(pattern, text):
            options[name] = kind(match[1])
            text = text[: match.start()] + text[match.end() :]
    if re.search(r" failed$", text.rstrip()):
        options["failed"] = True
        text = text.rstrip().removesuffix(" failed")
    name = text.strip() or "*"
    if " " in name:
        raise UsageError(
            f"{name!r} is no pattern of an effect's name; write: b effect [NAME] [failed] "
            "[cost > USD] [longer SECONDS] [nth N] [where EXPR]"
        )
    return table.add_effect(name, **options)


def _state(table: BreakpointTable, text: str, options: dict[str, Any]) -> Breakpoint:
    changes = text == "changes" or text.endswith(" changes")
    name = text.removesuffix("changes").strip() if changes else text
    return table.add_state(name or "*", changes=changes, **options)


def _error(table: BreakpointTable, text: str, options: dict[str, Any]) -> Breakpoint:
    if text not in ("", "uncaught", "caught"):
        raise UsageError(f"b error takes nothing, or uncaught, not {text!r}")
    return table.add_error(caught=text != "uncaught", **options)


_CHOICES: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    (r" cost (?:> ?|above )(\d+(?:\.\d+)?)", "cost_above", float),
    (r" longer (?:than )?(\d+(?:\.\d+)?)", "longer_than", float),
    (r" nth (\d+)", "nth", int),
)

_OF_EVENTS: dict[str, Callable[[BreakpointTable, str, dict[str, Any]], Breakpoint]] = {
    "effect": _effect,
    "state": _state,
    "error": _error,
    "artifact": lambda table, text, options: table.add_artifact(text or "*", **options),
    "divergence": lambda table, _text, _options: table.add_divergence(),
}


def _watch(mode: LineMode, rest: str) -> Answer:
    expression, options = _options(rest)
    if not expression:
        raise UsageError("watch takes a variable, with fields: total, config.retries, list[3]")
    made = mode.debugger.breakpoints.add_data(expression, mode.frame, **options)
    return _made(mode, made)


def _no_reads(_mode: LineMode, _rest: str) -> Answer:
    raise UsageError("reads are not followed; `watch` stops where a value changes")


def _delete(mode: LineMode, rest: str) -> Answer:
    table = mode.debugger.breakpoints
    numbers = _numbers(rest) or [one.id for one in table.list()]
    for number in numbers:
        table.get(number)
    for number in numbers:
        table.remove(number)
    return {"deleted": numbers}


def _enable(mode: LineMode, rest: str, *, on: bool) -> Answer:
    table = mode.debugger.breakpoints
    for number in _numbers(rest) or [one.id for one in table.list()]:
        table.enable(number, on)
    return {}


def _numbers(text: str) -> list[int]:
    return [number_in(one, "a breakpoint's number") for one in text.split()]


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
          "stop at [FILE:]LINE, a function, `error [uncaught]`, `effect NAME [failed] [cost > N] "
          "[longer N] [nth N] [where EXPR]`, `state KEY [changes]`, `artifact NAME`, `divergence`; "
          "or list"),
    Word(("tbreak", "tb"), lambda mode, rest: _break(mode, rest, once=True), "PLACE [if …]",
          "the same, once"),
    Word(("watch",), _watch, "VARIABLE [if …] [hits …]", "stop where its value changes"),
    Word(("rwatch", "awatch"), _no_reads, "", "are not there: reads are not followed"),
    Word(("d", "delete"), _delete, "[N …]", "take breakpoints away; all without a number"),
    Word(("disable",), lambda mode, rest: _enable(mode, rest, on=False), "[N …]", "switch off"),
    Word(("enable",), lambda mode, rest: _enable(mode, rest, on=True), "[N …]", "and on again"),
    Word(("breakpoints",), lambda mode, _: _listed(mode), "", "all of them"),
)  # fmt: skip
