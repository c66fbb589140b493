"""csv_analyzer: statistics, conversion, filtering, sampling, changing and checking of CSV."""

from __future__ import annotations

import importlib.util
from typing import Any

from respell.errors import UsageError
from respell.tools import confinement
from respell.tools.builtin._csv_operations import BINARY_FORMATS, FORMATS, OPERATIONS
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, needed
from respell.tools.result import ToolResult, envelope

MAX_INPUT_BYTES = 64 << 20
TIMEOUT_S = 120.0
MEMORY_BYTES = 1 << 30

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "default": "analyze",
            "description": ", ".join(OPERATIONS),
        },
        "input": {
            "type": "string",
            "contentEncoding": "binary",
            "description": "the CSV itself, its first line with the names of the columns",
        },
        "options": {
            "type": "object",
            "properties": {
                "format": {"type": "string", "description": f"convert: {', '.join(FORMATS)}"},
                "filter": {
                    "type": "string",
                    "description": "filter: COLUMN OPERATOR VALUE, the operator one of == != > < "
                    '>= <=, e.g. city == "New York"',
                },
                "size": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 10,
                    "description": "sample: how many rows",
                },
                "add_columns": {
                    "type": "object",
                    "description": "transform: names of new columns and what is in them: a "
                    "text, or e.g. price * count",
                },
                "rename_columns": {
                    "type": "object",
                    "description": "transform: old names and new ones",
                },
                "rules": {
                    "type": "object",
                    "description": "validate: names of columns and what is in them, email or "
                    "range:MIN-MAX",
                },
                "delimiter": {
                    "type": "string",
                    "description": "what is between the fields; found out by default",
                },
            },
            "additionalProperties": False,
            "description": "what the operation needs besides",
        },
    },
    "required": ["input"],
    "additionalProperties": False,
}

_NEEDS = {"convert": "format", "filter": "filter", "validate": "rules"}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    operation = chosen("operation", params.get("operation", "analyze").lower(), OPERATIONS)
    options = params.get("options") or {}
    if operation in _NEEDS:
        needed(options, _NEEDS[operation], f"operation {operation}", where="options.")
    if operation == "transform" and not {"add_columns", "rename_columns"} & options.keys():
        raise UsageError("parameter options has neither add_columns nor rename_columns")
    limited("input", params["input"], MAX_INPUT_BYTES)
    target = "respell.tools.builtin._csv_operations:run"
    if operation == "convert":
        given = options["format"]
        options = {**options, "format": FORMATS[chosen("format", given.lower(), FORMATS)]}
        if options["format"] == "parquet":
            target = _parquet()
    value = confinement.call(
        target,
        {"operation": operation, "input": params["input"], "options": options},
        cancel=ctx.cancel,
        timeout_s=TIMEOUT_S,
        memory_bytes=MEMORY_BYTES,
    )
    if operation == "convert" and options["format"] in BINARY_FORMATS:
        value = {"format": given, **value}
    return _result(operation, value)


def _result(operation: str, value: Any) -> ToolResult:
    more = {"analyze": "analysis_result", "validate": "validation_result"}.get(operation)
    metadata = {"operation": operation, "response": envelope(operation, value)}
    return ToolResult(value, metadata={**metadata, **({more: value} if more else {})})


def _parquet() -> str:
    """Return what writes Parquet.

    Raises:
        UsageError: The library for it is not installed; says how to get it.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError(
            "format parquet needs the library pyarrow, which is not installed: "
            "pip install 'respell[parquet]'"
        )
    return "respell.tools.builtin._csv_parquet:run"


TOOL = Tool(
    name="csv_analyzer",
    description="Analyzes, converts, filters, samples, transforms and validates CSV",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="data",
    tags=("csv", "table", "statistics"),
    aliases={"content": "input", "csv_data": "input", "data": "input"},
)
