"""The pane of variables, watches and the stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.panes.pane import ALONE, Pane
from respell_tui.shown.moment import Moment, Path
from respell_tui.shown.variables import GLOBALS, Row, lines_of, rows_of
from respell_tui.widgets.line_view import LineView


class Tree(LineView):
    """Lines of which some open: right and left do that first, and scroll only then."""

    def do_list_right(self) -> None:
        """Open what is inside of this, or scroll to the right."""
        if not self._turn(True):
            super().do_list_right()

    def do_list_left(self) -> None:
        """Scroll to the left, or close what is inside of this."""
        if self.scroll_offset.x or not self._turn(False):
            super().do_list_left()

    def _turn(self, opened: bool) -> bool:
        pane = next(one for one in self.ancestors if isinstance(one, VariablesPane))
        return pane.turn(opened)


class VariablesPane(Pane):
    """Shows what the function that runs sees, and who called it."""

    number = 3
    title = "Variables"
    place = "replay/variables"
    BINDINGS: ClassVar = bindings("replay/variables")

    class Wanted(Message):
        """Something else is to be looked at: more is opened, or another function chosen."""

        def __init__(self, frame: int | None = None, coroutine: int | None = None) -> None:
            super().__init__()
            self.frame, self.coroutine = frame, coroutine

    class Looked(Message):
        """Somebody wants to see all of a value."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    def __init__(self, icons: Icons) -> None:
        """Begin without any."""
        super().__init__(id="variables", classes="zoomable")
        self._icons = icons
        self.opened: frozenset[Path] = frozenset()
        self.rows: Sequence[Row] = ()
        self._moment: Moment | None = None
        self._before: Moment | None = None

    @property
    def tabs(self) -> Sequence[tuple[int, str]]:
        """On a narrow screen it is shown in place of others."""
        return ALONE if self.screen.has_class("-narrow") else ()

    def on_resize(self) -> None:
        """On a narrow screen there are others behind it."""
        self.entitle()

    def body(self) -> ComposeResult:
        """The list."""
        yield Tree(id="variable-list")

    @property
    def list(self) -> LineView:
        """The list."""
        return self.query_one("#variable-list", LineView)

    @property
    def row(self) -> Row | None:
        """The row that the cursor is on."""
        at = self.list.cursor
        return self.rows[at] if at < len(self.rows) else None

    @property
    def shows_globals(self) -> bool:
        """Whether globals are shown."""
        return GLOBALS in self.opened

    def show(self, moment: Moment, *, moved: bool) -> None:
        """Show what there is to see at a moment.

        Args:
            moment: The moment.
            moved: It is another one: what is different in it has changed.
        """
        if moved:
            self._before = self._moment
        self._moment = moment
        here = self.row
        self.rows = rows_of(moment, self._before, self.opened)
        at = self._place(here, moved=moved)
        lines = lines_of(self.rows, self._icons, moment.here)
        longest = max((sum(len(text) for text, _ in line) for line in lines), default=0)
        self.list.show(lines, cursor=at, longest=longest)
        changed = sum(row.old is not None for row in self.rows)
        self.subtitle(f"{changed} changed" if changed else "")

    def _place(self, here: Row | None, *, moved: bool) -> int:
        """Return where the cursor goes: to the same variable, else to the first that changed."""
        paths = [row.path for row in self.rows]
        if here is not None and here.path in paths and not (moved and here.depth == 0):
            return paths.index(here.path)
        changed = (at for at, row in enumerate(self.rows) if row.old is not None)
        return next(changed, min(1, len(self.rows) - 1))

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        """Open or close what is inside, or show all of a value; go to a function of the stack."""
        message.stop()
        row = self.row
        if row is None:
            return
        if row.frame >= 0:
            self.post_message(self.Wanted(row.frame, row.coroutine))
        elif row.opens:
            self.turn(not row.is_open)
        elif row.value is not None:
            self.post_message(self.Looked(row))

    def turn(self, opened: bool) -> bool:
        """Open or close what the cursor is on; return whether it was not so already."""
        row = self.row
        if row is None or not row.opens or row.is_open == opened:
            return False
        self.opened = self.opened ^ {row.path}
        self.post_message(self.Wanted())
        return True
