"""State: values that scripts keep by scope and key.

Scopes: `session:ID` (the default, of the current session), `global`, `agent:…`,
`workflow:…`, `custom:…`. Any other text is a custom scope of that name, as in rs-llmspell
v0.6.0: `notes` and `custom:notes` are one; but a near miss of a family before a colon
(`sesion:…`) is refused. A scope of a session is open to the scripts
that act as it or were granted it; all others are shared by every session of the store.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from respell import values
from respell.access import READ, WRITE
from respell.arguments import lua_type
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect, granting
from respell.engine.effects.acting import (
    acts_as,
    changing,
    owner_of,
    permitted,
    still_there,
)
from respell.errors import UsageError
from respell.sessions.granting import state_thing
from respell.sessions.state import tell_change

__all__ = ["granting"]

MAX_KEY_BYTES = 1024

_SHARED = ("agent", "workflow", "custom")


def _check_read(ctx: EffectContext, args: dict[str, Any]) -> None:
    _scope(ctx, args, "State.get")
    _key(args, "State.get")


def _check_list(ctx: EffectContext, args: dict[str, Any]) -> None:
    _scope(ctx, args, "State.list")


@effect("state.get", kind=Kind.READ, check=_check_read)
def state_get(ctx: EffectContext, args: dict[str, Any]) -> Any:
    """Return a value; None where there is none."""
    data = ctx.store.state.get(_scope(ctx, args, "State.get"), _key(args, "State.get"))
    return None if data is None else values.decode(data)


@effect("state.set", kind=Kind.STORED)
def state_set(ctx: EffectContext, args: dict[str, Any]) -> None:
    """Set a value; nil (no value at all) deletes it, as in a Lua table."""
    scope, key = _changed(ctx, args, "State.set"), _key(args, "State.set")
    value = args.get("value")
    if value is not None:
        ctx.store.state.set(scope, key, values.encode(value))
        tell_change(ctx.store, _teller(ctx, scope), scope, key, "set")
    elif ctx.store.state.delete(scope, key):
        tell_change(ctx.store, _teller(ctx, scope), scope, key, "deleted")


@effect("state.delete", kind=Kind.STORED)
def state_delete(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Delete a value and return whether there was one."""
    scope, key = _changed(ctx, args, "State.delete"), _key(args, "State.delete")
    was_there = ctx.store.state.delete(scope, key)
    if was_there:
        tell_change(ctx.store, _teller(ctx, scope), scope, key, "deleted")
    return was_there


@effect("state.list", kind=Kind.READ, check=_check_list)
def state_list(ctx: EffectContext, args: dict[str, Any]) -> list[str]:
    """Return the keys of a scope, sorted by their bytes."""
    return ctx.store.state.list(_scope(ctx, args, "State.list"))


def _teller(ctx: EffectContext, scope: str) -> str:
    """Return the session that a change is told of: the scope's, else the one that made it."""
    return scope.removeprefix("session:") if scope.startswith("session:") else ctx.session.id


def _changed(ctx: EffectContext, args: dict[str, Any], call: str) -> str:
    """Return the scope of a value that is about to change."""
    scope = _scope(ctx, args, call, WRITE)
    owner = scope.removeprefix("session:")
    if owner not in (scope, ctx.session.id):
        changing(ctx, ctx.store.sessions.get(owner), call, call.lower())
    return scope


def _scope(ctx: EffectContext, args: dict[str, Any], call: str, level: int = READ) -> str:
    """Return the scope as the store has it; without one, that of the running session."""
    scope = args.get("scope")
    if scope is None:
        return f"session:{ctx.session.id}"
    if scope == "global":
        return "global"
    scope = _text(scope, "scope", call)
    family, _, name = scope.partition(":")
    if family == "session" or family in _SHARED:
        if not name:
            raise UsageError(
                f"{call}: the scope {scope!r} needs a name after a colon, as in {family}:NAME. "
                "Scopes are global, session:ID, agent:NAME, workflow:NAME and custom:NAME"
            )
        if family == "session":
            return _of_session(ctx, name, args.get("key"), call, level)
        return scope
    near = _meant(family) if name else None
    if near is not None:
        raise UsageError(
            f"{call}: there are no scopes {family}:NAME; did you mean {near}:{name:.60}? "
            "Scopes are global, session:ID, agent:NAME, workflow:NAME and custom:NAME; "
            "custom:NAME also for a name with a colon in it"
        )
    return f"custom:{scope}"


def _of_session(ctx: EffectContext, known: str, key: object, call: str, level: int) -> str:
    """Return the scope of a session, if the script may read it (or write to it)."""
    owner = owner_of(ctx, known, call)
    if not acts_as(ctx, owner):
        thing = state_thing(owner)
        grant = permitted(ctx, thing, level, call, given=known).grant
        if level == WRITE:
            still_there(ctx, owner, call)
        if grant is not None:
            target = thing.label if key is None else f"{thing.label} {key}"
            ctx.accesses.note(ctx.store, call.lower(), grant, target)
    return f"session:{owner.id}"


@lru_cache(maxsize=1024)
def _meant(family: str) -> str | None:
    """Return the family of scopes that a misspelt one nearly is."""
    families = ("session", *_SHARED)
    if len(family) > 2 * max(map(len, families)):
        return None
    import difflib  # needed for few scripts

    near = difflib.get_close_matches(family.lower(), families, n=1, cutoff=0.8)
    return near[0] if near else None


def _key(args: dict[str, Any], call: str) -> str:
    return _text(args.get("key"), "key", call)


def _text(value: object, name: str, call: str) -> str:
    if isinstance(value, bytes):
        raise UsageError(f"{call}: {name} must be UTF-8 text; these bytes are not")
    if not isinstance(value, str):
        raise UsageError(f"{call}: {name} must be a string, not {lua_type(value)}")
    if not value:
        raise UsageError(f"{call}: {name} must not be empty")
    # Most texts are short: only the long ones have to be encoded to be measured.
    if len(value) > MAX_KEY_BYTES // 4 and len(value.encode()) > MAX_KEY_BYTES:
        raise UsageError(
            f"{call}: {name} may have {MAX_KEY_BYTES} bytes; this one has {len(value.encode())}"
        )
    return value
