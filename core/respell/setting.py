"""One setting: the type and range of its value, and how a project's file counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from respell.errors import ConfigError

Kind = Literal[
    "boolean", "integer", "number", "numbers", "text", "path", "texts", "rules", "rates", "folders"
]

FromProject = Callable[[Any, Any], Any]
"""Takes what holds already and what a project's file says; returns what holds then."""

NONE = "none"
"""How a file or the environment takes an optional number back."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_LARGEST = 2**63 - 1
_TYPES: dict[Kind, str] = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "numbers": "a list of numbers",
    "text": "a text",
    "path": "a path, as text",
    "texts": "a list of texts",
    "rules": "a list of rules, KIND or KIND=PATTERN",
    "rates": 'a list of rates, "N/min" (or N/s, N/h) for all effects or "NAME=N/min" for one',
    "folders": "a list of folders, as texts",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key.

    Attributes:
        key: Its dotted path, e.g. `session.limits.operations`.
        kind: The type of its value.
        default: What holds where nobody says anything; None for no limit.
        doc: What it does, in a sentence.
        least: The lowest value; None for any.
        most: The highest value; None for any.
        choices: The only values, where there is a choice.
        environment: Variables that set it, the strongest first.
        from_project: How the file of a project that nobody trusts counts.
        of_store: That file counts only where it also says which store is used.
    """

    key: str
    kind: Kind
    default: Any
    doc: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]
    environment: tuple[str, ...]
    from_project: FromProject
    of_store: bool

    @property
    def optional(self) -> bool:
        """Whether it may have no value."""
        return self.default is None

    @property
    def type(self) -> str:
        """Its type and range, for people."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        text = _TYPES[self.kind]
        if self.least is not None and self.most is not None:
            text += f" from {_short(self.least)} to {_short(self.most)}"
        elif self.least is not None:
            text += f", {_short(self.least)} or more"
        return f'{text}, or "{NONE}"' if self.optional else text

    def check(self, value: Any) -> Any:
        """Return a value as it is kept: lists as tuples, whole numbers as floats where asked.

        Raises:
            ConfigError: It has another type or is out of range; says what is allowed.
        """
        if self.optional and value in (NONE, None):
            return None
        checked = self._typed(value)
        if checked is None or not self._in_range(checked):
            raise ConfigError(f"{self.key} must be {self.type}, not {shown(value)}")
        return checked

    def parse(self, text: str) -> Any:
        """Return the value of an environment variable.

        Raises:
            ConfigError: It is none for this setting.
        """
        return self.check(self._parsed(text))

    def _parsed(self, text: str) -> Any:
        word = text.strip().lower()
        if self.kind == "boolean":
            return True if word in _TRUE else False if word in _FALSE else text
        if self.optional and word == NONE:
            return None
        if self.kind in ("integer", "number"):
            try:
                return int(word) if self.kind == "integer" else float(word)
            except ValueError:
                return text
        if self.kind == "numbers":
            parts = [part.strip() for part in text.split(",") if part.strip()]
            try:
                return [float(part) for part in parts]
            except ValueError:
                return parts
        if self.kind in ("texts", "rules", "rates", "folders"):
            return [part.strip() for part in text.split(",") if part.strip()]
        return text

    def _typed(self, value: Any) -> Any:
        """Return the value in the type it is kept in; None where it can't be."""
        if self.kind == "boolean":
            return value if isinstance(value, bool) else None
        if self.kind in ("integer", "number"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            if self.kind == "integer":
                return value if isinstance(value, int) and abs(value) <= _LARGEST else None
            return float(value) if math.isfinite(value) else None
        if self.kind in ("text", "path"):
            return value if isinstance(value, str) and "\0" not in value else None
        if not isinstance(value, list | tuple):
            return None
        if self.kind == "numbers":
            numbers = all(
                isinstance(it, int | float) and not isinstance(it, bool) and math.isfinite(it)
                for it in value
            )
            return tuple(float(it) for it in value) if numbers else None
        return tuple(value) if all(isinstance(it, str) and it for it in value) else None

    def _in_range(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        several = value if self.kind == "numbers" else (value,)
        if self.least is not None and any(one < self.least for one in several):
            return False
        return self.most is None or all(one <= self.most for one in several)


def _short(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def shown(value: Any) -> str:
    """Return a wrong value as an error shows it: short, and with its kind where that helps."""
    if isinstance(value, dict):
        return "a table"
    text = repr(list(value) if isinstance(value, tuple) else value)
    if isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= 60 else text[:59] + "…"


# How a project's file counts ---------------------------------------------------------------


def free(present: Any, wanted: Any) -> Any:
    """Take what the project says."""
    return wanted


def never(present: Any, wanted: Any) -> Any:
    """Keep what holds already."""
    return present


def lower(present: Any, wanted: Any) -> Any:
    """Take what is lower; None is no limit at all."""
    if wanted is None:
        return present
    return wanted if present is None or wanted < present else present


def higher(present: Any, wanted: Any) -> Any:
    """Take what is higher."""
    return max(present, wanted)


def slower(present: Any, wanted: Any) -> Any:
    """Take the lower rate of each name."""
    from respell.policies.limits import lower_rates

    return rates_listed(lower_rates(rates_by_name(present), rates_by_name(wanted)))


def rates_by_name(listed: Any) -> dict[str, str]:
    """Return a list of rates as a table: `5/min` is that of `all`, `NAME=5/min` that of NAME."""
    pairs = (one.rpartition("=") for one in listed)
    return {name or "all": rate for name, _, rate in pairs}


def rates_listed(table: Mapping[str, str]) -> tuple[str, ...]:
    """Return a table of rates as the list that it is set by."""
    return tuple(rate if name == "all" else f"{name}={rate}" for name, rate in table.items())


def added(present: Any, wanted: Any) -> Any:
    """Take both."""
    return tuple(dict.fromkeys((*present, *wanted)))


def only(strictest: Any) -> FromProject:
    """Return what takes this value and no other."""

    def stricter(present: Any, wanted: Any) -> Any:
        return wanted if wanted == strictest else present

    return stricter
