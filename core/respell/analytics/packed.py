"""Where the fields of a packed record are, for those who add up a million of them.

See `respell.history.record` for the layout; nothing is taken apart here that is not needed.
"""

from __future__ import annotations

import struct
from typing import Any

from respell.history.record import Part, Record, Status

ORDINAL = struct.Struct("<Q")
NUMBER_AT, ORDINAL_AT, STATUS_AT, NAME_AT = 1, 9, 25, 27

_TIME = struct.Struct("<q")
_TIME_BEHIND_SOURCE = 8

HOOK_CALL = b"hook.call"


def name_of(body: bytes) -> bytes:
    """Return a record's name."""
    return body[NAME_AT : NAME_AT + body[NAME_AT - 1]]


def time_of(body: bytes) -> int:
    """Return when a record was made, in µs since 1970 UTC."""
    source_at = NAME_AT + body[NAME_AT - 1]
    at: int = _TIME.unpack_from(body, source_at + 1 + body[source_at] + _TIME_BEHIND_SOURCE)[0]
    return at


def hook_us(body: bytes) -> int:
    """Return how many µs a hook's call took, as its outcome says; 0 where it failed."""
    outcome = Record.unpack(body).value()
    took = outcome.get("us") if isinstance(outcome, dict) else None
    return took if isinstance(took, int) and took > 0 else 0


def ends_a_hook(body: bytes) -> bool:
    """Return whether a record of a hook's call is the one that says how it went."""
    return body[0] in (Part.EFFECT, Part.NOTE, Part.END)


def spent(body: bytes) -> tuple[int, float]:
    """Return the tokens and the cost in US dollars that a model's answer tells of."""
    if body[STATUS_AT] != Status.OK:
        return 0, 0.0
    answer = Record.unpack(body).value()
    if not isinstance(answer, dict):
        return 0, 0.0
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = _number(usage.get("input_tokens")) + _number(usage.get("output_tokens"))
    return int(tokens), float(_number(answer.get("cost_usd")))


def _number(value: Any) -> int | float:
    return value if isinstance(value, int | float) and 0 <= value < float("inf") else 0
