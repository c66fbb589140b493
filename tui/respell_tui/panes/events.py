"""The pane of a session's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from respell.history.events import events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.paint import Line, Part, content
from respell_tui.panes.searched import SearchedPane
from respell_tui.shown.history import EventLines, EventRow, headline, outcome, read_page
from respell_tui.shown.replay import began
from respell_tui.shown.timeline import Timeline, timeline_line
from respell_tui.text import width
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Search
from respell_tui.work import Job, Problem

_TELL_EVERY = 2_000


VIEWS = ("nested", "flat", "timeline")
"""How events are shown: those inside of others below them, all alike, or as bars of their time."""


class EventList(LineView):
    """The list: it reads what is seen of it."""

    class Measured(Message):
        """The axis is another one."""

        def __init__(self, axis: Line) -> None:
            super().__init__()
            self.axis = axis

    def __init__(self, lines: EventLines) -> None:
        """Show these events."""
        super().__init__(id="event-list")
        self.lines = lines
        self.has_bars = False
        self._timeline: Timeline | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.lines)

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        row = self.lines.row(index) if self._timeline is not None else None
        if self._timeline is None or row is None:
            return self.lines.line(index, width)
        return timeline_line(row, self._timeline, self.lines.icons, width,
                             places=self.lines.places, position=self.lines.position,
                             at_end=self.lines.at_end)  # fmt: skip

    def redraw(self) -> None:
        """Draw all lines anew; of a timeline also the axis."""
        self._measure()
        super().redraw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Measure what is seen now: a timeline's axis is that of the lines on the screen."""
        super().watch_scroll_y(old_value, new_value)
        if self.has_bars and round(old_value) != round(new_value):
            self.redraw()

    def on_resize(self) -> None:
        """More is seen now, or less."""
        if self.has_bars:
            self.redraw()

    def _measure(self) -> None:
        if not self.has_bars:
            self._timeline = None
            return
        first = self.scroll_offset.y
        seen = (self.lines.row(first + y) for y in range(min(self.size.height, self.count - first)))
        self._timeline = Timeline([row for row in seen if row is not None], self.lines.icons)
        axis = self._timeline.axis(self.scrollable_content_region.width)
        self.post_message(self.Measured(axis))


