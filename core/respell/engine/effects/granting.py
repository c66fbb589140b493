"""Granting and revoking, as scripts do it: artifacts, the state and the events of sessions."""

from __future__ import annotations

from typing import Any

from respell.access import ADMIN, LEVELS, Grant
from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.acting import (
    changing,
    ctx_session,
    id_in_script,
    owner_of,
    permitted,
    still_there,
)
from respell.engine.effects.artifact_access import named_artifact, record_of
from respell.errors import SessionNotFound, UsageError
from respell.sessions import granting as rules
from respell.sessions.granting import Thing
from respell.sessions.record import SessionRecord
from respell.store import AuditEntry
from respell.times import rfc3339

_ENTRIES, _MOST_ENTRIES = 100, 1_000
_STATE = "session:"


# Artifacts -------------------------------------------------------------------------------


@effect("artifact.grant", kind=Kind.STORED)
def artifact_grant(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Let another session read, write or administer an artifact."""
    call = "Artifact.grant"
    thing, grant = named_artifact(ctx, args, call, ADMIN)
    record_of(ctx, thing, call)
    _give(ctx, args, thing, call, grant)


@effect("artifact.revoke", kind=Kind.STORED)
def artifact_revoke(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Take back what a session was granted of an artifact; return whether it was anything."""
    call = "Artifact.revoke"
    thing, grant = named_artifact(ctx, args, call, ADMIN)
    return _take_back(ctx, args, thing, call, grant)


@effect("artifact.acl", kind=Kind.READ)
def artifact_acl(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who may do what to an artifact, its owner first."""
    call = "Artifact.acl"
    thing, _ = named_artifact(ctx, args, call, ADMIN)
    record_of(ctx, thing, call)
    return _shown(ctx, rules.acl(ctx.store, thing))


@effect("artifact.audit", kind=Kind.READ)
def artifact_audit(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the newest entries of the audit log about an artifact, oldest of them first."""
    call = "Artifact.audit"
    thing, _ = named_artifact(ctx, args, call, ADMIN)
    options = Arguments(call, args.get("options"), ("limit",))
    limit = options.integer("limit", least=1, most=_MOST_ENTRIES) or _ENTRIES
    found = ctx.store.audit.list(session=thing.owner.id, target=thing.label, limit=limit)
    return [_entry(ctx, one) for one in found]


def _entry(ctx: EffectContext, one: AuditEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(one.at),
        "actor": id_in_script(ctx, one.actor),
        "action": one.action,
        "target": one.target,
        "allowed": one.allowed,
        "reason": one.reason or None,
    }


# State -----------------------------------------------------------------------------------


@effect("state.grant", kind=Kind.STORED)
def state_grant(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Let another session read, write or administer the state of a session."""
    call = "State.grant"
    thing, grant = _state(ctx, args, call)
    _give(ctx, args, thing, call, grant)


@effect("state.revoke", kind=Kind.STORED)
def state_revoke(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Take back what a session was granted of a state; return whether it was anything."""
    call = "State.revoke"
    thing, grant = _state(ctx, args, call)
    return _take_back(ctx, args, thing, call, grant)


@effect("state.acl", kind=Kind.READ)
def state_acl(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who may do what to the state of a session, its owner first."""
    thing, _ = _state(ctx, args, "State.acl")
    return _shown(ctx, rules.acl(ctx.store, thing))


def _state(ctx: EffectContext, args: dict[str, Any], call: str) -> tuple[Thing, Grant | None]:
    scope = args.get("scope")
    if scope is None:
        scope = _STATE + ctx.session.id
    if not isinstance(scope, str) or not scope.startswith(_STATE) or scope == _STATE:
        raise UsageError(
            f"{call}: only the scope of a session (session:ID) is granted; global, agent:NAME, "
            "workflow:NAME and custom:NAME are open to every session as it is"
        )
    known = scope.removeprefix(_STATE)
    thing = rules.state_thing(owner_of(ctx, known, call))
    return thing, permitted(ctx, thing, ADMIN, call, given=known).grant


# Events ----------------------------------------------------------------------------------


@effect("event.grant", kind=Kind.STORED)
def event_grant(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Let another session hear events of a session."""
    call = "Event.grant"
    thing, grant = _events(ctx, args, call)
    _give(ctx, args, thing, call, grant)


@effect("event.revoke", kind=Kind.STORED)
def event_revoke(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Take back what a session was granted of events; return whether it was anything."""
    call = "Event.revoke"
    thing, grant = _events(ctx, args, call)
    return _take_back(ctx, args, thing, call, grant)


@effect("event.acl", kind=Kind.READ)
def event_acl(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who may hear which events of a session."""
    call = "Event.acl"
    owner = owner_of(ctx, args.get("session"), call)
    thing = rules.events_thing(owner, "*", call)
    permitted(ctx, thing, ADMIN, call, given=args.get("session"))
    return _shown(ctx, rules.events_acl(ctx.store, owner))


def _events(ctx: EffectContext, args: dict[str, Any], call: str) -> tuple[Thing, Grant | None]:
    given = Arguments(call, args)
    pattern = given.check_text("pattern", args.get("pattern"), most=None, empty=False)
    thing = rules.events_thing(owner_of(ctx, args.get("session"), call), pattern, call)
    return thing, permitted(ctx, thing, ADMIN, call, given=args.get("session")).grant


# What they share -------------------------------------------------------------------------


def _give(
    ctx: EffectContext, args: dict[str, Any], thing: Thing, call: str, grant: Grant | None
) -> None:
    given = Arguments(call, args)
    to = _grantee(ctx, args, call)
    still_there(ctx, thing.owner, call)
    rules.give(
        ctx.store, thing, to, given.choice("level", LEVELS) or "read",
        expires_at=given.time("expires_at"), by=_by(ctx, thing, grant), call=call, within=grant,
        again=ctx.again,
    )  # fmt: skip
    changing(ctx, thing.owner, call, call.lower())


def _take_back(
    ctx: EffectContext, args: dict[str, Any], thing: Thing, call: str, grant: Grant | None
) -> bool:
    to = args.get("to")
    if not isinstance(to, str):
        raise Arguments(call, args).wrong("to_session", "the id of a session", to)
    by = _by(ctx, thing, grant)
    return rules.take_back(ctx.store, thing, ctx.aliases.get(to, to), by=by, call=call)


def _by(ctx: EffectContext, thing: Thing, grant: Grant | None) -> str:
    """Return who grants: the session whose it is, or the one that it was granted to."""
    return thing.owner.id if grant is None else grant.grantee


def _grantee(ctx: EffectContext, args: dict[str, Any], call: str) -> SessionRecord:
    to = args.get("to")
    if to is None:
        raise UsageError(f"{call}: to_session is missing: the id of the session that may")
    try:
        return ctx_session(ctx, to, call)
    except SessionNotFound:
        if not ctx.again:
            raise
        # It was deleted since: what it was granted went with it.
        return SessionRecord(id=str(to))


def _shown(ctx: EffectContext, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries with ids as the script knows them; those differ in forks only."""
    for one in entries:
        one["session_id"] = id_in_script(ctx, one["session_id"])
        if one["granted_by"] is not None:
            one["granted_by"] = id_in_script(ctx, one["granted_by"])
        one["permission"] = one["level"]  # as rs-llmspell v0.6.0 calls it
    return entries
