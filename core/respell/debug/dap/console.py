"""Commands of the debug console: moves and questions that clients have no buttons for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from respell.debug.dap import setting, travelling
from respell.debug.dap.frames import frame_of
from respell.debug.dap.messages import Arguments, Body, Refused
from respell.debug.dap.shown import clean

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

Perform = Callable[["DapSession", str, Arguments], str]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it takes, what it does."""

    name: str
    takes: str
    help: str
    perform: Perform


def is_command(text: str) -> bool:
    """Whether a line of the console is a command; `::name::` is a label of Lua."""
    return text.startswith(":") and not text.startswith("::")


def perform(session: DapSession, text: str, args: Arguments) -> Body:
    """Carry out a command.

    Raises:
        Refused: There is none of that name.
    """
    name, _, rest = text[1:].strip().partition(" ")
    for command in COMMANDS:
        if command.name == name:
            return {"result": clean(command.perform(session, rest.strip(), args)),
                    "variablesReference": 0}  # fmt: skip
    raise Refused(f"there is no command :{name}; :help lists them", show=False)


def completions(begun: str, replaced: Body) -> list[Body]:
    """Return the commands that a line may become; `replaced` says where that is."""
    return [
        {"label": f":{one.name}", "text": f":{one.name}", "detail": one.help, **replaced}
        for one in COMMANDS if f":{one.name}".startswith(begun)
    ]  # fmt: skip


def _arguments(args: Arguments, **more: object) -> Arguments:
    kept = {"frameId": args.given["frameId"]} if args.has("frameId") else {}
    return Arguments("evaluate", {**kept, **more})


def _place(body: Body) -> str:
    where = f"{body['source']}:{body['line']}" if body["line"] else "no function runs"
    return f"{body['position']}  {where}"


def _go_to(session: DapSession, rest: str, args: Arguments) -> str:
    if not rest:
        raise Refused(":goto takes 12+340, event 12, 50%, start, end or a bookmark", show=False)
    return _place(travelling.go_to(session, _arguments(args, position=rest)))


def _mover(move: Callable[[DapSession, Arguments], Body]) -> Perform:
    return lambda session, rest, args: _place(move(session, _arguments(args)))


def _last(session: DapSession, rest: str, args: Arguments) -> str:
    frame = _arguments(args, expression=rest)
    change = session.debugger.last_change(rest, frame_of(session, frame))
    session.looked_elsewhere()
    if change is None:
        return f"{rest} has not changed before {session.debugger.position}"
    return change.describe(rest)


def _origin(session: DapSession, rest: str, args: Arguments) -> str:
    frame = _arguments(args, expression=rest)
    found = session.debugger.origin(rest, frame_of(session, frame))
    session.looked_elsewhere()
    return "\n".join(found.lines())


def _when(session: DapSession, rest: str, args: Arguments) -> str:
    event = session.debugger.event()
    after = f", after event {event.number} ({event.name})" if event is not None else ""
    return f"{session.debugger.position}{after}"


def _timeline(session: DapSession, rest: str, args: Arguments) -> str:
    debugger = session.debugger
    here = debugger.position.event
    lines = []
    for event in debugger.events(max(1, here - 10), here + 10):
        mark = ">" if event.number == here else " "
        place = f"  {event.source}:{event.line}" if event.line else ""
        lines.append(f"{mark}{event.number:6}  {event.name}{place}")
    return "\n".join(lines)


def _bookmark(session: DapSession, rest: str, args: Arguments) -> str:
    if not rest:
        marks = session.debugger.bookmarks()
        return "\n".join(f"{one.name}  {one.position}  {one.note}" for one in marks) or "none"
    name, _, note = rest.partition(" ")
    session.debugger.bookmark(name, note.strip())
    return f"{name} is {session.debugger.position}"


def _fork(session: DapSession, rest: str, args: Arguments) -> str:
    made = travelling.fork(session, Arguments("evaluate", {"name": rest}))
    return f"{made['session']} goes on from {made['at']}; `respell resume` runs it"


def _discard(session: DapSession, rest: str, args: Arguments) -> str:
    return _place(setting.discard_edits(session, Arguments("evaluate")))


def _output(session: DapSession, rest: str, args: Arguments) -> str:
    return "\n".join(session.debugger.output())


def _help(session: DapSession, rest: str, args: Arguments) -> str:
    return "\n".join(f"{f':{one.name} {one.takes}':24}{one.help}" for one in COMMANDS)


COMMANDS = (
    Command("goto", "PLACE", "to 12+340, event 12, 50%, start, end or a bookmark", _go_to),
    Command("back-in", "", "to the line that ran before", _mover(travelling.step_back_in)),
    Command("back-out", "", "to the line that called this function",
            _mover(travelling.step_back_out)),
    Command("event", "", "to the next event", _mover(travelling.next_event)),
    Command("back-event", "", "to the event before", _mover(travelling.previous_event)),
    Command("last", "EXPR", "when a value last changed before here", _last),
    Command("origin", "EXPR", "which effect a value came from, and on what way", _origin),
    Command("when", "", "the position, and the event it comes after", _when),
    Command("timeline", "", "the events around here", _timeline),
    Command("output", "", "what had been written by now", _output),
    Command("bookmark", "[NAME [NOTE]]", "keeps the position; or lists all", _bookmark),
    Command("fork", "[NAME]", "makes a session that goes on from here", _fork),
    Command("discard", "", "takes back what was set: to the session as it was recorded", _discard),
    Command("help", "", "this list", _help),
)  # fmt: skip
"""The commands, as `:help` lists them."""
