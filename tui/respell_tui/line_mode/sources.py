"""Commands that show sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from respell.debug.defined_functions import defined_by_name, defined_functions
from respell.errors import UsageError
from respell_tui.line_mode.words import PLACE, Answer, Word, place_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_AROUND = 5
_PAGE = 10
_MOST_CHUNKS = 100
_RANGE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})?")


def list_(mode: LineMode, rest: str = "") -> Answer:
    """Carry out gdb's `list`: around here, then on; `-` for what is above; a place; a range."""
    here = _here(mode)
    source, first, last = here[0], 0, 0
    if not rest:
        shown = mode.listed
        if shown is None:
            first = here[1] - _AROUND
        else:
            source, first = shown[0], shown[2] + 1
    elif rest == "-":
        shown = mode.listed or (source, here[1] - _AROUND, 0)
        source, first, last = shown[0], shown[1] - _PAGE, shown[1] - 1
        if last < 1:
            raise UsageError("there are no lines above")
    elif match := _RANGE.fullmatch(rest):
        first = int(match[1])
        last = int(match[2]) if match[2] else 0
    elif PLACE.fullmatch(rest):
        file, line = place_in(rest)
        source, first = (mode.source_named(file) if file else source), line - _AROUND
    else:
        source, line = _place_of(mode, rest)
        first = line - _AROUND
    return _show(mode, source, first, last, here)


def _here(mode: LineMode) -> tuple[str, int]:
    frame = mode.debugger.stack(mode.coroutine, first=mode.frame, count=1)
    stop = mode.debugger.stop
    source, line = (frame[0].source, frame[0].line) if frame else (stop.source, stop.line)
    return source or mode.debugger.main_source, line


def _place_of(mode: LineMode, name: str) -> tuple[str, int]:
    """Return where a function is defined, or where a file begins."""
    texts = {one.name: one.text for one in mode.debugger.sources()}
    if name in texts:
        return name, 1
    source, lines = defined_by_name(texts, name)
    return source, lines[0]


def _show(mode: LineMode, source: str, first: int, last: int, here: tuple[str, int]) -> Answer:
    lines = mode.lines_of(source)
    if lines == [""]:
        mode.source_named(source)  # says why there is no text
    if first > len(lines):
        raise UsageError(f"{source} has {len(lines)} lines; `list 1` shows them from the top")
    first = max(1, first)
    last = last or first + _PAGE
    shown = lines[first - 1 : last]
    for number, text in enumerate(shown, first):
        mark = ">" if (source, number) == here else " "
        mode.line(mode.shortened(f"{mark}{number:5}  {text}"))
    mode.listed = (source, first, first + len(shown) - 1)
    return {"source": source, "first": first, "lines": shown}


def sources(mode: LineMode, _rest: str = "") -> Answer:
    """List the script and what it loaded: files, and chunks that `load` made."""
    files = [one for one in mode.debugger.sources() if one.file is not None]
    for file in files:
        loaded = f"  (loaded by event {file.event})" if file.event > 1 else ""
        mode.line(f"{file.name}{loaded}")
    chunks = mode.debugger.chunks()
    for chunk in chunks[:_MOST_CHUNKS]:
        mode.line(f"{chunk.name}  (made by load after event {chunk.event}, {chunk.size} bytes)")
    if len(chunks) > _MOST_CHUNKS or chunks.more:
        count = "more than " if chunks.more else ""
        mode.line(f"these are the first {_MOST_CHUNKS} of {count}{len(chunks)} chunks")
    return {
        "sources": [{"name": one.name, "event": one.event} for one in files],
        "chunks": [
            {"name": one.name, "size": one.size, "event": one.event} for one in chunks
        ],
        "more_chunks": chunks.more,
    }  # fmt: skip


def functions(mode: LineMode, rest: str = "") -> Answer:
    """List the functions that sources give a name to."""
    found = [
        {"name": name, "source": one.name, "line": line}
        for one in mode.debugger.sources()
        for name, lines in defined_functions(one.text.decode(errors="replace")).items()
        for line in lines
        if rest in name
    ]
    for each in found:
        mode.line(f"{each['source']}:{each['line']}  {each['name']}")
    if not found:
        mode.line("no function has such a name" if rest else "no function has a name")
    return {"functions": found}


def line(mode: LineMode, rest: str = "") -> Answer:
    """Say which line a place is, and whether it has code."""
    source, number = _here(mode)
    if rest:
        file, number = place_in(rest)
        source = mode.source_named(file) if file else source
    source, code = mode.debugger.breakpoints.lines_of(source)
    after = next((one for one in code if one >= number), None)
    what = "has code" if after == number else "has no code"
    if after is not None and after != number:
        what += f"; the next one that has is {after}"
    mode.line(f"{source}:{number} {what}")
    return {"source": source, "line": number, "code_at": after}


def search(mode: LineMode, rest: str) -> Answer:
    """Find a text in the source, from the line that was listed last on."""
    source, here = _here(mode)
    begin = mode.listed[2] if mode.listed and mode.listed[0] == source else here
    lines = mode.lines_of(source)
    text = rest or mode.searched
    if not text:
        raise UsageError("search takes a text")
    mode.searched = text
    for number in [*range(begin + 1, len(lines) + 1), *range(1, begin + 1)]:
        if text in lines[number - 1]:
            mode.line(mode.shortened(f"{number:6}  {lines[number - 1]}"))
            mode.listed = (source, number, number)
            return {"source": source, "line": number}
    raise UsageError(f"{source} does not have that text")


WORDS = (
    Word(("l", "list"), list_, "[PLACE|A,B|-]",
         "the source around here, then on; around a line or function; above", "place",
         again="bare"),
    Word(("search", "forward-search"), search, "TEXT", "the next line with this text",
         also=("fo",), again="bare"),
)  # fmt: skip
