"""Code as lines of parts, by Pygments; and where that is of no use, plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from respell_tui.paint import Line, Part

MAX_BYTES = 512 * 1024
"""Code that is longer is shown without colours: they take too long."""

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
