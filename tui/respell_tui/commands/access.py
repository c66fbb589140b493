"""`respell grants`, `grant`, `revoke`, and `respell artifacts grant`, `revoke` and `acl`."""

from __future__ import annotations

import re
from typing import Any

from respell.access import Grant
from respell.errors import SessionNotFound, UsageError
from respell.sessions.granting import (
    Thing,
    acl,
    artifact_thing,
    events_thing,
    give,
    grant_json,
    id_of,
    state_thing,
    take_back,
)
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import SECOND, now_us, parse_rfc3339
from respell_tui.commands.artifacts import find
from respell_tui.context import BY, Command
from respell_tui.output import Column, table

NOT_GRANTED = 1

_SECONDS = re.compile(r"\d{1,12}")
_ARTIFACT = re.compile(r"([0-9a-f-]{36})/(\d{1,18})(/[0-9a-f]{8})?")
_COLUMNS = (
    Column("owner", leave=2),
    Column("what", least=12),
    Column("to", leave=1),
    Column("level"),
    Column("until", least=10, leave=4),
    Column("by", leave=5),
)


# Artifacts -------------------------------------------------------------------------------


def grant_artifact(command: Command) -> int:
    """Let another session's script have an artifact."""
    with command.open_store() as store:
        found = find(store, command.args.artifact, command.args.version)
        thing = artifact_thing(store.sessions.get(found.session_key), found)
        return _grant(command, store, thing)


def revoke_artifact(command: Command) -> int:
    """Take back what a session was granted of an artifact, also of a deleted session's."""
    with command.open_store() as store:
        return _revoke(command, store, _artifact(command, store))


def acl_of_artifact(command: Command) -> int:
    """Show who may do what to an artifact."""
    with command.open_store() as store:
        entries = acl(store, _artifact(command, store))
    if command.args.json:
        command.out.json(entries)
        return 0
    rows = [
        [_short(command, one["session_id"]), one["level"], "owner" if one["owner"] else "",
         _until(one), one["granted_by"] or ""]
        for one in entries
    ]  # fmt: skip
    columns = ("session", "level", "", "until", "granted by")
    table(command.out, [Column(title) for title in columns], rows)
    return 0


def _artifact(command: Command, store: Store) -> Thing:
    words: list[str] = command.args.artifact
    try:
        found = find(store, words, command.args.version)
    except SessionNotFound:
        named = _ARTIFACT.fullmatch(words[-1])
        owner = None if named is None else store.sessions.hidden(named[1])
        if named is None or owner is None:
            raise
        kept = next(
            (one for one in store.grants.list(owner=owner.key, kind="artifact")
             if one.target == str(int(named[2]))), None,
        )  # fmt: skip
        if kept is None:
            raise
        return Thing("artifact", owner, kept.target, words[-1])
    return artifact_thing(store.sessions.get(found.session_key), found)


# State and events ------------------------------------------------------------------------


def grant(command: Command) -> int:
    """Let another session's script have the state of a session, or hear its events."""
    with command.with_session(command.args.id) as (store, session):
        return _grant(command, store, _thing(command, session))


def revoke(command: Command) -> int:
    """Take back what a session was granted of a state or of events."""
    with command.open_store() as store:
        ident = command.args.id
        try:
            session = store.sessions.find(ident)
        except SessionNotFound:
            hidden = store.sessions.hidden(ident)
            if hidden is None:
                raise
            session = hidden
        return _revoke(command, store, _thing(command, session))


def _thing(command: Command, session: SessionRecord) -> Thing:
    pattern = command.args.events
    if pattern is None:
        return state_thing(session)
    return events_thing(session, pattern, "--events")


# All of them -----------------------------------------------------------------------------


def grants(command: Command) -> int:
    """Show what sessions granted to each other: all, or what one gave and got."""
    args = command.args
    with command.open_store() as store:
        if args.id is None:
            found = store.grants.list()
        else:
            session = store.sessions.find(args.id)
            found = store.grants.list(owner=session.key)
            found += store.grants.list(grantees=[session.id])
        names = _names(store, found)
    at = now_us()
    shown = [grant_json(one, at, names.get(one.owner)) for one in found]
    if args.json:
        command.out.json(shown)
    elif shown:
        rows = [
            [_short(command, one["owner"]), _what(one), _short(command, one["session_id"]),
             one["level"], _until(one), one["granted_by"]]
            for one in shown
        ]  # fmt: skip
        table(command.out, _COLUMNS, rows)
    else:
        command.err.line("nothing was granted" + (" by it or to it" if args.id else ""))
    return 0


def _names(store: Store, found: list[Grant]) -> dict[str, dict[int, str]]:
    """Return the ids of artifacts by owner and number."""
    names: dict[str, dict[int, str]] = {}
    for one in found:
        if one.kind == "artifact":
            label = store.artifacts.label(one.owner_key, int(one.target))
            names.setdefault(one.owner, {})[int(one.target)] = label
    return names


def _what(one: dict[str, Any]) -> str:
    if one["kind"] == "state":
        return "its state"
    if one["kind"] == "events":
        return f"events {one['target']}"
    return f"artifact {one['target'].partition('/')[2]}"


def _until(one: dict[str, Any]) -> str:
    if one["expires_at"] is None:
        return ""
    return f"{one['expires_at'][:19]}Z" + (" (ended)" if one["expired"] else "")


def _short(command: Command, session_id: str) -> str:
    return session_id[:8] if command.out.is_terminal else session_id


# What they share -------------------------------------------------------------------------


def _grant(command: Command, store: Store, thing: Thing) -> int:
    args = command.args
    to = store.sessions.find(args.to)
    made = give(
        store, thing, to, args.level, by=BY, call=f"respell {command.args.command}",
        expires_at=_expiry(args.expires),
    )  # fmt: skip
    store.sync()
    command.err.line(f"session {to.id[:8]} may {_WORDS[made.level_name]} {_label(thing)}")
    return 0


def _revoke(command: Command, store: Store, thing: Thing) -> int:
    grantee = id_of(store, command.args.grantee)
    had = take_back(store, thing, grantee, by=BY, call=f"respell {command.args.command}")
    store.sessions.purge()  # nothing may be needed any more of a session that was deleted
    store.sync()
    if had:
        command.err.line(f"session {grantee[:8]} has {_label(thing)} no more")
        return 0
    command.err.line(f"session {grantee[:8]} was not granted {_label(thing)}")
    return NOT_GRANTED


_WORDS = {"read": "read", "write": "read and write", "admin": "read, write and grant"}


def _label(thing: Thing) -> str:
    owner = thing.owner.id[:8]
    if thing.kind == "artifact":
        return f"artifact {owner}{thing.label[len(thing.owner.id) :]}"
    what = "the state" if thing.kind == "state" else f"the events {thing.target}"
    return f"{what} of session {owner}"


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    if _SECONDS.fullmatch(text):
        return now_us() + int(text) * SECOND
    try:
        return parse_rfc3339(text)
    except UsageError as error:
        raise UsageError(f"--expires: {error}; or give seconds from now, such as 3600") from None
