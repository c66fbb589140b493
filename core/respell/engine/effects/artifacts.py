"""Artifacts: what scripts store in a session, and how they find and read it again.

Content never travels twice: a large one is read by its address (`engine.blob` on the Lua
side), and a file is stored from the snapshot that `file.open` took.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from respell.access import ADMIN, Grant
from respell.arguments import Arguments
from respell.artifacts import naming, reading, storing
from respell.artifacts.record import SORTS, ArtifactQuery, ArtifactRecord, shown_type
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect, granting
from respell.engine.effects.acting import (
    all_acted_as,
    changing,
    id_in_script,
    owner_of,
    still_there,
)
from respell.engine.effects.artifact_access import (
    check_open,
    effect_of,
    granted_of,
    named_artifact,
    note_all,
    of_grants,
    open_session,
    record_of,
    taking,
    to_read,
)
from respell.errors import (
    EffectFailed,
    LimitExceeded,
    LimitReached,
    RespellError,
    StoreCorrupt,
    UsageError,
)
from respell.sessions.record import SessionRecord
from respell.times import rfc3339

__all__ = ["granting"]

INLINE_BYTES = 64 * 1024
"""Content up to this size is part of the outcome; larger is read by its address."""

_LARGE_BYTES = 256 * 1024  # waits for the disk when it is stored

MAX_LIST_BYTES = 32 * 1024 * 1024
"""Most bytes of metadata that one call returns."""

_FEW = 256  # no check below: they can't have that much

_FIELDS = ("type", "artifact_type", "mime_type", "tags", "description")
_FILTERS = (
    "session_id", "artifact_type", "type", "name", "name_pattern", "tags", "mime_type",
    "created_after", "created_before", "min_size", "max_size", "text", "sort", "desc",
    "limit", "offset",
)  # fmt: skip


# Storing ---------------------------------------------------------------------------------


def _put_large(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Write large content before the transaction, which would keep other writers waiting."""
    content = args.get("content")
    data = content.encode() if isinstance(content, str) else content
    if not isinstance(data, bytes) or len(data) <= _LARGE_BYTES:
        return
    with suppress(RespellError):  # what is wrong is said when it is performed
        session, _ = taking(ctx, args, "Artifact.store")
        if storing.over_limits(session, len(data)) is None:
            ctx.store.blobs.put(data)


