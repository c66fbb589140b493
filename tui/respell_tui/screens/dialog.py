"""Questions over a screen: escape answers none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from respell_tui.paint import Line, content, lines


class Dialog(ModalScreen[Any]):
    """A framed box in the middle; escape closes it with None."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss(None)", "cancel", show=False)]
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        background: $background 60%;
        & > .dialog {
            width: 76; max-width: 96%; height: auto; max-height: 94%;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
            background: $surface; padding: 1 2 0 2;
        }
        .dialog--text { height: auto; max-height: 60vh; margin-bottom: 1; }
        .dialog--text > Static { height: auto; }
        .dialog--buttons { height: auto; align-horizontal: right; }
        .dialog--buttons > Button { margin-left: 2; min-width: 12; }
    }
    """
    title_text: str = ""

    def compose(self) -> ComposeResult:
        """Put the body into the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = content(self.title_text)
            box.border_subtitle = content("esc cancels")
            yield from self.body()

    def body(self) -> ComposeResult:
        """Yield what is in the box."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    Attributes:
        value: What the question's result is then.
        label: What the button says.
        key: A letter that chooses it.
        bad: It destroys something.
    """

    value: str
    label: str
    key: str
    bad: bool = False


class Question(Dialog):
    """Asks for one of a few answers; its result is the value of the chosen one, or None."""

    def __init__(self, title: str, text: Sequence[Line], choices: Sequence[Choice]) -> None:
        """Ask something.

        Args:
            title: What stands in the frame.
            text: The question.
            choices: The answers; the last one is the one that changes nothing.
        """
        super().__init__()
        self.title_text = title
        self._text = text
        self._choices = {choice.key: choice for choice in choices}

    def body(self) -> ComposeResult:
        """Put the buttons under the text."""
        with VerticalScroll(classes="dialog--text", can_focus=False):
            yield Static(lines(self._text), markup=False)
        with Horizontal(classes="dialog--buttons"):
            for choice in self._choices.values():
                yield Button(
                    content((choice.key, "letter"), f" {choice.label}"), id=f"choice-{choice.key}",
                    variant="error" if choice.bad else "default", compact=True,
                )  # fmt: skip

    def on_mount(self) -> None:
        """Begin at the answer that changes nothing."""
        self.query(Button).last().focus()
        if len(self._choices) == 1:
            self.query_one(".dialog").border_subtitle = content("enter or esc closes")

    def on_key(self, event: Any) -> None:
        """Take a letter as an answer."""
        choice = self._choices.get(event.key)
        if choice is not None:
            event.stop()
            self.dismiss(choice.value)

    @on(Button.Pressed)
    def _chosen(self, event: Button.Pressed) -> None:
        event.stop()
        key = (event.button.id or "").removeprefix("choice-")
        self.dismiss(self._choices[key].value)
