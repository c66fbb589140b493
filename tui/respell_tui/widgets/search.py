"""The line above a list that words to search for are typed into."""

from __future__ import annotations

from textual import on
from textual.message import Message
from textual.widgets import Input


class Search(Input):
    """Hidden until somebody searches.

    It tells `Wanted` with each change, and `Left` when the list shall have the focus again.
    """

    DEFAULT_CSS = """
    Search { display: none; background: $panel; }
    Search.-open { display: block; }
    """

    class Wanted(Message):
        """Other words are looked for."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Nobody types here any more."""

    def __init__(self, hint: str) -> None:
        """Say in it what can be typed."""
        super().__init__(placeholder=hint, compact=True)
        self.cursor_blink = False

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-open")

    def open(self) -> None:
        """Show it and type here."""
        self.add_class("-open")
        self.focus()

    def close(self) -> bool:
        """Hide it and forget the words; return whether it was shown."""
        was = self.is_open
        self.remove_class("-open")
        if was:
            self.value = ""
            self.post_message(self.Wanted(""))
            self.post_message(self.Left())
        return was

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Wanted(event.value))

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        if self.value.strip():
            self.post_message(self.Left())
        else:
            self.close()