@effect("artifact.store", kind=Kind.STORED, prepare=_put_large)
def artifact_store(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Store an artifact and return its id.

    Its content is `content` (a string, or a table to be kept as JSON), or the blob whose
    address is `blob` (a file's snapshot).
    """
    call = "Artifact.store" if args.get("blob") is None else "Artifact.storeFile"
    session, grant = taking(ctx, args, call)
    return _store(ctx, args, session, call, grant=grant)


@effect("artifact.derive", kind=Kind.STORED, prepare=_put_large)
def artifact_derive(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Store an artifact that was made from another and return its id."""
    call = "Artifact.derive"
    session = open_session(ctx, args.get("session"), call)
    return _store(ctx, args, session, call, parent=to_read(ctx, args, call))


def _store(
    ctx: EffectContext,
    args: dict[str, Any],
    session: SessionRecord,
    call: str,
    parent: ArtifactRecord | None = None,
    grant: Grant | None = None,
) -> dict[str, Any]:
    options = Arguments(call, args.get("options"))
    kind = args.get("type")
    if kind is None:
        kind = options.given("type", "artifact_type")
    tags = options.given("tags")
    made = storing.draft(
        ctx.store, session, cast(str, args.get("name")), _content(args), type=kind,
        mime_type=options.given("mime_type"),
        tags=tags or (),  # an empty Lua table is no list yet
        description=options.given("description"), custom=options.rest(*_FIELDS), parent=parent,
        created_by=ctx.session.id, event=ctx.number if grant is None else None,
        sequence=_sequence(ctx), call=call,
    )  # fmt: skip
    if reached := storing.over_limits(session, made.record.size):
        _refuse(ctx, session, call, *reached)
    changing(ctx, session, call, "artifact.store" if parent is None else "artifact.derive")
    record, blob = made.put(ctx.store, session)
    record = ctx.store.artifacts.insert(record, blob=blob)
    if grant is not None:
        # Who wrote a version may read it, and write the next one.
        ctx.store.grants.put(replace(grant, target=str(record.sequence), granted_at=0))
        ctx.accesses.note(ctx.store, "artifact.store", grant, record.id)
    return _id(ctx, record)


def _sequence(ctx: EffectContext) -> int:
    """Return the number that the artifact must get, as ids in a fork end in it; 0 for any."""
    return int(ctx.before["sequence"]) if isinstance(ctx.before, dict) else 0


def _content(args: dict[str, Any]) -> Any:
    blob = args.get("blob")
    if blob is None:
        return args.get("content")
    return storing.Address(blob.encode() if isinstance(blob, str) else blob)


def _refuse(ctx: EffectContext, session: SessionRecord, call: str, limit: str, what: str) -> None:
    if session.id == ctx.session.id:
        raise LimitReached(what, limit=limit)
    raise LimitExceeded(
        f"{call}: the limit {limit} of session {id_in_script(ctx, session.id)} is reached: {what}. "
        "Artifact.delete makes room"
    )


# Reading ---------------------------------------------------------------------------------


@effect("artifact.get", kind=Kind.READ)
def artifact_get(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return an artifact: id, metadata, and content (or its address, where it is large)."""
    record = to_read(ctx, args, "Artifact.get")
    return {"id": _id(ctx, record), "metadata": _metadata(ctx, record), **_bytes(ctx, record)}


@effect("artifact.get_content", kind=Kind.READ)
def artifact_get_content(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return an artifact's content; `value` where a table was stored."""
    record = to_read(ctx, args, "Artifact.getContent")
    if record.is_value:
        return {"value": reading.read_value(ctx.store, record)}
    return _bytes(ctx, record)


def _bytes(ctx: EffectContext, record: ArtifactRecord) -> dict[str, Any]:
    if record.size <= INLINE_BYTES:
        return {"content": reading.read(ctx.store, record)}
    # The history refers to it from now on, also when the artifact is deleted.
    ctx.store.blobs.keep(record.content_hash, ctx.session.key)
    return {"blob": record.content_hash, "size": record.size}


@effect("artifact.versions", kind=Kind.READ)
def artifact_versions(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every version of a name, oldest first."""
    call = "Artifact.versions"
    session = owner_of(ctx, args.get("session"), call)
    name = Arguments(call, args).check_text("name", args.get("name"), most=None, empty=False)
    grants = granted_of(ctx, session, args.get("session"), call)
    found = [
        one
        for one in ctx.store.artifacts.versions(session.key, name, kept=bool(grants))
        if grants is None or one.sequence in grants
    ]
    note_all(ctx, "artifact.versions", (grants or {}).values(), found)
    return [_entry(ctx, it) for it in found]


@effect("artifact.verify", kind=Kind.READ)
def artifact_verify(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Read all of an artifact's content and compare it with its hash."""
    record = to_read(ctx, args, "Artifact.verify")
    try:
        reading.verify(ctx.store, record)
    except StoreCorrupt as error:
        return {"intact": False, "error": str(error)}
    return {"intact": True}


# Finding ---------------------------------------------------------------------------------


@effect("artifact.list", kind=Kind.READ)
def artifact_list(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the artifacts of one session that match."""
    call = "Artifact.list"
    filters = Arguments(call, args.get("filter"), _FILTERS, what="filter")
    named = filters.given("session_id")
    if named is not None and args.get("session") is not None and named != args["session"]:
        raise UsageError(
            f"{call}: the filter's session_id is another session than the first argument"
        )
    given = named if named is not None else args.get("session")
    session = owner_of(ctx, given, call)
    grants = granted_of(ctx, session, given, call)
    if grants is None:
        return _entries(ctx, call, replace(_query(filters), session_id=session.id))
    return _entries(ctx, call, of_grants(_query(filters), grants), grants.values())


@effect("artifact.query", kind=Kind.READ)
def artifact_query(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the artifacts that match: of all sessions the script acts as, and granted ones."""
    call = "Artifact.query"
    filters = Arguments(call, args.get("filter"), _FILTERS, what="filter")
    named = filters.given("session_id")
    if named is not None:
        session = owner_of(ctx, named, call)
        grants = granted_of(ctx, session, named, call)
        if grants is not None:
            return _entries(ctx, call, of_grants(_query(filters), grants), grants.values())
        return _entries(ctx, call, replace(_query(filters), session_ids={session.id}))
    ids = {it.id for it in all_acted_as(ctx)}
    at = ctx.store.clock()
    granted = {
        (one.owner_key, int(one.target)): one
        for one in ctx.store.grants.list(grantees=sorted(ids), kind="artifact")
        if one.holds(at) and one.owner not in ids
    }
    query = replace(_query(filters), session_ids=ids, granted=granted.keys())
    return _entries(ctx, call, query, granted.values())


def _entries(
    ctx: EffectContext,
    call: str,
    query: ArtifactQuery,
    grants: Iterable[Grant] = (),
) -> list[dict[str, Any]]:
    """Return what a query finds, and note what of it is there by these grants.

    Raises:
        EffectFailed: It would be too much at once for the memory of the host.
    """
    if query.limit is None or query.limit > _FEW:
        size = ctx.store.artifacts.metadata_size(query)
        if size > MAX_LIST_BYTES:
            raise EffectFailed(
                f"{call}: the metadata of all that match has {size} bytes; at most "
                f"{MAX_LIST_BYTES} are returned at once. Use limit and offset"
            )
    found = ctx.store.artifacts.list(query)
    note_all(ctx, effect_of(call), grants, found)
    return [_entry(ctx, it) for it in found]


def _query(given: Arguments) -> ArtifactQuery:
    kind = given.given("artifact_type", "type")
    return ArtifactQuery(
        artifact_type=None if kind is None else naming.check_type(given.call, kind),
        name=given.text("name"),
        name_pattern=given.text("name_pattern"),
        tags=given.texts("tags", most=naming.MAX_TAG_BYTES),
        mime_type=given.text("mime_type"),
        created_after=given.time("created_after"),
        created_before=given.time("created_before"),
        min_size=given.integer("min_size"),
        max_size=given.integer("max_size"),
        text=given.text("text"),
        sort=given.choice("sort", SORTS) or "created_at",  # type: ignore[arg-type]
        desc=given.flag("desc"),
        limit=given.integer("limit"),
        offset=given.integer("offset") or 0,
    )


# Deleting --------------------------------------------------------------------------------


@effect("artifact.delete", kind=Kind.STORED)
def artifact_delete(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Delete an artifact; its content stays while another artifact has it."""
    call = "Artifact.delete"
    thing, grant = named_artifact(ctx, args, call, ADMIN)
    still_there(ctx, thing.owner, call)
    check_open(ctx, thing.owner, call)
    found = record_of(ctx, thing, call)
    if grant is not None:
        ctx.accesses.note(ctx.store, "artifact.delete", grant, found.id)
    changing(ctx, thing.owner, call, "artifact.delete")
    ctx.store.artifacts.delete(found.id)


# Sessions and ids ------------------------------------------------------------------------


def _id(ctx: EffectContext, record: ArtifactRecord) -> dict[str, Any]:
    owner = id_in_script(ctx, record.session_id)
    return {
        "content_hash": record.content_hash.hex(),
        "session_id": owner,
        "sequence": record.sequence,
        "id": owner + record.id[len(record.session_id) :],
    }


def _text_in_script(ctx: EffectContext, artifact_id: str | None) -> str | None:
    """Return an artifact's id as the script knows it; differs in forks only."""
    if artifact_id is None:
        return None
    owner, slash, rest = artifact_id.partition("/")
    return id_in_script(ctx, owner) + slash + rest


def _metadata(ctx: EffectContext, record: ArtifactRecord) -> dict[str, Any]:
    creator = record.created_by
    previous = record.previous_hash
    return {
        "name": record.name,
        "description": record.description or None,
        "artifact_type": shown_type(record.artifact_type),
        "mime_type": record.mime_type,
        "size": record.size,
        "original_size": record.size,
        "stored_size": record.stored_size,
        "is_compressed": record.is_compressed,
        "tags": record.tags,
        "custom": record.custom,
        "version": record.version,
        "previous_hash": None if previous is None else previous.hex(),
        "created_at": rfc3339(record.created_at),
        "created_by": None if creator is None else id_in_script(ctx, creator),
        "parent_artifact": _text_in_script(ctx, record.parent_artifact),
        "event": record.event,
    }


def _entry(ctx: EffectContext, record: ArtifactRecord) -> dict[str, Any]:
    artifact_id = _id(ctx, record)
    return {
        **_metadata(ctx, record),
        "id": artifact_id,
        "session_id": artifact_id["session_id"],
        "content_hash": artifact_id["content_hash"],
        "sequence": record.sequence,
    }
