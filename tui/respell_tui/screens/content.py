"""All of one thing, in a dialog: an artifact as it was then, a value of the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from respell_tui.paint import Line, content, wrapped
from respell_tui.screens.dialog import Dialog
from respell_tui.widgets.line_view import LineView

_WIDTH = 100
_BESIDE = 7  # the frame, the blanks beside it, and a scroll bar


class Content(Dialog):
    """Shows lines that can be scrolled."""

    BINDINGS: ClassVar = [Binding("q,enter", "dismiss(None)", "close", show=False)]
    DEFAULT_CSS: ClassVar = f"""
    Content > .dialog {{ width: {_WIDTH}; }}
    Content LineView {{ height: auto; max-height: 75vh; margin-bottom: 1; }}
    """

    def __init__(
        self, title: str, rows: Sequence[Line], longest: int, note: str = "", *, folds: bool = False
    ) -> None:
        """Show some lines.

        Args:
            title: What stands in the frame.
            rows: The lines.
            longest: How many cells the longest of them has.
            note: What stands in the lower frame besides.
            folds: Fold long lines.
        """
        super().__init__()
        self.title_text = title
        self._rows, self._longest, self._note = rows, longest, note
        self._folds = folds

    def body(self) -> ComposeResult:
        """The lines."""
        yield LineView(cursor=False)

    def on_mount(self) -> None:
        """Show the first of them."""
        view = self.query_one(LineView)
        if self._folds:
            cells = min(_WIDTH, self.app.size.width * 96 // 100) - _BESIDE
            self._rows = [one for row in self._rows for one in wrapped(row, cells)]
            self._longest = 0
        view.styles.height = max(1, min(40, len(self._rows)))
        view.show(self._rows, longest=self._longest)
        view.focus()
        note = f"{self._note}   " if self._note else ""
        self.query_one(".dialog").border_subtitle = content(f"{note}esc closes")
