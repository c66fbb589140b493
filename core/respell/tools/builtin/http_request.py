"""http_request: one HTTP request, wherever the script has permission to connect."""

from __future__ import annotations

import json
import random
import ssl
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from respell.errors import EffectFailed, UsageError
from respell.settings import HttpRequestSettings
from respell.times import now_us, rfc3339
from respell.tools.builtin._http_order import PARAMETERS, Order, order_of
from respell.tools.builtin._http_watch import Watch
from respell.tools.model import Tool, ToolContext
from respell.tools.plain import fits_into_a_result, plain
from respell.tools.result import ToolResult, enveloped

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 10
_TOO_LONG = "timed out; timeout_s says how long it may take"
# Methods that a server answers the same when it hears them twice (RFC 9110, 9.2.2).
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    start = time.monotonic()
    order = _within(ctx.config.tools.http_request, order_of(params, start), start)
    response, body = _answered(order, ctx)
    result = {
        "status_code": response.status_code,
        "headers": dict(response.headers),
        "body": _body_value(response, body),
        "timestamp": rfc3339(now_us()),
    }
    more = {
        "method": order.method,
        "url": str(response.url),
        "duration_ms": round((time.monotonic() - start) * 1000),
    }
    return enveloped("http_request", result, metadata=more)


def _within(most: HttpRequestSettings, order: Order, start: float) -> Order:
    """Return an order that asks for no more than the configuration allows."""
    return replace(
        order,
        deadline=min(order.deadline, start + most.timeout_s),
        max_body_bytes=min(order.max_body_bytes, most.max_body_bytes),
    )


# The request --------------------------------------------------------------------------------


def _answered(order: Order, ctx: ToolContext) -> tuple[httpx.Response, bytes]:
    """Return the answer of the last attempt."""
    import httpx

    with (
        httpx.Client(verify=_trust(), follow_redirects=False) as client,
        Watch(ctx.cancel, order.deadline) as watch,
    ):
        attempt = 1
        while True:
            failure: httpx.TransportError
            try:
                response, body = _attempt(client, order, ctx, watch)
            except httpx.TransportError as error:
                _check_ended(order, ctx, watch)
                if not _may_repeat(order, error) or attempt >= order.retry.attempts:
                    raise EffectFailed(_in_words(order, error)) from error
                failure = error
            except (httpx.InvalidURL, httpx.RequestError) as error:
                raise EffectFailed(f"{order.method} {order.url}: {error}") from error
            else:
                if response.status_code not in order.retry.statuses:
                    return response, body
                if attempt >= order.retry.attempts:
                    return response, body
                failure = httpx.TransportError(f"status {response.status_code}")
            _wait(order, attempt, failure, ctx)
            attempt += 1


def _check_ended(order: Order, ctx: ToolContext, watch: Watch) -> None:
    """Leave if the request was ended early: what came of it is not all there was."""
    if watch.ended:
        ctx.check_cancelled()
        raise EffectFailed(f"{order.method} {order.url}: {_TOO_LONG}")


def _may_repeat(order: Order, error: httpx.TransportError) -> bool:
    import httpx

    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return False
    # Otherwise the server may have acted on what it heard.
    unheard = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    return unheard or order.method in _REPEATABLE


def _wait(order: Order, attempt: int, failure: httpx.TransportError, ctx: ToolContext) -> None:
    """Wait before the next attempt, or fail if there is no time left for one."""
    longest = min(
        order.retry.delay_s * order.retry.factor ** (attempt - 1), order.retry.max_delay_s
    )
    delay = longest * random.uniform(0.5, 1.0)
    if time.monotonic() + delay >= order.deadline:
        raise EffectFailed(_in_words(order, failure))
    ctx.cancel.wait(delay)
    ctx.check_cancelled()


def _attempt(
    client: httpx.Client, order: Order, ctx: ToolContext, watch: Watch
) -> tuple[httpx.Response, bytes]:
    """Send the request and follow redirects, asking for permission at each host."""
    import httpx

    url = httpx.URL(order.url)
    _check(url, ctx)
    request = client.build_request(order.method, url, headers=order.headers, content=order.content)
    request.extensions["trace"] = watch.trace
    for _ in range(MAX_REDIRECTS + 1):
        request.extensions["timeout"] = _timeouts(order)
        response = client.send(request, auth=order.auth or None, stream=True)
        try:
            following = response.next_request
            body = b"" if following is not None else _body(response, order, ctx)
        finally:
            response.close()
        _check_ended(order, ctx, watch)
        if following is None:
            return response, body
        _check(following.url, ctx)
        if not _same_host(request.url, following.url):
            for name in order.secrets:
                following.headers.pop(name, None)
            order = replace(order, auth=None)
        request = following
    raise EffectFailed(f"{order.method} {order.url}: more than {MAX_REDIRECTS} redirects")


def _check(url: httpx.URL, ctx: ToolContext) -> None:
    if url.scheme not in ("http", "https"):
        raise UsageError(
            f"{url!s:.200} is no URL to request: it must begin with http:// or https://"
        )
    if not url.host:
        raise UsageError(f"{url!s:.200} names no host")
    port = url.port or (443 if url.scheme == "https" else 80)
    ctx.permissions.check_network(url.raw_host.decode("ascii"), port)
    ctx.check_cancelled()


def _timeouts(order: Order) -> dict[str, float]:
    # Never 0, which would mean that an attempt in time fails before it begins.
    left = max(order.deadline - time.monotonic(), 0.001)
    return dict.fromkeys(("connect", "read", "write", "pool"), left)


def _body(response: httpx.Response, order: Order, ctx: ToolContext) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > order.max_body_bytes:
            raise EffectFailed(
                f"{order.method} {order.url}: the answer is longer than {order.max_body_bytes} "
                f"bytes; max_body_bytes allows up to {ctx.config.tools.http_request.max_body_bytes}"
            )
        if time.monotonic() > order.deadline:
            raise EffectFailed(f"{order.method} {order.url}: {_TOO_LONG}")
        ctx.check_cancelled()
    return bytes(body)


def _same_host(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _in_words(order: Order, error: httpx.TransportError) -> str:
    import httpx

    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        text = _TOO_LONG
    return f"{order.method} {order.url}: {text}"


@cache
def _trust() -> ssl.SSLContext:
    """Return what certificates are checked with; loading them takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


# The answer ---------------------------------------------------------------------------------


def _body_value(response: httpx.Response, body: bytes) -> Any:
    """Return JSON as a value, text as text, and anything else as bytes."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return _decoded(response, body)
        return plain(value) if fits_into_a_result(value) else _decoded(response, body)
    if kind.startswith("text/") or kind.endswith("xml") or not body:
        return _decoded(response, body)
    return body


def _decoded(response: httpx.Response, body: bytes) -> str | bytes:
    try:
        return body.decode(response.charset_encoding or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return body


TOOL = Tool(
    name="http_request",
    description="Makes an HTTP request and returns status, headers and body",
    parameters=PARAMETERS,
    perform=_perform,
    category="api",
    tags=("http", "web", "api"),
    aliases={"url": "input"},
    measured=("duration_ms",),
)
