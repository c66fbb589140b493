"""One session, gone through forwards and backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.events import Unmount

from respell.debug import AsyncDebugger, Breakpoint, Debugger
from respell.errors import RespellError, SessionNotFound
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell_tui.actions.binding import bindings
from respell_tui.app import StoreChanged
from respell_tui.panes.events import EventsPane
from respell_tui.panes.looks import ConsolePane, EventPane, ThenPane
from respell_tui.panes.source import SourcePane
from respell_tui.panes.variables import VariablesPane
from respell_tui.screens.replay_what_if import ReplayWhatIf
from respell_tui.shown.moment import Moment
from respell_tui.shown.replay import ReplaySituation, mode, read_marks, where
from respell_tui.shown.source import Beside, Code, code_of, counted
from respell_tui.widgets.scrubber import Mark, Scrubber
from respell_tui.work import Job, problem_of


class Replay(ReplayWhatIf):
    """Shows a session as it was at a position, and moves there."""

    BINDINGS: ClassVar = bindings("replay")
    CSS_PATH = "replay.tcss"

    def __init__(self, session_id: str, position: str | None = None) -> None:
        """Open a session.

        Args:
            session_id: Its id.
            position: Where to stand, e.g. `12+340`; None for its end.
        """
        super().__init__()
        self.session_id = session_id
        self._first = position
        self._running = self._held = False
        self._codes: dict[str, Code] = {}
        self._points: Sequence[Breakpoint] = ()
        self._marked = -1
        self._main = ""
        self._cursor_event: int | None = None

    # Opening -----------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Read the history, and open the debugger beside."""
        self.add_class("-low-3", "-look-4")
        self.entitle(("respell", "title"), " ▸ ", (self.session_id[:8], "dim"))
        self.focus_pane(2)
        self.source.show_note([("", "")], [(" executing it again up to its end …", "dim")])
        self.read()
        self._open()

    @work(group="debugger", exit_on_error=False)
    async def _open(self) -> None:
        try:
            store = self.respell.store()
            self.debugger = await AsyncDebugger.open(
                self.session_id, store=store, on_progress=self.progress
            )
        except (RespellError, OSError) as error:
            self.why_not = str(error)
            self.source.show_problem(problem_of("opening the debugger", error))
            self.show_keys()
            return
        self.source.show_body()
        first = self._first
        self.move("going there", lambda it: it.go_to(first) if first else it.end())

    @on(Unmount)
    async def _close(self) -> None:
        """End the debugger's processes; what runs goes on."""
        if self.debugger is not None:
            debugger, self.debugger = self.debugger, None
            debugger.cancel()
            await debugger.close()

    # What others change ------------------------------------------------------------------

    @on(StoreChanged)
    def read(self) -> None:
        """Read how long the history is now."""
        if not self.working("record"):
            self.work("reading the session", self._read, self._show_record, group="record",
                      failed=self.events.show_problem)  # fmt: skip

    def _read(self, job: Job) -> tuple[SessionRecord, bool] | None:
        store = self.respell.store()
        try:
            record = store.sessions.get(self.session_id)
        except SessionNotFound:
            return None
        return record, store.leases.holder(record.key) is not None

    def _show_record(self, read: tuple[SessionRecord, bool] | None) -> None:
        if read is None:
            self.flash("this session was deleted: esc goes back", "bad")
            return
        before, (self.record, self._running) = self.record, read
        self.events.show(self.record)
        self._show_title()
        if before is None or before.events != self.record.events:
            self._grown(before)
        self.show_keys()

    def _grown(self, before: SessionRecord | None) -> None:
        """The history is longer: at its end, the end moves along."""
        assert self.record is not None
        record = self.record
        self.show_where()
        if self._marked < 0 or not self._running:
            self._marked = record.events
            self.work("looking for marks",
                      lambda job: read_marks(self.respell.store(), record, job.check),
                      self._show_marks, group="marks")  # fmt: skip
        if before is None or self.debugger is None or self.moment is None:
            return
        follow = self.moment.stop.at_end and not self._moving

        def take_in(debugger: Debugger) -> Any:
            if debugger.live is not None:
                debugger.live.refresh()
            return debugger.end() if follow else None

        self.move("following", take_in)

    def _show_marks(self, marks: list[Mark]) -> None:
        self.scrubber.mark(marks)

    def _show_title(self) -> None:
        assert self.record is not None
        self.entitle(
            ("respell", "title"), " ▸ ", (self.record.id[:8], "dim"), f" {self.record.name}   ",
            *mode(self.record, self._running, self._held, self.edits),
        )  # fmt: skip

    # Showing -----------------------------------------------------------------------------

    def _look(self, debugger: Debugger, move: Any) -> tuple[Any, Moment]:
        found, moment = super()._look(debugger, move)
        name = moment.source or debugger.main_source
        if name not in self._codes or len(debugger.edits) != len(self.edits):
            self._codes.clear()
            for one in debugger.sources():
                self._codes.setdefault(one.name, code_of(one.name, one.text))
        self._points = tuple(debugger.breakpoints.list())
        self._held = debugger.live is not None and debugger.live.is_held
        self._main = debugger.main_source
        self.edits = [one.describe() for one in debugger.edits]
        return found, moment

    def show_moment(self, moment: Moment, *, moved: bool) -> None:
        """Show what there is to see at a moment."""
        if not self.is_mounted or self.debugger is None:
            return
        self.moment = moment
        name = moment.source or self._main
        code = self._codes.get(name, Code(name))
        self.source.show_body()
        self.source.show(code, Beside(moment.line, counted(self._points, name)))
        self.variables.show(moment, moved=moved)
        if moved:
            self._cursor_event = None
            self.events.stand(moment.position.event)
        if self._cursor_event is None:
            self.query_one(EventPane).show(moment.event)
        self.query_one(ConsolePane).show(moment)
        self.query_one(ThenPane).show(moment)
        if self.record is not None:
            self._show_title()
        self.respell.memory.position = str(moment.position)
        self.show_where()
        self.show_keys()

    def show_where(self) -> None:
        """Show in the line of time where one stands."""
        if self.moment is not None and self.record is not None:
            words = where(self.moment, self.record.events, playing=self.speed)
            self.scrubber.show(self.moment.position.event, self.record.events, words)

    @property
    def situation(self) -> ReplaySituation:
        """What its actions are judged by."""
        moment = self.moment
        if not self.query(VariablesPane):
            return ReplaySituation()
        row = self.variables.row
        return ReplaySituation(
            ready=self.debugger is not None and moment is not None,
            why_not=self.why_not,
            at_start=moment is not None and (moment.position.event, moment.position.steps) <= (1, 1)
            and bool(moment.stop.line),
            at_end=moment is not None and moment.stop.at_end,
            running=self._running,
            held=self._held,
            event=self.events.number_here > 0,
            expression=row.expression if row is not None else "",
            playing=self.speed > 0,
            edits=len(self.edits),
        )  # fmt: skip

    @property
    def main_chunk(self) -> str:
        """Name of the script itself."""
        return self._main

    # From the panes ----------------------------------------------------------------------

    @on(EventsPane.Chosen)
    def _event_chosen(self, message: EventsPane.Chosen) -> None:
        message.stop()
        if message.go:
            self.go_to(message.number)
            return
        record, number = self.record, message.number
        self._cursor_event = number
        if record is None or not number:
            return

        def read(job: Job) -> Event | None:
            return next(events(self.respell.store(), record.key, number, number), None)

        self.work("reading an event", read, self.query_one(EventPane).show, group="event")

    @on(SourcePane.Toggled)
    def _toggled(self, message: SourcePane.Toggled) -> None:
        message.stop()
        self.toggle(message.line)

    @on(VariablesPane.Wanted)
    def _variables_wanted(self, message: VariablesPane.Wanted) -> None:
        message.stop()
        if message.frame is not None:
            self.frame = message.frame
        self.look_again()

    @on(Scrubber.Wanted)
    def _scrubbed(self, message: Scrubber.Wanted) -> None:
        message.stop()
        if self.moment is None or self.moment.position.event != message.number:
            self.go_to(message.number)

    def do_event_search(self) -> None:
        """Search in the events."""
        self.focus_pane(1)
        self.events.search.open()

    def command(self, text: str) -> bool:
        """Also take an event, a position, a percentage, or a bookmark: goes there."""
        if text[:1].isdigit():
            self.go_to(text)
            return True
        return super().command(text)

    def close_something(self) -> bool:
        """Cancel a move, stop playing, close the search; on a narrow screen leave the zoom."""
        if self.speed:
            self.pause_playing()
            return True
        return self.cancel_move() or self.events.close_search()

    # Live --------------------------------------------------------------------------------

    def do_live_pause(self) -> None:
        """Hold the program that runs, or let it go on."""

        def change(debugger: Debugger) -> Any:
            live = debugger.live
            if live is None:
                self._say("nothing runs here", "warn")
                return None
            if live.is_held:
                live.go_on()
                self._say("it goes on")
                return None
            live.pause()
            live.refresh()
            self._say("it is held: P lets it get one effect done, p lets it go on")
            return debugger.end()

        self.move("holding the program", change)

    def do_live_step(self) -> None:
        """Let it get one effect done."""

        def step(debugger: Debugger) -> Any:
            if debugger.live is not None:
                debugger.live.step()
                debugger.live.refresh()
            return debugger.end()

        self.move("letting one effect through", step)
