"""Pane 1 of the first screen: the sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell_tui.actions.binding import bindings
from respell_tui.describe import age
from respell_tui.icons import UNICODE, Icons, of_state
from respell_tui.paint import Line, Part, cell
from respell_tui.panes.searched import SearchedPane
from respell_tui.shown.sessions import STATE_ROLES, SessionRow, matching
from respell_tui.text import fit, width
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Search

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
    when = f" {age(record.updated_at, now):>6} "
    events = f"{record.events:>7} ev" if cells >= 60 else ""
    left = max(8, cells - 3 - 9 - _STATE - 1 - len(events) - len(when))
    twig = fit(_twig(row, icons), left // 2)
    name = fit(twig + cell(record.name or record.script or "without a name"), left)
    room = left - width(name) - 3
    text = cell(row.remark)
    mark = fit(cell(row.apart), room if not text else room // 2) if row.apart and room >= 8 else ""
    room -= width(mark) + 2 if mark else 0
    said = fit(text, room) if text and room >= 8 else ""
    pad = left - sum(width(one) + 2 for one in (mark, said) if one) - width(name)
    parts: list[Part] = [
        (f" {of_state(icons, row.state)} ", role),
        (record.id[:8] + " ", "dim"),
        (f"{row.state:<{_STATE}} ", role),
        (name[: len(twig)], "dim"),
        (name[len(twig) :], "strong" if row.state in ("running", "paused") else ""),
    ]
    if mark:
        parts.append(("  " + mark, "dim"))
    if said:
        parts.append(("  " + said, role or "dim"))
    return [*parts, (" " * pad, ""), (events + when, "dim")]


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


class SessionsPane(SearchedPane):
    """Shows the sessions that match the search."""

    number = 1
    title = "Sessions"
    place = "home/sessions"
    BINDINGS: ClassVar = bindings("home/sessions")

    class Chosen(Message):
        """The cursor is on another session, or on none, or what is known of it has changed."""

        def __init__(self, row: SessionRow | None) -> None:
            super().__init__()
            self.row = row

        def can_replace(self, message: Message) -> bool:
            """Let the last one take the place of those before."""
            return isinstance(message, SessionsPane.Chosen)

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="sessions", classes="zoomable")
        self._all: Sequence[SessionRow] = ()
        self._words: list[str] = []
        self._was: str | None = None
        self._awaited = ""
        self.failed_only = False
        self._order = ""

    def body(self) -> ComposeResult:
        """The search and the list."""
        yield Search("words, #tag, =state, !not")
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

    @property
    def words(self) -> str:
        """What is searched for."""
        return " ".join(self._words)

    def show(self, rows: Sequence[SessionRow], now: int, icons: Icons, order: str) -> None:
        """Show these sessions; the cursor stays on the same one.

        Args:
            rows: The sessions, sorted.
            now: The time, in µs since 1970 UTC.
            icons: The signs.
            order: How they are sorted, in words.
        """
        self._all, self._order = rows, order
        self.list.now, self.list.icons = now, icons
        self._filter()

    def select(self, session_id: str) -> None:
        """Put the cursor on a session, now or as soon as it is there."""
        self._awaited = session_id
        self._filter()

    def _filter(self) -> None:
        view, rows = self.list, self._all
        if self._words:
            rows = matching(rows, self._words)
        if self.failed_only:
            rows = [row for row in rows if row.state in ("failed", "interrupted")]
        view.rows = rows
        at = self._place(rows)
        view.show((), cursor=at if at != view.cursor else None)
        if self._all:
            self.show_body()
        self._say_how_many(len(rows))
        self._tell()

    def _place(self, rows: Sequence[SessionRow]) -> int | None:
        """Return where the cursor belongs; None for where it is."""
        ids = [row.record.id for row in rows]
        if self._awaited in ids:
            self._was, self._awaited = self._awaited, ""
        return ids.index(self._was) if self._was in ids else None

    def _say_how_many(self, shown: int) -> None:
        is_part = bool(self._words) or self.failed_only
        text = f"{shown} of {len(self._all)}" if is_part else str(len(self._all))
        only = "  failed only" if self.failed_only else ""
        self.subtitle((self._order, "dim"), (only, "accent"), "  ",
                      (text, "accent" if is_part else "dim"))  # fmt: skip

    def _tell(self) -> None:
        row = self.row
        self._was = row.id if row is not None else self._was
        self.post_message(self.Chosen(row))

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        self._awaited = ""  # somebody went elsewhere meanwhile
        self._tell()

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        message.stop()
        self.action_act("session.open")

    @on(Search.Wanted)
    def _searched(self, message: Search.Wanted) -> None:
        message.stop()
        self._words = message.text.split()
        self._filter()

    def target(self) -> Any:
        """The list, or the note in its place."""
        return super().target() if self.has_class("-noted") else self.list

    def do_session_failed_only(self) -> None:
        """Show only those that failed or were interrupted, or all again."""
        self.failed_only = not self.failed_only
        self._filter()
