"""The tokens of Lua source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from respell.errors import UsageError

KEYWORDS = frozenset({
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
})  # fmt: skip

_TOKEN = re.compile(
    rb"""(?P<space>[ \t\r\f\v\n]+)
      | (?P<comment>--(?!\[=*\[)[^\n]*)
      | (?P<long>(?:--)?\[(?P<level>=*)\[)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<hex>0[xX](?:[0-9a-fA-F.]|[pP][+-]?)+)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:[^"\\\n]|\\(?:\r\n|.))*"|'(?:[^'\\\n]|\\(?:\r\n|.))*')
      | (?P<sign>\.\.\.|\.\.|==|~=|<=|>=|<<|>>|//|::|[-+*/%^\#&~|<>=(){}\[\];:,.])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\(?:z\s*|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]+)\}|(\d{1,3})|(\r\n|.))", re.DOTALL
)
_LETTERS = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"\r\n": b"\n",
}  # fmt: skip
_WRAP = 1 << 64


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: What it is; the text itself for keywords and signs.
        text: Its text.
        value: A string's or number's value.
        line: Line that it ends at, 1-based.
    """

    kind: Literal["name", "string", "number", "sign", "end"]
    text: str
    value: bytes | int | float | None
    line: int


def tokens(source: bytes) -> Iterator[Token]:
    """Yield the tokens of a source, and one of kind end.

    Raises:
        UsageError: It is no Lua.
    """
    at, line = 0, 1
    if source.startswith(b"#"):
        at = source.find(b"\n") if b"\n" in source else len(source)
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise UsageError(f"line {line} can't be read as Lua")
        at = match.end()
        kind = match.lastgroup if match["long"] is None else "long"
        text = match[0]
        if kind == "long":
            closing = b"]" + match["level"] + b"]"
            end = source.find(closing, at)
            if end < 0:
                raise UsageError(f"line {line}: a long bracket is not closed")
            content = source[at:end]
            at = end + len(closing)
            line += content.count(b"\n")
            if not text.startswith(b"--"):
                content = content.replace(b"\r\n", b"\n")
                yield Token("string", "", content.removeprefix(b"\n"), line)
            continue
        line += text.count(b"\n")
        if kind == "name":
            word = text.decode()
            yield Token("sign" if word in KEYWORDS else "name", word, None, line)
        elif kind == "string":
            yield Token("string", "", _ESCAPE.sub(_unescaped, text[1:-1]), line)
        elif kind in ("number", "hex"):
            yield Token("number", "", _number(text.decode(), kind == "hex"), line)
        elif kind == "sign":
            yield Token("sign", text.decode(), None, line)
    yield Token("end", "", None, line)


def _unescaped(match: re.Match[bytes]) -> bytes:
    hexadecimal, code, decimal, letter = match.groups()
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if code:
        number = int(code, 16)
        return chr(number).encode(errors="surrogatepass") if number < 0x110000 else b"?"
    if decimal:
        return bytes([int(decimal) & 0xFF])
    if letter:
        return _LETTERS.get(letter, letter)
    return b""


def _number(text: str, is_hex: bool) -> int | float:
    if is_hex:
        if re.search("[.pP]", text):
            return float.fromhex(text)
        value = int(text, 16) % _WRAP
        return value - _WRAP if value >= _WRAP // 2 else value
    if text.isdigit():
        whole = int(text)
        return whole if whole < _WRAP // 2 else float(whole)
    return float(text)
