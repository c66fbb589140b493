"""Going to other places of an execution, to look from there, and back again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from respell.debug.changes import Change
from respell.debug.going_back import GoingBack
from respell.debug.inspecting import Frame, Value
from respell.debug.inspector import Inspector
from respell.debug.lua_source.tree import Call, Function, Variable
from respell.debug.lua_source.writing import text_of
from respell.debug.origin.statements import Key, end_of, statements_at, variable_of
from respell.debug.over_time import OverTime
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.worker import as_text
from respell.errors import RespellError, UsageError

CALLED_TABLE = "table"
"""What `Places.function_of` returns of a table, which has a metamethod for it."""

_EVALUATE_WITHIN_S = 2.0
_MOST_FRAMES = 200
_MOST_CALLS = 1000  # of one statement
_MOST_BACK = 60  # lines of one statement
_MOST_NAMES = 60
_MOST_ENTRIES = 1_000_000
_MOST_OUTER = 8  # calls of a function that has returned, of which each may be the one


@dataclass(frozen=True, slots=True)
class Place:
    """A function at a position.

    Attributes:
        position: The position.
        frame: Index of its frame there, 0 for the innermost.
        coroutine: Number of the coroutine whose frames are counted; None for the one that runs.
    """

    position: Position
    frame: int = 0
    coroutine: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of the script that was called.

    Attributes:
        position: Where its first line is about to run.
        function: Which one, as values show it.
    """

    position: Position
    function: str


