"""Asking a provider on behalf of a script: neither of the two is trusted to be well-formed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from respell import values
from respell.agents.protocol import (
    Message,
    Provider,
    ProviderContext,
    Request,
    Response,
    Role,
    ToolCall,
    ToolDefinition,
    Usage,
    estimated_usage,
)
from respell.agents.streams import Stream
from respell.errors import (
    EffectFailed,
    LimitReached,
    PermissionDenied,
    RespellError,
    StoreError,
    UsageError,
)
from respell.secrecy import MASK, has_secret_name

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_TOOL_CALLS = 128

_INT_LIMIT = 2**63
_MOST_TOKENS = 2**53
_SHORTEST_SECRET = 8
_SHOWN_NAME = 256


# From the script -----------------------------------------------------------------------------


def request_of(args: Mapping[str, Any]) -> Request:
    """Return the request that an effect's arguments mean.

    Raises:
        UsageError: They are malformed; says which.
    """
    temperature, max_tokens, seed = (args.get(key) for key in ("temperature", "max_tokens", "seed"))
    return Request(
        model=_text("model", args.get("model")),
        messages=tuple(_message(one) for one in _list("messages", args.get("messages"))),
        tools=tuple(_tool(one) for one in _list("tools", args.get("tools"))),
        temperature=None if temperature is None else float(_number("temperature", temperature)),
        max_tokens=None if max_tokens is None else int(_number("max_tokens", max_tokens)),
        stop=tuple(_text("stop", one) for one in _list("stop", args.get("stop"))),
        seed=None if seed is None else int(_number("seed", seed)),
        options=_table("options", args.get("options")),
        turn=int(_number("turn", args.get("turn", 1))),
    )


def _message(given: Any) -> Message:
    table = _table("message", given)
    role = table.get("role")
    if role not in ("system", "user", "assistant", "tool"):
        raise UsageError(f"a message has the role system, user, assistant or tool, not {role!r}")
    text = table.get("text", "")
    if role == "tool" and isinstance(text, bytes):
        text = text.decode(errors="replace")  # models read text only, tools return any bytes
    return Message(
        role=cast("Role", role),
        text=_text(f"the text of a message ({role})", text),
        tool_calls=tuple(_call(one) for one in _list("tool_calls", table.get("tool_calls"))),
        tool_call_id=_text("tool_call_id", table.get("tool_call_id", "")),
        is_error=table.get("is_error") is True,
    )


def _call(given: Any) -> ToolCall:
    table = _table("tool call", given)
    name, call = _text("a tool call's name", table.get("name")), _text("its id", table.get("id"))
    arguments = table.get("arguments")
    return ToolCall(call, name, {} if arguments == [] else arguments)


def _tool(given: Any) -> ToolDefinition:
    table = _table("tool", given)
    return ToolDefinition(
        _text("a tool's name", table.get("name")),
        _text("a tool's description", table.get("description", "")),
        _table("a tool's parameters", table.get("parameters")),
    )


def _text(what: str, value: Any) -> str:
    if isinstance(value, bytes):
        raise UsageError(f"{what} must be UTF-8 text; these bytes are not")
    if not isinstance(value, str):
        raise UsageError(f"{what} must be a string, not {type(value).__name__}")
    return value


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{what} must be a number, not {value!r:.60}")
    if value != value or abs(value) > _MOST_TOKENS:
        raise UsageError(f"{what} is out of range: {value!r}")
    return value


def _list(what: str, value: Any) -> list[Any]:
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise UsageError(f"{what} must be a list, not {type(value).__name__}")
    return value


def _table(what: str, value: Any) -> dict[str, Any]:
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{what} must be a table with names, not {type(value).__name__}")
    return value


# To the provider and back --------------------------------------------------------------------


def ask(
    name: str, provider: Provider, request: Request, ctx: ProviderContext, stream: Stream | None
) -> dict[str, Any]:
    """Ask a model and return its answer as the script gets it.

    Args:
        name: The provider's name.
        provider: The provider.
        request: The request.
        ctx: What the provider may use.
        stream: Where pieces of the answer go as they come; None for an answer in one.

    Returns:
        text, tool_calls, usage, cost_usd, finish_reason, model, provider; with a stream also
        chunks, the pieces.

    Raises:
        EffectFailed: There was no answer, or none that a script could have.
    """
    try:
        if stream is None:
            response = _checked(provider.complete(request, ctx))
        else:
            response = _streamed(provider, request, ctx, stream)
        answer = _plain(name, provider, request, response)
        if stream is not None:
            answer["chunks"] = list(stream.pieces)
        values.encode(answer)
    except (LimitReached, PermissionDenied, StoreError):
        raise
    except EffectFailed as error:
        raise _failed(name, request, str(error)) from None
    except RespellError as error:
        raise _failed(name, request, str(error)) from error
    except Exception as error:  # a provider is somebody else's code
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _failed(name, request, text) from error
    return answer


def _streamed(
    provider: Provider, request: Request, ctx: ProviderContext, stream: Stream
) -> Response:
    response = Response()
    try:
        with _closing(provider.stream(request, ctx)) as pieces:
            for piece in pieces:
                if isinstance(piece, Response):
                    response = _checked(piece)
                    break
                if stream.stopped:
                    break
                stream.put(_piece(piece, stream))
    except (LimitReached, PermissionDenied, StoreError):
        raise
    except Exception:  # a provider that is cancelled leaves in its own way
        if not stream.stopped:
            raise
    if stream.stopped:
        response = replace(response, tool_calls=(), finish_reason="stopped")
    if not stream.pieces:
        stream.put(response.text)
    return replace(response, text="".join(stream.pieces))


@contextmanager
def _closing(pieces: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Close a generator however it is left; any other iterator has nothing to close."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _piece(piece: Any, stream: Stream) -> str:
    if not isinstance(piece, str):
        raise EffectFailed(f"it streamed a {type(piece).__name__} instead of text")
    text: str = _clean(piece)
    if stream.size + len(text.encode()) > MAX_ANSWER_BYTES:
        raise EffectFailed(f"its answer is longer than {MAX_ANSWER_BYTES >> 20} MiB")
    return text


def _checked(response: Any) -> Response:
    if isinstance(response, str):
        response = Response(response)
    if not isinstance(response, Response):
        raise EffectFailed(f"it returned a {type(response).__name__} instead of a Response")
    if not isinstance(response.text, str):
        raise EffectFailed(f"its answer is a {type(response.text).__name__} instead of text")
    text = _clean(response.text)
    if len(text.encode()) > MAX_ANSWER_BYTES:
        raise EffectFailed(f"its answer is longer than {MAX_ANSWER_BYTES >> 20} MiB")
    calls = tuple(response.tool_calls)
    if len(calls) > MAX_TOOL_CALLS:
        raise EffectFailed(f"it asked for {len(calls)} tools at once; {MAX_TOOL_CALLS} may be")
    return replace(response, text=text, tool_calls=calls)


def _plain(name: str, provider: Provider, request: Request, response: Response) -> dict[str, Any]:
    usage = response.usage or estimated_usage(request, response)
    answer: dict[str, Any] = {
        "text": response.text,
        "tool_calls": [
            {
                "id": _clean(str(call.id)) or f"call_{index}",
                "name": _clean(str(call.name))[:_SHOWN_NAME],
                "arguments": _clean(call.arguments),
            }
            for index, call in enumerate(response.tool_calls, 1)
        ],
        "usage": _tokens(usage),
        "finish_reason": _clean(str(response.finish_reason))[:_SHOWN_NAME],
        "model": _clean(str(response.model or request.model))[:_SHOWN_NAME],
        "provider": name,
    }
    cost = response.cost_usd
    if cost is None:  # a stream that the script stopped has none either
        cost = provider.cost(usage, request)
    if cost is not None:
        answer["cost_usd"] = _cost(cost)
    return answer


def _tokens(usage: Usage) -> dict[str, Any]:
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    for what, count in counts.items():
        if type(count) is not int or not 0 <= count <= _MOST_TOKENS:
            raise EffectFailed(f"it says {what} is {count!r:.60}, which is no number of tokens")
    return {**counts, "estimated": True} if usage.estimated else counts


def _cost(cost: Any) -> float:
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= _MOST_TOKENS:
        raise EffectFailed(f"it says it costs {cost!r:.60}, which is no amount of dollars")
    return float(cost)


def _clean(value: Any) -> Any:
    """Return a value as Lua can have it: JSON allows larger integers, and half surrogate pairs."""
    match value:
        case str():
            if value.isascii():
                return value
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if not isinstance(value, bool) and not -_INT_LIMIT <= value < _INT_LIMIT:
            return float(value)
        case Mapping():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
    return value


def _failed(name: str, request: Request, text: str) -> EffectFailed:
    return EffectFailed(f"{name}/{request.model}: {without_keys(_clean(text))}")


def without_keys(text: str) -> str:
    """Return a text in which the values of secret environment variables are crossed out.

    A provider's error may quote the request, and with it the key that it was made with.
    """
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and value in text and has_secret_name(name):
            text = text.replace(value, MASK)
    return text
