"""What can be read of a session at any time: the part of `Session` that changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from respell.engine.doubt import in_doubt
from respell.sessions.lifecycle import ACTIVE
from respell.sessions.pausing import is_paused
from respell.sessions.record import SessionRecord, session_json
from respell.store import Store
from respell.times import moment


class SessionFacts:
    """A store and a session's id, and what the store says of it now."""

    __slots__ = ("_id", "_store")

    def __init__(self, store: Store, session: SessionRecord | str) -> None:
        """Take a record or a full id; `respell.session` finds one by less.

        Raises:
            SessionNotFound: There is no such session.
        """
        known = session.id if isinstance(session, SessionRecord) else session
        self._store = store
        self._id = store.sessions.get(known).id

    @classmethod
    def _known(cls, store: Store, session_id: str) -> Self:
        """Return the handle of a session that was just seen in the store."""
        made = cls.__new__(cls)
        made._store, made._id = store, session_id
        return made

    @property
    def id(self) -> str:
        """A UUID as text; the same wherever the session is exported to."""
        return self._id

    @property
    def store(self) -> Store:
        """The store it is in."""
        return self._store

    @property
    def record(self) -> SessionRecord:
        """All that the store says of it at one moment.

        Raises:
            SessionNotFound: It was deleted.
        """
        return self._store.sessions.get(self._id)

    @property
    def name(self) -> str:
        """What people call it; need not be unique."""
        return self.record.name

    @property
    def description(self) -> str:
        """Free text."""
        return self.record.description

    @property
    def status(self) -> str:
        """One of active, suspended, completed, failed and archived."""
        return self.record.status

    @property
    def running(self) -> bool:
        """Whether a live host runs it, in this process or another."""
        return self._store.leases.holder(self.record.key) is not None

    @property
    def paused(self) -> bool:
        """Whether a live host runs it and waits for `unpause`."""
        record = self.record
        alive = self._store.leases.holder(record.key) is not None
        return alive and is_paused(self._store, record)

    @property
    def interrupted(self) -> bool:
        """Whether it ought to run and nobody runs it: its host died."""
        record = self.record
        alive = self._store.leases.holder(record.key) is not None
        return record.status == ACTIVE and record.has_program and not alive

    @property
    def script(self) -> str | None:
        """Path of its program's script as given; None for a session without program."""
        return self.record.script

    @property
    def args(self) -> list[str]:
        """The program's arguments."""
        return self.record.args

    @property
    def input(self) -> Any:
        """The value of the global `input` in its script."""
        return self.record.input

    @property
    def tags(self) -> list[str]:
        """Its tags, in the order they were given."""
        return self.record.tags

    @property
    def metadata(self) -> dict[Any, Any]:
        """The user's own fields; a copy, changed by `update`."""
        return self.record.metadata

    @property
    def usage(self) -> dict[str, Any]:
        """What it used: operations, tokens, cost_usd, artifact_bytes, active_s."""
        return self.record.usage

    @property
    def limits(self) -> dict[str, Any]:
        """Its limits by name; sizes in bytes, times in seconds."""
        return self.record.limits

    @property
    def waiting_for(self) -> dict[str, Any] | None:
        """prompt and schema of the value that a suspended session waits for, or None."""
        return self.record.waiting_for

    @property
    def error(self) -> dict[str, Any] | None:
        """message, traceback and event of what went wrong, or None."""
        return self.record.error

    @property
    def in_doubt(self) -> list[dict[str, Any]]:
        """number, name and args of effects that may or may not have been performed."""
        return [
            {"number": one.number, "name": one.name, "args": one.record.arguments()}
            for one in in_doubt(self._store, self.record)
        ]

    @property
    def created_by(self) -> str | None:
        """Id of the session whose script created it, or who else did."""
        return self.record.created_by

    @property
    def created_at(self) -> datetime:
        """When it was created, in UTC."""
        return moment(self.record.created_at)

    @property
    def updated_at(self) -> datetime:
        """When it last changed, in UTC."""
        return moment(self.record.updated_at)

    @property
    def ended_at(self) -> datetime | None:
        """When it completed or failed, in UTC; None before."""
        at = self.record.ended_at
        return None if at is None else moment(at)

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell show --json` does."""
        record = self.record
        alive = self._store.leases.holder(record.key) is not None
        return session_json(
            record,
            running=alive,
            interrupted=record.status == ACTIVE and record.has_program and not alive,
            in_doubt=[] if alive else self.in_doubt,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionFacts):
            return NotImplemented
        return (self._id, self._store.path) == (other._id, other._store.path)

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<Session {self._id} in {self._store.path}>"
