"""What is said when re-execution asks for something else than was recorded."""

from __future__ import annotations

import difflib
from typing import Any

from respell import values
from respell.errors import Divergence
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import Store

SEARCH_EVENTS = 1_000  # how far ahead the nearest matching event is looked for


def divergence(report: dict[str, Any], store: Store, session: SessionRecord) -> Divergence:
    """Return the error for what a worker reported.

    Args:
        report: The Lua side's report: what, expected and found.
        store: Where the session is.
        session: The session that was re-executed.
    """
    expected, found = report.get("expected"), report.get("found")
    shown_expected = _shown(expected) if expected else None
    shown_found = _shown(found) if found else None
    before, after = _lines(shown_expected), _lines(shown_found)
    diff = "\n".join(
        difflib.unified_diff(before, after, "recorded", "asked for now", lineterm="", n=99)
    )
    if not diff:  # the same call, and what is inside of it differs
        diff = _text(report.get("what"))
    number = expected["number"] if expected else session.events
    near = _nearest(store, session, number, found) if found else None
    place = shown_found or shown_expected or {}
    sentence = (
        f"session {session.id[:8]} diverges at event {number}: "
        f"{_text(report.get('what')) or 'another effect'}"
    )
    if place.get("source"):
        sentence += f" ({place['source']}:{place['line']})"
    hint = (
        f"\nWhat was asked for now is recorded as event {near}."
        if near
        else "\nThe script did something that its recorded history does not explain."
    )
    return Divergence(
        f"{sentence}\n{diff}{hint}",
        report={
            "event": number,
            "source": place.get("source"),
            "line": place.get("line"),
            "expected": shown_expected,
            "found": shown_found,
            "diff": diff,
            "nearest": near,
        },
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _shown(side: dict[str, Any]) -> dict[str, Any]:
    args = side.get("args")
    data = args.encode() if isinstance(args, str) else args
    return {
        "name": _text(side.get("name")),
        "args": values.to_json(values.decode(data)) if data else {},
        "source": _text(side.get("source")),
        "line": side.get("line") or 0,
    }


def _lines(side: dict[str, Any] | None) -> list[str]:
    if side is None:
        return ["nothing more"]
    lines = [f"{side['name']}  at {side['source']}:{side['line']}"]
    args = side["args"]
    if isinstance(args, dict):
        lines += [f"  {key} = {values.json_line(value)}" for key, value in args.items()]
    else:
        lines.append(f"  {values.json_line(args)}")
    return lines


def _nearest(
    store: Store, session: SessionRecord, number: int, found: dict[str, Any]
) -> int | None:
    """Return the nearest event with the same name and arguments as what was found."""
    name, args = _text(found.get("name")), found.get("args") or b""
    wanted = args.encode() if isinstance(args, str) else args
    first = max(1, number - SEARCH_EVENTS)
    near = [
        record.number
        for _, record in store.history.events(session.key, first, number + SEARCH_EVENTS)
        if _begins(record) and record.name == name and record.args == wanted
    ]
    return min(near, key=lambda one: abs(one - number), default=None)


def _begins(record: Record) -> bool:
    return record.part in (Part.EFFECT, Part.BEGIN, Part.INTENT)
