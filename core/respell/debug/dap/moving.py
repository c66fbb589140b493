"""Requests that move: steps, continuing, both ways; going to places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell.debug.chunks import given_name
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.debugger import Debugger
from respell.debug.position import Position
from respell.debug.stops import Stop

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_GRANULARITY = ("statement", "line", "instruction")
_MOST_TARGETS = 50


def _check_thread(session: DapSession, args: Arguments) -> None:
    """Refuse a step of a coroutine that does not run: only that which runs has a next line."""
    thread = args.integer("threadId", least=1)
    running = session.debugger.stop.coroutine + 1
    if thread != running:
        _known_thread(session, thread)
        raise Refused(
            f"thread {thread} does not run here; step in thread {running}, or set a breakpoint "
            "and continue"
        )


def _known_thread(session: DapSession, thread: int) -> None:
    known = [one.number + 1 for one in session.debugger.coroutines()]
    if thread not in known:
        shown = ", ".join(str(one) for one in known)
        raise Refused(f"there is no thread {thread} here; there are {shown}", Code.ARGUMENTS)


def _is_fine(args: Arguments) -> bool:
    """Whether the smallest step is wanted: to the next line, wherever that is."""
    return args.one_of("granularity", _GRANULARITY, "statement") == "instruction"


def next_(session: DapSession, args: Arguments) -> None:
    """Step over; with the granularity of instructions, to the very next line."""
    _check_thread(session, args)
    session.go(Debugger.step_in if _is_fine(args) else Debugger.step_over)


def step_in(session: DapSession, args: Arguments) -> None:
    """Step in; with a target, to the first line of what that calls."""
    _check_thread(session, args)
    _is_fine(args)
    if args.has("targetId"):
        position = session.places.target(args.integer("targetId"))
        if not isinstance(position, Position):
            raise Refused("this target is one to go to, not to step into", Code.ARGUMENTS)
        session.go(lambda debugger: debugger.go_to(position), reason="step")
    else:
        session.go(Debugger.step_in)


def step_out(session: DapSession, args: Arguments) -> None:
    """Step out."""
    _check_thread(session, args)
    _is_fine(args)
    session.go(Debugger.step_out)


def step_back(session: DapSession, args: Arguments) -> None:
    """Step back over; with the granularity of instructions, to the very line before."""
    _check_thread(session, args)
    session.go(Debugger.step_back if _is_fine(args) else Debugger.step_back_over)


def continue_(session: DapSession, args: Arguments) -> Body:
    """Go on to the next breakpoint or the end."""
    _known_thread(session, args.integer("threadId", least=1))
    session.go(Debugger.continue_)
    return {"allThreadsContinued": True}


def reverse_continue(session: DapSession, args: Arguments) -> None:
    """Go back to the last breakpoint or the start."""
    _known_thread(session, args.integer("threadId", least=1))
    session.go(Debugger.reverse_continue)


def pause(session: DapSession, args: Arguments) -> None:
    """End the move in progress: one stands where that began. Standing still is told as well."""
    _known_thread(session, args.integer("threadId", least=1))
    session.after(session.pause)


def step_in_targets(session: DapSession, args: Arguments) -> Body:
    """Return what the next line calls."""
    frame = session.places.frame(args.integer("frameId"))
    debugger = session.debugger
    if frame is None or frame.index or frame.coroutine != debugger.stop.coroutine:
        return {"targets": []}
    targets = []
    for call in debugger.calls():
        number = session.places.of_target(call.position)
        label = f"{call.name} ({call.source}:{call.line})"
        targets.append({"id": number, "label": label, "line": session.who.line(call.line)})
    return {"targets": targets}


def goto_targets(session: DapSession, args: Arguments) -> Body:
    """Return the times at which a line runs, and the events that it caused."""
    source = session.sources.meant(args.object("source"))
    line = session.who.our_line(args.integer("line"))
    debugger = session.debugger
    _, lines = debugger.breakpoints.lines_of(source.name)
    following = [one for one in lines if one >= line]
    if not following:
        return {"targets": []}
    line = following[0]
    moves: list[tuple[str, Callable[[Debugger], Stop]]] = [
        ("the next time, or the end", lambda debugger: debugger.run_to_line(line, source.name)),
        (
            "the last time before, or the start",
            lambda debugger: debugger.run_back_to_line(line, source.name),
        ),
    ]
    recorded = given_name(source.name)
    for event in debugger.events():
        if len(moves) >= _MOST_TARGETS:
            break
        if event.line == line and event.source == recorded and event.ordinal:
            moves.append(
                (
                    f"event {event.number} {event.name}",
                    _to_event(event.number),
                )
            )
    shown = session.who.line(line)
    return {
        "targets": [
            {
                "id": session.places.of_target(move),
                "label": f"line {line}, {label}" if i < 2 else label, "line": shown,
            }
            for i, (label, move) in enumerate(moves)
        ]
    }  # fmt: skip


def _to_event(number: int) -> Callable[[Debugger], Stop]:
    return lambda debugger: debugger.go_to(number)


def goto(session: DapSession, args: Arguments) -> None:
    """Go to a target."""
    _known_thread(session, args.integer("threadId", least=1))
    move = session.places.target(args.integer("targetId"))
    if not callable(move):
        raise Refused("this target is one to step into, not to go to", Code.ARGUMENTS)
    session.go(move, reason="goto")


def restart_frame(session: DapSession, args: Arguments) -> None:
    """Go back to where the function of a frame was entered."""
    frame = session.places.frame(args.integer("frameId"))
    if frame is None:
        raise Refused("no function runs here; go back to where one does")
    session.go(lambda debugger: debugger.go_to_entry(frame), reason="restart")


def terminate_threads(session: DapSession, args: Arguments) -> None:
    """Refuse: a coroutine's fate is in the history."""
    raise Refused("coroutines can't be ended from outside: a script's history is fixed")
