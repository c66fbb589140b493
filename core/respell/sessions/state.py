"""What a session keeps by key, as a Python mapping."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from datetime import datetime
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.sessions import granting
from respell.sessions.facts import SessionFacts
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import microseconds

MAX_KEY_BYTES = 1024


class SessionState(MutableMapping[str, Any]):
    """The state of one session: what `State.get(key)` reads in its script.

    A mutable mapping from texts to values: None, bool, int, float, str, bytes, and lists
    and dicts of them. Each access reads or writes the store; a value that was read is a copy,
    so put it back to change it. Keys come sorted.
    """

    def __init__(self, store: Store, session_id: str) -> None:
        """Made by `Session.state`."""
        self._store = store
        self._id = session_id
        self._scope = f"session:{session_id}"

    def __getitem__(self, key: str) -> Any:
        data = self._store.state.get(self._scope, key) if isinstance(key, str) else None
        if data is None:
            raise KeyError(key)
        return values.decode(data)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str) or not key:
            raise UsageError(f"a key of a session's state is a text, and not empty: {key!r:.80}")
        if len(key.encode()) > MAX_KEY_BYTES:
            raise UsageError(
                f"a key may have {MAX_KEY_BYTES} bytes; this one has more: {key!r:.80}"
            )
        if value is None:
            raise UsageError(f"there is no nil in a table: `del state[{key!r:.80}]` removes it")
        data = values.encode(value)
        with self._store.transaction():
            self._store.sessions.get(self._id)  # a session that is gone gets no state
            self._store.state.set(self._scope, key, data)
            tell_change(self._store, self._id, self._scope, key, "set")
        self._store.sync()

    def __delitem__(self, key: str) -> None:
        with self._store.transaction():
            if not isinstance(key, str) or not self._store.state.delete(self._scope, key):
                raise KeyError(key)
            tell_change(self._store, self._id, self._scope, key, "deleted")
        self._store.sync()

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.state.list(self._scope))

    def __len__(self) -> int:
        return len(self._store.state.list(self._scope))

    # Who else may ------------------------------------------------------------------------

    def grant(
        self,
        to: SessionFacts | SessionRecord | str,
        level: str = "read",
        *,
        expires_at: datetime | str | None = None,
    ) -> None:
        """Let another session's script have this state; replaces what it was granted of it.

        Args:
            to: The session that may from now on, or what `respell.session` finds it by.
            level: read, write or admin.
            expires_at: When that ends; None for never.

        Raises:
            PermissionDenied: To this session itself, which owns it.
            UsageError: There is no such level, or the time has passed already.
        """
        granting.give(
            self._store, self._thing(), granting.found(self._store, to), level,
            by=granting.as_actor(), call="state.grant",
            expires_at=None if expires_at is None else microseconds(expires_at),
        )  # fmt: skip
        self._store.sync()

    def revoke(self, grantee: SessionFacts | SessionRecord | str) -> bool:
        """Take back what a session was granted of it; return whether it was anything.

        Raises:
            PermissionDenied: It is this session itself, which owns it.
        """
        had = granting.take_back(
            self._store, self._thing(), granting.id_of(self._store, grantee),
            by=granting.as_actor(), call="state.revoke",
        )  # fmt: skip
        self._store.sync()
        return had

    def acl(self) -> list[dict[str, Any]]:
        """Return who may do what with it, the owner first, then by age; as for artifacts."""
        return granting.acl(self._store, self._thing())

    def _thing(self) -> granting.Thing:
        return granting.state_thing(self._store.sessions.get(self._id))

    def __repr__(self) -> str:
        return f"<state of session {self._id[:8]}: {', '.join(self) or 'empty'}>"


def tell_change(store: Store, session: str, scope: str, key: str, operation: str) -> None:
    """Tell those who listen that a value of the state has changed.

    Args:
        store: Where it is; call it in the transaction of the change.
        session: Id of the session that it is told of.
        scope: The scope of the value.
        key: Its key.
        operation: `set` or `deleted`.
    """
    if store.bus.wanted("state.changed"):
        data = {"scope": scope, "key": key, "operation": operation, "session_id": session}
        store.bus.tell("state.changed", session, data)
