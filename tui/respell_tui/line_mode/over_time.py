"""Commands that ask about all of the execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug import Change, Origin
from respell.errors import UsageError
from respell_tui.line_mode.words import Answer, Word, place_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _last(mode: LineMode, rest: str) -> Answer:
    change = mode.debugger.last_change(rest, mode.chosen)
    if change is None:
        mode.line(f"{rest} has not changed before {mode.debugger.position}")
    return _changed(mode, rest, change)


def _next(mode: LineMode, rest: str) -> Answer:
    change = mode.debugger.next_change(rest, mode.chosen)
    if change is None:
        mode.line(f"{rest} does not change after {mode.debugger.position}")
    return _changed(mode, rest, change)


def _changed(mode: LineMode, expression: str, change: Change | None) -> Answer:
    if change is not None:
        mode.line(change.describe(expression))
    return {"change": change.to_json() if change is not None else None}


def _values(mode: LineMode, rest: str) -> Answer:
    found = mode.debugger.values(rest, mode.chosen)
    for one in found:
        mode.line(mode.shortened(one.describe(rest)))
    if not found:
        mode.line(f"{rest} never changes")
    if found.more:
        mode.line(f"these are the first {len(found)}; there are more")
    return {"changes": [one.to_json() for one in found], "more": found.more}


def _origin(mode: LineMode, rest: str) -> Answer:
    first, _, after = rest.partition(" ")
    full = first == "full"
    asked = after.strip() if full else rest
    if asked.isdigit() or (full and not asked):
        found = _source_of(mode, int(asked or 0))
    elif not asked:
        raise UsageError(
            "origin takes an expression, such as total or items[3].price; or the number of a "
            "source of what was asked last"
        )
    else:
        found = mode.debugger.origin(asked, mode.chosen)
    mode.origin = found
    for text in found.lines(full=full):
        mode.line(text)
    return {"origin": found.to_json()}


def _source_of(mode: LineMode, number: int) -> Origin:
    """Return a source, from 1, of what was asked last; for 0 that itself."""
    if mode.origin is None:
        raise UsageError("no origin was asked for yet: give an expression")
    sources = mode.origin.sources
    if not 0 <= number <= len(sources):
        there = f"it has 1 to {len(sources)}" if sources else "it has none"
        raise UsageError(f"{mode.origin.expression} has no source {number}; {there}")
    return sources[number - 1] if number else mode.origin


def _hits(mode: LineMode, rest: str) -> Answer:
    counts = mode.debugger.hit_counts(rest or None)
    source = rest or mode.debugger.stop.source or mode.debugger.main_source
    source = mode.debugger.breakpoints.source_named(source)[0]
    for number, text in enumerate(mode.lines_of(source), 1):
        times = str(counts[number]) if number in counts else ""
        mode.line(f"{times:>9}  {number:5}  {text}")
    return {"source": source, "hits": {str(line): times for line, times in counts.items()}}


def _executions(mode: LineMode, rest: str) -> Answer:
    file, line = place_in(rest) if rest else (None, mode.debugger.stop.line)
    found = mode.debugger.executions(line, file)
    for position in found:
        mode.line(str(position))
    if not found:
        mode.line("it never runs")
    if found.more:
        mode.line(f"these are the first {len(found)}; there are more")
    return {"positions": [str(one) for one in found], "more": found.more}


WORDS = (
    Word(("last",), _last, "EXPR", "when it last changed before here", "value"),
    Word(("next-change",), _next, "EXPR", "when it changes next", "value"),
    Word(("values",), _values, "EXPR", "all values it has, over the whole execution", "value"),
    Word(("origin",), _origin, "[full] EXPR|N",
         "which effect a value came from, and how; or source N of that", "value"),
    Word(("hits",), _hits, "[FILE]", "how often each line runs", "source"),
    Word(("executions",), _executions, "[[FILE:]LINE]", "every position at which a line runs",
         "place"),
)  # fmt: skip
