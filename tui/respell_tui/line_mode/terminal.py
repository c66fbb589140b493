"""A person at the terminal: the line that is typed, Tab, and the lines of before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from respell.errors import RespellError
from respell_tui.line_mode.completing import completions
from respell_tui.line_mode.kept_lines import KeptLines
from respell_tui.line_mode.reading import with_place
from respell_tui.line_mode.vocabulary import word_of
from respell_tui.output import Out

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


class Terminal:
    """Lets a person type commands until that one leaves.

    Args:
        mode: Carries them out.
        err: Where words go that are no answers.
        kept: The lines of before.
    """

    def __init__(self, mode: LineMode, err: Out, kept: KeptLines) -> None:
        self._mode, self._err, self._kept = mode, err, kept
        self._before = ""  # what an empty line repeats

    def converse(self) -> None:
        """Carry out what is typed, to `q` or Ctrl-D."""
        line = _Line(self._mode, self._err, self._kept)
        with line.edited():
            while not self._mode.over and not self._mode.out.closed:
                try:
                    typed = line.read(self._mode.prompt)
                except EOFError:
                    self._err.line("")
                    break
                except KeyboardInterrupt:
                    self._err.line("")
                    continue
                self._carry_out(typed)

    def _carry_out(self, typed: str) -> None:
        text = typed.strip() or self._before
        self._before = _repeated(text)
        try:
            self._mode.perform(text)
        except RespellError as error:
            self._err.line(with_place(error))


def _repeated(text: str) -> str:
    """Return what an empty line does behind a command."""
    if not text or text.startswith("#"):
        return ""
    try:
        word, _ = word_of(text)
    except RespellError:
        return ""  # what there is not is not tried again
    return {"same": text, "bare": word.names[0], "never": ""}[word.again]


class _Line:
    """The line that is typed, with editing where the terminal and this Python have it."""

    def __init__(self, mode: LineMode, err: Out, kept: KeptLines) -> None:
        self._mode, self._err, self._kept = mode, err, kept
        self._found: list[str] = []
        self._readline = _readline() if mode.out.is_terminal else None

    @contextmanager
    def edited(self) -> Iterator[None]:
        """Have Tab, the lines of before, and the keys of the line editor."""
        readline = self._readline
        if readline is None:
            yield
            return
        readline.set_auto_history(False)
        readline.clear_history()
        for one in self._kept.read():
            readline.add_history(one)
        readline.set_completer(self._complete)
        readline.set_completer_delims(" ")
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
        try:
            yield
        finally:
            readline.set_completer(None)

    def read(self, prompt: str) -> str:
        """Return the next line.

        Raises:
            EOFError: There is none.
            KeyboardInterrupt: It was given up.
        """
        if self._readline is None:
            self._err.over(prompt)
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line
        typed = input(prompt)
        if self._kept.add(typed):
            self._readline.add_history(typed)
        return typed

    def _complete(self, _text: str, state: int) -> str | None:
        assert self._readline is not None
        if state == 0:
            before = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            found = completions(self._mode, before)
            goes_on = not before.endswith(" ") and len(found) == 1 and found[0][-1] not in ":/."
            self._found = [f"{found[0]} "] if goes_on and " " not in before else found
        return self._found[state] if state < len(self._found) else None


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:
        return None  # this Python was built without it: lines are typed as they are
    return readline
