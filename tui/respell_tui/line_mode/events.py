"""Events, as the line mode shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell import values
from respell.errors import UsageError
from respell.history.events import Event
from respell_tui.describe import arguments, ending
from respell_tui.line_mode.words import Answer, number_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_AROUND = 8  # events on each side of the one that is listed
_ASKED = 80  # characters of arguments, before what came of them


def in_a_line(event: Event) -> str:
    """Return an event's name, what it was asked, and what came of it."""
    asked = arguments(event)
    if len(asked) > _ASKED and ending(event):
        asked = f"{asked[:_ASKED]}…"
    return "  ".join(part for part in (event.name, asked, ending(event)) if part)


def events(mode: LineMode, rest: str = "") -> Answer:
    """List the events around here, or around another one."""
    debugger = mode.debugger
    here = debugger.position.event
    around = number_in(rest, "an event's number") if rest else here
    shown = list(debugger.events(max(1, around - _AROUND), around + _AROUND))
    if not shown:
        raise UsageError(f"there is no event {around}; the last one is {debugger.session.events}")
    for one in shown:
        mark = ">" if one.number == here else " "
        mode.line(mode.shortened(f"{mark}{one.number:6}  {in_a_line(one)}"))
    return {"events": [one.to_json(debugger.session.id) for one in shown]}


def event(mode: LineMode, rest: str = "") -> Answer:
    """Show one event: the one the position comes after, or another."""
    debugger = mode.debugger
    number = number_in(rest, "an event's number") if rest else debugger.position.event
    found = next(debugger.events(number, number), None)
    if found is None:
        raise UsageError(f"there is no event {number}; the last one is {debugger.session.events}")
    mode.line(f"event {number}: {found.name}, {found.kind}")
    if found.line:
        mode.line(f"    by {found.source}:{found.line}", _in_coroutine(found))
    for name, value in found.args.items():
        mode.line(mode.shortened(f"    {name} = {values.json_line(value)}"))
    if found.error is not None:
        mode.line("    ", mode.out.paint(mode.shortened(f"failed: {found.error}"), "red"))
    elif found.ended:
        mode.line(mode.shortened(f"    ended with {values.json_line(found.outcome)}"))
    else:
        mode.line("    has not ended")
    if found.duration_s:
        mode.line(f"    took {found.duration_s:.3g} s")
    return {"event": found.to_json(debugger.session.id)}


def _in_coroutine(event: Event) -> str:
    return f", in coroutine {event.coroutine}" if event.coroutine else ""
