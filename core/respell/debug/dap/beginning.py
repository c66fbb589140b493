"""Requests that begin and end: what is debugged, from where, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respell.debug.dap.client import Client
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.requests import capabilities
from respell.debug.dap.travelling import to_place
from respell.debug.debugger import Debugger

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession
    from respell.sessions.record import SessionRecord

LAUNCH: dict[str, str] = {
    "session": "the session to go through: an id, a unique prefix, a unique name, or @last",
    "store": "the folder of the store; without, the one `respell dap` was started for",
    "at": "where to begin: start, end, a position (12+340), an event (12), 50% or a bookmark",
    "stopOnEntry": "stop there (default), or go on to the first breakpoint",
    "stopAtEnd": "stand still at the end, to go back from there (default), or end it all",
    "noDebug": "set no breakpoints, and go to the end",
}
"""What `launch` and `attach` take."""

_CLIENTS_OWN = frozenset(
    (
        "type", "request", "name", "presentation", "preLaunchTask", "postDebugTask", "debugServer",
        "internalConsoleOptions", "serverReadyAction", "restart", "suppressMultipleSessionWarning",
        "timeout", "cwd", "env", "console", "windows", "linux", "osx",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """With what a client launched.

    Attributes:
        args: As it was given.
        attached: Whether it attached.
        at: Where to begin.
        stop_on_entry: Stop there.
        stop_at_end: Stand still at the end.
        no_debug: Without breakpoints.
    """

    args: Arguments
    attached: bool
    at: str
    stop_on_entry: bool
    stop_at_end: bool
    no_debug: bool

    @classmethod
    def of(cls, args: Arguments, *, attached: bool) -> Options:
        """Return the options that the arguments of `launch` or `attach` are."""
        no_debug = args.flag("noDebug")
        at = args.given.get("at", "start")
        if isinstance(at, int) and not isinstance(at, bool):
            at = str(at)
        if not isinstance(at, str):
            raise Refused(f"{args.command}: at has to be {LAUNCH['at']}", Code.ARGUMENTS)
        return cls(
            args, attached, at, args.flag("stopOnEntry", not no_debug),
            args.flag("stopAtEnd", not no_debug), no_debug,
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

    def begin() -> None:
        record = session.debugger.session
        session.connection.event(
            "process",
            {"name": _name_of(record), "isLocalProcess": True,
             "startMethod": "attach" if options.attached else "launch"},
        )  # fmt: skip
        session.connection.event("initialized")

    session.after(begin)


def _debugger(session: DapSession, options: Options) -> None:
    args = options.args
    if not args.has("session"):
        raise Refused(
            f"{args.command} needs `session`: {LAUNCH['session']}. `respell run SCRIPT` makes one",
            Code.ARGUMENTS,
        )
    folder = Path(args.text("store")) if args.has("store") else None
    store = session.open_store(folder)
    try:
        debugger = Debugger.open(
            args.text("session"), store=store, on_progress=session.progress.tell,
            keep_breakpoints=False,
        )  # fmt: skip
    except BaseException:
        store.close()
        raise
    session.take_up(store, debugger)


def _warn(session: DapSession, args: Arguments) -> None:
    unknown = [
        name for name in args.given
        if name not in LAUNCH and name not in _CLIENTS_OWN and not name.startswith("__")
    ]  # fmt: skip
    if unknown:
        known = ", ".join(LAUNCH)
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
    try:
        if options.at != "start":
            to_place(debugger, options.at)
            session.output.skip(debugger.position.event)
    finally:
        if options.stop_on_entry:
            session.stopped(debugger.stop, reason="entry")
    if not options.stop_on_entry:
        session.move(Debugger.continue_)


def restart(session: DapSession, args: Arguments) -> None:
    """Begin again, with the arguments that are given or those of the launch."""
    before: Options = session.options
    given = args.object("arguments")
    options = before
    if given.given:
        options = Options.of(Arguments(given.command, given.given), attached=before.attached)
    session.close()
    session.options = options
    _debugger(session, options)
    session.output.restart()

    def begin() -> None:
        session.marks.set_again()
        _begin(session)

    session.after(begin)


def terminate(session: DapSession, args: Arguments) -> None:
    """End the debug session; a recording is left as it is."""
    session.after(session.finish)


def disconnect(session: DapSession, args: Arguments) -> None:
    """Leave."""
    args.flag("terminateDebuggee")
    args.flag("suspendDebuggee")
    session.over = True


def cancel(session: DapSession, args: Arguments) -> None:
    """Answer a wish to cancel, which was heeded when it came."""
    args.integer("requestId", 0)
    args.text("progressId", "")


def unsupported(session: DapSession, args: Arguments) -> Any:
    """Refuse what there is nothing to do for."""
    raise Refused(f"{args.command} is not possible here: Lua scripts have no such thing")
