"""Which hooks there are: by point, in the order they run."""

from __future__ import annotations

import builtins
import difflib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from respell.errors import UsageError
from respell.hooks.breaker import Breaker, Figures, Meter
from respell.hooks.points import Point, find, find_for_python

if TYPE_CHECKING:
    from respell.hooks.context import HookContext
    from respell.hooks.results import HookResult

ENTRY_POINTS = "respell.hooks"
PRIORITIES = {"highest": -1000, "high": -100, "normal": 0, "low": 100, "lowest": 1000}
"""Names of priorities; the lower one runs first."""

TIME_LIMIT_S = 5.0
"""Seconds that one call of a hook may take, unless it is registered with others."""

Callback = Callable[["HookContext"], Any]
F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__respell_hooks__"


@dataclass(slots=True, eq=False)
class Hook:
    """One registered hook.

    Attributes:
        point: The point it is at.
        name: Unique there.
        callback: Takes a `HookContext`, returns what `respell.hooks.result_of` understands.
        priority: Lower ones run first.
        order: The how-manieth registration it was; decides between equal priorities.
        tags: To find it by.
        replayable: Called with the same context it decides the same, so that a replay may
            call it again and compare.
        time_limit_s: Seconds that one call may take.
        wants: At a point around every effect: tells by an effect's name whether it is called
            there; None for always.
        quick: It takes no longer than a write to the disk, so it needs no thread of its own.
        late: It has steps, each of which may take `time_limit_s`: what it decides where one takes
            longer. None where it decides nothing then, and that counts as a failure.
        enabled: Whether it is called.
        breaker: Keeps it from being called after failures.
        meter: How often and how fast it ran.
    """

    point: Point
    name: str
    callback: Callback
    priority: float = 0
    order: int = 0
    tags: tuple[str, ...] = ()
    replayable: bool = False
    time_limit_s: float = TIME_LIMIT_S
    wants: Callable[[str], bool] | None = None
    quick: bool = False
    late: Callable[[str], HookResult] | None = None
    enabled: bool = True
    breaker: Breaker = field(default_factory=Breaker)
    meter: Meter = field(default_factory=Meter)

    def figures(self) -> Figures:
        """Return how often and how fast it ran, and whether its breaker is open."""
        return self.meter.figures(self.breaker.state)

    def describe(self) -> dict[str, Any]:
        """Return what `respell.hooks.list` shows of it."""
        return {
            "name": self.name, "point": self.point.name, "priority": self.priority,
            "language": "python", "tags": list(self.tags), "enabled": self.enabled,
            "replayable": self.replayable, "time_limit_s": self.time_limit_s,
            "quick": self.quick,
        }  # fmt: skip


