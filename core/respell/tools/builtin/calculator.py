"""calculator: arithmetic expressions with functions and variables."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from respell.errors import UsageError
from respell.tools.builtin._expression import Calculation, Node, check_names, nodes, parse
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, needed
from respell.tools.result import ToolResult, enveloped, pretty_json

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "default": "evaluate",
            "description": "evaluate, validate, or functions, which lists what there is",
        },
        "input": {"type": "string", "description": "the expression, e.g. sqrt(x^2 + y^2)"},
        "variables": {
            "type": "object",
            "default": {},
            "description": "names and numbers that the expression may use",
        },
    },
    "additionalProperties": False,
}

_KNOWN = {
    "arithmetic": ["+", "-", "*", "/", "%", "^"],
    "comparison": ["==", "!=", "<", "<=", ">", ">="],
    "logical": ["&&", "||", "!", "and", "or"],
    "trigonometric": ["sin", "cos", "tan", "asin", "acos", "atan"],
    "hyperbolic": ["sinh", "cosh", "tanh", "asinh", "acosh", "atanh"],
    "mathematical": ["sqrt", "exp", "ln", "log", "abs", "sign", "min", "max"],
    "rounding": ["int", "ceil", "floor", "round"],
    "constants": ["e()", "pi()", "e", "pi", "inf", "NaN"],
    "utility": ["print"],
    "examples": {
        "basic": "2 + 3 * 4",
        "variables": "x^2 + y^2",
        "functions": "sin(pi() / 2) + sqrt(16)",
        "comparison": "x > 3 && x <= 10",
        "logarithms": "log(2, 1k) + ln(e())",
    },
    "note": "log is to base 10, or log(base, x); round(modulus, x) rounds to a multiple; "
    "numbers may end in p n u m k M G T; true is 1.0 and false 0.0",
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    operation = chosen(
        "operation", params.get("operation", "evaluate"), ("evaluate", "validate", "functions")
    )
    if operation == "functions":
        return enveloped("functions", _KNOWN)
    expression = needed(params, "input", operation)
    variables = params.get("variables", {})
    if operation == "validate":
        return enveloped("validate", {"input": expression, **_judged(expression, variables)})
    try:
        return _evaluated(expression, variables)
    except UsageError as error:
        return _failed(str(error))


def _judged(expression: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        check_names(parse(expression), variables)
    except UsageError as error:
        return {"valid": False, "error": str(error)}
    return {"valid": True}


def _evaluated(expression: str, variables: dict[str, Any]) -> ToolResult:
    began = time.thread_time()
    node = parse(expression)
    calculation = Calculation(variables)
    value = calculation.value(node)
    result = {
        "input": expression,
        "result": value if math.isfinite(value) else _special(value),
        "result_type": "float" if math.isfinite(value) else "special",
        "variables": variables,
    }
    usage = {
        "memory_bytes": _size(node),
        "cpu_time_ms": int((time.thread_time() - began) * 1000),
        "operations_count": calculation.steps,
    }
    return enveloped("evaluate", result, resource_usage=usage)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _size(node: Node) -> int:
    return sum(sys.getsizeof(one) for one in nodes(node))


def _failed(message: str) -> ToolResult:
    """Return a failure as a value: a wrong formula is often a person's or a model's."""
    error = {"message": message, "code": None, "details": None}
    text = pretty_json({"operation": "evaluate", "success": False, "error": error})
    return ToolResult(text=text, success=False, error=message)


TOOL = Tool(
    name="calculator",
    description="Calculates expressions with functions and variables",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("math", "arithmetic"),
    aliases={"expression": "input"},
    measured=("cpu_time_ms",),
)
