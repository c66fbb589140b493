"""A session's history as a plain list."""

from __future__ import annotations

from itertools import islice
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell_tui.actions.binding import bindings
from respell_tui.app import StoreChanged
from respell_tui.describe import arguments, ending
from respell_tui.paint import Line
from respell_tui.panes.pane import Pane
from respell_tui.screens.place import Place
from respell_tui.widgets.bars import KeyBar, TitleBar
from respell_tui.widgets.line_view import LineView
from respell_tui.work import Job

_MOST = 20_000


class EventsPane(Pane):
    """The events."""

    number = 1
    title = "Events"
    place = "replay/events"
    BINDINGS: ClassVar = bindings("replay/events")

    def body(self) -> ComposeResult:
        """One line each."""
        yield LineView(id="events")


class Events(Place):
    """Shows the events of one session."""

    place = "replay"
    BINDINGS: ClassVar = bindings("replay")

    def __init__(self, session_id: str) -> None:
        """Show those of this session."""
        super().__init__()
        self.session_id = session_id

    def compose(self) -> ComposeResult:
        """One pane."""
        yield TitleBar()
        yield EventsPane(classes="zoomable")
        yield KeyBar()

    def on_mount(self) -> None:
        """Read them."""
        self.focus_pane(1)
        self.read()

    @on(StoreChanged)
    def read(self) -> None:
        """Read them again, unless that is under way."""
        if not self.working("events"):
            self.work("reading the history", self._read, self._show, group="events",
                      failed=self.query_one(EventsPane).show_problem)  # fmt: skip

    def _read(self, job: Job) -> tuple[SessionRecord, list[Line]]:
        store = self.respell.store()
        record = store.sessions.get(self.session_id)
        return record, [_line(one) for one in islice(events(store, record.key), _MOST)]

    def _show(self, read: Any) -> None:
        record, rows = read
        self.entitle(("respell", "title"), " ▸ ", (record.id[:8], "dim"),
                     f" {record.name}   history of {record.events} events")  # fmt: skip
        self.query_one(LineView).show(rows)


def _line(event: Event) -> Line:
    role = "bad" if event.error is not None else ""
    return [(f"{event.number:>6} ", "dim"), (f"{event.name:<20} ", "strong"),
            (arguments(event) + " ", ""), (ending(event), role)]  # fmt: skip
