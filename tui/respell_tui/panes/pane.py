"""What all panes have: a number, a title, an empty state, a place for what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Static

from respell_tui.actions.binding import Acting
from respell_tui.paint import Line, Part, content, lines
from respell_tui.text import width
from respell_tui.work import Job, Problem, Working

_TITLE_AT = 3  # behind a corner, a line and a blank
_BETWEEN = "  "

ALONE = ((3, "Variables"), (4, "Event"), (5, "Output"), (6, "State"))
"""Panes of which a narrow screen shows one at a time, and a wide one the first and another."""


class Pane(Acting, Working, Vertical):
    """A framed part of a screen.

    Subclasses set `number`, `title` and `place`, and yield their widgets in `body`.

    Attributes:
        number: The key that goes here.
        title: What stands in the frame.
        place: Where its actions are in the table, e.g. `home/sessions`.
        takes: Keys of its screen that mean something else in its list.
    """

    number: ClassVar[int] = 0
    title: ClassVar[str] = ""
    place: ClassVar[str] = ""
    takes: ClassVar[tuple[str, ...]] = ()

    _above: tuple[object, ...] | None = None
    _below: tuple[Part | str, ...] | None = None
    _only_frame = False

    @property
    def tabs(self) -> Sequence[tuple[int, str]]:
        """Number and title of this pane and of those it is shown in place of; none for alone."""
        return ()

    DEFAULT_CSS = """
    Pane {
        border: round $border-blurred;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        padding: 0;
        & > .pane--note { display: none; padding: 0 1; height: 1fr; }
        &.-noted > .pane--note { display: block; }
        &.-noted > .pane--body { display: none; }
        & > .pane--body { height: 1fr; }
        &:focus-within { border: round $primary; border-title-color: $primary;
                         border-title-style: bold; }
        &:nocolor:focus-within { border: heavy $primary; }
    }
    """

    def compose(self) -> ComposeResult:
        """Put the note above the body; one of the two is shown."""
        yield _Note()
        with Vertical(classes="pane--body"):
            yield from self.body()

    def body(self) -> ComposeResult:
        """Yield the pane's own widgets."""
        yield from ()

    def on_mount(self) -> None:
        """Show the title."""
        self.entitle()

    # What stands in its frame ------------------------------------------------------------

    def entitle(self, *more: Part | str) -> None:
        """Show the number, the title and more in the upper frame."""
        above = (*self.tabs, *more)
        if above == self._above:
            return  # else the whole pane would be painted for it
        self._above = above
        parts: list[Part | str] = []
        for number, title in self.tabs:
            parts += [(_BETWEEN if parts else "", ""),
                      (f"{number} {title}", "" if number == self.number else "dim")]  # fmt: skip
        name = f"{self.number} {self.title}" if self.number else self.title
        self.border_title = content(*(parts or [name]), *more)

    def _tab_at(self, cell: int) -> int:
        """Return the number of the pane whose title stands in a cell of the upper frame, or 0."""
        at = _TITLE_AT
        for number, title in self.tabs:
            end = at + width(f"{number} {title}")
            if at <= cell < end:
                return number
            at = end + len(_BETWEEN)
        return 0

    def on_click(self, event: events.Click) -> None:
        """Go to this pane, or to the one whose title was clicked on."""
        place = self.screen
        focus_pane = getattr(place, "focus_pane", None)
        if focus_pane is None or not self.number:
            return
        on_frame = event.screen_y == self.region.y
        tab = self._tab_at(event.screen_x - self.region.x) if on_frame else 0
        if tab and tab != self.number:
            focus_pane(tab)
        elif not self.has_focus_within:
            focus_pane(self.number)

    def subtitle(self, *parts: Part | str) -> None:
        """Show something in the lower frame."""
        if parts != self._below:
            self._below = parts
            self._only_frame = True
            try:
                self.border_subtitle = content(*parts)
            finally:
                self._only_frame = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False,
                recompose: bool = False) -> Self:  # fmt: skip
        """Have it painted; where only the lower frame is different, only that."""
        if self._only_frame and not regions:
            regions = (Region(-1, self.content_size.height, self.outer_size.width, 1),)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    # Instead of the body -----------------------------------------------------------------

    def show_body(self) -> None:
        """Show what the pane is for."""
        note_had_focus = self.query_one(_Note).has_focus
        self.remove_class("-noted", "-problem")
        target = self.target() if note_had_focus else None
        if target is not None:
            self.call_after_refresh(target.focus)

    def show_note(self, *rows: Line) -> None:
        """Show some lines in place of the body: what to press where there is nothing yet."""
        note = self.query_one(_Note)
        note.update(lines(rows))
        here = self.screen.focused if self.is_attached else None
        had_focus = here is not None and self in here.ancestors and not self.query("Input:focus")
        self.add_class("-noted")
        if had_focus:
            self.call_after_refresh(note.focus)

    def show_problem(self, problem: Problem) -> None:
        """Show in place of the body what went wrong, and what to do."""
        rows: list[Line] = [
            [("✗ ", "bad"), (problem.what, "strong"), (" failed", "strong")],
            [("", "")],
            *([(text, "")] for text in problem.text.splitlines()),
            [("", "")],
            [(problem.next_step, "dim")],
            *([(text, "dim")] for text in problem.detail.splitlines()),
        ]
        self.show_note(*rows)
        self.add_class("-problem")

    def show_progress(self, job: Job, done: float, total: float, words: str) -> None:
        """Show in the lower frame how far a job is."""
        share = f" {done / total:.0%}" if total else ""
        self.subtitle((f"{job.what}{share} {words}".rstrip() + "  esc cancels", "accent"))

    # Focus -------------------------------------------------------------------------------

    def target(self) -> Widget | None:
        """Return what of it gets the focus."""
        for widget in self.query("*"):
            if widget.focusable and widget.display:
                return widget
        return None

    @property
    def situation(self) -> Any:
        """What its actions are judged by: that of its screen."""
        return getattr(self.screen, "situation", None)


class _Note(Static, can_focus=True):
    """What is shown in place of a body; can be focused, so that keys work there."""

    def __init__(self) -> None:
        super().__init__(classes="pane--note", markup=False)
