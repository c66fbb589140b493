"""Which sessions a script acts as, and what the ids it gives mean.

A script acts as its own session, as those it created (forks are among them), as those it
imported, and as those without program that it loaded or resumed. Records of all sessions can
be read; artifacts, state and events only of those a script acts as, and what was granted to
one of them (`respell.access`).
"""

from __future__ import annotations

from collections.abc import Callable

from respell import values
from respell.access import Decision, Grant
from respell.arguments import lua_type
from respell.engine.effects import EffectContext
from respell.errors import (
    EffectFailed,
    LimitExceeded,
    PermissionDenied,
    SessionNotFound,
    UsageError,
)
from respell.policies.without_program import over_limits, over_rate
from respell.sessions.granting import Thing, decided
from respell.sessions.record import SessionQuery, SessionRecord
from respell.times import now_us

_OWN_ONLY = '[security] sessions = "own"'
# A scope of the state that no script can name: theirs get a prefix of the known ones.
_LOADED = "respell:loaded:"


def ctx_session(ctx: EffectContext, given: object, call: str) -> SessionRecord:
    """Return the session that an id in a script means; every such id goes through here.

    Args:
        ctx: Of the effect.
        given: The id, or None for the session that runs.
        call: The call as scripts write it, for the error.

    Raises:
        SessionNotFound: There is no such session.
        UsageError: It is no id at all.
    """
    if given is None:
        return ctx.store.sessions.get(ctx.session.key)
    if not isinstance(given, str):
        raise UsageError(
            f"{call}: session must be an id or a session's record, not a {lua_type(given)}"
        )
    try:
        return ctx.store.sessions.get(ctx.aliases.get(given, given))
    except SessionNotFound:
        raise SessionNotFound(
            f"{call}: there is no session {given!r:.80}; Session.list() returns those there are"
        ) from None


def id_in_script(ctx: EffectContext, session_id: str) -> str:
    """Return the id by which the script knows a session; differs in forks only."""
    for known, meant in ctx.aliases.items():
        if meant == session_id:
            return known
    return session_id


def acting_as(ctx: EffectContext, given: object, call: str) -> SessionRecord:
    """Return the session of an id that the script must act as.

    Raises:
        SessionNotFound: There is no such session.
        PermissionDenied: The script does not act as it; says what would be needed.
    """
    record = ctx_session(ctx, given, call)
    if acts_as(ctx, record):
        return record
    raise _refused(ctx, record, given, call)


def _refused(
    ctx: EffectContext,
    record: SessionRecord,
    given: object,
    call: str,
    thing: Thing | None = None,
    reason: str = "",
) -> PermissionDenied:
    granted = f"; and {reason}" if reason else ""
    return PermissionDenied(
        f"{call}: this script does not act as session {given}: {_needed(ctx, record, given)}"
        f"{granted}. A script acts as its own session, those it created, and those without "
        "program that it loaded or resumed",
        about=record.id,
        target="" if thing is None else thing.label,
    )  # fmt: skip


# Grants ----------------------------------------------------------------------------------


def owner_of(ctx: EffectContext, given: object, call: str) -> SessionRecord:
    """Return the session whose thing is asked for.

    That can be one that was deleted, while what it granted to this script is kept.

    Raises:
        SessionNotFound: There is no such session.
        UsageError: It is no id at all.
    """
    try:
        return ctx_session(ctx, given, call)
    except SessionNotFound:
        known = str(given)
        hidden = ctx.store.sessions.hidden(ctx.aliases.get(known, known))
        if hidden is None or not granted_to(ctx, hidden):
            raise
        return hidden


def granted_to(ctx: EffectContext, owner: SessionRecord, kind: str | None = None) -> list[Grant]:
    """Return what a session granted to those that the script acts as, and still counts."""
    at = ctx.store.clock()
    return [
        one
        for one in ctx.store.grants.list(owner=owner.key, kind=kind)
        if one.holds(at) and _acts_as_id(ctx, one.grantee)
    ]


def permitted(
    ctx: EffectContext,
    thing: Thing,
    level: int,
    call: str,
    *,
    given: object,
    asker: SessionRecord | None = None,
) -> Decision:
    """Decide whether the script may do something to a thing.

    Args:
        ctx: Of the effect.
        thing: The thing.
        level: READ, WRITE or ADMIN.
        call: The call as scripts write it, for the error.
        given: The id by which the script named the owner.
        asker: The session that asks; None for all that the script acts as.

    Raises:
        PermissionDenied: It may not; says why, and what would be needed.
    """
    if ctx.again:
        return Decision(True)  # its original was allowed to
    decision = decided(ctx.store, thing, level, _asking(ctx, asker))
    if decision.allowed:
        return decision
    reason = decision.reason
    if asker is None:
        raise _refused(ctx, thing.owner, given, call, thing, reason)
    who = id_in_script(ctx, asker.id)
    owner = id_in_script(ctx, thing.owner.id)
    label = thing.label.replace(thing.owner.id, owner, 1)
    raise PermissionDenied(
        f"{call}: {thing.kind} {label} belongs to session {owner}, not to {who}: {reason}; give "
        f"the session it belongs to, or have it granted to {who}",
        about=thing.owner.id,
        actor=asker.id,
        target=thing.label,
    )


