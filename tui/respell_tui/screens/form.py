"""A dialog that asks for several things at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static

from respell.errors import RespellError
from respell_tui.paint import Line, content, lines
from respell_tui.screens.dialog import Dialog
from respell_tui.shown.fields import CHOICE, YES_NO, Field
from respell_tui.widgets.yes_no import YesNo

Check = Callable[[Mapping[str, Any]], Any]
"""Makes the result of what was filled in, or raises the `RespellError` that says what is wrong."""


class Form(Dialog):
    """Asks for the values of fields; its result is what `check` makes of them, or None."""

    BINDINGS: ClassVar = [
        Binding("ctrl+o", "send", "send", show=False),
        # Before the field has them: what is typed at once behind it belongs to the next one.
        Binding("tab", "app.focus_next", "next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", "previous", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Form .form--rows { height: auto; max-height: 60vh; }
    Form .form--row { height: auto; margin-bottom: 0; }
    Form .form--label { width: 16; height: 1; color: $text-muted; margin-top: 0; }
    Form .form--row Input, Form .form--row Select { width: 1fr; }
    Form .form--row Input { background: $panel; }
    Form .form--row Input:focus { background: $primary 20%; }
    Form .form--hint { height: auto; color: $text-muted; padding-left: 16; }
    Form .form--wrong { height: auto; max-height: 8; color: $text-error; margin-top: 1;
                        display: none; }
    Form .form--wrong.-shown { display: block; }
    Form .dialog--buttons { margin-top: 1; }
    """

    def __init__(
        self, title: str, fields: Sequence[Field], check: Check, *, text: Sequence[Line] = (),
        done: str = "OK", wrong: str = "",
    ) -> None:  # fmt: skip
        """Ask for some values.

        Args:
            title: What stands in the frame.
            fields: What is asked for.
            check: Makes the result.
            text: What stands above them.
            done: What the button says.
            wrong: What was wrong with what was filled in before.
        """
        super().__init__()
        self.title_text = title
        self._fields = list(fields)
        self._check = check
        self._text = text
        self._done, self._wrong = done, wrong
        self._filled: dict[str, Any] = {}

    def again(self, wrong: str) -> Form:
        """Return the same dialog with what was filled in, for that to be mended.

        Args:
            wrong: What is wrong with it.
        """
        fields = [replace(one, value=self._filled.get(one.name, one.value)) for one in self._fields]
        return Form(self.title_text, fields, self._check, text=self._text, done=self._done,
                    wrong=wrong)  # fmt: skip

    def body(self) -> ComposeResult:
        """Text, fields, what is wrong, buttons."""
        if self._text:
            with VerticalScroll(classes="dialog--text", can_focus=False):
                yield Static(lines(self._text), markup=False)
        with VerticalScroll(classes="form--rows", can_focus=False):
            for at, field in enumerate(self._fields):
                with Horizontal(classes="form--row"):
                    mark = "*" if field.required else ""
                    yield Static(
                        content(f"{field.label[:14]}{mark}"), classes="form--label", markup=False
                    )
                    # What is to be mended is not selected: the next key would take its place.
                    yield _widget(at, field, selects=not self._wrong)
                if field.hint and field.kind in (YES_NO, CHOICE):
                    yield Static(content(field.hint), classes="form--hint", markup=False)
        yield Static("", classes="form--wrong", markup=False)
        with Horizontal(classes="dialog--buttons"):
            yield Button(content(self._done), id="send", variant="primary", compact=True)
            yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Begin with the first field."""
        self.query_one("#field-0").focus()
        self.query_one(".dialog").border_subtitle = content(self._keys())
        if self._wrong:
            self._say(self._wrong)

    def _keys(self) -> str:
        parts = ["y n change it"] if any(one.kind == YES_NO for one in self._fields) else []
        if len(self._fields) == 1:
            parts.append(f"enter: {self._done}")
        else:
            parts += ["enter next field", f"ctrl+o: {self._done}"]
        return "   ".join((*parts, "esc cancels"))

    def _given(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for at, field in enumerate(self._fields):
            widget: Any = self.query_one(f"#field-{at}")
            value = widget.value
            if field.kind == CHOICE:
                value = field.choices[value] if isinstance(value, int) else ""
            found[field.name] = value
        return found

    def action_send(self) -> None:
        """Close with the result, or say what is wrong."""
        try:
            self._filled = self._given()
            result = self._check(self._filled)
        except RespellError as error:
            self._say(str(error))
            return
        self.dismiss(result)

    def _say(self, why: str) -> None:
        """Say what is wrong with what was filled in, and go there."""
        wrong = self.query_one(".form--wrong", Static)
        wrong.update(content(why))
        wrong.add_class("-shown")
        self._go_to_what_is_wrong(why)

    def _go_to_what_is_wrong(self, said: str) -> None:
        """Go to the field that an error names, the first of them."""
        places = {
            found.start(): at for at, field in enumerate(self._fields)
            if (found := re.search(rf"(?<!\w){re.escape(field.label)}(?!\w)", said))
        }  # fmt: skip
        if places:
            self.query_one(f"#field-{places[min(places)]}").focus()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._go_on(event.input)

    @on(YesNo.Submitted)
    def _left_as_it_is(self, event: YesNo.Submitted) -> None:
        event.stop()
        self._go_on(event.widget)

    def _go_on(self, done: Widget) -> None:
        """Go to the next field; behind the last one, send."""
        at = int((done.id or "field-0").removeprefix("field-"))
        if at + 1 < len(self._fields):
            self.set_focus(self.query_one(f"#field-{at + 1}"))
        else:
            self.action_send()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "send":
            self.action_send()
        else:
            self.dismiss(None)


def _widget(at: int, field: Field, *, selects: bool) -> Any:
    ident = f"field-{at}"
    if field.kind == YES_NO:
        return YesNo(bool(field.value), id=ident)
    if field.kind == CHOICE:
        # The index is the value: what a script offers is text from outside.
        options = [(content(_shown(one)), number) for number, one in enumerate(field.choices)]
        chosen = field.choices.index(field.value) if field.value in field.choices else Select.NULL
        return Select(options, value=chosen, id=ident, compact=True, prompt="choose")
    suggester = SuggestFromList(field.suggestions) if field.suggestions else None
    widget = Input(
        str(field.value), placeholder=_one_line(field.hint), id=ident, compact=True,
        suggester=suggester, select_on_focus=selects,
    )  # fmt: skip
    widget.cursor_blink = False
    return widget


def _shown(choice: str) -> str:
    value = json.loads(choice)
    return value if isinstance(value, str) else choice


def _one_line(text: str) -> Any:
    return content(text.replace("\n", " ")).plain
