"""Pane 2 of the first screen: the chosen session at a glance."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from respell_tui.actions.binding import bindings
from respell_tui.icons import UNICODE, Icons
from respell_tui.paint import Line, cell
from respell_tui.panes.pane import Pane
from respell_tui.shown.summary import Summary, summary_lines
from respell_tui.widgets.line_view import LineView


class SummaryLines(LineView):
    """The lines; made for the width there is."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="summary-lines", cursor=False)
        self.summary: Summary | None = None
        self.now = 0
        self.icons: Icons = UNICODE
        self._made: tuple[int, list[Line]] = (0, [])

    def tell(self, summary: Summary | None, now: int, icons: Icons) -> None:
        """Show another session, or how it is now."""
        other = summary is None or self.summary is None or (
            summary.record.id != self.summary.record.id)  # fmt: skip
        self.summary, self.now, self.icons = summary, now, icons
        self._made = (0, [])
        self.redraw()
        if other:
            self.scroll_home(animate=False)

    def _lines_for(self, width: int) -> list[Line]:
        if self.summary is None:
            return []
        if self._made[0] != width:
            alone = self.screen.has_class("-narrow")
            made = summary_lines(self.summary, width, self.now, self.icons, alone=alone)
            self._made = (width, made)
        return self._made[1]

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self._lines_for(self.size.width or 40))

    def line(self, index: int, width: int) -> Line:
        """Draw one."""
        rows = self._lines_for(width)
        return rows[index] if index < len(rows) else []

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.redraw()


class SummaryPane(Pane):
    """Shows one session."""

    number = 2
    title = "Session"
    place = "home/session"
    BINDINGS: ClassVar = bindings("home/session")

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="summary", classes="zoomable")

    def body(self) -> ComposeResult:
        """The lines."""
        yield SummaryLines()

    def show(self, summary: Summary | None, now: int, icons: Icons) -> None:
        """Show a session; None for none."""
        self.show_body()
        self.query_one(SummaryLines).tell(summary, now, icons)
        if summary is None:
            self.entitle()
        else:
            record = summary.record
            self.entitle(("  " + record.id[:8], "dim"), " ", cell(record.name)[:60])
