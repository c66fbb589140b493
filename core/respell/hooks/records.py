"""The records of calls of hooks: each is an event of its own, inside of what it was called for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from respell import values
from respell.history.record import Packed, Part, Record, Status
from respell.hooks.results import CONTINUE, recorded

if TYPE_CHECKING:
    from respell.hooks.executor import Call

HOOK_CALL = "hook.call"
BESIDE = "hook.fork"
"""An operation that a hook had performed beside an effect: a record when it begins, one when it
has ended."""

_NAMED = bytes((len(HOOK_CALL),)) + HOOK_CALL.encode() + b"\0"
_UP_TO_ARGS = struct.Struct(f"<BQQQB{len(_NAMED)}sIIq")
_LENGTH = struct.Struct("<I")
_NO_META = _LENGTH.pack(0)
_NOTE, _OK = int(Part.NOTE), int(Status.OK)


def notes_of(calls: Sequence[Call], first: int, parent: int, at: int) -> list[Record | Packed]:
    """Return the records of some calls.

    The arguments of each are hook, point and language, and what the hook was told where it can be
    called again to be compared; its outcome is what the hook decided, and `us`, how many
    microseconds that took; or what went wrong.

    Args:
        calls: The calls.
        first: The number of the first one's event; each other one has the next number.
        parent: Number of the event that they happened inside of.
        at: When they are recorded, µs since 1970 UTC.
    """
    notes: list[Record | Packed] = []
    head = _UP_TO_ARGS.pack
    for number, call in enumerate(calls, first):
        if (
            call.result is CONTINUE
            and not call.error
            and call.told is None
            and call.attempt == 1
        ):  # fmt: skip
            # By far the most: put together from parts that are there already.
            hook = call.hook
            body = (
                head(_NOTE, number, 0, parent, _OK, _NAMED, 0, 0, at)
                + _args(hook.name, hook.point.name)
                + _went_on(int(call.duration_s * 1e6))
            )
            notes.append((number, body))
        else:
            notes.append(_note_of(call, number, parent, at))
    return notes


def _note_of(call: Call, number: int, parent: int, at: int) -> Record:
    args_: dict[str, object] = {
        "hook": call.hook.name, "point": call.hook.point.name, "language": "python",
    }  # fmt: skip
    if call.attempt > 1:
        args_["attempt"] = call.attempt
    if call.told is not None:
        args_["context"] = call.told
    decided = call.error or {**recorded(call.result), "us": int(call.duration_s * 1e6)}
    return Record(
        Part.NOTE, number, parent=parent, status=Status.ERROR if call.error else Status.OK,
        name=HOOK_CALL, at=at, args=values.encode(args_), outcome=values.encode(decided),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _args(hook: str, point: str) -> bytes:
    """Return the arguments of a call with nothing special, and their length before them."""
    args = values.encode({"hook": hook, "point": point, "language": "python"})
    return _LENGTH.pack(len(args)) + args


@lru_cache(maxsize=4096)
def _went_on(us: int) -> bytes:
    """Return the outcome of such a call, its length before it, and that there is no metadata."""
    outcome = values.encode({"type": "continue", "us": us})
    return _LENGTH.pack(len(outcome)) + outcome + _NO_META
