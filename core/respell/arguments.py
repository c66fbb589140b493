"""Reading the named arguments of an effect, with errors a script's author can act on."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from respell.errors import UsageError
from respell.times import SECOND, parse_rfc3339
from respell.values import INT_MAX

_SHOWN = 60
_MOST_SECONDS = 253_402_300_799  # the year 9999


def lua_type(value: object) -> str:
    """Return what Lua's `type` says of a value that came from a script."""
    match value:
        case None:
            return "nil"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() | bytes():
            return "string"
    return "table"


class Arguments:
    """Named arguments that a script gave to one call.

    An argument that was not given reads as None (or empty, for tables and lists).

    Args:
        call: The call as scripts write it, e.g. `Session.create`; begins every error.
        given: What arrived; a table with names, or nothing.
        allowed: The names there are; None for any.
        what: What such a name is called in errors.

    Raises:
        UsageError: It is no table with names, or one of them is not allowed; names the
            nearest that is.
    """

    def __init__(
        self,
        call: str,
        given: object,
        allowed: Sequence[str] | None = None,
        *,
        what: str = "option",
    ) -> None:
        self.call = call
        self._what = what
        if given is None:
            given = {}
        if not isinstance(given, dict):
            form = "a list" if isinstance(given, list) else f"a {lua_type(given)}"
            raise UsageError(f"{call}: {what}s are a table with names (name = value), not {form}")
        self._given: Mapping[Any, Any] = given
        if allowed is not None:
            self._check_names(allowed)

    def _check_names(self, allowed: Sequence[str]) -> None:
        for name in self._given:
            if name in allowed:
                continue
            near = difflib.get_close_matches(str(name), allowed, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(
                f"{self.call}: there is no {self._what} {_shown(name)}{hint} "
                f"There are {', '.join(allowed)}"
            )

    def wrong(self, name: str, expected: str, value: object) -> UsageError:
        """Return the error for an argument of a wrong type."""
        shown = lua_type(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            shown = str(value)
        elif shown not in ("nil", "string"):
            shown = f"a {shown}"
        elif shown == "string":
            shown = f"the string {_shown(value)}"
        return UsageError(f"{self.call}: {name} must be {expected}, not {shown}")

    def given(self, *names: str) -> Any:
        """Return the first of these arguments that was given, unchecked."""
        return next((self._given[name] for name in names if name in self._given), None)

    def rest(self, *names: str) -> dict[Any, Any]:
        """Return all arguments but these."""
        return {name: value for name, value in self._given.items() if name not in names}

    def text(self, *names: str, most: int | None = None, empty: bool = True) -> str | None:
        """Return a text.

        Args:
            names: The argument's name, and others it answers to.
            most: Bytes it may have.
            empty: Whether it may be empty.

        Raises:
            UsageError: It is no UTF-8 text, too long or empty.
        """
        value = self.given(*names)
        if value is None:
            return None
        return self.check_text(names[0], value, most=most, empty=empty)

    def check_text(self, name: str, value: object, *, most: int | None, empty: bool) -> str:
        """Return a value that has to be a text; `name` says what it is."""
        if isinstance(value, bytes):
            raise UsageError(f"{self.call}: {name} must be UTF-8 text; these bytes are not")
        if not isinstance(value, str):
            raise self.wrong(name, "a string", value)
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise UsageError(f"{self.call}: {name} must be UTF-8 text, not {value!a}") from None
        if not value and not empty:
            raise UsageError(f"{self.call}: {name} must not be empty")
        if most is not None and size > most:
            raise UsageError(f"{self.call}: {name} may have {most} bytes; this one has {size}")
        return value

    def texts(self, name: str, *, most: int) -> list[str]:
        """Return a list of texts without duplicates.

        Args:
            name: The argument's name.
            most: Bytes that each may have.

        Raises:
            UsageError: It is no list, or one of them is empty, too long or has control
                characters.
        """
        value = self.given(name)
        if value is None or value == {}:  # an empty Lua table is no list yet
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "a list of strings", value)
        return list(dict.fromkeys(self.check_tag(f"{name}[{i}]", it, most=most)
                                  for i, it in enumerate(value, 1)))  # fmt: skip

    def check_tag(self, name: str, value: object, *, most: int) -> str:
        """Return a value that has to be a short text without control characters."""
        text = self.check_text(name, value, most=most, empty=False)
        if not text.isprintable():
            raise UsageError(f"{self.call}: {name} must not have control characters: {text!r}")
        return text

    def table(self, name: str) -> dict[Any, Any]:
        """Return a table with names.

        Raises:
            UsageError: It is none.
        """
        value = self.given(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(name, "a table with names", value)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean.

        Raises:
            UsageError: It is none.
        """
        value = self.given(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def integer(self, name: str, *, least: int = 0, most: int | None = None) -> int | None:
        """Return an integer; a float without fraction will do.

        Raises:
            UsageError: It is none, or out of range.
        """
        given = self.given(name)
        if given is None:
            return None
        value = int(given) if isinstance(given, float) and given.is_integer() else given
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, f"an integer, {bounds}", given)
        if not least <= value <= (INT_MAX if most is None else most):
            raise self.wrong(name, f"an integer, {bounds}", given)
        return value

    def positive(self, name: str) -> float | int | None:
        """Return a number above 0.

        Raises:
            UsageError: It is none.
        """
        value = self.given(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(name, "a number above 0", value)
        if not (value > 0 and math.isfinite(value)):
            raise self.wrong(name, "a number above 0", value)
        return value

    def choice(self, name: str, choices: Iterable[str]) -> str | None:
        """Return one of these texts; case does not matter.

        Raises:
            UsageError: It is none of them; lists them.
        """
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in choices:
            raise UsageError(
                f"{self.call}: {name} must be one of {', '.join(choices)}, not {_shown(value)}"
            )
        return value.lower()

    def time(self, name: str) -> int | None:
        """Return a point in time, in microseconds since 1970 UTC.

        Scripts give it as RFC 3339 text, or as seconds since 1970 (`os.time()`).

        Raises:
            UsageError: It is neither.
        """
        value = self.given(name)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not abs(value) <= _MOST_SECONDS:
                raise self.wrong(name, "a time such as os.time() gives", value)
            return int(value * SECOND)
        if not isinstance(value, str):
            raise self.wrong(name, "a time such as 2026-11-22T10:00:00Z", value)
        try:
            return parse_rfc3339(value)
        except UsageError as error:
            raise UsageError(f"{self.call}: {name}: {error}") from None


def _shown(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
