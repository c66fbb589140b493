"""The pane of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.message import Message

from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.paint import Line, Part
from respell_tui.panes.searched import MarkedLines, TextPane
from respell_tui.shown.source import Beside, Code, source_line
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Search
from respell_tui.work import Job


class SourceList(MarkedLines):
    """The lines with their gutter."""

    margin = 4

    def __init__(self, icons: Icons) -> None:
        """Begin without any."""
        super().__init__(id="source-list")
        self.icons = icons
        self.code, self.beside = Code(""), Beside()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.code.lines)

    class Gutter(Message):
        """Somebody clicked on what stands beside a line."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def on_click(self, event: events.Click) -> None:
        """Set a breakpoint, or take it away, where what stands beside a line was clicked on."""
        index = event.y + self.scroll_offset.y
        beside = 1 + len(str(len(self.code.lines)))
        if event.x < beside and not self.scroll_offset.x and 0 <= index < self.count:
            event.prevent_default()
            self.go_to(index)
            self.post_message(self.Gutter(index + 1))

    def plain_line(self, index: int, width: int) -> Line:
        """Return one line."""
        return source_line(self.code, index, self.beside, self.icons)


class SourcePane(TextPane):
    """Shows the source that runs, and the line that is next."""

    number = 2
    title = "Source"
    place = "replay/source"
    BINDINGS: ClassVar = bindings("replay/source")

    class Toggled(Message):
        """Somebody wants a breakpoint at a line, or none there any more."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def __init__(self, icons: Icons) -> None:
        """Begin without a source."""
        super().__init__(id="source", classes="zoomable")
        self._icons = icons

    def body(self) -> ComposeResult:
        """A line to search in, and the lines."""
        yield Search("text", "keeps it, then . and , go to the others")
        yield SourceList(self._icons)

    @property
    def list(self) -> SourceList:
        """The lines."""
        return self.query_one(SourceList)

    @property
    def line(self) -> int:
        """The line that the cursor is on, 1-based."""
        return self.list.cursor + 1

    @property
    def chunk(self) -> str:
        """Name of the source; empty for none."""
        return self.list.code.name

    def show(self, code: Code, beside: Beside) -> None:
        """Show a source.

        Args:
            code: Its lines.
            beside: What stands beside them. The cursor goes to the line that is next, or to the
                one that was the last to ask for something.
        """
        view = self.list
        here, before = beside.line or beside.last, view.beside.line or view.beside.last
        moved = code.name != view.code.name or here != before
        moved = moved or beside.line != view.beside.line
        view.code, view.beside = code, beside
        view.show((), cursor=here - 1 if moved and here else None,
                  longest=code.longest + 12)  # fmt: skip
        self.entitle(("  " + code.name if code.name else "", "strong"))
        if moved or not view.wanted:  # else it says which match this is
            self.say_what_it_is()

    @property
    def rows(self) -> Sequence[Line]:
        """What is searched in."""
        return self.list.code.lines

    def say_what_it_is(self) -> None:
        """Say which line is next, and how many ran."""
        code, beside = self.list.code, self.list.beside
        parts: list[Part | str] = []
        if beside.hits and code.lines:
            parts = [(f"{len(beside.hits)} lines ran   ", "dim")]
        self.subtitle(*parts, f"line {beside.line}" if beside.line else "no line runs here")

    def show_progress(self, job: Job, done: float, total: float, words: str) -> None:
        """Say that lines are counted, which keeps nobody waiting, and how that is ended."""
        key = self.screen.respell.keys.shown("line.hits")  # type: ignore[attr-defined]
        if not self.list.wanted:
            self.subtitle((f"{job.what} for {done:.0f} s  {key} stops that", "dim"))

    # Search ------------------------------------------------------------------------------

    def do_find_open(self) -> None:
        """Search in the source."""
        self.search.open()

    def do_find_next(self) -> None:
        """Go to the next match."""
        self.find(1)

    def do_find_previous(self) -> None:
        """Go to the match before."""
        self.find(-1)

    def close_search(self) -> bool:
        """Close the search; return whether there was one."""
        return self.search.close()

    # The cursor --------------------------------------------------------------------------

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()

    @on(SourceList.Gutter)
    def _gutter(self, message: SourceList.Gutter) -> None:
        message.stop()
        self.post_message(self.Toggled(message.line))

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        self.post_message(self.Toggled(message.index + 1))
