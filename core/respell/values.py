"""Values that cross between Lua, the history and Python.

One canonical binary form (msgpack, minimal lengths, sorted keys) is written by the Lua
side and by this module alike, so equal values have equal bytes and one digest. A Lua
string that is valid UTF-8 is msgpack `str`, any other one `bin`; integers and floats stay
apart; a table whose keys are exactly 1..n (n > 0) is an array, any other one a map with
its keys sorted: numbers ascending, then strings by their bytes, then false, true.

In Python: None, bool, int (64 bit), float, str, bytes, list and dict. Boolean keys of a
map become `BooleanKey`, because Python takes True and 1 for the same key.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

import msgpack

from respell.errors import UsageError

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MAX_DEPTH = 100
_BOOLEAN_KEY = 1


@dataclass(frozen=True, slots=True)
class BooleanKey:
    """The key `true` or `false` of a Lua table."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


def unicode(text: str) -> str:
    """Return text that is Unicode: bytes of names that are not UTF-8 become `\\xff` and so on."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value.

    Args:
        value: None, bool, int within 64 bits, float, str, bytes, or lists, tuples and
            dicts of them. Dict keys: str, bytes, int, float, bool or `BooleanKey`.

    Raises:
        UsageError: Something in it has no Lua counterpart, or it nests deeper than 100.
    """
    try:
        packed: bytes = _packer.pack(_plain(value, 0))
    except UnicodeEncodeError as error:
        raise UsageError(
            f"text with half a surrogate pair ({error.object[error.start]!a}) is no Unicode; "
            "pass it as bytes"
        ) from None
    return packed


def decode(data: bytes) -> Any:
    """Return the value of canonical bytes; the inverse of `encode`.

    Raises:
        UsageError: The bytes are not one complete value.
    """
    if not data:
        return None
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=_extension)
    except (ValueError, msgpack.UnpackException) as error:
        raise UsageError(f"not a canonical value: {error}") from None


_packer = msgpack.Packer(use_bin_type=True, strict_types=False)


def _extension(code: int, data: bytes) -> BooleanKey:
    if code != _BOOLEAN_KEY:
        raise ValueError(f"unknown extension type {code}")
    return BooleanKey(data == b"\x01")


def _plain(value: Any, depth: int) -> Any:
    # By exact type first: this is on the way of every outcome.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise UsageError(f"the integer {value} does not fit in 64 bits")
        return int(value)
    if isinstance(value, float):
        return value if value == value else math.nan  # every NaN has the same bytes
    if isinstance(value, bytes):
        return _text_if_possible(value)
    if isinstance(value, str):
        return str(value)
    if depth >= MAX_DEPTH:
        raise UsageError(f"a value nests deeper than {MAX_DEPTH} levels")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return _plain_map(value, depth + 1)
    raise UsageError(f"a value of type {kind.__name__} can't be passed to Lua: {value!r:.80}")


def _text_if_possible(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _plain_map(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    if all(type(key) is str for key in value):
        # The order of code points is that of their UTF-8 bytes.
        return {key: _plain(value[key], depth) for key in sorted(value) if value[key] is not None}
    items = [(*_key(key), _plain(item, depth)) for key, item in value.items() if item is not None]
    items.sort(key=lambda item: item[0])
    return {key: item for _, key, item in items}


def _key(key: object) -> tuple[tuple[int, Any], Any]:
    """Return (sort position, key to pack)."""
    if isinstance(key, bool):
        key = BooleanKey(key)
    match key:
        case BooleanKey():
            data = b"\x01" if key.value else b"\x00"
            return (2, data), msgpack.ExtType(_BOOLEAN_KEY, data)
        case float() if key.is_integer() and INT_MIN <= key <= INT_MAX:
            return (0, key), int(key)
        case float() if math.isnan(key):
            raise UsageError("NaN can't be a key")
        case int() | float():
            return (0, key), key
        case str():
            return (1, key.encode()), key
        case bytes():
            return (1, key), _text_if_possible(key)
    raise UsageError(
        f"a value of type {type(key).__name__} can't be a key of a Lua table: {key!r:.80}"
    )


def to_json(value: object) -> Any:
    """Return the value in the JSON form of the command line.

    Bytes become `{"$bytes": base64}`, NaN and infinities `{"$float": "nan"}`, maps with
    keys other than strings `{"$map": [[key, value], …]}`.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return value
            return {"$float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case BooleanKey():
            return value.value
        case list() | tuple():
            return [to_json(item) for item in value]
        case dict():
            # A table that happens to use one of the marks would be read back as something else.
            if all(isinstance(key, str) for key in value) and not _looks_marked(value):
                return {key: to_json(item) for key, item in value.items()}
            return {"$map": [[to_json(key), to_json(item)] for key, item in value.items()]}
    raise UsageError(f"a value of type {type(value).__name__} has no JSON form: {value!r:.80}")


_MARKS = ("$bytes", "$float", "$map", "$blob")


def _looks_marked(value: dict[str, Any]) -> bool:
    return any(mark in value for mark in _MARKS)


def from_json(value: object) -> Any:
    """Return the value that `to_json` turned into this JSON form."""
    match value:
        case list():
            return [from_json(item) for item in value]
        case {"$bytes": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
        case {"$float": str(text), **rest} if not rest:
            return float(text)
        case {"$map": list(pairs), **rest} if not rest:
            return {_json_key(from_json(key)): from_json(item) for key, item in pairs}
        case dict():
            return {key: from_json(item) for key, item in value.items()}
    return value


def _json_key(key: Any) -> Any:
    return BooleanKey(key) if isinstance(key, bool) else key


def json_line(value: object) -> str:
    """Return one line of JSON text for a value, floats always with a point or exponent."""
    return json.dumps(to_json(value), ensure_ascii=False, separators=(", ", ": "))


def parse_json(text: str, *, what: str) -> Any:
    """Return the value of JSON text that a person typed.

    Args:
        text: The JSON text.
        what: Where it came from, e.g. `--input`, for the error.

    Raises:
        UsageError: It is not JSON; says where.
    """
    try:
        return from_json(json.loads(text))
    except ValueError as error:
        raise UsageError(
            f"{what} is not JSON: {error}. Text needs quotes of its own, as in '\"yes\"'."
        ) from None
