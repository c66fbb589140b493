"""environment_reader: the environment variables that the script has permission for."""

from __future__ import annotations

import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from respell.errors import UsageError
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, needed
from respell.tools.plain import text_if_possible
from respell.tools.result import ToolResult, enveloped

MAX_VARIABLES = 100
_MAX_NAME_BYTES = 1000

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {"type": "string", "description": "get, list, pattern, or set, which fails"},
        "variable_name": {"type": "string", "description": "get: the name"},
        "pattern": {
            "type": "string",
            "description": "pattern, list: which names, * for any letters, e.g. LC_*",
        },
        "value": {"type": "string", "description": "set: what it would be"},
    },
    "required": ["operation"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    name = params["operation"]
    operation = chosen("operation", _SYNONYMS.get(name, name), _OPERATIONS)
    return _OPERATIONS[operation](params, ctx)


def _get(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    name = needed(params, "variable_name", "operation get")
    limited("variable_name", name, _MAX_NAME_BYTES)
    ctx.permissions.check_env(name)
    value = os.environ.get(name)
    result = {
        "variable_name": name,
        "value": None if value is None else _value(value),
        "found": value is not None,
    }
    state = "found" if value is not None else "not set"
    return enveloped("get", result, message=f"Environment variable '{name}' {state}")


def _list(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    result = _matching(params.get("pattern", "*"), ctx)
    return enveloped("list", result, message=f"Found {result['count']} environment variables")


def _pattern(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    pattern = needed(params, "pattern", "operation pattern")
    result = {"pattern": pattern, **_matching(pattern, ctx)}
    message = f"Found {result['count']} environment variables that match '{pattern}'"
    return enveloped("pattern", result, message=message)


def _set(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    raise UsageError(
        "environment variables can't be set: every process of the host would see them. "
        "process_executor takes an environment for the process it starts"
    )


_SYNONYMS = {"get_all": "list"}
_OPERATIONS: dict[str, Callable[[dict[str, Any], ToolContext], ToolResult]] = {
    "get": _get,
    "list": _list,
    "pattern": _pattern,
    "set": _set,
}


def _matching(pattern: str, ctx: ToolContext) -> dict[str, Any]:
    """Return the first `MAX_VARIABLES` whose names match, and how many there are."""
    limited("pattern", pattern, _MAX_NAME_BYTES)
    # Only the star means more than itself.
    glob = pattern.replace("[", "[[]").replace("?", "[?]")
    seen = ctx.permissions.environment()
    names = sorted(name for name in seen if fnmatchcase(name, glob))
    shown = names[:MAX_VARIABLES]
    result: dict[str, Any] = {
        "variables": {name: _value(seen[name]) for name in shown},
        "count": len(shown),
    }
    if len(names) > len(shown):
        result["total"] = len(names)
    return result


def _value(value: str) -> str | bytes:
    return text_if_possible(os.fsencode(value))


TOOL = Tool(
    name="environment_reader",
    description="Reads environment variables that hold no secrets",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="system",
    tags=("environment",),
    aliases={"variable": "variable_name", "key": "variable_name"},
)
