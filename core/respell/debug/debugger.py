"""The debugger: moves through a session's execution in both directions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.checkpoints import BUDGET_BYTES
from respell.debug.edits import Edit, together
from respell.debug.execution import Execution
from respell.debug.faces.asking import Asking
from respell.debug.faces.looking import Looking
from respell.debug.faces.scene import OnProgress, Options, Scene
from respell.debug.faces.trying import Script, Trying
from respell.debug.inspecting import Frame
from respell.debug.launching import launch
from respell.debug.live import Live
from respell.debug.position import Position, check_bookmark
from respell.debug.what_if import Edited, Editing, WhatIf, edited, edits_of_mapping
from respell.debug.worker import Cancelled
from respell.errors import SessionNotFound
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.debugging import Bookmark

__all__ = ["Debugger", "OnProgress", "Script"]


class Debugger(Trying, Looking, Asking):
    """A session's execution, and a place in it.

    Every move ends at a position, and all that is seen there depends on the position alone. A
    move and its reverse, one after the other, lead back to where they began. Nothing that is
    done here has an effect outside or changes the session.

    It is plain synchronous code, to be used by one thread, which has to last as long as the
    debugger: the system ends workers along with the thread that started them. Only `cancel` may
    be called by others. `AsyncDebugger` is the same for asyncio.

    Attributes:
        session: The session as it was when it was opened, or when it was last looked at.
        live: The process that runs the session (or ran it, since it was opened): to follow it, to
            hold it, to let it go on. None where no process ran it when it was opened.
        breakpoints: The breakpoints.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        *,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
        launched: bool = False,
        edits: Sequence[Edit] = (),
    ) -> None:
        """Use `Debugger.open` or `Debugger.launch`."""
        self._recorded = (store, session)
        self._options = Options(checkpoints, budget_bytes, keep_breakpoints)
        self._on_progress = on_progress
        self._is_closed = False
        self._editing = Editing(self, store, session)
        self._edited: Edited | None = None
        self._table: BreakpointTable | None = None
        self._original: Scene | None = None
        self.live: Live | None = None
        runs = not edits and (launched or store.leases.holder(session.key) is not None)
        with ExitStack() as unless_entered:
            if edits:
                self._edited = edited(store, session, edits, self._editing.cancel, on_progress)
                unless_entered.callback(self._edited.close)
            execution = self._executed(self._edited, follows=runs)
            unless_entered.callback(execution.close)
            if runs:
                wake = execution.wake
                self.live = Live(store, session, wake=wake, extend=self._extend, launched=launched)
                self.live.on_wait = execution.tell
                unless_entered.callback(self._leave, execution)
            self._enter(self._scene(self._edited, execution))
            unless_entered.pop_all()

    @classmethod
    def open(
        cls,
        session: SessionRecord | str,
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
    ) -> Debugger:
        """Open a session, in whatever status; of a running one what is recorded by now.

        Args:
            session: The session, its id, a unique prefix of that, a unique name, or @last.
            store: Where it is.
            checkpoints: Keep checkpoints where the system allows it; without, moves back take as
                long as running to the place from the start.
            budget_bytes: Most memory that checkpoints may have for themselves.
            on_progress: Called while a move takes longer than 0.3 s.
            keep_breakpoints: Begin with the breakpoints that are kept with the session, and keep
                there what is set; else there are those that are set here, for as long as it is
                open.

        Returns:
            A debugger that stands before the first line. Close it, or use it in a `with`.

        Raises:
            SessionNotFound: There is no such session.
            UsageError: It has no program of its own, or was redacted.
            WorkerFailed: The worker could not be started.
        """
        text = session if isinstance(session, str) else session.id
        record = store.sessions.find(text) if isinstance(session, str) else store.sessions.get(text)
        return cls(
            store, record, checkpoints=checkpoints, budget_bytes=budget_bytes,
            on_progress=on_progress, keep_breakpoints=keep_breakpoints,
        )  # fmt: skip

    @classmethod
    def launch(
        cls,
        script: str | os.PathLike[str],
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
        **options: Any,
    ) -> Debugger:
        """Run a script as a new session that is debugged while it runs, from its first line on.

        A process of its own runs it and records it as usual; moves forward let it go on, one
        effect at a time, as far as they go. Closing the debugger suspends it (see
        `Live.detach`).

        Args:
            script: The Lua file.
            store: Where the session is created.
            checkpoints: As for `open`.
            budget_bytes: As for `open`.
            on_progress: As for `open`.
            keep_breakpoints: As for `open`.
            options: name, tags, args, input, limits, allow, deny, cwd and env of the session
                (see `respell.debug.launching.launch`).

        Returns:
            A debugger that stands before the first line.

        Raises:
            UsageError: The script can't be read or does not compile, or an option is wrong.
            WorkerFailed: A process could not be started.
        """
        record = store.sessions.get(launch(script, store=store, **options))
        return cls(
            store, record, checkpoints=checkpoints, budget_bytes=budget_bytes,
            on_progress=on_progress, keep_breakpoints=keep_breakpoints, launched=True,
        )  # fmt: skip

    def close(self) -> None:
        """End all processes of the debugger; detach from a session that runs.

        A second time does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        original = self._original or self._here
        with ExitStack() as freed:
            if self._edited is not None:
                freed.callback(self._edited.close)
            if self._original is not None:
                freed.callback(self._original.execution.close)
            freed.callback(self._here.execution.close)
            self._leave(original.execution)

    def _leave(self, execution: Execution) -> None:
        """Detach from a session that runs; who does not want to wait for that may cancel it."""
        if self.live is not None:
            execution.wake.clear()
            with suppress(Cancelled):
                self.live.detach()

    def _extend(self, session: SessionRecord, runs: bool) -> None:
        """Take in what the session has recorded since."""
        self._recorded = (self._recorded[0], session)
        self._editing.recorded(session)
        original = self._original or self._here
        original.session = original.standing.session = session
        grown = original.execution.extend(session, runs=runs)
        if grown and original.standing.stop.at_end:
            original.trail.clear()
            original.standing.stop = replace(original.standing.stop, at_end=False)
        if self._original is None:
            self.session = session
            if grown:
                self.breakpoints.grown()

    def __enter__(self) -> Debugger:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def gone_on(self) -> SessionRecord | None:
        """Return the session as it is now, if more was recorded since it was opened; or None.

        A session that a process ran then is followed with `live`. One that was resumed later has
        to be opened again.
        """
        store, session = self._recorded
        if self.live is not None:
            return None
        try:
            now = store.sessions.get(session.key)
        except SessionNotFound:
            return None
        return now if now.records > session.records else None

    @property
    def checkpoint_bytes(self) -> int:
        """How much memory the checkpoints have for themselves."""
        return self._execution.checkpoints.private_bytes

    def what_if(
        self,
        variables: Mapping[str, str] | None = None,
        outcomes: Mapping[int, Any] | None = None,
        script: Script | None = None,
        *,
        errors: Mapping[int, str] | None = None,
        frame: Frame | int = 0,
    ) -> WhatIf:
        """Return what is different, to be tried in a dry run or forked with; this one stays.

        Args:
            variables: Lua expressions by variable, to be set here.
            outcomes: Values by event number.
            script: The text (bytes) or path of another script to go on with from here.
            errors: Texts of errors by event number.
            frame: Whose variables they are.
        """
        made = edits_of_mapping(
            self, self._editing, variables or {}, outcomes or {}, errors or {}, script, frame
        )
        return WhatIf(self, together(self.edits, made))

    def apart(self, edits: Sequence[Edit]) -> Debugger:
        """Return another debugger, over the session with edits in it, at the last of them."""
        store, session = self._recorded
        options = self._options
        made = Debugger(
            store, session, checkpoints=options.checkpoints, budget_bytes=options.budget_bytes,
            on_progress=self._on_progress, keep_breakpoints=False, edits=edits,
        )  # fmt: skip
        made._go_to_edit()
        return made

    # For edits: what is asked of the worker that is here.

    def frame(self, frame: Frame | int = 0) -> Frame:
        """Return a frame by its index."""
        self._standing.be_here()
        return self._frame(frame)

    def ask_copy(self, order: str, timeout_s: float, **details: Any) -> Any:
        """Give an order to a copy of the worker that is here, which is thrown away.

        Raises:
            Cancelled: It took too long.
        """
        self._standing.be_here()
        assert self._execution.here is not None
        copy = self._execution.throw_away(self._execution.here)
        try:
            return copy.ask(order, timeout_s=timeout_s, **details)
        finally:
            copy.close()

    def end_report(self) -> dict[str, Any] | None:
        """Return how the execution ended, where it stands at its end."""
        self._standing.be_here()
        found: dict[str, Any] | None = self._standing.report.get("end")
        return found

    # Bookmarks ---------------------------------------------------------------------------

    def bookmark(self, name: str, note: str = "") -> Bookmark:
        """Keep this position under a name, in the store; one of the same name is replaced.

        Raises:
            UsageError: It is no name, or would be taken for a position.
        """
        check_bookmark(name)
        return self._store.debugging.set_bookmark(self.session.key, name, str(self.position), note)

    def bookmarks(self) -> list[Bookmark]:
        """Return all bookmarks of the session, in the order of their positions."""
        marks = self._store.debugging.bookmarks(self.session.key)
        return sorted(marks, key=lambda one: Position.parse(one.position))

    def delete_bookmark(self, name: str) -> None:
        """Forget a bookmark.

        Raises:
            NotFound: There is none of that name.
        """
        self._store.debugging.delete_bookmark(self.session.key, name)
