"""One session, gone through forwards and backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on

from respell.debug import Breakpoint, Debugger
from respell.debug.edits import Edit
from respell.debug.worker import Cancelled
from respell.errors import UsageError
from respell.history.events import Event, events
from respell_tui.actions.binding import bindings
from respell_tui.describe import bytes_
from respell_tui.paint import Line, plain
from respell_tui.panes.events import VIEWS, EventsPane
from respell_tui.panes.looks import ConsolePane, EventPane, ThenPane
from respell_tui.panes.source import SourcePane
from respell_tui.panes.variables import VariablesPane
from respell_tui.screens.content import Content
from respell_tui.screens.pick import Pick
from respell_tui.screens.replay_live import ReplayLive
from respell_tui.shown.highlight import highlighted
from respell_tui.shown.moment import Moment
from respell_tui.shown.preview import Preview, preview_bytes, read_preview
from respell_tui.shown.readable import pretty
from respell_tui.shown.replay import DryRun, ReplaySituation, where
from respell_tui.shown.source import Beside, Code, code_of, counted
from respell_tui.shown.variables import GLOBALS
from respell_tui.text import visible, width
from respell_tui.widgets.line_view import MAX_CELLS, LineView
from respell_tui.widgets.scrubber import Scrubber
from respell_tui.work import Job

_WATCHED = 20
"""Of so many sessions the watches are remembered, the last ones."""


class Replay(ReplayLive):
    """Shows a session as it was at a position, and moves there."""

    BINDINGS: ClassVar = bindings("replay")
    CSS_PATH = "replay.tcss"

    def __init__(self, session_id: str, position: str | None = None) -> None:
        """Open a session.

        Args:
            session_id: Its id.
            position: Where to stand, e.g. `12+340`; None for its end.
        """
        super().__init__(session_id, position)
        self._dry: DryRun | None = None
        self._dry_shown: DryRun | None = None
        self._codes: dict[str, Code] = {}
        self._dry_edits: Sequence[Edit] = ()
        self._points: Sequence[Breakpoint] = ()
        self._main = ""
        self._picked = ""
        self._cursor_event: int | None = None

    def on_mount(self) -> None:
        """Read the history, and open the debugger beside."""
        self.add_class("-low-3", "-look-4")
        self.entitle((self.session_id[:8], "dim"))
        self._recall()
        self.source.show_note([("", "")], [(" executing it again up to its end …", "dim")])
        self.read()
        self.open_debugger()

    def on_screen_resume(self) -> None:
        """This is what is open again, for the next start."""
        super().on_screen_resume()
        if self.moment is not None:
            memory = self.respell.memory
            memory.open, memory.position = self.session_id, str(self.moment.position)

    def layout_now(self) -> dict[str, Any]:
        """Return what is remembered of this screen, the watches of this session among it."""
        before = self.respell.memory.layouts.get(self.place)
        kept = before.get("watches") if isinstance(before, dict) else None
        watches = dict(kept) if isinstance(kept, dict) else {}
        watches.pop(self.session_id, None)
        if self.watches:
            watches[self.session_id] = list(self.watches)
        look = next((number for number in (5, 6) if self.has_class(f"-look-{number}")), 4)
        low = next((number for number in self.SHOWN if self.has_class(f"-low-{number}")), 3)
        return super().layout_now() | {
            "look": look, "low": low, "failed_only": self.events.failed_only,
            "events": self.events.shown_as, "hits": self.shows_hits,
            "globals": self.variables.shows_globals,
            "watches": dict(list(watches.items())[-_WATCHED:]),
        }  # fmt: skip

    def _recall(self) -> None:
        """Look as it did the last time."""
        found = self.respell.memory.layouts.get(self.place)
        layout = found if isinstance(found, dict) else {}
        for key, numbers in (("low", self.SHOWN), ("look", (4, 5, 6))):
            chosen = layout.get(key)
            for number in numbers if chosen in numbers else ():
                self.set_class(number == chosen, f"-{key}-{number}")
        self.events.failed_only = layout.get("failed_only") is True
        shown_as = layout.get("events")
        self.events.shown_as = shown_as if shown_as in VIEWS else VIEWS[0]
        self.shows_hits = layout.get("hits") is not False
        if layout.get("globals") is True:
            self.variables.opened = frozenset((GLOBALS,))
        watches = layout.get("watches")
        mine = watches.get(self.session_id) if isinstance(watches, dict) else None
        if isinstance(mine, list):
            self.watches = tuple(one for one in mine if isinstance(one, str))
        self.recall(2)

    # Showing -----------------------------------------------------------------------------

    def _look(self, debugger: Debugger, move: Any) -> tuple[Any, Moment]:
        found, moment = super()._look(debugger, move)
        self._read_codes(debugger, moment.source or debugger.main_source)
        self._points = tuple(debugger.breakpoints.list())
        self.held = debugger.live is not None and debugger.live.is_held
        self._main = debugger.main_source
        self._take_edits(debugger)
        return found, moment

    def _read_codes(self, debugger: Debugger, name: str) -> None:
        """Read the sources again if the one that is wanted is new, or another script goes on."""
        if name in self._codes and debugger.edits == self._dry_edits:
            return
        self._dry_edits = debugger.edits
        why = ""
        try:
            debugger.source(name)  # the text of a chunk that `load` made has to be looked for
        except UsageError as error:
            why = str(error)
        except Cancelled:
            pass
        known = self._codes
        self._codes = {
            one.name: known[one.name]
            if one.name in known and known[one.name].text == one.text
            else code_of(one.name, one.text)
            for one in debugger.sources()
        }
        if why:
            self._codes[name] = Code(name, [[(why, "warn")]])

    def _take_edits(self, debugger: Debugger) -> None:
        made = debugger.edits
        self.edits = [one.describe() for one in made]
        if not made:
            self._dry = None
        elif self._dry is None or self._dry.edits != made:
            why = debugger.dry_run.message if debugger.dry_run is not None else ""
            self._dry = DryRun(made, debugger.store, debugger.session, why)

    def show_moment(self, moment: Moment, *, moved: bool) -> None:
        """Show what there is to see at a moment."""
        if not self.is_there or self.debugger is None:
            return
        self.moment = moment
        if moved:
            self._picked = ""
        self._show_history()
        self.source.show_body()
        self.show_source()
        self.variables.show(moment, moved=moved)
        if moved:
            self._cursor_event = None
            self.events.stand(moment.position.event, at_end=moment.stop.at_end)
        if self._cursor_event is None:
            self.query_one(EventPane).show(moment.event)
        self.query_one(ConsolePane).show(moment)
        self.query_one(ThenPane).show(moment, moved=moved)
        self.show_mode()
        self.respell.memory.position = str(moment.position)
        self.show_where()
        self.show_keys()
        self.rest()

    def _show_history(self) -> None:
        """Show the events of what one stands in: of the recording, or of a dry run."""
        if self.record is None or self._dry is self._dry_shown:
            return
        self._dry_shown = dry = self._dry
        self.events.show(self.record if dry is None else dry.record, dry.store if dry else None)
        self._cursor_event = None
        self.forget_hits()
        self.read_marks()

    def show_source(self) -> None:
        """Show the source again, with what stands beside it."""
        if self.moment is None or not self.is_there:
            return
        event = None if self.moment.source else self.moment.event  # where nothing runs any more
        asked = event.source if event is not None and event.source in self._codes else ""
        runs = self.moment.source or asked or self._main
        name = self._picked or runs
        code = self._codes.get(name, Code(name))
        line = self.moment.line if name == runs else 0
        last = event.line if event is not None and name == asked else 0
        hits = self.hits_of(name)
        beside = Beside(
            line, last, counted(self._points, name), hits, max(hits.values(), default=0)
        )  # fmt: skip
        if not self.source.has_class("-problem"):
            self.source.show_body()
        self.source.show(code, beside)

    def show_where(self) -> None:
        """Show in the line of time where one stands."""
        if self.moment is not None and self.record is not None:
            count = (self._dry.record if self._dry is not None else self.record).events
            start = self.now.began if self.now is not None else self.record.created_at
            words = where(self.moment, count, start, playing=self.speed)
            # What is recorded after the last thing that the program did is no part of its moves.
            at = count if self.moment.stop.at_end else self.moment.position.event
            self.scrubber.show(at, count, words)

    def do_source_pick(self) -> None:
        """Show another source, until the next move."""
        names = list(self._codes)
        if len(names) < 2:
            self.flash("no other source: it loaded no module, and no chunk was shown yet", "warn")
            return

        def chosen(answer: tuple[str, int] | None) -> None:
            if answer is not None:
                self._picked = names[answer[1]]
                self.show_source()
                self.rest()

        rows: list[Line] = [
            [(name, ""), (f"   {len(self._codes[name].lines):,} lines", "dim")] for name in names
        ]
        shown = names.index(self.source.chunk) if self.source.chunk in names else 0
        self.app.push_screen(Pick("Sources", rows, cursor=shown, verb="shows it"), chosen)

    @property
    def dry_run(self) -> DryRun | None:
        """What one stands in, if that is not what was recorded."""
        return self._dry

    @property
    def ending(self) -> str:
        """Why a dry run ends where it does; empty where it is none."""
        return "" if self._dry is None else self._dry.why

    @property
    def edits_made(self) -> Sequence[Edit]:
        """What is different from what was recorded."""
        return () if self._dry is None else self._dry.edits

    @property
    def situation(self) -> ReplaySituation:
        """What its actions are judged by."""
        moment = self.moment
        if not self.is_there:
            return ReplaySituation()
        row = self.variables.row
        return ReplaySituation(
            ready=self.debugger is not None and moment is not None,
            why_not=self.why_not,
            at_start=moment is not None and (moment.position.event, moment.position.steps) <= (1, 1)
            and bool(moment.stop.line),
            at_end=moment is not None and moment.stop.at_end,
            state=self.now.state if self.now is not None else "",
            redacted=self.now is not None and self.now.record.redacted,
            held=self.held,
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
        record, dry, number = self.record, self._dry, message.number
        self._cursor_event = number
        if record is None or not number:
            return

        def read(job: Job) -> Event | None:
            store = self.respell.store() if dry is None else dry.store
            return next(events(store, record.key, number, number), None)

        self.work("reading an event", read, self.query_one(EventPane).show, group="event")

    @on(ThenPane.Wanted)
    def _then_wanted(self, message: ThenPane.Wanted) -> None:
        """Show all of a value, or the content of an artifact."""
        message.stop()
        entry, record, dry = message.entry, self.record, self._dry
        if not entry.artifact:
            rows = highlighted(pretty(entry.value), "json")
            self._show_content(entry.name, rows, "")
            return
        if record is None:
            return

        def read(job: Job) -> Preview | None:
            store = self.respell.store() if dry is None else dry.store
            made = store.artifacts.of_event(record.key, entry.event)
            found = next((one for one in made if one.id == entry.artifact), None)
            return read_preview(store, found) if found is not None else None

        def show(found: Preview | None) -> None:
            if found is None:
                self.flash(f"{entry.name} was deleted since then", "warn")
                return
            note = " ".join(it for it in (found.view, found.note) if it)
            self._show_content(f"{entry.name} v{entry.version}", found.lines, note)

        self.work("reading an artifact", read, show, group="artifact")

    def _show_content(
        self, title: str, rows: Sequence[Line], note: str, *, folds: bool = False
    ) -> None:
        most = max((width(plain(rows[at])) for at in range(min(len(rows), 2_000))), default=0)
        self.app.push_screen(Content(title, rows, most, note, folds=folds))

    @on(VariablesPane.Looked)
    def _value_wanted(self, message: VariablesPane.Looked) -> None:
        """Show all of a string; of anything else all is seen."""
        message.stop()
        name, value = message.row.name, message.row.value
        if value is None or not value.bytes_ref:
            made = value is not None and value.type == "string" and value.size > len(value.text)
            self.flash(
                f"{name} was evaluated in a copy that is gone: = keeps it for longer"
                if made
                else f"{name} is no table and no text: there is no more of it",
                "warn",
            )
            return

        def read(debugger: Debugger) -> None:
            form, rows, note = preview_bytes(debugger.bytes(value), value.size)
            said = f"{form}, {bytes_(value.size)}" + (f", {note}" if note else "")
            self.app.call_from_thread(
                self._show_content, name, rows, said, folds=form == "text"
            )  # fmt: skip

        self.move(f"reading {name}", read)

    @on(LineView.Moved)
    def _cursor_moved(self, message: LineView.Moved) -> None:
        """Other keys work on a variable than on what is above it."""
        message.stop()
        self.show_keys()

    @on(SourcePane.Toggled)
    def _toggled(self, message: SourcePane.Toggled) -> None:
        message.stop()
        self.toggle(message.line)

    @on(VariablesPane.Wanted)
    def _variables_wanted(self, message: VariablesPane.Wanted) -> None:
        message.stop()
        if message.frame is not None:
            self.frame, self.coroutine = message.frame, message.coroutine
        self.remember()
        self.look_again()

    @on(Scrubber.Wanted)
    def _scrubbed(self, message: Scrubber.Wanted) -> None:
        message.stop()
        if self.moment is None or self.moment.position.event != message.number:
            self.go_to(message.number)

    def do_find_open(self) -> None:
        """Search in the events."""
        self.focus_pane(1)
        self.events.search.open()

    def do_copy_line(self) -> None:
        """Copy the line under the cursor; of a variable its value."""
        view = self.focused
        if not isinstance(view, LineView) or not view.count:
            self.flash("there is no line to copy here", "warn")
            return
        row = self.variables.row if view is self.variables.list else None
        if row is not None and row.value is not None:
            text = row.value.text
        else:
            text = plain(view.line(view.cursor, MAX_CELLS)).strip()
        self.app.copy_to_clipboard(visible(text))
        self.flash(f"copied {text}")

    @property
    def commands(self) -> str:
        """What can be typed behind `:`, in words."""
        return "an event's number, a position such as 12+340, 50%, or an action's name"

    def judge(self, text: str) -> str:
        """Also take an event, a position, a percentage: the debugger knows whether it is there."""
        if text[:1].isdigit():
            return "" if self.situation.ready else self.why_not
        return super().judge(text)

    def command(self, text: str) -> None:
        """Also go to an event, a position, a percentage."""
        if not text[:1].isdigit():
            super().command(text)
            return
        self.move(f"going to {text}", lambda it: it.go_to(text),
                  refused=lambda why: self.ask_command(text, why))  # fmt: skip

    def close_something(self) -> bool:
        """Stop playing, cancel a move, close a search that is seen."""
        if self.speed:
            self.pause_playing()
            return True
        if self.cancel_move():
            return True
        panes = (self.source, self.events)
        seen = [one for one in panes if not self.has_class("-zoom") or one.has_class("-zoomed")]
        return any(one.close_search() for one in seen) or self._close_problem()

    def _close_problem(self) -> bool:
        """Show the source again in place of what went wrong; return whether that was shown."""
        if self.source.has_class("-problem") and self.moment is not None:
            self.source.show_body()
            self.show_source()
            return True
        return False
