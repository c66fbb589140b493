"""What is known of a session that is gone through, as plain data and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from respell.debug import Position
from respell.debug.edits import Edit
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.describe import doubts, seconds
from respell_tui.icons import Icons, of_state
from respell_tui.paint import Part
from respell_tui.shown.moment import Moment
from respell_tui.shown.sessions import states
from respell_tui.widgets.notice import Asked
from respell_tui.widgets.scrubber import Mark

MOST_MARKED = 200_000
"""Events that are looked through for marks; of longer histories the first ones are."""


RUNS = ("running", "paused")
"""How a session is while a process runs it."""


@dataclass(frozen=True, slots=True)
class Now:
    """How a session is now, whatever moment of it is looked at.

    Attributes:
        record: What the store says.
        state: The word for how it is: its status, or running, paused, interrupted.
        doubts: number, name and args of each effect in doubt.
        began: When its history begins, in µs since 1970 UTC; a fork's does before itself.
    """

    record: SessionRecord
    state: str
    doubts: tuple[dict[str, Any], ...] = ()
    began: int = 0

    @property
    def runs(self) -> bool:
        """Whether a process runs it."""
        return self.state in RUNS


def read_now(store: Store, session_id: str) -> Now:
    """Read how a session is.

    Raises:
        SessionNotFound: It was deleted.
    """
    record = store.sessions.get(session_id)
    state = states(store, [record])[record.id]
    in_doubt = () if state in RUNS else tuple(doubts(store, record))
    return Now(record, state, in_doubt, began(store, record))


def began(store: Store, record: SessionRecord) -> int:
    """Return when the history of a session begins, in µs since 1970 UTC."""
    if not record.forked_from:
        return record.created_at
    first = next(events(store, record.key, 1, 1), None)
    return record.created_at if first is None else min(record.created_at, first.at)


@dataclass(frozen=True, slots=True)
class ReplaySituation:
    """What the actions are judged by.

    Attributes:
        ready: The debugger is open, and stands somewhere.
        why_not: Why it is not, in words.
        at_start: Nothing is before the position.
        at_end: Nothing is behind it.
        state: The word for how the session is; empty while that is not known.
        redacted: Parts of it were replaced.
        held: A process runs it, and is held by this debugger.
        event: Whether there is an event to go to.
        expression: The expression of the variable that the cursor is on; empty for none.
        playing: It plays.
        edits: How much is different from what was recorded.
    """

    ready: bool = False
    why_not: str = "the debugger is still opening"
    at_start: bool = False
    at_end: bool = False
    state: str = ""
    redacted: bool = False
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
    now: Now, *, held: bool = False, at_end: bool = True, edits: Sequence[str] = ()
) -> Sequence[Sequence[Part]]:
    """Return what one looks at, and what is touched by that: in words, then in fewer and fewer.

    Args:
        now: How the session is.
        held: A process runs it, and is held by this debugger.
        at_end: The newest of it is looked at.
        edits: What is different from what was recorded.
    """
    if edits:
        more = f" and {len(edits) - 1} more" if len(edits) > 1 else ""
        what: list[Part] = [("WHAT IF", "warn"), (f"  {edits[0]}{more}", "")]
        return _said(what, "nothing is performed: X discards, F forks", "X discards, F forks", "")
    if held or now.state == "paused":
        word = "HELD" if held else "PAUSED"
        return _said([(f"LIVE, {word}", "warn")], "its program waits: p lets it go on",
                     "p lets it go on")  # fmt: skip
    if now.runs:
        followed = ("it is followed, and not touched", "followed, not touched")
        left = ("it runs on: G follows it again", "G follows it again")
        return _said([("LIVE", "good")], *(followed if at_end else left))
    head: list[Part] = [("REPLAY", "accent")]
    if now.record.forked_from:
        origin = f" of {now.record.forked_from[:8]} at {now.record.forked_at}"
        head = [("FORK", "accent"), (origin, "")]
    elif at_end and now.state in ("suspended", "interrupted"):
        head = [(now.state.upper(), "warn" if now.state == "suspended" else "bad")]
    return _said(head, "recorded answers, nothing outside is touched",
                 "nothing outside is touched", "nothing is touched", "")  # fmt: skip


def _said(head: Sequence[Part], *words: str) -> Sequence[Sequence[Part]]:
    return [[*head, (f"  {one}" if one else "", "dim")] for one in words]


def notice(now: Now, icons: Icons, *, resume: str) -> Asked:
    """Return what a session asks of a person; nothing where it does not.

    Args:
        now: How it is.
        icons: The signs.
        resume: The key that resumes it.
    """
    record, sign = now.record, of_state(icons, now.state)
    if now.state not in ("suspended", "interrupted") or record.redacted or not record.has_program:
        return Asked()
    bad, does = now.state == "interrupted", "goes on with it"
    if bad:
        text = f"its process died after event {record.events:,}"
        text += "" if now.doubts else ", and nothing is lost"
    elif record.waiting_for is not None:
        text, does = f"waits for: {record.waiting_for.get('prompt') or 'a value'}", "answers"
    else:
        text = f"suspended, {(record.error or {}).get('message') or 'as it was asked to be'}"
    if now.doubts:
        first = f"{now.doubts[0]['name']} of event {now.doubts[0]['number']}"
        more = f" and {len(now.doubts) - 1} more" if len(now.doubts) > 1 else ""
        text = f"{text}: nobody knows whether {first}{more} was done"
        does = "says it"
    return Asked(text, resume, does, "live.resume", sign, bad)


_PLAIN = ("step", "event", "goto", "entry")
"""Reasons of stops that nobody has to be told."""


def where(moment: Moment, of: int, start: int, *, playing: float = 0.0) -> Sequence[Part]:
    """Return in words where one stands.

    Args:
        moment: The moment.
        of: How many events there are.
        start: When the session began, in µs since 1970 UTC.
        playing: The speed at which it plays; 0 for not.
    """
    stop = moment.stop
    reason = "" if stop.reason in _PLAIN else stop.reason
    if stop.at_end:
        reason = reason or "end"
    if playing:
        reason = f"plays at {playing:g}x"
    when = max(0, moment.event.at - start) / 1_000_000 if moment.event is not None else 0.0
    return [
        (f" {stop.position} ", "number"), (f"of {of:,}", "dim"), (f"  +{seconds(when)}", "dim"),
        (f"  {reason}" if reason else "", "accent"), (" ", ""),
    ]  # fmt: skip


def read_marks(
    store: Store, session: SessionRecord, check: object = None, *, first: int = 1
) -> list[Mark]:
    """Return what is worth a mark in a history: errors, suspends, artifacts, bookmarks.

    Args:
        store: Where it is.
        session: The session.
        first: Number of the first event that is looked at.
        check: Called now and then; raises where nobody wants them any more.
    """
    found: list[Mark] = []
    last = min(session.events, MOST_MARKED)
    for one in events(store, session.key, first, last):
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
