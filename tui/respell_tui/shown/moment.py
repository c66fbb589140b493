"""One moment of a session, as the screen shows it: everything depends on the position alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from respell.debug import (
    Coroutine,
    Debugger,
    Frame,
    Position,
    Stop,
    Value,
    Variable,
    Variables,
)
from respell.errors import UsageError
from respell.history.events import Event

Path = tuple[str, ...]
"""Where a variable is: its group, its name, then keys of tables."""

MOST_FRAMES = 50
MOST_CHILDREN = 100
MOST_THREADS = 20


@dataclass(frozen=True, slots=True)
class Children:
    """What is inside of a value: some of it, and how much there is."""

    entries: Sequence[Variable]
    total: int


@dataclass(frozen=True, slots=True)
class Watched:
    """An expression that is looked at at every stop, and what it came to."""

    expression: str
    value: Value | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What of a moment is looked at: what nobody sees is not read.

    Attributes:
        frame: Index of the function whose variables are shown.
        coroutine: Number of the coroutine that it runs in; None for the one that runs.
        opened: The variables that are opened.
        watches: Expressions.
        globals: Whether globals are shown.
        output: Whether the output is.
        then: Whether the state and the artifacts are.
    """

    frame: int = 0
    coroutine: int | None = None
    opened: frozenset[Path] = frozenset()
    watches: tuple[str, ...] = ()
    globals: bool = False
    output: bool = False
    then: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """A coroutine that does not run now, and its functions, innermost first."""

    coroutine: Coroutine
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is to see at a position.

    Attributes:
        stop: Where it is, and why one is there.
        frames: The functions of the coroutine that is looked at, innermost first.
        frame: Index of the one whose variables these are.
        threads: The other coroutines, up to 20.
        variables: What it sees; None where no function runs.
        globals: Globals that the script made or changed; None where nobody looks.
        children: What is inside of the variables that are opened.
        watches: The expressions that are watched.
        event: The event that the position comes after.
        output: The lines written by now; None where nobody looks.
        state: Values by scope and key; None where nobody looks.
        artifacts: The artifacts that had been made; None where nobody looks.
    """

    stop: Stop
    frames: Sequence[Frame] = ()
    frame: int = 0
    threads: Sequence[Thread] = ()
    variables: Variables | None = None
    globals: Sequence[Variable] | None = None
    children: Mapping[Path, Children] = field(default_factory=dict)
    watches: Sequence[Watched] = ()
    event: Event | None = None
    output: Sequence[str] | None = None
    state: Mapping[str, Mapping[str, Any]] | None = None
    artifacts: Sequence[Mapping[str, Any]] | None = None

    @property
    def position(self) -> Position:
        """Where it is."""
        return self.stop.position

    @property
    def here(self) -> Frame | None:
        """The function whose variables these are."""
        return self.frames[self.frame] if self.frame < len(self.frames) else None

    @property
    def source(self) -> str:
        """Name of the source that is shown; empty where no function runs."""
        return self.here.source if self.here is not None else self.stop.source

    @property
    def line(self) -> int:
        """The line of it that is next, 1-based; 0 for none."""
        here = self.here
        if here is None or (self.frame == 0 and here.coroutine == self.stop.coroutine):
            return self.stop.line
        return here.line


def read_moment(debugger: Debugger, wishes: Wishes) -> Moment:
    """Read what there is to see where a debugger stands.

    Args:
        debugger: The debugger; it stands still meanwhile.
        wishes: What is looked at.
    """
    stop = debugger.stop
    running = debugger.stack(count=MOST_FRAMES) if stop.source else []
    threads = _threads(debugger, stop.coroutine) if running else []
    other = next((it for it in threads if it.coroutine.number == wishes.coroutine), None)
    frames = running
    if other is not None and other.frames:
        frames = list(other.frames)
        now = Coroutine(stop.coroutine, "running")
        threads = [Thread(now, running), *(it for it in threads if it is not other)]
    at = min(wishes.frame, max(0, len(frames) - 1))
    here = frames[at] if frames else None
    variables = debugger.variables(here) if here is not None else None
    seen = None
    if wishes.globals:
        seen, _ = debugger.globals()
    return Moment(
        stop=stop,
        frames=frames,
        frame=at,
        threads=threads,
        variables=variables,
        globals=seen,
        children=_children(debugger, variables, seen or (), wishes.opened),
        watches=[_watched(debugger, one, here) for one in wishes.watches],
        event=debugger.event(),
        output=debugger.output() if wishes.output else None,
        state=debugger.state() if wishes.then else None,
        artifacts=debugger.artifacts() if wishes.then else None,
    )


def _children(
    debugger: Debugger,
    variables: Variables | None,
    seen: Sequence[Variable],
    opened: frozenset[Path],
) -> dict[Path, Children]:
    """Read what is inside of what is opened, from the outside in."""
    known: dict[Path, Value] = {("global", one.name): one.value for one in seen}
    if variables is not None:
        for group, found in groups_of(variables):
            known.update({(group, one.name): one.value for one in found})
    children: dict[Path, Children] = {}
    for path in sorted(opened, key=len):
        value = known.get(path)
        if value is None or not value.ref:
            continue
        entries, total, _ = debugger.children(value, count=MOST_CHILDREN)
        children[path] = Children(entries, total)
        known.update({(*path, one.name): one.value for one in entries})
    return children


def groups_of(variables: Variables) -> Sequence[tuple[str, Sequence[Variable]]]:
    """Return a function's variables by group; of locals with one name the one that is seen."""
    seen = {one.name: one for one in variables.locals}
    return (
        ("local", list(seen.values())), ("vararg", variables.varargs),
        ("upvalue", variables.upvalues),
    )  # fmt: skip


def _threads(debugger: Debugger, running: int) -> list[Thread]:
    """Return the coroutines besides the one that runs."""
    others = [it for it in debugger.coroutines() if it.number != running and it.status != "dead"]
    return [
        Thread(one, debugger.stack(one.number, count=MOST_FRAMES))
        for one in others[:MOST_THREADS]
    ]  # fmt: skip


def _watched(debugger: Debugger, expression: str, here: Frame | None) -> Watched:
    try:
        value = debugger.look(expression, here or 0)
        if value is not None:
            return Watched(expression, value)
        found = debugger.evaluate(expression, here or 0)
    except UsageError as error:
        return Watched(expression, None, str(error))
    return Watched(expression, found.values[0] if found.values else None, found.error)
