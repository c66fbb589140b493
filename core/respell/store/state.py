"""Values that scripts keep by scope and key."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from respell.store.database import Database
from respell.store.sums import row_sum


class State:
    """Key-value pairs in scopes: `store.state`. Values are canonical bytes."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def get(self, scope: str, key: str) -> bytes | None:
        """Return the value's bytes, None where there is none."""
        value: bytes | None = self._database.value(
            "SELECT value FROM state WHERE scope = ? AND key = ?", (scope, key)
        )
        return value

    def set(self, scope: str, key: str, value: bytes) -> None:
        """Set a value.

        Args:
            scope: e.g. `global` or `session:ID`.
            key: The key within it.
            value: Canonical bytes (`respell.values.encode`).
        """
        self._database.write(
            "INSERT INTO state (scope, key, value, updated_at, sum) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value,"
            " updated_at = excluded.updated_at, sum = excluded.sum",
            (scope, key, value, self._clock(), row_sum(scope, key, value)),
        )

    def delete(self, scope: str, key: str) -> bool:
        """Delete a value and return whether there was one."""
        sql = "DELETE FROM state WHERE scope = ? AND key = ?"
        return self._database.write(sql, (scope, key)) > 0

    def list(self, scope: str) -> builtins.list[str]:
        """Return the keys of a scope, sorted by their bytes."""
        sql = "SELECT key FROM state WHERE scope = ? ORDER BY key"
        return [key for (key,) in self._database.rows(sql, (scope,))]

    def items(self, scope: str) -> builtins.list[tuple[str, bytes]]:
        """Return all keys and values of a scope, sorted by key."""
        sql = "SELECT key, value FROM state WHERE scope = ? ORDER BY key"
        return [(key, value) for key, value in self._database.rows(sql, (scope,))]

    def clear(self, scope: str) -> int:
        """Delete all of a scope and return how many values it had."""
        return self._database.write("DELETE FROM state WHERE scope = ?", (scope,))

    def keep_newest(self, scope: str, most: int) -> None:
        """Delete what was set longest ago in a scope, so that no more than `most` are left."""
        self._database.write(
            "DELETE FROM state WHERE scope = ?1 AND key IN (SELECT key FROM state"
            " WHERE scope = ?1 ORDER BY updated_at DESC, key LIMIT -1 OFFSET ?2)",
            (scope, most),
        )
