"""Changes of the session's state, which its history tells."""

from __future__ import annotations

from respell.debug.changes import NOTHING, Change
from respell.debug.inspecting import Value, quoted
from respell.debug.position import Position
from respell.debug.worker import as_text
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.values import to_json

_NIL = Value("nil", "nil")
_DIGITS = "0123456789"


def state_changes(store: Store, session: SessionRecord, key: str) -> list[Change]:
    """Return every change of a key of the session's own scope, in order."""
    found: list[Change] = []
    own = f"session:{session.id}"
    for event in events(store, session.key):
        if not _is_of(event, own, key):
            continue
        new = _value_of(event.args.get("value")) if event.name == "state.set" else _NIL
        old = found[-1].new if found else NOTHING
        if new != old and not (new == _NIL and not found):
            found.append(Change(Position(event.number), event.source, event.line, old, new, event))
    return found


def _is_of(event: Event, own: str, key: str) -> bool:
    return (
        event.name in ("state.set", "state.delete")
        and event.error is None
        and event.ended
        and as_text(event.args.get("scope") or own) == own
        and as_text(event.args.get("key")) == key
    )


def _value_of(value: object) -> Value:
    """Return a value of the history as the script's is shown."""
    if value is None:
        return _NIL
    if isinstance(value, bool):
        return Value("boolean", str(value).lower())
    if isinstance(value, int):
        return Value("integer", str(value))
    if isinstance(value, float):
        text = f"{value:.14g}"
        return Value("float", text if text.lstrip("-").strip(_DIGITS) else f"{text}.0")
    if isinstance(value, str | bytes):
        data = value if isinstance(value, bytes) else value.encode(errors="surrogateescape")
        return Value("string", quoted(value), size=len(data))
    size = len(value) if isinstance(value, list | dict) else 0
    return Value("table", str(to_json(value)), size=size)
