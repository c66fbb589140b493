"""Expressions that can be followed through time: a variable with fields, or a key of the state."""

from __future__ import annotations

import re
from collections.abc import Sequence

from respell.errors import UsageError

_NAME = re.compile(r"\s*([A-Za-z_]\w*)")
_FIELD = re.compile(
    r"""\s*(?:\.\s*(?P<name>[A-Za-z_]\w*)
      | \[\s*(?:(?P<number>-?\d+)|"(?P<double>[^"\\]*)"|'(?P<single>[^'\\]*)')\s*\])""",
    re.VERBOSE,
)
_STATE = re.compile(r"\s*state:(.+)", re.DOTALL)

Path = Sequence[str | int | float | bool]
"""Keys behind a variable, outermost first."""


def parse_expression(text: str) -> tuple[str, Path]:
    """Return the variable's name and the keys behind it.

    Raises:
        UsageError: It is anything else.
    """
    match = _NAME.match(text)
    if match is None:
        raise _not_watchable(text)
    path: list[str | int] = []
    at = match.end()
    while found := _FIELD.match(text, at):
        name = found["name"] or found["double"] or found["single"]
        path.append(int(found["number"]) if found["number"] else name or "")
        at = found.end()
    if text[at:].strip():
        raise _not_watchable(text)
    return match[1], path


def state_key(text: str) -> str | None:
    """Return the key of `state:key`; None of any other expression."""
    match = _STATE.fullmatch(text)
    return match[1].strip() if match else None


def _not_watchable(text: str) -> UsageError:
    return UsageError(
        f"{text!r} can't be followed through time: give a variable, with fields where need be, "
        'such as total, config.retries, list[3] or map["key"]; or a key of the state, state:total'
    )
