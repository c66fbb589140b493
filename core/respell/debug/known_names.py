"""Names that an expression may go on with: what is in scope, and what is in tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from respell.debug.inspecting import Frame

if TYPE_CHECKING:
    from respell.debug.debugger import Debugger

_TYPED = re.compile(
    r"(?P<path>(?:[A-Za-z_]\w*(?:\[(?:-?\d+|\"[^\"\\]*\"|'[^'\\]*')\])*[.:])*)(?P<begun>[A-Za-z_]\w*)?$"
)
_KEY = re.compile(
    r"(?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[(?:-?\d+|\"[^\"\\]*\")\])*)\[(?P<begun>-?\d*|\"[^\"\\]*)$"
)
KEYWORDS = (
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
)  # fmt: skip
_ALONG_INDEX = 10
_MOST_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name that may follow.

    Attributes:
        name: The name; of a key in brackets `[1]` or `["a b"]`.
        type: Type of its value, or keyword.
        order: How near it is: 0 for locals and entries, 1 for upvalues, 2 for globals, 3 for
            keywords.
    """

    name: str
    type: str
    order: int = 0


def known_names(
    debugger: Debugger, before: str, frame: Frame | int = 0
) -> tuple[str, list[KnownName]]:
    """Return what has been begun at the end of a text, and all names that it may become.

    Args:
        debugger: Where the names are.
        before: The expression up to the cursor.
        frame: Whose variables it sees.
    """
    match = _TYPED.search(before)
    assert match is not None
    begun = match["begun"] or ""
    path = match["path"].rstrip(".:")
    found = _entries(debugger, path, frame) if path else _in_scope(debugger, frame)
    return begun, [one for one in found.values() if one.name.startswith(begun)]


def known_keys(
    debugger: Debugger, before: str, frame: Frame | int = 0
) -> tuple[str, list[KnownName]]:
    """Return what has been begun behind a bracket, and all keys `[…]` that it may become."""
    match = _KEY.search(before)
    if match is None:
        return "", []
    value = debugger.look(match["path"], frame)
    if value is None or value.type != "table":
        return "", []
    entries, _, _ = debugger.children(value, count=_MOST_ENTRIES)
    begun = "[" + match["begun"]
    keys = [
        KnownName(_in_brackets(one.name), one.value.type) for one in entries if one.value.text
    ]  # fmt: skip
    return begun, [one for one in keys if one.name.startswith(begun)]


def _in_brackets(name: str) -> str:
    return name if name.startswith("[") else f'["{name}"]'


def _in_scope(debugger: Debugger, frame: Frame | int) -> dict[str, KnownName]:
    found: dict[str, KnownName] = {}
    if debugger.stack(count=1):
        seen = debugger.variables(frame)
        for order, variables in enumerate((seen.locals, seen.upvalues)):
            for one in reversed(variables):
                found.setdefault(one.name, KnownName(one.name, one.value.type, order))
    for name, known in _entries(debugger, "_G", frame).items():
        found.setdefault(name, KnownName(name, known.type, 2))
    for name in KEYWORDS:
        found.setdefault(name, KnownName(name, "keyword", 3))
    return found


def _entries(debugger: Debugger, path: str, frame: Frame | int) -> dict[str, KnownName]:
    value = debugger.look(path, frame)
    found: dict[str, KnownName] = {}
    for _ in range(_ALONG_INDEX):
        if value is None or value.type != "table":
            break
        entries, _, meta = debugger.children(value, count=_MOST_ENTRIES, only="named")
        for one in entries:
            if not one.name.startswith("["):
                found.setdefault(one.name, KnownName(one.name, one.value.type))
        if meta is None:
            break
        inside, _, _ = debugger.children(meta, count=200, only="named")
        value = next((one.value for one in inside if one.name == "__index"), None)
    return found
