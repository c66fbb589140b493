"""JSON text to values and back, as scripts should see them."""

from __future__ import annotations

import json
import math
import sys

from respell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NotJson(Exception):
    """A text is not JSON."""


_INT_DIGITS = 20  # a sign and 64 bits


def dumped(value: Any, name: str) -> str:
    """Return a value from Lua as JSON text.

    Keys that are numbers become text, NaN and infinities null.

    Args:
        value: The value.
        name: The parameter's, for errors.

    Raises:
        UsageError: It has bytes that are not UTF-8.
    """
    try:
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    except UnicodeDecodeError:
        raise UsageError(f"parameter {name} has bytes that are not UTF-8; JSON is text") from None


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {_key(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bytes():
            return value.decode()
    return value


def _key(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode()
    return f"{key:g}" if isinstance(key, float) else str(key)


def loaded(text: str) -> Any:
    """Return the value of JSON text: integers within 64 bits, all other numbers floats.

    Raises:
        UsageError: It nests too deep.
        NotJson: It is not JSON; says where.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise UsageError("the JSON nests too deep") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None


def _int(text: str) -> int | float:
    if len(text) <= _INT_DIGITS and -(2**63) <= int(text) < 2**63:
        return int(text)
    return _float(text)


def _float(text: str) -> float:
    """Return a finite float: the largest there is for what is larger, as jq does it."""
    value = float(text)
    return value if math.isfinite(value) else math.copysign(sys.float_info.max, value)


def _constant(text: str) -> Any:
    raise NotJson(f"{text} is no number of JSON")


_decoder = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_constant)
