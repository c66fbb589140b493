"""Artifacts: what scripts store in a session, and how they find and read it again.

Content never travels twice: a large one is read by its address (`engine.blob` on the Lua
side), and a file is stored from the snapshot that `file.open` took.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from blake3 import blake3

from respell import values
from respell.artifacts import naming
from respell.artifacts.record import ArtifactQuery, ArtifactRecord, shown_type
from respell.engine.effects import EffectContext, Kind, effect
from respell.engine.effects.acting import acting_as, all_acted_as, ctx_session, id_in_script
from respell.engine.effects.arguments import Arguments, lua_type
from respell.errors import (
    ArtifactNotFound,
    EffectFailed,
    LimitReached,
    NotFound,
    PermissionDenied,
    StoreCorrupt,
    UsageError,
)
from respell.globs import has_wildcard
from respell.sessions.record import SessionRecord
from respell.times import rfc3339

INLINE_BYTES = 64 * 1024
"""Content up to this size is part of the outcome; larger is read by its address."""

_FIELDS = ("type", "artifact_type", "mime_type", "tags", "description")
_FILTERS = (
    "session_id", "artifact_type", "type", "name", "name_pattern", "tags", "mime_type",
    "created_after", "created_before", "min_size", "max_size", "text", "sort", "desc",
    "limit", "offset",
)  # fmt: skip


# Storing ---------------------------------------------------------------------------------


@effect("artifact.store", kind=Kind.STORED)
def artifact_store(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Store an artifact and return its id.

    Its content is `content` (a string, or a table to be kept as JSON), or the blob whose
    address is `blob` (a file's snapshot).
    """
    call = "Artifact.store" if args.get("blob") is None else "Artifact.storeFile"
    session = _open_session(ctx, args.get("session"), call)
    given = Arguments(call, args)
    options = Arguments(call, args.get("options"))
    name = given.check_text("name", args.get("name"), most=None, empty=True)
    kind = given.given("type")
    if kind is None:
        kind = options.given("type", "artifact_type")
    mime = naming.check_mime(call, options.text("mime_type"))
    content, is_value = _content(call, args)
    record = ArtifactRecord(
        session_key=session.key,
        name=naming.check_name(call, name),
        content_hash=content if isinstance(content, Address) else b"",
        size=ctx.store.blobs.size(content) if isinstance(content, Address) else len(content),
        artifact_type=naming.check_type(call, kind),
        mime_type=mime or naming.mime_of(name, is_value=is_value),
        description=options.text("description") or "",
        tags=options.texts("tags", most=naming.MAX_TAG_BYTES),
        custom=_custom(call, options),
        is_value=is_value,
        created_by=ctx.session.id,
        event=ctx.number,
        sequence=_sequence(ctx),
    )
    _check_limits(ctx, session, call, record.size)
    if not isinstance(content, Address):
        record = replace(record, content_hash=ctx.store.blobs.put(content))
    return _id(ctx, ctx.store.artifacts.insert(record))


def _sequence(ctx: EffectContext) -> int:
    """Return the number that the artifact must get, as ids in a fork end in it; 0 for any."""
    return int(ctx.before["sequence"]) if isinstance(ctx.before, dict) else 0


class Address(bytes):
    """The address of a blob that is in the store already."""


def _content(call: str, args: dict[str, Any]) -> tuple[bytes, bool]:
    """Return the bytes (or their address) and whether they stand for a table."""
    blob = args.get("blob")
    if isinstance(blob, (str, bytes)):
        return Address(blob.encode() if isinstance(blob, str) else blob), False
    content = args.get("content")
    if isinstance(content, str):
        return content.encode(), False
    if isinstance(content, bytes):
        return content, False
    if isinstance(content, (dict, list)):
        return _canonical_json(content), True
    raise UsageError(f"{call}: content must be a string or a table, not a {lua_type(content)}")


