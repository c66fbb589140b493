"""What a hook decides: nine results, and the short forms in which callbacks may give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from respell.errors import UsageError

MOST_ATTEMPTS = 100
MOST_DELAY_S = 24 * 3600.0
MOST_OPERATIONS = 100


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on; the same as returning nothing."""

    kind: ClassVar[str] = "continue"


@dataclass(frozen=True, slots=True)
class Modified:
    """The arguments (before) or the outcome (after) become `data`; later hooks see that."""

    data: Any
    kind: ClassVar[str] = "modified"


@dataclass(frozen=True, slots=True)
class Replace:
    """Nothing is performed: `data` is the outcome, and later hooks of the point don't run."""

    data: Any
    kind: ClassVar[str] = "replace"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Not performed; who asked for it gets an error with this reason."""

    reason: str = "no reason given"
    kind: ClassVar[str] = "cancel"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another tool, model (`provider/model`) or session operation is performed instead."""

    target: str
    kind: ClassVar[str] = "redirect"


@dataclass(frozen=True, slots=True)
class Retry:
    """Wait, then run the hooks before it again; after it, perform it again.

    Attributes:
        delay_s: Seconds to wait; the wait survives a restart.
        max_attempts: How often it is tried in all, the first time included.
    """

    delay_s: float = 1.0
    max_attempts: int = 3
    kind: ClassVar[str] = "retry"

    def __post_init__(self) -> None:
        delay, most = self.delay_s, self.max_attempts
        if isinstance(delay, bool) or not isinstance(delay, int | float):
            raise UsageError(f"Retry: delay_s is a number of seconds, not {delay!r:.80}")
        if not (math.isfinite(delay) and 0 <= delay <= MOST_DELAY_S):
            raise UsageError(f"Retry: delay_s is from 0 to {MOST_DELAY_S:g} seconds, not {delay}")
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_ATTEMPTS:
            raise UsageError(
                f"Retry: max_attempts is a whole number from 1 to {MOST_ATTEMPTS}, not {most!r:.80}"
            )


@dataclass(frozen=True, slots=True)
class Fork:
    """Perform operations beside the effect, as events inside of it.

    Attributes:
        operations: Each `{"tool": NAME, "params": {…}}` or `{"effect": NAME, "args": {…}}`.
    """

    operations: Sequence[Mapping[str, Any]]
    kind: ClassVar[str] = "fork"

    def __post_init__(self) -> None:
        given = self.operations
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
            raise UsageError("Fork: operations is a list of operations")
        if len(given) > MOST_OPERATIONS:
            raise UsageError(f"Fork: {len(given)} operations; at most {MOST_OPERATIONS} are taken")
        for one in given:
            operation_of(one)


@dataclass(frozen=True, slots=True)
class Cache:
    """Use the outcome that was stored under the key, or store this effect's there.

    Attributes:
        key: Of all sessions of the store.
        ttl: Seconds for which it is good; None for as long as it is there.
    """

    key: str
    ttl: float | None = None
    kind: ClassVar[str] = "cache"

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key or len(self.key.encode()) > 1024:
            raise UsageError("Cache: key is a text of 1 to 1024 bytes")
        ttl = self.ttl
        if ttl is not None and (
            isinstance(ttl, bool) or not isinstance(ttl, int | float) or not ttl > 0
        ):
            raise UsageError(f"Cache: ttl is a number of seconds above 0, not {ttl!r:.80}")


@dataclass(frozen=True, slots=True)
class Skipped:
    """This hook counts as not run."""

    reason: str = ""
    kind: ClassVar[str] = "skipped"


HookResult = (
    Continue | Modified | Replace | Cancel | Redirect | Retry | Fork | Cache | Skipped
)  # fmt: skip

CONTINUE = Continue()

_KINDS: dict[str, type[Any]] = {
    one.kind: one
    for one in (Continue, Modified, Replace, Cancel, Redirect, Retry, Fork, Cache, Skipped)
}
KINDS = tuple(_KINDS)
"""Names of the nine results."""


def operation_of(operation: Any) -> tuple[str, dict[str, Any]]:
    """Return the effect of one operation of a fork, and its arguments.

    Raises:
        UsageError: It is none.
    """
    if isinstance(operation, Mapping):
        if set(operation) <= {"tool", "params"} and isinstance(operation.get("tool"), str):
            return "tool.invoke", {
                "name": operation["tool"],
                "params": dict(operation.get("params") or {}),
            }
        if set(operation) <= {"effect", "args"} and isinstance(operation.get("effect"), str):
            return operation["effect"], dict(operation.get("args") or {})
    raise UsageError(
        'Fork: an operation is {"tool": NAME, "params": {…}} or {"effect": NAME, "args": {…}}, '
        f"not {operation!r:.80}"
    )


def result_of(value: Any) -> HookResult:
    """Return the result that a callback means by what it returned.

    Args:
        value: A result; None or "continue"; "skip" or "skipped"; any other text, which
            cancels with that reason; or a dict with `type` (or `action`) and the fields.

    Raises:
        UsageError: It means none.
    """
    if value is None:
        return CONTINUE
    if type(value) in _RESULT_TYPES:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        if value == "continue":
            return CONTINUE
        return Skipped() if value in ("skip", "skipped") else Cancel(value)
    if isinstance(value, Mapping):
        return _from_mapping(value)
    raise UsageError(
        f"a hook returns nothing, a text, a result or a dict, not a {type(value).__name__}"
    )


_RESULT_TYPES = frozenset(_KINDS.values())


def _from_mapping(value: Mapping[str, Any]) -> HookResult:
    kind = value.get("type", value.get("action"))
    made = _KINDS.get("skipped" if kind == "skip" else str(kind))
    if made is None:
        raise UsageError(
            f"a hook can't return the result {kind!r:.80}; it can return {', '.join(KINDS)}"
        )
    given = {key: one for key, one in value.items() if key not in ("type", "action")}
    if made is Retry and "delay_ms" in given:
        given["delay_s"] = given.pop("delay_ms") / 1000
    known = {one.name for one in fields(made)}
    # A hook that fails lets the effect happen, so a field too many must not make one of it: what
    # is cancelled with a misspelt reason is cancelled. Lua's results are read in the same way.
    taken = {name: one for name, one in given.items() if name in known}
    try:
        return made(**taken)  # type: ignore[no-any-return]
    except TypeError:
        missing = sorted(known - set(taken))
        raise UsageError(f"the result {kind} needs {', '.join(missing)}") from None


def recorded(result: HookResult) -> dict[str, Any]:
    """Return a result as a history keeps it: its `type` and its fields."""
    kept: dict[str, Any] = {"type": result.kind}
    for one in fields(result):
        value = getattr(result, one.name)
        if value is not None:
            kept[one.name] = [dict(it) for it in value] if one.name == "operations" else value
    return kept
