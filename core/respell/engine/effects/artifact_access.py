"""Which artifacts a script reaches: those of the sessions it acts as, and those granted to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from respell.access import READ, WRITE, Grant
from respell.arguments import Arguments
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.engine.effects import EffectContext
from respell.engine.effects.acting import (
    acting_as,
    acts_as,
    ctx_session,
    granted_to,
    id_in_script,
    owner_of,
    permitted,
)
from respell.errors import ArtifactNotFound, EffectFailed
from respell.sessions.granting import Thing
from respell.sessions.record import SessionRecord


def effect_of(call: str) -> str:
    """Return the effect behind a call, as the audit log has it: `artifact.get_content`."""
    return re.sub("[A-Z]", lambda it: "_" + it[0].lower(), call[0].lower() + call[1:])


def open_session(ctx: EffectContext, given: object, call: str) -> SessionRecord:
    """Return the session that the script acts as, if its artifacts may change."""
    session = acting_as(ctx, given, call)
    check_open(ctx, session, call)
    return session


def check_open(ctx: EffectContext, session: SessionRecord, call: str) -> None:
    if session.status != "active":
        hint = "Session.resume it first" if session.status == "suspended" else "it has ended"
        raise EffectFailed(
            f"{call}: session {id_in_script(ctx, session.id)} is {session.status}; only an active "
            f"session takes or loses artifacts ({hint})"
        )


def taking(
    ctx: EffectContext, args: dict[str, Any], call: str
) -> tuple[SessionRecord, Grant | None]:
    """Return the session that takes a new artifact, and the grant by which it does.

    One that the script does not act as takes the next version of an artifact that was granted
    for writing.
    """
    given = args.get("session")
    session = ctx_session(ctx, given, call)
    if acts_as(ctx, session):
        return open_session(ctx, given, call), None
    name = args.get("name")
    grants = {
        int(one.target): one for one in granted_to(ctx, session, "artifact") if one.level >= WRITE
    }
    versions = ctx.store.artifacts.versions(session.key, name) if isinstance(name, str) else []
    grant = next((grants[one.sequence] for one in versions if one.sequence in grants), None)
    if grant is None:
        return acting_as(ctx, given, call), None  # which says why it may not
    check_open(ctx, session, call)
    return session, grant


def named_artifact(
    ctx: EffectContext, args: dict[str, Any], call: str, level: int
) -> tuple[Thing, Grant | None]:
    """Return the artifact that a script names, and the grant by which it may.

    The session named beside it is the one that asks; where that is its owner, and not one that
    the script acts as, all that it acts as do.

    Raises:
        PermissionDenied: It may not do what takes this level.
        ArtifactNotFound: That is not the id of an artifact.
        SessionNotFound: There is no such session.
    """
    text = Arguments(call, args).check_text("id", args.get("id"), most=None, empty=False)
    known, slash, rest = text.partition("/")
    sequence = rest.partition("/")[0]
    if not slash or not (sequence.isascii() and sequence.isdecimal()):
        raise ArtifactNotFound(
            f"{call}: {text!r:.80} is not the id of an artifact; ids are what Artifact.store "
            "returns, or their text SESSION/SEQUENCE/HASH"
        )
    given = args.get("session")
    own = ctx.session.id if given is None else given
    is_named = ctx.aliases.get(known, known) == (
        ctx.aliases.get(own, own) if isinstance(own, str) else own
    )
    asker = None if is_named else acting_as(ctx, given, call)
    owner = owner_of(ctx, known, call)
    thing = Thing("artifact", owner, str(int(sequence)), f"{owner.id}/{rest}")
    return thing, permitted(ctx, thing, level, call, given=known, asker=asker).grant


def record_of(ctx: EffectContext, thing: Thing, call: str) -> ArtifactRecord:
    try:
        return ctx.store.artifacts.get(thing.label, kept=True)
    except ArtifactNotFound:
        known = id_in_script(ctx, thing.owner.id) + thing.label[len(thing.owner.id) :]
        raise ArtifactNotFound(
            f"{call}: there is no artifact {known} (any more); Artifact.list() returns those of "
            "a session"
        ) from None


def to_read(ctx: EffectContext, args: dict[str, Any], call: str) -> ArtifactRecord:
    """Return the artifact that a script names, if it may read it."""
    thing, grant = named_artifact(ctx, args, call, READ)
    record = record_of(ctx, thing, call)
    if grant is not None:
        ctx.accesses.note(ctx.store, effect_of(call), grant, record.id)
    return record


def granted_of(
    ctx: EffectContext, session: SessionRecord, given: object, call: str
) -> dict[int, Grant] | None:
    """Return what a session granted of its artifacts, by number; None where all are the script's.

    Raises:
        PermissionDenied: The script does not act as it, and was granted none.
    """
    if acts_as(ctx, session):
        return None
    grants = {int(one.target): one for one in granted_to(ctx, session, "artifact")}
    if not grants:
        acting_as(ctx, given, call)  # which says why it may not
    return grants


def of_grants(query: ArtifactQuery, grants: Mapping[int, Grant]) -> ArtifactQuery:
    single = {(one.owner_key, number) for number, one in grants.items()}
    return replace(query, session_ids=(), granted=single)


def note_all(
    ctx: EffectContext, action: str, grants: Iterable[Grant], found: Iterable[ArtifactRecord]
) -> None:
    """Note what was seen by grants, once for each session that granted some of it."""
    if not (by_place := {(one.owner_key, int(one.target)): one for one in grants}):
        return
    seen: dict[tuple[int, str], list[Grant]] = {}
    for one in found:
        if grant := by_place.get((one.session_key, one.sequence)):
            seen.setdefault((grant.owner_key, grant.grantee), []).append(grant)
    for used in seen.values():
        numbers = ", ".join(it.target for it in used)
        ctx.accesses.note(ctx.store, action, used[0], f"artifacts {numbers}")
