"""All values that an expression had: a plot above a list to go to one of them."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from respell.debug import Change, Listed, Position
from respell_tui.icons import Icons
from respell_tui.paint import Line, content
from respell_tui.screens.dialog import Dialog
from respell_tui.shown.plot import Plot, change_rows
from respell_tui.widgets.line_view import LineView


class PlotView(LineView, can_focus=False):
    """The plot, as wide as there is room."""

    def __init__(self, plot: Plot) -> None:
        """Show a plot."""
        super().__init__(id="plot", cursor=False)
        self.plot = plot
        self.at = 0

    @property
    def count(self) -> int:
        """How many lines it has."""
        return self.plot.height

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        return self.plot.line(index, width, self.at)


class Values(Dialog):
    """Its result is the change to go to, or None."""

    DEFAULT_CSS: ClassVar = """
    Values > .dialog { width: 100; }
    Values #plot { margin-bottom: 1; scrollbar-size-vertical: 0; }
    Values #changes { height: auto; max-height: 50vh; margin-bottom: 1; }
    """

    def __init__(
        self, expression: str, changes: Listed[Change], here: Position | None, icons: Icons
    ) -> None:
        """Show changes.

        Args:
            expression: What changed.
            changes: How, in the order of time.
            here: Where the debugger stands; None for the end.
            icons: The signs.
        """
        super().__init__()
        self.title_text = f"Values of {expression}"
        self._changes = changes
        self._rows = change_rows(changes, here, icons)
        self._plot = Plot(changes, icons)
        before = [at for at, one in enumerate(changes) if here is None or one.position <= here]
        self._at = before[-1] if before else 0

    def body(self) -> ComposeResult:
        """The plot, then the list."""
        if self._plot.height:
            yield PlotView(self._plot)
        yield LineView(self._rows, id="changes")

    def on_mount(self) -> None:
        """Begin with the value that there is where one stands."""
        for plot in self.query(PlotView):
            plot.styles.height = self._plot.height
            plot.at = self._at
        view = self.query_one("#changes", LineView)
        view.styles.height = min(20, len(self._rows))
        view.show(self._rows, cursor=self._at)
        view.focus()
        count = f"the first {len(self._rows):,}" if self._changes.more else f"{len(self._rows):,}"
        self.query_one(".dialog").border_subtitle = content(
            f"{count} value{'s' if len(self._rows) != 1 else ''}   enter goes there   esc closes"
        )

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        for plot in self.query(PlotView):
            plot.at = message.index
            plot.redraw()

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        self.dismiss(self._changes[message.index])
