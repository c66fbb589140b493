"""What scripts do to sessions: create, load, change, end, delete.

What suspends or ends the running program is not here: `session.suspend` is performed by
the host itself, and a program completes or fails where its script ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import (
    EffectContext,
    effect,
    session_moves,
    session_replay,
    session_views,
)
from respell.engine.effects.acting import (
    acting_as,
    acts_as,
    changing,
    ctx_session,
    forget,
    id_in_script,
    take_on,
)
from respell.errors import EffectFailed, InvalidTransition, PermissionDenied, UsageError
from respell.policies.limits import merged
from respell.sessions.creating import MAX_NAME_BYTES, MAX_TAG_BYTES, OPTIONS, record_of
from respell.sessions.lifecycle import check_transition
from respell.sessions.record import SessionRecord
from respell.times import now_us

__all__ = [
    "acting_as", "acts_as", "ctx_session", "id_in_script", "session_moves", "session_replay",
    "session_views",
]  # fmt: skip

# Creating and loading --------------------------------------------------------------------


@effect("session.create", kind=Kind.STORED)
def session_create(ctx: EffectContext, args: Any) -> str:
    """Create a session without program and return its id."""
    record = _to_be_created(ctx, args)
    record = replace(record, limits=merged(ctx.config.session.limits.given(), record.limits))
    made = ctx.store.sessions.insert(record)
    _note(ctx, "session.create", made)
    return id_in_script(ctx, made.id)


def _to_be_created(ctx: EffectContext, args: Any) -> SessionRecord:
    call = "Session.create"
    given = Arguments(call, args, OPTIONS)
    parent = given.given("parent", "parent_session_id")
    below = None if parent is None else ctx_session(ctx, parent, call).id
    return record_of(call, args, creator=ctx.session.id, parent=below)


@effect("session.load", kind=Kind.STORED)
def session_load(ctx: EffectContext, args: dict[str, Any]) -> str:
    """Make sure that a session is there; the script acts as it if it has no program."""
    record = ctx_session(ctx, args.get("session"), "Session.load")
    take_on(ctx, record)
    return id_in_script(ctx, record.id)


@effect("session.save", kind=Kind.STORED)
def session_save(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Commit all that is buffered: the records before this effect go with its own."""
    record = acting_as(ctx, args.get("session"), "Session.save")
    if args.get("told"):  # by the script itself, and not because another call needs it
        ctx.store.sessions.tell("session.saved", record)


