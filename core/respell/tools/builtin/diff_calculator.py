"""diff_calculator: what changed between two texts, two JSON values or two files."""

from __future__ import annotations

import json
from typing import Any

from respell.errors import UsageError
from respell.tools import confinement
from respell.tools.builtin._differences import FORMATS, compare_values
from respell.tools.files import read_whole
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited
from respell.tools.plain import fits_into_a_result, plain
from respell.tools.result import ToolResult, enveloped

MAX_INPUT_BYTES = 16 << 20
"""Of each side."""

_PARAMETERS = {
    "type": "object",
    "properties": {
        "type": {
            "type": "string",
            "enum": ["text", "json"],
            "description": "what is compared; by default what is given, and text of files",
        },
        "operation": {
            "type": "string",
            "enum": ["text_diff", "json_diff"],
            "description": "the same as type",
        },
        "old_text": {"type": "string", "description": "the text as it was"},
        "new_text": {"type": "string", "description": "the text as it is"},
        "old_json": {"description": "the value as it was, or its JSON text"},
        "new_json": {"description": "the value as it is, or its JSON text"},
        "old_file": {"type": "string", "description": "path of what was"},
        "new_file": {"type": "string", "description": "path of what is"},
        "format": {
            "type": "string",
            "default": "unified",
            "description": f"of a text diff: {', '.join(FORMATS)}",
        },
        "context_lines": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1000,
            "default": 3,
            "description": "unified, context: how many unchanged lines around each change",
        },
    },
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    return _json_diff(params, ctx) if _kind(params) == "json" else _text_diff(params, ctx)


def _kind(params: dict[str, Any]) -> str:
    operation = params.get("operation", "").removesuffix("_diff")
    kind = str(params.get("type", operation))
    if operation and kind != operation:
        raise UsageError(f"type is {kind} and operation {operation}_diff; give one of them")
    if not kind:
        return "json" if "old_json" in params and "old_text" not in params else "text"
    return kind


def _text_diff(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    old, new = _sides(params, "text", ctx)
    written = params.get("format", "unified")
    payload = {
        "old": old,
        "new": new,
        "format": chosen("format", written.lower(), FORMATS),
        "context_lines": params.get("context_lines", 3),
    }
    # Which lines belong together can take very long to find out.
    found = confinement.call(
        "respell.tools.builtin._differences:compare_texts", payload, cancel=ctx.cancel
    )
    result = {"type": "text", "format": written, **found}
    return enveloped("text_diff", result, message="Text diff calculated successfully")


def _json_diff(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    old, new = (
        _parsed(side, value)
        for side, value in zip(("old", "new"), _sides(params, "json", ctx), strict=True)
    )
    diff = compare_values(old, new)
    result = {
        "type": "json",
        "diff": diff,
        "summary": {name: len(entries) for name, entries in diff.items()},
    }
    return enveloped("json_diff", result, message="JSON diff calculated successfully")


def _sides(params: dict[str, Any], kind: str, ctx: ToolContext) -> tuple[Any, Any]:
    """Return what is compared; files win, as they did in v0.6.0."""
    for what in ("file", kind):
        names = (f"old_{what}", f"new_{what}")
        missing = [name for name in names if name not in params]
        if len(missing) == 1:
            raise UsageError(f"parameter {missing[0]} is missing; a diff has two sides")
        if not missing:
            break
    else:
        raise UsageError(
            f"nothing to compare: give old_{kind} and new_{kind}, or old_file and new_file"
        )
    for name in names:
        if what == "text":
            limited(name, params[name], MAX_INPUT_BYTES)
    if what == "file":
        return _read(params["old_file"], ctx), _read(params["new_file"], ctx)
    return params[names[0]], params[names[1]]


def _read(path: str, ctx: ToolContext) -> str:
    data = read_whole(path, ctx, most=MAX_INPUT_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text: byte {error.start + 1} is wrong") from None


def _parsed(side: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except RecursionError:
        raise UsageError(f"the {side} JSON nests too deep") from None
    except ValueError as error:
        raise UsageError(f"the {side} JSON is wrong: {error}") from None
    if not fits_into_a_result(parsed):
        raise UsageError(f"the {side} JSON nests too deep")
    return plain(parsed)


TOOL = Tool(
    name="diff_calculator",
    description="Calculates what changed between texts, JSON values or files",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("diff", "compare"),
)
