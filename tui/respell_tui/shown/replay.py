"""What is known of a session that is gone through, as plain data and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from respell.debug import Position
from respell.debug.edits import Edit
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.paint import Part
from respell_tui.shown.moment import Moment
from respell_tui.widgets.scrubber import Mark

MOST_MARKED = 200_000
"""Events that are looked through for marks; of longer histories the first ones are."""


@dataclass(frozen=True, slots=True)
class ReplaySituation:
    """What the actions are judged by.

    Attributes:
        ready: The debugger is open, and stands somewhere.
        why_not: Why it is not, in words.
        at_start: Nothing is before the position.
        at_end: Nothing is behind it.
        running: A process runs the session now.
        held: That process is held by this debugger.
        event: Whether there is an event to go to.
        expression: The expression of the variable that the cursor is on; empty for none.
        playing: It plays.
        edits: How much is different from what was recorded.
    """

    ready: bool = False
    why_not: str = "the debugger is still opening"
    at_start: bool = False
    at_end: bool = False
    running: bool = False
    held: bool = False
    event: bool = False
    expression: str = ""
    playing: bool = False
    edits: int = 0


@dataclass(frozen=True, slots=True)
class DryRun:
    """A session as it would have been.

    Attributes:
        edits: What is different.
        store: A view of the store in which its history is that one.
        record: The session, likewise.
        why: Why it ends where it does, in words.
    """

    edits: Sequence[Edit]
    store: Store
    record: SessionRecord
    why: str


def mode(
    record: SessionRecord, running: bool, held: bool, edits: Sequence[str] = ()
) -> Sequence[Part]:
    """Return in words what one looks at, and what is touched by that."""
    if edits:
        more = f" and {len(edits) - 1} more" if len(edits) > 1 else ""
        return [("WHAT IF", "warn"), (f"  {edits[0]}{more}", ""),
                ("  nothing is performed: X discards, F forks", "dim")]  # fmt: skip
    if held:
        return [("LIVE, HELD", "warn"), ("  its program waits: p lets it go on", "dim")]
    if running:
        return [("LIVE", "good"), ("  it runs on, whatever is looked at here", "dim")]
    if record.forked_from:
        return [("FORK", "accent"), (f" of {record.forked_from[:8]} at {record.forked_at}", ""),
                ("  recorded answers, nothing outside is touched", "dim")]  # fmt: skip
    return [("REPLAY", "accent"), ("  recorded answers, nothing outside is touched", "dim")]


def where(moment: Moment, count: int, *, playing: float = 0.0) -> Sequence[Part]:
    """Return in words where one stands.

    Args:
        moment: The moment.
        count: How many events there are.
        playing: The speed at which it plays; 0 for not.
    """
    stop = moment.stop
    reason = "end" if stop.at_end and stop.reason in ("step", "event", "goto") else stop.reason
    if playing:
        reason = f"plays at {playing:g}x"
    return [(f" {stop.position} ", "number"), (f"of {count:,}  ", "dim"), (reason, "accent"),
            (" ", "")]  # fmt: skip


def read_marks(store: Store, session: SessionRecord, check: object = None) -> list[Mark]:
    """Return what is worth a mark in a history: errors, suspends, artifacts, bookmarks.

    Args:
        store: Where it is.
        session: The session.
        check: Called now and then; raises where nobody wants them any more.
    """
    found: list[Mark] = []
    last = min(session.events, MOST_MARKED)
    for one in events(store, session.key, 1, last):
        if one.number % 1000 == 0 and callable(check):
            check()
        kind = _mark(one)
        if kind:
            found.append(Mark(one.number, *kind))
    for kept in store.debugging.bookmarks(session.key):
        found.append(Mark(Position.parse(kept.position).event, "bookmark", "mark"))
    return found


def _mark(event: Event) -> tuple[str, str] | None:
    if event.error is not None or event.name == "lifecycle.fail":
        return "failed", "bad"
    if event.name in ("session.suspend", "lifecycle.suspend"):
        return "suspended", "warn"
    if event.name.startswith("artifact.store"):
        return "added", "good"
    return None
