"""Who did what, and who was refused: the audit log of a store."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass

from respell import values
from respell.store.database import Database
from respell.store.queries import Where
from respell.store.sums import row_sum

_KEPT = 100_000
_CUT_EVERY = 1_000
_SHOWN = 500
_LONGEST = 1_000  # characters
_COLUMNS = "id, at, session, actor, action, target, allowed, reason"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One decision.

    Attributes:
        id: Rises with every entry.
        at: When, µs since 1970 UTC.
        session: Id of the session it is about; empty where it is about none.
        actor: Who acted: a session's id, or `cli`, `python`, …
        action: What was done, e.g. `session.delete`.
        target: What it was done to, as people call it.
        allowed: Whether it was allowed, and therefore done.
        reason: Why it was refused, or what else there is to know.
    """

    id: int
    at: int
    session: str
    actor: str
    action: str
    target: str
    allowed: bool
    reason: str


class Audit:
    """The audit log: `store.audit`. It keeps the newest 100,000 entries.

    Attributes:
        enabled: Whether entries are added; those that are there can be read in any case.
    """

    def __init__(
        self, database: Database, clock: Callable[[], int], *, enabled: bool = True
    ) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock
        self.enabled = enabled

    def note(
        self,
        action: str,
        *,
        session: str = "",
        actor: str = "",
        target: str = "",
        allowed: bool = True,
        reason: str = "",
    ) -> None:
        """Add an entry; see `AuditEntry`. Inside a transaction it is part of it.

        Long texts are cut: they may be a script's.
        """
        if not self.enabled:
            return
        texts = [_cut(it) for it in (session, actor, action, target, reason)]
        session, actor, action, target, reason = texts
        row = (self._clock(), session, actor, action, target, int(allowed), reason)
        key = self._database.insert(
            "INSERT INTO audit (at, session, actor, action, target, allowed, reason, sum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, row_sum(*row)),
        )
        if key % _CUT_EVERY == 0:
            self._database.write("DELETE FROM audit WHERE id <= ?", (key - _KEPT,))

    def list(
        self,
        *,
        session: str | None = None,
        refused: bool = False,
        target: str | None = None,
        limit: int = _SHOWN,
    ) -> builtins.list[AuditEntry]:
        """Return the newest entries, oldest of them first.

        Args:
            session: Only those about the session of this id, or in which it acted.
            refused: Only what was refused.
            target: Only what was done to this, e.g. an artifact's id.
            limit: At most so many.
        """
        where = Where()
        if session is not None:
            where.add("(session = ? OR actor = ?)", session, session)
        where.add_given("target = ?", target)
        if refused:
            where.add("NOT allowed")
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY id DESC LIMIT ?",
            [*where.bindings, limit],
        )
        return [_entry(*row) for row in reversed(rows)]


def _entry(key: int, at: int, *words: str | int) -> AuditEntry:
    session, actor, action, target, allowed, reason = words
    return AuditEntry(
        key, at, str(session), str(actor), str(action), str(target), bool(allowed), str(reason)
    )


def _cut(text: str) -> str:
    text = values.unicode(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
