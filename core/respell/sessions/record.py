"""The record of one session, the query for many, and their JSON form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from respell import values
from respell.history.record import FIRST_HASH
from respell.quick import quick_dataclass
from respell.times import rfc3339

SessionSort = Literal["created_at", "updated_at", "name", "events", "artifacts", "status"]


def new_id() -> str:
    """Return a new random session id (a UUID, version 4)."""
    # What `uuid.uuid4()` returns, in a third of its time.
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def no_usage() -> dict[str, Any]:
    """Return the usage of a session that has done nothing yet."""
    return {
        "operations": 0,
        "tokens": 0,
        "cost_usd": 0.0,
        "artifact_bytes": 0,
        "active_s": 0.0,
        "history_bytes": 0,
    }


@quick_dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session as the store holds it.

    Attributes:
        id: A UUID as text; stays the same wherever the session is exported to.
        key: The store's own number of it; 0 before it is inserted.
        name: What people call it; need not be unique.
        description: Free text.
        status: active, suspended, completed, failed or archived.
        script: Path of the program's script as shown; None for a session without program.
        script_hash: blake3 of the script's source in hex; the source is a blob.
        args: The program's command line arguments.
        input: The value given with `--input`.
        tags: In the order they were given, without duplicates.
        metadata: The user's own fields.
        parent_session_id: Id of the session it belongs below, if any.
        forked_from: Id of the session it was forked from, if any.
        forked_at: The position of the fork as text, e.g. `12+340`.
        fork_of: Key of the session whose records up to `fork_seq` are also its own.
        fork_seq: Last shared record; 0 without fork.
        created_by: Id of the session that created it, or who else did.
        created_at: Microseconds since 1970 UTC; 0 lets the store fill it in.
        updated_at: The same, of the last change or append.
        ended_at: The same, when it completed or failed; None before.
        events: Number of its last event, 0 for none.
        records: Sequence number of its last record, 0 for none.
        head_hash: The hash chain's value after its last record.
        artifacts: How many artifacts it has.
        usage: operations, tokens, cost_usd, artifact_bytes, active_s.
        limits: The limits it was started with, by name.
        waiting_for: prompt and schema of the value a suspended session waits for.
        error: message, traceback and event of a failed one.
        redacted: Whether parts of it were replaced when it was exported; it can be looked at
            and compared, but not re-executed.
    """

    id: str = field(default_factory=new_id)
    key: int = 0
    name: str = ""
    description: str = ""
    status: str = "active"
    script: str | None = None
    script_hash: str | None = None
    args: list[str] = field(default_factory=list)
    input: Any = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[Any, Any] = field(default_factory=dict)
    parent_session_id: str | None = None
    forked_from: str | None = None
    forked_at: str | None = None
    fork_of: int | None = None
    fork_seq: int = 0
    created_by: str | None = None
    created_at: int = 0
    updated_at: int = 0
    ended_at: int | None = None
    events: int = 0
    records: int = 0
    head_hash: bytes = FIRST_HASH
    artifacts: int = 0
    usage: dict[str, Any] = field(default_factory=no_usage)
    limits: dict[str, Any] = field(default_factory=dict)
    waiting_for: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    redacted: bool = False

    @property
    def has_program(self) -> bool:
        """Whether it has a script of its own to run."""
        return self.script is not None


FIELDS = tuple(field.name for field in fields(SessionRecord))
"""Names of all fields of a session, in their order."""


def session_of(columns: Iterable[Any]) -> SessionRecord:
    """Return the record that has these values of `FIELDS`, in that order."""
    return SessionRecord(*columns)


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions to list, and in which order.

    Attributes:
        status: Only those with this status; None for all.
        tags: Only those that have all of these.
        parent: Only those below the session of this id.
        forked_from: Only those forked from the session of this id.
        created_by: Only those created by this session id (or person).
        created_after: Only those created at or after this time (µs since 1970 UTC).
        created_before: Only those created before it.
        ended_before: Only those that completed or failed before it.
        text: Only those whose name or description contains it, in any case.
        sort: The field to sort by.
        desc: Descending; None means newest or most first, and names and statuses from A.
        limit: At most so many; None for all.
        offset: Skip so many first.
    """

    status: str | None = None
    tags: Sequence[str] = ()
    parent: str | None = None
    forked_from: str | None = None
    created_by: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    ended_before: int | None = None
    text: str | None = None
    sort: SessionSort = "created_at"
    desc: bool | None = None
    limit: int | None = None
    offset: int = 0


def session_json(
    record: SessionRecord,
    *,
    running: bool,
    interrupted: bool,
    in_doubt: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the session as the command line's `--json` shows it.

    Args:
        record: The session.
        running: Whether a live host holds it.
        interrupted: Whether it is active and has a program, but no host.
        in_doubt: number, name and args of each effect in doubt, args as a plain value.
    """
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "status": record.status,
        "running": running,
        "interrupted": interrupted,
        "script": record.script,
        "script_hash": record.script_hash,
        "args": [_argument(one) for one in record.args],
        "input": values.to_json(record.input),
        "tags": list(record.tags),
        "metadata": values.to_json(record.metadata),
        "parent_session_id": record.parent_session_id,
        "forked_from": record.forked_from,
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "ended_at": None if record.ended_at is None else rfc3339(record.ended_at),
        "events": record.events,
        "artifacts": record.artifacts,
        "usage": dict(record.usage),
        "limits": dict(record.limits),
        "waiting_for": _fields(record.waiting_for, "prompt", "schema"),
        "error": _fields(record.error, "message", "traceback", "event"),
        "in_doubt": [
            {"number": it["number"], "name": it["name"], "args": values.to_json(it["args"])}
            for it in in_doubt
        ],
    }


def _argument(text: str) -> Any:
    """Return an argument of the program; what is no UTF-8 in the form of bytes."""
    return values.to_json(text if values.unicode(text) == text else os.fsencode(text))


def _fields(value: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
    """Return exactly these fields: what was None is dropped where values are stored."""
    return None if value is None else {name: values.to_json(value.get(name)) for name in names}
