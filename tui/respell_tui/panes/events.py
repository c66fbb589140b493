"""The pane of a session's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell.history.events import events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.paint import Line
from respell_tui.panes.pane import Pane
from respell_tui.shown.history import EventLines, headline, outcome, read_page
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Search
from respell_tui.work import Job, Problem

_TELL_EVERY = 2_000


class EventList(LineView):
    """The list: it reads what is seen of it."""

    def __init__(self, lines: EventLines) -> None:
        """Show these events."""
        super().__init__(id="event-list")
        self.lines = lines

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.lines)

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        return self.lines.line(index, width)


class EventsPane(Pane):
    """Shows all events, or those that are looked for."""

    number = 1
    title = "Events"
    place = "replay/events"
    BINDINGS: ClassVar = bindings("replay/events")

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
        yield EventList(self._lines)

    @property
    def list(self) -> EventList:
        """The list."""
        return self.query_one(EventList)

    @property
    def search(self) -> Search:
        """The line to search in."""
        return self.query_one(Search)

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
            self.entitle(("  of the dry run", "warn") if view is not None else "")
        if self._filtered:
            if grown or first:
                self._look_through()
            return
        self._lines.be(record.events)
        self.list.redraw()
        self._count()

    def stand(self, number: int) -> None:
        """Have the debugger stand after an event."""
        other, self._lines.position = number != self._lines.position, number
        self.list.go_to(self._lines.index(number), tell=False)
        if other:
            self.list.redraw()

    def _count(self) -> None:
        shown, all_ = len(self._lines), self.record.events if self.record else 0
        self.subtitle(f"{shown:,} of {all_:,}" if self._filtered else f"{all_:,}",
                      ("  failed only" if self.failed_only else "", "warn"),
                      ("  esc shows all" if self._filtered else "", "dim"))  # fmt: skip

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
                  lambda _: read_page(self.store(view), record.key, record.created_at, numbers),
                  lambda rows: self._filled(page, rows), group="page", failed=failed)  # fmt: skip

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

    def do_event_nested(self) -> None:
        """Show events inside of others below them, or all alike."""
        self.nested = not self.nested
        self._changed()

    @property
    def nested(self) -> bool:
        """Whether events inside of others are indented."""
        return self._lines.nested

    @nested.setter
    def nested(self, nested: bool) -> None:
        self._lines.nested = nested
        self.list.redraw()

    def _changed(self) -> None:
        """Have the screen remember how this looks."""
        self.screen.remember()  # type: ignore[attr-defined]

    @on(Search.Wanted)
    def _searched(self, message: Search.Wanted) -> None:
        message.stop()
        self._look_through()

    @on(Search.Left)
    def _left(self, message: Search.Left) -> None:
        message.stop()
        self.list.focus()

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
        if len(self._lines) or self.search.is_open:
            self.show_body()
        else:
            what = "No event failed" if self.failed_only else "No event has that in it"
            key = self.screen.respell.keys.shown("event.failed_only")  # type: ignore[attr-defined]
            self.show_note(
                [("", "")], [(f" {what}: ", "dim"), (key, "key"), (" shows all.", "dim")]
            )

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
