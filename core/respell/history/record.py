"""One record of a history, and its bytes.

A record is what is appended; an event is one record or several with the same number:

- EFFECT: a whole effect in one record (arguments and outcome)
- BEGIN … END: something with events inside it (a hook call, a tool written in Lua, an
  effect that hooks surround); INTENT and OUTCOME may stand between
- INTENT … OUTCOME: an effect performed outside the worker
- NOTE: what the host adds of itself (lifecycle changes, limits, edits)

The layout is one that Lua's `string.unpack` reads in a single call, because re-execution
reads every record: FORMAT below, little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from enum import IntEnum
from typing import Any

from blake3 import blake3

from respell import values
from respell.errors import UsageError
from respell.quick import quick_dataclass

HASH_SIZE = 32
FIRST_HASH = bytes(HASH_SIZE)

_HEAD = struct.Struct("<BQQQB")
_MIDDLE = struct.Struct("<IIq")
_LENGTH = struct.Struct("<I")


class Part(IntEnum):
    """Which part of an event a record is."""

    EFFECT = 1
    BEGIN = 2
    INTENT = 3
    OUTCOME = 4
    END = 5
    NOTE = 6


class Status(IntEnum):
    """How an effect ended."""

    NONE = 0
    OK = 1
    ERROR = 2


@quick_dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        part: Which part of its event this is.
        number: The event's number, 1-based within the session.
        ordinal: The how-manieth event the script caused this is, 1-based; 0 for events
            that the host added of itself.
        parent: Number of the event this one happened inside; 0 for none.
        status: How it ended, where this record says so.
        name: e.g. `tool.invoke`.
        source: Lua chunk name of the line that caused it, without the leading `@`.
        line: 1-based line in it; 0 for none.
        coroutine: Number of the coroutine, 0 for the main one.
        at: When it was recorded, microseconds since 1970 UTC.
        args: Canonical bytes of the named arguments (a map); empty where there are none.
        outcome: Canonical bytes of the value, or of the error's text when status is ERROR.
        meta: Canonical bytes of what the host knows besides (due, attempts, …); may be empty.
    """

    part: Part
    number: int
    ordinal: int = 0
    parent: int = 0
    status: Status = Status.NONE
    name: str = ""
    source: str = ""
    line: int = 0
    coroutine: int = 0
    at: int = 0
    args: bytes = b""
    outcome: bytes = b""
    meta: bytes = b""

    def pack(self) -> bytes:
        """Return the record's bytes, as stored, hashed and fed to the worker."""
        name = self.name.encode()[:255]
        source = self.source.encode(errors="surrogateescape")[:255]
        return b"".join(
            (
                _HEAD.pack(self.part, self.number, self.ordinal, self.parent, self.status),
                bytes((len(name),)),
                name,
                bytes((len(source),)),
                source,
                _MIDDLE.pack(self.line, self.coroutine, self.at),
                _LENGTH.pack(len(self.args)),
                self.args,
                _LENGTH.pack(len(self.outcome)),
                self.outcome,
                _LENGTH.pack(len(self.meta)),
                self.meta,
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> Record:
        """Return the record of these bytes.

        Raises:
            struct.error, IndexError, ValueError: The bytes are not one record.
        """
        part, number, ordinal, parent, status = _HEAD.unpack_from(data)
        at_byte = _HEAD.size
        name, at_byte = _short(data, at_byte)
        source, at_byte = _short(data, at_byte)
        line, coroutine, at = _MIDDLE.unpack_from(data, at_byte)
        at_byte += _MIDDLE.size
        args, at_byte = _long(data, at_byte)
        outcome, at_byte = _long(data, at_byte)
        meta, at_byte = _long(data, at_byte)
        if at_byte != len(data):
            raise ValueError(f"a record has {len(data) - at_byte} bytes too many or too few")
        return cls(
            Part(part), number, ordinal, parent, Status(status),
            name.decode(), source.decode(errors="surrogateescape"),
            line, coroutine, at, args, outcome, meta,
        )  # fmt: skip

    def value(self) -> Any:
        """Return the decoded outcome (the error's text when `status` is ERROR)."""
        return _readable(self.outcome)

    def arguments(self) -> dict[Any, Any]:
        """Return the decoded named arguments; of a list by their places, from 1."""
        args = _readable(self.args)
        if isinstance(args, list):
            return dict(enumerate(args, 1))
        return args if isinstance(args, dict) else {} if args is None else {1: args}

    def metadata(self) -> dict[str, Any]:
        """Return the decoded host metadata."""
        return values.decode(self.meta) or {}

    def with_meta(self, meta: bytes) -> Record:
        """Return a copy with other host metadata."""
        return Record(
            self.part, self.number, self.ordinal, self.parent, self.status, self.name,
            self.source, self.line, self.coroutine, self.at, self.args, self.outcome, meta,
        )  # fmt: skip

    def with_outcome(self, status: Status, outcome: bytes) -> Record:
        """Return a copy that ended differently."""
        return replace(self, status=status, outcome=outcome)


Packed = tuple[int, bytes]
"""Number and bytes of a record that nobody had to take apart."""


def chain(previous: bytes, data: bytes) -> bytes:
    """Return the hash of a record whose predecessor's hash is `previous` (32 bytes)."""
    return blake3(previous + data).digest()


def _readable(data: bytes) -> Any:
    """Return a decoded value; the bytes themselves where they are none.

    Records that need no answer are appended unread, so a worker that was taken over can
    write anything. Its session has to stay readable all the same.
    """
    try:
        return values.decode(data)
    except UsageError:
        return data


def _short(data: bytes, start: int) -> tuple[bytes, int]:
    end = start + 1 + data[start]
    return data[start + 1 : end], end


def _long(data: bytes, start: int) -> tuple[bytes, int]:
    (size,) = _LENGTH.unpack_from(data, start)
    end = start + 4 + size
    if end > len(data):
        raise ValueError("a record ends too early")
    return data[start + 4 : end], end
