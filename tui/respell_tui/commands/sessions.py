"""`respell list` and `respell show`."""

from __future__ import annotations

import shlex
from typing import Any

from respell import values
from respell.errors import SessionNotFound, StoreMissing, UsageError
from respell.history.events import events
from respell.history.record import Part, Record
from respell.policies.limits import shown
from respell.sessions.lifecycle import ACTIVE, STATUSES, is_status
from respell.sessions.record import SessionQuery, SessionRecord
from respell.store import Store
from respell.times import now_us, rfc3339
from respell_tui.context import Command, short
from respell_tui.describe import (
    STATES,
    age,
    bytes_,
    count,
    dollars,
    doubts,
    remark,
    seconds,
    session_object,
    state_word,
    style_of,
)
from respell_tui.output import Column, fields, table
from respell_tui.printing import Printer

_COLUMNS = (
    Column("id"),
    Column("name", least=12),
    Column("status"),
    Column("events", right=True, leave=2),
    Column("artifacts", right=True, leave=1),
    Column("changed", right=True),
    Column("", least=12),
)


def list_(command: Command) -> int:
    """List sessions."""
    args = command.args
    state = _wanted_state(args.status)
    query = SessionQuery(
        status=ACTIVE if state in STATES else state,
        tags=tuple(args.tag),
        text=args.text,
        sort=args.sort,
        limit=None if state in STATES else args.limit,
    )
    if args.limit is not None and args.limit < 1:
        raise UsageError(f"--limit {args.limit}: give 1 or more")
    try:
        store = command.open_store()
    except StoreMissing:
        if command.chosen_store():
            raise
        return _list_nothing(command)  # nothing ever ran on this machine
    with store:
        live = store.leases.live()
        sessions = store.sessions.list(query)
        if state in STATES:
            words = ((it, state_word(store, it, it.key in live)) for it in sessions)
            sessions = [it for it, word in words if word == state][: args.limit]
        if args.json:
            command.out.json([session_object(store, s, running=s.key in live) for s in sessions])
        elif sessions:
            _table(command, store, sessions)
        else:
            return _list_nothing(command)
    return 0


def _wanted_state(text: str | None) -> str | None:
    """Return a status, or another word that the status column shows.

    Raises:
        UsageError: There is no such word; names those there are.
    """
    word = None if text is None else text.lower()
    if word is None or word in STATES or is_status(word):
        return word
    raise UsageError(
        f"--status {text!r}: choose one of {', '.join((*STATUSES, *STATES))}"
    )  # fmt: skip


def _list_nothing(command: Command) -> int:
    args = command.args
    if args.json:
        command.out.json([])
    elif args.status or args.tag or args.text:
        command.err.line("no session is like that")
    else:
        command.err.line("no sessions yet; start one with: ", command.respell("run", "SCRIPT"))
    return 0


def _table(command: Command, store: Store, sessions: list[SessionRecord]) -> None:
    out, live, now = command.out, store.leases.live(), now_us()
    rows = []
    for session in sessions:
        word = state_word(store, session, session.key in live)
        if out.is_terminal:
            rows.append([
                short(session), session.name, out.paint(word, *style_of(word)),
                str(session.events), str(session.artifacts), age(session.updated_at, now),
                remark(session),
            ])  # fmt: skip
        else:
            rows.append([
                session.id, session.name, word, str(session.events), str(session.artifacts),
                rfc3339(session.updated_at), remark(session),
            ])  # fmt: skip
    table(out, _COLUMNS, rows)


def show(command: Command) -> int:
    """Show one session, or all its output."""
    args = command.args
    if args.json and args.output:
        raise UsageError("--output is text; events --kind output --json gives it as JSON Lines")
    with command.with_session(args.id) as (store, session):
        if args.output:
            _show_output(command, store, session)
        elif args.json:
            command.out.json(session_object(store, session))
        else:
            _show(command, store, session)
    return 0


def _show_output(command: Command, store: Store, session: SessionRecord) -> None:
    show_ = Printer(command, live=False)
    for _, body in store.history.records(session.key):
        record = Record.unpack(body)
        if record.part is Part.EFFECT and record.name.startswith(("output.", "log.")):
            text = record.arguments().get("text", "")
            data = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
            show_(record.name, data)
            if command.out.closed:
                return


