"""A line under the title that says what a person is asked for, where that is so."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import Static

from respell_tui.paint import cell, content
from respell_tui.text import fit, width


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a person.

    Attributes:
        text: What is so; empty for nothing.
        key: The key to press.
        does: What that does.
        ident: The action that it and a click carry out.
        sign: Stands before it.
        bad: Something went wrong.
    """

    text: str = ""
    key: str = ""
    does: str = ""
    ident: str = ""
    sign: str = ""
    bad: bool = False


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
        self._said = Asked()

    def show(self, asked: Asked) -> None:
        """Say something; nothing hides it."""
        if asked == self._said:
            return
        self._said = asked
        self._draw()
        self.set_class(bool(asked.text), "-shown")
        self.set_class(asked.bad, "-bad")

    def on_resize(self) -> None:
        """What is too long is cut, and never the key."""
        self._draw()

    def _draw(self) -> None:
        it = self._said
        room = self.size.width - 2 - width(it.sign) - width(it.key) - width(it.does) - 4
        text = cell(it.text)
        if room < width(text):
            text = fit(text, max(8, room))
        self.update(content((f"{it.sign} " if it.sign else "", "bad" if it.bad else "warn"),
                            (text, "bad" if it.bad else "warn"), "  ", (it.key, "key"),
                            f" {it.does}"))  # fmt: skip

    def on_click(self, event: events.Click) -> None:
        """Do what it says."""
        event.stop()
        if self._said.ident:
            self.post_message(self.Pressed(self._said.ident))
