"""The panes of the first screen, and what it knows of what they show."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from respell.artifacts.record import ArtifactRecord
from respell_tui.panes.artifacts import ArtifactsPane, PreviewPane
from respell_tui.panes.pane import Pane
from respell_tui.panes.sessions import SessionsPane
from respell_tui.panes.summary import SummaryPane
from respell_tui.screens.place import Place
from respell_tui.shown.preview import Preview, read_preview
from respell_tui.shown.sessions import HomeSituation
from respell_tui.shown.summary import Summary
from respell_tui.widgets.bars import KeyBar, TitleBar


class HomePanes(Place):
    """Sessions and one of them at the left, its artifacts and what one holds at the right."""

    place = "home"

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.summary: Summary | None = None

    def compose(self) -> ComposeResult:
        """Sessions at the left, artifacts at the right."""
        yield TitleBar()
        with Horizontal():
            with Vertical(id="left", classes="zoomable"):
                yield SessionsPane()
                yield SummaryPane()
            with Vertical(id="right", classes="zoomable"):
                yield ArtifactsPane()
                yield PreviewPane()
        yield KeyBar()

    @property
    def sessions(self) -> SessionsPane:
        """The pane of the sessions."""
        return self.query_one(SessionsPane)

    @property
    def artifacts(self) -> ArtifactsPane:
        """The pane of the artifacts."""
        return self.query_one(ArtifactsPane)

    @property
    def preview(self) -> PreviewPane:
        """The pane of what an artifact holds."""
        return self.query_one(PreviewPane)

    @property
    def situation(self) -> HomeSituation:
        """What its actions are judged by."""
        if not self.query(PreviewPane):  # not composed yet
            return HomeSituation()
        artifact, preview = self.artifacts.artifact, self.preview.preview
        return HomeSituation(
            session=self.sessions.row,
            artifact=artifact is not None,
            version=artifact.version if artifact is not None else 0,
            views=len(preview.views) if preview is not None else 0,
        )

    def reveal_pane(self, pane: Pane) -> None:
        """On a narrow screen, show the half that the pane is in."""
        self.set_class(pane.number in (3, 4), "-artifacts")

    def read_preview(self, artifact: ArtifactRecord, view: str | None = None) -> None:
        """Read an artifact and show it.

        Args:
            artifact: The artifact.
            view: The form to show it in; None for the best.
        """
        self.work(f"reading {artifact.name}",
                  lambda job: read_preview(self.respell.store(), artifact, view),
                  self.show_preview, group="preview", failed=self.preview.show_problem)  # fmt: skip

    def show_preview(self, preview: Preview) -> None:
        """Show what was read."""
        self.preview.show(preview)
        self.show_keys()
