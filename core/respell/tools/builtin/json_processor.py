"""json_processor: jq queries over JSON and lines of JSON, and JSON Schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from respell.tools import confinement
from respell.tools.builtin._json_text import dumped
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, needed
from respell.tools.result import ToolResult, pretty_json, worded

MAX_INPUT_BYTES = 100 << 20
MAX_QUERY_BYTES = 100_000
TIMEOUT_S = confinement.TIMEOUT_S
MEMORY_BYTES = confinement.MEMORY_BYTES

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "default": "query",
            "description": "query (or jq, transform), validate or stream",
        },
        "input": {"description": "the JSON as text, or a table; for stream, lines of JSON"},
        "query": {
            "type": "string",
            "description": "query, stream: the jq program, e.g. .users[] | .name",
        },
        "schema": {
            "description": "validate: the JSON Schema, of draft 7: a table, or JSON as text"
        },
    },
    "additionalProperties": False,
}

_SYNONYMS = {"jq": "query", "transform": "query"}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    name = params.get("operation", "query").lower()
    operation = chosen("operation", _SYNONYMS.get(name, name), _OPERATIONS)
    return _OPERATIONS[operation](params, ctx)


def _query(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    program = needed(params, "query", "query")
    outputs = _computed("_jq:query", "query", params, ctx, program=program)
    result = outputs[0] if len(outputs) == 1 else outputs
    return _answer("query", result, "JSON query executed successfully")


def _stream(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    program = params.get("query", ".")
    outputs = _computed("_jq:stream", "stream", params, ctx, program=program)
    return _answer("stream", outputs, "JSON stream processing completed")


def _validate(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    schema = _text(needed(params, "schema", "validate"), "schema")
    verdict = _computed("_json_schema:judge", "validate", params, ctx, schema=schema)
    return _answer("validate", verdict, "JSON validation completed")


def _computed(
    function: str, operation: str, params: dict[str, Any], ctx: ToolContext, **payload: str
) -> Any:
    limited("query", params.get("query", ""), MAX_QUERY_BYTES)
    payload["input"] = _text(needed(params, "input", operation), "input")
    target = f"{__package__}.{function}"
    return confinement.call(
        target, payload, cancel=ctx.cancel, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )


def _text(value: Any, name: str) -> str:
    text = value if isinstance(value, str) else dumped(value, name)
    limited(name, text, MAX_INPUT_BYTES)
    return text


def _answer(operation: str, result: Any, message: str) -> ToolResult:
    return worded(pretty_json(result), operation, result, message=message)


_OPERATIONS: dict[str, Callable[[dict[str, Any], ToolContext], ToolResult]] = {
    "query": _query,
    "validate": _validate,
    "stream": _stream,
}

TOOL = Tool(
    name="json_processor",
    description="Queries JSON with jq, and validates it against a JSON Schema",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="data",
    tags=("json", "jq"),
    aliases={"json": "input", "input_json": "input"},
)
