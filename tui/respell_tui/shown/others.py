"""Other sessions that one may be compared with, the nearest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from respell.sessions.record import SessionQuery, SessionRecord
from respell.store import Store
from respell_tui.icons import Icons
from respell_tui.paint import Line, cell
from respell_tui.text import fit, width

MOST = 300
"""So many are offered, the newest."""

_NAME = 20


@dataclass(frozen=True, slots=True)
class Other:
    """One of them.

    Attributes:
        record: The session.
        kin: What it is to the one that it is compared with: original, fork, same script; or empty.
    """

    record: SessionRecord
    kin: str = ""


_ORDER = ("original", "fork", "same script", "")


def read_others(store: Store, session: SessionRecord) -> Sequence[Other]:
    """Return what a session may be compared with: its kin first, then the newest ones.

    Args:
        store: Where they are.
        session: The session.
    """
    found = [
        Other(one, _kin(one, session))
        for one in store.sessions.list(SessionQuery(limit=MOST))
        if one.id != session.id and one.events
    ]
    known = {one.record.id for one in found}
    if session.forked_from and session.forked_from not in known:
        found += [Other(one, "original") for one in store.sessions.list(SessionQuery())
                  if one.id == session.forked_from]  # fmt: skip
    return sorted(found, key=lambda one: _ORDER.index(one.kin))


def _kin(one: SessionRecord, session: SessionRecord) -> str:
    if one.id == session.forked_from:
        return "original"
    if one.forked_from == session.id:
        return "fork"
    same = session.script is not None and one.script == session.script
    return "same script" if same else ""


def other_line(one: Other, icons: Icons) -> Line:
    """Return one in one line.

    Args:
        one: The session.
        icons: The signs.
    """
    record = one.record
    name = fit(cell(record.name), _NAME)
    sign = str(getattr(icons, record.status, icons.active))
    return [
        (f"{sign} ", "dim"), (f"{record.id[:8]}  ", "dim"), (name, "strong"),
        (" " * (_NAME - width(name)), ""), (f"  {record.status:<10}", ""),
        (f"{record.events:>6,} events", "dim"), (f"  {one.kin}" if one.kin else "", "accent"),
    ]  # fmt: skip
