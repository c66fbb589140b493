"""The first screen: sessions, and the artifacts of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from textual import on
from textual.timer import Timer

from respell.artifacts.record import ArtifactRecord
from respell.errors import SessionNotFound, StoreMissing
from respell_tui import swiftness
from respell_tui.actions.binding import bindings
from respell_tui.app import StoreChanged
from respell_tui.paint import Line
from respell_tui.panes.artifacts import ArtifactsPane, PreviewPane
from respell_tui.panes.sessions import SessionsPane
from respell_tui.panes.summary import SummaryPane
from respell_tui.screens.home_artifacts import ArtifactActions
from respell_tui.screens.home_sessions import SessionActions
from respell_tui.shown.artifacts import read_artifacts
from respell_tui.shown.sessions import ORDERS, SessionReader, SessionRow
from respell_tui.shown.summary import Summary, read_summary
from respell_tui.work import Job

_REST_S = 0.04
"""For how long the cursor has to stay on a session before that is read."""

_IDLE_S = 0.3
"""So long after the sessions are shown, what is likely to come next is loaded."""

_NOTHING_YET: tuple[Line, ...] = (
    [("", "")],
    [("No sessions yet.", "title")],
    [("", "")],
    [("  D  ", "key"), ("runs the built-in example: begin here", "")],
    [("  n  ", "key"), ("runs a script of yours as a durable session", "")],
    [("  i  ", "key"), ("brings in a session from a file", "")],
    [("  ?  ", "key"), ("shows what else there is", "")],
    [("", "")],
    [
        ("In a shell, ", "dim"),
        ("respell run SCRIPT.lua", "strong"),
        (" does the same as n.", "dim"),
    ],
)


class Home(SessionActions, ArtifactActions):
    """Shows the sessions of the store, and what can be done with each."""

    BINDINGS: ClassVar = bindings("home")
    CSS_PATH = "home.tcss"

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self._reader = SessionReader()
        self._again = self._prepared = False
        self._resting: Timer | None = None
        self._shown_of: tuple[str, int] | None = None

    def on_mount(self) -> None:
        """Read the sessions."""
        folder = str(self.respell.folder)
        self.entitle("sessions   ", (folder, "dim"))
        memory = self.respell.memory
        self.sessions.select(memory.session)
        self.focus_pane(1)
        self.refresh_sessions()

    # Reading -----------------------------------------------------------------------------

    @on(StoreChanged)
    def refresh_sessions(self) -> None:
        """Read the sessions again; once more afterwards if that is under way."""
        if self.working("sessions"):
            self._again = True
            return
        self._again = False
        self.work("reading the sessions", self._read, self._show, group="sessions",
                  failed=self._unreadable)  # fmt: skip

    def _read(self, job: Job) -> list[SessionRow] | None:
        memory = self.respell.memory
        try:
            return self._reader.rows(self.respell.store(), sort=memory.sort, tree=memory.tree)
        except StoreMissing:
            if self.respell.had_store:
                raise
            return None

    def _show(self, rows: list[SessionRow] | None) -> None:
        memory = self.respell.memory
        order = ORDERS[memory.sort] + (", as a tree" if memory.tree else "")
        swiftness.set_aside(len(rows or ()))
        self.sessions.show(rows or (), self.respell.clock(), self.respell.icons, order)
        if not rows:
            self.sessions.show_note(*_NOTHING_YET)
            if self.focused_pane in (None, self.sessions):
                self.focus_pane(1)
        if self._again:
            self.refresh_sessions()
        if rows and not self._prepared:
            self._prepared = True
            self.set_timer(_IDLE_S, self._prepare)

    def _prepare(self) -> None:
        """Load what opening a session takes, before somebody does."""
        self.work("loading", lambda job: import_module("respell_tui.screens.replay"),
                  lambda _: None, group="loading")  # fmt: skip

    def _unreadable(self, problem: Any) -> None:
        self._reader = SessionReader()
        self.sessions.show_problem(problem)
        self.show_keys()

    @on(SessionsPane.Chosen)
    def _chosen(self, message: SessionsPane.Chosen) -> None:
        message.stop()
        row = message.row
        if self._resting is not None:
            self._resting.stop()
        if row is None:
            self.stop_work("summary")
            self._show_session(None)
        else:
            self.respell.memory.session = row.id
            # While a key is held down only the session it stops at is read.
            self._resting = self.set_timer(_REST_S, lambda: self._look_at(row))
        self.show_keys()

    def _look_at(self, row: SessionRow) -> None:
        self.work(f"reading session {row.id[:8]}", lambda job: self._read_session(row),
                  self._show_session, group="summary",
                  failed=self.query_one(SummaryPane).show_problem)  # fmt: skip

    def _read_session(self, row: SessionRow) -> tuple[Summary, list[ArtifactRecord] | None] | None:
        """Read a session; its artifacts only if they are others than those that are shown."""
        store = self.respell.store()
        try:
            summary = read_summary(store, row.id)
        except SessionNotFound:
            return None
        same = self._shown_of == (row.id, summary.record.artifacts)
        return summary, None if same else read_artifacts(store, row.id)

    def _show_session(self, read: tuple[Summary, Sequence[ArtifactRecord] | None] | None) -> None:
        summary, artifacts = read if read is not None else (None, ())
        self.summary = summary
        self.query_one(SummaryPane).show(summary, self.respell.clock(), self.respell.icons)
        if artifacts is not None:
            of = summary.record.id[:8] if summary is not None else ""
            record = summary.record if summary is not None else None
            self._shown_of = (record.id, record.artifacts) if record is not None else None
            self.artifacts.show(artifacts, of)
        self.show_keys()

    @on(ArtifactsPane.Chosen)
    def _artifact_chosen(self, message: ArtifactsPane.Chosen) -> None:
        message.stop()
        artifact, preview = message.artifact, self.preview.preview
        if artifact is None:
            self.stop_work("preview")
            self.preview.show(None)
        elif preview is None or preview.artifact.id != artifact.id:
            self.read_preview(artifact)
        self.show_keys()

    # Search ------------------------------------------------------------------------------

    def _searched_pane(self) -> SessionsPane | ArtifactsPane | PreviewPane:
        pane = self.focused_pane
        return pane if isinstance(pane, ArtifactsPane | PreviewPane) else self.sessions

    def do_list_filter(self) -> None:
        """Search in this pane."""
        self._searched_pane().search.open()

    def do_list_next_match(self) -> None:
        """Go to the next match in the content."""
        self.preview.find(1)

    def do_list_previous_match(self) -> None:
        """Go to the match before."""
        self.preview.find(-1)

    def close_something(self) -> bool:
        """Close a search, the failed only, a diff; on a narrow screen go back to the sessions."""
        if self._searched_pane().search.close() or self.sessions.search.close():
            return True
        if self.sessions.failed_only:
            self.sessions.do_session_failed_only()
            return True
        if self.preview.preview is not None and self.preview.preview.view == "diff":
            self.do_artifact_diff()
            return True
        if self.has_class("-narrow", "-artifacts"):
            self.focus_pane(1)
            return True
        return False

    @property
    def commands(self) -> str:
        """What can be typed behind `:`, in words."""
        return "an action's name, or a session's name or id"

    @property
    def behind(self) -> str:
        """On a narrow screen the sessions are behind their artifacts."""
        return "sessions" if self.has_class("-narrow", "-artifacts") else ""

    def judge(self, text: str) -> str:
        """Also take the beginning of a session's id, or its name."""
        return super().judge(text) if self._meant(text) or self._named(text) is None else ""

    def command(self, text: str) -> None:
        """Also go to the session of that name or id."""
        session = self._named(text) if not self._meant(text) else None
        if session is not None:
            self.sessions.select(session)
        else:
            super().command(text)

    def _named(self, text: str) -> str | None:
        """Return the id of the session that has this name, or an id that begins so."""
        rows = self.sessions.list.rows
        found = [row for row in rows if text in (row.record.name, row.id)] or [
            row for row in rows if len(text) >= 4 and row.id.startswith(text)
        ]
        return found[0].id if found else None

    # View --------------------------------------------------------------------------------

    def do_session_order(self) -> None:
        """Sort by something else."""
        memory, names = self.respell.memory, list(ORDERS)
        memory.sort = names[(names.index(memory.sort) + 1) % len(names)]
        self.flash(f"sessions are sorted: {ORDERS[memory.sort]}")
        self.refresh_sessions()

    def do_session_tree(self) -> None:
        """Show them as a tree, or as a list."""
        self.respell.memory.tree = not self.respell.memory.tree
        self.refresh_sessions()

    def do_session_failed_only(self) -> None:
        """Show only what failed."""
        self.sessions.do_session_failed_only()
