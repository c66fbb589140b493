"""What scripts read of sessions: records, lists, timeline and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from respell import values
from respell.analytics import over_time
from respell.analytics import session_stats as stats_of
from respell.analytics.over_time import WIDTHS
from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.acting import acting_as, acts_as, ctx_session, id_in_script
from respell.errors import EffectFailed, EventNotFound, UsageError
from respell.history.events import KINDS, Event, spell_out_hashes
from respell.sessions.causality import causes
from respell.sessions.lifecycle import STATUSES
from respell.sessions.record import SessionQuery, SessionRecord, SessionSort
from respell.sessions.timeline import teller_of, timeline
from respell.times import rfc3339

_FILTERS = (
    "status", "tags", "parent", "parent_session_id", "created_by", "created_after",
    "created_before", "text", "sort", "desc", "limit", "offset",
)  # fmt: skip
_SORTS = ("created_at", "updated_at", "name", "events", "artifacts", "status")
_TIMELINE = ("from", "to", "kind", "correlation_id", "limit")
_TIMELINE_LENGTH, _TIMELINE_MOST = 1_000, 10_000


# Records ---------------------------------------------------------------------------------


@effect("session.get", kind=Kind.READ)
def session_get(ctx: EffectContext, args: dict[str, Any]) -> Any:
    """Return the record of any session, or one field of it."""
    record = ctx_session(ctx, args.get("session"), "Session.get")
    fields = shown(ctx, record, running=ctx.store.leases.holder(record.key) is not None)
    field = args.get("field")
    return fields if field is None else fields.get(field)


def shown(ctx: EffectContext, record: SessionRecord, *, running: bool) -> dict[str, Any]:
    """Return a session as scripts see it; what is None is nil there."""
    creator = record.created_by
    return {
        "id": id_in_script(ctx, record.id),
        "name": record.name or None,
        "description": record.description or None,
        "status": record.status,
        "running": running,
        "interrupted": record.status == "active" and record.has_program and not running,
        "script": record.script,
        "tags": record.tags,
        "metadata": record.metadata,
        "custom_metadata": record.metadata,  # as rs-llmspell v0.6.0 calls it
        "parent_session_id": _id(ctx, record.parent_session_id),
        "forked_from": _id(ctx, record.forked_from),
        "created_by": record.metadata.get("created_by") or _id(ctx, creator),
        "creator": _id(ctx, creator),
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "ended_at": None if record.ended_at is None else rfc3339(record.ended_at),
        "events": record.events,
        "artifacts": record.artifacts,
        "usage": record.usage,
        "limits": record.limits,
        "waiting_for": record.waiting_for,
        "error": record.error,
    }


def _id(ctx: EffectContext, session_id: str | None) -> str | None:
    return None if session_id is None else id_in_script(ctx, session_id)


# Lists -----------------------------------------------------------------------------------


@effect("session.list", kind=Kind.READ)
def session_list(ctx: EffectContext, args: Any) -> list[dict[str, Any]]:
    """Return the sessions that match, in any status unless one is asked for."""
    given = Arguments("Session.list", args, _FILTERS, what="filter")
    parent = given.text("parent", "parent_session_id")
    creator = given.text("created_by")
    query = SessionQuery(
        status=given.choice("status", STATUSES),
        tags=given.texts("tags", most=255),
        parent=None if parent is None else ctx.aliases.get(parent, parent),
        created_after=given.time("created_after"),
        created_before=given.time("created_before"),
        text=given.text("text"),
        sort=cast(SessionSort, given.choice("sort", _SORTS) or "created_at"),
        desc=given.flag("desc"),
        limit=given.integer("limit"),
        offset=given.integer("offset") or 0,
    )
    live = ctx.store.leases.live()
    return [
        shown(ctx, record, running=record.key in live) for record in _matching(ctx, query, creator)
    ]


def _matching(ctx: EffectContext, query: SessionQuery, creator: str | None) -> list[SessionRecord]:
    if creator is None and not ctx.aliases:
        return ctx.store.sessions.list(query)
    # A creator may be one that a script named, which the store keeps as metadata; and in a
    # fork an aliased id means its copy, so the session that really has it is not to be seen.
    found = [
        record
        for record in ctx.store.sessions.list(replace(query, limit=None, offset=0))
        if record.id not in ctx.aliases and (creator is None or creator in _creators(ctx, record))
    ]
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def _creators(ctx: EffectContext, record: SessionRecord) -> tuple[Any, ...]:
    return _id(ctx, record.created_by), record.metadata.get("created_by")


# Timeline --------------------------------------------------------------------------------


@effect("session.timeline", kind=Kind.READ)
def session_timeline(ctx: EffectContext, args: dict[str, Any]) -> list[dict[Any, Any]]:
    """Return a session's events, oldest first; large values by hash and size."""
    call = "Session.getTimeline"
    record = acting_as(ctx, args.get("session"), call)
    given = Arguments(call, args.get("options"), _TIMELINE)
    kind = given.choice("kind", KINDS)
    correlation = given.text("correlation_id")
    limit = given.integer("limit", least=1, most=_TIMELINE_MOST) or _TIMELINE_LENGTH
    first, last = given.integer("from", least=1) or 1, given.integer("to", least=1)
    if correlation is not None:
        correlation = ctx.aliases.get(correlation, correlation)
    if teller_of(ctx.store, record).key == ctx.session.key:
        # What was before this call, of which a part may be committed already.
        last = ctx.number - 1 if last is None else min(last, ctx.number - 1)
    found: list[dict[Any, Any]] = []
    for event in timeline(ctx.store, record, first, last):
        if ctx.cancel.is_set():
            raise EffectFailed(f"{call} was cancelled")
        if kind is not None and event.kind != kind:
            continue
        if correlation is not None and event.correlation_id(record.id) != correlation:
            continue
        found.append(_event_in_script(event, id_in_script(ctx, record.id)))
        if len(found) == limit:
            break
    return found