class Places:
    """Stands at any place, and says what is seen from there."""

    def __init__(
        self, standing: Standing, back: GoingBack, inspector: Inspector, over_time: OverTime
    ) -> None:
        self.standing, self._back, self._inspector = standing, back, inspector
        self._over_time, self._trees = over_time, over_time.trees
        self.began = standing.stop
        self._stacks: dict[tuple[Position, int | None], list[Frame]] = {}
        self._values: dict[tuple[str, Place], Value | None] = {}
        self._entered: dict[Function, list[Position]] = {}

    @contextmanager
    def away(self) -> Iterator[None]:
        """Leave the place where the debugger stands, and come back to it at the end."""
        standing, execution = self.standing, self.standing.execution
        self.began = standing.stop
        self._stacks.clear()
        self._values.clear()
        self._entered.clear()
        try:
            with execution.one_move():
                yield
        finally:
            standing.stop = self.began
            standing.come_back()

    def stand(self, position: Position) -> None:
        """Stand at a position."""
        standing = self.standing
        if position == self.began.position:
            standing.stop = self.began
        elif position != standing.position:
            standing.stop = standing.go_to(position)
        standing.be_here()

    def is_after_end(self, position: Position) -> bool:
        """Whether a position is where the debugger stood, and nothing runs there any more."""
        return (
            position == self.began.position
            and self.began.at_end
            and not self.began.source
            and position.steps > 0
        )

    def stack(self, position: Position, coroutine: int | None = None) -> list[Frame]:
        """Return the frames at a position, innermost first."""
        known = self._stacks.get((position, coroutine))
        if known is None:
            self.stand(position)
            known = self._inspector.stack(coroutine, 0, _MOST_FRAMES)
            self._stacks[position, coroutine] = known
        return known

    def frame(self, place: Place) -> Frame:
        """Return the frame of a place; after the end of the script, of its last line.

        Raises:
            UsageError: There is none.
        """
        frames = self.stack(self._seen_from(place.position), place.coroutine)
        if place.frame >= len(frames):
            raise UsageError("no function of the script runs there")
        return frames[place.frame]

    def _seen_from(self, position: Position) -> Position:
        """Return where variables are seen: after the end of the script at its last line."""
        if self.is_after_end(position):
            return Position(position.event, position.steps - 1)
        return position

    def function(self, frame: Frame) -> Function | None:
        """Return the function of a frame as it stands in the source; None if that isn't known."""
        tree = self._trees.of(frame.source)
        if tree is None:
            return None
        found = [
            one
            for one in tree.functions_at(frame.defined)
            if not frame.defined or one.line <= frame.line <= one.end
        ]
        return next((one for one in found if len(one.parameters) == frame.params), None)

    def value(self, text: str, place: Place) -> Value | None:
        """Return what an expression comes to at a place; None where it can't be told."""
        if (text, place) not in self._values:
            self._values[text, place] = self._evaluated(text, place)
        return self._values[text, place]

    def _evaluated(self, text: str, place: Place) -> Value | None:
        self.stand(self._seen_from(place.position))
        try:
            frame = self.frame(place)
        except UsageError:
            frame = None
        found = self._inspector.look(text, frame)
        if found is not None:
            return found
        try:
            evaluated = self._inspector.evaluate(text, frame, _EVALUATE_WITHIN_S)
        except RespellError:
            return None
        return evaluated.values[0] if evaluated.values else None

    def name_of(self, text: str, place: Place) -> str | None:
        """Return which variable that a function sees is the table that an expression comes to."""
        frame = self.frame(place)
        self.stand(self._seen_from(place.position))
        seen = self._inspector.variables(frame)
        changed, _ = self._inspector.globals()
        names = {
            one.name: None
            for one in (*reversed(seen.locals), *seen.upvalues, *changed)
            if one.value.type == "table" and one.name.isidentifier()
        }
        tests = " ".join(
            f"if rawequal(__wanted, {name}) then return '{name}' end"
            for name in list(names)[:_MOST_NAMES]
        )
        found = self.value(f"(function() local __wanted = {text} {tests} end)()", place)
        return found.text.strip('"') if found is not None and found.type == "string" else None

    # Lines ---------------------------------------------------------------------------------

    def last_line_inside(self, frame: Frame, before: Position) -> Position | None:
        """Return the last line of a frame's function, or inside of its end, before a position."""
        order = {"want": "over", "coroutine": frame.coroutine, "depth": frame.depth}
        return self._last(order, before)

    def last_time_of(self, source: str, lines: Iterable[int], before: Position) -> Position | None:
        """Return the last time before a position that one of some lines was about to run."""
        order = {line: [{"id": 0, "source": source}] for line in lines}
        return self._last({"lines": order}, before)

    def after(self, at: Position) -> Position | None:
        """Return where the line that is about to run at a position has ended; None if never."""
        frame = self.frame(Place(at))
        self.stand(at)
        return self._to("over", frame)

    def variable(self, place: Place, name: str) -> Variable | None:
        """Return which variable a name means at a place; None where that is not known."""
        frame, at = self.frame(place), self._seen_from(place.position)
        function = self.function(frame)
        if function is None:
            return None
        self.stand(at)
        slot, _ = self._inspector.named(frame, name)
        return variable_of(function, name, slot, frame.line)

    def line_before(self, position: Position) -> Position | None:
        """Return the line that ran last before a position, in whatever function."""
        return self._last({"want": "line"}, position)

    def _last(self, order: dict[str, Any], before: Position) -> Position | None:
        found = self._back.search(Position(1), order, before)
        return None if found is None else found.position

    def before(self, change: Change) -> Place | None:
        """Return where the statement began that made a change; None where that is not known."""
        at, source, line = change.position, change.source, change.line
        for frame in self.stack(at):
            if (frame.source, frame.defined) != (source, change.defined):
                continue
            # Calls of the same function inside of this one run the same line later.
            found = self.last_line_inside(frame, at)
            for _ in range(_MOST_BACK):
                if found is None:
                    break
                now = self.frame(Place(found))
                if now.depth == frame.depth and now.line == line:
                    return self.begin(now, Place(found), at)
                found = self.last_line_inside(frame, found)
            break
        found = self.last_time_of(source, [line], at)
        for _ in range(_MOST_BACK):
            if found is None:
                break
            now = self.frame(Place(found))
            if change.defined in (now.defined, -1):
                return self.begin(now, Place(found), at)
            found = self.last_time_of(source, [line], found)
        return None

    def begin(self, frame: Frame, place: Place, until: Position) -> Place:
        """Return where the statement began at which a frame stands, maybe lines before.

        Args:
            frame: The frame.
            place: Where it stands.
            until: Where it has ended, or has been left.
        """
        function = self.function(frame)
        statements = statements_at(function, frame.line) if function is not None else []
        first, last = frame.line, frame.line
        if statements:
            first, last = statements[-1].line, end_of(statements[-1])
        if not place.frame and first == last:
            return place
        at = place
        before = self.last_line_inside(frame, until if place.frame else place.position)
        for _ in range(_MOST_BACK):
            if before is None:
                break
            now = self.frame(Place(before))
            if now.depth != frame.depth or not first <= now.line <= last:
                break
            at = Place(before)
            before = self.last_line_inside(frame, before)
        return at

    def function_of(self, call: Call, place: Place) -> str:
        """Return which function a call is of, as values show it; empty where it isn't known."""
        if isinstance(call.function, Function):
            return function_text(self.frame(place).source, call.function.defined)
        text = text_of(call.function) + (f".{call.method}" if call.method else "")
        found = self.value(text, place)
        if found is not None and found.type == "table":
            return CALLED_TABLE
        return found.text if found is not None and found.type == "function" else ""

    # Calls ---------------------------------------------------------------------------------

    def calls(self, place: Place, until: Position) -> list[Entry]:
        """Return which functions of the script a place's calls before a position, in order."""
        if until <= place.position:
            return []
        frame = self.frame(place)
        self.stand(self._seen_from(place.position))
        report = self.standing.execution.probe(
            arm=1, want="calls", collect=True, most=_MOST_CALLS, coroutine=frame.coroutine,
            depth=frame.depth, through=True, to_event=until.event, to_steps=until.steps,
        )  # fmt: skip
        return [
            Entry(Position(event, steps), function_text(as_text(more["source"]), more["line"]))
            for event, steps, more in report["hits"] or []
        ]

    def entry(self, frame: Frame, at: Position) -> Position | None:
        """Return where the function of a frame was entered; None where that is not known."""
        order = {"want": "calls", "coroutine": frame.coroutine, "depth": frame.depth - 1}
        return self._last(order, Position(at.event, at.steps + 1))

    def returned(self, entry: Position) -> Position | None:
        """Return where the function that is entered at a position has returned; None if never."""
        frame = self.frame(Place(entry))
        self.stand(entry)
        return self._to("out", frame)

    def _to(self, want: str, frame: Frame) -> Position | None:
        """Return where a step of a frame's function ends; None where the execution does."""
        report = self.standing.execution.probe(
            arm=1, want=want, coroutine=frame.coroutine, depth=frame.depth
        )
        if "end" in report or report.get("frontier"):
            return None
        return Position(report["event"], report["steps"])

    def ends_of(self, source: str, variable: Variable, before: Position) -> list[Place]:
        """Return where the last calls end of the function whose local a variable is."""
        function = variable.function
        entries = [one for one in self._entries(source, function) if one < before][-_MOST_OUTER:]
        ends = (
            self._end_of(function, entry, min(following, before))
            for entry, following in zip(entries, [*entries[1:], before], strict=True)
        )
        return [Place(one) for one in ends if one is not None]

    def _entries(self, source: str, function: Function) -> list[Position]:
        """Return where all calls of a function begin, up to where the debugger stood."""
        if function not in self._entered:
            until = self.began.position
            report = self.standing.execution.scan(
                arm=1, collect=True, most=_MOST_ENTRIES,
                functions={function.defined: [{"id": 0, "source": source}]},
                to_event=until.event, to_steps=until.steps,
            )  # fmt: skip
            self._entered[function] = [Position(*one) for one in report["hits"] or []]
        return self._entered[function]

    def _end_of(self, function: Function, entry: Position, before: Position) -> Position | None:
        """Return the last line of one call of a function."""
        frame = self.frame(Place(entry))
        if self.function(frame) is not function:
            return None
        returned = self.returned(entry)
        end = self.last_line_inside(frame, min(before, returned or before))
        for _ in range(_MOST_BACK):
            # Others may have been called by the same statement since.
            if end is None or self.function(self.frame(Place(end))) is function:
                break
            end = self.last_line_inside(frame, end)
        return end

    # Fields --------------------------------------------------------------------------------

    def change_of_field(
        self, name: str, path: tuple[Key, ...], start: Place, change: Change
    ) -> Change | None:
        """Return which line changed a field of a table, of whatever function.

        Args:
            name: A variable that the function at the start sees.
            path: The keys behind it, up to the field.
            start: Where it had not been changed yet.
            change: The change, as it was seen from outside.
        """
        frame = self.frame(start)
        self.stand(start.position)
        return self._over_time.change_of_field(name, path, frame, change.position)


def function_text(source: str, line: int) -> str:
    """Return a function of the script as values show it."""
    return f"function <{source}:{line}>"
