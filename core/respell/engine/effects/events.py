"""The event bus, for scripts: publish and subscribe. What waits is in `engine/receiving.py`.

A subscription belongs to the session of the program that made it, whatever session is
current. It hears the sessions that the script acts as, and what was granted to these (`may_hear`).
"""

from __future__ import annotations

from typing import Any

from respell.arguments import Arguments, lua_type
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect, granting
from respell.engine.effects.acting import acting_as, id_in_script
from respell.errors import SubscriptionNotFound, UsageError
from respell.store.bus_rows import (
    MAX_SUBSCRIPTIONS,
    BusEvent,
    SubscriptionRecord,
    check_pattern,
    check_type,
    name_of,
)

__all__ = ["granting"]

MAX_TIMEOUT_MS = 30 * 86_400_000

_LANGUAGE_BYTES = 64
_CORRELATION_BYTES = 255
_OPTIONS = ("correlation_id", "ttl_seconds", "language", "target_language")
_IDS = ("session_id", "created_by", "parent_session_id", "forked_from")


@effect("event.publish", kind=Kind.STORED)
def event_publish(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Tell all who listen; true in any case, also where nobody does."""
    call = "Event.publish"
    session = acting_as(ctx, args.get("session"), call)
    kind = check_type(_string(args.get("type"), "type", call), call)
    given = Arguments(call, args.get("options"), _OPTIONS)
    correlation = given.text("correlation_id", most=_CORRELATION_BYTES, empty=False)
    if correlation is not None:
        correlation = ctx.aliases.get(correlation, correlation)
    ctx.store.bus.publish(
        kind,
        args.get("data"),
        session=session.id,
        correlation_id=correlation,
        ttl_seconds=given.positive("ttl_seconds"),
        language=given.text("language", most=_LANGUAGE_BYTES, empty=False) or "lua",
        target_language=given.text("target_language", most=_LANGUAGE_BYTES, empty=False),
        source="script",
        cause=(ctx.session.id, ctx.number),
    )
    return True


@effect("event.subscribe", kind=Kind.STORED)
def event_subscribe(ctx: EffectContext, args: dict[str, Any]) -> str:
    """Listen from now on, and return the subscription's id."""
    call = "Event.subscribe"
    pattern = _string(args.get("pattern"), "pattern", call)
    check_pattern(pattern, call)
    given = Arguments(call, args.get("options"), ("language",))
    if len(ctx.store.bus.list(ctx.session.key)) >= MAX_SUBSCRIPTIONS:
        raise UsageError(
            f"{call}: this session has {MAX_SUBSCRIPTIONS} subscriptions already; "
            "Event.unsubscribe ends one"
        )
    made = ctx.store.bus.add(
        pattern,
        name=name_of(ctx.number),
        session=ctx.session.key,
        language=given.text("language", most=_LANGUAGE_BYTES, empty=False) or "lua",
        own_only=ctx.permissions.sessions == "own",
    )
    return made.name


@effect("event.unsubscribe", kind=Kind.STORED)
def event_unsubscribe(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """End a subscription, with all that waits in it; return whether there was one."""
    name = _string(args.get("subscription"), "subscription", "Event.unsubscribe")
    return ctx.store.bus.remove(name, ctx.session.key)


@effect("event.list_subscriptions", kind=Kind.READ)
def event_list_subscriptions(ctx: EffectContext, args: Any) -> list[dict[str, Any]]:
    """Return the script's subscriptions, oldest first."""
    return [
        {
            "id": one.name, "pattern": one.pattern, "language": one.language,
            "waiting": one.waiting, "received": one.taken, "dropped": one.dropped,
        }
        for one in ctx.store.bus.list(ctx.session.key)
    ]  # fmt: skip


@effect("event.stats", kind=Kind.READ)
def event_stats(ctx: EffectContext, args: Any) -> dict[str, Any]:
    """Return what came through the script's subscriptions, in all."""
    found = ctx.store.bus.list(ctx.session.key)
    waiting, received, dropped = (
        sum(getattr(one, name) for one in found) for name in ("waiting", "taken", "dropped")
    )
    languages: dict[str, int] = {}
    for one in found:
        languages[one.language] = languages.get(one.language, 0) + 1
    return {
        "event_bus_stats": {
            "events_processed": waiting + received + dropped,
            "rate_limit_violations": 0,  # nothing is refused here for coming too fast
            "buffer_size": waiting,
        },
        "bridge_stats": {
            "active_subscriptions": len(found), "subscriptions_by_language": languages,
        },
        "waiting": waiting, "received": received, "dropped": dropped,
    }  # fmt: skip


def subscription_of(ctx: EffectContext, args: dict[str, Any]) -> SubscriptionRecord:
    """Return the subscription that `Event.receive` names.

    Raises:
        SubscriptionNotFound: There is none (any more).
    """
    call = "Event.receive"
    name = _string(args.get("subscription"), "subscription", call)
    found = ctx.store.bus.find(name, ctx.session.key)
    if found is None:
        raise SubscriptionNotFound(
            f"{call}: No active subscription found: {name!r:.80}; Event.subscribe returns the id "
            "of one, and Event.unsubscribe ends it"
        )
    return found


def receive_again(ctx: EffectContext, args: dict[str, Any], received: Any) -> None:
    """Take out of a fork's own queue what its original had received, and all before that.

    What the original heard of others is not there: the fork did not listen yet.
    """
    found = ctx.store.bus.find(str(args.get("subscription")), ctx.session.key)
    if found is None or not isinstance(received, dict):
        return
    before: list[int] = []
    after = 0
    while (event := ctx.store.bus.next(found.key, after)) is not None:
        after = event.sequence
        shown = in_script(ctx, event)
        if all(shown.get(name) == received.get(name) for name in ("type", "data", "session_id")):
            for sequence in before:
                ctx.store.bus.forget(found.key, sequence)
            ctx.store.bus.take(found.key, event.sequence)
            return
        before.append(event.sequence)


def timeout_of(args: dict[str, Any]) -> float:
    """Return for how many seconds `Event.receive` waits."""
    given = Arguments("Event.receive", args)
    value = given.given("timeout_ms")
    wanted = f"a number of milliseconds, 0 to {MAX_TIMEOUT_MS}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise given.wrong("timeout_ms", wanted, value)
    if not 0 <= value <= MAX_TIMEOUT_MS:
        raise given.wrong("timeout_ms", wanted, value)
    return value / 1000


def may_hear(ctx: EffectContext, event: BusEvent) -> bool:
    """Return whether the script may have an event that waits for it.

    It was allowed when that was published; what allowed it may have been taken back since.
    """
    own_only = ctx.permissions.sessions == "own"
    return ctx.store.bus.may_still_hear(ctx.session.id, event, own_only=own_only)


def in_script(ctx: EffectContext, event: BusEvent) -> dict[str, Any]:
    """Return an event as the script gets it.

    Its cause is a number where that is an event of the script's own history. Ids are those
    that the script knows; they differ in forks only.
    """
    shown = event.to_dict()
    if event.cause is not None:
        of, number = event.cause
        own = of == ctx.session.id
        shown["caused_by"] = number if own else f"{id_in_script(ctx, of)}/{number}"
    if not ctx.aliases:
        return shown
    for name in ("session_id", "correlation_id"):
        if name in shown:
            shown[name] = id_in_script(ctx, shown[name])
    if event.source == "respell" and isinstance(event.data, dict):
        data = dict(event.data)
        for name in _IDS:
            if isinstance(data.get(name), str):
                data[name] = id_in_script(ctx, data[name])
        owner, slash, rest = str(data.get("artifact_id", "")).partition("/")
        if slash:
            data["artifact_id"] = f"{id_in_script(ctx, owner)}/{rest}"
        shown["data"] = data
    return shown


def _string(value: object, name: str, call: str) -> str:
    if not isinstance(value, str):
        what = "UTF-8 text" if isinstance(value, bytes) else f"a string, not {lua_type(value)}"
        raise UsageError(f"{call}: {name} must be {what}")
    return value
