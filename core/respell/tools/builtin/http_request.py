"""http_request: one HTTP request, wherever the script has permission to connect."""

from __future__ import annotations

import json
import random
import ssl
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from respell.errors import EffectFailed, UsageError
from respell.times import now_us, rfc3339
from respell.tools.model import Tool, ToolContext
from respell.tools.plain import plain
from respell.tools.result import ToolResult, enveloped
from respell.values import MAX_DEPTH

if TYPE_CHECKING:
    import httpx

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
MAX_REDIRECTS = 10
MAX_BODY_BYTES = 64 << 20
_DEFAULT_BODY_BYTES = 16 << 20
_DEFAULT_TIMEOUT_S = 30.0
# Methods that a server answers the same when it hears them twice (RFC 9110, 9.2.2).
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")

_PARAMETERS = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "description": "the URL"},
        "method": {
            "type": "string",
            "default": "GET",
            "description": ", ".join(METHODS),
        },
        "headers": {"type": "object", "description": "header names and values"},
        "body": {"description": "sent as JSON, text too; see raw_body"},
        "raw_body": {
            "type": "string",
            "contentEncoding": "binary",
            "description": "sent as it is, instead of body",
        },
        "auth": {
            "type": "object",
            "description": "type basic (username, password), bearer (token), "
            "api_key (key, header_name), custom (headers) or none",
        },
        "retry": {
            "type": "object",
            "properties": {
                "max_attempts": {"type": "integer", "minimum": 1, "maximum": 10},
                "initial_delay_ms": {"type": "number", "minimum": 0},
                "max_delay_ms": {"type": "number", "minimum": 0},
                "backoff_factor": {"type": "number", "minimum": 1},
                "retry_on_status": {"type": "array", "items": {"type": "integer"}},
            },
            "additionalProperties": False,
            "description": "how often and when to try again",
        },
        "timeout_s": {
            "type": "number",
            "minimum": 0.001,
            "maximum": 3600,
            "default": _DEFAULT_TIMEOUT_S,
            "description": "for all attempts and redirects together, in seconds",
        },
        "timeout_ms": {
            "type": "number",
            "minimum": 1,
            "maximum": 3_600_000,
            "description": "the same in milliseconds",
        },
        "max_body_bytes": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_BODY_BYTES,
            "default": _DEFAULT_BODY_BYTES,
            "description": "a longer answer is an error",
        },
    },
    "required": ["input"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class _Retry:
    """When to try again.

    Attributes:
        attempts: In all, the first included.
        delay_s: Before the second attempt.
        max_delay_s: At most, however often it failed.
        factor: By which the delay grows.
        statuses: HTTP statuses that count as a failure.
    """

    attempts: int = 3
    delay_s: float = 1.0
    max_delay_s: float = 30.0
    factor: float = 2.0
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Order:
    """One call of the tool, taken apart.

    Attributes:
        secrets: Names of headers that no other host may see.
        deadline: By `time.monotonic`.
    """

    method: str
    url: str
    headers: dict[str, str]
    secrets: tuple[str, ...]
    auth: tuple[str, str] | None
    content: bytes | None
    retry: _Retry
    deadline: float
    max_body_bytes: int


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    start = time.monotonic()
    order = _order(params, start)
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


# Parameters ---------------------------------------------------------------------------------


def _order(params: dict[str, Any], start: float) -> _Order:
    method = params.get("method", "GET").upper()
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}. Allowed are: {', '.join(METHODS)}")
    headers = {str(name): str(value) for name, value in (params.get("headers") or {}).items()}
    more, auth = _auth(params.get("auth") or {})
    content = None
    if "raw_body" in params:
        if "body" in params:
            raise UsageError("give body or raw_body, not both")
        raw = params["raw_body"]
        content = raw.encode() if isinstance(raw, str) else raw
    elif "body" in params:
        content = _json_body(params["body"])
        if not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = "application/json"
    timeout_s = params.get("timeout_s", params.get("timeout_ms", _DEFAULT_TIMEOUT_S * 1000) / 1000)
    return _Order(
        method=method,
        url=params["input"],
        headers={**headers, **more},
        secrets=tuple(more),
        auth=auth,
        content=content,
        retry=_retry(params.get("retry") or {}),
        deadline=start + timeout_s,
        max_body_bytes=params.get("max_body_bytes", _DEFAULT_BODY_BYTES),
    )


def _json_body(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"parameter body has no JSON form ({error}); bytes go into raw_body"
        ) from None