def _asking(ctx: EffectContext, asker: SessionRecord | None) -> Callable[[str], bool]:
    if asker is None:
        return lambda session_id: _acts_as_id(ctx, session_id)
    return asker.id.__eq__


def _acts_as_id(ctx: EffectContext, session_id: str) -> bool:
    if session_id == ctx.session.id:
        return True
    try:
        return acts_as(ctx, ctx.store.sessions.get(session_id))
    except SessionNotFound:
        return False


def still_there(ctx: EffectContext, record: SessionRecord, call: str) -> None:
    """Do nothing unless a session was deleted, and is only kept for what it granted.

    Raises:
        EffectFailed: It was; nothing of it changes any more.
    """
    try:
        ctx.store.sessions.get(record.key)
    except SessionNotFound:
        raise EffectFailed(
            f"{call}: session {id_in_script(ctx, record.id)} was deleted; what it granted can be "
            "read until that ends, and not be changed"
        ) from None


# Changes ---------------------------------------------------------------------------------


def changing(ctx: EffectContext, record: SessionRecord, call: str, effect: str) -> None:
    """Count a change to a session without program, which no host meters.

    Args:
        ctx: Of the effect.
        record: The session that is about to be changed.
        call: The call as scripts write it, for the error.
        effect: The effect's name, which a rate may be of.

    Raises:
        LimitExceeded: One of its limits is reached; nothing was counted.
    """
    if record.has_program:
        return
    used, now = int(record.usage.get("operations", 0)), now_us()
    reached = None if ctx.again else over_limits(record, used, now)
    if reached is None and not ctx.again:
        reached = over_rate(ctx.store, record, effect, now)
    if reached is not None:
        raise LimitExceeded(
            f"{call}: the limit {reached.limit} of session {id_in_script(ctx, record.id)} is "
            f"reached: {reached.what}. It can still be read, and ended"
        )
    ctx.store.sessions.update(record.key, usage={**record.usage, "operations": used + 1})


def _needed(ctx: EffectContext, record: SessionRecord, given: object) -> str:
    if record.has_program:
        return "it has a program of its own"
    if ctx.permissions.sessions == "own":
        return f"it was created by another one, and {_OWN_ONLY} is set"
    return f"Session.load({given!r}) lets this script act as it"


def acts_as(ctx: EffectContext, record: SessionRecord) -> bool:
    """Return whether the script acts as a session."""
    own = ctx.session.id
    if own in (record.id, record.created_by):
        return True
    if ctx.permissions.sessions == "own":
        return False
    return ctx.store.state.get(_LOADED + own, record.id) is not None


def take_on(ctx: EffectContext, record: SessionRecord) -> None:
    """Let the script act as a session without program from now on, where that is allowed."""
    if record.has_program or acts_as(ctx, record):
        return
    allowed = ctx.permissions.sessions != "own"
    if allowed:
        ctx.store.state.set(_LOADED + ctx.session.id, record.id, values.encode(True))
    ctx.store.audit.note(
        "session.act_as",
        session=record.id,
        actor=ctx.session.id,
        target=record.name,
        allowed=allowed,
        reason="" if allowed else f"{_OWN_ONLY} is set",
    )


def carry_on(ctx: EffectContext, given: object) -> None:
    """Let a fork act as a session of which its original was allowed to."""
    try:
        record = ctx_session(ctx, given, "fork")
    except SessionNotFound:
        return  # it was deleted since
    if not acts_as(ctx, record):
        ctx.store.state.set(_LOADED + ctx.session.id, record.id, values.encode(True))


def begin_import(ctx: EffectContext, session_id: str) -> None:
    """Note that the script is about to import a session, and will act as it."""
    ctx.store.state.set(_LOADED + ctx.session.id, session_id, values.encode(ctx.number))


def is_import_of(ctx: EffectContext, session_id: str) -> bool:
    """Return whether this very call has begun to import a session, in an earlier attempt."""
    mark = ctx.store.state.get(_LOADED + ctx.session.id, session_id)
    return mark == values.encode(ctx.number)


def give_up_import(ctx: EffectContext, session_id: str) -> None:
    """Note that nothing came of the import of a session."""
    ctx.store.state.delete(_LOADED + ctx.session.id, session_id)


def forget(ctx: EffectContext, record: SessionRecord) -> None:
    """Note that a session the script acted as is gone."""
    ctx.store.state.delete(_LOADED + ctx.session.id, record.id)


def all_acted_as(ctx: EffectContext) -> list[SessionRecord]:
    """Return all sessions that the script acts as, its own first."""
    sessions = ctx.store.sessions
    found = [sessions.get(ctx.session.key)]
    found += sessions.list(SessionQuery(created_by=ctx.session.id, desc=False))
    if ctx.permissions.sessions == "own":
        return found
    for session_id in ctx.store.state.list(_LOADED + ctx.session.id):
        try:
            found.append(sessions.get(session_id))
        except SessionNotFound:
            continue  # another script deleted it
    return found
