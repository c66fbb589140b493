"""The line above a list that words to search for are typed into."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice

from textual import on
from textual.message import Message
from textual.widgets import Input

from respell_tui.paint import Line, plain
from respell_tui.widgets.bars import Key

_MOST, _MOST_READ = 200_000, 20_000
"""Lines that are searched; of those that are read or made just then, a keystroke's worth."""


class Matches:
    """Which of some lines have what is searched for, and which of them comes next."""

    def __init__(self) -> None:
        """Begin without any."""
        self._of: tuple[Sequence[Line], str] = ((), "")
        self._at: list[int] = []

    def beside(self, rows: Sequence[Line], wanted: str, cursor: int, by: int) -> tuple[int, str]:
        """Return the index of a line that has it, and in words which of them that is.

        Args:
            rows: The lines.
            wanted: What is searched for, in lower case.
            cursor: Where to begin.
            by: 1 forwards, -1 backwards, 0 from here on; at the end it begins again.

        Returns:
            -1 and what to say where no line has it.
        """
        most = _MOST if isinstance(rows, list | tuple) else _MOST_READ
        if self._of[0] is not rows or self._of[1] != wanted:
            self._of = (rows, wanted)
            self._at = [
                at for at, row in enumerate(islice(rows, most)) if wanted in plain(row).lower()
            ]
        among = f" in the first {most:,} lines" if len(rows) > most else ""
        if not self._at:
            return -1, f"{wanted!r} is not {among.strip() or 'there'}"
        place = bisect_left(self._at, cursor) - 1 if by < 0 else bisect_left(self._at, cursor + by)
        place %= len(self._at)
        return self._at[place], f"match {place + 1:,} of {len(self._at):,}{among}"


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

    def __init__(self, hint: str, done: str = "keeps it") -> None:
        """Say in it what can be typed.

        Args:
            hint: What can be typed.
            done: What enter does, as the footer says it.
        """
        super().__init__(placeholder=hint, compact=True)
        self._done_label = done
        self.cursor_blink = False

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-open")

    def open(self) -> None:
        """Show it and type here."""
        self.add_class("-open")
        self.focus()

    def keys(self, back: str) -> tuple[Key, ...]:
        """Return what the footer says while words are typed here: other keys are letters now.

        Args:
            back: The key that closes it.
        """
        return (Key("list.choose", "enter", self._done_label),
                Key("app.back", back, "closes the search"))  # fmt: skip

    def do_list_choose(self) -> None:
        """Keep the words, and go to the list."""
        if self.value.strip():
            self.post_message(self.Left())
        else:
            self.close()

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
        self.do_list_choose()
