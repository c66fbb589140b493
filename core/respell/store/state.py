"""Values that scripts keep by scope and key."""

from __future__ import annotations

import builtins


class State:
    """Key-value pairs in scopes: `store.state`. Values are canonical bytes."""

    def get(self, scope: str, key: str) -> bytes | None:
        """Return the value's bytes, None where there is none."""
        raise NotImplementedError

    def set(self, scope: str, key: str, value: bytes) -> None:
        """Set a value.

        Args:
            scope: e.g. `global` or `session:ID`.
            key: The key within it.
            value: Canonical bytes (`respell.values.encode`).
        """
        raise NotImplementedError

    def delete(self, scope: str, key: str) -> bool:
        """Delete a value and return whether there was one."""
        raise NotImplementedError

    def list(self, scope: str) -> builtins.list[str]:
        """Return the keys of a scope, sorted by their bytes."""
        raise NotImplementedError

    def items(self, scope: str) -> builtins.list[tuple[str, bytes]]:
        """Return all keys and values of a scope, sorted by key."""
        raise NotImplementedError

    def clear(self, scope: str) -> int:
        """Delete all of a scope and return how many values it had."""
        raise NotImplementedError
