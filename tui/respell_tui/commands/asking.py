"""`respell suspend`, `pause` and `unpause`: requests to the process that runs a session."""

from __future__ import annotations

import time

from respell.errors import InvalidTransition, UsageError
from respell.sessions.pausing import ask_host, check_pausing
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.context import BY, Command, short

_LOOK_S = 0.05
NOT_YET = 1


def suspend(command: Command) -> int:
    """Ask for a suspend; with `--wait`, stay until it has happened."""
    wait = command.args.wait
    if wait is not None and not wait >= 0:
        raise UsageError(f"--wait {wait}: give seconds, 0 or more")
    with command.with_session(command.args.id) as (store, session):
        _ask(command, store, session, "suspend")
        if wait is None:
            command.err.line(f"asked session {short(session)} to suspend at its next effect")
            return 0
        return _wait(command, store, session, wait)


def pause(command: Command) -> int:
    """Ask for a pause: the session stays where it is and keeps its host."""
    return _just_ask(command, "pause", "to pause; go on with: " + _again(command, "unpause"))


def unpause(command: Command) -> int:
    """Ask a paused session to go on."""
    return _just_ask(command, "unpause", "to go on")


def _just_ask(command: Command, kind: str, what: str) -> int:
    with command.with_session(command.args.id) as (store, session):
        _ask(command, store, session, kind)
        command.err.line(f"asked session {short(session)} {what}")
    return 0


def _again(command: Command, verb: str) -> str:
    return command.respell(verb, command.args.id)


def _ask(command: Command, store: Store, session: SessionRecord, kind: str) -> None:
    if store.leases.holder(session.key) is None:
        raise InvalidTransition(
            f"session {short(session)} {_why_nobody(command, session)}",
            current=session.status, wanted=kind,
        )  # fmt: skip
    if kind != "suspend":
        check_pausing(store, session, kind)
    ask_host(store, session, kind, by=BY)


def _why_nobody(command: Command, session: SessionRecord) -> str:
    """Say why there is no process to ask, and what can be done."""
    go_on = command.respell("resume", short(session))
    if session.status == "suspended":
        return f"is suspended already; it goes on with: {go_on}"
    if session.status != "active":
        return f"is {session.status}: there is nothing left to stop"
    if session.has_program:
        return f"was interrupted, no process runs it; it goes on with: {go_on}"
    return "has no program of its own; the script that created it suspends it"


def _wait(command: Command, store: Store, session: SessionRecord, seconds: float) -> int:
    until = time.monotonic() + seconds
    while store.leases.holder(session.key) is not None:
        if time.monotonic() >= until:
            command.err.line(f"session {short(session)} still runs after {seconds:g} s; "
                             "it will suspend as soon as it can")  # fmt: skip
            return NOT_YET
        time.sleep(_LOOK_S)
    now = store.sessions.get(session.key)
    command.err.line(f"session {short(session)} is {now.status}")
    return 0