def _show(command: Command, store: Store, session: SessionRecord) -> None:
    out, now = command.out, now_us()
    holder = store.leases.holder(session.key)
    word = state_word(store, session, holder is not None)
    usage = session.usage
    in_doubt = [] if holder else doubts(store, session)
    status = out.paint(word, *style_of(word))
    fields(out, [
        ("id", session.id),
        ("name", session.name),
        ("description", session.description),
        ("status", status),
        ("because", "\n".join(_why(store, session))),
        ("redacted", "it can be viewed and compared, not resumed" if session.redacted else ""),
        ("run by", str(holder) if holder else ""),
        ("script", session.script or "none: it belongs to the script that created it"),
        ("arguments", shlex.join(session.args)),
        ("input", "" if session.input is None else values.json_line(session.input)),
        ("tags", ", ".join(session.tags)),
        ("metadata", values.json_line(session.metadata) if session.metadata else ""),
        ("created by", _creator(store, session)),
        ("parent", session.parent_session_id or ""),
        ("fork of", f"{session.forked_from} at {session.forked_at}" if session.forked_from else ""),
        ("created", _when(session.created_at, now)),
        ("changed", _when(session.updated_at, now)),
        ("ended", "" if session.ended_at is None else _when(session.ended_at, now)),
        ("events", str(session.events)),
        ("artifacts", str(session.artifacts)),
        ("used", f"{count(usage['operations'], 'operation')}, {seconds(usage['active_s'])} active, "
                 f"{bytes_(usage['artifact_bytes'])} of artifacts, "
                 f"{count(usage['tokens'], 'token')}, "
                 f"{dollars(usage['cost_usd'])}"),
        ("limits", ", ".join(shown(session.limits))),
        ("waits for", _waits_for(session)),
        ("error", _error(session)),
        ("in doubt", "\n".join(
            f"event {one['number']}: {one['name']} {values.json_line(one['args'])}"
            for one in in_doubt)),
        # Painted, so that what is to be copied stays in one line.
        ("next", out.paint(_next_step(command, store, session, word, in_doubt))),
        ("or", "" if not in_doubt else "with --outcome {0}=JSON or --fail {0}=REASON in place of "
               "--retry {0}".format(in_doubt[0]["number"])),
    ])  # fmt: skip


def _creator(store: Store, session: SessionRecord) -> str:
    """Return who created a session; a script is told by its session."""
    creator = session.created_by or ""
    try:
        return f"session {creator}  ({store.sessions.get(creator).name})" if creator else ""
    except SessionNotFound:
        return creator


def _when(at: int, now: int) -> str:
    ago = age(at, now)
    return f"{rfc3339(at)}  ({ago if ago == 'now' else ago + ' ago'})"


def _waits_for(session: SessionRecord) -> str:
    waiting = session.waiting_for
    if waiting is None:
        return ""
    text = str(waiting.get("prompt") or "a value")
    if schema := waiting.get("schema"):
        text += "\n" + values.json_line(schema)
    return text


def _error(session: SessionRecord) -> str:
    if session.error is None:
        return ""
    parts = [str(session.error.get(key) or "").strip("\n") for key in ("message", "traceback")]
    return "\n".join(part for part in parts if part)


_WHY = {
    "asked": "somebody asked it to stop",
    "limit": "it reached the limit {limit}",
    "worker": "its Lua process ended",
}


def _why(store: Store, session: SessionRecord) -> list[str]:
    """Return why a session with a program is suspended, where that is not plain to see."""
    if session.status != "suspended" or not session.has_program:
        return []
    args = _last_suspend(store, session)
    why = [_WHY[args["reason"]].format(**args)] if args.get("reason") in _WHY else []
    timers = [it.due for it in store.history.open_effects(session.key) if it.due is not None]
    if timers:
        why.append(f"it sleeps until {rfc3339(min(timers))}; `respell resume --due` minds the time")
    return why


def _last_suspend(store: Store, session: SessionRecord) -> dict[str, Any]:
    """Return the arguments of the last event, if that is a suspend."""
    for one in events(store, session.key, session.events):
        if one.name == "lifecycle.suspend":
            return {str(key): value for key, value in one.args.items()}
    return {}


def _next_step(
    command: Command, store: Store, session: SessionRecord, word: str, in_doubt: list[Any]
) -> str:
    ident = short(session)
    if session.redacted:
        return command.respell("events", ident)
    match word:
        case "paused":
            return command.respell("unpause", ident)
        case "running":
            return command.respell("events", ident, "--follow")
        case "interrupted" | "suspended" if in_doubt:
            number = str(in_doubt[0]["number"])
            return command.respell("resume", ident, "--retry", number)
        case "interrupted":
            return command.respell("resume", ident)
        case "suspended" if session.has_program and session.waiting_for is not None:
            return command.respell("resume", ident, "--value", "JSON")
        case "suspended" if session.has_program:
            limit = _last_suspend(store, session).get("limit")
            more = ("--limit", f"{limit}=N") if limit else ()
            return command.respell("resume", ident, *more)
        case "failed" | "completed" if session.has_program:
            return command.respell("replay", ident)
    return ""
