"""`:`: a line to type a command into."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

_history: list[str] = []


class CommandLine(ModalScreen[str | None]):
    """Asks for one line at the foot of the screen."""

    BINDINGS: ClassVar = [
        Binding("escape", "dismiss(None)", "cancel", show=False),
        Binding("up", "older", "older", show=False),
        Binding("down", "newer", "newer", show=False),
    ]
    DEFAULT_CSS = """
    CommandLine {
        background: $background 0%;
        & > Horizontal { dock: bottom; height: 1; background: $panel; }
        & Label { width: 2; color: $primary; text-style: bold; padding-left: 0; }
        & Input { background: $panel; width: 1fr; }
    }
    """

    def __init__(self, known: list[str], hint: str = "") -> None:
        """Ask, and suggest some of what is known.

        Args:
            known: What is suggested.
            hint: What can be typed, in words.
        """
        super().__init__()
        self._known, self._hint = known, hint
        self._at = len(_history)

    def compose(self) -> ComposeResult:
        """A colon and the line."""
        with Horizontal():
            yield Label(" :")
            line = Input(
                placeholder=self._hint, compact=True,
                suggester=SuggestFromList(self._known, case_sensitive=False),
            )  # fmt: skip
            line.cursor_blink = False
            yield line

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text and text not in _history[-1:]:
            _history.append(text)
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
