"""What can be done on the first screen: with sessions and with artifacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell_tui.actions.model import Action

if TYPE_CHECKING:
    from respell_tui.shown.sessions import HomeSituation, SessionRow

_ENDED = ("completed", "failed", "archived")
_LIVE = ("running", "paused")


def _with_session(why_not: Callable[[SessionRow], str | None]) -> Callable[..., str | None]:
    def when(it: HomeSituation) -> str | None:
        return "there is no session here yet" if it.session is None else why_not(it.session)

    return when


def _always(row: SessionRow) -> str | None:
    return None


def _resumable(row: SessionRow) -> str | None:
    if row.state in _LIVE:
        return "it runs already" if row.state == "running" else "it is paused: p lets it go on"
    if row.state in _ENDED:
        return f"it is {row.state}: fork it to go on from one of its events"
    if row.record.redacted:
        return "parts of it were replaced when it was exported: it can only be looked at"
    if row.state == "active":
        return "it is active, and has no program to run"
    return None


def _stoppable(row: SessionRow) -> str | None:
    if row.state in _LIVE or row.state == "active":
        return None
    return f"it is {row.state}: nothing runs"


def _pause_or_go_on(it: HomeSituation) -> str:
    return "go on" if it.session is not None and it.session.state == "paused" else "pause"


def _pausable(row: SessionRow) -> str | None:
    return None if row.state in _LIVE else f"it is {row.state}: nothing runs"


def _forkable(row: SessionRow) -> str | None:
    if not row.record.has_program:
        return "it has no program of its own"
    return "parts of it were replaced: it can only be looked at" if row.record.redacted else None


def _not_live(row: SessionRow) -> str | None:
    return "it runs: s suspends it first" if row.state in _LIVE else None


def _endable(row: SessionRow) -> str | None:
    if row.state in _ENDED:
        return f"it is {row.state} already"
    return _not_live(row)


def _archivable(row: SessionRow) -> str | None:
    if row.state == "archived":
        return "it is archived already"
    return None if row.state in _ENDED else "only what has completed or failed is archived"


def _with_artifact(it: HomeSituation) -> str | None:
    return None if it.artifact else "there is no artifact here"


def _with_version(it: HomeSituation) -> str | None:
    if not it.artifact:
        return "there is no artifact here"
    return None if it.version > 1 else "it is the first version: there is none before"


def _with_views(it: HomeSituation) -> str | None:
    if not it.artifact:
        return "there is no artifact here"
    return None if it.views > 1 else "it can be shown in no other way"


def _where_nothing_is(it: HomeSituation) -> str:
    return "demo" if it.session is None else ""


HOME: tuple[Action, ...] = (
    Action("session.open", ("enter", "o"), "open",
           "Opens the session in the debugger, at its end.", "home", _with_session(_always),
           footer=10),
    Action("session.new", ("n",), "new run", "Runs a script as a new session.", "home",
           footer=12),
    Action("session.resume", ("r",), "resume",
           "Goes on with the session: asks for the value it waits for, and what became of effects "
           "in doubt.", "home", _with_session(_resumable), footer=14),
    Action("session.suspend", ("s",), "suspend",
           "Stops the session at its next effect, until it is resumed.", "home",
           _with_session(_stoppable), footer=16),
    Action("session.pause", ("p",), "pause",
           "Lets the running session wait where it is, or go on.", "home",
           _with_session(_pausable), footer=18, now=_pause_or_go_on),
    Action("session.fork", ("F",), "fork",
           "Makes a new session that goes on from one of its events.", "home",
           _with_session(_forkable), footer=20),
    Action("session.complete", ("C",), "complete", "Marks the session as completed.", "home",
           _with_session(_endable)),
    Action("session.fail", ("X",), "fail", "Marks the session as failed, with a reason.", "home",
           _with_session(_endable)),
    Action("session.archive", ("A",), "archive", "Puts a session away that has ended.", "home",
           _with_session(_archivable)),
    Action("session.delete", ("delete",), "delete",
           "Deletes the session with its history and its artifacts; asks first.", "home",
           _with_session(_not_live)),
    Action("session.label", ("t",), "tags", "Changes its name, its description and its tags.",
           "home", _with_session(_always)),
    Action("session.import", ("i",), "import", "Brings in a session from a file.", "home"),
    Action("session.demo", ("D",), "demo",
           "Runs the built-in example: it reads some files, makes a report, and asks.", "home",
           footer=5, now=_where_nothing_is),
    Action("session.order", ("S",), "sort",
           "Sorts the sessions by something else: newest, last changed, name, status, events.",
           "home"),
    Action("session.tree", ("T",), "tree",
           "Shows sessions below those that made them, or as a plain list.", "home"),
    Action("session.failed_only", ("f",), "failed only",
           "Shows only what failed or was interrupted, or all again.", "home"),
    Action("list.filter", ("slash",), "find",
           "Searches in this pane: words; of sessions also #tag, =state and !not.", "home",
           footer=70),
    Action("list.next_match", ("full_stop",), "next match", "Goes to the next match in a content.",
           "home"),
    Action("list.previous_match", ("comma",), "previous match",
           "Goes to the match before in a content.", "home"),
    Action("session.export", ("x",), "export", "Writes the session into one file.",
           "home/sessions", _with_session(_always), footer=22),
    Action("session.copy", ("y",), "copy id", "Copies the session's id.", "home/sessions",
           _with_session(_always)),
    Action("artifact.view", ("v",), "view",
           "Shows the artifact in another way: as text, table, code, hex.", "home/artifacts",
           _with_views, footer=2),
    Action("artifact.fold", ("w",), "fold",
           "Folds long lines of the content, or shows them as they are.", "home/artifacts",
           _with_artifact),
    Action("artifact.diff", ("d",), "diff",
           "Shows what has changed since the version before, or the content again.",
           "home/artifacts", _with_version, footer=4),
    Action("artifact.export", ("x",), "export", "Writes the artifact into a file.",
           "home/artifacts", _with_artifact, footer=6),
    Action("artifact.copy", ("y",), "copy", "Copies the artifact's text to the clipboard.",
           "home/artifacts", _with_artifact, footer=8),
)  # fmt: skip
