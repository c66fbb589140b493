"""Values as people read them: JSON, in which bytes are text where they are, else hex."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from respell import values
from respell.history.events import Event

MOST_BYTES = 64
"""Bytes that are shown of a string that is no text."""

_HASH_BYTES = 32


def readable(value: Any) -> Any:
    """Return a value's JSON form, in which bytes can be read.

    Args:
        value: A value as histories hold it.
    """
    if isinstance(value, bytes):
        return bytes_text(value)
    if isinstance(value, list | tuple):
        return [readable(one) for one in value]
    if isinstance(value, Mapping):
        return {_key(key): readable(one) for key, one in value.items()}
    return values.to_json(value)


def bytes_text(data: bytes) -> str:
    """Return bytes as text; of what is none their number, and the first of them as hex and ASCII.

    Args:
        data: The bytes.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        if len(data) == _HASH_BYTES:
            return data.hex()
        shown = data[:MOST_BYTES]
        more = " …" if len(data) > len(shown) else ""
        plain = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in shown)
        return f"{len(data):,} bytes: {shown.hex(' ')}{more}  |{plain}|"


def one_liner(value: Any) -> str:
    """Return a value in one line."""
    return json.dumps(readable(value), ensure_ascii=False)


def pretty(value: Any) -> str:
    """Return a value in several lines."""
    return json.dumps(readable(value), ensure_ascii=False, indent=2)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return bytes_text(key)
    return json.dumps(values.to_json(key), ensure_ascii=False)


def pieces(event: Event) -> str | None:
    """Return the text that a part of a model's stream brought; None for any other event."""
    found = event.outcome.get("chunks") if isinstance(event.outcome, dict) else None
    if event.name != "agent.chunks" or not isinstance(found, list):
        return None
    return "".join(bytes_text(one) if isinstance(one, bytes) else str(one) for one in found)
