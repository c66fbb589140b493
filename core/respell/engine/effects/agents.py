"""Agents: making one, asking its model, and reading along while the answer comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from respell.agents import registry
from respell.agents.asking import ask, request_of, without_keys
from respell.agents.protocol import (
    Provider,
    ProviderContext,
    Request,
    Response,
    estimated_usage,
)
from respell.arguments import Arguments
from respell.effect import Kind, Manner
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import permissions_of
from respell.errors import LimitReached, PermissionDenied, RespellError, UsageError

MAX_NAME_BYTES = 255
MAX_TOOL_ROUNDS = 1000
DEFAULT_TOOL_ROUNDS = 10

_OPTIONS = (
    "name", "description", "model", "provider_model", "system_prompt", "temperature",
    "max_tokens", "stop", "seed", "tools", "max_tool_rounds", "max_conversation_length",
    "base_url", "options",
)  # fmt: skip


def _check_create(ctx: EffectContext, args: dict[str, Any]) -> None:
    agent_create(ctx, args)


@effect("agent.create", kind=Kind.READ, check=_check_create)
def agent_create(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Check an agent's options: what `Agent.create` takes -> the same, completed.

    Raises:
        UsageError: One is unknown or wrong.
        EffectFailed: There is no such provider; says what to install or set.
    """
    given = Arguments("Agent.create", _without_key(args), _OPTIONS)
    provider, model = _model(given)
    config = {
        "name": given.check_tag("name", given.given("name"), most=MAX_NAME_BYTES),
        "description": given.text("description"),
        "provider": provider,
        "model": model,
        "system_prompt": given.text("system_prompt"),
        "temperature": _temperature(given),
        "max_tokens": given.integer("max_tokens", least=1),
        "stop": _stop(given),
        "seed": given.integer("seed", least=-(2**53), most=2**53),
        "tools": given.texts("tools", most=MAX_NAME_BYTES),
        "max_tool_rounds": given.integer("max_tool_rounds", most=MAX_TOOL_ROUNDS),
        "max_conversation_length": given.integer("max_conversation_length", least=2),
        "options": _provider_options(given),
    }
    if config["max_tool_rounds"] is None:
        config["max_tool_rounds"] = DEFAULT_TOOL_ROUNDS
    found = registry.find(provider)
    try:
        found.check(request_of({**config, "tools": None}), _provider_context(ctx))
    except PermissionDenied:
        raise
    except RespellError as error:
        raise UsageError(f"Agent.create: {without_keys(str(error))}") from None
    return {name: value for name, value in config.items() if value is not None}


def _without_key(args: dict[str, Any]) -> dict[str, Any]:
    if isinstance(args, dict) and "api_key" in args:
        raise UsageError(
            "Agent.create: a key can't be given in a script, where it would be recorded; set the "
            "environment variable that the provider reads"
        )
    return args


def _model(given: Arguments) -> tuple[str, str]:
    whole = given.text("model", "provider_model", empty=False)
    if whole is None:
        raise UsageError('Agent.create: model is missing, e.g. model = "mock/echo"')
    provider, slash, model = whole.partition("/")
    if not (provider and slash and model):
        raise UsageError(
            f'Agent.create: model must be "provider/model", e.g. "mock/echo", not {whole!r:.80}'
        )
    return provider, model


def _temperature(given: Arguments) -> float | int | None:
    value: Any = given.given("temperature")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise given.wrong("temperature", "a number from 0 to 2", value)
    return value


def _stop(given: Arguments) -> list[str] | None:
    value = given.given("stop")
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise given.wrong("stop", "a string or a list of strings", value)
    return [given.check_text("stop", one, most=None, empty=False) for one in texts]


def _provider_options(given: Arguments) -> dict[Any, Any]:
    options = dict(given.table("options")) if given.given("options") != [] else {}
    base_url = given.text("base_url", empty=False)
    return options if base_url is None else {**options, "base_url": base_url}


# Asking --------------------------------------------------------------------------------------


def _asked(args: dict[str, Any]) -> tuple[str, Provider, Request]:
    name = Arguments("agent.request", args).text("provider", empty=False)
    if name is None:
        raise UsageError("agent.request: the name of the provider is missing")
    return name, registry.find(name), request_of(args)


def _request_manner(ctx: EffectContext, args: dict[str, Any]) -> Manner:
    _, provider, request = _asked(args)
    return Manner(Kind.EXTERNAL, idempotent=provider.is_idempotent(request))


def _open_stream(ctx: EffectContext, args: dict[str, Any]) -> None:
    if args.get("stream") is True and ctx.streams is not None:
        ctx.streams.open(ctx.number, ctx.cancel, restarted=ctx.attempt > 1)


@effect("agent.request", kind=_request_manner, prepare=_open_stream)
def agent_request(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Ask a model: `{agent, provider, model, messages, tools, …, stream}` -> its answer."""
    name, provider, request = _asked(args)
    request = _within_limit(ctx, request)
    stream = None if ctx.streams is None else ctx.streams.get(ctx.number)
    try:
        return ask(name, provider, request, _provider_context(ctx), stream)
    finally:
        if stream is not None:
            stream.end()


def _within_limit(ctx: EffectContext, request: Request) -> Request:
    """Return a request whose answer may be as long as the session's limit leaves it room.

    Raises:
        LimitReached: The messages alone have so many tokens, about; it was not asked.
    """
    most = ctx.session.limits.get("tokens_per_request")
    if most is None:
        return request
    asked = estimated_usage(request, Response()).input_tokens
    if asked >= most:
        raise LimitReached(
            f"its messages have {asked} tokens, about, of {most} that a request may take",
            limit="tokens_per_request",
        )
    left = most - asked
    return replace(request, max_tokens=min(left, request.max_tokens or left))


@effect("agent.chunks", kind=Kind.READ)
def agent_chunks(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Read along, inside of the request: `{stream, stop}` -> chunks, done, restarted.

    Where nothing streams any more, because the request ended under an earlier host or a
    person gave its outcome, there are none: the outcome has the rest.
    """
    stream = None if ctx.streams is None else ctx.streams.get(ctx.parent)
    if stream is None or ctx.streams is None:
        return {"chunks": [], "done": True}
    if args.get("stop") is True:
        stream.stop()
    batch = stream.take(ctx.cancel)
    if batch["done"]:
        ctx.streams.close(ctx.parent)
    return batch


def _provider_context(ctx: EffectContext) -> ProviderContext:
    return ProviderContext(
        session_id=ctx.session.id,
        permissions=permissions_of(ctx),
        cancel=ctx.cancel,
        number=ctx.number,
        attempt=ctx.attempt,
    )
