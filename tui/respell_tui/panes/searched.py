"""Panes with a line to search in above a list, and those in which one goes from match to match."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from textual import on

from respell_tui.paint import Line, marked
from respell_tui.panes.pane import Pane
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Matches, Search


class SearchedPane(Pane):
    """A list and a `Search`; what is done with the words, subclasses know."""

    @property
    @abstractmethod
    def list(self) -> LineView:
        """The list."""

    @property
    def search(self) -> Search:
        """The line to search in."""
        return self.query_one(Search)

    @on(Search.Left)
    def _left(self, message: Search.Left) -> None:
        message.stop()
        self.list.focus()


class MarkedLines(LineView):
    """Lines in which what is searched for is marked."""

    wanted: str = ""

    def plain_line(self, index: int, width: int) -> Line:
        """Return one line without marks."""
        return super().line(index, width)

    def line(self, index: int, width: int) -> Line:
        """Return one line."""
        row = self.plain_line(index, width)
        return marked(row, self.wanted) if self.wanted else row


class TextPane(SearchedPane):
    """Lines of text: the search goes to the next of them that has it. The list is `MarkedLines`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """Begin without a search."""
        super().__init__(*args, **more)
        self._matches = Matches()

    @property
    @abstractmethod
    def list(self) -> MarkedLines:
        """The list."""

    @property
    @abstractmethod
    def rows(self) -> Sequence[Line]:
        """What is searched in."""

    @abstractmethod
    def say_what_it_is(self) -> None:
        """Say in the lower frame what is said where nothing is searched for."""

    @on(Search.Wanted)
    def _searched(self, message: Search.Wanted) -> None:
        message.stop()
        view = self.list
        view.wanted = message.text.lower()
        view.redraw()
        if message.text:
            self.find(0)
        else:
            self.say_what_it_is()

    def find(self, by: int) -> None:
        """Go to the next line that has what is searched for, or to the one before.

        Args:
            by: 1 forwards, -1 backwards, 0 from here on.
        """
        view = self.list
        if not view.wanted:
            if by:
                self.screen.flash("nothing is searched for: / does", "warn")  # type: ignore[attr-defined]
            return
        at, said = self._matches.beside(self.rows, view.wanted, view.cursor, by)
        if at >= 0:
            view.go_to(at)
        self.subtitle((said, "accent" if at >= 0 else "warn"))
