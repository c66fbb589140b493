"""The record of one artifact, the query for many, and their JSON form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal, get_args

from respell import values
from respell.quick import quick_dataclass
from respell.times import rfc3339

ArtifactSort = Literal["created_at", "name", "size", "version", "artifact_type"]
SORTS: tuple[ArtifactSort, ...] = get_args(ArtifactSort)

SHOWN_TYPES = {
    "agent_output": "AgentOutput",
    "tool_result": "ToolResult",
    "user_input": "UserInput",
    "system_generated": "SystemGenerated",
}
DEFAULT_TYPE = "user_input"
DEFAULT_MIME = "application/octet-stream"


def shown_type(kind: str) -> str:
    """Return a type as scripts see it: the four known ones by the names they are known by."""
    return SHOWN_TYPES.get(kind, kind)


@quick_dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """One version of one artifact.

    Attributes:
        session_key: The store's key of the session that owns it.
        session_id: Id of that session; the store fills it in.
        name: Name within the session; the same name again is the next version.
        content_hash: Address of its bytes (32 bytes).
        size: Size of its bytes.
        sequence: Number of the artifact within its session, never used twice; 0 before insert.
        version: 1, 2, 3 … per name; 0 before insert.
        previous_hash: Content of the version before this one, if any.
        artifact_type: e.g. `user_input`, `agent_output`; lower snake case.
        mime_type: e.g. `text/plain`.
        description: Free text.
        tags: In the order they were given.
        custom: The user's own fields.
        is_value: Whether a table was stored (as canonical JSON) and is given back as one.
        stored_size: Bytes it occupies; filled in by the store.
        is_compressed: Whether those are compressed; filled in by the store.
        created_at: Microseconds since 1970 UTC; 0 lets the store fill it in.
        created_by: Id of the session that stored it, or who else did.
        parent_artifact: Id of the artifact it was derived from, if any.
        event: Number of the event that made it, if any.
    """

    session_key: int
    name: str
    content_hash: bytes
    size: int
    session_id: str = ""
    sequence: int = 0
    version: int = 0
    previous_hash: bytes | None = None
    artifact_type: str = DEFAULT_TYPE
    mime_type: str = DEFAULT_MIME
    description: str = ""
    tags: list[str] = field(default_factory=list)
    custom: dict[Any, Any] = field(default_factory=dict)
    is_value: bool = False
    stored_size: int = 0
    is_compressed: bool = False
    created_at: int = 0
    created_by: str | None = None
    parent_artifact: str | None = None
    event: int | None = None

    @property
    def id(self) -> str:
        """Its id: session, sequence and the first eight digits of the content's hash."""
        return f"{self.session_id}/{self.sequence}/{self.content_hash.hex()[:8]}"

    @property
    def type(self) -> str:
        """Its type as scripts and the command line show it, e.g. `UserInput`."""
        return shown_type(self.artifact_type)

    @property
    def hash(self) -> str:
        """The hash of its content as scripts and the command line show it, in hex."""
        return self.content_hash.hex()


_FIELDS = tuple(field.name for field in fields(ArtifactRecord))
_all_fields = attrgetter(*_FIELDS)


def made(fields: Iterable[Any]) -> ArtifactRecord:
    """Return the record that has these values of all fields, in their order."""
    return ArtifactRecord(*fields)


def changed(record: ArtifactRecord, **changes: Any) -> ArtifactRecord:
    """Return a copy with other values of some fields."""
    copy = made(map(changes.pop, _FIELDS, _all_fields(record)))
    if changes:
        raise TypeError(f"an artifact has no field {', '.join(changes)}")
    return copy


@dataclass(frozen=True, slots=True)
class ArtifactQuery:
    """Which artifacts to list, and in which order.

    Attributes:
        session_id: Only those of this session.
        session_ids: Only those of these sessions.
        granted: Besides those, these single ones: keys of sessions and numbers within them.
        artifact_type: Only those of this type.
        name: Only those of exactly this name.
        name_pattern: Only those whose name matches this glob (`*`, `?`, `[…]`); without
            any of those, whose name contains it, in any case.
        tags: Only those that have all of these.
        mime_type: Only those of this MIME type; `text/*` stands for all below it.
        created_after: Only those created at or after this time (µs since 1970 UTC).
        created_before: Only those created before it.
        min_size: Only those of at least so many bytes.
        max_size: Only those of at most so many bytes.
        text: Only those whose name, description or tags contain it, in any case.
        sort: The field to sort by.
        desc: Descending; None means newest or largest first, and names and types from A.
        limit: At most so many; None for all.
        offset: Skip so many first.
    """

    session_id: str | None = None
    session_ids: Collection[str] | None = None
    granted: Collection[tuple[int, int]] = ()
    artifact_type: str | None = None
    name: str | None = None
    name_pattern: str | None = None
    tags: Sequence[str] = ()
    mime_type: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    min_size: int | None = None
    max_size: int | None = None
    text: str | None = None
    sort: ArtifactSort = "created_at"
    desc: bool | None = None
    limit: int | None = None
    offset: int = 0


def artifact_json(record: ArtifactRecord) -> dict[str, Any]:
    """Return the artifact as the command line's `--json` shows it."""
    return {
        "id": record.id,
        "session_id": record.session_id,
        "name": record.name,
        "version": record.version,
        "content_hash": record.content_hash.hex(),
        "previous_hash": None if record.previous_hash is None else record.previous_hash.hex(),
        "artifact_type": shown_type(record.artifact_type),
        "mime_type": record.mime_type,
        "size": record.size,
        "stored_size": record.stored_size,
        "is_compressed": record.is_compressed,
        "tags": list(record.tags),
        "metadata": values.to_json(record.custom),
        "created_at": rfc3339(record.created_at),
        "event": record.event,
    }
