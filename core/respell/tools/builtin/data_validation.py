"""data_validation: checks a value against a list of rules and says all that is wrong."""

from __future__ import annotations

from typing import Any

from respell.errors import UsageError
from respell.tools.builtin._validation_rules import Report, compiled
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import needed
from respell.tools.result import ToolResult, enveloped

_PARAMETERS = {
    "type": "object",
    "properties": {
        "input": {"description": "the value to check"},
        "rules": {
            "description": "{rules = {{type = …}, …}}; types: required, type, length, range, "
            "pattern, enum, email, url, date, custom, array, object",
        },
    },
    "required": ["rules"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    value = needed(params, "input", "checking")
    try:
        rules = compiled(params["rules"], "rules")
    except UsageError as error:
        raise UsageError(f"Invalid rules format: {error}") from None
    report = Report(ctx)
    report.check(rules, value, "input")
    result = {"valid": not report.errors, "errors": report.errors}
    return enveloped(
        "validate_data",
        result,
        message=f"Data validation {'failed' if report.errors else 'passed'}",
        metadata={"rule_count": len(rules), "error_count": len(report.errors)},
    )


TOOL = Tool(
    name="data_validation",
    description="Validates data against rules, with an error for each thing that is wrong",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("validation", "rules"),
    aliases={"data": "input"},
)
