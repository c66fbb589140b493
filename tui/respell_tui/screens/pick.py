"""A dialog to choose one of several lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding

from respell_tui.paint import Line, content
from respell_tui.screens.dialog import Dialog
from respell_tui.widgets.line_view import LineView


class Pick(Dialog):
    """Its result is ("open", index) or ("remove", index), or None."""

    BINDINGS: ClassVar = [Binding("delete", "remove", "remove", show=False)]
    DEFAULT_CSS = """
    Pick LineView { height: auto; max-height: 60vh; margin-bottom: 1; }
    """

    def __init__(
        self, title: str, rows: Sequence[Line], *, removable: str = "", cursor: int = 0,
        verb: str = "goes there",
    ) -> None:  # fmt: skip
        """Ask for one.

        Args:
            title: What stands in the frame.
            rows: What there is to choose from.
            removable: What the delete key does with one; empty for nothing.
            cursor: Index of the one to begin with.
            verb: What enter does.
        """
        super().__init__()
        self.title_text = title
        self._rows = rows
        self._removable = removable
        self._cursor, self._verb = cursor, verb

    def body(self) -> ComposeResult:
        """The lines."""
        yield LineView(self._rows)

    def on_mount(self) -> None:
        """Begin with the one that was asked for."""
        view = self.query_one(LineView)
        view.styles.height = min(20, len(self._rows))
        view.show(self._rows, cursor=self._cursor)
        view.focus()
        more = f"   del {self._removable}" if self._removable else ""
        self.query_one(".dialog").border_subtitle = content(
            f"enter {self._verb}{more}   esc closes"
        )

    @on(LineView.Chosen)
    def _chosen(self, message: LineView.Chosen) -> None:
        message.stop()
        self.dismiss(("open", message.index))

    def action_remove(self) -> None:
        """Take it away."""
        if self._removable:
            self.dismiss(("remove", self.query_one(LineView).cursor))