class EventsPane(SearchedPane):
    """Shows all events, or those that are looked for."""

    number = 1
    title = "Events"
    place = "replay/events"
    BINDINGS: ClassVar = bindings("replay/events")
    DEFAULT_CSS = """
    EventsPane {
        & #event-axis { display: none; height: 1; }
        &.-timeline #event-axis { display: block; }
        & #no-event { display: none; height: auto; padding: 1 2; }
        & #no-event.-shown { display: block; }
    }
    """

    class Chosen(Message):
        """The cursor is on another event, or somebody wants to go there."""

        def __init__(self, number: int, go: bool) -> None:
            super().__init__()
            self.number, self.go = number, go

        def can_replace(self, message: Message) -> bool:
            """Let the last one take the place of those before."""
            return isinstance(message, EventsPane.Chosen) and message.go == self.go

    def __init__(self, icons: Icons) -> None:
        """Begin without events."""
        super().__init__(id="events", classes="zoomable")
        self.record: SessionRecord | None = None
        self.failed_only = False
        self._view: Store | None = None
        self._lines = EventLines(icons, self._wanted)
        self._pages: set[int] = set()

    def body(self) -> ComposeResult:
        """A line to search in, and the list."""
        yield Search("words in events")
        yield Static(id="event-axis")
        yield Static(id="no-event", markup=False)
        yield EventList(self._lines)

    @property
    def list(self) -> EventList:
        """The list."""
        return self.query_one(EventList)

    @property
    def view(self) -> Store | None:
        """The store whose events are shown; None for what is recorded."""
        return self._view

    @property
    def number_here(self) -> int:
        """Number of the event that the cursor is on; 0 for none."""
        return self._lines.number(self.list.cursor)

    # What is shown -----------------------------------------------------------------------

    def show(self, record: SessionRecord, view: Store | None = None) -> None:
        """Show the history of a session as long as it is now.

        Args:
            record: The session.
            view: The store in which its history is that of a dry run; None for what is recorded.
        """
        grown = self.record is not None and record.events != self.record.events
        first = self.record is None or view is not self._view
        self.record = record
        if view is not self._view:
            self._view = view
            self._lines.forget()
            self._pages.clear()
            self._entitle()
        if self._filtered:
            if grown or first:
                self._look_through()
            return
        self._lines.be(record.events)
        self.list.redraw()
        self._count()

    def stand(self, number: int, *, at_end: bool = False) -> None:
        """Have the debugger stand after an event.

        Args:
            number: The event's number.
            at_end: Nothing comes after that any more: what is recorded behind it is no call.
        """
        other = (number, at_end) != (self._lines.position, self._lines.at_end)
        self._lines.position, self._lines.at_end = number, at_end
        self.list.go_to(self._lines.index(number), tell=False)
        if other:
            self.list.redraw()

    def _count(self) -> None:
        shown, all_ = len(self._lines), self.record.events if self.record else 0
        count = f"{shown:,} of {all_:,}" if self._filtered else f"{all_:,}"
        only = "  failed only" if self.failed_only else ""
        back = "  esc shows all" if self._filtered else ""
        room = self.size.width - 4
        self.subtitle(count, (only, "warn"),
                      (back if width(count + only + back) <= room else "", "dim"))  # fmt: skip

    # Pages -------------------------------------------------------------------------------

    def _wanted(self, page: int) -> None:
        """Have a page read; called while drawing."""
        if page not in self._pages:
            self._pages.add(page)
            self.call_later(self._read_next)

    def _read_next(self) -> None:
        if self.working("page") or not self._pages or self.record is None:
            return
        page, record, view = max(self._pages), self.record, self._view
        numbers = self._lines.page(page)
        self._lines.begin(page)

        def failed(problem: Problem) -> None:
            self._pages.discard(page)  # it is asked for again once it is drawn again
            self.show_problem(problem)

        self.work("reading events",
                  lambda _: self._page(record, view, numbers),
                  lambda rows: self._filled(page, rows), group="page", failed=failed)  # fmt: skip

    def _page(
        self, record: SessionRecord, view: Store | None, numbers: Sequence[int]
    ) -> Sequence[EventRow]:
        store = self.store(view)
        return read_page(store, record.key, began(store, record), numbers)

    def store(self, view: Store | None) -> Store:
        """Return the store whose events are shown. Only for jobs: it waits for the disk."""
        found: Store = self.screen.respell.store() if view is None else view  # type: ignore[attr-defined]
        return found

    def _filled(self, page: int, rows: Any) -> None:
        self._pages.discard(page)
        self._lines.fill(page, rows)
        self.show_body()
        self.list.redraw()
        self._read_next()

    # Search ------------------------------------------------------------------------------

    @property
    def _filtered(self) -> bool:
        return self.failed_only or bool(self.search.value.strip())

    def do_event_failed_only(self) -> None:
        """Show only what failed, or all again."""
        self.failed_only = not self.failed_only
        self._look_through()
        self._changed()

    def do_event_view(self) -> None:
        """Show events in the next way."""
        self.shown_as = VIEWS[(VIEWS.index(self.shown_as) + 1) % len(VIEWS)]
        self._changed()

    @property
    def shown_as(self) -> str:
        """How events are shown, one of `VIEWS`."""
        return "timeline" if self.list.has_bars else "nested" if self._lines.nested else "flat"

    @shown_as.setter
    def shown_as(self, view: str) -> None:
        self._lines.nested = view != "flat"
        self.list.has_bars = view == "timeline"
        self.set_class(view == "timeline", "-timeline")
        self._entitle()
        self.list.redraw()

    @on(EventList.Measured)
    def _measured(self, message: EventList.Measured) -> None:
        message.stop()
        self.query_one("#event-axis", Static).update(content(*message.axis), layout=False)

    def _entitle(self) -> None:
        parts: list[Part] = []
        if self._view is not None:
            parts.append(("  of the dry run", "warn"))
        if self.shown_as != "nested":
            parts.append((f"  {self.shown_as}", "dim"))
        self.entitle(*parts)

    def _changed(self) -> None:
        """Have the screen remember how this looks."""
        self.screen.remember()  # type: ignore[attr-defined]

    @on(Search.Wanted)
    def _searched(self, message: Search.Wanted) -> None:
        message.stop()
        self._look_through()

    def _look_through(self) -> None:
        """Find what is looked for, in the background: a history may be long."""
        record = self.record
        if record is None:
            return
        here = self.number_here
        if not self._filtered:
            self.stop_work("look")
            self._show_found(None, here)
            return
        words, failed = self.search.value.strip().lower(), self.failed_only
        view = self._view

        def look(job: Job) -> list[int]:
            found: list[int] = []
            for one in events(self.store(view), record.key):
                if one.number % _TELL_EVERY == 0:
                    job.progress(one.number, record.events)
                if failed and one.error is None:
                    continue
                text = f"{one.number} {one.name} {headline(one)} {outcome(one)}".lower()
                if not words or words in text:
                    found.append(one.number)
            return found

        self.work("searching events", look, lambda it: self._show_found(it, here), group="look")

    def _show_found(self, numbers: Sequence[int] | None, here: int) -> None:
        assert self.record is not None
        self._lines.be(self.record.events, numbers)
        self.list.redraw()
        self.list.go_to(self._lines.index(here), tell=False)
        self._count()
        nothing = self.query_one("#no-event", Static)
        nothing.set_class(not len(self._lines), "-shown")
        if not len(self._lines):
            what = "No event failed" if self.failed_only else "No event has that in it"
            key = "event.failed_only" if self.failed_only else "app.back"
            shown = self.screen.respell.keys.shown(key)  # type: ignore[attr-defined]
            nothing.update(content((f"{what}: ", "dim"), (shown, "key"), (" shows all.", "dim")))

    def close_search(self) -> bool:
        """Close the search, or show all again; return whether there was one."""
        if self.search.close():
            return True
        if self.failed_only:
            self.do_event_failed_only()
            return True
        return False

    # The cursor --------------------------------------------------------------------------

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        self.post_message(self.Chosen(self._lines.number(message.index), go=False))

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        message.stop()
        self.post_message(self.Chosen(self._lines.number(message.index), go=True))
