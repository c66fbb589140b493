"""What a worker is told to stop at."""

from __future__ import annotations

from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.standing import Standing
from respell.errors import UsageError
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
    name, lines = breakpoints.lines_of(asked)
    following = [one for one in lines if one >= line]
    if not following or line < 1:
        raise UsageError(f"{name} has no code at or after line {line}")
    return {"to_line": (following[0], name)}


def order_of(
    breakpoints: BreakpointTable, stops: bool, to_line: tuple[int, str] | None
) -> dict[str, Any]:
    """Return the order to stop at breakpoints, if they count, and at a line."""
    order = breakpoints.order() if stops else {}
    if to_line is not None:
        line, source = to_line
        lines = order.setdefault("lines", {})
        lines.setdefault(line, []).append({"id": 0, "source": source})
    return order
