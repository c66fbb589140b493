"""`respell audit`: who did what, and what was refused."""

from __future__ import annotations

from typing import Any

from respell.errors import SessionNotFound, UsageError
from respell.store import AuditEntry, Store
from respell.times import now_us, rfc3339
from respell_tui.context import Command
from respell_tui.describe import age
from respell_tui.output import Column, table

_ALL = 100_000
_PREFIX = 4  # characters of an id that are enough

_COLUMNS = (
    Column("age", right=True),
    Column(""),
    Column("session", leave=2),
    Column("what", least=12),
    Column("by", least=8, leave=1),
    Column("to", least=10),
    Column("why", least=16),
)


def audit(command: Command) -> int:
    """Show the newest entries of the audit log, oldest of them first."""
    args = command.args
    if args.limit < 1:
        raise UsageError(f"--limit {args.limit}: give 1 or more")
    with command.open_store() as store:
        # A session that was deleted has no name any more, only the id that the log knows.
        session = None if args.id is None else _session_id(store, args.id)
        found = store.audit.list(session=session, refused=args.refused, limit=args.limit)
    if args.json:
        command.out.json([_json(one) for one in found])
    elif found:
        _table(command, found)
    else:
        command.err.line("nothing was audited" + (" of that" if args.id or args.refused else ""))
    return 0


def _session_id(store: Store, ident: str) -> str:
    try:
        return store.sessions.find(ident).id
    except SessionNotFound:
        known = {one.session for one in store.audit.list(limit=_ALL)}
        gone = [one for one in known if len(ident) >= _PREFIX and one.startswith(ident)]
        if len(gone) != 1:
            raise
        return gone[0]


def _table(command: Command, found: list[AuditEntry]) -> None:
    out, now = command.out, now_us()
    rows = [
        [
            age(one.at, now) if out.is_terminal else rfc3339(one.at),
            out.paint("allowed") if one.allowed else out.paint("refused", "red"),
            one.session[:8] if out.is_terminal else one.session,
            one.action,
            _actor(one.actor) if out.is_terminal else one.actor,
            one.target,
            one.reason,
        ]
        for one in found
    ]
    table(out, _COLUMNS, rows)


def _actor(actor: str) -> str:
    return actor[:8] if actor.count("-") == 4 else actor


def _json(one: AuditEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(one.at),
        "session_id": one.session or None,
        "actor": one.actor,
        "action": one.action,
        "target": one.target,
        "allowed": one.allowed,
        "reason": one.reason or None,
    }
