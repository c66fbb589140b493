"""Code as lines of parts: Lua by ourselves, others by Pygments; what is too long as plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from respell_tui.paint import Line, Part
from respell_tui.shown.lua_code import lua_lines

MAX_BYTES = 512 * 1024
"""Code that is longer is shown without colours: they take too long."""

MAX_LUA_BYTES = 4 * 1024**2
"""The same for Lua, which takes a fraction of that time."""

MAX_LINE = 5_000
"""Lines that are longer are not taken apart, nor what has such."""

_ROLES = (
    ("Token.Comment", "comment"),
    ("Token.Keyword.Constant", "number"),
    ("Token.Keyword", "keyword"),
    ("Token.Literal.String", "string"),
    ("Token.Literal.Number", "number"),
    ("Token.Name.Tag", "name"),
    ("Token.Name.Function", "name"),
    ("Token.Name.Builtin", "accent"),
    ("Token.Name.Class", "name"),
    ("Token.Operator.Word", "keyword"),
    ("Token.Generic.Heading", "title"),
    ("Token.Generic.Inserted", "added"),
    ("Token.Generic.Deleted", "removed"),
)


@cache
def _role(token: Any) -> str:
    name = str(token)
    return next((role for prefix, role in _ROLES if name.startswith(prefix)), "")


def plain_lines(text: str) -> list[Line]:
    """Return text as lines without roles."""
    return [[(line, "")] for line in text.split("\n")]


def highlighted(text: str, language: str) -> Sequence[Line]:
    """Return code as lines, painted where it is not too long.

    Args:
        text: The code.
        language: As Pygments calls it: `lua`, `json`, `python` …
    """
    if language == "lua" and len(text) <= MAX_LUA_BYTES:
        return lua_lines(text.replace("\r\n", "\n"))
    if len(text) > MAX_BYTES or any(len(line) > MAX_LINE for line in text.split("\n")):
        return plain_lines(text)
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    rows: list[list[Part]] = [[]]
    for token, piece in lexer.get_tokens(text.replace("\r\n", "\n")):
        role = _role(token)
        first, *more = piece.split("\n")
        if first:
            rows[-1].append((first, role))
        for line in more:
            rows.append([(line, role)] if line else [])
    return rows
