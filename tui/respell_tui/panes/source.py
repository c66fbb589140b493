"""The pane of the source."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.paint import Line
from respell_tui.panes.pane import Pane
from respell_tui.shown.source import Beside, Code, source_line
from respell_tui.widgets.line_view import LineView


class SourceList(LineView):
    """The lines with their gutter."""

    def __init__(self, icons: Icons) -> None:
        """Begin without any."""
        super().__init__(id="source-list")
        self.icons = icons
        self.code, self.beside = Code(""), Beside()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.code.lines)

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        return source_line(self.code, index, self.beside, self.icons)


class SourcePane(Pane):
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
        """The lines."""
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
            beside: What stands beside them. The cursor goes to the line that is next.
        """
        view = self.list
        moved = code.name != view.code.name or beside.line != view.beside.line
        view.code, view.beside = code, beside
        longest = max((sum(len(text) for text, _ in line) for line in code.lines), default=0)
        view.show((), cursor=beside.line - 1 if moved and beside.line else None,
                  longest=longest + 12)  # fmt: skip
        self.entitle(f"  {code.name}" if code.name else "")
        self.subtitle(f"line {beside.line}" if beside.line else "no line runs here")

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        self.post_message(self.Toggled(message.index + 1))
