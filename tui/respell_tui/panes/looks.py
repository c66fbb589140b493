"""The panes that only show something: the event, the output, the state and the artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell.history.events import Event
from respell_tui.actions.binding import bindings
from respell_tui.icons import Icons
from respell_tui.paint import Line, plain, wrapped
from respell_tui.panes.pane import ALONE, Pane
from respell_tui.shown.event import event_lines
from respell_tui.shown.moment import Moment
from respell_tui.shown.then import Then, then_lines, then_of
from respell_tui.text import width
from respell_tui.widgets.line_view import LineView


class Look(Pane):
    """A pane of lines."""

    hint: ClassVar[Line] = ()

    def __init__(self, ident: str) -> None:
        """Begin without any."""
        super().__init__(id=ident, classes="zoomable look")

    def body(self) -> ComposeResult:
        """The lines."""
        yield LineView(cursor=False)

    @property
    def tabs(self) -> Sequence[tuple[int, str]]:
        """The panes that look at something; on a narrow screen the variables are one of them."""
        return ALONE if self.screen.has_class("-narrow") else ALONE[1:]

    def on_resize(self) -> None:
        """On a narrow screen there are others behind it."""
        self.entitle()

    @property
    def list(self) -> LineView:
        """The lines."""
        return self.query_one(LineView)

    def show_lines(self, rows: Sequence[Line], *, at_end: bool = False, same: bool = False) -> None:
        """Show lines; what is said instead where there are none is the pane's `hint`.

        Args:
            rows: The lines.
            at_end: The newest ones are what one wants to see.
            same: They are about the same thing as before.
        """
        if not rows:
            self.show_note([("", "")], self.hint)
            return
        self.show_body()
        view = self.list
        was_at_end = view.scroll_y >= view.max_scroll_y
        longest = max(sum(len(text) for text, _ in line) for line in rows)
        view.show(rows, longest=longest)
        if at_end and was_at_end:  # else somebody reads what is above
            view.scroll_end(animate=False, immediate=True)
        elif not at_end and not same:
            view.scroll_to(y=0, animate=False, immediate=True)


class EventPane(Look):
    """Shows one event: the one that the position comes after, or that the cursor is on."""

    number = 4
    title = "Event"
    place = "replay/event"
    BINDINGS: ClassVar = bindings("replay/event")
    hint = [(" No event yet.", "dim")]  # noqa: RUF012 - it is never changed

    def __init__(self, ident: str) -> None:
        """Begin without an event."""
        super().__init__(ident)
        self._rows: Sequence[Line] = ()
        self._number = 0

    def show(self, event: Event | None) -> None:
        """Show an event; of one that is shown already, what has become of it."""
        same, self._number = self._number, event.number if event is not None else 0
        self._rows = event_lines(event) if event is not None else []
        self._fold(same=same == self._number)

    def on_resize(self) -> None:
        """Fold long lines anew."""
        self.entitle()
        if self._rows:
            self._fold()

    def _fold(self, *, same: bool = False) -> None:
        cells = max(20, self.size.width - 1)  # a scroll bar has one
        self.show_lines([one for row in self._rows for one in wrapped(row, cells)], same=same)


class ConsolePane(Look):
    """Shows what the script had written by then."""

    number = 5
    title = "Output"
    place = "replay/output"
    BINDINGS: ClassVar = bindings("replay/output")
    hint = [(" Nothing was written by now.", "dim")]  # noqa: RUF012 - it is never changed

    def show(self, moment: Moment) -> None:
        """Show the output as it was then."""
        if moment.output is not None:
            self.show_lines([[(line, "")] for line in moment.output], at_end=True)


class ThenPane(Look):
    """Shows the state and the artifacts as they were then."""

    number = 6
    title = "State"
    place = "replay/then"
    BINDINGS: ClassVar = bindings("replay/then")
    hint = [(" No state was set and no artifact stored by now.", "dim")]  # noqa: RUF012 - as above

    class Wanted(Message):
        """Somebody wants to see all of what the cursor is on."""

        def __init__(self, entry: Then) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, ident: str, icons: Icons) -> None:
        """Begin without any."""
        super().__init__(ident)
        self._icons = icons
        self._entries: Sequence[Then] = ()
        self._before: Sequence[Then] = ()

    def body(self) -> ComposeResult:
        """The lines, with a cursor."""
        yield LineView()

    @property
    def entries(self) -> Sequence[Then]:
        """What is shown."""
        return self._entries

    def show(self, moment: Moment, *, moved: bool) -> None:
        """Show both as they were then.

        Args:
            moment: The moment.
            moved: It is another one: what is different in it is marked.
        """
        if moment.state is None or moment.artifacts is None:
            return
        if moved:
            self._before = self._entries
        first = not self._entries
        self._entries = then_of(moment.state, moment.artifacts)
        rows = then_lines(self._entries, self._before, self._icons)
        if not rows:
            self.show_note([("", "")], self.hint)
            return
        self.show_body()
        longest = max(width(plain(line)) for line in rows)
        self.list.show(rows, cursor=min(1, len(rows) - 1) if first else None, longest=longest)

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        entry = self._entries[message.index]
        if not entry.is_title:
            self.post_message(self.Wanted(entry))
