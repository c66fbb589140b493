"""What data_validation asks of values: their type, size, form, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from respell import values

TYPES = ("null", "boolean", "number", "string", "array", "object")
_SHOWN_TEXT = 1000  # characters of a wrong value in its error

_EMAIL = re.compile(r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}")
_MAX_EMAIL = 254  # RFC 5321
_PHONE = re.compile(r"\+?[1-9][0-9]{1,14}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_WITH_HOST = ("http", "https", "ftp", "ws", "wss")


def type_names(value: Any) -> tuple[str, ...]:
    """Return what type a value has; the empty table has two."""
    match value:
        case None:
            return ("null",)
        case bool():
            return ("boolean",)
        case int() | float():
            return ("number",)
        case str() | bytes():
            return ("string",)
        case list():
            return ("array",)
    return ("object",) if value else ("object", "array")


def items_of(value: Any) -> list[Any] | None:
    """Return the items of an array; None when it is none."""
    if value == {}:
        return []
    return value if isinstance(value, list) else None


def bytes_of(value: str | bytes) -> bytes:
    """Return the bytes of a Lua string."""
    return value.encode() if isinstance(value, str) else value


def key_of(value: Any) -> bytes:
    """Return bytes that are equal for equal values; 1 and 1.0 are, as in Lua."""
    return values.encode(_with_integers(value))


def _with_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case list():
            return [_with_integers(item) for item in value]
        case dict():
            return {key: _with_integers(item) for key, item in value.items()}
    return value


def is_email(text: str) -> bool:
    """Return whether a text is an e-mail address as most are."""
    return len(text) <= _MAX_EMAIL and _EMAIL.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Return whether a text is a URL with a scheme, and a host where one belongs."""
    if any(character.isspace() or not character.isprintable() for character in text):
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # raises for a port that is none
    except ValueError:
        return False
    if parts.scheme in _WITH_HOST:
        return bool(host)
    return bool(parts.scheme) and len(text) > len(parts.scheme) + 1


def _is_credit_card(text: str) -> bool:
    digits = [int(character) for character in text if "0" <= character <= "9"]
    if not 13 <= len(digits) <= 19 or re.fullmatch(r"[0-9 -]+", text) is None:
        return False
    doubled = [2 * digit - (9 if digit > 4 else 0) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


CUSTOM: dict[str, tuple[Callable[[str], bool], str]] = {
    "phone": (lambda text: bool(_PHONE.fullmatch(text)), "Invalid phone number format"),
    "uuid": (lambda text: bool(_UUID.fullmatch(text)), "Invalid UUID format"),
    "credit_card": (_is_credit_card, "Invalid credit card number"),
}
"""Custom rules: a check of a string, and what is said when it fails."""


def abridged(value: Any) -> Any:
    """Return a wrong value for its error, shortened: a hundred of large ones is too much."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_TEXT else value[:_SHOWN_TEXT] + "…"
    if isinstance(value, bytes):
        return value[:_SHOWN_TEXT]
    if isinstance(value, list | dict) and _size(value, _SHOWN_TEXT) > _SHOWN_TEXT:
        return f"a table of {len(value)}"
    return value


def _size(value: Any, most: int) -> int:
    """Return how much there is in a value, as soon as it is more than `most`."""
    match value:
        case str() | bytes():
            return 1 + len(value)
        case list() | dict():
            total = 1
            items = value if isinstance(value, list) else [*value.keys(), *value.values()]
            for item in items:
                total += _size(item, most - total)
                if total > most:
                    break
            return total
    return 1
