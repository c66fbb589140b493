"""`respell replay`, `fork` and `diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from respell import values
from respell.artifacts.comparing import diff_text
from respell.artifacts.record import ArtifactQuery
from respell.engine import fork as forking
from respell.engine import run as engine
from respell.engine.program import read_script
from respell.engine.replay import Mode, ReplayResult
from respell.engine.replay import replay as re_execute
from respell.errors import UsageError
from respell.history.diff import diff as compare
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.commands.run import host, standard_input
from respell_tui.context import BY, Command, event_number, json_option, pair, short
from respell_tui.describe import count, seconds, session_object
from respell_tui.differences import show_difference, show_side
from respell_tui.permission import asker
from respell_tui.printing import Printer
from respell_tui.progress import Progress
from respell_tui.stopping import Stopper

IDENTICAL, DIFFERENT = 0, 4


def replay(command: Command) -> int:
    """Re-execute a session and say whether it is identical."""
    args = command.args
    edits: dict[int, Any] = {}
    for text in args.set:
        number, json = pair(text, "--set", "N=JSON")
        edits[event_number(number, "--set")] = json_option(json, f"--set {number}")
    mode: Mode = args.mode or ("modified" if edits else "exact")
    if mode == "modified" and not edits:
        raise UsageError("--mode modified needs what to modify: --set N=JSON")
    with command.with_session(args.id) as (store, session):
        with Progress(command.err, "re-executing") as progress:
            result = re_execute(
                store,
                session,
                on_progress=progress,
                mode=mode,
                edits=edits,
                source=None if args.script is None else read_script(Path(args.script)),
                script=args.script,
                first=None if args.first is None else event_number(args.first, "--from"),
                last=None if args.last is None else event_number(args.last, "--to"),
                check_hooks=args.hooks,
                by=BY,
            )
        if args.json:
            command.out.json(result.to_json())
        else:
            _say(command, result)
            _say_hooks(command, result)
            if result.divergence is not None:
                _suggest_fork(command, session, result.divergence)
    return IDENTICAL if result.identical and not result.hook_differences else DIFFERENT


def _say_hooks(command: Command, result: ReplayResult) -> None:
    if result.hooks_checked is None:
        return
    out = command.out
    out.line(f"hooks: {count(result.hooks_checked, 'call')} of replayable hooks compared")
    for one in result.hook_differences:
        found = "no such hook any more" if one.found is None else values.json_line(one.found)
        what = f"  event {one.event}: {one.hook} at {one.point}"
        out.line(out.paint("different", "red"), what)
        out.line(f"    then: {values.json_line(one.expected)}")
        out.line(f"    now:  {found}")


def _suggest_fork(command: Command, session: SessionRecord, divergence: dict[str, Any]) -> None:
    edits: list[str] = command.args.set
    if len(edits) == 1:
        number, _, outcome = edits[0].partition("=")
        words = ("--at", number, "--outcome", outcome, "--run")
        command.err.line("go on from there, as a fork: ",
                         command.respell("fork", short(session), *words))  # fmt: skip
    elif not edits:
        at = str(max(1, int(divergence.get("event") or 1) - 1))
        script = ("--script", command.args.script) if command.args.script else ()
        command.err.line("a fork from just before: ",
                         command.respell("fork", short(session), "--at", at, *script))  # fmt: skip


def _say(command: Command, result: ReplayResult) -> None:
    out = command.out
    done = f"{count(result.events_replayed, 'event')} in {seconds(result.total_duration_s)}"
    if result.hooks_replayed:
        done += f", {count(result.hooks_replayed, 'hook call')}"
    if result.identical:
        out.line(out.paint("identical", "green"), f": {done}; nothing outside was touched")
        return
    found = result.divergence
    if found is None:
        out.line(out.paint("different", "red"), f": {done}; the output is not what was recorded")
        return
    place = f" ({found['source']}:{found['line']})" if found.get("source") else ""
    out.line(out.paint("divergence", "red"), f" at event {found['event']}{place} after {done}")
    for line in str(found.get("diff") or "").split("\n"):
        style = {"-": ["red"], "+": ["green"]}.get(line[:1], [])
        out.line(out.paint(line, *style))


def fork(command: Command) -> int:
    """Start a new session from a position of another."""
    args = command.args
    variables = {}
    for text in args.var:
        name, json = pair(text, "--var", "NAME=JSON")
        variables[name] = json_option(json, f"--var {name}")
    outcome: Any = forking.UNSET
    if args.outcome is not None:
        outcome = json_option(args.outcome, "--outcome")
    with command.with_session(args.id) as (store, session):
        made = forking.fork(
            store,
            session,
            at=args.at,
            outcome=outcome,
            variables=variables,
            source=None if args.script is None else read_script(Path(args.script)),
            script=args.script,
            name=args.name,
            created_by=BY,
            config=command.config,
        )
        command.err.line(
            f"forked {short(session)} at event {args.at}; what the original did outside the store "
            "(files, network) is not rolled back"
        )
        if args.run:
            return _run(command, store, made.key)
        if args.json:
            command.out.json(session_object(store, made))
        else:
            command.out.line(made.id)
            command.err.line("it is suspended; run it with: ",
                             command.respell("resume", short(made)))  # fmt: skip
    return 0


def _run(command: Command, store: Store, key: int) -> int:
    made = store.sessions.get(key)
    command.err.line("session ", made.id)
    with Stopper(command.err) as stopper:
        resumed = engine.resume(
            store, made, on_output=Printer(command), stdin=standard_input(),
            config=command.config, by=BY, ask=asker(command, stopper),
        )  # fmt: skip
        return host(command, store, resumed, stopper)


def diff(command: Command) -> int:
    """Compare two sessions."""
    args = command.args
    with command.with_session(args.a) as (store, a):
        b = store.sessions.find(args.b)
        if args.artifact is not None:
            return _diff_artifact(command, store, a, b)
        found = compare(store, a, b, exact=args.exact)
        if args.json:
            command.out.json(found.to_json(a.id, b.id))
        else:
            show_difference(command.out, found, short(a), short(b))
    return IDENTICAL if found.identical else DIFFERENT


def _diff_artifact(command: Command, store: Store, a: SessionRecord, b: SessionRecord) -> int:
    name = command.args.artifact
    sides = []
    for session in (a, b):
        query = ArtifactQuery(session_id=session.id, name=name)
        found = store.artifacts.list(query)
        if not found:
            raise UsageError(f"session {short(session)} has no artifact {name}")
        sides.append(max(found, key=lambda one: one.version))
    lines = diff_text(store, *sides)
    if command.args.json:
        command.out.json({"artifact": name, "diff": lines})
    else:
        for line in lines:
            show_side(command.out, line[:1], line[1:])
    return DIFFERENT if lines else IDENTICAL
