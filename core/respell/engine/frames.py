"""Frames: what host and worker say to each other.

A frame is a 4-byte little-endian length, one byte of kind and a payload.
`respell/lua/effects.lua` has the same kinds. No enum and no dataclass here, nor anything
else whose import takes time: the worker imports this module, and its start is counted in
milliseconds.
"""

from __future__ import annotations

import struct

MAX_FRAME = 512 * 1024 * 1024

_LENGTH = struct.Struct("<I")


class Kind:
    """What a frame says."""

    # worker -> host
    RECORD = 0x01  # happened, needs no answer
    CALL = 0x02  # wants an ANSWER
    WINDOW = 0x03  # a window of the history was used up, send another
    BLOB = 0x04  # wants DATA
    FINISH = 0x05  # the script ended
    STOPPED = 0x06  # re-execution ended: divergence, frontier or a limit
    TRACE = 0x07  # what was re-executed since the last one
    READY = 0x08  # confined and waiting for INIT; names the sandbox layers
    IN_HOOK = 0x09  # computes in the hook call with this ordinal now, 0: in none
    PAUSED = 0x0A  # a worker that a debugger drives stands still; where, and why
    REPLY = 0x0B  # what an order came to
    EDITED = 0x0C  # set a variable, as it was told to; its number, and records re-executed by then
    # host -> worker
    INIT = 0x81
    HISTORY = 0x82
    END = 0x83  # of the history; says what comes after it
    ANSWER = 0x84
    DATA = 0x85
    COMMAND = 0x86  # an order of a debugger


class After:
    """What comes after the end of a history: the payload of END."""

    STOP = 0  # nothing
    LIVE = 1  # the host is asked
    OPEN = 2  # more of it, perhaps: a debugger follows a session that runs
    RUNS_ON = 3  # nothing more of the one that was followed, whose script ran to its end
    CLOSED = 4  # nothing more of the one that was followed, whose script did not
    MORE = 5  # more of it for certain, though it was said before that this was all


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return _LENGTH.pack(len(payload) + 1) + bytes((kind,)) + payload


class Splitter:
    """Cuts a byte stream into frames.

    Args:
        most: Bytes of the longest frame that is let through.
    """

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._parts: list[bytes] = []  # of a frame that is not complete yet
        self._held = 0
        self._needed = 4

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the frames that are complete now, as (kind, payload).

        Raises:
            ValueError: A frame is longer than any that may be sent.
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
            if size > self._most or size == 0:
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
