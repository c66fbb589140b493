"""Pane 1 of the first screen: the sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input

from respell_tui.actions.binding import bindings
from respell_tui.describe import age
from respell_tui.icons import UNICODE, Icons, of_state
from respell_tui.paint import Line, Part, cell
from respell_tui.panes.pane import Pane
from respell_tui.shown.sessions import SessionRow, matches
from respell_tui.text import fit, width
from respell_tui.widgets.line_view import LineView

STATE_ROLES = {
    "running": "good", "paused": "warn", "suspended": "warn", "interrupted": "bad",
    "completed": "dim", "failed": "bad", "archived": "dim", "active": "",
}  # fmt: skip
_STATE = max(map(len, STATE_ROLES))


def session_line(row: SessionRow, cells: int, now: int, icons: Icons) -> Line:
    """Return a session in one line of so many cells.

    Args:
        row: The session.
        cells: How many cells there are.
        now: The time, in µs since 1970 UTC.
        icons: The signs.
    """
    record = row.record
    role = STATE_ROLES[row.state]
    twig = _twig(row, icons)
    when = f"{age(record.updated_at, now):>6}"
    name = cell(record.name or record.script or "without a name")
    wide = cells >= 72
    head: list[Part] = [
        (" " + of_state(icons, row.state) + " ", role),
        (f"{row.state:<{_STATE}} ", role),
        (record.id[:8] + " ", "dim"),
    ]
    left = cells - 3 - _STATE - 1 - 9 - len(when) - 2
    events = f"{record.events:>6} ev " if wide else ""
    left -= len(events)
    named = fit(twig + name, max(left, 8))
    room = left - width(named) - 2
    text = cell(row.remark)
    said = fit(text, room) if text and room >= 8 else ""
    pad = max(0, left - width(named) - (width(said) + 2 if said else 0))
    parts = [*head, (named, "strong" if row.state in ("running", "paused") else "")]
    if said:
        parts += [("  ", ""), (said, role or "dim")]
    return [*parts, (" " * pad, ""), (events, "dim"), (f" {when} ", "dim")]


def _twig(row: SessionRow, icons: Icons) -> str:
    if not row.depth:
        return ""
    trunks = "".join(f"{icons.trunk} " if more else "  " for more in row.trunks)
    return f"{trunks}{icons.last_branch if row.last else icons.branch} "


class SessionList(LineView):
    """The lines of the sessions; made for the width there is."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="session-list")
        self.rows: Sequence[SessionRow] = ()
        self.now = 0
        self.icons: Icons = UNICODE

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def line(self, index: int, width: int) -> Line:
        """Draw a session."""
        return session_line(self.rows[index], width, self.now, self.icons)


class SessionsPane(Pane):
    """Shows all sessions of the store that match the search."""

    number = 1
    title = "Sessions"
    place = "home/sessions"
    BINDINGS: ClassVar = bindings("home/sessions")
    DEFAULT_CSS = """
    SessionsPane Input { display: none; }
    SessionsPane.-searching Input { display: block; }
    """

    class Chosen(Message):
        """The cursor is on another session, or on none."""

        def __init__(self, row: SessionRow | None) -> None:
            super().__init__()
            self.row = row

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="sessions", classes="zoomable")
        self._all: Sequence[SessionRow] = ()
        self._words: list[str] = []
        self._was: str | None = None

    def body(self) -> ComposeResult:
        """The search and the list."""
        search = Input(placeholder="words, #tag, =state, !not", id="session-search", compact=True)
        search.cursor_blink = False
        yield search
        yield SessionList()

    @property
    def list(self) -> SessionList:
        """The list."""
        return self.query_one(SessionList)

    @property
    def row(self) -> SessionRow | None:
        """The session the cursor is on."""
        rows = self.list.rows
        return rows[self.list.cursor] if self.list.cursor < len(rows) else None

    def show(self, rows: Sequence[SessionRow], now: int, icons: Icons) -> None:
        """Show these sessions; the cursor stays on the same one."""
        self._all = rows
        self.list.now, self.list.icons = now, icons
        self._filter(keep=self._was)

    def select(self, session_id: str) -> None:
        """Put the cursor on a session, now or as soon as it is there."""
        self._was = session_id
        self._filter(keep=session_id)

    def _filter(self, keep: str | None) -> None:
        view = self.list
        rows = [row for row in self._all if matches(row, self._words)] if self._words else self._all
        view.rows = rows
        at = next((at for at, row in enumerate(rows) if row.id == keep), None)
        if at is not None and at != view.cursor:
            view.show((), cursor=at)
        else:
            view.show(())
        self.show_body()
        self._count(len(rows))
        self._tell()

    def _count(self, shown: int) -> None:
        total = len(self._all)
        text = f"{shown} of {total}" if self._words else str(total)
        self.subtitle((text, "accent" if self._words else "dim"))

    def _tell(self) -> None:
        row = self.row
        self._was = row.id if row is not None else self._was
        self.post_message(self.Chosen(row))

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        self._tell()

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        message.stop()
        self.action_act("session.open")

    # Search ------------------------------------------------------------------------------

    def do_list_filter(self) -> None:
        """Type words to search for."""
        self.add_class("-searching")
        self.query_one(Input).focus()

    def close_search(self) -> bool:
        """Show all sessions again; return whether there was a search."""
        if not self.has_class("-searching"):
            return False
        self.query_one(Input).value = ""
        self.remove_class("-searching")
        self._words = []
        self._filter(keep=self._was)
        self.list.focus()
        return True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value.split()
        self._filter(keep=self._was)

    @on(Input.Submitted)
    def _searched(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            self.close_search()
        self.list.focus()

    def target(self) -> Any:
        """The list, or the note in its place."""
        return super().target() if self.has_class("-noted") else self.list
