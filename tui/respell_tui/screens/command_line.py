"""`:`: a line to type a command into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Static

from respell_tui.paint import content

_history: list[str] = []


class CommandLine(ModalScreen[str | None]):
    """Asks for one line at the foot of the screen; what can't be carried out stays in it."""

    BINDINGS: ClassVar = [
        Binding("escape", "dismiss(None)", "cancel", show=False),
        Binding("up", "older", "older", show=False),
        Binding("down", "newer", "newer", show=False),
    ]
    DEFAULT_CSS = """
    CommandLine {
        background: $background 0%;
        & > Vertical { dock: bottom; height: auto; background: $panel; }
        & Horizontal { height: 1; }
        & Label { width: 2; color: $primary; text-style: bold; padding-left: 0; }
        & Input { background: $panel; width: 1fr; }
        & .command-line--wrong { height: auto; max-height: 4; padding: 0 2; color: $text-error;
                                 display: none; }
        & .command-line--wrong.-shown { display: block; }
    }
    """

    def __init__(
        self, known: Sequence[str], hint: str, judge: Callable[[str], str], *,
        text: str = "", why: str = "",
    ) -> None:  # fmt: skip
        """Ask, and suggest some of what is known.

        Args:
            known: What is suggested.
            hint: What can be typed, in words.
            judge: Says of what was typed why it can't be carried out; empty where it can.
            text: What stands in the line at first.
            why: What is wrong with that.
        """
        super().__init__()
        self._known, self._hint, self._judge = known, hint, judge
        self._text, self._why = text, why
        self._at = len(_history)

    def compose(self) -> ComposeResult:
        """A colon and the line; below it what is wrong with what was typed."""
        with Vertical():
            with Horizontal():
                yield Label(" :")
                line = Input(
                    self._text, placeholder=self._hint, compact=True, select_on_focus=False,
                    suggester=SuggestFromList(self._known, case_sensitive=False),
                )  # fmt: skip
                line.cursor_blink = False
                yield line
            yield Static("", classes="command-line--wrong", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()
        if self._why:
            self._say(self._why)

    def _say(self, why: str) -> None:
        """Say what is wrong; empty for nothing."""
        self._why = why
        wrong = self.query_one(".command-line--wrong", Static)
        wrong.update(content(why))
        wrong.set_class(bool(why), "-shown")

    @on(Input.Changed)
    def _mended(self, event: Input.Changed) -> None:
        """What was said was of another text."""
        event.stop()
        if event.value.strip() != self._text:
            self._say("")

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text and text not in _history[-1:]:
            _history.append(text)
        self._text = text
        why = self._judge(text) if text else ""
        if why:
            self._say(why)
        else:
            self.dismiss(text or None)

    def action_older(self) -> None:
        """Show the command before."""
        self._show(self._at - 1)

    def action_newer(self) -> None:
        """Show the next command."""
        self._show(self._at + 1)

    def _show(self, at: int) -> None:
        self._at = max(0, min(at, len(_history)))
        line = self.query_one(Input)
        line.value = _history[self._at] if self._at < len(_history) else ""
        line.cursor_position = len(line.value)
