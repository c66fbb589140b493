"""A session that may run meanwhile: opened, followed, held, let go on, and opened again."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from textual import on, work
from textual.events import Unmount

from respell.debug import AsyncDebugger, Debugger, Stop
from respell.debug.edits import Edit
from respell.errors import RespellError, SessionNotFound, WorkerFailed
from respell.sessions.pausing import ask_host
from respell_tui.app import StoreChanged
from respell_tui.paint import Part, cell
from respell_tui.screens.home_sessions import BY
from respell_tui.screens.replay_what_if import ReplayWhatIf
from respell_tui.screens.resume import Resuming
from respell_tui.shown.replay import DryRun, Now, mode, notice, read_marks, read_now
from respell_tui.text import fit
from respell_tui.widgets.notice import Asked, Notice
from respell_tui.widgets.scrubber import Mark
from respell_tui.work import Job, Problem, problem_of

_MOST_OF_A_NAME = 24
"""Cells of a session's name in the title: what is touched has to be seen behind it."""


class ReplayLive(Resuming, ReplayWhatIf):
    """Part of `Replay`: what becomes of the session while it is looked at.

    The debugger is open for as long as the screen is. One that was opened while no process ran
    the session can't follow it, so it is opened again where it stands once one does.
    """

    def __init__(self, session_id: str, position: str | None) -> None:
        """Begin with a session of which nothing is known yet."""
        super().__init__()
        self.session_id = session_id
        self.now: Now | None = None
        self.held = False
        self._first = position
        self._again: Sequence[Edit] = ()
        self._behind = False
        self._marked = 0
        self._marks: list[Mark] = []

    # The debugger ------------------------------------------------------------------------

    @work(group="debugger", exclusive=True, exit_on_error=False)
    async def open_debugger(self) -> None:
        """Open the debugger, in place of one that is there."""
        first, again, self.opening = self._first, self._again, True
        try:
            await self._close()
            self.why_not = "the debugger is still opening"
            self.show_keys()
            store = await asyncio.to_thread(self.respell.store)
            debugger = await AsyncDebugger.open(self.session_id, store=store)
            if not self.is_there:  # the screen was left meanwhile: nobody else would close it
                await debugger.close()
                return
            self.debugger = debugger
        except (RespellError, OSError) as error:
            self.why_not = str(error)
            self.source.show_problem(problem_of("opening the debugger", error))
            self.show_keys()
            return
        finally:
            self.opening = False
        self.broken = False
        self._behind = self.now is None or self.now.runs
        if self.moment is None:
            self.source.show_body()

        def go(debugger: Debugger) -> Stop:
            if again and debugger.live is None:
                debugger.edit(again)
            return debugger.go_to(first) if first else debugger.end()

        self.move_first("going there", go)

    def reopen(self) -> None:
        """Open the debugger again, where it stands."""
        moment = self.moment
        if moment is not None:
            self._first = None if moment.stop.at_end else str(moment.position)
        self._again = self.edits_made
        self.open_debugger()

    @on(Unmount)
    async def _close(self) -> None:
        """End the debugger's processes; what runs goes on."""
        if self.debugger is not None:
            debugger, self.debugger = self.debugger, None
            debugger.cancel()
            await debugger.close()

    def do_app_again(self) -> None:
        """Read everything anew; start a debugger anew that is at work, or broke off."""
        self.respell.look_again()
        self.events.show_body()
        self.read()
        if self.debugger is None or self.broken or self.is_moving:
            self.source.subtitle(("starting anew …", "accent"))
            self.reopen()
        else:
            self.source.show_body()
            self.flash("read again")

    # How the session is ------------------------------------------------------------------

    @on(StoreChanged)
    def read(self) -> None:
        """Read how the session is now."""
        if not self.working("record"):
            self.work("reading the session", self._read, self._show_now, group="record",
                      failed=self._unreadable)  # fmt: skip

    def _read(self, job: Job) -> Now | None:
        try:
            return read_now(self.respell.store(), self.session_id)
        except SessionNotFound:
            return None

    def _unreadable(self, problem: Problem) -> None:
        again = self.respell.keys.shown("app.again")
        self.notice.show(Asked(problem.text, again, "tries again", "app.again",
                               self.respell.icons.failed, bad=True))  # fmt: skip

    def _show_now(self, now: Now | None) -> None:
        if not self.is_there:
            return
        if now is None:
            gone = "this session was deleted: what was read of it can still be looked at"
            self.notice.show(Asked(gone, "esc", "goes back", "app.back", bad=True))
            return
        before, self.now, self.record = self.now, now, now.record
        if self.dry_run is None:
            self.events.show(now.record)
        self.show_mode()
        key = self.respell.keys.shown("live.resume")
        self.notice.show(notice(now, self.respell.icons, resume=key))
        if before is None or before.record.records != now.record.records or (
            before.runs != now.runs
        ):  # fmt: skip
            self.show_where()
            self._mark(now)
            if before is not None:
                self.forget_hits()
            self._behind = before is not None
            self._follow()
        self.show_keys()

    def show_mode(self) -> None:
        """Say in the title what is looked at, and what is touched by that."""
        if self.now is None:
            return
        record = self.now.record
        at_end = self.moment is None or self.moment.stop.at_end
        name: list[Part | str] = [
            (record.id[:8], "dim"), f" {fit(cell(record.name), _MOST_OF_A_NAME)}   "
        ]  # fmt: skip
        first, *rest = mode(self.now, held=self.held, at_end=at_end, edits=self.edits)
        self.entitle(*name, *first, shorter=[[*name, *one] for one in rest])

    def _mark(self, now: Now) -> None:
        """Look for marks in what is new."""
        if self.dry_run is not None:
            return
        if not now.runs:
            self.read_marks()  # what had not ended when it was looked at may have failed since
        elif not self.working("marks"):
            self.read_marks(first=self._marked + 1)

    def read_marks(self, *, first: int = 1) -> None:
        """Look for what is worth a mark in the line of time.

        Args:
            first: Number of the first event that is looked at; of those before it is known.
        """
        record, dry = self.record, self.dry_run
        if record is None:
            return

        def look(job: Job) -> list[Mark]:
            if dry is not None:
                return read_marks(dry.store, dry.record, job.check)
            return read_marks(self.respell.store(), record, job.check, first=first)

        def show(found: list[Mark]) -> None:
            self._marked = record.events
            known = [it for it in self._marks if it.number < first and it.kind != "bookmark"]
            self._marks = [*known, *found]
            self.scrubber.mark(self._marks)

        self.work("looking for marks", look, show, group="marks")

    @property
    def session_runs(self) -> bool:
        """Whether a process runs the session now."""
        return self.now is not None and self.now.runs

    @property
    @abstractmethod
    def dry_run(self) -> DryRun | None:
        """What one stands in, if that is not what was recorded."""

    # Following ---------------------------------------------------------------------------

    def rested(self) -> None:
        """Take in what came while a move was under way."""
        self._follow()

    def _follow(self) -> None:
        """Take in what has been recorded since; at the end, move along with it.

        It waits for moves that are under way, and never takes the place of one that waits.
        """
        if not self._behind or self.debugger is None or self.is_moving:
            return
        if self.broken or self.moment is None or (self.speed and not self.moment.stop.at_end):
            return
        self._behind = False
        follow = self.moment.stop.at_end and not self.edits

        def take_in(debugger: Debugger) -> Any:
            live = debugger.live
            if live is None:
                grown = debugger.store.sessions.get(self.session_id).records
                known = debugger.session.records
                self.app.call_from_thread(self._outgrown, grown != known)
                return None
            live.refresh()
            return debugger.end() if follow else None

        self.move_first("following", take_in)

    def _outgrown(self, grown: bool) -> None:
        """The debugger can't follow: it was opened when nothing ran."""
        if self.edits:
            self._behind = True
        elif grown or (self.now is not None and self.now.runs):
            self.call_later(self.reopen)

    # Live --------------------------------------------------------------------------------

    def do_live_pause(self) -> None:
        """Hold the program that runs, or let it go on; who stood back stays there."""

        def change(debugger: Debugger) -> Any:
            # It is followed from where nothing is recorded behind.
            follows = debugger.stop.at_end or debugger.position.event >= debugger.session.events
            live = debugger.live
            if live is None or not live.runs:
                self._say("nothing runs here any more", "warn")
                return None
            try:
                if live.status == "paused":
                    live.go_on()
                    self._say("it goes on" if follows else f"it goes on: {end} goes where it is")
                    return debugger.end() if follows else None
                live.pause()
            except WorkerFailed as error:  # not one of ours: the session's own process
                self._say(str(error), "bad")
                return None
            live.refresh()
            self._say(f"it is held: {step} lets it get one effect done, {pause} lets it go on")
            return debugger.end() if follows else None

        shown = self.respell.keys.shown
        end, step, pause = shown("go.end"), shown("live.step"), shown("live.pause")
        self.move("asking its process", change)

    def do_live_step(self) -> None:
        """Let it get one effect done."""

        def step(debugger: Debugger) -> Any:
            if debugger.live is not None:
                debugger.live.step()
                debugger.live.refresh()
            return debugger.end()

        self.move("letting one effect through", step)

    def do_live_resume(self) -> None:
        """Ask for what it needs, and let it go on."""
        self.resume(self.session_id)

    def do_live_suspend(self) -> None:
        """Ask it to stop."""

        def ask(job: Job) -> None:
            with self.respell.store_apart() as store:
                job.on_cancel(store.stop_waiting)
                job.check()
                ask_host(store, store.sessions.get(self.session_id), "suspend", by=BY)

        def asked(_: None) -> None:
            self.flash("it is suspended at its next effect")

        self.work("asking it to suspend", ask, asked, group="suspend", waited=True, cancels=True)

    @on(Notice.Pressed)
    def _notice_pressed(self, message: Notice.Pressed) -> None:
        message.stop()
        self.action_act(message.ident)
