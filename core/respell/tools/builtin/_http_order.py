"""What a call of http_request asks for, taken apart and checked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from respell.errors import UsageError

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
MAX_BODY_BYTES = 64 << 20
_DEFAULT_BODY_BYTES = 16 << 20
_DEFAULT_TIMEOUT_S = 30.0
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")

PARAMETERS = {
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
class Retry:
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
class Order:
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
    retry: Retry
    deadline: float
    max_body_bytes: int


def order_of(params: dict[str, Any], start: float) -> Order:
    """Return what the parameters ask for.

    Args:
        params: Checked against `PARAMETERS`.
        start: When the call began, by `time.monotonic`.

    Raises:
        UsageError: They don't make a request; names the parameter.
    """
    method = params.get("method", "GET").upper()
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}. Allowed are: {', '.join(METHODS)}")
    headers = _headers(params.get("headers") or {}, "headers")
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
    return Order(
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


def _headers(given: dict[Any, Any], what: str) -> dict[str, str]:
    """Return headers whose names and values can be sent; `what` is the parameter's name."""
    headers = {str(name): str(value) for name, value in given.items()}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise UsageError(f"parameter {what}: {name!r} can't be the name of a header")
        if not _HEADER_VALUE.fullmatch(value):
            raise UsageError(
                f"parameter {what}: {name} can't be sent; headers are one line of ASCII"
            )
    return headers


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
            return _headers({"authorization": f"Bearer {field('token')}"}, "auth.token"), None
        case "api_key":
            return _headers({auth.get("header_name", "X-API-Key"): field("key")}, "auth"), None
        case "custom":
            headers = auth.get("headers")
            if not isinstance(headers, dict):
                raise UsageError("parameter auth.headers is missing; type custom needs it")
            return _headers(headers, "auth.headers"), None
    raise UsageError(
        f"there is no auth.type {auth['type']!r}. Allowed are: none, basic, bearer, api_key, custom"
    )


def _retry(retry: dict[str, Any]) -> Retry:
    usual = Retry()
    return Retry(
        attempts=retry.get("max_attempts", usual.attempts),
        delay_s=retry.get("initial_delay_ms", usual.delay_s * 1000) / 1000,
        max_delay_s=retry.get("max_delay_ms", usual.max_delay_s * 1000) / 1000,
        factor=retry.get("backoff_factor", usual.factor),
        statuses=tuple(retry.get("retry_on_status") or ()),
    )
