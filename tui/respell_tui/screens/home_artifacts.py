"""What the first screen does with an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from respell.artifacts import reading
from respell.artifacts.record import ArtifactRecord
from respell.errors import UsageError
from respell_tui.describe import bytes_
from respell_tui.screens.form import Form
from respell_tui.screens.home_panes import HomePanes
from respell_tui.shown.fields import Field
from respell_tui.shown.preview import read_diff
from respell_tui.work import Job

_MOST_COPIED = 1024**2


class ArtifactActions(HomePanes):
    """Part of `Home`."""

    def _artifact(self) -> ArtifactRecord:
        artifact = self.artifacts.artifact
        assert artifact is not None  # the table of actions sees to it
        return artifact

    def do_artifact_fold(self) -> None:
        """Fold long lines, or show them as they are."""
        self.preview.fold()

    def do_artifact_view(self) -> None:
        """Show it in the next way."""
        preview = self.preview.preview
        if preview is not None:
            at = preview.views.index(preview.view) + 1
            self.read_preview(preview.artifact, preview.views[at % len(preview.views)])

    def do_artifact_diff(self) -> None:
        """Show what has changed since the version before, or the content again."""
        artifact, preview = self._artifact(), self.preview.preview
        if preview is not None and preview.view == "diff":
            self.read_preview(artifact)
        else:
            self.work(f"comparing {artifact.name}",
                      lambda job: read_diff(self.respell.store(), artifact), self.show_preview,
                      group="preview", failed=self.preview.show_problem)  # fmt: skip

    def do_artifact_export(self) -> None:
        """Ask for a file and write it."""
        artifact = self._artifact()
        name = Path(artifact.name.replace("\\", "/")).name or "artifact"
        field = Field("path", "file", value=str(Path.cwd() / name), required=True)
        self.app.push_screen(
            Form("Export the artifact", [field], free_path, done="Export"),
            lambda path: self._export_artifact(artifact, path) if path else None,
        )

    def _export_artifact(self, artifact: ArtifactRecord, path: Path) -> None:
        def write(job: Job) -> int:
            done = 0
            with path.open("xb") as file:
                try:
                    for piece in reading.pieces(self.respell.store(), artifact):
                        file.write(piece)
                        done += len(piece)
                        job.progress(done, artifact.size)
                except BaseException:
                    path.unlink()
                    raise
            return done

        self.preview.work(
            f"exporting {artifact.name}", write,
            lambda size: self.flash(f"wrote {bytes_(size)} to {path}"), group="export",
            failed=self.show_problem,
        )  # fmt: skip

    def do_artifact_copy(self) -> None:
        """Copy its text."""
        artifact = self._artifact()

        def read(job: Job) -> str:
            if artifact.size > _MOST_COPIED:
                raise UsageError(
                    f"it has {bytes_(artifact.size)}, and at most {bytes_(_MOST_COPIED)} are "
                    "copied; x exports it into a file"
                )
            try:
                return reading.read(self.respell.store(), artifact).decode()
            except UnicodeDecodeError:
                raise UsageError("it is no text; x exports it into a file") from None

        self.work(f"copying {artifact.name}", read, self._copied, group="copy")

    def _copied(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.flash(f"copied {len(text):,} characters")


def free_path(given: Mapping[str, Any]) -> Path:
    """Return the file that something can be written to.

    Raises:
        UsageError: There is a file of that name already, or no such folder.
    """
    path = Path(str(given["path"])).expanduser().absolute()
    if not str(given["path"]).strip():
        raise UsageError("name a file")
    if path.exists():
        raise UsageError(f"{path} exists already; choose another name")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    return path
