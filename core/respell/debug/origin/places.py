"""Going to other places of an execution, to look from there, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from respell.debug.going_back import GoingBack
from respell.debug.inspecting import Frame, Value
from respell.debug.inspector import Inspector
from respell.debug.lua_source.tree import Function
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.trees import Trees
from respell.errors import RespellError, UsageError

_EVALUATE_WITHIN_S = 2.0
_MOST_FRAMES = 200


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


class Places:
    """Stands at any place, and says what is seen from there."""

    def __init__(
        self, standing: Standing, back: GoingBack, inspector: Inspector, trees: Trees
    ) -> None:
        self.standing, self._back, self._inspector, self._trees = standing, back, inspector, trees
        self.began = standing.stop

    @contextmanager
    def away(self) -> Iterator[None]:
        """Leave the place where the debugger stands, and come back to it at the end."""
        standing, execution = self.standing, self.standing.execution
        self.began = standing.stop
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
        self.stand(position)
        return self._inspector.stack(coroutine, 0, _MOST_FRAMES)

    def frame(self, place: Place) -> Frame:
        """Return the frame of a place; after the end of the script, of its last line.

        Raises:
            UsageError: There is none.
        """
        self.stand(place.position)
        if self.is_after_end(place.position):
            self.stand(Position(place.position.event, place.position.steps - 1))
        return self._inspector.frame(place.frame, place.coroutine)

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

    def last_line_inside(self, frame: Frame, before: Position) -> Position | None:
        """Return the last line of a frame's function, or inside of its end, before a position."""
        order = {"want": "over", "coroutine": frame.coroutine, "depth": frame.depth}
        found = self._back.search(Position(1), order, before)
        return None if found is None else found.position

    def last_time_of(self, source: str, line: int, before: Position) -> Position | None:
        """Return the last time before a position that a line was about to run."""
        order = {"lines": {line: [{"id": 0, "source": source}]}}
        found = self._back.search(Position(1), order, before)
        return None if found is None else found.position

    def line_before(self, position: Position) -> Position | None:
        """Return the line that ran last before a position, in whatever function."""
        found = self._back.search(Position(1), {"want": "line"}, position)
        return None if found is None else found.position

    def calls(self, place: Place, until: Position) -> list[tuple[Position, str, int]]:
        """Return which functions of the script a place's calls, up to a position.

        Returns:
            Of each where its first line is about to run, its source, and the line it begins at.
        """
        frame = self.frame(place)
        report = self.standing.execution.probe(
            arm=1, want="calls", collect=True, most=_MOST_FRAMES, coroutine=frame.coroutine,
            depth=frame.depth, through=True, to_event=until.event, to_steps=until.steps,
        )  # fmt: skip
        found = []
        for event, steps, more in report["hits"] or []:
            source = more["source"]
            name = source.decode(errors="replace") if isinstance(source, bytes) else source
            found.append((Position(event, steps), name, more["line"]))
        return found

    def returned(self, entry: Position) -> Position | None:
        """Return where the function that is entered at a position has returned; None if never."""
        frame = self.frame(Place(entry))
        report = self.standing.execution.probe(
            arm=1, want="out", coroutine=frame.coroutine, depth=frame.depth
        )
        if "end" in report or report.get("frontier"):
            return None
        return Position(report["event"], report["steps"])
