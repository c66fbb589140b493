"""What people leave in a session while they debug it: breakpoints and bookmarks.

They are no part of its history: nothing that a session does depends on them.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import NotFound, SessionNotFound
from respell.store.database import Database
from respell.store.sums import row_sum

_BREAKPOINT, _BOOKMARK = "breakpoint", "bookmark"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A position with a name.

    Attributes:
        name: Its name, unique within the session.
        position: The position's text, such as `12+340`.
        note: What somebody wrote about it; may be empty.
    """

    name: str
    position: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {"name": self.name, "position": self.position, "note": self.note}


class Debugging:
    """Rows of breakpoints and bookmarks: `store.debugging`."""

    def __init__(self, database: Database) -> None:
        """Made by `Store`."""
        self._database = database

    def breakpoints(self, session: int) -> builtins.list[tuple[int, dict[str, Any]]]:
        """Return number and fields of every breakpoint of a session."""
        return [(int(name), value) for name, value in self._all(session, _BREAKPOINT)]

    def set_breakpoint(self, session: int, number: int, fields: dict[str, Any]) -> None:
        """Keep a breakpoint; one of the same number is replaced.

        Raises:
            SessionNotFound: The session is deleted.
        """
        self._set(session, _BREAKPOINT, str(number), fields)

    def delete_breakpoint(self, session: int, number: int) -> None:
        """Forget a breakpoint, if it was kept."""
        self._delete(session, _BREAKPOINT, str(number))

    def bookmarks(self, session: int) -> builtins.list[Bookmark]:
        """Return all bookmarks of a session, by name."""
        return [
            Bookmark(name, value["position"], value["note"])
            for name, value in self._all(session, _BOOKMARK)
        ]

    def set_bookmark(self, session: int, name: str, position: str, note: str) -> Bookmark:
        """Keep a bookmark; one of the same name is replaced.

        Raises:
            SessionNotFound: The session is deleted.
        """
        self._set(session, _BOOKMARK, name, {"position": position, "note": note})
        return Bookmark(name, position, note)

    def delete_bookmark(self, session: int, name: str) -> None:
        """Forget a bookmark.

        Raises:
            NotFound: There is none of that name.
        """
        if not self._delete(session, _BOOKMARK, name):
            raise NotFound(f"there is no bookmark {name!r}")

    def _all(self, session: int, kind: str) -> builtins.list[tuple[str, Any]]:
        sql = "SELECT name, value FROM debug_marks WHERE session = ? AND kind = ? ORDER BY name"
        rows = self._database.rows(sql, (session, kind))
        found = [(str(name), values.decode(value)) for name, value in rows]
        return sorted(found, key=lambda one: int(one[0])) if kind == _BREAKPOINT else found

    def _set(self, session: int, kind: str, name: str, value: dict[str, Any]) -> None:
        row = (session, kind, name, values.encode(value))
        if not self._database.write(
            "INSERT INTO debug_marks (session, kind, name, value, sum) SELECT ?1, ?2, ?3, ?4, ?5"
            " WHERE EXISTS (SELECT 1 FROM sessions WHERE key = ?1 AND NOT deleted)"
            " ON CONFLICT (session, kind, name) DO UPDATE SET value = excluded.value,"
            " sum = excluded.sum",
            (*row, row_sum(*row)),
        ):
            raise SessionNotFound(f"a {kind} can't be kept: its session was deleted meanwhile")

    def _delete(self, session: int, kind: str, name: str) -> bool:
        sql = "DELETE FROM debug_marks WHERE session = ? AND kind = ? AND name = ?"
        return self._database.write(sql, (session, kind, name)) > 0
