"""What the store remembers of itself, e.g. when it was last tidied."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.store.database import Database


class Notes:
    """Small values by name: `store.notes`."""

    def __init__(self, database: Database) -> None:
        """Made by `Store`."""
        self._database = database

    def get(self, key: str) -> Any:
        """Return what was noted under a name; None where nothing was."""
        data = self._database.value("SELECT value FROM notes WHERE key = ?", (key,))
        return None if data is None else values.decode(data)

    def set(self, key: str, value: Any) -> None:
        """Note a value; None forgets it."""
        if value is None:
            self._database.write("DELETE FROM notes WHERE key = ?", (key,))
        else:
            self._database.write(
                "INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)",
                (key, values.encode(value)),
            )
