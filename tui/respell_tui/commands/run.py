"""`respell run` and `respell resume`: this process hosts a session until it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from respell.engine import run as engine
from respell.engine.executable import check_resumable
from respell.engine.fork import fork
from respell.engine.policing import OnAlert
from respell.engine.program import Program, read_script
from respell.engine.run import Run, RunResult
from respell.errors import RespellError, SessionBusy, UsageError
from respell.policies.limits import check_limits
from respell.sessions.record import SessionRecord
from respell.sessions.retention import apply_in_passing
from respell.store import Store
from respell.times import now_us
from respell_tui.commands.outcome import tell
from respell_tui.commands.settling import settlements_of
from respell_tui.context import BY, Command, json_option, pair, short
from respell_tui.describe import session_object
from respell_tui.detach import detached
from respell_tui.permission import asker
from respell_tui.printing import Printer
from respell_tui.progress import Progress
from respell_tui.stopping import Stopper


def run(command: Command) -> int:
    """Run a script as a new session."""
    args = command.args
    _ = command.config  # mistakes in it are told before anything is begun
    program = program_from(command)
    limits = limits_of(command)
    if not args.detach:
        return _run_here(command, program, limits)
    made = detached(lambda announce: _run_here(command, program, limits, announce=announce))
    ident = made.announced
    if not ident:
        command.err.line("respell: ", made.error)
        return made.exit_code
    if args.json:
        with command.with_session(ident) as (store, session):
            command.out.json(session_object(store, session))
    else:
        command.out.line(ident)
        command.err.line("it runs in the background; watch it with: ",
                         command.respell("events", ident[:8], "--follow"))  # fmt: skip
    return 0


def program_from(command: Command) -> Program:
    """Return the program that the options of `run` describe."""
    args = command.args
    return Program.from_file(
        args.script,
        args=tuple(args.script_args),
        input=None if args.input is None else json_option(args.input, "--input"),
        allow=tuple(args.allow),
        deny=tuple(args.deny),
    )


def limits_of(command: Command) -> dict[str, Any]:
    """Return the limits given on the command line, checked."""
    given = dict(pair(text, "--limit", "KEY=N") for text in command.args.limit)
    duration = getattr(command.args, "max_duration", None)
    if duration is not None:
        given["max_duration"] = duration
    return check_limits(given, lift=True)


def _alert(command: Command) -> OnAlert:
    """Return what tells a person that a limit is near."""
    return lambda notice: command.err.line(command.err.paint("limit", "yellow"), ": ", notice.words)


def _run_here(
    command: Command,
    program: Program,
    limits: dict[str, Any],
    *,
    announce: Callable[[str], None] | None = None,
) -> int:
    args = command.args
    with command.open_store(create=True) as store, Stopper(command.err) as stopper:
        started = engine.start(
            store,
            program,
            script=args.script,
            name=args.name,
            tags=args.tag,
            limits=limits,
            on_output=Printer(command),
            stdin=None if announce else standard_input(),
            config=command.config,
            ask=asker(command, stopper),
            by=BY,
            on_alert=_alert(command),
        )
        if announce is not None:
            announce(started.session.id)
        command.err.line("session ", started.session.id)
        return host(command, store, started, stopper)


def resume(command: Command) -> int:
    """Go on with a session, or with every session whose timer has come."""
    args = command.args
    if args.due:
        return _resume_due(command)
    if args.id is None:
        raise UsageError("resume needs the ID of a session, or --due")
    value = None if args.value is None else json_option(args.value, "--value")
    limits = limits_of(command)
    with command.with_session(args.id) as (store, session), Stopper(command.err) as stopper:
        if args.script is not None:
            session = _with_script(command, store, session, Path(args.script))
        if args.value is not None:
            _check_waits(store, session)
        progress = Progress(command.err, "re-executing")
        resumed = engine.resume(
            store,
            session,
            value=value,
            settlements=settlements_of(command, store, session),
            limits=limits,
            on_output=Printer(command),
            stdin=standard_input(),
            on_progress=progress,
            config=command.config,
            by=BY,
            ask=asker(command, stopper),
            on_alert=_alert(command),
        )
        command.err.line("session ", session.id)
        return host(command, store, resumed, stopper)


def _with_script(
    command: Command, store: Store, session: SessionRecord, script: Path
) -> SessionRecord:
    source = read_script(script)
    check_resumable(session)
    made = fork(
        store, session, at=str(session.events), source=source, script=str(script),
        created_by=BY, config=command.config,
    )  # fmt: skip
    command.err.line(f"forked {short(session)} after event {session.events}")
    return made


def _check_waits(store: Store, session: SessionRecord) -> None:
    """Refuse a value that nothing in the script would get."""
    check_resumable(session)
    opened = store.history.open_effects(session.key)
    if not any(one.name == "session.suspend" for one in opened):
        raise UsageError(
            f"session {short(session)} does not wait for a value: resume it without --value"
        )


def _resume_due(command: Command) -> int:
    args = command.args
    if args.id is not None or any((args.value, args.script, args.retry, args.outcome, args.fail)):
        raise UsageError("--due resumes all sessions whose timer has come; it takes no ID or value")
    limits = limits_of(command)
    worst = 0
    ended: list[dict[str, Any]] = []
    with command.open_store() as store, Stopper(command.err) as stopper:
        for key in store.history.sessions_due(now_us()):
            if stopper.asked:
                break
            if store.leases.holder(key) is not None:
                continue
            session = store.sessions.get(key)
            command.err.line("session ", session.id)
            code = _resume_one(command, store, session, limits, stopper)
            worst = worst or code
            ended.append(session_object(store, store.sessions.get(key)))
        if not ended:
            command.err.line("no session's timer has come")
    if args.json:
        command.out.json(ended)
    return worst


def _resume_one(
    command: Command, store: Store, session: SessionRecord, limits: dict[str, Any], stop: Stopper
) -> int:
    """Resume one of several: what is wrong with it must not keep the others waiting."""
    try:
        resumed = engine.resume(
            store, session, limits=limits, on_output=Printer(command), config=command.config,
            by=BY, on_alert=_alert(command),
        )  # fmt: skip
        with stop.holding(resumed):
            result = resumed.go()
    except SessionBusy as error:
        command.err.line(str(error))
        return 0
    except RespellError as error:
        command.err.line("respell: ", str(error))
        return error.exit_code
    tell(command, store, result)
    return result.exit_code


def host(command: Command, store: Store, held: Run, stopper: Stopper) -> int:
    """Run a held session to its end, say how it ended, and return the exit code."""
    try:
        with stopper.holding(held):
            result: RunResult = held.go()
    except RespellError:
        if command.args.json:
            command.out.json(session_object(store, store.sessions.get(held.session.key)))
        raise
    tell(command, store, result)
    if command.args.json:
        command.out.json(session_object(store, result.session))
    _tidy(command, store)
    return result.exit_code


def _tidy(command: Command, store: Store) -> None:
    """Archive and delete old sessions; what the script came to is said already, and stands."""
    try:
        apply_in_passing(store, command.config)
    except RespellError as error:
        command.err.line("respell: old sessions were not tidied up: ", str(error))


def standard_input() -> BinaryIO | None:
    """Return what the script reads with `io.read`; None where there is no input."""
    return None if sys.stdin is None else sys.stdin.buffer