def _event_in_script(event: Event, session_id: str) -> dict[Any, Any]:
    """Return an event as the command line shows it, but with Lua's own strings and tables."""
    shown: dict[Any, Any] = values.from_json(event.to_json(session_id))
    spell_out_hashes(shown)
    return shown


@effect("session.causes", kind=Kind.READ)
def session_causes(ctx: EffectContext, args: dict[str, Any]) -> list[dict[Any, Any]]:
    """Return an event and what led to it, the first cause last."""
    call = "Session.getCauses"
    record = acting_as(ctx, args.get("session"), call)
    number = Arguments(call, args).integer("number", least=1)
    if number is None:
        raise UsageError(f"{call}: number is missing: the number of the event")
    if teller_of(ctx.store, record).key == ctx.session.key and number >= ctx.number:
        raise EventNotFound(f"{call}: event {number} is not over yet; this call is {ctx.number}")
    chain = causes(ctx.store, record, number, may_read=lambda other: acts_as(ctx, other))
    found = []
    for one in chain:
        session_id = id_in_script(ctx, one.session_id)
        found.append({**_event_in_script(one.event, session_id), "session_id": session_id})
    return found


# Numbers and replay ----------------------------------------------------------------------


@effect("session.stats", kind=Kind.READ)
def session_stats(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of a session: what it used, did and has."""
    call = "Session.stats"
    record = acting_as(ctx, args.get("session"), call)
    options = Arguments(call, args.get("options"), ("by", "since", "until"))
    more: dict[str, Any] = {}
    if options.given("by", "since", "until") is not None:
        found = over_time(
            ctx.store, record, by=options.choice("by", WIDTHS) or "day",
            since=options.time("since"), until=options.time("until"),
        ).to_json()  # fmt: skip
        more = {"buckets": found["buckets"], "totals": found["totals"]}
    return {
        **stats_of(ctx.store, record).to_json(),
        **more,
        "session_id": id_in_script(ctx, record.id),
        "artifact_bytes": record.usage.get("artifact_bytes", 0),
        "updated_at": rfc3339(record.updated_at),
    }


@effect("session.can_replay", kind=Kind.READ)
def session_can_replay(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Return whether there is a program to re-execute: its own, or its creator's."""
    return _replayable(ctx, ctx_session(ctx, args.get("session"), "Session.canReplay"))


@effect("session.list_replayable", kind=Kind.READ)
def session_list_replayable(ctx: EffectContext, args: Any) -> list[str]:
    """Return the ids of all sessions that can be replayed, newest first."""
    if args:
        raise UsageError("Session.listReplayable takes no arguments")
    return [
        id_in_script(ctx, record.id)
        for record in _matching(ctx, SessionQuery(), None)
        if _replayable(ctx, record)
    ]


def _replayable(ctx: EffectContext, record: SessionRecord) -> bool:
    teller = teller_of(ctx.store, record)
    return teller.has_program and not teller.redacted
