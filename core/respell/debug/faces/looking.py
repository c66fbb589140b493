"""Looking at what is there at the position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from respell.debug.calls import Call, calls_of_line, returned_by
from respell.debug.changes import Listed
from respell.debug.chunks import Chunk
from respell.debug.faces.scene import Staged
from respell.debug.inspecting import Coroutine, Evaluated, Frame, Value, Variable, Variables
from respell.debug.inspector import EVALUATE_WITHIN_S, MOST_BYTES, Only
from respell.debug.sources import SourceText
from respell.history.events import Event, events


class Looking(Staged):
    """What a script that stands still has, and what its session was at that time."""

    def coroutines(self) -> list[Coroutine]:
        """Return the main thread and every coroutine that lives, or died of an error."""
        self._standing.be_here()
        return self._inspector.coroutines()

    def stack(
        self, coroutine: int | None = None, *, first: int = 0, count: int = 200
    ) -> list[Frame]:
        """Return the script's functions that run, innermost first.

        Args:
            coroutine: Number of the coroutine; None for the one that runs.
            first: Index of the first one to return.
            count: How many of them at most.
        """
        self._standing.be_here()
        return self._inspector.stack(coroutine, first, count)

    def variables(self, frame: Frame | int = 0) -> Variables:
        """Return what a function sees: locals, varargs, upvalues."""
        self._standing.be_here()
        return self._inspector.variables(self._frame(frame))

    def globals(self) -> tuple[list[Variable], list[str]]:
        """Return the globals that the script made or changed, and names of those it took away."""
        self._standing.be_here()
        return self._inspector.globals()

    def calls(self) -> list[Call]:
        """Return what the line that is next calls directly, in the order of time."""
        return calls_of_line(self._standing)

    def returns(self, frame: Frame | int = 0) -> Listed[Value] | None:
        """Return what the call of a frame's function returns later, 16 values at most.

        Args:
            frame: The frame.

        Returns:
            The values; the list's `more` says whether there are others. None where it is ended by
            an error, or has not returned by the end of what is recorded.

        Raises:
            Cancelled: It was cancelled.
        """
        self._standing.be_here()
        return returned_by(self._standing, self._frame(frame))

    def sources(self) -> list[SourceText]:
        """Return the script and what it loaded, in the order in which that was first loaded.

        After these come chunks that `load` made, those whose texts were asked for (see `source`).
        """
        return list(self._sources.all().values())

    def source(self, name: str) -> SourceText:
        """Return one source.

        Args:
            name: Its name as stops and frames have it, a file's path or the end of one. Of a chunk
                that `load` made also the name that the script gave it, or # and the first digits
                of what is behind it.

        Raises:
            UsageError: The session has no such source, several chunks have that name, or the text
                is longer than 64 MiB.
            Cancelled: It was cancelled.
        """
        return self._sources.named(name)

    def chunks(self) -> Listed[Chunk]:
        """Return the chunks that `load` makes over the whole execution, in the order of time.

        Of those with the same name and text there is one; 10,000 are listed at most, and the
        list's `more` says whether there are others.

        Raises:
            Cancelled: It was cancelled.
        """
        self._standing.be_here()
        return self._sources.chunks.all()

    def children(
        self, value: Value, *, first: int = 0, count: int = 100, only: Only | None = None
    ) -> tuple[list[Variable], int, Value | None]:
        """Return entries of a table or upvalues of a function, their number, and a metatable.

        Args:
            value: A value that was shown since the last move.
            first: Index of the first one to return, from 0.
            count: How many of them at most.
            only: "indexed" for the items of a table's list, "named" for all others.
        """
        self._standing.be_here()
        return self._inspector.children(value, first, count, only)

    def bytes(self, value: Value, *, first: int = 0, count: int = MOST_BYTES) -> bytes:
        """Return bytes of a string, at most 1 MiB at once.

        Args:
            value: A string that was shown since the last move.
            first: Index of the first byte, from 0.
            count: How many of them at most.
        """
        self._standing.be_here()
        return self._inspector.bytes(value, first, count)

    def look(self, text: str, frame: Frame | int = 0) -> Value | None:
        """Return the value of an expression as the script has it, with all that is inside of it.

        None for one that calls functions of the script, or has an error: see `evaluate`.
        """
        self._standing.be_here()
        return self._inspector.look(text, self._chosen(frame))

    def evaluate(
        self,
        text: str,
        frame: Frame | int = 0,
        *,
        timeout_s: float = EVALUATE_WITHIN_S,
        keep: bool = False,
    ) -> Evaluated:
        """Evaluate an expression, or run statements, as the function at a frame would.

        It happens in a copy of the worker that is thrown away, so it leaves no trace. What would
        be an effect is an error; what is printed is returned.

        Args:
            text: The expression or statements.
            frame: Whose variables it sees.
            timeout_s: Seconds after which it is given up.
            keep: Keep the copy until the next move, so that `children` and `bytes` can be asked
                for what is inside of the values; of 8 values at most.
        """
        self._standing.be_here()
        return self._inspector.evaluate(text, self._chosen(frame), timeout_s, keep)

    def event(self) -> Event | None:
        """Return the event that the position comes after."""
        return self._inspector.event(self.position)

    def events(self, first: int = 1, last: int | None = None) -> Iterator[Event]:
        """Yield the session's events by number, also those after here.

        Args:
            first: First event number.
            last: Last event number; None for all there are.
        """
        return events(self._store, self.session.key, first, last)

    @property
    def last_event(self) -> int:
        """Number of the last event that the script caused, as far as it is recorded."""
        return self._execution.last_event

    def output(self) -> list[str]:
        """Return what had been written by now, line by line."""
        return self._inspector.output(self.position)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the values that the script had set by now, by scope and key."""
        return self._inspector.state(self.position)

    def artifacts(self) -> list[dict[str, Any]]:
        """Return the artifacts that had been made by now.

        Each has id, name, version, event (what made it), and deleted: the event by which it had
        been deleted by now, or None.
        """
        return self._inspector.artifacts(self.position)
