"""Commands about breakpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from respell.debug import Breakpoint
from respell.debug.defined_functions import defined_by_name
from respell.errors import UsageError
from respell_tui.line_mode.looking import undisplay
from respell_tui.line_mode.words import PLACE, Answer, Word, number_in, place_in

if TYPE_CHECKING:
    from respell.debug.breakpoint_table import BreakpointTable
    from respell_tui.line_mode.mode import LineMode


_FROM_HERE = re.compile(r"[+-]\d{1,6}")


def _break(mode: LineMode, rest: str, *, once: bool = False) -> Answer:
    place, options = _options(rest)
    table = mode.debugger.breakpoints
    if _FROM_HERE.fullmatch(place) or (options and not place):
        place = str(max(1, mode.debugger.stop.line + int(place or 0)))
    if not place:
        if once:
            raise UsageError("tbreak takes a place: [FILE:]LINE or a function")
        return breakpoints(mode)
    if once:
        options["temporary"] = True
    kind, _, what = place.partition(" ")
    what = what.strip()
    if kind in _OF_EVENTS:
        made = _OF_EVENTS[kind](table, what, options)
    elif (found := _function_in(mode, place)) is not None:
        made = table.add_function(found, **options)
    elif kind == "function" or not PLACE.fullmatch(place):
        made = table.add_function(what if kind == "function" else place, **options)
    else:
        file, line = place_in(place)
        made = table.add_line(
            file or mode.debugger.stop.source or mode.debugger.main_source, line, **options
        )
    return _made(mode, made)


def _function_in(mode: LineMode, place: str) -> str | None:
    """Return file and line of gdb's `FILE:FUNCTION`; None of anything else."""
    file, colon, name = place.rpartition(":")
    known = {one.name: one.text for one in mode.debugger.sources()}
    if not colon or name.isdigit() or file not in known:
        return None
    source, lines = defined_by_name({file: known[file]}, name)
    return f"{source}:{lines[0]}"


def _made(mode: LineMode, made: Breakpoint) -> Answer:
    mode.line(f"breakpoint {made.id}: {made.describe()}")
    return {"breakpoint": made.to_json()}


def breakpoints(mode: LineMode, rest: str = "", *, kind: str = "") -> Answer:
    """List them; of those that are named, say also how often they stop."""
    table = mode.debugger.breakpoints
    numbers = _numbers(rest)
    points = [table.get(one) for one in numbers] if numbers else table.list()
    points = [one for one in points if one.kind == (kind or one.kind)]
    shown = []
    for one in points:
        data = one.to_json()
        tail = ""
        if numbers:
            found = table.positions(one.id)
            passed = sum(at <= mode.debugger.position for at in found)
            data |= {"stops": len(found), "stops_by_here": passed}
            tail = f"; stops {_times(len(found))}, {passed} of them up to here"
        mode.line(f"{one.id}  {one.describe()}{tail}")
        shown.append(data)
    if not points:
        mode.line(f"there are no {'watchpoints' if kind == 'data' else 'breakpoints'}")
    return {"breakpoints": shown}


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


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
    table = mode.debugger.breakpoints
    whose = table.whose(expression, mode.chosen)
    made = table.add_data(expression, whose=whose, **options)
    note = mode.taken_as(expression, str(whose.scope["scope"]))
    answer = _made(mode, made)
    if note:
        mode.line("    ", note)
    return {**answer, "note": note or None}


def _no_reads(_mode: LineMode, _rest: str) -> Answer:
    raise UsageError("reads are not followed; `watch` stops where a value changes")


def _condition(mode: LineMode, rest: str) -> Answer:
    """Carry out `condition N [EXPR]`: without an expression there is none any more."""
    number, _, text = rest.partition(" ")
    table = mode.debugger.breakpoints
    changed = table.change(number_in(number, "a breakpoint's number"), condition=text.strip())
    return _made(mode, changed)


