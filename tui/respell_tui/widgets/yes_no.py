"""A field that is yes or no, and says which in words: its colours need not be seen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Checkbox

_ON, _OFF = "[x] yes", "[ ] no "


class YesNo(Checkbox):
    """A checkbox: y, n or space change it, enter leaves it as it is and goes on."""

    BINDINGS: ClassVar = [
        Binding("enter", "submit", "Next", show=False),
        Binding("y", "say(True)", "Yes", show=False),
        Binding("n", "say(False)", "No", show=False),
    ]
    DEFAULT_CSS = """
    YesNo { border: none; padding: 0; }
    YesNo:focus, YesNo.-textual-compact:focus { border: none; text-style: reverse; }
    """

    class Submitted(Message):
        """Enter was pressed."""

        def __init__(self, widget: YesNo) -> None:
            super().__init__()
            self.widget = widget

    def __init__(self, value: bool, *, id: str | None = None) -> None:
        """Begin with a value.

        Args:
            value: Whether it is yes.
            id: The widget's id.
        """
        super().__init__("", value, id=id, compact=True)

    def render(self) -> Content:
        """Draw the mark and the word."""
        return Content(_ON if self.value else _OFF)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as the wider of the two."""
        return len(_ON)

    def action_say(self, value: bool) -> None:
        """Say yes, or no."""
        self.value = value

    def action_submit(self) -> None:
        """Go on to what comes next."""
        self.post_message(self.Submitted(self))
