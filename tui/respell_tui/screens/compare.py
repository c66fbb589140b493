"""Two sessions side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from respell.history.diff import Difference
from respell_tui.actions.binding import bindings
from respell_tui.paint import Line, plain
from respell_tui.panes.pane import Pane
from respell_tui.screens.content import Content
from respell_tui.screens.place import Place
from respell_tui.shown.compared import Both, line_of, rows_of, whole_lines
from respell_tui.text import width
from respell_tui.widgets.bars import KeyBar, TitleBar
from respell_tui.widgets.line_view import LineView
from respell_tui.work import Job


class BothSides(LineView):
    """The two columns."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="both-sides")
        self.rows: Sequence[Both] = ()

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.rows)

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        return line_of(self.rows[index], width)


class DifferencePane(Pane):
    """Shows both."""

    number = 1
    title = "Difference"
    place = "compare/both"
    BINDINGS: ClassVar = bindings("compare/both")

    def body(self) -> ComposeResult:
        """The columns."""
        yield BothSides()

    def do_difference_next(self) -> None:
        """Go to the next line that differs."""
        self._go(1)

    def do_difference_previous(self) -> None:
        """Go to the line before that differs."""
        self._go(-1)

    def _go(self, by: int) -> None:
        view = self.query_one(BothSides)
        signs = [one.sign != " " for one in view.rows]
        at = view.cursor + by
        while 0 <= at < len(signs) and not (signs[at] and not signs[at - 1]):
            at += by
        if 0 <= at < len(signs):
            view.go_to(at)
        else:
            side = "behind" if by > 0 else "before"
            self.screen.flash(f"nothing differs {side} this", "warn")  # type: ignore[attr-defined]

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()

    def do_difference_show(self) -> None:
        """Show what differs in this line, in full."""
        view = self.query_one(BothSides)
        rows = whole_lines(view.rows[view.cursor]) if view.rows else []
        if not rows:
            self.screen.flash("nothing more is known of this line", "warn")  # type: ignore[attr-defined]
            return
        longest = max(width(plain(row)) for row in rows)
        self.app.push_screen(Content("Both sides", rows, longest, folds=True))

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        message.stop()
        self.action_act("difference.show")


class Compare(Place):
    """Shows what is different between two sessions, or between one and what it might have been."""

    place = "compare"
    BINDINGS: ClassVar = bindings("compare")

    def __init__(self, a: str, b: str, find: Callable[[], Difference]) -> None:
        """Compare.

        Args:
            a: What the first is called.
            b: What the second is called.
            find: Finds what is different; called in a thread.
        """
        super().__init__()
        self._a, self._b, self._find = a, b, find

    def compose(self) -> ComposeResult:
        """One pane."""
        yield TitleBar()
        yield DifferencePane(classes="zoomable")
        yield KeyBar()

    @property
    def behind(self) -> str:
        """The screen it was asked for on."""
        return "back"

    def on_mount(self) -> None:
        """Compare them."""
        self.entitle((self._a, "removed"), " and ", (self._b, "added"))
        self.focus_pane(1)
        pane = self.query_one(DifferencePane)
        pane.show_note([("", "")], [(" comparing …", "dim")])
        self.work("comparing", self._compared, self._show, group="compare",
                  failed=pane.show_problem, waited=True, cancels=True)  # fmt: skip

    def _compared(self, job: Job) -> list[Both]:
        return rows_of(self._find(), self._a, self._b)

    def _show(self, rows: list[Both]) -> None:
        pane, view = self.query_one(DifferencePane), self.query_one(BothSides)
        pane.show_body()
        view.rows = rows
        view.redraw()
        view.focus()

    def leave(self) -> None:
        """Go back to the screen before; that one stays what was open."""
        self.app.pop_screen()
