"""Calls: where the function of a frame was entered, and what the line that is next calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from respell.debug.changes import Listed
from respell.debug.execution import ENTRY
from respell.debug.going_back import GoingBack
from respell.debug.inspecting import Frame, Value, value_of
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.stops import Stop, replaced
from respell.debug.worker import as_text

MOST_CALLS = 64
"""Most calls of one line that are told."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the script's functions.

    Attributes:
        name: What it is called by, or where it is defined.
        source: Chunk name of the function.
        line: Line that the function begins at, 1-based.
        position: Where its first line is about to run.
    """

    name: str
    source: str
    line: int
    position: Position

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "name": self.name, "source": self.source, "line": self.line,
            "position": str(self.position),
        }  # fmt: skip


def calls_of_line(standing: Standing) -> list[Call]:
    """Return what the line that is next calls directly, in the order of time."""
    if standing.stop.at_end:
        return []
    execution = standing.execution
    here = standing.frame_here()
    execution.begin_move()
    after = execution.probe(arm=1, want="over", **here)
    order: dict[str, Any] = {"arm": 1, "want": "calls", "collect": True, "most": MOST_CALLS}
    if "end" not in after:
        order |= {"to_event": after["event"], "to_steps": after["steps"]}
    report = execution.probe(**order, **here)
    return [
        Call(as_text(more["name"]), as_text(more["source"]), more["line"], Position(event, steps))
        for event, steps, more in report["hits"] or []
    ]


def returned_by(standing: Standing, frame: Frame) -> Listed[Value] | None:
    """Return what a frame's function will return; None if it won't, or that is not recorded."""
    if standing.stop.at_end:
        return None
    standing.execution.begin_move()
    report = standing.execution.probe(
        arm=1, want="returns", coroutine=frame.coroutine, depth=frame.depth
    )
    if report["reason"] != "returned":
        return None
    found = [value_of(one) for one in report["at_values"] or []]
    return Listed(found, more=report["at_count"] > len(found))


def go_to_entry(standing: Standing, back: GoingBack, frame: Frame) -> Stop:
    """Go to where the first line of a frame's function was about to run."""
    at = standing.position
    # The place itself may be that line.
    found = back.search(
        ENTRY, {"want": "calls", "coroutine": frame.coroutine, "depth": frame.depth - 1},
        Position(at.event, at.steps + 1),
    )  # fmt: skip
    if found is None:
        return standing.first_line()
    report = standing.execution.seek(found.position)
    return replaced(standing.arrived(report), "goto")
