"""Artifacts: what scripts store in a session, and how they find and read it again.

Content never travels twice: a large one is read by its address (`engine.blob` on the Lua
side), and a file is stored from the snapshot that `file.open` took.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from respell.artifacts import naming, reading, storing
from respell.artifacts.record import SORTS, ArtifactQuery, ArtifactRecord, shown_type
from respell.engine.effects import EffectContext, Kind, effect
from respell.engine.effects.acting import (
    acting_as,
    all_acted_as,
    changing,
    ctx_session,
    id_in_script,
)
from respell.engine.effects.arguments import Arguments
from respell.errors import (
    ArtifactNotFound,
    EffectFailed,
    LimitReached,
    PermissionDenied,
    RespellError,
    StoreCorrupt,
    UsageError,
)
from respell.sessions.record import SessionRecord
from respell.times import rfc3339

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
        session = _open_session(ctx, args.get("session"), "Artifact.store")
        if storing.over_limits(session, len(data)) is None:
            ctx.store.blobs.put(data)


@effect("artifact.store", kind=Kind.STORED, prepare=_put_large)
def artifact_store(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Store an artifact and return its id.

    Its content is `content` (a string, or a table to be kept as JSON), or the blob whose
    address is `blob` (a file's snapshot).
    """
    call = "Artifact.store" if args.get("blob") is None else "Artifact.storeFile"
    return _store(ctx, args, _open_session(ctx, args.get("session"), call), call)


@effect("artifact.derive", kind=Kind.STORED, prepare=_put_large)
def artifact_derive(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Store an artifact that was made from another and return its id."""
    call = "Artifact.derive"
    session = _open_session(ctx, args.get("session"), call)
    return _store(ctx, args, session, call, parent=_found(ctx, args, call))


def _store(
    ctx: EffectContext,
    args: dict[str, Any],
    session: SessionRecord,
    call: str,
    parent: ArtifactRecord | None = None,
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
        created_by=ctx.session.id, event=ctx.number, sequence=_sequence(ctx), call=call,
    )  # fmt: skip
    if reached := storing.over_limits(session, made.record.size):
        _refuse(ctx, session, call, *reached)
    changing(ctx, session, call)
    record, blob = made.put(ctx.store, session)
    return _id(ctx, ctx.store.artifacts.insert(record, blob=blob))


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
    raise EffectFailed(
        f"{call}: the limit {limit} of session {id_in_script(ctx, session.id)} is reached: {what}. "
        "Artifact.delete makes room"
    )


# Reading ---------------------------------------------------------------------------------


@effect("artifact.get", kind=Kind.READ)
def artifact_get(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return an artifact: id, metadata, and content (or its address, where it is large)."""
    record = _found(ctx, args, "Artifact.get")
    return {"id": _id(ctx, record), "metadata": _metadata(ctx, record), **_bytes(ctx, record)}


@effect("artifact.get_content", kind=Kind.READ)
def artifact_get_content(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return an artifact's content; `value` where a table was stored."""
    record = _found(ctx, args, "Artifact.getContent")
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
    session = acting_as(ctx, args.get("session"), call)
    name = Arguments(call, args).check_text("name", args.get("name"), most=None, empty=False)
    return [_entry(ctx, it) for it in ctx.store.artifacts.versions(session.key, name)]


@effect("artifact.verify", kind=Kind.READ)
def artifact_verify(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Read all of an artifact's content and compare it with its hash."""
    record = _found(ctx, args, "Artifact.verify")
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
    session = acting_as(ctx, named if named is not None else args.get("session"), call)
    return _entries(ctx, call, replace(_query(filters), session_id=session.id))


@effect("artifact.query", kind=Kind.READ)
def artifact_query(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the artifacts that match, of all sessions the script acts as."""
    call = "Artifact.query"
    filters = Arguments(call, args.get("filter"), _FILTERS, what="filter")
    named = filters.given("session_id")
    sessions = all_acted_as(ctx) if named is None else [acting_as(ctx, named, call)]
    return _entries(ctx, call, replace(_query(filters), session_ids={it.id for it in sessions}))


def _entries(ctx: EffectContext, call: str, query: ArtifactQuery) -> list[dict[str, Any]]:
    """Return what a query finds.

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
    return [_entry(ctx, it) for it in ctx.store.artifacts.list(query)]


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
    session = _open_session(ctx, args.get("session"), call)
    found = _found(ctx, args, call)
    changing(ctx, session, call)
    ctx.store.artifacts.delete(found.id)


# Sessions and ids ------------------------------------------------------------------------


def _open_session(ctx: EffectContext, given: object, call: str) -> SessionRecord:
    """Return the session that the script acts as, if its artifacts may change."""
    session = acting_as(ctx, given, call)
    if session.status != "active":
        hint = "Session.resume it first" if session.status == "suspended" else "it has ended"
        raise EffectFailed(
            f"{call}: session {id_in_script(ctx, session.id)} is {session.status}; only an active "
            f"session takes or loses artifacts ({hint})"
        )
    return session


def _found(ctx: EffectContext, args: dict[str, Any], call: str) -> ArtifactRecord:
    """Return the artifact that a script names, if it is of the session it acts as."""
    session = acting_as(ctx, args.get("session"), call)
    text = Arguments(call, args).check_text("id", args.get("id"), most=None, empty=False)
    owner, slash, rest = text.partition("/")
    if not slash:
        raise ArtifactNotFound(
            f"{call}: {text!r:.80} is not the id of an artifact; ids are what Artifact.store "
            "returns, or their text SESSION/SEQUENCE/HASH"
        )
    owner = ctx.aliases.get(owner, owner)
    if owner != session.id:
        of = ctx_session(ctx, owner, call)
        raise PermissionDenied(
            f"{call}: artifact {text} belongs to session {id_in_script(ctx, of.id)}, not to "
            f"{id_in_script(ctx, session.id)}; give the session it belongs to"
        )
    try:
        return ctx.store.artifacts.get(f"{owner}/{rest}")
    except ArtifactNotFound:
        raise ArtifactNotFound(
            f"{call}: there is no artifact {text} (any more); Artifact.list() returns those of "
            "a session"
        ) from None


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
