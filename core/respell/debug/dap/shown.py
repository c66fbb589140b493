"""How values are shown: those of the script, and plain data of its session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from respell.debug.dap.messages import Body
from respell.debug.inspecting import Value, quoted

_PREVIEW = 6
_CONTROL = {code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)} | {
    127: "␡", **{code: f"\\x{code:02x}" for code in range(128, 160)},
}  # fmt: skip

_KINDS = {"function": "method", "string": "data", "table": "class"}


def clean(text: str) -> str:
    """Return text of a script without what could steer a terminal."""
    return text.translate(_CONTROL)


def hexadecimal(number: int) -> str:
    """Return an integer as Lua would read it in base 16."""
    return f"-{-number:#x}" if number < 0 else f"{number:#x}"


def text_of(value: object, *, in_hex: bool = False) -> str:
    """Return a value, of the script or of Python, for people."""
    if isinstance(value, Value):
        if in_hex and value.type == "integer":
            return hexadecimal(int(value.text))
        return clean(value.text)
    return clean(_data_text(value, in_hex, 2))


def _data_text(value: object, in_hex: bool, depth: int) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, bytes)):
        return quoted(value)
    if isinstance(value, int) and in_hex:
        return hexadecimal(value)
    if isinstance(value, Mapping):
        return _list_text([f"{key_of(k)} = " for k in value], list(value.values()), in_hex, depth)
    if isinstance(value, Sequence):
        return _list_text([""] * len(value), list(value), in_hex, depth)
    return str(value)


def _list_text(names: list[str], items: list[Any], in_hex: bool, depth: int) -> str:
    if not depth:
        return "table"
    parts = [
        name + _data_text(item, in_hex, depth - 1)
        for name, item in zip(names[:_PREVIEW], items, strict=False)
    ]
    more = ["…"] if len(items) > _PREVIEW else []
    return f"table {{{', '.join(parts + more)}}}"


def key_of(key: object) -> str:
    """Return a key as a constructor of a table would have it."""
    if isinstance(key, str) and key.isidentifier() and key.isascii():
        return key
    return f"[{_data_text(key, False, 1)}]"


def type_of(value: object) -> str:
    """Return the Lua type of a value."""
    if isinstance(value, Value):
        return value.type
    if value is None:
        return "nil"
    for kind, name in (
        (bool, "boolean"), (int, "integer"), (float, "float"), ((str, bytes), "string"),
    ):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "table"


def hint_of(value: object, *, settable: bool) -> Body:
    """Return a presentation hint."""
    hint: Body = {"kind": _KINDS.get(type_of(value), "property")}
    if not settable:
        hint["attributes"] = ["readOnly"]
    return hint
