"""Running the hooks of a point: one after the other, each within its time, none able to break
what it is around.

A chain runs in a thread of its own. A Python thread can't be killed: a hook that takes longer
than it may is *given up*. Its result will be ignored whatever it is, its breaker opens and
stays open for as long as the thread is stuck, and the chain goes on with the next hook in
another thread. Hooks that are registered as quick run without a thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from time import perf_counter
from typing import Any

from respell import values
from respell.errors import RespellError, UsageError
from respell.hooks import threads
from respell.hooks.context import About, HookContext
from respell.hooks.registry import Hook
from respell.hooks.results import (
    CONTINUE,
    Cache,
    Cancel,
    Continue,
    Fork,
    HookResult,
    Modified,
    Redirect,
    Replace,
    Retry,
    Skipped,
    operation_of,
    recorded,
    result_of,
)
from respell.sessions.current import act_for

LONG_S = 0.005
"""A hook that took longer than this is not waited for."""

_log = logging.getLogger("respell.hooks")

_inside: ContextVar[tuple[Any, Hook] | None] = ContextVar("respell_hooks_inside", default=None)
"""The hooks that the present code is inside of: (outer, hook)."""


class _GivenUp(BaseException):
    """Ends a hook of several steps that others have gone on without."""


class Call:
    """One call of a hook.

    Attributes:
        hook: The hook.
        result: What it decided; Continue where it failed.
        error: What went wrong, as text; empty for nothing.
        duration_s: How long it took.
        attempt: Of the effect, from 1.
        told: What it was told, where it can be called again to be compared; else None.
    """

    __slots__ = ("attempt", "duration_s", "error", "hook", "result", "told")

    def __init__(
        self, hook: Hook, result: HookResult, error: str, duration_s: float, attempt: int,
        told: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        self.hook = hook
        self.result = result
        self.error = error
        self.duration_s = duration_s
        self.attempt = attempt
        self.told = told

    def shown(self) -> dict[str, Any]:
        """Return it as plain values."""
        kept: dict[str, Any] = {
            "hook": self.hook.name, "point": self.hook.point.name, "language": "python",
            "result": recorded(self.result), "duration_s": round(self.duration_s, 6),
        }  # fmt: skip
        if self.error:
            kept["error"] = self.error
        return kept


class Chain:
    """One run of hooks, at one point or at several that mean the same.

    Args:
        hooks: The hooks, in the order they run.
        when: `before`, `after`, `error` or `tell`.
        data: What they are told, canonical.
        about: What else they are told.
        attempt: The how-manieth time that this is tried, from 1.
        find: Returns the outcome that is stored under a key, canonical; None for none.
        check: Raises a `UsageError` for a result that can't be acted on.

    Attributes:
        calls: The calls so far.
        data: As the hooks have changed it.
        changed: Whether they have.
        verdict: Replace, Cancel or Retry, if one decided that; then `decided_by` did.
        target: What is performed instead, if they say so.
        operations: What is performed besides: (hook's name, operation).
        keys: Under which the outcome is to be stored.
    """

    __slots__ = (
        "_about", "_at", "_began", "_check", "_context", "_done", "_find", "_found", "_generation",
        "_hooks", "_last", "_lock", "_outer", "_running", "_step", "_wake", "attempt", "calls",
        "changed", "data", "decided_by", "keys", "operations", "target", "verdict", "when",
    )  # fmt: skip

    def __init__(
        self,
        hooks: Sequence[Hook],
        when: str,
        data: bytes,
        about: About,
        *,
        attempt: int = 1,
        find: Callable[[str], bytes | None] | None = None,
        check: Callable[[HookResult], None] | None = None,
    ) -> None:
        self._hooks = hooks
        self._last = len(hooks)
        self._about = about
        self._find = find
        self._found: bytes | None = None  # what is stored under the key of the last Cache
        self._wake: Callable[[], None] | None = None
        self._check = check
        self.when = when
        self.attempt = attempt
        self.data = data
        self.changed = False
        self.calls: list[Call] = []
        self.verdict: Replace | Cancel | Retry | None = None
        self.decided_by = ""
        self.target: str | None = None
        self.operations: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[Cache] = []
        self._at = 0  # of the next hook
        self._running: Hook | None = None
        self._began = 0.0
        self._step = ""  # of the hook that runs
        self._generation = 0  # rises when a thread is given up
        self._lock = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()
        self._context = copy_context()
        self._outer = _inside.get()

    # Waiting -----------------------------------------------------------------------------

    @property
    def is_quick(self) -> bool:
        """Whether all its hooks are registered as quick, so that it needs no thread."""
        for hook in self._hooks:  # noqa: SIM110 - a generator takes longer than two hooks do
            if not hook.quick:
                return False
        return True

    @property
    def is_likely_quick(self) -> bool:
        """Whether none of its hooks took long when it was called last."""
        for hook in self._hooks:
            taken = hook.meter.durations
            if taken and taken[-1] > LONG_S:
                return False
        return True

    def start(self) -> None:
        """Begin to run it, in a thread unless all its hooks are quick."""
        if self.is_quick:
            self.run_here()
        else:
            self._go(0)

    def run_here(self) -> None:
        """Run it in this thread, to its end, or until the hook that it is in was given up."""
        self._context.run(self._run, 0)()

    def when_done(self, wake: Callable[[], None]) -> None:
        """Have something called, from another thread, once it is done; at once if it is."""
        self._wake = wake
        if self.done:
            wake()

    def _go(self, generation: int) -> None:
        context = self._context.copy()
        threads.run(lambda: context.run(self._run, generation))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is done, and return whether it is; gives up hooks that take too long.

        Args:
            seconds: Most seconds to wait; None for as long as it takes.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = self.give_up_late()
            if until is not None:
                now = until - time.monotonic()
                left = now if left is None else min(left, now)
            if self._done.acquire(timeout=-1 if left is None else max(0.0, left)):
                self._done.release()
                return True
            if until is not None and time.monotonic() >= until:
                return False

    @property
    def done(self) -> bool:
        """Whether it is done."""
        return not self._done.locked()

    def give_up_late(self) -> float | None:
        """Give up the hook that takes too long, if one does; its thread is left to itself.

        Returns:
            Seconds after which to ask again; None once it is done.
        """
        if self.done:
            return None
        with self._lock:
            hook = self._running
            if hook is None:
                return 0.05  # between two hooks, or not begun yet
            left = hook.time_limit_s - (time.perf_counter() - self._began)
            if left > 0:
                return left
            self._generation += 1
            generation = self._generation
            self._running = None
            hook.meter.failures += 1
            what = f"it took longer than {hook.time_limit_s:g} s and was given up"
            took = time.perf_counter() - self._began
            if hook.late is None:
                hook.breaker.stuck_in(True)
                self._note(hook, CONTINUE, what, took)
            else:
                result = hook.late(self._step)
                self._note(hook, result, "", took)
                self._act(hook, result)
        _log.warning("hook %s at %s: %s", hook.name, hook.point.name, what)
        self._go(generation)
        return 0.05

    # Running -----------------------------------------------------------------------------

    def _run(self, generation: int) -> Callable[[], None]:
        about = self._about
        if about.store is not None and about.session_id:
            act_for(about.store, about.session_id, about.event or None)
        outer, lock, attempt = self._outer, self._lock, self.attempt
        with lock:
            hook = self._next(generation)
            began = self._began
        while hook is not None:
            _inside.set((outer, hook))
            context = HookContext(hook.point.name, about, self.data, attempt)
            if hook.late is not None:
                context.begin_step = lambda step: self._begin_step(generation, step)
            error = ""
            result: HookResult = CONTINUE
            try:
                returned = hook.callback(context)
                if returned is not None and (result := result_of(returned)) is not CONTINUE:
                    result = self._checked(result)
            except BaseException as failure:  # noqa: BLE001 - a hook is somebody else's code
                result, error = CONTINUE, _text_of(failure)
            took = perf_counter() - began
            if hook.quick and took > hook.time_limit_s:
                hook.quick, result = False, CONTINUE
                error = f"it took longer than {hook.time_limit_s:g} s, so it is not quick"
            with lock:
                if generation != self._generation:
                    if hook.late is None:
                        hook.breaker.stuck_in(False)
                    return _nothing
                meter = hook.meter
                meter.calls += 1
                meter.durations.append(took)
                if error:
                    self._failed(hook, error)
                elif hook.breaker.failures:
                    hook.breaker.succeeded()
                told = self._told() if hook.replayable else None
                self.calls.append(Call(hook, result, error, took, attempt, told))
                if result is not CONTINUE:
                    self._act(hook, result)
                hook = self._next(generation)
                began = self._began
        return _nothing if generation != self._generation else self._tell

    def _next(self, generation: int) -> Hook | None:
        """Return the hook that is called now; None for none. With the lock."""
        self._running = None
        while generation == self._generation and self._at < self._last and self.verdict is None:
            hook = self._hooks[self._at]
            self._at += 1
            if not hook.enabled or (self._outer is not None and _is_inside(self._outer, hook)):
                continue
            if not hook.breaker.failures or hook.breaker.lets_through():
                self._running, self._began = hook, perf_counter()
                return hook
            hook.meter.left_out += 1
        return None

    def _begin_step(self, generation: int, step: str) -> None:
        """Give the hook that runs its time again, for its next step.

        Raises:
            _GivenUp: The hook took too long: what it goes on with is nothing to anybody.
        """
        with self._lock:
            if generation != self._generation:
                raise _GivenUp
            self._step, self._began = step, perf_counter()

    def _failed(self, hook: Hook, error: str) -> None:
        hook.meter.failures += 1
        hook.breaker.failed()
        _log.warning("hook %s at %s failed: %s", hook.name, hook.point.name, error)

    def _tell(self) -> None:
        self._done.release()
        wake = self._wake
        if wake is not None:
            wake()

    def _note(self, hook: Hook, result: HookResult, error: str, took: float) -> None:
        hook.meter.calls += 1
        self.calls.append(Call(hook, result, error, took, self.attempt, None))

    def _told(self) -> dict[str, Any]:
        """Return what a hook that can be called again is told, as a history keeps it."""
        about = self._about
        return {
            "data": values.decode(self.data), "arguments": values.decode(about.arguments),
            "component": about.component, "kind": about.kind, "effect": about.effect,
            "event": about.event, "at": about.at,
        }  # fmt: skip

    def _checked(self, result: HookResult) -> HookResult:
        """Return a result that can be acted on here.

        Raises:
            UsageError: This one can't; says why.
        """
        kind = result.kind
        if isinstance(result, Continue | Skipped):
            return result
        if self.when == "tell":
            raise UsageError(f"this point only tells: a hook can't return {kind} here")
        if isinstance(result, Redirect):
            if self.when != "before":
                raise UsageError("what has been performed can't be redirected")
            if not isinstance(result.target, str) or not result.target:
                raise UsageError("Redirect: target is the name of what is performed instead")
        elif isinstance(result, Modified | Replace):
            values.encode(result.data)
        elif isinstance(result, Cancel):
            return Cancel(str(result.reason or "no reason given"))
        elif isinstance(result, Cache):
            self._found = self._find(result.key) if self._find and self.when == "before" else None
        elif isinstance(result, Fork):
            values.encode([operation_of(one)[1] for one in result.operations])
        if self._check is not None:
            self._check(result)
        return result

    def _act(self, hook: Hook, result: HookResult) -> None:
        if isinstance(result, Modified):
            self.data, self.changed = values.encode(result.data), True
        elif isinstance(result, Redirect):
            self.target = result.target
        elif isinstance(result, Fork):
            self.operations += [(hook.name, dict(one)) for one in result.operations]
        elif isinstance(result, Cache):
            self._cached(hook, result)
        elif isinstance(result, Replace | Cancel | Retry):
            self._decide(hook, result)
            if isinstance(result, Replace) and self.when != "before":
                self.data, self.changed = values.encode(result.data), True

    def _cached(self, hook: Hook, result: Cache) -> None:
        if self._found is None:
            self.keys.append(result)
        else:
            self._decide(hook, Replace(values.decode(self._found)))

    def _decide(self, hook: Hook, verdict: Replace | Cancel | Retry) -> None:
        self.verdict, self.decided_by = verdict, hook.name


def _nothing() -> None:
    """Tell nobody: others have gone on without this thread."""


def _is_inside(outer: tuple[Any, Hook], hook: Hook) -> bool:
    one: tuple[Any, Hook] | None = outer
    while one is not None:
        if one[1] is hook:
            return True
        one = one[0]
    return False


def _text_of(failure: BaseException) -> str:
    name = type(failure).__name__
    if isinstance(failure, RespellError):
        return str(failure)
    return values.unicode(f"{name}: {failure}" if str(failure) else name)


def run(
    hooks: Sequence[Hook], when: str, data: Any, about: About, *, attempt: int = 1
) -> Chain:  # fmt: skip
    """Run a chain to its end, and return it. For what is not an effect of a host.

    Args:
        hooks: The hooks, in the order they run.
        when: `before`, `after`, `error` or `tell`.
        data: What they are told.
        about: What else they are told.
        attempt: The how-manieth time that this is tried, from 1.
    """
    chain = Chain(hooks, when, values.encode(data), about, attempt=attempt)
    if hooks:
        chain.start()
        chain.wait()
    return chain
