"""The panes that only show something: the event, the output, the state and the artifacts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult

from respell import values
from respell.history.events import Event
from respell_tui.actions.binding import bindings
from respell_tui.paint import Line, Part, content, wrapped
from respell_tui.panes.pane import Pane
from respell_tui.shown.event import event_lines
from respell_tui.shown.moment import Moment
from respell_tui.widgets.line_view import LineView

OTHERS = ((4, "Event"), (5, "Output"), (6, "State"))
"""The panes of which one is shown at a time."""


class Look(Pane):
    """A pane of lines."""

    hint: ClassVar[Line] = ()

    def __init__(self, ident: str) -> None:
        """Begin without any."""
        super().__init__(id=ident, classes="zoomable look")

    def body(self) -> ComposeResult:
        """The lines."""
        yield LineView(cursor=False)

    def entitle(self, *more: Part | str) -> None:
        """Name the panes behind this one as well, in their order."""
        parts: list[Part | str] = []
        for key, word in OTHERS:
            parts += [("  " if parts else "", ""),
                      (f"{key} {word}", "" if key == self.number else "dim")]  # fmt: skip
        self.border_title = content(*parts, *more)

    @property
    def list(self) -> LineView:
        """The lines."""
        return self.query_one(LineView)

    def show_lines(self, rows: Sequence[Line], *, at_end: bool = False) -> None:
        """Show lines; what is said instead where there are none is the pane's `hint`."""
        if not rows:
            self.show_note([("", "")], self.hint)
            return
        self.show_body()
        longest = max(sum(len(text) for text, _ in line) for line in rows)
        self.list.show(rows, longest=longest)
        if at_end:
            self.list.scroll_end(animate=False, immediate=True)
        else:
            self.list.scroll_to(y=0, animate=False, immediate=True)


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

    def show(self, event: Event | None) -> None:
        """Show an event."""
        self._rows = event_lines(event) if event is not None else []
        self._fold()

    def on_resize(self) -> None:
        """Fold long lines anew."""
        if self._rows:
            self._fold()

    def _fold(self) -> None:
        cells = max(20, self.size.width - 1)  # a scroll bar has one
        self.show_lines([one for row in self._rows for one in wrapped(row, cells)])


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

    def show(self, moment: Moment) -> None:
        """Show both as they were then."""
        if moment.state is None or moment.artifacts is None:
            return
        rows: list[Line] = []
        for scope, entries in moment.state.items():
            rows.append([(scope, "title")])
            rows += [_entry(key, value) for key, value in entries.items()]
        if moment.artifacts:
            rows.append([("artifacts", "title")])
        for one in moment.artifacts:
            version = f" v{one['version']}" if one.get("version") else ""
            rows.append([(f"  {one['name']}", ""), (version, "number"),
                         (f"  event {one['event']}", "dim")])  # fmt: skip
        self.show_lines(rows)


def _entry(key: object, value: object) -> list[Part]:
    text = json.dumps(values.to_json(value), ensure_ascii=False)
    return [(f"  {key}", ""), (" = ", "dim"), (text, "string" if isinstance(value, str) else "")]
