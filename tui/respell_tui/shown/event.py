"""One event in full, as lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from respell import values
from respell.history.events import Event
from respell.times import rfc3339
from respell_tui.describe import seconds
from respell_tui.paint import Line
from respell_tui.shown.highlight import highlighted

_LABEL = 9
_MOST_LINES = 400


def event_lines(event: Event) -> list[Line]:
    """Return all that is known of an event.

    Args:
        event: The event.
    """
    state = (f"  {_state(event)}", "bad" if event.error is not None else "dim")
    rows: list[Line] = [[(f"{event.number} ", "number"), (event.name, "title"), state]]
    if event.source:
        rows.append(_field("asked by", f"{event.source}:{event.line}"))
    cause = event.caused_by
    if cause is not None:
        rows.append(_field("cause", f"event {cause}"))
    if event.error is not None:
        rows += [_field("error" if at == 0 else "", text, "bad")
                 for at, text in enumerate(event.error.splitlines() or [""])]  # fmt: skip
    rows.append(_field("at", rfc3339(event.at)))
    if event.duration_s:
        rows.append(_field("took", seconds(event.duration_s)))
    if event.attempts > 1:
        rows.append(_field("attempts", str(event.attempts)))
    rows += _value("arguments", {str(key): one for key, one in event.args.items()})
    if event.ended and event.error is None and event.kind == "effect":
        rows += _value("outcome", event.outcome)
    return rows


def _state(event: Event) -> str:
    if event.error is not None:
        return f"failed: {event.error_class}" if event.error_class else "failed"
    return "" if event.ended else "not ended"


def _field(label: str, text: str, role: str = "") -> Line:
    return [(f"{label:>{_LABEL}}  ", "dim"), (text, role)]


def _value(label: str, value: Any) -> Iterator[Line]:
    yield [(f"{label:>{_LABEL}}", "dim")]
    text = json.dumps(values.to_json(value), ensure_ascii=False, indent=2)
    lines = highlighted(text, "json")
    for line in lines[:_MOST_LINES]:
        yield [("  ", ""), *line]
    if len(lines) > _MOST_LINES:
        yield [(f"  and {len(lines) - _MOST_LINES:,} more lines: `respell events --full` has them",
                "dim")]  # fmt: skip
