"""base64_encoder: bytes as Base64 and back, from and to parameters and files."""

from __future__ import annotations

import base64
import binascii
import errno
import os
from typing import Any

from respell.effect import Manner
from respell.errors import UsageError
from respell.tools.atomic import write_atomically
from respell.tools.files import read_whole
from respell.tools.model import READS, REPEATABLE, Tool, ToolContext
from respell.tools.parameters import limited, shortened
from respell.tools.result import ToolResult, envelope, enveloped, pretty_json

MAX_INPUT_BYTES = 32 << 20

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "enum": ["encode", "decode"],
            "description": "encode into Base64, or decode from it",
        },
        "variant": {
            "type": "string",
            "enum": ["standard", "url-safe"],
            "default": "standard",
            "description": "standard uses + and /, url-safe - and _; both end in =",
        },
        "input": {
            "type": "string",
            "contentEncoding": "binary",
            "description": "the text or bytes",
        },
        "input_file": {"type": "string", "description": "path of a file, instead of input"},
        "output_file": {
            "type": "string",
            "description": "path of a file to write the answer to, instead of returning it",
        },
        "binary_input": {
            "type": "boolean",
            "default": False,
            "description": "input is hexadecimal and stands for the bytes to encode",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    operation = params["operation"]
    variant = params.get("variant", "standard")
    content = _content(params, ctx)
    if operation == "encode":
        answer = base64.b64encode(content, b"-_" if variant == "url-safe" else None)
    else:
        answer = _decoded(content, variant, "input_file" if "input_file" in params else "input")
    if "output_file" in params:
        return _written(operation, variant, params["output_file"], answer, ctx)
    result = {"output": _as_text(answer), "variant": variant, "binary": not answer.isascii()}
    return enveloped(operation, result, message=f"Base64 {operation} completed")


def _content(params: dict[str, Any], ctx: ToolContext) -> bytes:
    if "input_file" in params:
        return read_whole(params["input_file"], ctx, most=MAX_INPUT_BYTES)
    given = params.get("input")
    if given is None:
        raise UsageError("parameter input is missing; give it, or input_file")
    limited("input", given, MAX_INPUT_BYTES)
    content = given.encode() if isinstance(given, str) else given
    if not params.get("binary_input", False) or params["operation"] == "decode":
        return content
    try:
        return bytes.fromhex(content.decode())
    except ValueError:
        raise UsageError(
            f"parameter input is not hexadecimal, which binary_input says it is: "
            f"{shortened(repr(given))}"
        ) from None


def _decoded(content: bytes, variant: str, name: str) -> bytes:
    # Files and mails break Base64 into lines.
    packed = b"".join(content.split())
    alphabet = "-_" if variant == "url-safe" else "+/"
    try:
        if variant == "url-safe":
            packed = packed.translate(bytes.maketrans(b"-_+/", b"+/-_"))
        return binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error as error:
        raise UsageError(
            f"parameter {name} is not {variant} Base64 ({error}): "
            f"{shortened(content.decode(errors='replace'))!r}; allowed are letters, digits, "
            f"{' and '.join(alphabet)}, and = to fill up the last four"
        ) from None


def _written(
    operation: str, variant: str, path: str, answer: bytes, ctx: ToolContext
) -> ToolResult:
    resolved = ctx.permissions.check_write(path)
    if resolved.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    resolved.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(resolved, [answer])
    about = {"variant": variant, "file_path": path, "file_size": len(answer)}
    text = envelope(operation, message=f"Base64 {operation} completed successfully", metadata=about)
    return ToolResult(about, text=pretty_json(text))


def _as_text(answer: bytes) -> str:
    try:
        return answer.decode()
    except UnicodeDecodeError:
        return answer.hex()


def _decide(params: dict[str, Any]) -> Manner:
    return REPEATABLE if "output_file" in params else READS


TOOL = Tool(
    name="base64_encoder",
    description="Encodes text, bytes and files into Base64 and decodes them",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=_decide,
    category="utility",
    tags=("base64", "encoding"),
    aliases={"data": "input"},
)
