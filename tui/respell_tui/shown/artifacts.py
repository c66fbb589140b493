"""The artifacts of a session, as the list shows them."""

from __future__ import annotations

from collections.abc import Sequence

from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.store import Store
from respell_tui.describe import bytes_
from respell_tui.paint import Line, cell
from respell_tui.text import fit, width

MOST = 20_000
"""So many are listed, the newest; `/` finds among them."""


def read_artifacts(store: Store, session_id: str) -> list[ArtifactRecord]:
    """Return a session's artifacts, all versions, the newest first."""
    return store.artifacts.list(ArtifactQuery(session_id=session_id, limit=MOST))


def artifact_line(artifact: ArtifactRecord, cells: int) -> Line:
    """Return an artifact in one line of so many cells."""
    size = f"{bytes_(artifact.size):>10}"
    version = f"v{artifact.version}"
    event = f"@{artifact.event}" if artifact.event else ""
    tail = f" {version:<4}{size}" + (f"  {event:<7}" if cells >= 44 else "")
    mime = fit(cell(artifact.mime_type), 18) if cells >= 66 else ""
    tail += f" {mime:<18}" if mime else ""
    left = max(8, cells - width(tail) - 2)
    name = fit(cell(artifact.name), left)
    return [(" " + name + " " * (left - width(name)), ""), (tail, "dim")]


def artifact_matches(artifact: ArtifactRecord, words: Sequence[str]) -> bool:
    """Whether an artifact has all of some words in name, type, description or tags."""
    text = " ".join(
        (artifact.name, artifact.mime_type, artifact.type, artifact.description, *artifact.tags)
    ).lower()
    return all(
        (word[1:].lower() not in text) if word[:1] == "!" and word[1:] else word.lower() in text
        for word in words
    )
