"""Panes 3 and 4 of the first screen: the artifacts of the chosen session, and what one holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from respell.artifacts.record import ArtifactRecord
from respell_tui.actions.binding import bindings
from respell_tui.paint import Line, cell, wrapped
from respell_tui.panes.searched import MarkedLines, SearchedPane, TextPane
from respell_tui.shown.artifacts import artifact_line, artifact_matches
from respell_tui.shown.preview import Preview
from respell_tui.widgets.line_view import LineView
from respell_tui.widgets.search import Search

_NEVER_FOLDED = ("hex", "table")

_NONE: tuple[Line, ...] = (
    [("", "")],
    [("This session has kept no artifact.", "")],
    [("A script keeps one with ", "dim"), ("Artifact.store", "strong"),
     ("; what tools and agents give back is kept, too.", "dim")],
)  # fmt: skip


class ArtifactList(LineView):
    """The lines of the artifacts; made for the width there is."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="artifact-list")
        self.rows: Sequence[ArtifactRecord] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def line(self, index: int, width: int) -> Line:
        """Draw one."""
        return artifact_line(self.rows[index], width)


class ArtifactsPane(SearchedPane):
    """Shows the artifacts of a session."""

    takes = ("enter",)

    number = 3
    title = "Artifacts"
    place = "home/artifacts"
    BINDINGS: ClassVar = bindings("home/artifacts")

    class Chosen(Message):
        """The cursor is on another artifact, or on none."""

        def __init__(self, artifact: ArtifactRecord | None) -> None:
            super().__init__()
            self.artifact = artifact

        def can_replace(self, message: Message) -> bool:
            """Let the last one take the place of those before."""
            return isinstance(message, ArtifactsPane.Chosen)

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="artifacts", classes="zoomable")
        self._all: Sequence[ArtifactRecord] = ()
        self._words: list[str] = []

    def body(self) -> ComposeResult:
        """The search and the list."""
        yield Search("words, !not")
        yield ArtifactList()

    @property
    def list(self) -> ArtifactList:
        """The list."""
        return self.query_one(ArtifactList)

    @property
    def artifact(self) -> ArtifactRecord | None:
        """The artifact the cursor is on."""
        rows = self.list.rows
        return rows[self.list.cursor] if self.list.cursor < len(rows) else None

    def show(self, artifacts: Sequence[ArtifactRecord], of: str) -> None:
        """Show these; the cursor stays on the same one, or on the newest if nobody went elsewhere.

        Args:
            artifacts: The artifacts.
            of: Whose they are, in words.
        """
        self._all = artifacts
        if of and not artifacts:
            self.show_note(*_NONE)
        else:
            self.show_body()
        self.entitle((f" of {of}" if of else "", "dim"))
        self._filter()

    def _filter(self) -> None:
        was, view = self.artifact, self.list
        view.rows = [one for one in self._all if artifact_matches(one, self._words)]
        at = 0
        if was is not None and view.cursor > 0:
            at = next((at for at, one in enumerate(view.rows) if one.id == was.id), 0)
        view.show((), cursor=at)
        self.subtitle((f"{len(view.rows)} of {len(self._all)}" if self._words
                       else str(len(self._all)) if self._all else "none", "dim"))  # fmt: skip
        self.post_message(self.Chosen(self.artifact))

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        self.post_message(self.Chosen(self.artifact))

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        message.stop()
        self.screen.query_one(PreviewLines).focus()

    @on(Search.Wanted)
    def _searched(self, message: Search.Wanted) -> None:
        message.stop()
        self._words = message.text.split()
        self._filter()


class PreviewLines(MarkedLines):
    """The content."""

    @property
    def shown(self) -> Sequence[Line]:
        """The lines as they are shown, folded or not."""
        return self._lines


class PreviewPane(TextPane):
    """Shows what an artifact holds."""

    takes = ("enter",)

    number = 4
    title = "Content"
    place = "home/artifacts"
    BINDINGS: ClassVar = bindings("home/artifacts")

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(id="preview", classes="zoomable")
        self.preview: Preview | None = None
        self._folds = False

    def body(self) -> ComposeResult:
        """The search and the lines."""
        yield Search("text", "keeps it, then . and , go to the others")
        yield PreviewLines(id="preview-lines")

    @property
    def list(self) -> PreviewLines:
        """The lines."""
        return self.query_one(PreviewLines)

    def show(self, preview: Preview | None) -> None:
        """Show an artifact; None for none."""
        was, self.preview = self.preview, preview
        self.show_body()
        self.stop_work("fold")
        if preview is None:
            self.entitle()
            self.subtitle()
            self.list.show(())
            return
        same = was is not None and (was.artifact.id, was.view) == (
            preview.artifact.id, preview.view)  # fmt: skip
        self._show_lines(None if same else 0)
        self.entitle(f"  {cell(preview.artifact.name)[:60]}",
                     (f" v{preview.artifact.version}", "dim"))  # fmt: skip
        self.say_what_it_is()

    def _show_lines(self, cursor: int | None) -> None:
        """Show the lines, folded in a thread where that is wanted."""
        preview, view = self.preview, self.list
        beside = 0 if view.show_vertical_scrollbar else 1  # there will be one
        cells = view.scrollable_content_region.width - beside
        if preview is None:
            return
        self.stop_work("fold")
        if not self._folds or preview.view in _NEVER_FOLDED or cells <= 0:
            self.list.show(preview.lines, cursor=cursor, longest=preview.longest)
            return
        self.work("folding long lines",
                  lambda job: [one for row in preview.lines for one in wrapped(row, cells)],
                  lambda rows: self.list.show(rows, cursor=cursor),
                  group="fold", failed=self.show_problem)  # fmt: skip

    def fold(self) -> None:
        """Fold long lines, or show them as they are."""
        place: Any = self.screen
        view = self.preview.view if self.preview is not None else ""
        if view in _NEVER_FOLDED:
            place.flash(f"what is shown as {view} is not folded: v shows it in another way", "warn")
            return
        self._folds = not self._folds
        self._show_lines(0)
        place.flash("long lines are folded" if self._folds else "lines are shown as they are")

    def on_resize(self) -> None:
        """Fold anew for the width there is now."""
        if self._folds:
            self.call_after_refresh(self._show_lines, None)

    @property
    def rows(self) -> Sequence[Line]:
        """What is searched in."""
        return self.list.shown

    def say_what_it_is(self) -> None:
        """Say in which form it is shown, and how long that is."""
        preview = self.preview
        if preview is None:
            return
        note = f"  {preview.note}" if preview.note else ""
        size = f"{len(preview.lines):,} line" + ("s" if len(preview.lines) != 1 else "")
        self.subtitle((preview.view, "accent"), (f"{note}  {size}", "dim"))

    @on(LineView.Chosen)
    def _opened(self, message: LineView.Chosen) -> None:
        """Give it the whole screen, or take that back."""
        message.stop()
        self.action_act("pane.zoom")
