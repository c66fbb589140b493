"""Requests of our own: what the protocol has no words for, as it knows no way back in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell import api
from respell.debug.dap.frames import frame_of
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.debugger import Debugger
from respell.debug.position import Position
from respell.debug.stops import Stop
from respell.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from respell.debug.dap.session import DapSession

_MOST_EVENTS = 1_000


def _moved(session: DapSession, make: Callable[[Debugger], Stop], reason: str | None) -> Body:
    """Make a move at once, and answer with where it led to; `stopped` follows."""
    return session.travel(make, reason=reason).to_json()


def go_to(session: DapSession, args: Arguments) -> Body:
    """Go to an event, a percentage, a position, a bookmark, the start or the end."""
    given = [name for name in ("event", "percent", "position", "bookmark") if args.has(name)]
    if len(given) != 1:
        raise Refused(
            "respell/goTo takes one of event, percent, position and bookmark", Code.ARGUMENTS
        )
    if given == ["event"]:
        number = args.integer("event", least=1)
        return _moved(session, lambda debugger: debugger.go_to(number), "goto")
    if given == ["percent"]:
        percent = args.given["percent"]
        if isinstance(percent, bool) or not isinstance(percent, (int, float)):
            raise Refused("respell/goTo: percent has to be a number", Code.ARGUMENTS)
        return _moved(session, lambda debugger: debugger.go_to(f"{percent:f}%"), "goto")
    where = args.text(given[0])
    if given == ["bookmark"]:
        return _moved(session, lambda debugger: _to_bookmark(debugger, where), "goto")
    return _moved(session, lambda debugger: to_place(debugger, where), "goto")


def to_place(debugger: Debugger, where: str) -> Stop:
    """Go to `start`, `end`, `50%`, `12`, `12+340` or a bookmark."""
    if where in ("start", "end"):
        return debugger.start() if where == "start" else debugger.end()
    if any(one.name == where for one in debugger.bookmarks()):
        return _to_bookmark(debugger, where)
    return debugger.go_to(where)


def _to_bookmark(debugger: Debugger, name: str) -> Stop:
    for one in debugger.bookmarks():
        if one.name == name:
            return debugger.go_to(one.position)
    raise NotFound(f"there is no bookmark {name!r}")


def step_back_in(session: DapSession, args: Arguments) -> Body:
    """Go to the line that ran before, into functions from their end."""
    return _moved(session, Debugger.step_back, None)


def step_back_out(session: DapSession, args: Arguments) -> Body:
    """Go to the line that called this function."""
    return _moved(session, Debugger.step_back_out, None)


def next_event(session: DapSession, args: Arguments) -> Body:
    """Go to the next event."""
    return _moved(session, Debugger.next_event, None)


def previous_event(session: DapSession, args: Arguments) -> Body:
    """Go to the event before."""
    return _moved(session, Debugger.previous_event, None)


def timeline(session: DapSession, args: Arguments) -> Body:
    """Return events, and where the debugger stands among them."""
    debugger = session.debugger
    first = args.integer("from", 1, least=1)
    last = args.integer("to", 0) or None
    most = min(args.integer("limit", _MOST_EVENTS, least=1), _MOST_EVENTS)
    found: list[Body] = []
    for event in debugger.events(first, last):
        if len(found) == most:
            break
        found.append(event.to_json(debugger.session.id))
    return {
        "events": found, "position": str(debugger.position), "last": debugger.last_event,
        "at_end": debugger.stop.at_end,
    }  # fmt: skip


def last_change(session: DapSession, args: Arguments) -> Body:
    """Return when a value last changed before here; with `go`, go there."""
    debugger = session.debugger
    change = debugger.last_change(args.text("expression"), frame_of(session, args))
    return _found(session, args, change)


def next_change(session: DapSession, args: Arguments) -> Body:
    """Return when a value changes next; with `go`, go there."""
    debugger = session.debugger
    change = debugger.next_change(args.text("expression"), frame_of(session, args))
    return _found(session, args, change)


def origin(session: DapSession, args: Arguments) -> Body:
    """Return which effect a value came from, and on what way."""
    found = session.debugger.origin(args.text("expression"), frame_of(session, args))
    session.looked_elsewhere()
    return {"origin": found.to_json()}


def values(session: DapSession, args: Arguments) -> Body:
    """Return all values that an expression had, in the order of time."""
    most = min(args.integer("limit", _MOST_EVENTS, least=1), _MOST_EVENTS)
    found = session.debugger.values(args.text("expression"), frame_of(session, args), limit=most)
    session.looked_elsewhere()
    return {"changes": [one.to_json() for one in found], "more": found.more}


def hits(session: DapSession, args: Arguments) -> Body:
    """Return every time a line runs; without a line, how often each line of a source does."""
    source = session.sources.meant(args.object("source")).name
    debugger = session.debugger
    if not args.has("line"):
        counts = debugger.hit_counts(source)
        session.looked_elsewhere()
        lines = [{"line": session.who.line(n), "times": times} for n, times in counts.items()]
        return {"lines": lines}
    most = min(args.integer("limit", _MOST_EVENTS, least=1), _MOST_EVENTS)
    line = session.who.our_line(args.integer("line"))
    found = debugger.executions(line, source, limit=most)
    session.looked_elsewhere()
    return {"positions": [str(one) for one in found], "more": found.more}


def _found(session: DapSession, args: Arguments, change: object) -> Body:
    from respell.debug.changes import Change

    if not isinstance(change, Change):
        session.looked_elsewhere()
        return {"change": None}
    if args.flag("go"):
        there: Position = change.position
        _moved(session, lambda debugger: debugger.go_to(there), "goto")
    else:
        session.looked_elsewhere()
    return {"change": change.to_json()}


def fork(session: DapSession, args: Arguments) -> Body:
    """Make a new, suspended session that goes on from here, with what was set."""
    debugger = session.debugger
    made = debugger.fork(args.text("name", ""), created_by="debugger")
    return {"session": made.id, "at": str(debugger.position)}


def diff(session: DapSession, args: Arguments) -> Body:
    """Compare the session with another one; without, as it was recorded with the dry run."""
    if not args.has("with"):
        difference = session.debugger.compare()
        return difference.to_json(session.debugger.session.id, session.debugger.session.id)
    here = session.debugger.session
    other = session.store.sessions.find(args.text("with"))
    return api.diff(here, other, store=session.store).to_json(here.id, other.id)


def bookmarks(session: DapSession, args: Arguments) -> Body:
    """Return the bookmarks."""
    return {"bookmarks": [one.to_json() for one in session.debugger.bookmarks()]}


def set_bookmark(session: DapSession, args: Arguments) -> Body:
    """Keep the position under a name."""
    made = session.debugger.bookmark(args.text("name"), args.text("note", ""))
    return {"bookmark": made.to_json()}


def delete_bookmark(session: DapSession, args: Arguments) -> Body:
    """Forget a bookmark."""
    session.debugger.delete_bookmark(args.text("name"))
    return {}
