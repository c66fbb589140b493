"""Requests that begin and end: what is debugged, from where, and what is left of it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respell import values
from respell.debug.dap.client import Client
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.requests import OF_WHAT_RUNS, capabilities
from respell.debug.dap.travelling import to_place
from respell.debug.debugger import Debugger

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession
    from respell.sessions.record import SessionRecord

LAUNCH: dict[str, str] = {
    "session": "the session to go through: an id, a unique prefix, a unique name, or @last",
    "program": "instead, a script to run as a new session, debugged while it runs",
    "args": "its arguments",
    "input": "its global `input`",
    "sessionName": "the name of its session",
    "tags": "the tags of its session",
    "allow": "permissions to add, such as net or process=git",
    "deny": "permissions to take away",
    "limits": "its limits by name, such as max_duration",
    "cwd": "its working directory",
    "env": "environment variables for it",
    "store": "the folder of the store; without, the one `respell dap` was started for",
    "at": "where to begin: start, end, a position (12+340), an event (12), 50% or a bookmark",
    "stopOnEntry": "stop there (default with a session), or go on to the first breakpoint",
    "stopAtEnd": "stand still at the end, to go back from there (default), or end it all",
    "noDebug": "set no breakpoints, and go to the end",
}
"""What `launch` takes."""

_OF_PROGRAMS = frozenset(
    ("program", "args", "input", "sessionName", "tags", "allow", "deny", "limits", "cwd", "env")
)
ATTACH: dict[str, str] = {
    **{name: text for name, text in LAUNCH.items() if name not in _OF_PROGRAMS},
    "hold": "have a session that runs stand still while it is debugged (default), or only look",
}
"""What `attach` takes."""

_CLIENTS_OWN = frozenset(
    (
        "type", "request", "name", "presentation", "preLaunchTask", "postDebugTask", "debugServer",
        "internalConsoleOptions", "serverReadyAction", "restart", "suppressMultipleSessionWarning",
        "timeout", "console", "windows", "linux", "osx",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """With what a client launched.

    Attributes:
        args: As it was given.
        attached: Whether it attached.
        at: Where to begin; empty for the start, or where a session that runs is now.
        stop_on_entry: Stop there.
        stop_at_end: Stand still at the end.
        no_debug: Without breakpoints.
        hold: Have a session that runs stand still.
    """

    args: Arguments
    attached: bool
    at: str
    stop_on_entry: bool
    stop_at_end: bool
    no_debug: bool
    hold: bool

    @classmethod
    def of(cls, args: Arguments, *, attached: bool) -> Options:
        """Return the options that the arguments of `launch` or `attach` are."""
        # An editor that is to run without debugging shows nothing to go on with: it stops nowhere.
        no_debug = args.flag("noDebug")
        at = args.given.get("at") or ""
        if isinstance(at, int) and not isinstance(at, bool):
            at = str(at)
        if not isinstance(at, str):
            raise Refused(f"{args.command}: at has to be {LAUNCH['at']}", Code.ARGUMENTS)
        stops = not no_debug and not args.has("program")
        return cls(
            args, attached, at, args.flag("stopOnEntry", stops) and not no_debug,
            args.flag("stopAtEnd", True) and not no_debug, no_debug,
            args.flag("hold", True),
        )  # fmt: skip


def initialize(session: DapSession, args: Arguments) -> Body:
    """Get to know the client, and tell what there is."""
    if session.client is not None:
        raise Refused("initialize came before; it comes once", Code.NOT_NOW)
    args.text("adapterID", "")
    session.client = Client.of(args)
    session.progress.shown = session.client.progress
    return capabilities()


def launch(session: DapSession, args: Arguments) -> None:
    """Open a session that ran."""
    _open(session, Options.of(args, attached=False))


def attach(session: DapSession, args: Arguments) -> None:
    """Open a session, in whatever status."""
    _open(session, Options.of(args, attached=True))


def _open(session: DapSession, options: Options) -> None:
    if session.is_open:
        raise Refused("a session is open already; disconnect first", Code.NOT_NOW)
    session.options = options
    _debugger(session, options)
    _warn(session, options.args)

    session.after(lambda: _tell_open(session))


def _tell_open(session: DapSession) -> None:
    debugger = session.debugger
    body: Body = {
        "name": _name_of(debugger.session), "isLocalProcess": True,
        "startMethod": "attach" if session.options.attached else "launch",
    }  # fmt: skip
    host = debugger.live.host if debugger.live is not None else None
    if host is not None:
        body |= {"systemProcessId": host.pid, "isLocalProcess": host.is_near}
    session.connection.event("process", body)
    if debugger.live is None:
        # There is nothing that runs, to be ended or left.
        session.connection.event(
            "capabilities", {"capabilities": dict.fromkeys(OF_WHAT_RUNS, False)}
        )
    session.connection.event("initialized")


def _debugger(session: DapSession, options: Options) -> None:
    args = options.args
    program = args.has("program") and not options.attached
    if program == args.has("session"):
        either = "`session`" if options.attached else "`session` or `program`"
        raise Refused(
            f"{args.command} needs {either}: {LAUNCH['session']}; {LAUNCH['program']}",
            Code.ARGUMENTS,
        )
    folder = Path(args.text("store")) if args.has("store") else None
    if program:
        file = session.who.our_path(args.text("program"))
        details = _of_program(session, args)
    store = session.open_store(folder, program)
    with ExitStack() as unless_opened:
        unless_opened.callback(store.close)
        if program:
            debugger = Debugger.launch(
                file, store=store, on_progress=session.progress.tell, keep_breakpoints=False,
                **details,
            )  # fmt: skip
        else:
            debugger = Debugger.open(
                args.text("session"), store=store, on_progress=session.progress.tell,
                keep_breakpoints=False,
            )  # fmt: skip
        unless_opened.pop_all()
    session.take_up(store, debugger)


def _of_program(session: DapSession, args: Arguments) -> dict[str, Any]:
    env = args.object("env").given
    for name, value in env.items():
        if not isinstance(value, str):
            raise Refused(f"launch: env has a value of {name} that is no text", Code.ARGUMENTS)
    given = values.parse_json(json.dumps(args.given.get("input")), what="launch: input")
    return {
        "args": args.texts("args"), "input": given, "name": args.text("sessionName", ""),
        "tags": args.texts("tags"), "allow": args.texts("allow"), "deny": args.texts("deny"),
        "limits": args.object("limits").given, "env": env,
        "cwd": session.who.our_path(args.text("cwd")) if args.has("cwd") else None,
    }  # fmt: skip


def _warn(session: DapSession, args: Arguments) -> None:
    takes = ATTACH if session.options.attached else LAUNCH
    unknown = [
        name for name in args.given
        if name not in takes and name not in _CLIENTS_OWN and not name.startswith("__")
    ]  # fmt: skip
    if unknown:
        known = ", ".join(takes)
        session.tell(
            f"{args.command} does not know {', '.join(sorted(unknown))}; it takes {known}\n",
            "important",
        )


def _name_of(record: SessionRecord) -> str:
    return f"{record.script or record.name} ({record.id[:8]})"


def configuration_done(session: DapSession, args: Arguments) -> None:
    """Begin: all breakpoints are set."""
    if session.configured:
        raise Refused("configurationDone came before; it comes once", Code.NOT_NOW)
    session.configured = True
    session.after(lambda: _begin(session))


def _begin(session: DapSession) -> None:
    options: Options = session.options
    debugger = session.debugger
    live = debugger.live
    at = options.at
    if live is not None and options.attached:
        if options.hold and live.runs:
            live.pause()
        live.refresh()
        at = at or "end"
    if at and at != "start":
        to_place(debugger, at)
        session.output.skip(debugger.last_event if live else debugger.position.event)
    if options.stop_on_entry:
        session.stopped(debugger.stop, reason="entry")
    else:
        session.move(Debugger.continue_)


def restart(session: DapSession, args: Arguments) -> None:
    """Begin again, with the arguments that are given or those of the launch."""
    before: Options = session.options
    given = args.object("arguments")
    options = before
    if given.given:
        options = Options.of(Arguments(given.command, given.given), attached=before.attached)
    leaves = session.leaving()
    session.close()
    session.options = options
    _debugger(session, options)
    session.output.restart()

    def begin() -> None:
        leaves()
        session.marks.set_again()
        _begin(session)

    session.after(begin)


def terminate(session: DapSession, args: Arguments) -> None:
    """End the debug session; what runs is suspended, a recording is left as it is.

    What was only gone through is left to who runs it: that is how editors leave what they launched.
    """
    live = session.debugger.live
    if live is not None and live.runs:
        live.detach(suspend=live.launched or session.options.attached)
        live.refresh()
        session.tell(f"{live.describe()}\n")
    session.after(session.finish)


def disconnect(session: DapSession, args: Arguments) -> None:
    """Leave; what runs is suspended or runs on, as it is asked for or was before."""
    ends, suspends = args.flag("terminateDebuggee"), args.flag("suspendDebuggee")
    if session.is_open and session.debugger.live is not None:
        suspend = None
        if args.has("terminateDebuggee") or suspends:
            suspend = ends or suspends
        session.debugger.live.detach(suspend=suspend)
    session.over = True


def cancel(session: DapSession, args: Arguments) -> None:
    """Answer a wish to cancel, which was heeded when it came."""
    args.integer("requestId", 0)
    args.text("progressId", "")
