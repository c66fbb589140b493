"""The panes of the screen of one session, and which of them are shown."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from respell_tui.panes.events import EventsPane
from respell_tui.panes.looks import ConsolePane, EventPane, Look, ThenPane
from respell_tui.panes.pane import Pane
from respell_tui.panes.source import SourcePane
from respell_tui.panes.variables import VariablesPane
from respell_tui.screens.place import Place
from respell_tui.widgets.bars import KeyBar, TitleBar
from respell_tui.widgets.notice import Notice
from respell_tui.widgets.scrubber import Scrubber

_PANES = 6


class ReplayPanes(Place):
    """Events at the left; at the right the source, and below it what is looked at."""

    place = "replay"
    SHOWN: ClassVar = (3, 4, 5, 6)

    @property
    def behind(self) -> str:
        """The sessions; of a fork that was just made, what it was made from."""
        below = [one for one in self.app.screen_stack if isinstance(one, Place)]
        at = below.index(self) if self in below else len(below)
        return "home" if at < 2 else "back"

    def compose(self) -> ComposeResult:
        """Below the source, one of 4, 5 and 6; on a narrow screen one of 3 to 6."""
        icons = self.respell.icons
        yield TitleBar()
        yield Notice()
        with Horizontal(id="replay-body"):
            yield EventsPane(icons)
            with Vertical(id="replay-right", classes="zoomable"):
                yield SourcePane(icons)
                with Horizontal(id="replay-below", classes="zoomable"):
                    yield VariablesPane(icons)
                    yield EventPane("event")
                    yield ConsolePane("output")
                    yield ThenPane("then", icons)
        yield Scrubber(icons)
        yield KeyBar()

    @property
    def is_there(self) -> bool:
        """Whether there are panes: there are none any more while the screen goes."""
        return (
            len(self.walk_children(Pane)) >= _PANES
        )  # as `query` finds them, in a third of the time

    @property
    def events(self) -> EventsPane:
        """The pane of the events."""
        return self.query_one(EventsPane)

    @property
    def source(self) -> SourcePane:
        """The pane of the source."""
        return self.query_one(SourcePane)

    @property
    def variables(self) -> VariablesPane:
        """The pane of the variables."""
        return self.query_one(VariablesPane)

    @property
    def notice(self) -> Notice:
        """The line that says what is wanted of a person."""
        return self.query_one(Notice)

    @property
    def scrubber(self) -> Scrubber:
        """The line of time."""
        return self.query_one(Scrubber)

    def shown(self, number: int) -> bool:
        """Return whether a pane of 3 to 6 is seen now."""
        pane = next(one for one in self.panes() if one.number == number)
        return bool(pane.display) and (not self.has_class("-zoom") or pane.has_class("-zoomed"))

    def reveal_pane(self, pane: Pane) -> None:
        """Show a pane that is behind another."""
        if pane.number not in self.SHOWN:
            return
        for number in self.SHOWN:
            self.set_class(number == pane.number, f"-low-{number}")
        if isinstance(pane, Look):
            for number in (4, 5, 6):
                self.set_class(number == pane.number, f"-look-{number}")
        self.look_again()

    def look_again(self) -> None:
        """Read what is seen now and was not before."""
