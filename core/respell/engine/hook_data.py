"""What hooks written in Python see of an effect, and how what they decide becomes arguments."""

from __future__ import annotations

from functools import cache
from typing import Any

from respell.errors import UsageError
from respell.history.record import Record
from respell.hooks.context import About
from respell.hooks.points import EFFECTS, POINTS
from respell.hooks.results import HookResult, Modified, Redirect
from respell.store import Store

_NAMES = {
    "tool": ("name",),
    "state": ("key",),
    "artifact": ("name", "id"),
    "event": ("type", "event_type", "name"),
}
_OPERATIONS = {
    "suspend": "session.suspend_other",
    "resume": "session.resume",
    "complete": "session.complete",
    "fail": "session.fail",
    "archive": "session.archive",
    "delete": "session.delete",
    "save": "session.save",
}
"""What an operation on a session can be redirected to, by the target's name."""


@cache
def kind_of(effect: str) -> str:
    """Return the kind of component that an effect is about."""
    points = EFFECTS.get(effect)
    point = next((POINTS[name] for name in points or () if name), None)
    return "effect" if point is None else point.kind


def component_of(effect: str, args: dict[str, Any], session_id: str) -> str:
    """Return the name of the tool, agent, session and so on that an effect is about."""
    family = effect.partition(".")[0]
    if effect == "agent.request":
        return str(args.get("agent") or f"{args.get('provider')}/{args.get('model')}")
    if effect == "agent.create":
        return str(args.get("name") or args.get("model") or args.get("provider_model") or "")
    if family == "session":
        return str(args.get("session") or session_id)
    for name in _NAMES.get(family, ()):
        if args.get(name) is not None:
            return str(args[name])
    return effect


def data_of(effect: str, args: dict[str, Any]) -> Any:
    """Return what a before-hook is told: the parameters of a tool, else the arguments."""
    return args.get("params") if effect == "tool.invoke" else args


def with_data(effect: str, args: dict[str, Any], data: Any) -> dict[str, Any]:
    """Return the arguments that a hook's changed data makes."""
    return {**args, "params": data} if effect == "tool.invoke" else dict(data)


def check_result(effect: str, result: HookResult) -> None:
    """Do nothing if a before-hook's result can be acted on.

    Raises:
        UsageError: It can't; says why.
    """
    if isinstance(result, Modified) and effect != "tool.invoke":
        data = result.data
        if not isinstance(data, dict) and data != []:
            raise UsageError(f"the arguments of {effect} are a dict, not a {type(data).__name__}")
    elif isinstance(result, Redirect):
        redirected(effect, {}, result.target)


def redirected(effect: str, args: dict[str, Any], target: str) -> tuple[str, dict[str, Any]]:
    """Return the effect that is performed instead, and its arguments.

    Raises:
        UsageError: It can't be redirected there.
    """
    if effect == "tool.invoke":
        return effect, {**args, "name": target}
    if effect == "agent.request":
        provider, slash, model = target.partition("/")
        if provider and slash and model:
            return effect, {**args, "provider": provider, "model": model}
        raise UsageError(f'a request is redirected to "provider/model", not to {target!r:.80}')
    if effect in _OPERATIONS.values():
        if target in _OPERATIONS:
            return _OPERATIONS[target], args
        raise UsageError(
            f"an operation on a session is redirected to {', '.join(_OPERATIONS)}, not to "
            f"{target!r:.80}"
        )
    raise UsageError(
        f"{effect} can't be redirected; tools, requests to models and operations on sessions can"
    )


def about_effect(store: Store, session_id: str, record: Record, performed: Record) -> About:
    """Return what hooks around an effect are told of it.

    Args:
        store: The store.
        session_id: Id of the session that runs.
        record: The effect's intent.
        performed: The same as hooks have changed it.
    """
    return About(
        session_id=session_id,
        component=lambda: component_of(performed.name, performed.arguments(), session_id),
        kind=kind_of(performed.name), effect=performed.name, event=record.number,
        at=record.at, arguments=performed.args, store=store,
    )  # fmt: skip
