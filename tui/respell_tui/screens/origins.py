"""Where a value came from: the way back to the effect that brought it in."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from respell.debug.origin import Origin
from respell_tui.icons import Icons
from respell_tui.paint import content, plain
from respell_tui.screens.dialog import Dialog
from respell_tui.shown.origins import origin_rows
from respell_tui.text import width
from respell_tui.widgets.line_view import LineView


class Origins(Dialog):
    """Its result is the position or the event's number to go to, or None."""

    DEFAULT_CSS: ClassVar = """
    Origins > .dialog { width: 112; }
    Origins LineView { height: auto; max-height: 70vh; margin-bottom: 1; }
    """

    def __init__(self, found: Origin, icons: Icons) -> None:
        """Show what was found.

        Args:
            found: Where the value came from.
            icons: The signs.
        """
        super().__init__()
        self.title_text = f"Where {found.expression} comes from"
        self._rows = origin_rows(found, icons)

    def body(self) -> ComposeResult:
        """The rows."""
        yield LineView([one.line for one in self._rows])

    def on_mount(self) -> None:
        """Begin where the value came from in the end."""
        view = self.query_one(LineView)
        view.styles.height = min(28, len(self._rows))
        leaves = [at for at, one in enumerate(self._rows) if one.is_leaf]
        at = next((at for at in leaves if self._rows[at].is_effect), next(iter(leaves), 0))
        rows = [one.line for one in self._rows]
        view.show(rows, cursor=at, longest=max(width(plain(line)) for line in rows))
        view.focus()
        self.query_one(".dialog").border_subtitle = content(
            "the last step first   enter goes there   esc closes"
        )

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        go = self._rows[message.index].go
        if go is not None:
            self.dismiss(go)
