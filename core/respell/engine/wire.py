"""What the frames about events carry (the frames themselves: `respell.engine.frames`)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from respell import values
from respell.engine.frames import Kind, frame
from respell.errors import UsageError, WorkerFailed
from respell.history.record import Part, Status
from respell.quick import quick_dataclass


@quick_dataclass(frozen=True, slots=True)
class Caused:
    """What the worker reports of an event: the payload of RECORD and CALL."""

    part: Part
    ordinal: int
    parent: int
    status: Status
    name: str
    source: str
    line: int
    coroutine: int
    args: bytes
    outcome: bytes


_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<BQQB")
_PLACE = struct.Struct("<II")
_ANSWER = struct.Struct("<QB")
_RECORD_HEAD = struct.Struct("<BQQQB")
_AT = struct.Struct("<q")
_NAME_AT = _HEAD.size
_PLACE_SIZE = _PLACE.size
_LAST_STATUS = int(max(Status))
_MALFORMED = (struct.error, IndexError, ValueError)


def answer(ordinal: int, status: int, outcome: bytes) -> bytes:
    """Return the ANSWER frame for the event with this ordinal; see `Outcome.answered`."""
    return frame(Kind.ANSWER, _ANSWER.pack(ordinal, status) + _LENGTH.pack(len(outcome)) + outcome)


def parse_caused(payload: memoryview | bytes) -> Caused:
    """Return what a RECORD or CALL frame reports.

    Raises:
        WorkerFailed: It is malformed.
    """
    try:
        return _caused(bytes(payload))
    except _MALFORMED as error:
        raise _malformed(error) from None


def _caused(data: bytes) -> Caused:
    part, ordinal, parent, status = _HEAD.unpack_from(data)
    pos = _HEAD.size
    end = pos + 1 + data[pos]
    name = data[pos + 1 : end].decode()
    pos = end
    end = pos + 1 + data[pos]
    source = data[pos + 1 : end].decode(errors="surrogateescape")
    line, coroutine = _PLACE.unpack_from(data, end)
    pos = end + _PLACE.size
    (size,) = _LENGTH.unpack_from(data, pos)
    args = data[pos + 4 : pos + 4 + size]
    pos += 4 + size
    (size,) = _LENGTH.unpack_from(data, pos)
    outcome = data[pos + 4 : pos + 4 + size]
    if not isinstance(values.decode(args), dict | list | None):
        raise _malformed("the arguments are no table")
    return Caused(
        Part(part), ordinal, parent, Status(status), name, source, line, coroutine, args, outcome
    )


def splice_effect(
    payload: bytes, number: int, number_of: Callable[[int], int], at: int
) -> tuple[bytes, bytes, bytes]:
    """Turn the payload of an EFFECT into (record, name, arguments) without taking it apart.

    The payload has a record's layout but for what only the host knows; most records of a
    session come this way, so it is worth not to unpack and pack them.

    Args:
        payload: Of a RECORD frame whose part is EFFECT.
        number: The event's number.
        number_of: Gives the number of an open event by its ordinal.
        at: Microseconds since 1970 UTC.

    Raises:
        WorkerFailed: It is malformed.
    """
    try:
        part, ordinal, parent, status = _HEAD.unpack_from(payload)
        if parent:
            parent = number_of(parent)
        source_at = _NAME_AT + 1 + payload[_NAME_AT]
        place = source_at + 1 + payload[source_at] + _PLACE_SIZE
        (size,) = _LENGTH.unpack_from(payload, place)
        outcome = place + 4 + size
        (size,) = _LENGTH.unpack_from(payload, outcome)
    except _MALFORMED as error:
        raise _malformed(error) from None
    name = payload[_NAME_AT + 1 : source_at]
    # What passes here unread has to be readable later.
    if outcome + 4 + size != len(payload) or status > _LAST_STATUS or not name.isascii():
        raise _malformed("its lengths, its status or its name make no sense")
    body = b"".join(
        (
            _RECORD_HEAD.pack(part, number, ordinal, parent, status),
            payload[_NAME_AT:place],
            _AT.pack(at),
            payload[place:],
            b"\0\0\0\0",
        )
    )
    return body, name, payload[place + 4 : outcome]


def ordinal_of(payload: bytes) -> int:
    """Return the ordinal of what a RECORD frame that `splice_effect` took reports."""
    return int(_HEAD.unpack_from(payload)[1])


def text_of(args: bytes) -> bytes:
    """Return the text of an output event from its arguments.

    Raises:
        WorkerFailed: It is malformed.
    """
    try:
        text = values.decode(args)["text"]
        return text if isinstance(text, bytes) else text.encode()
    except (*_MALFORMED, LookupError, TypeError, AttributeError) as error:
        raise _malformed(error) from None


def parse_report(payload: bytes) -> dict[str, Any]:
    """Return what a STOPPED frame reports, or a FINISH frame after its status.

    Raises:
        WorkerFailed: It is no map.
    """
    try:
        report = values.decode(payload)
    except UsageError as error:
        raise _malformed(error) from None
    if not isinstance(report, dict):
        raise _malformed(f"it reports {report!r:.80}")
    return report


def _malformed(reason: object) -> WorkerFailed:
    return WorkerFailed(f"the Lua process sent a malformed frame ({reason})")
