"""`?`: what can be done here, with which keys, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from respell_tui.actions import Action, groups
from respell_tui.actions.binding import reason
from respell_tui.actions.keys import Keys, display
from respell_tui.icons import ASCII
from respell_tui.paint import Line, content, hanging, lines
from respell_tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from respell_tui.panes.pane import Pane

_KEYS = 14


def help_of(keys: Keys, screen: Any, pane: Pane | None) -> list[Line]:
    """Return the help of a pane: its own keys, the screen's, those of lists, the app's.

    Args:
        keys: Which keys there are.
        screen: The screen.
        pane: The pane with the focus, if any.
    """
    parts: list[tuple[str, str]] = []
    if pane is not None and pane.place:
        parts.append((pane.place, f"In this pane ({pane.title.lower()})"))
    parts += [(screen.place, "On this screen"), ("list", "In a list"), ("app", "Everywhere")]
    rows: list[Line] = []
    for place, title in parts:
        # What belongs to this pane above all comes first of what its screen has.
        here = pane.place if pane is not None else ""
        near = sorted(groups(place), key=lambda it: all(here not in one.must_in for one in it[1]))
        for group, its in near:
            actions = [one for one in its if keys.of(one.id)]
            if not actions:
                continue
            # What can't act now comes last: most of it belongs to another kind of session.
            actions.sort(key=lambda one: reason(screen, one.id) is not None)
            rows.append([(f"{title}: {group}" if group else title, "title")])
            rows += [*(_row(keys, screen, one) for one in _merged(actions)), [("", "")]]
    return [*rows, [("`:` and the name of any action does the same; ", "dim"), ("ctrl+p", "key"),
                    (" finds them all.", "dim")]]  # fmt: skip


def _merged(actions: list[Action]) -> list[Action]:
    """Leave out the keys 2 to 6: 1 stands for them."""
    return [one for one in actions if one.id not in {f"pane.{n}" for n in range(2, 7)}]


def _row(keys: Keys, screen: Any, action: Action) -> Line:
    shown = " ".join(display(key) for key in keys.of(action.id))
    text = action.description
    if action.id == "pane.1":
        shown, text = "1 … 6", "Goes to the pane of that number."
    why = reason(screen, action.id)
    row: list[tuple[str, str]] = [(f"  {shown:<{_KEYS}} ", "key" if why is None else "dim"),
                                  (text, "" if why is None else "dim")]  # fmt: skip
    if why is not None:
        row.append((f"  (not now: {why})", "warn"))
    return row


class Help(Dialog):
    """Shows lines of help."""

    BINDINGS: ClassVar = [Binding("question_mark,f1,q", "dismiss(None)", "close", show=False)]
    DEFAULT_CSS = """
    Help > .dialog { width: 100; }
    Help .dialog--text { max-height: 85vh; }
    Help .dialog--text > Static { padding-right: 1; }
    """
    title_text = "Help"

    def __init__(self, rows: list[Line]) -> None:
        """Show these lines."""
        super().__init__()
        self._rows = rows

    def body(self) -> ComposeResult:
        """The lines."""
        with VerticalScroll(classes="dialog--text"):
            yield _Rows(self._rows)

    def on_mount(self) -> None:
        """Say how more of it is seen."""
        keys = "↑ ↓ pgup pgdn scroll   esc closes"
        if self.app.icons is ASCII:  # type: ignore[attr-defined]
            keys = "up down pgup pgdn scroll   esc closes"
        self.query_one(".dialog").border_subtitle = content(keys)


class _Rows(Static):
    """Lines whose texts stay in their column, however wide the box is."""

    def __init__(self, rows: list[Line]) -> None:
        super().__init__(markup=False)
        self._rows = rows

    def on_resize(self) -> None:
        """Break the lines where the box ends."""
        cells = self.size.width
        self.update(lines(part for row in self._rows for part in hanging(row, cells, _KEYS + 3)))
