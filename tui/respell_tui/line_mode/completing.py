"""What Tab makes of a line that was begun."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from respell.debug.defined_functions import defined_functions
from respell.debug.known_names import known_keys, known_names
from respell.errors import RespellError
from respell_tui.line_mode.informing import TOPICS
from respell_tui.line_mode.vocabulary import COMMANDS, GROUPS, word_of
from respell_tui.text import one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_MOST = 500
_EVENTS_LOOKED_AT = 20_000
_MANY_LINES = 400  # of a file: more are not offered

_OF_EVENTS = ("effect", "state", "artifact", "error", "divergence", "function")
_BEHIND_A_PLACE = ("if", "hits", "log")
_OF_EFFECTS = ("failed", "cost", "longer", "nth", "where", "hits")

Find = Callable[["LineMode", str, str], Iterable[str]]
"""Returns what the last word of a command's arguments may become: all of these, and that word."""


def completions(mode: LineMode, line: str) -> list[str]:
    """Return what the last word of a line may become, sorted as they are offered.

    Args:
        mode: Where names are looked up; nothing moves.
        line: What was typed up to the cursor.
    """
    begun = line.split(" ")[-1]
    head = line[: len(line) - len(begun)].lstrip()
    try:
        found = list(_found(mode, head, line.lstrip(), begun))
    except RespellError:
        return []  # there is nothing of that name, or the command does not exist
    fit = (one for one in found if one.startswith(begun) and one_line(one) == one)
    return list(islice(dict.fromkeys(fit), _MOST))


def _found(mode: LineMode, head: str, line: str, begun: str) -> Iterable[str]:
    if not head:
        return sorted(COMMANDS)
    word, _ = word_of(line)
    rest = line.partition(" ")[2].lstrip()
    find = KINDS.get(word.of)
    return find(mode, rest, begun) if find is not None else ()


def _values(mode: LineMode, rest: str, begun: str) -> Iterator[str]:
    """Yield names that the expression may go on with."""
    words = rest.split(" ")
    for option in _BEHIND_A_PLACE[:2]:
        if len(words) > 1 and option.startswith(begun) and begun:
            yield option
    typed, keys = known_keys(mode.debugger, begun, mode.chosen)
    if keys:
        stem = begun[: len(begun) - len(typed)]
        yield from (stem + one.name for one in keys)
        return
    typed, names = known_names(mode.debugger, begun, mode.chosen)
    stem = begun[: len(begun) - len(typed)]
    ordered = sorted(names, key=lambda one: (one.order, one.name))
    yield from (stem + one.name for one in ordered if typed or one.order < 2 or stem)
    if "state:".startswith(begun) or begun.startswith("state:"):
        yield from (f"state:{key}" for kept in mode.debugger.state().values() for key in kept)


def _places(mode: LineMode, rest: str, begun: str) -> Iterator[str]:
    """Yield functions, and lines with code of files."""
    file, colon, _ = begun.rpartition(":")
    if colon:
        _, lines = mode.debugger.breakpoints.lines_of(file)
        if len(lines) <= _MANY_LINES:
            yield from (f"{file}:{line}" for line in lines)
        return
    for source in mode.debugger.sources():
        yield from sorted(defined_functions(source.text.decode(errors="replace")))
        yield f"{source.name}:"


def _stops(mode: LineMode, rest: str, begun: str) -> Iterator[str]:
    """Yield what a breakpoint may be at, and what it may depend on."""
    words = rest.split(" ")
    if "if" in words[:-1] or "where" in words[:-1]:
        yield from _values(mode, "", begun)
    elif len(words) == 1:
        yield from _places(mode, rest, begun)
        yield from _OF_EVENTS
    elif words[0] in _OF_EVENTS and len(words) == 2:
        yield from _patterns(mode, words[0])
    elif words[0] == "effect":
        yield from _OF_EFFECTS
    elif words[0] == "state":
        yield "changes"
    else:
        yield from _BEHIND_A_PLACE


def _patterns(mode: LineMode, kind: str) -> Iterable[str]:
    """Return the names that a breakpoint of a kind may be about."""
    if kind == "effect":
        last = min(mode.debugger.last_event, _EVENTS_LOOKED_AT)
        names = {one.name for one in mode.debugger.events(1, last) if one.ordinal}
        families = {f"{name.partition('.')[0]}.*" for name in names}
        return sorted(names | families) + list(_OF_EFFECTS[:4])
    if kind == "state":
        return sorted({
            str(one.args.get("key"))
            for one in mode.debugger.events(1, min(mode.debugger.last_event, _EVENTS_LOOKED_AT))
            if one.name.startswith("state.")
        })  # fmt: skip
    if kind == "artifact":
        from respell.artifacts.record import ArtifactQuery

        query = ArtifactQuery(session_id=mode.debugger.session.id)
        return sorted({one.name for one in mode.debugger.store.artifacts.list(query)})
    if kind == "error":
        return ("uncaught", "caught")
    if kind == "function":
        return _places(mode, "", "")
    return ()


def _positions(mode: LineMode, rest: str, begun: str) -> Iterator[str]:
    yield from (one.name for one in mode.debugger.bookmarks())
    yield from ("start", "end")


def _files(mode: LineMode, rest: str, begun: str) -> Iterator[str]:
    folder, _, name = begun.rpartition("/")
    shown = f"{folder}/" if "/" in begun else ""
    path = Path(shown or ".").expanduser()
    try:
        entries = sorted(os.scandir(path), key=lambda one: one.name)
    except OSError:
        return  # there is no such folder, or it can't be read: nothing to offer
    for one in entries:
        if name.startswith(".") or not one.name.startswith("."):
            yield f"{shown}{one.name}{'/' if one.is_dir() else ''}"


def _commands(mode: LineMode, rest: str, begun: str) -> Iterable[str]:
    if rest.split(" ")[0] == "info":
        return sorted(TOPICS)
    return [*sorted(COMMANDS), *(title for title, _ in GROUPS if " " not in title)]


def _line(mode: LineMode, rest: str, begun: str) -> Iterable[str]:
    return completions(mode, rest)


KINDS: dict[str, Find] = {
    "value": _values,
    "place": _places,
    "stop": _stops,
    "position": _positions,
    "file": _files,
    "help": _commands,
    "command": _line,
    "topic": lambda mode, rest, begun: sorted(TOPICS),
    "number": lambda mode, rest, begun: [str(it.id) for it in mode.debugger.breakpoints.list()],
    "bookmark": lambda mode, rest, begun: [one.name for one in mode.debugger.bookmarks()],
    "displayed": lambda mode, rest, begun: list(mode.watched),
    "stack": lambda mode, rest, begun: ("full", "all"),
    "frame": lambda mode, rest, begun: [
        str(one.index) for one in mode.debugger.stack(mode.coroutine)
    ],
    "coroutine": lambda mode, rest, begun: [str(one.number) for one in mode.debugger.coroutines()],
    "leaving": lambda mode, rest, begun: ("running", "suspended"),
    "source": lambda mode, rest, begun: [one.name for one in mode.debugger.sources()],
}
"""By what a command's arguments are (`Word.of`)."""