def _auth(auth: dict[str, Any]) -> tuple[dict[str, str], tuple[str, str] | None]:
    """Return the headers, and user name and password, that an `auth` parameter means."""

    def field(name: str) -> str:
        value = auth.get(name)
        if not isinstance(value, str):
            raise UsageError(f"parameter auth.{name} is missing; type {auth.get('type')} needs it")
        return value

    match auth.get("type", "none"):
        case "none":
            return {}, None
        case "basic":
            return {}, (field("username"), field("password"))
        case "bearer":
            return {"authorization": f"Bearer {field('token')}"}, None
        case "api_key":
            return {str(auth.get("header_name", "X-API-Key")): field("key")}, None
        case "custom":
            headers = auth.get("headers")
            if not isinstance(headers, dict):
                raise UsageError("parameter auth.headers is missing; type custom needs it")
            return {str(name): str(value) for name, value in headers.items()}, None
    raise UsageError(
        f"there is no auth.type {auth['type']!r}. Allowed are: none, basic, bearer, api_key, custom"
    )


def _retry(retry: dict[str, Any]) -> _Retry:
    usual = _Retry()
    return _Retry(
        attempts=retry.get("max_attempts", usual.attempts),
        delay_s=retry.get("initial_delay_ms", usual.delay_s * 1000) / 1000,
        max_delay_s=retry.get("max_delay_ms", usual.max_delay_s * 1000) / 1000,
        factor=retry.get("backoff_factor", usual.factor),
        statuses=tuple(retry.get("retry_on_status") or ()),
    )


# The request --------------------------------------------------------------------------------


def _answered(order: _Order, ctx: ToolContext) -> tuple[httpx.Response, bytes]:
    """Return the answer of the last attempt."""
    import httpx

    with httpx.Client(verify=_trust(), follow_redirects=False) as client:
        attempt = 1
        while True:
            failure: httpx.TransportError
            try:
                response, body = _attempt(client, order, ctx)
            except httpx.TransportError as error:
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


def _may_repeat(order: _Order, error: httpx.TransportError) -> bool:
    import httpx

    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return False
    # Otherwise the server may have acted on what it heard.
    unheard = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    return unheard or order.method in _REPEATABLE


def _wait(order: _Order, attempt: int, failure: httpx.TransportError, ctx: ToolContext) -> None:
    """Wait before the next attempt, or fail if there is no time left for one."""
    longest = min(
        order.retry.delay_s * order.retry.factor ** (attempt - 1), order.retry.max_delay_s
    )
    delay = longest * random.uniform(0.5, 1.0)
    if time.monotonic() + delay >= order.deadline:
        raise EffectFailed(_in_words(order, failure))
    ctx.cancel.wait(delay)
    ctx.check_cancelled()


def _attempt(client: httpx.Client, order: _Order, ctx: ToolContext) -> tuple[httpx.Response, bytes]:
    """Send the request and follow redirects, asking for permission at each host."""
    request = client.build_request(
        order.method, order.url, headers=order.headers, content=order.content
    )
    for _ in range(MAX_REDIRECTS + 1):
        _check(request.url, ctx)
        request.extensions["timeout"] = _timeouts(order)
        response = client.send(request, auth=order.auth or None, stream=True)
        try:
            following = response.next_request
            body = b"" if following is not None else _body(response, order, ctx)
        finally:
            response.close()
        if following is None:
            return response, body
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


def _timeouts(order: _Order) -> dict[str, float]:
    # Never 0, which would mean that an attempt in time fails before it begins.
    left = max(order.deadline - time.monotonic(), 0.001)
    return dict.fromkeys(("connect", "read", "write", "pool"), left)


def _body(response: httpx.Response, order: _Order, ctx: ToolContext) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > order.max_body_bytes:
            raise EffectFailed(
                f"{order.method} {order.url}: the answer is longer than {order.max_body_bytes} "
                f"bytes; max_body_bytes allows up to {MAX_BODY_BYTES}"
            )
        if time.monotonic() > order.deadline:
            raise EffectFailed(
                f"{order.method} {order.url}: the answer took too long; see timeout_s"
            )
        ctx.check_cancelled()
    return bytes(body)


def _same_host(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _in_words(order: _Order, error: httpx.TransportError) -> str:
    import httpx

    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        text = "timed out; timeout_s says how long it may take"
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
            return plain(_shallow(json.loads(body)))
        except (ValueError, RecursionError):
            return _decoded(response, body)
    if kind.startswith("text/") or kind.endswith("xml") or not body:
        return _decoded(response, body)
    return body


def _shallow(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH - 10:
        raise ValueError("nested too deep for a Lua value")
    if isinstance(value, list):
        return [_shallow(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _shallow(item, depth + 1) for key, item in value.items()}
    return value


def _decoded(response: httpx.Response, body: bytes) -> str | bytes:
    try:
        return body.decode(response.charset_encoding or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return body


TOOL = Tool(
    name="http_request",
    description="Makes an HTTP request and returns status, headers and body",
    parameters=_PARAMETERS,
    perform=_perform,
    category="api",
    tags=("http", "web", "api"),
    aliases={"url": "input"},
)