def _ignore(mode: LineMode, rest: str) -> Answer:
    """Carry out `ignore N COUNT`: the next COUNT hits, from here on, do not stop."""
    words = rest.split()
    if len(words) != 2:
        raise UsageError("ignore takes a breakpoint's number and how many of its next hits")
    number = number_in(words[0], "a breakpoint's number")
    count = number_in(words[1], "how many of its hits")
    table = mode.debugger.breakpoints
    hits = ""
    if count:
        here = mode.debugger.position
        hits = f"> {count + sum(at <= here for at in table.positions(number, every=True))}"
    return _made(mode, table.change(number, hits=hits))


def _clear(mode: LineMode, rest: str) -> Answer:
    """Carry out gdb's `clear`: take away the breakpoints at a line, or at a function."""
    table, stop = mode.debugger.breakpoints, mode.debugger.stop
    if not rest or PLACE.fullmatch(rest):
        file, line = place_in(rest) if rest else (None, stop.line)
        source = file or stop.source or mode.debugger.main_source
        source, _ = table.source_named(source)
        found = [
            one.id for one in table.list()
            if one.source == source and line in (one.line, one.asked_line)
        ]  # fmt: skip
    else:
        found = [one.id for one in table.list() if one.kind == "function" and one.name == rest]
    if not found:
        raise UsageError(f"there is no breakpoint at {rest or 'this line'}")
    return _delete(mode, " ".join(map(str, found)))


def _delete(mode: LineMode, rest: str) -> Answer:
    word, _, more = rest.partition(" ")
    if word == "display":
        return undisplay(mode, more.strip())
    if word == "bookmark":
        raise UsageError("`unbookmark NAME` forgets a bookmark")
    if word == "breakpoints":
        rest = more
    table = mode.debugger.breakpoints
    numbers = list(dict.fromkeys(_numbers(rest))) or [one.id for one in table.list()]
    for number in numbers:
        table.get(number)
    for number in numbers:
        table.remove(number)
    if not _numbers(rest) and numbers:
        mode.line(f"deleted: {', '.join(map(str, numbers))}")
    return {"deleted": numbers}


def _enable(mode: LineMode, rest: str, *, on: bool) -> Answer:
    word = rest.partition(" ")[0]
    if word in ("once", "count", "delete"):
        raise UsageError(f"enable {word}: `tbreak PLACE` stops once, `ignore N COUNT` later")
    if word == "display":
        raise UsageError("displays are on; `undisplay` takes one away")
    table = mode.debugger.breakpoints
    numbers = _numbers(rest.removeprefix("breakpoints")) or [one.id for one in table.list()]
    for number in numbers:
        table.get(number)
    for number in numbers:
        table.enable(number, on)
    return {"enabled" if on else "disabled": numbers}


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
          "or list", "stop", also=("br", "bre", "brea"), again="never"),
    Word(("tbreak", "tb"), lambda mode, rest: _break(mode, rest, once=True), "PLACE [if …]",
          "the same, once", "stop", again="never"),
    Word(("watch",), _watch, "VARIABLE [if …] [hits …]", "stop where its value changes", "value",
         also=("wa",), again="never"),
    Word(("rwatch", "awatch"), _no_reads, "", "are not there: reads are not followed"),
    Word(("condition",), _condition, "N [EXPR]", "stop only if this is true; or always",
         "number", again="never"),
    Word(("ignore",), _ignore, "N COUNT", "don't stop at its next COUNT hits", "number",
         again="never"),
    Word(("d", "delete"), _delete, "[N …]", "take breakpoints away; all without a number",
         "number", again="never"),
    Word(("clear",), _clear, "[PLACE]", "take away those of a line or a function", "place",
         again="never"),
    Word(("disable",), lambda mode, rest: _enable(mode, rest, on=False), "[N …]", "switch off",
         "number", also=("dis", "disa"), again="never"),
    Word(("enable",), lambda mode, rest: _enable(mode, rest, on=True), "[N …]", "and on again",
         "number", also=("en",), again="never"),
    Word(("breakpoints",), breakpoints, "[N …]",
         "all of them; of those named, how often they stop", "number"),
)  # fmt: skip
