"""A source with what stands beside its lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from respell.debug import Breakpoint
from respell_tui.icons import Icons
from respell_tui.paint import Line
from respell_tui.shown.highlight import highlighted


@dataclass(frozen=True, slots=True)
class Code:
    """The lines of one source.

    Attributes:
        name: Chunk name.
        lines: Its lines, painted.
        text: Its bytes.
        longest: How many characters its longest line has.
    """

    name: str
    lines: Sequence[Line] = ()
    text: bytes = b""
    longest: int = 0


def code_of(name: str, text: bytes) -> Code:
    """Return a source as lines.

    Args:
        name: Chunk name.
        text: Its bytes, of any origin.
    """
    decoded = text.decode(errors="replace").replace("\r\n", "\n")
    longest = max(map(len, decoded.split("\n")))
    return Code(name, highlighted(decoded.removesuffix("\n"), "lua"), text, longest)


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a source's lines.

    Attributes:
        line: The line that is next; 0 for none here.
        last: Where none is next, the line that asked for the last event; 0 for none.
        breakpoints: Breakpoints by line.
        hits: How often lines ran; empty where nobody has counted.
        most: The highest of these.
    """

    line: int = 0
    last: int = 0
    breakpoints: Mapping[int, Breakpoint] = field(default_factory=dict)
    hits: Mapping[int, int] = field(default_factory=dict)
    most: int = 0


def source_line(code: Code, index: int, beside: Beside, icons: Icons) -> Line:
    """Return one line with its gutter.

    Args:
        code: The source.
        index: The line's index, from 0.
        beside: What stands beside the lines.
        icons: The signs.
    """
    number = index + 1
    point = beside.breakpoints.get(number)
    mark, role = " ", "bad"
    if point is not None:
        mark = icons.breakpoint if point.enabled else icons.active
        role = "bad" if point.enabled and not point.log else "warn"
    places = len(str(len(code.lines)))
    here = number == beside.line
    parts: list[tuple[str, str]] = [
        (mark, role), (f"{number:>{places}} ", "strong" if here else "dim")
    ]  # fmt: skip
    if beside.hits:
        times = beside.hits.get(number, 0)
        places_of_hits = max(3, len(times_text(beside.most, icons)))
        parts.append((f"{times_text(times, icons):>{places_of_hits}} ", "dim"))
    parts.append((f"{icons.current if here else ' '} ", "accent"))
    return [*parts, *code.lines[index]]


def times_text(count: int, icons: Icons) -> str:
    """Return how often a line ran, in at most five cells; empty for never."""
    if not count:
        return ""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{count // (1000 if unit == 'k' else size)}{unit}{icons.times}"
    return f"{count}{icons.times}"


def counted(breakpoints: Sequence[Breakpoint], source: str) -> dict[int, Breakpoint]:
    """Return the breakpoints of a source by line."""
    return {one.line: one for one in breakpoints if one.source == source and one.line}
