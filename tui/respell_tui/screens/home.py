"""The first screen: sessions and their artifacts."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from respell.errors import StoreMissing
from respell_tui.actions.binding import bindings
from respell_tui.app import StoreChanged
from respell_tui.panes.sessions import SessionsPane
from respell_tui.screens.place import Place
from respell_tui.shown.sessions import HomeSituation, SessionRow, read_rows
from respell_tui.widgets.bars import KeyBar, TitleBar
from respell_tui.work import Job


class Home(Place):
    """Shows the sessions of the store, and what can be done with each."""

    place = "home"
    BINDINGS: ClassVar = bindings("home")
    CSS_PATH = "home.tcss"

    def compose(self) -> ComposeResult:
        """Sessions at the left."""
        yield TitleBar()
        with Horizontal(), Vertical(classes="column zoomable"):
            yield SessionsPane()
        yield KeyBar()

    def on_mount(self) -> None:
        """Read the sessions."""
        self.entitle(
            ("respell", "title"), (" ▸ sessions   ", ""), (str(self.respell.folder), "dim")
        )
        self.focus_pane(1)
        self.refresh_sessions()

    @property
    def sessions(self) -> SessionsPane:
        """The pane of the sessions."""
        return self.query_one(SessionsPane)

    @property
    def situation(self) -> HomeSituation:
        """What its actions are judged by."""
        return HomeSituation(session=self.sessions.row, count=self.sessions.list.count)

    # Reading -----------------------------------------------------------------------------

    @on(StoreChanged)
    def refresh_sessions(self) -> None:
        """Read the sessions again, unless that is under way."""
        if not self.working("sessions"):
            self.work("reading the sessions", self._read, self._show, group="sessions",
                      failed=self.sessions.show_problem)  # fmt: skip

    def _read(self, job: Job) -> list[SessionRow] | None:
        try:
            return read_rows(self.respell.store(), tree=True)
        except StoreMissing:
            return None

    def _show(self, rows: list[SessionRow] | None) -> None:
        self.sessions.show(rows or (), self.respell.clock(), self.respell.icons)
        if not rows:
            self.sessions.show_note(
                [("No sessions yet.", "strong")], [],
                [("respell run SCRIPT.lua", "key"), (" in a shell runs a script.", "")],
            )  # fmt: skip

    @on(SessionsPane.Chosen)
    def _chosen(self, message: SessionsPane.Chosen) -> None:
        message.stop()
        self.show_keys()

    # Actions -----------------------------------------------------------------------------

    def do_session_open(self) -> None:
        """Open the session on a screen of its own."""
        row = self.sessions.row
        if row is not None:
            self.respell.open_session(row.id)

    def do_list_filter(self) -> None:
        """Search the sessions."""
        self.sessions.do_list_filter()

    def close_something(self) -> bool:
        """Close the search."""
        return self.sessions.close_search()

    def command(self, text: str) -> bool:
        """Also take the beginning of a session's id, or its name: goes there."""
        if super().command(text):
            return True
        row = self._named(text)
        if row is not None:
            self.sessions.select(row.id)
        return row is not None

    def _named(self, text: str) -> Any:
        rows = self.sessions.list.rows
        return next((one for one in rows if text in (one.record.name, one.id)), None) or (
            next((one for one in rows if one.id.startswith(text)), None) if len(text) > 3 else None
        )
