"""`respell events`: the history of a session."""

from __future__ import annotations

import time
from collections.abc import Iterator

from respell import values
from respell.errors import UsageError
from respell.history.events import Event
from respell.history.events import events as read_events
from respell.sessions.causality import causes
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import SECOND
from respell_tui.context import Command, event_number, short
from respell_tui.describe import arguments, ending, seconds
from respell_tui.output import json_text
from respell_tui.text import fit, width

_LOOK_S = 0.1
_LEAST_TEXT = 30  # terminal columns for arguments and outcome
_STYLES = {
    "lifecycle": ("cyan",), "output": ("dim",), "limit": ("yellow",), "edit": ("yellow",),
}  # fmt: skip


def events(command: Command) -> int:
    """Show events."""
    args = command.args
    first = 1 if args.first is None else event_number(args.first, "--from")
    last = None if args.last is None else event_number(args.last, "--to")
    if last is not None and last < first:
        raise UsageError(f"--to {last} comes before --from {first}")
    if args.causes is not None:
        return _causes(command)
    with command.with_session(args.id) as (store, session):
        source = read_events(store, session.key, first, last)
        if args.follow:
            source = _follow(command, store, session, first, last)
        show = _Json(command, session) if args.json else _Line(command, session)
        for event in source:
            if _wanted(command, event):
                show(event)
            if command.out.closed:
                break
    return 0


def _causes(command: Command) -> int:
    """Show an event and what led to it; of another session's history it says so."""
    args = command.args
    number = event_number(args.causes, "--causes")
    for name in ("first", "last", "kind", "grep", "failed", "follow"):
        if getattr(args, name):
            shown = {"first": "from", "last": "to"}.get(name, name)
            raise UsageError(f"--causes shows one chain of events; --{shown} does not go with it")
    with command.with_session(args.id) as (store, session):
        for cause in causes(store, session, number):
            of = store.sessions.get(cause.session_id)
            if args.json:
                _Json(command, of)(cause.event)
            else:
                if of.id != session.id:
                    command.err.line(f"in session {short(of)}:")
                _Line(command, of)(cause.event)
            if command.out.closed:
                break
    return 0


def _wanted(command: Command, event: Event) -> bool:
    args = command.args
    if args.kind is not None and event.kind != args.kind:
        return False
    if args.failed and event.error is None:
        return False
    return args.grep is None or args.grep.casefold() in _searched(event).casefold()


def _searched(event: Event) -> str:
    """Return all text of an event that a person could look for."""
    parts = [event.name, values.json_line(event.args), event.error or ""]
    if event.outcome is not None:
        parts.append(values.json_line(event.outcome))
    return "\n".join(parts)


def _follow(
    command: Command, store: Store, session: SessionRecord, first: int, last: int | None
) -> Iterator[Event]:
    """Yield events as they end, until nobody runs the session any more; then the open ones.

    An event that is under way comes when it has its outcome, so the order is that of the
    ends. What had ended before is not told again.
    """
    open_numbers: list[int] = []
    beyond = first
    while True:
        # Looked at first: whatever was appended before the host let go is read below.
        runs = store.leases.holder(session.key) is not None
        seen = store.data_version()
        still_open = []
        for number in open_numbers:
            for event in read_events(store, session.key, number, number):
                if event.ended or not runs:
                    yield event
                else:
                    still_open.append(number)
        for event in read_events(store, session.key, beyond, last):
            beyond = event.number + 1
            if event.ended or not runs:
                yield event
            else:
                still_open.append(event.number)
        open_numbers = still_open
        if not runs or (last is not None and beyond > last and not open_numbers):
            break
        while store.data_version() == seen and store.leases.holder(session.key) is not None:
            time.sleep(_LOOK_S)
    now = store.sessions.get(session.key)
    command.err.line(f"session {short(session)} is {now.status}")


class _Json:
    """One JSON object per line."""

    def __init__(self, command: Command, session: SessionRecord) -> None:
        self._out = command.out
        self._full = command.args.full
        self._id = session.id

    def __call__(self, event: Event) -> None:
        self._out.line(json_text(event.to_json(self._id, full=self._full)))


class _Line:
    """One line per event for people: number, time since the start, name, what, how it ended.

    On a terminal each keeps to its line; into a pipe nothing is cut.
    """

    def __init__(self, command: Command, session: SessionRecord) -> None:
        self._out = command.out
        self._full = command.args.full
        self._start = session.created_at
        self._columns = None if self._full else command.out.columns()

    def __call__(self, event: Event) -> None:
        out = self._out
        since = max(0, event.at - self._start) / SECOND
        head = f"{event.number:>6}  {since:>9.3f}  " + ("  " if event.parent else "")
        what, ended = arguments(event, full=self._full), ending(event, full=self._full)
        took = event.duration_s or 0.0
        lasted = f"({seconds(took)})" if took >= 0.001 else ""
        place = f"{event.source}:{event.line}" if event.source else ""
        name = event.name
        if self._columns is not None:
            name = fit(name, max(self._columns - len(head), 1))
            room = self._columns - len(head) - width(name)
            # Where there is little room, what happened counts more than where and how long.
            place = place if room - width(place) - width(lasted) >= _LEAST_TEXT else ""
            lasted = lasted if room - width(place) - width(lasted) >= _LEAST_TEXT else ""
            room -= sum(width(one) + 2 for one in (lasted, place) if one)
            what, ended = _share(what, ended, room)
        failed = ("red",) if event.error is not None else ()
        line = [head, out.paint(name, *(failed or _STYLES.get(event.kind, ())))]
        for text, styles in (
            (what, ()),
            (ended, failed or (() if event.ended else ("yellow",))),
            (lasted, ()),
            (place, ("dim",)),
        ):
            if text:
                line += ["  ", out.paint(text, *styles)]
        out.line(*line)


def _share(what: str, ended: str, room: int) -> tuple[str, str]:
    """Return two texts cut so that they fit beside each other, with two blanks before each."""
    room = max(room - sum(2 for one in (what, ended) if one), 0)
    if width(what) + width(ended) > room:
        ended = fit(ended, max(room - width(what), room // 2))
        what = fit(what, room - width(ended))
    return what, ended
