"""One event in full, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from respell.history.events import Event
from respell_tui.describe import seconds
from respell_tui.paint import Line
from respell_tui.shown.highlight import highlighted
from respell_tui.shown.readable import bytes_text, pieces, pretty

_LABEL = 10
_MOST_LINES = 400


def event_lines(event: Event) -> list[Line]:
    """Return all that is known of an event.

    Args:
        event: The event.
    """
    text, role = _state(event)
    rows: list[Line] = [[(f"{event.number}  ", "number"), (event.name, "title"), (text, role)]]
    if event.error is not None:
        rows += [_field("error" if at == 0 else "", line, "bad")
                 for at, line in enumerate(event.error.splitlines() or [""])]  # fmt: skip
    if event.source:
        rows.append(_field("asked by", f"{event.source}:{event.line}"))
    cause = event.caused_by
    if cause is not None:
        rows.append(_field("cause", f"event {cause}"))
    rows.append(_field("at", clock_time(event.at)))
    if event.duration_s:
        rows.append(_field("took", seconds(event.duration_s)))
    if event.attempts > 1:
        rows.append(_field("attempts", str(event.attempts)))
    streamed = pieces(event)
    if event.kind == "output" or streamed is not None:
        rows += _text("text", event.args.get("text", "") if streamed is None else streamed)
    else:
        args = {str(key): one for key, one in event.args.items()}
        rows += _value("arguments", args) if args else []
    if event.ended and event.error is None and event.kind == "effect" and streamed is None:
        nothing = event.outcome is None
        rows += [_field("outcome", "nil", "dim")] if nothing else _value("outcome", event.outcome)
    return rows


def clock_time(at: int) -> str:
    """Return a time as the clocks here show it, to the millisecond.

    Args:
        at: Microseconds since 1970 UTC.
    """
    shown = datetime.fromtimestamp(at / 1_000_000, tz=UTC).astimezone()
    return f"{shown:%Y-%m-%d %H:%M:%S}.{at // 1000 % 1000:03}"


def _state(event: Event) -> tuple[str, str]:
    if event.error is not None:
        word = f"failed: {event.error_class}" if event.error_class else "failed"
        return f"  {word}", "bad"
    return ("", "") if event.ended else ("  not ended", "warn")


def _field(label: str, text: str, role: str = "") -> Line:
    return [(f"{label:<{_LABEL}}", "dim"), (text, role)]


def _text(label: str, text: Any) -> Iterator[Line]:
    shown = bytes_text(text) if isinstance(text, bytes) else str(text)
    for at, line in enumerate(shown.removesuffix("\n").split("\n")[:_MOST_LINES]):
        yield _field(label if at == 0 else "", line)


def _value(label: str, value: Any) -> Iterator[Line]:
    lines = highlighted(pretty(value), "json")
    if len(lines) == 1:
        yield [(f"{label:<{_LABEL}}", "dim"), *lines[0]]
        return
    yield [(label, "dim")]
    for line in lines[:_MOST_LINES]:
        yield [("  ", ""), *line]
    if len(lines) > _MOST_LINES:
        yield [(f"  and {len(lines) - _MOST_LINES:,} more lines: `respell events --full` has them",
                "dim")]  # fmt: skip
