"""Middleware: named chains around operations on sessions and around effects.

A middleware is a hook like any other (see `respell.hooks`) that asks its members, in one of the
three ways of `respell.policies.chains`, and comes before all other hooks. Unlike a hook it can't
fail quietly: where a member raises an error, takes too long, or changes what it was given without
saying so, the operation is not performed, and whoever asked for it gets an error that names both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, TypeVar, overload

from respell import values
from respell.errors import UsageError
from respell.hooks.context import HookContext
from respell.hooks.registry import Hook, HookRegistry, declared
from respell.hooks.results import CONTINUE, Cancel, HookResult, Modified, result_of
from respell.policies.chains import Answer, Chain, Composition, Member, Tally, check_composition
from respell.policies.places import OPERATIONS, places

PRIORITY = -10_000
"""Before hooks of every named priority."""

TIME_LIMIT_S = 5.0
"""Seconds that each member may take, unless others are given."""

_TOO_LONG = "it took too long"
_GOES_ON = ("continue", "modified", "skipped")
F = TypeVar("F", bound=Callable[..., Any])


class Middleware:
    """A chain that is registered; made by `respell.middleware`.

    Attributes:
        name: What people call it; errors name it.
        around: What it is around.
        enabled: Whether it is asked.
    """

    def __init__(
        self, name: str, around: tuple[str, ...], priority: float, registry: HookRegistry
    ) -> None:
        self.name = name
        self.around = around
        self.enabled = True
        self._priority = priority
        self._registry = registry
        self._lock = threading.Lock()
        self._hooks: list[Hook] = []
        self._members: tuple[Any, ...] = ()
        self._asked_before: tuple[Member[HookContext, HookResult], ...] = ()
        self._asked_after: tuple[Member[HookContext, HookResult], ...] = ()
        self._chain: Chain[HookContext, HookResult] | None = None
        self._time_limit_s = TIME_LIMIT_S

    # Changing ----------------------------------------------------------------------------

    def update(
        self,
        *,
        members: Iterable[Any] | None = None,
        pattern: Composition | None = None,
        threshold: float | None = None,
        time_limit_s: float | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change it; what is not given stays. Holds for the next operation.

        Args:
            members: Others to ask.
            pattern: sequential, parallel or voting.
            threshold: The share that a vote needs, above 0 and up to 1.
            time_limit_s: Seconds that each member may take.
            enabled: Whether it is asked at all.

        Raises:
            UsageError: One of them is wrong; nothing was changed.
        """
        with self._lock:
            chain = self._chain
            made = self._members if members is None else _checked_members(self.name, members)
            pattern = pattern or (chain.composition if chain else "sequential")  # type: ignore[assignment]
            share = threshold if threshold is not None else chain.threshold if chain else 0.5
            check_composition(str(pattern), share)
            limit = self._time_limit_s if time_limit_s is None else float(time_limit_s)
            if not 0 < limit < float("inf"):
                raise UsageError(f"time_limit_s is a number of seconds above 0, not {limit!r}")
            self._members, self._time_limit_s = made, limit
            if enabled is not None:
                self.enabled = enabled
            self._chain = Chain(
                str(pattern),
                lambda result: result.kind in _GOES_ON,
                HookContext.copy,
                threshold=share,
                advance=_advanced,
                # One after the other they are steps of the hook, which is watched already.
                time_limit_s=None if pattern == "sequential" else limit,
            )
            self._asked_before = self._asked("before", made)
            self._asked_after = self._asked("after", made[::-1])
            self._register()

    def _asked(
        self, part: str, members: Sequence[Any]
    ) -> tuple[Member[HookContext, HookResult], ...]:
        steps = self._chain is not None and self._chain.composition == "sequential"
        return tuple(
            Member(name, self._step(name, _asking(ask)) if steps else _asking(ask))
            for one in members
            if (ask := _part(one, part)) is not None and (name := _name_of(one))
        )

    def unregister(self) -> bool:
        """Take it away; return whether it was there."""
        with self._lock:
            hooks, self._hooks = self._hooks, []
            for hook in hooks:
                self._registry.unregister(hook)
        with _lock:
            return _known.pop((id(self._registry), self.name), None) is not None

    def _register(self) -> None:
        for hook in self._hooks:
            self._registry.unregister(hook)
        self._hooks = []
        steps = self._chain is not None and self._chain.composition == "sequential"
        # Where members keep their own time, that has to be over first.
        limit = self._time_limit_s if steps else self._time_limit_s * (len(self._members) + 1) + 5.0
        for when, asked in (("before", self._asked_before), ("after", self._asked_after)):
            if not asked:
                continue
            for place in places(self.around, when):
                self._hooks.append(
                    self._registry.register(
                        place.point,
                        self._before if when == "before" else self._after,
                        name=self.name,
                        priority=self._priority,
                        tags=("middleware",),
                        time_limit_s=limit,
                        wants=place.wants,
                        late=_late,
                    )
                )

    # Asking ------------------------------------------------------------------------------

    def _before(self, context: HookContext) -> HookResult:
        return self._ask(context, self._asked_before)

    def _after(self, context: HookContext) -> HookResult:
        return self._ask(context, self._asked_after)

    def _ask(
        self, context: HookContext, asked: Sequence[Member[HookContext, HookResult]]
    ) -> HookResult:
        chain = self._chain
        if not self.enabled or chain is None:
            return CONTINUE
        tally = chain.ask(asked, context)
        if not tally.goes_on:
            return self._against(tally, chain.composition)
        if chain.composition == "sequential":
            return self._changed(tally)
        return self._merged(context.told, tally)

    def _step(
        self, name: str, ask: Callable[[HookContext], HookResult]
    ) -> Callable[[HookContext], HookResult]:
        limit = self._time_limit_s

        def step(context: HookContext) -> HookResult:
            context.begin_step(name)
            began = perf_counter()
            result = ask(context)
            if perf_counter() - began > limit:  # nobody has looked meanwhile
                raise TimeoutError
            return result

        return step

    def _against(self, tally: Tally[HookResult], pattern: str) -> HookResult:
        if pattern == "voting":
            return Cancel(f"{tally.vote} ({'; '.join(_votes_against(tally))})")
        stopped = tally.stopped_by
        assert stopped is not None
        if stopped.result is None:
            return Cancel(f"its member {stopped.member} failed: {_error(stopped)}")
        if isinstance(stopped.result, Cancel):
            return Cancel(f"{stopped.member}: {stopped.result.reason}")
        return stopped.result

    def _changed(self, tally: Tally[HookResult]) -> HookResult:
        for one in reversed(tally.answers):
            if isinstance(one.result, Modified):
                return one.result
        return CONTINUE

    def _merged(self, given: bytes, tally: Tally[HookResult]) -> HookResult:
        """Put together what members made of their copies; refuse two that don't agree."""
        changes = [
            (one.member, one.result.data)
            for one in tally.answers
            if isinstance(one.result, Modified)
        ]
        if not changes:
            return CONTINUE
        if len(changes) == 1:
            return Modified(changes[0][1])
        original = values.decode(given)
        merged = dict(original) if isinstance(original, dict) else original
        by: dict[Any, str] = {}
        for member, data in changes:
            if not isinstance(merged, dict) or not isinstance(data, dict):
                if values.encode(data) != values.encode(changes[0][1]):
                    return Cancel(_conflict("everything", changes[0][0], member))
                return Modified(data)
            for key in {*merged, *data}:
                if _same(original.get(key), data.get(key)) and (key in original) == (key in data):
                    continue
                if key in by and not _same(merged.get(key), data.get(key)):
                    return Cancel(_conflict(repr(key), by[key], member))
                by[key] = member
                if key in data:
                    merged[key] = data[key]
                else:
                    merged.pop(key, None)
        return Modified(merged)


