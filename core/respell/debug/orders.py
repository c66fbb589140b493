"""What a worker is told to stop at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.standing import Standing
from respell.debug.stops import DIVERGES, DataChange, Stop
from respell.values import unicode


def main_source(standing: Standing) -> str:
    """Return the chunk name of the script itself."""
    return unicode(standing.execution.program.name)


def line_order(
    standing: Standing, breakpoints: BreakpointTable, line: int, source: str | None
) -> dict[str, Any]:
    """Return the order to go to a line, or to the next one that has code.

    Raises:
        UsageError: The session has no such source, or it has no code there.
    """
    standing.be_here()
    asked = source or standing.stop.source or main_source(standing)
    name, at = breakpoints.line_with_code(asked, line)
    return {"to_line": (at, name)}


def order_of(
    breakpoints: BreakpointTable, stops: bool, to_line: tuple[int, str] | None, *, logs: bool
) -> dict[str, Any]:
    """Return the order to stop at breakpoints, if they count, and at a line.

    Args:
        breakpoints: The breakpoints.
        stops: Whether they count.
        to_line: Line and chunk name that stop it as well.
        logs: Whether log points speak: what they say is part of going forward.
    """
    order = breakpoints.order(logs=logs) if stops else {}
    if to_line is not None:
        line, source = to_line
        lines = order.setdefault("lines", {})
        lines.setdefault(line, []).append({"id": 0, "source": source})
    return order


def at_breakpoints(breakpoints: BreakpointTable, stop: Stop) -> Stop:
    """Return a stop with all that its breakpoints have to say; temporary ones are gone then."""
    numbers = list(stop.breakpoints)
    if stop.reason == "breakpoint" and not numbers:
        return replace(stop, reason="goto")  # the line that it was to run to
    if stop.at_end and (stop.error or "").startswith(DIVERGES):
        numbers += [one for one in breakpoints.divergences() if one not in numbers]
    if not numbers:
        return stop
    changes = tuple(
        DataChange(point.id, point.expression, old, new)
        for point, (old, new) in breakpoints.changes_at(numbers, stop.position)
    )
    for number in numbers:
        breakpoints.spend(number)
    return replace(stop, breakpoints=tuple(numbers), changes=changes)


def can_scout(order: dict[str, Any], forks: bool) -> bool:
    """Whether an order can be run without counting lines, until something is found.

    What log points write has a position; and where workers can't be forked, what a condition
    would leave a trace of is computed by one that has come to the same position.
    """
    points = [
        point
        for kind in ("lines", "functions")
        for listed in order.get(kind, {}).values()
        for point in listed
    ]
    if any("pieces" in point for point in points):
        return False
    return bool(order) and (forks or not any("condition" in point for point in points))
