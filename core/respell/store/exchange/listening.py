"""Which subscriptions an imported session had: its history says so, and here it has them anew."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.history.record import Part, Record, Status
from respell.store.bus_rows import name_of

_NAME_AT = 27
_NAMES = frozenset((b"event.subscribe", b"event.unsubscribe"))
_LENGTHS = frozenset(map(len, _NAMES))


class Listening:
    """Subscriptions as of the last record that was looked at.

    Attributes:
        patterns: The pattern of each, by name, oldest first.
    """

    def __init__(self) -> None:
        self.patterns: dict[str, str] = {}
        self._begun: dict[int, dict[Any, Any]] = {}

    def look(self, body: bytes) -> None:
        """Look at a record, in their order."""
        length = body[_NAME_AT - 1] if len(body) >= _NAME_AT else 0
        if length not in _LENGTHS or body[_NAME_AT : _NAME_AT + length] not in _NAMES:
            return
        record = Record.unpack(body)
        args = values.decode(record.args) if record.args else self._begun.get(record.number)
        if not isinstance(args, dict):
            return
        if record.part in (Part.BEGIN, Part.INTENT):
            self._begun[record.number] = args
        elif record.part in (Part.EFFECT, Part.OUTCOME) and record.status is Status.OK:
            self._take(record, args)

    def _take(self, record: Record, args: dict[Any, Any]) -> None:
        if record.name == "event.unsubscribe":
            self.patterns.pop(str(args.get("subscription")), None)
        elif isinstance(args.get("pattern"), str) and record.value() == name_of(record.number):
            self.patterns[name_of(record.number)] = args["pattern"]
