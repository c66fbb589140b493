"""Granting and revoking: the rules, once for scripts, Python and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from respell.access import LEVELS, WRITE, Decision, Grant, decide
from respell.artifacts.record import ArtifactRecord
from respell.errors import PermissionDenied, UsageError
from respell.sessions.current import acting
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.bus_rows import check_pattern
from respell.times import rfc3339

if TYPE_CHECKING:
    from respell.sessions.facts import SessionFacts

MOST = 10_000
"""Most grants that one session has given at a time."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What can be granted.

    Attributes:
        kind: `artifact`, `state` or `events`.
        owner: The session whose it is.
        target: As the store knows it, see `Grant`.
        label: As people and the audit log call it.
    """

    kind: str
    owner: SessionRecord
    target: str
    label: str


def artifact_thing(owner: SessionRecord, record: ArtifactRecord) -> Thing:
    """Return an artifact as what can be granted."""
    return Thing("artifact", owner, str(record.sequence), record.id)


def state_thing(owner: SessionRecord) -> Thing:
    """Return the state of a session as what can be granted."""
    return Thing("state", owner, "", f"session:{owner.id}")


def events_thing(owner: SessionRecord, pattern: str, call: str) -> Thing:
    """Return the events of a session that a pattern matches as what can be granted.

    Raises:
        UsageError: The pattern is neither a type, nor `*`, nor one with `*` at its end.
    """
    check_pattern(pattern, call)
    return Thing("events", owner, pattern, pattern)


def decided(store: Store, thing: Thing, level: int, asks: Any) -> Decision:
    """Return whether those who ask may do something to a thing of this store.

    Args:
        store: Where it is.
        thing: The thing.
        level: READ, WRITE or ADMIN.
        asks: Whether the session of an id is one of those who ask.
    """
    if asks(thing.owner.id):
        return Decision(True)
    if thing.kind == "events":
        grants = store.grants.list(owner=thing.owner.key, kind="events")
    else:
        grants = store.grants.of(thing.owner.key, thing.kind, thing.target)
    return decide(thing.owner.id, grants, thing.target, level, asks, store.clock())


def give(
    store: Store,
    thing: Thing,
    to: SessionRecord,
    level: str,
    *,
    by: str,
    call: str,
    expires_at: int | None = None,
    within: Grant | None = None,
    again: bool = False,
) -> Grant:
    """Grant a thing to a session; what it was granted of it before is replaced.

    Args:
        store: Where both are.
        thing: What is granted.
        to: The session that may from now on.
        level: read, write or admin.
        by: Who grants it: a session's id, or `cli`, `python`.
        call: What this is called in errors.
        expires_at: When it ends, µs since 1970 UTC; None for never.
        within: The grant by which it is granted; None where the owner does.
        again: A fork does again what its original did: the time may have passed since.

    Raises:
        PermissionDenied: To its owner, to the one that grants it, or for longer than that
            one has it itself.
        UsageError: There is no such level, or the time has passed already.
    """
    number = checked_level(thing, level, call)
    if to.id == thing.owner.id:
        raise _refused(thing, by, f"{call}: session {to.id} owns it: it may do all as it is")
    if to.id == by:
        raise _refused(thing, by, f"{call}: a session can't grant something to itself")
    if expires_at is not None and expires_at <= store.clock() and not again:
        raise UsageError(f"{call}: expires_at {rfc3339(expires_at)} has passed already")
    last = None if within is None else within.expires_at
    if last is not None and (expires_at is None or expires_at > last):
        raise _refused(
            thing, by,
            f"{call}: what was granted until {rfc3339(last)} can't be granted for longer; give an "
            "expires_at up to then",
        )  # fmt: skip
    grant = Grant(
        thing.owner.key, thing.kind, thing.target, to.id, number, expires_at, by,
        owner=thing.owner.id,
    )  # fmt: skip
    with store.transaction():
        if store.grants.count(thing.owner.key) >= MOST:
            raise UsageError(
                f"{call}: session {thing.owner.id} has given {MOST} grants already; revoke some"
            )
        store.grants.put(grant)
        until = "" if expires_at is None else f" until {rfc3339(expires_at)}"
        _note(store, thing, "grant", by, f"{level} to {to.id}{until}")
    return grant


def take_back(store: Store, thing: Thing, grantee: str, *, by: str, call: str) -> bool:
    """Revoke what a session was granted of a thing; return whether it was granted anything.

    Args:
        store: Where it is.
        thing: The thing.
        grantee: Id of the session, which need not be there any more.
        by: Who revokes it.
        call: What this is called in errors.

    Raises:
        PermissionDenied: It is the owner's.
    """
    if grantee == thing.owner.id:
        raise _refused(
            thing, by, f"{call}: session {grantee} owns it: what is its own can't be revoked"
        )
    with store.transaction():
        had = store.grants.remove(thing.owner.key, thing.kind, thing.target, grantee)
        if had:
            _note(store, thing, "revoke", by, f"from {grantee}")
    return had


def acl(store: Store, thing: Thing) -> list[dict[str, Any]]:
    """Return who may do what to a thing: its owner, then grants from the oldest to the newest."""
    owner = {
        "session_id": thing.owner.id, "level": "admin", "owner": True, "expires_at": None,
        "expired": False, "granted_by": None, "granted_at": None,
    }  # fmt: skip
    at = store.clock()
    grants = store.grants.of(thing.owner.key, thing.kind, thing.target)
    return [owner, *(_entry(it, at) for it in grants)]


def events_acl(store: Store, owner: SessionRecord) -> list[dict[str, Any]]:
    """Return who may hear which events of a session, from the oldest grant to the newest."""
    at = store.clock()
    grants = store.grants.list(owner=owner.key, kind="events")
    return [{"pattern": it.target, **_entry(it, at)} for it in grants]


def checked_level(thing: Thing, level: str, call: str) -> int:
    """Return a level's number.

    Raises:
        UsageError: There is no such level, or the thing can't be granted so.
    """
    number = LEVELS.get(level)
    if number is None:
        raise UsageError(f"{call}: level must be one of {', '.join(LEVELS)}, not {level!r:.80}")
    if thing.kind == "events" and number == WRITE:
        raise UsageError(
            f"{call}: events can be granted to read (to hear them) and to admin; nobody publishes "
            "in another session's name"
        )
    return number


def found(store: Store, session: SessionFacts | SessionRecord | str) -> SessionRecord:
    """Return the session that is meant, as the store has it now.

    Raises:
        SessionNotFound: There is none (any more).
    """
    if isinstance(session, str):
        return store.sessions.find(session)
    return store.sessions.get(session.id)


def id_of(store: Store, session: SessionFacts | SessionRecord | str) -> str:
    """Return the id of a session that need not be there any more."""
    if not isinstance(session, str):
        return session.id
    known = {one.grantee for one in store.grants.list()}
    return session if session in known else store.sessions.find(session).id


def as_actor() -> str:
    """Return who acts in this code: the session it runs for, or `python`."""
    here = acting()
    return "python" if here is None else here.session_id


def grant_json(grant: Grant, at: int, to_label: Mapping[int, str] | None = None) -> dict[str, Any]:
    """Return a grant as `respell grants --json` shows it."""
    target = grant.target
    if grant.kind == "artifact":
        target = (to_label or {}).get(int(target), f"{grant.owner}/{target}")
    elif grant.kind == "state":
        target = f"session:{grant.owner}"
    return {**_entry(grant, at), "owner": grant.owner, "kind": grant.kind, "target": target}


def _entry(grant: Grant, at: int) -> dict[str, Any]:
    return {
        "session_id": grant.grantee,
        "level": grant.level_name,
        "owner": False,
        "expires_at": None if grant.expires_at is None else rfc3339(grant.expires_at),
        "expired": not grant.holds(at),
        "granted_by": grant.granted_by,
        "granted_at": rfc3339(grant.granted_at),
    }


def _refused(thing: Thing, by: str, message: str) -> PermissionDenied:
    return PermissionDenied(message, about=thing.owner.id, actor=by, target=thing.label)


def _note(store: Store, thing: Thing, action: str, by: str, reason: str) -> None:
    family = "event" if thing.kind == "events" else thing.kind
    store.audit.note(
        f"{family}.{action}", session=thing.owner.id, actor=by, target=thing.label, reason=reason
    )
