"""Which tool calls models asked for: what causes a call of a tool is a request to a model.

The loop of an agent runs in the worker, so the history alone does not say it: the host
compares each call with what was asked for last in the same place, and notes the request.
"""

from __future__ import annotations

from typing import Any

from respell import values
from respell.engine.windows import Batches
from respell.history.record import Part, Record, Status

REQUEST, CALL = "agent.request", "tool.invoke"
ASKED_BY = "asked_by"
"""Under which name the metadata of a call has the number of the request."""

_NAME_AT = 27
_LENGTHS = frozenset((len(REQUEST), len(CALL)))
_CALLING = (Part.BEGIN, Part.INTENT)


class ToolCalls:
    """What the last request in each place asked for and was not called yet."""

    def __init__(self) -> None:
        # (coroutine, parent) -> number of the request, and (name, arguments) of its calls
        self._asked: dict[tuple[int, int], tuple[int, list[tuple[Any, bytes]]]] = {}
        self._last = 0  # number of the call that was taken out last

    def watch(self, history: Batches) -> Batches:
        """Pass the records of a history through, learning what is still to be called."""
        for batch in history:
            for body in batch:
                if body[_NAME_AT - 1] in _LENGTHS and body[0] != Part.NOTE:
                    self._learn(body)
            yield batch

    def _learn(self, body: bytes) -> None:
        name = body[_NAME_AT : _NAME_AT + body[_NAME_AT - 1]]
        if name == REQUEST.encode() and body[0] == Part.OUTCOME:
            self.answered(Record.unpack(body))
        elif name == CALL.encode() and body[0] in _CALLING:
            record = Record.unpack(body)
            self.cause_of(record)

    def answered(self, outcome: Record) -> None:
        """Take in what a model answered: the outcome of a request."""
        if outcome.name != REQUEST or outcome.status is not Status.OK:
            return
        answer = outcome.value()
        calls = answer.get("tool_calls") if isinstance(answer, dict) else None
        place = (outcome.coroutine, outcome.parent)
        if isinstance(calls, list) and calls:
            self._asked[place] = (outcome.number, [_call(one) for one in calls])
        else:
            self._asked.pop(place, None)

    def cause_of(self, begun: Record) -> int:
        """Return the number of the request that asked for a call; 0 where none did.

        Args:
            begun: The first record of an event.
        """
        place = (begun.coroutine, begun.parent)
        if begun.name != CALL or begun.part not in _CALLING or place not in self._asked:
            return 0
        number, calls = self._asked[place]
        if begun.number == self._last:
            return 0  # the intent of a call that was begun before, with hooks around it
        given = values.decode(begun.args)
        if not isinstance(given, dict):
            return 0
        call = (given.get("name"), _arguments(given.get("params")))
        if call not in calls:
            return 0
        calls.remove(call)
        self._last = begun.number
        if not calls:
            del self._asked[place]
        return number


def _call(asked: Any) -> tuple[Any, bytes]:
    if not isinstance(asked, dict):
        return None, b""
    return asked.get("name"), _arguments(asked.get("arguments"))


def _arguments(given: Any) -> bytes:
    return values.encode(given or {})  # an empty Lua table may be a list