class HookRegistry:
    """Hooks by point. May be changed and read by several threads at once.

    Reading is free of locks: every change makes new tuples, and who is running a chain keeps
    the one it began with. A registry *above* another one shows the other's hooks as well, as
    they are at the time; that is how a run has hooks of its own besides those of the process.

    Policies and middleware are hooks like any other, registered here under their own tags:
    `BeforeEffect`, `AfterEffect` and `EffectError` are around every effect that a host
    performs, the points of `respell.hooks.points.EFFECTS` around single ones, the
    `Session…` points before operations of sessions. Priorities put them in their place: middleware
    before policies before hooks of users (see `respell.engine.hooking` for how a host calls them).

    Args:
        below: The registry whose hooks this one shows besides its own.
    """

    def __init__(self, below: HookRegistry | None = None) -> None:
        self._below = below
        self._lock = threading.RLock()
        self._hooks: dict[tuple[str, str], Hook] = {}
        self._at: dict[str, tuple[Hook, ...]] = {}
        self._last = 0
        self._enabled = True
        self._version = 0
        self._seen = -1  # version of the registry below that `_at` is made from

    @property
    def version(self) -> int:
        """Rises with every change, also of the registry below."""
        return self._version + (self._below.version if self._below is not None else 0)

    # Changing ----------------------------------------------------------------------------

    def register(
        self,
        point: str,
        callback: Callback,
        *,
        name: str | None = None,
        priority: str | float = "normal",
        tags: Sequence[str] = (),
        replayable: bool = False,
        time_limit_s: float | None = None,
        wants: Callable[[str], bool] | None = None,
        quick: bool = False,
        late: Callable[[str], HookResult] | None = None,
    ) -> Hook:
        """Add a hook.

        Args:
            point: Any name of a point (`respell.hooks.POINTS`), or `custom:NAME`.
            callback: Takes a `HookContext`; returns nothing, a text, a result or a dict (see
                `respell.hooks.result_of`).
            name: Unique at the point; by default the function's name.
            priority: highest, high, normal, low, lowest, or a number; lower ones run first, and
                equal ones in the order they were registered.
            tags: To find it by.
            replayable: Called with the same context it decides the same; a replay with
                `check_hooks` calls it again and compares.
            time_limit_s: Seconds that one call may take; None for 5.
            wants: At a point around every effect: tells by an effect's name whether the hook is
                around it; None for all.
            quick: It takes no longer than a write to the disk. It then runs in the host's own
                thread, where it can't be given up; the first time that it takes longer than it
                may counts as a failure, and is the last time that it runs there.
            late: The hook has steps, and says when each begins (`HookContext.begin_step`); each
                may take `time_limit_s`. Returns, given the name of one that takes longer, what
                the hook decides then. Its breaker never opens because of that.

        Raises:
            UsageError: There is no such point for Python, another hook of the point has the
                name, or an argument is none that it can be.
        """
        found = find_for_python(point)
        if not callable(callback):
            raise UsageError(f"a hook is a function, not a {type(callback).__name__}")
        chosen = name if name is not None else str(getattr(callback, "__name__", ""))
        if not isinstance(chosen, str) or not chosen or len(chosen.encode()) > 255:
            raise UsageError(f"{chosen!r:.80} is no name for a hook: it has 1 to 255 bytes")
        limit = TIME_LIMIT_S if time_limit_s is None else float(time_limit_s)
        if not 0 < limit < float("inf"):
            raise UsageError(f"time_limit_s is a number of seconds above 0, not {time_limit_s!r}")
        with self._lock:
            if (found.name, chosen) in self._hooks:
                raise UsageError(
                    f"there is a hook {chosen!r} at {found.name} already; choose another name, or "
                    f'respell.hooks.unregister("{chosen}", point="{found.name}") first'
                )
            self._last += 1
            hook = Hook(
                found, chosen, callback, priority_of(priority), self._last,
                (tags,) if isinstance(tags, str) else tuple(tags), replayable, limit, wants, quick,
                late,
            )  # fmt: skip
            self._hooks[found.name, chosen] = hook
            self._changed()
        return hook

    def unregister(self, name: str | Hook, *, point: str | None = None) -> bool:
        """Take a hook away, at one point or at all; return whether there was one."""
        with self._lock:
            gone = self._named(name, point)
            for hook in gone:
                del self._hooks[hook.point.name, hook.name]
            if gone:
                self._changed()
        return bool(gone)

    def enable(self, name: str | Hook | None = None, *, point: str | None = None) -> None:
        """Let a hook be called again (its breaker is closed); None for all of this registry.

        Raises:
            UsageError: There is no hook of that name (at that point).
        """
        self._switch(name, point, True)

    def disable(self, name: str | Hook | None = None, *, point: str | None = None) -> None:
        """Have a hook not called until it is enabled; None for all of this registry.

        Raises:
            UsageError: There is no hook of that name (at that point).
        """
        self._switch(name, point, False)

    def _switch(self, name: str | Hook | None, point: str | None, on: bool) -> None:
        with self._lock:
            if name is None and point is None:
                self._enabled = on
            else:
                for hook in self._found(name, point):
                    hook.enabled = on
                    if on:
                        hook.breaker.reset()
            self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._seen = -1

    # Reading -----------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether any hook of this registry is called."""
        return self._enabled

    def at(self, point: str) -> tuple[Hook, ...]:
        """Return the hooks of a point that are enabled, in the order they run.

        Args:
            point: The point's own name.
        """
        below = self._below.version if self._below is not None else 0
        if below != self._seen:
            self._rebuild(below)
        return self._at.get(point, ())

    def wanted(self, *points: str) -> bool:
        """Return whether a hook is at one of these points (own names)."""
        return any(self.at(point) for point in points)

    def _rebuild(self, below: int) -> None:
        with self._lock:
            at: dict[str, list[Hook]] = {}
            for hook in self._shown(None):
                at.setdefault(hook.point.name, []).append(hook)
            self._at = {point: tuple(hooks) for point, hooks in at.items()}
            self._seen = below

    def _shown(self, point: str | None) -> builtins.list[Hook]:
        """Return the hooks that may be called: lower priority first, then registration."""
        own = [it for it in self._hooks.values() if it.enabled] if self._enabled else []
        if self._below is not None:
            # Those below were there first.
            own = [*self._below._shown(None), *own]
        return sorted(own, key=lambda hook: hook.priority)

    def get(self, name: str, *, point: str | None = None) -> Hook:
        """Return a hook, also one that is disabled.

        Raises:
            UsageError: There is none of that name (at that point); names the nearest.
        """
        return self._found(name, point)[0]

    def list(self, point: str | None = None, *, tag: str | None = None) -> builtins.list[Hook]:
        """Return all hooks, also those that are disabled, in the order they run.

        Args:
            point: Only those at this point; any of its names.
            tag: Only those with this tag.
        """
        wanted = None if point is None else find(point).name
        below = [] if self._below is None else self._below.list(point, tag=tag)
        with self._lock:
            own = [
                hook for hook in self._hooks.values()
                if wanted in (None, hook.point.name) and (tag is None or tag in hook.tags)
            ]  # fmt: skip
        return sorted([*below, *own], key=lambda hook: hook.priority)

    def metrics(self) -> dict[str, Figures]:
        """Return how often and how fast each hook ran, by `POINT/NAME`."""
        return {f"{hook.point.name}/{hook.name}": hook.figures() for hook in self.list()}

    def _named(self, name: str | Hook | None, point: str | None) -> builtins.list[Hook]:
        wanted = None if point is None else find(point).name
        return [
            hook for hook in self._hooks.values()
            if (name is None or hook is name or hook.name == name)
            and wanted in (None, hook.point.name)
        ]  # fmt: skip

    def _found(self, name: str | Hook | None, point: str | None) -> builtins.list[Hook]:
        found = self._named(name, point)
        if not found and self._below is not None:
            found = self._below._named(name, point)
        if found:
            return found
        shown = name.name if isinstance(name, Hook) else name
        near = difflib.get_close_matches(str(shown), [it.name for it in self.list()], n=1)
        where = f" at {point}" if point else ""
        raise UsageError(
            f"there is no hook {shown!r}{where}" + (f"; did you mean {near[0]}?" if near else "")
        )