_known: dict[tuple[int, str], Middleware] = {}
_lock = threading.Lock()


@overload
def middleware(
    name: str,
    members: Iterable[Any],
    *,
    around: str | Iterable[str] = ...,
    pattern: Composition = ...,
    threshold: float = ...,
    priority: float = ...,
    time_limit_s: float = ...,
    registry: HookRegistry | None = ...,
) -> Middleware: ...
@overload
def middleware(
    name: str,
    members: None = None,
    *,
    around: str | Iterable[str] = ...,
    pattern: Composition = ...,
    threshold: float = ...,
    priority: float = ...,
    time_limit_s: float = ...,
    registry: HookRegistry | None = ...,
) -> Callable[[F], F]: ...
def middleware(
    name: str,
    members: Iterable[Any] | None = None,
    *,
    around: str | Iterable[str] = OPERATIONS,
    pattern: Composition = "sequential",
    threshold: float = 0.5,
    priority: float = PRIORITY,
    time_limit_s: float = TIME_LIMIT_S,
    registry: HookRegistry | None = None,
) -> Any:
    """Register a named chain around operations; as a decorator, one of a single function.

    Args:
        name: What people call it; errors name it.
        members: Functions that are asked before, each with a `HookContext` of its own, or
            objects with `before` and `after`. They return what hooks return.
        around: Kinds of operations on sessions (create, read, update, delete, other), names of
            effects (`tool.invoke`), points of hooks, or `effects` for all of them.
        pattern: sequential, parallel or voting (see `respell.policies.chains`).
        threshold: The share that a vote needs, above 0 and up to 1.
        priority: Of several, the lower one is asked first; then the one registered first.
        time_limit_s: Seconds that each member may take.
        registry: The hooks that it joins; None for those of this process.

    Returns:
        The middleware; as a decorator, the function.

    Raises:
        UsageError: There is one of that name, or an argument is none that it can be.
    """
    if members is None:

        def register(function: F) -> F:
            middleware(
                name, [function], around=around, pattern=pattern, threshold=threshold,
                priority=priority, time_limit_s=time_limit_s, registry=registry,
            )  # fmt: skip
            return function

        return register
    joined = declared if registry is None else registry
    wanted = (around,) if isinstance(around, str) else tuple(around)
    if not wanted:
        raise UsageError(f"middleware {name!r:.80}: around is empty, so it would do nothing")
    if not isinstance(name, str) or not name or len(name.encode()) > 255:
        raise UsageError(f"{name!r:.80} is no name for a middleware: it has 1 to 255 bytes")
    for one in wanted:
        places((one,), "before")
    made = Middleware(name, wanted, float(priority), joined)
    with _lock:
        if (id(joined), name) in _known:
            raise UsageError(
                f"there is a middleware {name!r} already; unregister it, or choose another name"
            )
        _known[id(joined), name] = made
    try:
        made.update(
            members=members, pattern=pattern, threshold=threshold, time_limit_s=time_limit_s
        )
    except BaseException:
        made.unregister()
        raise
    return made


