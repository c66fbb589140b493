"""What a Python tool returned, as a value that Lua can have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from respell.values import MAX_DEPTH, BooleanKey

INT_LIMIT = 2**63
_ENVELOPES = 10  # levels of tables that may be around a value in a tool's result


def plain(value: Any) -> Any:
    """Return a value made of None, bool, int, float, str, bytes, list and dict.

    Dataclasses become tables, enums their value, sets sorted arrays, times RFC 3339 text,
    paths and UUIDs text, and integers beyond 64 bits floats. What has no such form is left
    for `values.encode` to refuse.
    """
    match value:
        case None | bool() | float() | bytes() | BooleanKey():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return _text(value)
        case int():
            return int(value) if -INT_LIMIT <= value < INT_LIMIT else float(value)
        case Mapping():
            return {_key(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case Set():
            return sorted((plain(item) for item in value), key=lambda item: (str(type(item)), item))
        case bytearray() | memoryview():
            return bytes(value)
        case datetime():
            moment = value if value.tzinfo else value.astimezone()
            return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
        case date():
            return value.isoformat()
        case PurePath() | UUID():
            return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    return value


def text_if_possible(data: bytes) -> str | bytes:
    """Return bytes as text where they are UTF-8, as Lua strings are passed."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def fits_into_a_result(value: Any, depth: int = 0) -> bool:
    """Return whether a value, e.g. of JSON text, nests no deeper than a tool may return."""
    if depth > MAX_DEPTH - _ENVELOPES:
        return False
    match value:
        case list():
            return all(fits_into_a_result(item, depth + 1) for item in value)
        case dict():
            return all(fits_into_a_result(item, depth + 1) for item in value.values())
    return True


def _text(value: str) -> str | bytes:
    """Return text; half a surrogate pair, which JSON can smuggle in, makes it bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")
    return value


def _key(key: Any) -> Any:
    return plain(key) if isinstance(key, str | Enum | PurePath | UUID) else key
