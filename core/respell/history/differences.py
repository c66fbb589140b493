"""Where two values differ: paths into them, and what is at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from respell import values

MOST = 50
"""As many differences of two values are listed."""

ABSENT = "(nothing)"


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One difference of two values.

    Attributes:
        path: Where it is, as Lua would have it: `outcome.result[2].name`.
        a: What the first has there; None where it has nothing.
        b: What the second has there, likewise.
    """

    path: str
    a: Any
    b: Any

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.path}: {_shown(self.a)} -> {_shown(self.b)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell diff --json` shows it."""
        return {"path": self.path, "a": values.to_json(self.a), "b": values.to_json(self.b)}


def _shown(value: Any) -> str:
    return ABSENT if value is None else values.json_line(value)


def differences(path: str, a: Any, b: Any, most: int = MOST) -> list[ValueChange]:
    """Return where two values differ, innermost places first that tell them apart.

    1 and 1.0, or 1 and true, are not the same, as in Lua.

    Args:
        path: What the values are called.
        a: The first.
        b: The second.
        most: As many at most.
    """
    found: list[ValueChange] = []
    _compare(path, a, b, found, most)
    return found


def _compare(path: str, a: Any, b: Any, found: list[ValueChange], most: int) -> None:
    if len(found) >= most:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}, key=lambda one: (str(type(one)), str(one))):
            _compare(f"{path}{_key(key)}", a.get(key), b.get(key), found, most)
    elif isinstance(a, list) and isinstance(b, list):
        for i in range(max(len(a), len(b))):
            one = a[i] if i < len(a) else None
            other = b[i] if i < len(b) else None
            _compare(f"{path}[{i + 1}]", one, other, found, most)
    elif values.encode(a) != values.encode(b):
        found.append(ValueChange(path, a, b))


def _key(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{values.json_line(key)}]"
