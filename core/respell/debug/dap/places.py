"""What clients refer to by number: frames, things with something inside, strings, targets.

A number means one thing until the debugger moves. Numbers are never given out twice, so one of
an earlier place is recognized.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from respell.debug.dap.messages import Code, Refused
from respell.debug.inspecting import Frame, Value
from respell.debug.inspector import Only


@dataclass(frozen=True, slots=True)
class Child:
    """Something with a name, inside of something else.

    Attributes:
        name: Its name, or the key as a constructor of a table would have it.
        value: A value of the script, or plain data of the session.
        expression: What evaluates to it; empty where nothing does.
        settable: Whether it can be set to another value.
    """

    name: str
    value: object
    expression: str = ""
    settable: bool = False


class Container(Protocol):
    """What has something inside."""

    frame: Frame | None
    """Where expressions of theirs are to be evaluated; None for anywhere."""

    @property
    def named(self) -> int:
        """How many have names."""
        ...

    @property
    def indexed(self) -> int:
        """How many are items of a list."""
        ...

    def children(self, only: Only | None, first: int, count: int) -> list[Child]:
        """Return what is inside: items of a list, everything else, or all of it."""
        ...

    def renewed(self) -> Container | None:
        """Return it for the worker that stands here now; None where it can't be found again."""
        ...


@dataclass(slots=True)
class Places:
    """The numbers of the place where the debugger stands."""

    _numbers: count[int] = field(default_factory=lambda: count(1))
    _frames: dict[int, Frame | None] = field(default_factory=dict)
    _frame_numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    _containers: dict[int, Container] = field(default_factory=dict)
    _of_before: dict[int, Container] = field(default_factory=dict)
    _strings: dict[str, Value] = field(default_factory=dict)
    _targets: dict[int, object] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget all: the debugger moves."""
        self._frames.clear()
        self._frame_numbers.clear()
        self.clear_values()
        self._of_before.clear()
        self._targets.clear()

    def clear_values(self) -> None:
        """Forget what is inside of values, which another worker has now.

        What is asked for by a number of before is looked up again: not every client is told.
        """
        self._of_before |= self._containers
        self._containers.clear()
        self._strings.clear()

    def of_frame(self, frame: Frame | None, coroutine: int = 0) -> int:
        """Return the number of a frame; None is the place at which no function runs."""
        key = (coroutine, -1) if frame is None else (frame.coroutine, frame.index)
        if key not in self._frame_numbers:
            self._frame_numbers[key] = number = next(self._numbers)
            self._frames[number] = frame
        return self._frame_numbers[key]

    def frame(self, number: int) -> Frame | None:
        """Return the frame of a number."""
        if number not in self._frames:
            raise _stale(f"frame {number}", "ask for the stack again")
        return self._frames[number]

    def of_container(self, container: Container) -> int:
        """Return a number for something with something inside."""
        number = next(self._numbers)
        self._containers[number] = container
        return number

    def container(self, number: int) -> Container:
        """Return what a `variablesReference` means."""
        before = self._of_before.pop(number, None)
        if before is not None and (renewed := before.renewed()) is not None:
            self._containers[number] = renewed
        if number not in self._containers:
            raise _stale(f"variablesReference {number}", "ask for the scopes again")
        return self._containers[number]

    def of_string(self, value: Value) -> str:
        """Return a `memoryReference` for a string."""
        name = f"string-{next(self._numbers)}"
        self._strings[name] = value
        return name

    def string(self, name: str) -> Value:
        """Return the string of a `memoryReference`."""
        if name not in self._strings:
            raise _stale(f"memoryReference {name}", "ask for the variables again")
        return self._strings[name]

    def of_target(self, target: object) -> int:
        """Return a number for a place that one can go to, or the move that leads there."""
        number = next(self._numbers)
        self._targets[number] = target
        return number

    def target(self, number: int) -> object:
        """Return the target of a number."""
        if number not in self._targets:
            raise _stale(f"target {number}", "ask for the targets again")
        return self._targets[number]


def _stale(what: str, advice: str) -> Refused:
    # Editors ask by numbers of before while they are told of the next place: no news to a person.
    return Refused(f"{what} is none of this place; {advice}", Code.STALE, show=False)
