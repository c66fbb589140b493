"""Text on its way to a widget: safe, and painted by what it means.

What is shown is made of parts: a text and its role. A role is a word (`good`, `dim`,
`string` …); which colour that is, the theme knows. Text from outside reaches a widget only
as `content(...)`, or as parts of a line that a `LineView` draws: never as a `str`, which
Textual would read as markup.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence

from textual.content import Content, Span

from respell_tui.text import one_line, visible, width

Part = tuple[str, str]
"""A text, and the role it has; the empty role for plain text."""

Line = Sequence[Part]
"""What stands on one line."""

TAB = 4

ROLES: dict[str, str] = {
    "dim": "$foreground-muted",
    "strong": "bold",
    "good": "$text-success",
    "bad": "$text-error",
    "warn": "$text-warning",
    "accent": "$text-accent",
    "title": "$text-primary bold",
    "key": "$footer-key-foreground bold",
    "letter": "underline",
    "mark": "reverse",
    "keyword": "$text-accent",
    "string": "$text-success",
    "number": "$text-warning",
    "comment": "$foreground-muted italic",
    "name": "$text-primary",
    "added": "$text-success",
    "removed": "$text-error",
}
"""How each role is painted, in Textual's words for styles."""


def content(*parts: Part | str) -> Content:
    """Return text of any origin for a widget: no markup in it counts, no escape is left.

    Args:
        parts: One after the other; a `str` is plain text. Newlines stay.
    """
    texts: list[str] = []
    spans: list[Span] = []
    at = 0
    for part in parts:
        text, role = (part, "") if isinstance(part, str) else part
        shown = visible(text).expandtabs(TAB)
        if role and shown:
            spans.append(Span(at, at + len(shown), ROLES[role]))
        texts.append(shown)
        at += len(shown)
    return Content("".join(texts), spans=spans)


def lines(rows: Iterable[Line]) -> Content:
    """Return several lines of parts for a widget."""
    parts: list[Part] = []
    for row in rows:
        if parts:
            parts.append(("\n", ""))
        parts.extend((cell(text), role) for text, role in row)
    return content(*parts)


def cell(text: str) -> str:
    """Return text for a part of one line: tabs as blanks, newlines and all else visible."""
    return one_line(text.expandtabs(TAB) if "\t" in text else text)


def plain(line: Line) -> str:
    """Return a line's text."""
    return "".join(text for text, _ in line)


def marked(row: Line, wanted: str) -> Line:
    """Return a line in which what is searched for is marked, in any case."""
    parts: list[Part] = []
    for text, role in row:
        low, at = text.lower(), 0
        if len(low) != len(text):  # some letters have no single lower case one
            parts.append((text, role))
            continue
        while (found := low.find(wanted, at)) >= 0:
            parts += [(text[at:found], role), (text[found : found + len(wanted)], "mark")]
            at = found + len(wanted)
        parts.append((text[at:], role))
    return [part for part in parts if part[0]]


def wrapped(line: Line, cells: int) -> list[Line]:
    """Return a line as several of at most so many cells; what goes on is indented as it was.

    Args:
        line: The line.
        cells: How many cells there are.
    """
    whole = plain(line)
    if width(whole) <= cells:
        return [line]
    indent = min(len(whole) - len(whole.lstrip()) + 2, cells // 2)
    breaks = _breaks(whole, cells, indent)
    rows: list[list[Part]] = [[]]
    at = 0
    for text, role in line:
        start, end = 0, at + len(text)
        while breaks and breaks[0] <= end:
            place = breaks.popleft() - at
            rows[-1].append((text[start:place], role))
            rows.append([(" " * indent, "")])
            start = place
        if text[start:]:
            rows[-1].append((text[start:], role))
        at = end
    return [row for row in rows if plain(row).strip()]


def _breaks(text: str, cells: int, indent: int) -> deque[int]:
    """Return where a text is broken: behind a blank, if there is one in the second half."""
    found: deque[int] = deque()
    start, used, room = 0, 0, cells
    for at, char in enumerate(text):
        wide = width(char)
        if used + wide > room and at > start:
            blank = text.rfind(" ", start + room // 2, at)
            start = blank + 1 if blank >= 0 else at
            used = width(text[start:at])
            found.append(start)
            room = cells - indent
        used += wide
    return found


def hanging(line: Line, cells: int, indent: int) -> list[list[Part]]:
    """Return a line as several that are broken between words, all but the first indented.

    Args:
        line: The line.
        cells: How many cells there are; a word that is longer than those stays whole.
        indent: How many cells the lines after the first one leave free.
    """
    rows: list[list[Part]] = [[]]
    used = 0
    for text, role in line:
        for word in re.findall(r"\s+|\S+", text):
            wide = width(word)
            if used + wide > cells and used > indent:
                rows.append([(" " * indent, "")])
                used = indent
                if word.isspace():
                    continue
            rows[-1].append((word, role))
            used += wide
    return rows
