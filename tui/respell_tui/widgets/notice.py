"""A line under the title that says what a person is asked for, where that is so."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import Static

from respell_tui.paint import Line, lines


class Notice(Static):
    """Says what is wanted of a person until that is no longer so; a click does it."""

    DEFAULT_CSS = """
    Notice { height: 1; padding: 0 1; background: $warning 15%; display: none;
             text-wrap: nowrap; text-overflow: ellipsis; }
    Notice.-shown { display: block; }
    Notice.-bad { background: $error 20%; }
    """

    class Pressed(Message):
        """Somebody clicked on it."""

        def __init__(self, ident: str) -> None:
            super().__init__()
            self.ident = ident

    def __init__(self) -> None:
        """Say nothing."""
        super().__init__(markup=False)
        self._said: tuple[Line, str] = ([], "")

    def show(self, line: Line, ident: str = "") -> None:
        """Say something; nothing hides it.

        Args:
            line: What is said.
            ident: The action that a click carries out; empty for none.
        """
        if (line, ident) == self._said:
            return
        self._said = (line, ident)
        self.update(lines([line]))
        self.set_class(bool(line), "-shown")
        self.set_class(any(role == "bad" for _, role in line), "-bad")

    def on_click(self, event: events.Click) -> None:
        """Do what it says."""
        event.stop()
        if self._said[1]:
            self.post_message(self.Pressed(self._said[1]))
