"""The frames between host and worker.

A frame is a 4-byte little-endian length, one byte of kind and a payload. `respell/lua/
effects.lua` has the same list.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from respell.history.record import Part, Status

MAX_FRAME = 512 * 1024 * 1024


class Kind(IntEnum):
    """What a frame says."""

    # worker -> host
    RECORD = 0x01  # happened, needs no answer
    CALL = 0x02  # wants an ANSWER
    WINDOW = 0x03  # a window of the history was used up, send another
    BLOB = 0x04  # wants DATA
    FINISH = 0x05  # the script ended
    STOPPED = 0x06  # re-execution ended: divergence, frontier or a limit
    TRACE = 0x07  # digest of all that was re-executed
    READY = 0x08  # confined and waiting for INIT; names the sandbox layers
    # host -> worker
    INIT = 0x81
    HISTORY = 0x82
    END = 0x83  # of the history; payload 1: go live, 0: stop there
    ANSWER = 0x84
    DATA = 0x85


@dataclass(frozen=True, slots=True)
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


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return _LENGTH.pack(len(payload) + 1) + bytes((kind,)) + payload


def answer(ordinal: int, status: Status, outcome: bytes) -> bytes:
    """Return the ANSWER frame for the event with this ordinal."""
    return frame(Kind.ANSWER, _ANSWER.pack(ordinal, status) + _LENGTH.pack(len(outcome)) + outcome)


def parse_caused(payload: memoryview | bytes) -> Caused:
    """Return what a RECORD or CALL frame reports.

    Raises:
        struct.error, IndexError, ValueError: The worker sent something malformed.
    """
    data = bytes(payload)
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
    return Caused(
        Part(part), ordinal, parent, Status(status), name, source, line, coroutine, args, outcome
    )


def splice_effect(
    payload: bytes, number: int, number_of: Callable[[int], int], at: int
) -> tuple[bytes, bytes]:
    """Turn the payload of an EFFECT into (packed record, name) without taking it apart.

    The payload has a record's layout but for what only the host knows; most records of a
    session come this way, so it is worth not to unpack and pack them.

    Args:
        payload: Of a RECORD frame whose part is EFFECT.
        number: The event's number.
        number_of: Gives the number of an open event by its ordinal.
        at: Microseconds since 1970 UTC.
    """
    part, ordinal, parent, status = _HEAD.unpack_from(payload)
    if parent:
        parent = number_of(parent)
    source_at = _NAME_AT + 1 + payload[_NAME_AT]
    place = source_at + 1 + payload[source_at] + _PLACE_SIZE
    body = b"".join(
        (
            _RECORD_HEAD.pack(part, number, ordinal, parent, status),
            payload[_NAME_AT:place],
            _AT.pack(at),
            payload[place:],
            b"\0\0\0\0",
        )
    )
    return body, payload[_NAME_AT + 1 : source_at]


class Splitter:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a frame that is not complete yet
        self._held = 0
        self._needed = 4

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the frames that are complete now, as (kind, payload).

        Raises:
            ValueError: A frame is longer than any the worker may send.
        """
        if self._parts:
            # A large frame comes in many pieces: they are joined once, when all are here.
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return []
            data = b"".join(self._parts)
            self._parts = []
        frames: list[tuple[int, bytes]] = []
        append, length_at = frames.append, _LENGTH.unpack_from
        start, total = 0, len(data)
        needed = 4
        while total - start >= 4:
            (size,) = length_at(data, start)
            if size > MAX_FRAME or size == 0:
                raise ValueError(f"a frame of {size} bytes")
            end = start + 4 + size
            if total < end:
                needed = 4 + size
                break
            append((data[start + 4], data[start + 5 : end]))
            start = end
        if start < total:
            self._parts = [data[start:]]
            self._held, self._needed = total - start, needed
        return frames
