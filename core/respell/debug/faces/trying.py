"""What if it had been otherwise: dry runs of edits, and forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from respell.debug.edits import Edit, together
from respell.debug.faces.moving import Moving
from respell.debug.inspecting import Frame
from respell.debug.position import Position
from respell.debug.rehearsal import Rehearsed
from respell.debug.stops import Stop, replaced
from respell.debug.what_if import Edited, edited
from respell.debug.worker import Cancelled
from respell.engine.program import Program
from respell.errors import UsageError
from respell.history.diff import Difference, diff
from respell.sessions.record import SessionRecord

Script = str | bytes | os.PathLike[str]
"""The path of a script, or its text as bytes."""


class Trying(Moving):
    """Edits at the position, and what comes of them; the session stays what it is."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is different from what was recorded; empty where it isn't a dry run."""
        return () if self._edited is None else self._edited.edits

    @property
    def dry_run(self) -> Rehearsed | None:
        """How the dry run came about, and why it ends where it does; None where it is none."""
        return None if self._edited is None else self._edited.made

    @property
    def program(self) -> Program:
        """What is executed."""
        return self._execution.program

    def set_variable(self, name: str, expression: str, frame: Frame | int = 0) -> Stop:
        """Set a variable here; from then on the debugger stands in a dry run of that.

        Nothing is performed: what the script asks for is answered from what was recorded. Where
        it asks for what never was, the dry run ends (`stop.reason` is `unrecorded`).

        Args:
            name: A variable that the function at the frame sees, with fields where need be:
                `total`, `config.retries`, `list[3]`.
            expression: A Lua expression, computed in its place.
            frame: Whose variable it is.

        Raises:
            UsageError: The variable is not there, or the expression fails or would be an effect.
        """
        return self._edit(lambda: [self._editing.variable(name, expression, frame)])

    def set_outcome(
        self, outcome: Any = None, *, event: int | None = None, error: str | None = None
    ) -> Stop:
        """Give an event another outcome; from then on the debugger stands in a dry run of that.

        Args:
            outcome: The value that it ends with.
            event: Its number; None for the one that the position comes after, or that the
                execution waits for where it ends.
            error: The text of the error that it ends with instead.

        Raises:
            EventNotFound: There is no such event.
            UsageError: It comes later, can't have another outcome, or can't end like this.
        """
        return self._edit(lambda: [self._editing.outcome(event, outcome, error)])

    def set_script(self, script: Script) -> Stop:
        """Go on with another script from here; the debugger stands in a dry run of that.

        Args:
            script: Its text as bytes, or the path of a file. It must do up to here what is
                recorded.

        Raises:
            UsageError: It can't be read, or does not compile.
            Divergence: It does something else before here; says where, and what.
        """
        return self._edit(lambda: [self._editing.script(script)])

    def edit(self, edits: Sequence[Edit]) -> Stop:
        """Make edits that were made before, in this debugger or another over the session.

        Args:
            edits: What `edits` returned then. They are made besides those that there are.

        Raises:
            UsageError: One of them can't be made, or there are none.
            Divergence: A script among them does something else before its place.
        """
        if not edits:
            raise UsageError("no edits were given: `edits` returns those of a dry run")
        return self._edit(lambda: list(edits))

    def discard_edits(self) -> Stop:
        """Go back to the session as it was recorded, to where the first edit was made."""
        if self._edited is None or self._original is None:
            raise UsageError("there are no edits to discard")
        self._leave_dry_run()
        return self._standing.jump(lambda: self._standing.back_at(self.stop))

    def fork(self, name: str = "", *, created_by: str | None = None) -> SessionRecord:
        """Return a new, suspended session that goes on from here, with the edits that there are.

        It shares what is recorded up to here (or to the last edit, if that is later), outcomes
        that the dry run took from there included, and goes live when it is resumed.

        Args:
            name: Its name; empty for the original's with ` (fork)`.
            created_by: Who forks, as shown to people.
        """
        self._standing.be_here()
        used: int = self._standing.report["used"]
        return self._editing.fork(self._edited, used, name, created_by)

    def compare(self) -> Difference:
        """Return what is different between the session as it was recorded and the dry run.

        Raises:
            UsageError: It isn't a dry run.
        """
        if self._edited is None:
            raise UsageError("there are no edits: nothing is different from what was recorded")
        return diff(*self._recorded, self.session, other=self._store, exact=True)

    def _edit(self, make: Callable[[], list[Edit]]) -> Stop:
        self._standing.be_here()
        self._editing.cancel.clear()
        edits = together(self.edits, make())
        try:
            now = edited(*self._recorded, edits, self._editing.cancel, self._on_progress)
        except Cancelled:
            self._execution.begin_move()  # what woke it up is forgotten
            return replaced(self.stop, "cancelled")
        return self._become(now)

    def _become(self, now: Edited) -> Stop:
        with ExitStack() as unless_there:
            unless_there.callback(now.close)
            execution = self._executed(now)
            unless_there.callback(execution.close)
            scene = self._scene(now, execution)
            unless_there.pop_all()
        self._leave_dry_run()
        self._original, self._edited = self._here, now
        self._enter(scene)
        return self._go_to_edit()

    def _leave_dry_run(self) -> None:
        """Stand in the session as it was recorded again, where the first edit was made."""
        if self._edited is None or self._original is None:
            return
        self._here.execution.close()
        self._edited.close()
        original, self._original, self._edited = self._original, None, None
        self._enter(original)

    def _go_to_edit(self) -> Stop:
        assert self._edited is not None
        place = self._editing.place(self._edited, self._edited.edits[-1])
        try:
            return self.go_to(place)
        except UsageError:
            # Another script has other lines there.
            return self.go_to(place.event if isinstance(place, Position) else place)