def priority_of(priority: str | float) -> float:
    """Return a priority as a number.

    Raises:
        UsageError: It is none.
    """
    if isinstance(priority, str) and priority in PRIORITIES:
        return PRIORITIES[priority]
    number = isinstance(priority, int | float) and not isinstance(priority, bool)
    if not number or priority != priority:
        raise UsageError(
            f"a priority is a number or one of {', '.join(PRIORITIES)}, not {priority!r:.80}"
        )
    return priority  # type: ignore[return-value]


declared = HookRegistry()
"""The hooks of this process: those of `@respell.hook`, and of installed packages."""


def hook(
    point: str,
    *,
    name: str | None = None,
    priority: str | float = "normal",
    tags: Sequence[str] = (),
    replayable: bool = False,
    time_limit_s: float | None = None,
    quick: bool = False,
) -> Callable[[F], F]:
    """Register a function as a hook of this process; the function stays as it is.

    Args:
        point: Any name of a point (`respell.hooks.POINTS`), or `custom:NAME`.
        name: Unique at the point; by default the function's name.
        priority: highest, high, normal, low, lowest, or a number; lower ones run first.
        tags: To find it by.
        replayable: Called with the same context it decides the same; a replay with
            `check_hooks` calls it again and compares.
        time_limit_s: Seconds that one call may take; None for 5.
        quick: It takes no longer than a write to the disk; see `HookRegistry.register`.

    Raises:
        UsageError: There is no such point, or another function has the name there.
    """

    def decorate(function: F) -> F:
        chosen = name if name is not None else str(getattr(function, "__name__", ""))
        _forget_older(point, chosen, function)
        made = declared.register(
            point, function, name=chosen, priority=priority, tags=tags, replayable=replayable,
            time_limit_s=time_limit_s, quick=quick,
        )  # fmt: skip
        marks = [*getattr(function, _MARK, ()), made]
        setattr(function, _MARK, marks)
        return function

    return decorate


def _forget_older(point: str, name: str, function: Callable[..., Any]) -> None:
    """Take the same function's older self away: its module is reloaded, or a notebook's cell."""
    for old in declared.list(find_for_python(point).name):
        if old.name == name and _whereabouts(old.callback) == _whereabouts(function):
            declared.unregister(old)


def _whereabouts(function: Any) -> tuple[str, str]:
    return getattr(function, "__module__", ""), getattr(function, "__qualname__", "")


# Of installed packages ---------------------------------------------------------------------


@cache
def load_installed() -> Mapping[str, str]:
    """Load the hooks of installed packages, once per process.

    An entry point of the group `respell.hooks` leads to a module or function whose
    `@respell.hook` decorators register them.

    Returns:
        What could not be loaded, by the entry point's name, and why.
    """
    if not _some_package_has_hooks():
        return {}
    from importlib.metadata import entry_points  # takes longer than most commands

    problems = {}
    for point in entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist else point.value
        try:
            point.load()
        except Exception as error:  # noqa: BLE001 - importing a package may raise anything
            problems[point.name] = (
                f"the hooks '{point.name}' of the package {package} can't be loaded: "
                f"{type(error).__name__}: {error}"
            )
    return problems


def _some_package_has_hooks() -> bool:
    """Return whether the metadata of any installed package speaks of the group.

    Every host and every command asks: looking at the files takes a tenth of the time that
    importing and asking `importlib.metadata` does.
    """
    wanted = ENTRY_POINTS.encode()
    for folder in dict.fromkeys(sys.path):
        path = folder or os.curdir
        if os.path.isfile(path):
            return True  # an archive: only importlib can look into it
        try:
            names = os.listdir(path)
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and wanted in _read(
                os.path.join(path, name, "entry_points.txt")
            ):
                return True
    return False


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
