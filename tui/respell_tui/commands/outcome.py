"""How a run ended, and what can be done next: words for standard error."""

from __future__ import annotations

from respell import values
from respell.engine.run import RunResult
from respell.store import Store
from respell_tui.context import Command, short
from respell_tui.describe import count, doubts, seconds


def tell(command: Command, store: Store, result: RunResult) -> None:
    """Say how a run ended and what the next step is."""
    if result.ended.status == "completed":
        _completed(command, result)
    elif result.ended.status == "failed":
        _failed(command, result)
    else:
        _suspended(command, store, result)


def _completed(command: Command, result: RunResult) -> None:
    err, session = command.err, result.session
    took = seconds(float(session.usage.get("active_s", 0.0)))
    err.line(err.paint("completed", "green"), f": {count(session.events, 'event')} in {took}")


def _failed(command: Command, result: RunResult) -> None:
    err, session = command.err, result.session
    error = session.error or {}
    err.line(err.paint("failed", "red"), ": ", str(error.get("message") or result.ended.message))
    if traceback := str(error.get("traceback") or "").strip("\n"):
        err.line(traceback)
    err.line("its history: ", command.respell("events", short(session)))


def _suspended(command: Command, store: Store, result: RunResult) -> None:
    err, session, ended = command.err, result.session, result.ended
    word = err.paint("suspended", "yellow")
    if ended.reason in ("limit", "worker"):
        err.line(word, ": ", ended.message)  # says itself how to go on
        return
    in_doubt = doubts(store, session)
    if in_doubt:
        err.line(word, f": {count(len(in_doubt), 'effect')} under way had no outcome yet:")
        for one in in_doubt:
            err.line(f"  event {one['number']}: {one['name']} ", values.json_line(one["args"]))
        number = str(in_doubt[0]["number"])
        err.line("perform it again: ", command.respell("resume", short(session), "--retry", number))
        err.line("or give its outcome with --outcome N=JSON, or --fail N=REASON")
        return
    if session.waiting_for is None:
        err.line(word, f": after event {session.events} - resume it with: ",
                 command.respell("resume", short(session)))  # fmt: skip
        return
    prompt = str(session.waiting_for.get("prompt") or "it waits for a value")
    err.line(word, ": ", prompt, " - resume it with: ",
             command.respell("resume", short(session), "--value", "JSON"))  # fmt: skip
    if schema := session.waiting_for.get("schema"):
        err.line("a value of this schema: ", values.json_line(schema))
