"""What the template engines share: how values are shown, and how much may be rendered."""

from __future__ import annotations

from respell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_RENDERED_CHARACTERS = 16 << 20


def shown(value: Any) -> str:
    """Return a value as text; null is none, and the fields of a table are not shown."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return "[object]"
        case list() | tuple():
            return f"[{', '.join(map(shown, value))}]"
    return str(value)


def joined(parts: Iterable[str]) -> str:
    """Return the parts in one.

    Raises:
        UsageError: They are too many; the rest is not asked for.
    """
    kept: list[str] = []
    left = MAX_RENDERED_CHARACTERS
    for part in parts:
        left -= len(part)
        if left < 0:
            raise UsageError(f"the template renders more than {MAX_RENDERED_CHARACTERS} characters")
        kept.append(part)
    return "".join(kept)
