"""uuid_generator: UUIDs of several versions and forms, ids made from them, and checks."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Callable
from typing import Any

from respell.errors import UsageError
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, needed, shortened
from respell.tools.result import ToolResult, enveloped

MAX_NAME_BYTES = 1 << 20
MAX_PART_BYTES = 255

_FORMATS: dict[str, Callable[[uuid.UUID], str]] = {
    "hyphenated": str,
    "simple": lambda made: made.hex,
    "urn": lambda made: made.urn,
    "braced": lambda made: f"{{{made}}}",
}

# v0.6.0's own namespaces: the ids a script has made with them stay the same.
_OWN_NAMESPACES = {
    "agent": uuid.UUID("6ba13d5a-3f5d-4a5b-9f7e-3d5a2f4d3a2b"),
    "tool": uuid.UUID("7cb24e6b-4f6e-5b6c-af8f-4e6b3f5e4b3c"),
    "workflow": uuid.UUID("8dc35f7c-5f7f-6c7d-bf9f-5f7c4f6f5c4d"),
}
_NAMESPACES = {
    **_OWN_NAMESPACES,
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}

# As the uuid library that v0.6.0 used calls them.
_VARIANTS = {
    uuid.RESERVED_NCS: "NCS",
    uuid.RFC_4122: "RFC4122",
    uuid.RESERVED_MICROSOFT: "Microsoft",
    uuid.RESERVED_FUTURE: "Future",
}

# Python's own parser takes more: 0x…, underscores, hyphens anywhere.
_HEX = "[0-9a-fA-F]"
_HYPHENATED = f"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_WRITTEN = re.compile(
    rf"{_HEX}{{32}}|{_HYPHENATED}|urn:uuid:{_HYPHENATED}|\{{{_HYPHENATED}\}}", re.ASCII
)

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "default": "generate",
            "description": "generate, component_id, deterministic, custom or validate",
        },
        "version": {
            "default": "v4",
            "description": "generate: v1 (by time), v4 (random) or v5 (by name)",
        },
        "format": {
            "type": "string",
            "default": "hyphenated",
            "description": "generate: hyphenated (or standard), simple, urn or braced",
        },
        "namespace": {
            "type": "string",
            "description": "v5: agent, tool, workflow, dns (default), url, oid, x500 or a UUID; "
            "deterministic: agent (default), tool or workflow",
        },
        "name": {"type": "string", "description": "v5, deterministic: the name"},
        "prefix": {"type": "string", "description": "component_id, custom: what comes first"},
        "short": {
            "type": "boolean",
            "default": False,
            "description": "component_id, custom: only the first eight digits",
        },
        "timestamp": {
            "type": "boolean",
            "default": False,
            "description": "custom: with the seconds since 1970",
        },
        "suffix": {"type": "string", "description": "custom: what comes last"},
        "uuid": {"type": "string", "description": "validate: what may be a UUID"},
    },
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    for name in ("prefix", "suffix"):
        limited(name, params.get(name, ""), MAX_PART_BYTES)
    limited("name", params.get("name", ""), MAX_NAME_BYTES)
    operation = chosen("operation", params.get("operation", "generate"), _OPERATIONS)
    return _OPERATIONS[operation](params)


def _generate(params: dict[str, Any]) -> ToolResult:
    version = f"v{str(params.get('version', 'v4')).removeprefix('v').removesuffix('.0')}"
    version = chosen("version", version, ("v1", "v4", "v5"))
    wanted = params.get("format", "hyphenated")
    wanted = chosen("format", "hyphenated" if wanted == "standard" else wanted, _FORMATS)
    if version == "v5":
        made = uuid.uuid5(_namespace(params), needed(params, "name", "version v5"))
    else:
        made = _by_time() if version == "v1" else uuid.uuid4()
    result = {"uuid": _FORMATS[wanted](made), "version": version, "format": wanted}
    return enveloped("generate", result, message="UUID generated successfully")


def _by_time() -> uuid.UUID:
    """Return a version 1 UUID that does not give this machine away.

    The address of its network card is replaced by a random number that says it is none.
    """
    return uuid.uuid1(node=secrets.randbits(48) | (1 << 40))


def _namespace(params: dict[str, Any]) -> uuid.UUID:
    given = params.get("namespace", "dns")
    if given in _NAMESPACES:
        return _NAMESPACES[given]
    found = _parsed(given)
    if found is None:
        raise UsageError(
            f"parameter namespace is {shortened(given)!r}; allowed are a UUID and "
            f"{', '.join(_NAMESPACES)}"
        )
    return found


def _component_id(params: dict[str, Any]) -> ToolResult:
    prefix, short = params.get("prefix", "component"), params.get("short", False)
    result = {"id": f"{prefix}_{_random(short)}", "prefix": prefix, "short": short}
    return enveloped("component_id", result, message="Component ID generated successfully")


def _deterministic(params: dict[str, Any]) -> ToolResult:
    namespace = chosen("namespace", params.get("namespace", "agent"), _OWN_NAMESPACES)
    name = needed(params, "name", "deterministic")
    made = uuid.uuid5(_OWN_NAMESPACES[namespace], name)
    result = {"id": str(made), "namespace": namespace, "name": name}
    return enveloped("deterministic", result, message="Deterministic ID generated successfully")


def _custom(params: dict[str, Any]) -> ToolResult:
    timestamp, short = params.get("timestamp", False), params.get("short", False)
    parts = [
        params.get("prefix"),
        str(int(time.time())) if timestamp else None,
        _random(short),
        params.get("suffix"),
    ]
    made = "_".join(part for part in parts if part is not None)
    result = {"id": made, "timestamp": timestamp, "short": short}
    return enveloped("custom", result, message="Custom ID generated successfully")


def _random(short: bool) -> str:
    return str(uuid.uuid4())[:8] if short else str(uuid.uuid4())


def _validate(params: dict[str, Any]) -> ToolResult:
    found = _parsed(needed(params, "uuid", "validate"))
    if found is None:
        return ToolResult({"valid": False, "error": "Invalid UUID format"})
    return ToolResult(
        {
            "valid": True,
            "uuid": str(found),
            "version": f"v{found.version}" if found.version is not None else None,
            "variant": _VARIANTS[found.variant],
        }
    )


def _parsed(text: str) -> uuid.UUID | None:
    return uuid.UUID(text) if _WRITTEN.fullmatch(text) else None


_OPERATIONS: dict[str, Callable[[dict[str, Any]], ToolResult]] = {
    "generate": _generate,
    "component_id": _component_id,
    "deterministic": _deterministic,
    "custom": _custom,
    "validate": _validate,
}

TOOL = Tool(
    name="uuid_generator",
    description="Generates UUIDs and ids made from them, and validates UUIDs",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("uuid", "id"),
)
