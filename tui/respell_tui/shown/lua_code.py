"""Lua as lines of parts: one regular expression over all of it, so that long sources are quick."""

from __future__ import annotations

import re
from collections.abc import Sequence

from respell_tui.paint import Line, Part

_TOKEN = re.compile(
    r"""
    (?P<comment> --\[(?P<c>=*)\[ .*? (?: \](?P=c)\] | \Z ) | --[^\n]* )
  | (?P<string> "(?: \\z\s* | \\. | [^"\\\n] )*"? | '(?: \\z\s* | \\. | [^'\\\n] )*'?
              | \[(?P<s>=*)\[ .*? (?: \](?P=s)\] | \Z ) )
  | (?P<function> function\s+ ) (?P<named> [A-Za-z_][\w.:]* )
  | (?P<name> [A-Za-z_]\w* (?: \.[A-Za-z_]\w* )? ) (?P<call> (?= \ ?[({"'] ) )?
  | (?P<number> 0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)? | \d+\.?\d*(?:[eE][+-]?\d+)?
              | \.\d+(?:[eE][+-]?\d+)? )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_KEYWORDS = (
    "and break do else elseif end for function goto if in local not or repeat return then until "
    "while"
)  # fmt: skip
_FUNCTIONS = (
    "assert collectgarbage error getmetatable ipairs load next pairs pcall print rawequal rawget "
    "rawlen rawset require select setmetatable tonumber tostring type xpcall warn"
)
_LIBRARIES = {
    "coroutine": "close create isyieldable resume running status wrap yield",
    "io": "lines open read write close",
    "math": "abs ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad "
            "random randomseed sin sqrt tan tointeger type ult",
    "os": "clock date difftime getenv remove rename time tmpname",
    "string": "byte char dump find format gmatch gsub len lower match pack packsize rep reverse "
              "sub unpack upper",
    "table": "concat insert move pack remove sort unpack",
    "utf8": "char charpattern codepoint codes len offset",
}  # fmt: skip

_NAMES: dict[str, str] = {
    **dict.fromkeys(_KEYWORDS.split(), "keyword"),
    **dict.fromkeys(("true", "false", "nil"), "number"),
    **dict.fromkeys(_FUNCTIONS.split(), "accent"),
    **{f"{lib}.{name}": "accent" for lib, all_ in _LIBRARIES.items() for name in all_.split()},
}


def lua_lines(text: str) -> Sequence[Line]:
    """Return Lua source as lines; what is wrong in it stays as it is.

    Args:
        text: The source.
    """
    rows: list[list[Part]] = [[]]
    at = 0
    for found in _TOKEN.finditer(text):
        kind, start = _KINDS[found.lastgroup or ""], found.start()
        role = kind
        if kind == "named":
            _add(rows, text[at:start], "")
            _add(rows, found["function"], "keyword")
            at = start = found.start("named")
            role = "name"
        elif kind == "name":
            role, start = _role(text, found)
        if role:
            _add(rows, text[at:start], "")
            _add(rows, text[start : found.end()], role)
            at = found.end()
    _add(rows, text[at:], "")
    return rows


_KINDS = {
    "comment": "comment", "c": "comment", "string": "string", "s": "string", "named": "named",
    "name": "name", "call": "name", "number": "number",
}  # fmt: skip
"""What was found, by the group that was closed last: of long brackets that of their level."""


def _role(text: str, found: re.Match[str]) -> tuple[str, int]:
    """Return the role of a name, and where in the text what has it begins."""
    name, start = found["name"], found.start()
    inside = start > 0 and text[start - 1] in ".:"
    role = "" if inside else _NAMES.get(name, "")
    if role or found["call"] is None:
        return role, start
    return "name", start + name.find(".") + 1  # of what is called, the last word


def _add(rows: list[list[Part]], text: str, role: str) -> None:
    if "\n" not in text:
        if text:
            rows[-1].append((text, role))
        return
    first, *more = text.split("\n")
    if first:
        rows[-1].append((first, role))
    rows += [[(line, role)] if line else [] for line in more]
