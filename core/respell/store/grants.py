"""What sessions let others do with what is theirs: the rows. `respell.access` has the rules."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence

from respell.access import Grant
from respell.store.database import Database, Row
from respell.store.queries import Where
from respell.store.sums import row_sum

_COLUMNS = (
    "g.session, s.id, g.kind, g.target, g.grantee, g.level, g.expires_at, g.granted_by,"
    " g.granted_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM grants AS g JOIN sessions AS s ON s.key = g.session"
_PUT = (
    "INSERT INTO grants (session, kind, target, grantee, level, expires_at, granted_by,"
    " granted_at, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (session, kind, target, grantee) DO UPDATE SET level = excluded.level,"
    " expires_at = excluded.expires_at, granted_by = excluded.granted_by,"
    " granted_at = excluded.granted_at, sum = excluded.sum"
)
_ONE = "session = ? AND kind = ? AND target = ?"


class Grants:
    """Rows of grants: `store.grants`. Nothing is decided here."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def put(self, grant: Grant) -> None:
        """Add a grant; one of the same thing to the same session is replaced."""
        row = (
            grant.owner_key, grant.kind, grant.target, grant.grantee, grant.level,
            grant.expires_at, grant.granted_by, grant.granted_at or self._clock(),
        )  # fmt: skip
        self._database.write(_PUT, (*row, row_sum(*row)))

    def remove(self, owner: int, kind: str, target: str, grantee: str) -> bool:
        """Take a grant back and return whether there was one."""
        sql = f"DELETE FROM grants WHERE {_ONE} AND grantee = ?"
        return self._database.write(sql, (owner, kind, target, grantee)) > 0

    def of(self, owner: int, kind: str, target: str) -> builtins.list[Grant]:
        """Return all grants of one thing, expired ones too, oldest first."""
        sql = f"{_SELECT} WHERE {_ONE} ORDER BY g.granted_at, g.id"
        return _records(self._database.rows(sql, (owner, kind, target)))

    def list(
        self,
        *,
        owner: int | None = None,
        grantees: Sequence[str] | None = None,
        kind: str | None = None,
    ) -> builtins.list[Grant]:
        """Return grants, expired ones too, oldest first.

        Args:
            owner: Only those of this session's things.
            grantees: Only those to these sessions, by id.
            kind: Only those of this kind.
        """
        where = Where()
        where.add_given("g.session = ?", owner)
        where.add_given("g.kind = ?", kind)
        if grantees is not None:
            marks = ", ".join("?" * len(grantees))
            where.add(f"g.grantee IN ({marks})", *grantees)
        sql = f"{_SELECT} WHERE {where} ORDER BY g.granted_at, g.id"
        return _records(self._database.rows(sql, where.bindings))

    def count(self, owner: int) -> int:
        """Return how many grants there are of a session's things, expired ones too."""
        sql = "SELECT count(*) FROM grants WHERE session = ?"
        return int(self._database.value(sql, (owner,)))

    def forget_expired(self, before: int) -> int:
        """Remove grants that ended before a time (in µs), and return how many there were."""
        return self._database.write("DELETE FROM grants WHERE expires_at < ?", (before,))

    def count_expired(self, before: int) -> int:
        """Return how many grants ended before a time (in µs)."""
        sql = "SELECT count(*) FROM grants WHERE expires_at < ?"
        return int(self._database.value(sql, (before,)))


def _records(rows: builtins.list[Row]) -> builtins.list[Grant]:
    return [
        Grant(key, kind, target, grantee, level, expires_at, by, at, owner)
        for key, owner, kind, target, grantee, level, expires_at, by, at in rows
    ]