def registered(registry: HookRegistry | None = None) -> list[Middleware]:
    """Return the middleware of this process (or of a registry), in the order it is asked."""
    joined = id(declared if registry is None else registry)
    with _lock:
        found = [one for (where, _), one in _known.items() if where == joined]
    return sorted(found, key=lambda one: one._priority)


# Members ----------------------------------------------------------------------------------


def _checked_members(name: str, members: Iterable[Any]) -> tuple[Any, ...]:
    made = tuple(one() if isinstance(one, type) else one for one in members)
    if not made:
        raise UsageError(f"middleware {name!r}: it has no members")
    names = [_name_of(one) for one in made]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise UsageError(f"middleware {name!r}: two members are called {twice!r}")
    for one in made:
        if _part(one, "before") is None and _part(one, "after") is None:
            raise UsageError(
                f"middleware {name!r}: a member is a function that takes a HookContext, or an "
                f"object with before or after, not {one!r:.60}"
            )
    return made


def _part(member: Any, part: str) -> Callable[[HookContext], Any] | None:
    found = getattr(member, part, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    other = getattr(member, "after" if part == "before" else "before", None)
    if part == "before" and callable(member) and not callable(other):
        return member  # type: ignore[no-any-return]
    return None


def _name_of(member: Any) -> str:
    return str(getattr(member, "__name__", None) or type(member).__name__)


def _asking(ask: Callable[[HookContext], Any]) -> Callable[[HookContext], HookResult]:
    def asked(context: HookContext) -> HookResult:
        given = context.copy()
        result = result_of(ask(given))
        if not isinstance(result, Modified) and given.has_changed_data:
            raise UsageError(
                "it changed the data it was given and did not return it; return Modified(data)"
            )
        return result

    return asked


def _late(step: str) -> HookResult:
    """Return what a middleware decides where a member takes too long."""
    return Cancel(f"its member {step} failed: {_TOO_LONG}")


def _advanced(context: HookContext, result: HookResult) -> HookContext:
    return context.with_data(result.data) if isinstance(result, Modified) else context


def _same(one: Any, other: Any) -> bool:
    return values.encode(one) == values.encode(other)


def _conflict(what: str, first: str, second: str) -> str:
    return (
        f"{first} and {second} were asked at the same time and make different things of {what}; "
        "ask them one after the other, or let one of them change it"
    )


def _votes_against(tally: Tally[HookResult]) -> list[str]:
    against = []
    for one in tally.answers:
        if one.error is not None:
            against.append(f"{one.member} failed: {_error(one)}")
        elif one.result is not None and one.result.kind not in _GOES_ON:
            reason = getattr(one.result, "reason", one.result.kind)
            against.append(f"{one.member}: {reason}")
    return against


def _error(answer: Answer[HookResult]) -> str:
    error = answer.error
    if isinstance(error, TimeoutError):
        return _TOO_LONG
    if isinstance(error, UsageError):
        return str(error)
    return f"{type(error).__name__}: {error}"
