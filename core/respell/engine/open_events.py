"""Which events are begun and not ended, and their numbers.

The worker counts the events its script causes (ordinals); the host numbers all events of
the session. Only open events need the translation: they are what others can be inside of.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from respell.engine.windows import Batches
from respell.engine.wire import Caused
from respell.errors import WorkerFailed
from respell.history.record import Part, Record

_HEAD = struct.Struct("<BQQQ")
_COMPLETE = frozenset((int(Part.EFFECT), int(Part.NOTE)))


class OpenEvents:
    """The open events of one running session."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[int, int]] = {}  # ordinal -> (number, parent)
        self._spans: set[int] = set()  # ordinals between BEGIN and END
        self._intents: dict[int, Record] = {}
        self._reading = True  # the history is not yet all read
        self._settled: set[int] = set()  # taken up and ended before it was

    def watch(self, history: Batches) -> Batches:
        """Pass the records of a history through, learning which events stay open."""
        for batch in history:
            for body in batch:
                if body[0] not in _COMPLETE:
                    self._learn(body)
            yield batch
        self._reading = False
        self._settled.clear()

    def _learn(self, body: bytes) -> None:
        part, number, ordinal, parent = _HEAD.unpack_from(body)
        if part == Part.BEGIN:
            self._numbers[ordinal] = (number, parent)
            self._spans.add(ordinal)
        elif part == Part.INTENT:
            if ordinal not in self._settled:
                self._numbers.setdefault(ordinal, (number, parent))
        elif part == Part.OUTCOME:
            self._forget(ordinal)
        elif part == Part.END:
            self._spans.discard(ordinal)
            self._numbers.pop(ordinal, None)

    def place(self, caused: Caused, part: Part, next_number: Callable[[], int]) -> tuple[int, int]:
        """Return number and parent's number of what the worker reports, as this part of its event.

        Raises:
            WorkerFailed: It ends an event that is not open, or begins one that is.
        """
        ordinal = caused.ordinal
        if part is Part.INTENT and ordinal in self._intents:
            raise WorkerFailed(f"the Lua process began event {ordinal} twice")
        if part is Part.END or ordinal in self._spans:
            known = self._numbers.get(ordinal)
            if known is None:
                raise WorkerFailed(f"the Lua process ended event {ordinal}, which is not open")
            if part is Part.END:
                del self._numbers[ordinal]
                self._spans.discard(ordinal)
            return known
        place = (next_number(), self.number_of(caused.parent))
        if part is Part.BEGIN:
            self._spans.add(ordinal)
        if part is not Part.EFFECT:
            self._numbers[ordinal] = place
        return place

    def number_of(self, ordinal: int) -> int:
        """Return the number of an open event; 0 where there is none of that ordinal."""
        place = self._numbers.get(ordinal)
        return place[0] if place else 0

    def begun(self, intent: Record) -> None:
        """Remember an intent until it is settled."""
        self._intents[intent.ordinal] = intent

    def intent(self, ordinal: int) -> Record:
        """Return the intent of an effect that has no outcome yet."""
        return self._intents[ordinal]

    def open_inside(self, ordinal: int) -> list[Record]:
        """Return the intents without outcome inside of an event, its own included."""
        if not self._intents:
            return []
        parents = dict(self._numbers.values())
        number = self.number_of(ordinal)
        found = []
        for intent in self._intents.values():
            inside = intent.number
            while inside and inside != number:
                inside = parents.get(inside, 0)
            if inside:
                found.append(intent)
        return found

    def settled(self, ordinal: int) -> Record:
        """Return the intent that has its outcome now."""
        if self._reading:
            self._settled.add(ordinal)
        intent = self._intents.pop(ordinal)
        self._forget(ordinal)
        return intent

    def _forget(self, ordinal: int) -> None:
        if ordinal not in self._spans:
            self._numbers.pop(ordinal, None)
