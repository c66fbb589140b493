"""`respell limits`: what a session may use and has used, and other limits for it."""

from __future__ import annotations

from typing import Any

from respell.policies.limits import LIMITS, RATE, shown, table_of_rates, written
from respell.sessions.limiting import set_limits
from respell.sessions.record import SessionRecord
from respell_tui.commands.run import limits_of
from respell_tui.context import BY, Command, short
from respell_tui.output import Column, table

_USED = {"max_duration": "active_s"}


def limits(command: Command) -> int:
    """Set limits anew where some are given; otherwise show them."""
    with command.with_session(command.args.id) as (store, session):
        wanted = limits_of(command)
        if wanted:
            asked = set_limits(store, session, wanted, by=BY)
            what = "asked its host for" if asked else "set"
            words = ", ".join(shown(written(wanted)))
            command.err.line(f"session {short(session)}: {what} {words}")
            return 0
        if command.args.json:
            command.out.json({"limits": session.limits, "used": _used(session)})
        else:
            _show(command, session)
    return 0


def _used(session: SessionRecord) -> dict[str, Any]:
    used = {"artifacts": session.artifacts, **session.usage}
    found = {name: used.get(_USED.get(name, name)) for name in LIMITS}
    return {name: amount for name, amount in found.items() if amount is not None}


def _show(command: Command, session: SessionRecord) -> None:
    used, limits = _used(session), session.limits
    rows = [
        (name, _number(used.get(name)), _number(limits.get(name)))
        for name in LIMITS
        if name in limits or used.get(name)
    ]
    rows += [(f"{RATE}.{name}", "", rate) for name, rate in table_of_rates(limits).items()]
    table(command.out, [Column("limit"), Column("used"), Column("most")], rows)


def _number(amount: Any) -> str:
    return "" if amount is None else f"{amount:.10g}"
