"""What tools say of parameters that a JSON Schema can't say: choices, needs, sizes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from respell.errors import UsageError

_SHOWN = 100  # characters of a value from a script in an error


def needed(params: dict[str, Any], name: str, why: str, *, where: str = "") -> Any:
    """Return a parameter that has to be there.

    Args:
        params: Those of the call.
        name: The parameter's.
        why: What needs it, e.g. the operation.
        where: The parameter it stands in, with a dot.

    Raises:
        UsageError: It is missing.
    """
    if params.get(name) is None:
        raise UsageError(f"parameter {where}{name} is missing; {why} needs it")
    return params[name]


def chosen(what: str, value: str, allowed: Iterable[str], *, where: str = "") -> str:
    """Return a value that has to be one of a few.

    Args:
        what: The name of the choice, e.g. `operation`.
        value: As the script wrote it.
        allowed: All there are.
        where: Where the value stands, if not in a parameter of its own.

    Raises:
        UsageError: It is another one; names the nearest, and all.
    """
    choices = list(allowed)
    if value in choices:
        return value
    near = difflib.get_close_matches(value[:_SHOWN], choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    place = f"{where}: " if where else ""
    raise UsageError(
        f"{place}there is no {what} {shortened(value)!r}{hint} Allowed are: {', '.join(choices)}"
    )


def limited(name: str, value: str | bytes, most: int) -> None:
    """Do nothing unless a text is too long.

    Args:
        name: The parameter's.
        value: The text.
        most: Bytes that it may have.

    Raises:
        UsageError: It has more.
    """
    size = len(value) if isinstance(value, bytes) else len(value.encode(errors="replace"))
    if size > most:
        raise UsageError(f"parameter {name} has {size} bytes; at most {most} are allowed")


def shortened(text: str) -> str:
    """Return the beginning of a text, for an error."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
