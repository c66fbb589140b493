"""template_engine: texts with holes in the languages of Tera and Handlebars."""

from __future__ import annotations

from typing import Any

from respell.tools import confinement
from respell.tools.builtin._json_text import dumped
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited
from respell.tools.result import ToolResult, enveloped

MAX_TEMPLATE_BYTES = 1 << 20
MAX_CONTEXT_BYTES = 10 << 20
TIMEOUT_S = confinement.TIMEOUT_S
MEMORY_BYTES = confinement.MEMORY_BYTES

_PARAMETERS = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "description": "the template"},
        "context": {
            "type": "object",
            "default": {},
            "description": "the variables by name",
        },
        "engine": {
            "type": "string",
            "description": "tera or handlebars (hbs); by default what the template looks like",
        },
        "auto_detect": {
            "type": "boolean",
            "default": True,
            "description": "false: without engine it is tera, whatever it looks like",
        },
    },
    "required": ["input"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    template = params["input"]
    limited("input", template, MAX_TEMPLATE_BYTES)
    context = dumped(params.get("context", {}), "context")
    limited("context", context, MAX_CONTEXT_BYTES)
    engine = _engine(params, template)
    rendered = confinement.call(
        f"{__package__}._templates:render",
        {"engine": engine, "template": template, "context": context},
        cancel=ctx.cancel,
        timeout_s=TIMEOUT_S,
        memory_bytes=MEMORY_BYTES,
    )
    length = len(template.encode())
    result = {
        "rendered": rendered,
        "engine": engine,
        "template_length": length,
        "context_size": len(context.encode()),
    }
    return enveloped(
        "render_template",
        result,
        message=f"Template rendered successfully using {engine} engine",
        metadata={"engine": engine, "template_length": length},
    )


def _engine(params: dict[str, Any], template: str) -> str:
    if "engine" in params:
        engine = params["engine"].lower()
        return chosen("engine", "handlebars" if engine == "hbs" else engine, ("tera", "handlebars"))
    if params.get("auto_detect", True) and any(mark in template for mark in ("{{#", "{{/", "{{>")):
        return "handlebars"
    return "tera"


TOOL = Tool(
    name="template_engine",
    description="Renders templates in the languages of Tera and Handlebars",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("template", "tera", "handlebars"),
    aliases={"template": "input", "variables": "context"},
)
