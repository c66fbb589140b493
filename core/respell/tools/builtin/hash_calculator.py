"""hash_calculator: hashes of text and files, and whether one is as expected."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

from blake3 import blake3

from respell.errors import UsageError
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.result import ToolResult, enveloped

_CHUNK = 1 << 20

_ALGORITHMS: dict[str, tuple[str, Callable[[], Any]]] = {
    "md5": ("MD5", lambda: hashlib.md5(usedforsecurity=False)),
    "sha1": ("SHA-1", lambda: hashlib.sha1(usedforsecurity=False)),
    "sha256": ("SHA-256", hashlib.sha256),
    "sha512": ("SHA-512", hashlib.sha512),
    "blake3": ("BLAKE3", blake3),
}

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "enum": ["hash", "verify"],
            "description": "hash, or verify against expected_hash",
        },
        "algorithm": {
            "type": "string",
            "default": "sha256",
            "description": f"one of {', '.join(_ALGORITHMS)}",
        },
        "input_type": {
            "type": "string",
            "enum": ["string", "file"],
            "description": "what is hashed: input or file; by default whichever is given",
        },
        "input": {
            "type": "string",
            "contentEncoding": "binary",
            "description": "the text or bytes to hash",
        },
        "file": {"type": "string", "description": "path of the file to hash"},
        "format": {
            "type": "string",
            "enum": ["hex", "base64"],
            "default": "hex",
            "description": "how the hash is written",
        },
        "expected_hash": {"type": "string", "description": "for verify: what it should be"},
        "expected_format": {
            "type": "string",
            "enum": ["hex", "base64"],
            "default": "hex",
            "description": "for verify: how expected_hash is written",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    label, new = _algorithm(params.get("algorithm", "sha256"))
    expected = None
    if params["operation"] == "verify":
        expected = _expected(params)
    state = new()
    for chunk in _content(params, ctx):
        state.update(chunk)
    digest: bytes = state.digest()
    if expected is None:
        written = params.get("format", "hex")
        return enveloped(
            "hash", {"algorithm": label, "hash": _written(digest, written), "format": written}
        )
    result: dict[str, Any] = {
        "verified": hmac.compare_digest(expected, digest),
        "algorithm": label,
    }
    if not result["verified"]:
        result["expected"] = params["expected_hash"]
        result["actual"] = _written(digest, params.get("expected_format", "hex"))
    return enveloped("verify", result)


def _algorithm(name: str) -> tuple[str, Callable[[], Any]]:
    plain = name.lower().replace("sha-", "sha")
    if plain not in _ALGORITHMS:
        near = difflib.get_close_matches(plain, _ALGORITHMS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UsageError(
            f"there is no algorithm {name!r}{hint} Allowed are: {', '.join(_ALGORITHMS)}"
        )
    return _ALGORITHMS[plain]


def _expected(params: dict[str, Any]) -> bytes:
    text = params.get("expected_hash")
    if text is None:
        raise UsageError("parameter expected_hash is missing; verify compares with it")
    written = params.get("expected_format", "hex")
    try:
        return bytes.fromhex(text) if written == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise UsageError(f"parameter expected_hash is not {written}: {text!r:.100}") from None


def _content(params: dict[str, Any], ctx: ToolContext) -> Iterator[bytes]:
    kind = params.get("input_type")
    if kind is None:
        kind = "file" if "file" in params and "input" not in params else "string"
    name = "input" if kind == "string" else "file"
    value = params.get(name)
    if value is None:
        raise UsageError(f"parameter {name} is missing; it is what is hashed")
    if kind == "string":
        yield value.encode() if isinstance(value, str) else value
        return
    with open(ctx.permissions.check_read(value), "rb") as file:
        while chunk := file.read(_CHUNK):
            ctx.check_cancelled()
            yield chunk


def _written(digest: bytes, written: str) -> str:
    return digest.hex() if written == "hex" else base64.b64encode(digest).decode()


TOOL = Tool(
    name="hash_calculator",
    description="Calculates and verifies MD5, SHA-1, SHA-256, SHA-512 and BLAKE3 hashes",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("hash", "checksum"),
    aliases={"data": "input", "path": "file"},
)
