"""`=`: a line to evaluate expressions in, above it what they came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from respell.debug import Evaluated
from respell.errors import RespellError
from respell_tui.paint import Line, Part, content
from respell_tui.widgets.line_view import LineView

_MOST_SHOWN = 40

Ask = Callable[[str], Awaitable[Evaluated]]
Complete = Callable[[str], Awaitable[tuple[str, Sequence[str]]]]
"""Given what was typed: what has been begun at its end, and all it may become."""


class Log:
    """What was evaluated on one screen: it is there again the next time.

    Attributes:
        rows: What is shown above the line.
        typed: What was typed, the last one last.
    """

    def __init__(self) -> None:
        """Begin without anything."""
        self.rows: list[Line] = []
        self.typed: list[str] = []

    def add(self, text: str, found: Evaluated) -> None:
        """Take in what an expression came to."""
        self.rows.append([(" ", ""), (text, "strong")])
        self.rows += [[(" = ", "dim"), (one.text, "string" if one.type == "string" else "number")]
                      for one in found.values]  # fmt: skip
        self.rows += [[(" » ", "good"), (line, "")] for line in found.output]
        if found.error is not None:
            self.rows += [[(" ! " if at == 0 else "   ", "bad"), (line, "bad")]
                          for at, line in enumerate(found.error.splitlines())]  # fmt: skip
        elif not found.values and not found.output:
            self.rows.append([(" = no value", "dim")])


class Evaluate(ModalScreen[None]):
    """Evaluates what is typed, until escape closes it."""

    BINDINGS: ClassVar = [
        Binding("escape", "close", "close", show=False),
        Binding("up", "older", "older", show=False),
        Binding("down", "newer", "newer", show=False),
        Binding("tab", "complete", "complete", show=False, priority=True),
        Binding("pageup", "scroll(-1)", "page up", show=False),
        Binding("pagedown", "scroll(1)", "page down", show=False),
    ]
    DEFAULT_CSS = """
    Evaluate {
        background: $background 0%;
        & > Vertical {
            dock: bottom; height: auto; max-height: 60%; background: $surface;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
            border-subtitle-color: $text-muted;
        }
        & LineView { height: auto; max-height: 14; }
        & #names { height: auto; max-height: 4; padding: 0 1; color: $text-muted; display: none; }
        & #names.-shown { display: block; }
        & Horizontal { height: 1; background: $panel; }
        & Label { width: 3; color: $primary; text-style: bold; }
        & Input { background: $panel; width: 1fr; }
    }
    """

    def __init__(
        self, where: str, log: Log, ask: Ask, complete: Complete, cancel: Callable[[], object]
    ) -> None:  # fmt: skip
        """Evaluate at a place.

        Args:
            where: The place, in words.
            log: What was evaluated before; it is added to.
            ask: Evaluates.
            complete: Knows what names there are.
            cancel: Ends an evaluation that takes too long.
        """
        super().__init__()
        self._where, self._log = where, log
        self._ask, self._complete, self._cancel = ask, complete, cancel
        self._at = len(log.typed)
        self._is_asking = False

    def compose(self) -> ComposeResult:
        """What came before, names, and the line."""
        with Vertical() as box:
            box.border_title = content(f"Evaluate {self._where}")
            box.border_subtitle = content("enter evaluates   tab completes   esc closes")
            yield LineView(cursor=False)
            yield Static("", id="names", markup=False)
            with Horizontal():
                yield Label(" =")
                line = Input(compact=True, placeholder="an expression, or statements")
                line.cursor_blink = False
                yield line

    def on_mount(self) -> None:
        """Type at once."""
        self._show_log()
        self.line.focus()

    @property
    def line(self) -> Input:
        """The line to type in."""
        return self.query_one(Input)

    def _show_log(self) -> None:
        view = self.query_one(LineView)
        view.styles.height = min(14, len(self._log.rows))
        view.show(self._log.rows)
        view.call_after_refresh(view.scroll_end, animate=False, immediate=True)

    def _say(self, *parts: Part | str) -> None:
        names = self.query_one("#names", Static)
        names.set_class(bool(parts), "-shown")
        names.update(content(*parts))

    # Evaluating --------------------------------------------------------------------------

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text and not self._is_asking:
            self._evaluate(text)

    @work(group="evaluating", exit_on_error=False)
    async def _evaluate(self, text: str) -> None:
        self._is_asking = True
        self._say(("evaluating …  esc cancels", "accent"))
        try:
            found = await self._ask(text)
        except RespellError as error:
            found = Evaluated([], str(error), [])
        finally:
            self._is_asking = False
        if text not in self._log.typed[-1:]:
            self._log.typed.append(text)
        self._at = len(self._log.typed)
        self._log.add(text, found)
        self._say()
        self._show_log()
        if found.error is None:
            self.line.value = ""

    def action_close(self) -> None:
        """Cancel what is evaluated, else close."""
        if self._is_asking:
            self._cancel()
        else:
            self.dismiss(None)

    # Completing --------------------------------------------------------------------------

    def action_complete(self) -> None:
        """Complete the name at the cursor as far as it is the only one, and show the others."""
        self._do_complete(self.line.value[: self.line.cursor_position])

    @work(group="completing", exclusive=True, exit_on_error=False)
    async def _do_complete(self, before: str) -> None:
        try:
            begun, names = await self._complete(before)
        except RespellError as error:
            self._say((str(error), "warn"))
            return
        line = self.line
        if line.value[: line.cursor_position] != before:
            return  # more was typed meanwhile
        if not names:
            self._say(("no name begins with ", "dim"), (begun or "nothing", "strong"))
            return
        longer = _alike(names)[len(begun) :]
        line.value = before + longer + line.value[line.cursor_position :]
        line.cursor_position = len(before) + len(longer)
        more = f"  and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        self._say() if len(names) == 1 else self._say("  ".join(names[:_MOST_SHOWN]) + more)

    # What was typed before ---------------------------------------------------------------

    def action_older(self) -> None:
        """Show what was typed before."""
        self._show(self._at - 1)

    def action_newer(self) -> None:
        """Show what was typed next."""
        self._show(self._at + 1)

    def _show(self, at: int) -> None:
        typed = self._log.typed
        self._at = max(0, min(at, len(typed)))
        self.line.value = typed[self._at] if self._at < len(typed) else ""
        self.line.cursor_position = len(self.line.value)

    def action_scroll(self, by: int) -> None:
        """Scroll what was evaluated."""
        view = self.query_one(LineView)
        view.scroll_relative(y=by * max(1, view.size.height - 1), animate=False)


def _alike(names: Sequence[str]) -> str:
    """Return what all of some names begin with."""
    columns = takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    return "".join(signs[0] for signs in columns)
