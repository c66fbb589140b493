"""The whole history in one line: where one is, and what is where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from respell_tui.icons import Icons
from respell_tui.paint import Part, cell
from respell_tui.text import fit, width


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that stands at an event.

    Attributes:
        number: The event's number.
        kind: The name of its sign.
        role: How it is painted.
    """

    number: int
    kind: str
    role: str


_LOUDER = ("good", "warn", "mark", "bad")
"""Of marks that stand in the same cell the last of these is seen."""


class Scrubber(Widget):
    """Shows marks at their places; a click or a drag goes there."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "scrubber--done", "scrubber--rest", "scrubber--here", "scrubber--bad", "scrubber--warn",
        "scrubber--good", "scrubber--mark", "scrubber--words",
    }  # fmt: skip
    DEFAULT_CSS = """
    Scrubber {
        height: 1; background: $surface;
        & > .scrubber--done { color: $primary; }
        & > .scrubber--rest { color: $text-disabled; }
        & > .scrubber--here { color: $accent; text-style: bold reverse; }
        & > .scrubber--bad { color: $text-error; text-style: bold; }
        & > .scrubber--warn { color: $text-warning; text-style: bold; }
        & > .scrubber--good { color: $text-success; text-style: bold; }
        & > .scrubber--mark { color: $accent; text-style: bold; }
        & > .scrubber--words { color: $foreground; }
    }
    """

    class Wanted(Message):
        """Somebody wants to go to an event."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def can_replace(self, message: Message) -> bool:
            """Let the last one take the place of those before."""
            return isinstance(message, Scrubber.Wanted)

    def __init__(self, icons: Icons) -> None:
        """Begin at the start of nothing."""
        super().__init__()
        self._icons = icons
        self._at, self._count = 0, 0
        self._marks: Sequence[Mark] = ()
        self._words: Sequence[Part] = ()
        self._dragged = False

    def show(self, at: int, count: int, words: Sequence[Part]) -> None:
        """Show where one is.

        Args:
            at: The event that the position comes after.
            count: How many there are.
            words: What stands behind.
        """
        self._at, self._count, self._words = at, count, words
        self.refresh()

    def mark(self, marks: Sequence[Mark]) -> None:
        """Show other marks."""
        self._marks = marks
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line."""
        return 1

    @property
    def _room(self) -> int:
        """How many cells the line of time has."""
        return max(5, self.size.width - 2 - min(sum(width(text) for text, _ in self._words),
                                                self.size.width // 2))  # fmt: skip

    def place(self, number: int) -> int:
        """Return the cell of an event, from 0."""
        if self._count <= 1:
            return 0
        return min(self._room - 1, (number - 1) * (self._room - 1) // (self._count - 1))

    def number(self, place: int) -> int:
        """Return the event of a cell."""
        if self._count <= 1:
            return self._count
        share = max(0, min(place, self._room - 1)) / max(1, self._room - 1)
        return 1 + round(share * (self._count - 1))

    def render_line(self, y: int) -> Strip:
        """Draw it."""
        base = self.rich_style
        here = self.place(self._at)
        rule = "━" if self._icons.full == "█" else "-"
        signs = {place: (rule, "done" if place <= here else "rest") for place in range(self._room)}
        for mark in sorted(self._marks, key=lambda it: _LOUDER.index(it.role)):
            signs[self.place(mark.number)] = (getattr(self._icons, mark.kind), mark.role)
        if self._at:
            signs[here] = (self._icons.current, "here")
        segments = [Segment(" ", base)]
        segments += [
            Segment(sign, base + self._style(role)) for _, (sign, role) in sorted(signs.items())
        ]
        room = self.size.width - self._room - 1
        words = fit(cell("".join(text for text, _ in self._words)), room)
        segments.append(Segment(words, base + self._style("words")))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, role: str) -> Style:
        return self.get_component_rich_style(f"scrubber--{role}")

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag."""
        self._dragged = True
        self.capture_mouse()
        self.post_message(self.Wanted(self.number(event.x - 1)))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Go where it is dragged to."""
        if self._dragged:
            self.post_message(self.Wanted(self.number(event.x - 1)))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End of the drag."""
        self._dragged = False
        self.release_mouse()