def _canonical_json(value: Any) -> bytes:
    # Keys come sorted from `values.decode`, and are again when Lua reads them.
    text = json.dumps(values.to_json(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _custom(call: str, options: Arguments) -> dict[Any, Any]:
    custom = options.rest(*_FIELDS)
    for name in custom:
        if not isinstance(name, str):
            raise UsageError(f"{call}: names of custom fields must be strings, not {name!r:.40}")
    return custom


def _check_limits(ctx: EffectContext, session: SessionRecord, call: str, size: int) -> None:
    """Do nothing while the session may have one more artifact of this size."""
    artifacts, most = session.artifacts + 1, session.limits.get("artifacts")
    if most is not None and artifacts > most:
        _refuse(ctx, session, call, "artifacts", f"it has {session.artifacts} of {most} artifacts")
    used, most = session.usage.get("artifact_bytes", 0), session.limits.get("artifact_bytes")
    if most is not None and used + size > most:
        what = f"its artifacts have {used} of {most} bytes, and {size} more don't fit"
        _refuse(ctx, session, call, "artifact_bytes", what)


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
        return {"value": values.from_json(json.loads(ctx.store.blobs.get(record.content_hash)))}
    return _bytes(ctx, record)


def _bytes(ctx: EffectContext, record: ArtifactRecord) -> dict[str, Any]:
    if record.size <= INLINE_BYTES:
        return {"content": ctx.store.blobs.get(record.content_hash)}
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
    hasher = blake3()
    try:
        for piece in ctx.store.blobs.stream(record.content_hash):
            hasher.update(piece)
    except (StoreCorrupt, NotFound) as error:
        return {"intact": False, "error": str(error)}
    if hasher.digest() != record.content_hash:
        return {"intact": False, "error": f"the content of {record.id} does not fit its hash"}
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
    query = replace(_query(filters), session_id=session.id)
    return [_entry(ctx, it) for it in ctx.store.artifacts.list(query)]


@effect("artifact.query", kind=Kind.READ)
def artifact_query(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the artifacts that match, of all sessions the script acts as."""
    call = "Artifact.query"
    filters = Arguments(call, args.get("filter"), _FILTERS, what="filter")
    named = filters.given("session_id")
    sessions = all_acted_as(ctx) if named is None else [acting_as(ctx, named, call)]
    query = _query(filters)
    end = None if query.limit is None else query.offset + query.limit
    found: list[ArtifactRecord] = []
    for session in sessions:
        found += ctx.store.artifacts.list(
            replace(query, session_id=session.id, limit=end, offset=0)
        )
    if len(sessions) > 1:
        found.sort(key=_SORTS[query.sort], reverse=_descends(query))
    return [_entry(ctx, it) for it in found[query.offset : end]]


_SORTS: dict[str, Callable[[ArtifactRecord], tuple[Any, ...]]] = {
    "created_at": lambda it: (it.created_at, it.session_key, it.sequence),
    "name": lambda it: (it.name.casefold(), it.session_key, it.sequence),
    "size": lambda it: (it.size, it.session_key, it.sequence),
    "version": lambda it: (it.version, it.session_key, it.sequence),
    "artifact_type": lambda it: (it.artifact_type, it.session_key, it.sequence),
}


def _descends(query: ArtifactQuery) -> bool:
    return query.sort not in ("name", "artifact_type") if query.desc is None else query.desc


def _query(given: Arguments) -> ArtifactQuery:
    kind = given.given("artifact_type", "type")
    pattern = given.text("name_pattern")
    if pattern and not has_wildcard(pattern):
        # As in rs-llmspell v0.6.0: any name that contains it, in any case.
        letters = (f"[{it.lower()}{it.upper()}]" if it.isalpha() else it for it in pattern)
        pattern = f"*{''.join(letters)}*"
    return ArtifactQuery(
        artifact_type=None if kind is None else naming.check_type(given.call, kind),
        name=given.text("name"),
        name_pattern=pattern,
        tags=given.texts("tags", most=naming.MAX_TAG_BYTES),
        mime_type=given.text("mime_type"),
        created_after=given.time("created_after"),
        created_before=given.time("created_before"),
        min_size=given.integer("min_size"),
        max_size=given.integer("max_size"),
        text=given.text("text"),
        sort=given.choice("sort", _SORTS) or "created_at",  # type: ignore[arg-type]
        desc=given.flag("desc"),
        limit=given.integer("limit"),
        offset=given.integer("offset") or 0,
    )


# Deleting --------------------------------------------------------------------------------


@effect("artifact.delete", kind=Kind.STORED)
def artifact_delete(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Delete an artifact; its content stays while another artifact has it."""
    call = "Artifact.delete"
    _open_session(ctx, args.get("session"), call)
    ctx.store.artifacts.delete(_found(ctx, args, call).id)


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
        "parent_artifact": record.parent_artifact,
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
