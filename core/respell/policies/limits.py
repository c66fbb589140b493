"""The limits that a session can have: their names, their types, and how they are written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from respell.effect import check_performed
from respell.errors import EffectFailed, UsageError
from respell.policies.rates import Rate

LIMITS: Mapping[str, type] = {
    "operations": int,
    "memory_bytes": int,
    "max_duration": float,
    "max_idle_time": float,
    "idle_grace": float,
    "tokens": int,
    "tokens_per_request": int,
    "cost_usd": float,
    "artifacts": int,
    "artifact_bytes": int,
    "history_bytes": int,
}
"""The limits that are numbers, and the type of each: sizes in bytes, times in seconds."""

RATE = "rate"
"""The limit that is a table: how often effects may be performed, by name."""

ALL = "all"
"""The name of the rate that counts every effect."""

NONE = "none"
"""How a limit is taken back in words."""

DEFAULT_MEMORY_BYTES = 1024**3
LEAST_MEMORY_BYTES = 2 * 1024**2

REQUEST = "agent.request"
"""The effect that takes tokens and costs money."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit because of which something may not be done.

    Attributes:
        limit: Its name, e.g. `tokens` or `rate.agent.request`.
        what: What was reached, in words.
        remedy: What lets the session go on, in words; empty where a higher limit does.
        fail: The session shall fail, whatever else holds.
    """

    limit: str
    what: str
    remedy: str = ""
    fail: bool = False


def check_limits(limits: Mapping[str, Any], *, lift: bool = False) -> dict[str, Any]:
    """Return the limits in the form in which a session has them.

    Rates are given as `rate` (of all effects, or a table of rates by name) or as `rate.NAME`,
    and returned as one table.

    Args:
        limits: By name.
        lift: None (or "none") takes a limit back, and stays in what is returned.

    Raises:
        UsageError: A name is unknown or a value is no positive number.
    """
    checked: dict[str, Any] = {}
    rates: dict[str, str | None] = {}
    for name, value in limits.items():
        lifted = lift and (value is None or value == NONE)
        if name == RATE and isinstance(value, Mapping):
            for of, rate in value.items():
                gone = lift and (rate is None or rate == NONE)
                rates[_rated(of)] = None if gone else _rate(f"rate.{of}", rate)
        elif name == RATE:
            rates[ALL] = None if lifted else _rate(name, value)
        elif str(name).startswith(f"{RATE}."):
            of = _rated(name.removeprefix(f"{RATE}."))
            rates[of] = None if lifted else _rate(name, value)
        elif name not in LIMITS:
            near = difflib.get_close_matches(str(name), [*LIMITS, RATE], n=1)
            meant = f"did you mean {near[0]}? There" if near else "there"
            raise UsageError(
                f"{name!r} is not a limit; {meant} are {', '.join(LIMITS)}, rate and rate.NAME"
            )
        else:
            checked[name] = None if lifted else _number(name, value)
    if rates:
        checked[RATE] = rates
    return checked


def _number(name: str, value: Any) -> int | float:
    number: int | float = -1
    if not isinstance(value, bool):
        try:
            number = LIMITS[name](value)
        except (TypeError, ValueError, OverflowError):
            number = -1
    if not 0 < number < float("inf"):
        raise UsageError(f"the limit {name} must be a number above 0, not {value!r}")
    if name == "memory_bytes" and number < LEAST_MEMORY_BYTES:
        raise UsageError(
            f"the limit memory_bytes must be at least {LEAST_MEMORY_BYTES}, as the base "
            f"library alone needs most of that, not {value!r}"
        )
    return number


def _rate(name: str, value: Any) -> str:
    return str(Rate.parse(value, what=f"the limit {name}"))


def _rated(name: Any) -> str:
    """Return what a rate is of: all effects, one effect, or one tool.

    Raises:
        UsageError: No effect that the host performs is called that.
    """
    if not isinstance(name, str) or not name or len(name.encode()) > 255:
        raise UsageError(f"a rate is of an effect or a tool, not of {name!r:.80}")
    if "." in name:
        try:
            check_performed(name)
        except EffectFailed as error:
            raise UsageError(f"there is no rate of {name!r:.80}: {error}") from None
    return name


def written(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits as they are kept in a history, where None is nothing at all."""
    return {
        name: written(value) if isinstance(value, Mapping) else NONE if value is None else value
        for name, value in limits.items()
    }


def merged(limits: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits with others on top; None takes one back.

    Args:
        limits: Those that held.
        more: As `check_limits` returns them.
    """
    made = {**limits, **more}
    if RATE in more:
        rates = {**table_of_rates(limits), **more[RATE]}
        made[RATE] = {name: rate for name, rate in rates.items() if rate is not None} or None
    return {name: value for name, value in made.items() if value is not None}


def lower(limits: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stricter of two sets of limits, one by one."""
    made = {**limits, **others}
    for name in LIMITS:
        if name in limits and name in others:
            made[name] = min(limits[name], others[name])
    rates = lower_rates(table_of_rates(limits), table_of_rates(others))
    if rates:
        made[RATE] = rates
    return made


def lower_rates(rates: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Return the lower rate of each name."""
    made = {**rates, **others}
    for name in rates.keys() & others.keys():
        made[name] = str(min(Rate.parse(rates[name]), Rate.parse(others[name])))
    return made


def table_of_rates(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rates of a session by name, also where an older Respell kept a number."""
    rate = limits.get(RATE)
    if rate is None:
        return {}
    return dict(rate) if isinstance(rate, Mapping) else {ALL: rate}


def shown(limits: Mapping[str, Any]) -> list[str]:
    """Return the limits as they are given on the command line, `KEY=N`."""
    words = [f"{name}={_in_words(value)}" for name, value in limits.items() if name != RATE]
    return words + [
        f"{RATE if name == ALL else f'{RATE}.{name}'}={rate}"
        for name, rate in table_of_rates(limits).items()
    ]


def _in_words(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def memory_of(limits: Mapping[str, Any]) -> int:
    """Return how many bytes Lua may allocate."""
    return int(limits.get("memory_bytes", DEFAULT_MEMORY_BYTES))


def reached(limits: Mapping[str, Any], name: str, used: float) -> bool:
    """Whether so much was used of a limit that nothing is left."""
    most = limits.get(name)
    return most is not None and used >= most


def value_of(limits: Mapping[str, Any], name: str) -> Any:
    """Return the value of a limit by its name, e.g. `rate.agent.request`; None for none."""
    if name.startswith(f"{RATE}."):
        return table_of_rates(limits).get(name.removeprefix(f"{RATE}."))
    return limits.get(name)