@effect("session.set_current", kind=Kind.READ)
def session_set_current(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Make sure that a session can be the default owner of what the script makes."""
    acting_as(ctx, args.get("session"), "Session.setCurrent")


# Lifecycle -------------------------------------------------------------------------------


@effect("session.suspend_other", kind=Kind.STORED)
def session_suspend_other(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Suspend a session that is not the running program's."""
    _become(ctx, args, "Session.suspend", "suspended")


@effect("session.resume", kind=Kind.STORED)
def session_resume(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Make a suspended session without program active; the script acts as it."""
    record = _to_be_resumed(ctx, args)
    take_on(ctx, record)
    _become(ctx, args, "Session.resume", "active", waiting_for=None)


def _to_be_resumed(ctx: EffectContext, args: dict[str, Any]) -> SessionRecord:
    call = "Session.resume"
    record = ctx_session(ctx, args.get("session"), call)
    if record.has_program and record.id != ctx.session.id:
        raise EffectFailed(
            f"{call}: session {args['session']} has a program of its own; "
            f"`respell resume {record.id[:8]}` goes on with it"
        )
    if args.get("value") is not None:
        raise UsageError(
            f"{call}: session {args.get('session')} has no program that could take the value; "
            "State.set('session:ID', key, value) keeps one with it"
        )
    return record


@effect("session.complete", kind=Kind.STORED)
def session_complete(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Complete a session that is not the running program's."""
    _become(ctx, args, "Session.complete", "completed", ended_at=now_us(), waiting_for=None)


@effect("session.fail", kind=Kind.STORED)
def session_fail(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Fail a session that is not the running program's, for a reason."""
    error = {"message": _reason(args), "traceback": ""}
    _become(ctx, args, "Session.fail", "failed", ended_at=now_us(), waiting_for=None, error=error)


def _reason(args: dict[str, Any]) -> str:
    return Arguments("Session.fail", args).text("reason") or "no reason given"


@effect("session.archive", kind=Kind.STORED)
def session_archive(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Archive a session that has ended."""
    _become(ctx, args, "Session.archive", "archived")


@effect("session.delete", kind=Kind.STORED)
def session_delete(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Delete a session with its artifacts and state."""
    call = "Session.delete"
    record = _other(ctx, args, call)

    ctx.store.sessions.delete(
        record.key, along=lambda deleted: _note(ctx, "session.delete", deleted)
    )
    forget(ctx, record)


_ACTIONS = {
    "active": "session.resume",
    "suspended": "session.suspend",
    "completed": "session.complete",
    "failed": "session.fail",
    "archived": "session.archive",
}


def _note(ctx: EffectContext, action: str, record: SessionRecord, reason: str = "") -> None:
    """Note what is done to a session; not again what a fork does again on its copies."""
    if not ctx.again:
        ctx.store.audit.note(
            action, session=record.id, actor=ctx.session.id, target=record.name, reason=reason
        )


def _become(
    ctx: EffectContext, args: dict[str, Any], call: str, status: str, **fields: Any
) -> None:
    record = acting_as(ctx, args.get("session"), call)
    _check_becoming(ctx, record, call, status)
    ctx.store.sessions.update(record.key, status=status, **fields)
    reason = fields["error"]["message"] if status == "failed" else ""
    _note(ctx, _ACTIONS[status], record, reason)


def _check_becoming(ctx: EffectContext, record: SessionRecord, call: str, status: str) -> None:
    try:
        check_transition(record.status, status, session=id_in_script(ctx, record.id))
    except InvalidTransition as error:
        raise InvalidTransition(
            f"{call}: {error}", current=error.current, wanted=error.wanted
        ) from None
    _not_running(ctx, record, call)


@effect("session.check", kind=Kind.READ)
def session_check(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any] | None:
    """Refuse what an operation would be refused for, before hooks are asked about it.

    Returns:
        The session as it is, as scripts see it; None where it is to be created.
    """
    operation = args.get("operation")
    if operation == "create":
        _to_be_created(ctx, args.get("options") or {})
        return None
    call = f"Session.{operation}"
    if operation == "resume":
        record = _to_be_resumed(ctx, args)
        if record.has_program or ctx.permissions.sessions == "own":
            acting_as(ctx, args.get("session"), call)
    else:
        record = acting_as(ctx, args.get("session"), call)
    own = record.id == ctx.session.id and operation in ("suspend", "complete", "fail")
    if operation == "fail":
        _reason(args)
    if operation in _STATUS_AFTER and not own:
        _check_becoming(ctx, record, call, _STATUS_AFTER[operation])
    elif operation == "delete":
        _other(ctx, args, call)
    return session_views.shown(ctx, record, running=ctx.store.leases.holder(record.key) is not None)


_STATUS_AFTER = {
    "suspend": "suspended", "resume": "active", "complete": "completed", "fail": "failed",
    "archive": "archived",
}  # fmt: skip


def _other(ctx: EffectContext, args: dict[str, Any], call: str) -> SessionRecord:
    record = acting_as(ctx, args.get("session"), call)
    _not_running(ctx, record, call)
    return record


def _not_running(ctx: EffectContext, record: SessionRecord, call: str) -> None:
    """Do nothing unless the session is a program that runs: only its host may change it."""
    if record.id == ctx.session.id:
        raise PermissionDenied(
            f"{call}: session {id_in_script(ctx, record.id)} is the program that calls this; "
            "its status changes where its script ends, fails or calls Session.suspend()"
        )
    holder = ctx.store.leases.holder(record.key)
    if holder is not None:
        raise EffectFailed(
            f"{call}: session {id_in_script(ctx, record.id)} is running ({holder}); "
            f"`respell suspend {record.id[:8]}` stops it first"
        )


# Tags and metadata -----------------------------------------------------------------------


@effect("session.set_tags", kind=Kind.STORED)
def session_set_tags(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Replace a session's tags."""
    record = _changed(ctx, args, "Session.setTags", "session.set_tags")
    tags = Arguments("Session.setTags", args).texts("tags", most=MAX_TAG_BYTES)
    ctx.store.sessions.update(record.key, tags=tags)


@effect("session.add_tag", kind=Kind.STORED)
def session_add_tag(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Add a tag; one that is there already stays where it is."""
    record = _changed(ctx, args, "Session.addTag", "session.add_tag")
    tag = _tag("Session.addTag", args)
    if tag not in record.tags:
        ctx.store.sessions.update(record.key, tags=[*record.tags, tag])


@effect("session.remove_tag", kind=Kind.STORED)
def session_remove_tag(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Remove a tag and return whether it was there."""
    record = _changed(ctx, args, "Session.removeTag", "session.remove_tag")
    tag = _tag("Session.removeTag", args)
    if tag not in record.tags:
        return False
    ctx.store.sessions.update(record.key, tags=[it for it in record.tags if it != tag])
    return True


def _changed(ctx: EffectContext, args: dict[str, Any], call: str, effect: str) -> SessionRecord:
    """Return the session that the call is about to change."""
    record = acting_as(ctx, args.get("session"), call)
    changing(ctx, record, call, effect)
    return record


def _tag(call: str, args: dict[str, Any]) -> str:
    return Arguments(call, args).check_tag("tag", args.get("tag"), most=MAX_TAG_BYTES)


@effect("session.update_metadata", kind=Kind.STORED)
def session_update_metadata(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Change name, description and tags; all other fields are merged into the metadata."""
    call = "Session.updateMetadata"
    record = _changed(ctx, args, call, "session.update_metadata")
    given = Arguments(call, args.get("metadata"), what="field")
    changes: dict[str, Any] = {}
    for name, most in (("name", MAX_NAME_BYTES), ("description", None)):
        text = given.text(name, most=most)
        if text is not None:
            changes[name] = text
    if given.given("tags") is not None:
        changes["tags"] = given.texts("tags", most=MAX_TAG_BYTES)
    more = given.rest("name", "description", "tags")
    for name in ("id", "status", "created_at", "updated_at"):
        if name in more:
            raise UsageError(f"{call}: {name} is no metadata; it can't be set by hand")
    if more:
        changes["metadata"] = {**record.metadata, **more}
    if changes:
        ctx.store.sessions.update(record.key, **changes)
