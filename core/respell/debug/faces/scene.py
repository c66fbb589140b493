"""A session that is gone through, as it was recorded or with edits, and who knows what of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.deciding import Deciding
from respell.debug.execution import Execution
from respell.debug.going_back import GoingBack
from respell.debug.going_on import GoingOn
from respell.debug.inspecting import Frame
from respell.debug.inspector import Inspector
from respell.debug.live import Live
from respell.debug.origin.following import Following
from respell.debug.origin.performed import Performed
from respell.debug.origin.places import Places
from respell.debug.over_time import OverTime
from respell.debug.position import Position
from respell.debug.sources import Sources
from respell.debug.standing import Standing
from respell.debug.stops import Stop
from respell.debug.trail import Trail
from respell.debug.what_if import Edited, Editing
from respell.sessions.record import SessionRecord
from respell.store import Store

OnProgress = Callable[[float], None]
"""Called while a move takes longer than 0.3 s, with the seconds that the worker has run."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a debugger executes."""

    checkpoints: bool
    budget_bytes: int
    keep_breakpoints: bool


@dataclass(slots=True)
class Scene:
    """A session as it was recorded, or with edits, and all that moves through it."""

    store: Store
    session: SessionRecord
    execution: Execution
    inspector: Inspector
    standing: Standing
    sources: Sources
    trail: Trail
    on: GoingOn
    back: GoingBack


class Staged:
    """Stands in a session; what all parts of the face share.

    Attributes:
        session: The session as it was when it was opened, or when it was last looked at.
        live: The process that runs the session (or ran it, since it was opened): to follow it, to
            hold it, to let it go on. None where no process ran it when it was opened.
        breakpoints: The breakpoints.
    """

    session: SessionRecord
    live: Live | None
    breakpoints: BreakpointTable
    _recorded: tuple[Store, SessionRecord]
    _options: Options
    _on_progress: OnProgress | None
    _editing: Editing
    _edited: Edited | None
    _table: BreakpointTable | None
    _here: Scene
    _original: Scene | None
    _store: Store
    _execution: Execution
    _inspector: Inspector
    _standing: Standing
    _sources: Sources
    _trail: Trail
    _on: GoingOn
    _back: GoingBack
    _over_time: OverTime
    _origins: Following

    def _executed(self, now: Edited | None, *, follows: bool = False) -> Execution:
        store, session = self._recorded if now is None else (now.store, now.session)
        options = self._options
        execution = Execution(
            store, session, checkpoints=options.checkpoints, budget_bytes=options.budget_bytes,
            follows=follows, edited=now,
        )  # fmt: skip
        execution.on_wait = self._on_progress
        return execution

    def _scene(self, now: Edited | None, execution: Execution) -> Scene:
        """Return the session as it was recorded, or with edits, before its first line."""
        store, session = self._recorded if now is None else (now.store, now.session)
        standing = Standing(session, execution)
        sources = Sources(store, session, execution)
        if self._table is None:
            kept = self._options.keep_breakpoints
            self._table = BreakpointTable(store, session, execution, sources, kept=kept)
            self._table.variable = self._variable
        execution.decide = Deciding(execution, self._table).decide
        return Scene(
            store, session, execution, Inspector(store, session, execution), standing, sources,
            Trail(standing), GoingOn(standing, self._table, self._let_through),
            GoingBack(standing, self._table),
        )  # fmt: skip

    def _enter(self, scene: Scene) -> None:
        """Stand in the session as it was recorded, or with edits."""
        assert self._table is not None
        self._here = scene
        self._table.move_to(scene.store, scene.session, scene.execution, scene.sources)
        self.breakpoints = self._table
        self.session, self._store = scene.session, scene.store
        self._execution, self._inspector = scene.execution, scene.inspector
        self._standing, self._sources = scene.standing, scene.sources
        self._trail, self._on, self._back = scene.trail, scene.on, scene.back
        self._table.on_change = scene.trail.clear
        self._over_time = OverTime(scene.store, scene.standing, scene.inspector, self._table)
        self._origins = Following(
            Places(scene.standing, scene.back, scene.inspector, self._over_time),
            self._over_time, Performed(scene.store, scene.session),
            () if self._edited is None else self._edited.edits,
        )  # fmt: skip

    def _let_through(self) -> bool:
        """Let the session go on by one event, if it stands still for us; whether it did."""
        live = self.live
        if live is None or self._original is not None or not live.is_held:
            return False
        live.step()
        return live.is_held or not live.runs

    @property
    def store(self) -> Store:
        """Where the session is; in a dry run, a view in which its history is that of the run."""
        return self._store

    @property
    def stop(self) -> Stop:
        """Where the last move ended, and why."""
        return self._standing.stop

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.stop.position

    def cancel(self) -> None:
        """End the move in progress, which leaves everything where it was; from any thread."""
        self._editing.cancel.set()
        self._execution.wake.set()

    def forget_cancel(self) -> None:
        """Take back a `cancel` that came when no move was in progress any more."""
        self._editing.cancel.clear()
        self._execution.wake.clear()

    def _chosen(self, frame: Frame | int) -> Frame | None:
        """Return a frame; None where no function of the script runs."""
        return self._frame(frame) if self._standing.report["depth"] else None

    def _frame(self, frame: Frame | int) -> Frame:
        return self._inspector.frame(frame) if isinstance(frame, int) else frame

    def _variable(self, name: str, frame: Frame | int) -> tuple[dict[str, Any], Position]:
        """Return whose variable a name is at a frame, and where that was asked."""
        self._standing.be_here()
        chosen = self._frame(frame) if self._standing.report["depth"] else None
        return self._inspector.variable(name, chosen), self.position
