"""What a script takes from the process it runs for: environment variables, standard input."""

from __future__ import annotations

import os
import re
from typing import Any, BinaryIO

from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import lua_text
from respell.errors import UsageError

MAX_INPUT = 16 << 20
"""Most bytes that one `io.read` takes."""

_MAX_NUMERAL = 200  # as in Lua: a longer one is not a number
_NUMERAL = re.compile(
    rb"[+-]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?\d+)?"
    rb"|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
)
_NUMERAL_START = re.compile(
    rb"[+-]?(?:0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*(?:[pP][+-]?\d*)?|\d*\.?\d*(?:[eE][+-]?\d*)?)"
)


@effect("env.get", kind=Kind.READ)
def env_get(ctx: EffectContext, args: dict[str, Any]) -> str | bytes | None:
    """Return an environment variable: `{name}` -> its value, nil when it is not set."""
    name = Arguments("os.getenv", args).given("name")
    if not isinstance(name, str | bytes):
        raise UsageError("os.getenv: name must be a string")
    name = os.fsdecode(name)
    value = os.environ.get(name)
    if value is None:
        # No secret is given away, and `os.getenv("DEBUG") or default` works unasked.
        return None
    ctx.permissions.check_env(name)
    return lua_text(value)


@effect("input.read", kind=Kind.EXTERNAL, idempotent=True)
def input_read(ctx: EffectContext, args: dict[str, Any]) -> str | bytes | int | float | None:
    """Read from standard input: `{format}` as for `io.read` -> what was read, nil at its end."""
    wanted = Arguments("io.read", args).given("format")
    stream = ctx.stdin
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return _count(stream, int(wanted))
    letter = (wanted.removeprefix("*") if isinstance(wanted, str) else "")[:1]
    if letter not in ("l", "L", "n", "a"):
        raise UsageError(f"io.read: invalid format {wanted!r}; formats are l, L, n, a or a number")
    if stream is None:
        return b"" if letter == "a" else None
    if letter == "a":
        return _bounded(stream.read(MAX_INPUT + 1))
    if letter == "n":
        return _number(stream)
    line = _bounded(stream.readline(MAX_INPUT + 1))
    if not line:
        return None
    return line.removesuffix(b"\n") if letter == "l" else line


def _count(stream: BinaryIO | None, count: int) -> bytes | None:
    if not 0 <= count <= MAX_INPUT:
        raise UsageError(f"io.read: can read 0 to {MAX_INPUT} bytes at once, not {count}")
    if stream is None:
        return None
    if count == 0:
        return b"" if _ahead(stream) else None
    return stream.read(count) or None


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_INPUT:
        raise UsageError(f"io.read: more than {MAX_INPUT} bytes at once; read them piece by piece")
    return data


def _ahead(stream: BinaryIO) -> bytes:
    """Return the next byte without taking it; empty at the end."""
    peek = getattr(stream, "peek", None)
    if peek is not None:
        data: bytes = peek(1)
        return data[:1]
    byte = stream.read(1)
    if byte:
        stream.seek(-1, os.SEEK_CUR)
    return byte


def _number(stream: BinaryIO) -> int | float | None:
    while (byte := _ahead(stream)) and byte.isspace():
        stream.read(1)
    text = b""
    while (byte := _ahead(stream)) and _NUMERAL_START.fullmatch(text + byte):
        if len(text) == _MAX_NUMERAL:
            return None
        text += stream.read(1)
    return _lua_number(text) if _NUMERAL.fullmatch(text) else None


def _lua_number(text: bytes) -> int | float:
    numeral = text.decode().lower()
    if "x" in numeral:
        if "." in numeral or "p" in numeral:
            return float.fromhex(numeral)
        wrapped = int(numeral, 16) & (2**64 - 1)
        return wrapped - 2**64 if wrapped >= 2**63 else wrapped
    if "." in numeral or "e" in numeral:
        return float(numeral)
    value = int(numeral)
    return value if -(2**63) <= value < 2**63 else float(value)
