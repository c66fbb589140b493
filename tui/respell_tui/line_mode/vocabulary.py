"""All commands, found by their names or the beginnings of these."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from respell.errors import UsageError
from respell_tui.line_mode import (
    editing,
    informing,
    keeping,
    living,
    looking,
    moving,
    over_time,
    sources,
    stopping,
)
from respell_tui.line_mode.habits import INSTEAD
from respell_tui.line_mode.words import Answer, Word
from respell_tui.text import wrap

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_TYPED = re.compile(r"(!|\?|[A-Za-z][\w-]*|\S+)\s*(.*)", re.DOTALL)
_SHOWN = 40  # characters of a word that there is not
_COLUMN = 30
_WIDTH, _NARROWEST = 100, 30


def _quit(mode: LineMode, _rest: str) -> Answer:
    mode.over = True
    return {}


def _source(mode: LineMode, rest: str) -> Answer:
    return mode.source(rest)


def _help(mode: LineMode, rest: str) -> Answer:
    if rest:
        return _help_about(mode, rest)
    shown = []
    for title, words in GROUPS:
        mode.line(mode.out.paint(title, "bold"))
        for word in words:
            _show(mode, word, "  ")
            shown.append(word.names[0])
    mode.line("the beginning of a name does as well, as far as only one begins so;")
    mode.line("an empty line repeats the last command; Tab completes; Ctrl-C ends a move")
    return {"commands": shown}


def _help_about(mode: LineMode, rest: str) -> Answer:
    first, _, topic = rest.partition(" ")
    found = [words for title, words in GROUPS if title == rest]
    if found:
        for word in found[0]:
            _show(mode, word)
        return {"commands": [word.names[0] for word in found[0]]}
    if first in INSTEAD:
        mode.line(INSTEAD[first])
        return {"commands": [], "instead": INSTEAD[first]}
    word = word_of(first)[0]
    _show(mode, word)
    if word.also:
        mode.line(f"also: {', '.join(word.also)}")
    if word.names[0] == "info":
        for name, (_, text) in informing.TOPICS.items():
            if name.startswith(topic):
                mode.line(f"  info {name}".ljust(_COLUMN), text)
    return {"commands": [word.names[0]]}


def _show(mode: LineMode, word: Word, indent: str = "") -> None:
    names = f"{indent}{', '.join(word.names)} {word.takes}"
    if len(names) >= _COLUMN:
        mode.line(names)
        names = ""
    for text in wrap(word.help, max(_NARROWEST, (mode.out.columns() or _WIDTH) - _COLUMN)):
        mode.line(names.ljust(_COLUMN), text)
        names = ""


def _apropos(mode: LineMode, rest: str) -> Answer:
    text = rest.lower()
    found = [
        word for word in _WORDS
        if text and text in f"{' '.join(word.names)} {word.takes} {word.help}".lower()
    ]  # fmt: skip
    for word in found:
        _show(mode, word)
    if not found:
        raise UsageError("no command's help has that in it; `help` lists them all")
    return {"commands": [word.names[0] for word in found]}


def _complete(mode: LineMode, rest: str) -> Answer:
    from respell_tui.line_mode.completing import completions

    found = completions(mode, rest)
    before = rest[: len(rest) - len(rest.split(" ")[-1])]
    for one in found:
        mode.line(before + one)
    return {"completions": [before + one for one in found]}


_OTHERS = (
    Word(("source",), _source, "FILE", "take commands from a file", "file", again="never"),
    *informing.WORDS,
    Word(("complete",), _complete, "TEXT", "what Tab would make of a text", "command"),
    Word(("h", "help"), _help, "[COMMAND]", "this list, or what one does", "help"),
    Word(("apropos",), _apropos, "TEXT", "commands whose help has this in it"),
    Word(("q", "quit"), _quit, "", "leave; so does Ctrl-D", also=("exit",)),
)

GROUPS: tuple[tuple[str, tuple[Word, ...]], ...] = (
    ("moves", moving.WORDS),
    ("breakpoints", stopping.WORDS),
    ("looking", (*looking.WORDS, *sources.WORDS)),
    ("over time", over_time.WORDS),
    ("positions", keeping.WORDS),
    ("what if", editing.WORDS),
    ("sessions that run", living.WORDS),
    ("others", _OTHERS),
)
"""All commands, as `help` lists them."""

_WORDS = tuple(word for _, words in GROUPS for word in words)
_BY_NAME = {name: word for word in _WORDS for name in (*word.names, *word.also)}

COMMANDS = tuple(name for word in _WORDS for name in word.names)
"""The names of all commands, as completion knows them."""


def word_of(text: str) -> tuple[Word, str]:
    """Return the command that a line begins with, and what it is given.

    Raises:
        UsageError: There is none of that name or beginning, or there are several; of a word of
            gdb or rr says what is used here.
    """
    match = _TYPED.fullmatch(text)
    name, rest = (match[1], match[2]) if match else (text, "")
    name = {"!": "shell", "?": "help"}.get(name, name)
    if name in _BY_NAME:
        return _BY_NAME[name], rest.strip()
    if name in INSTEAD:
        raise UsageError(INSTEAD[name])
    found = [full for full in COMMANDS if full.startswith(name)]
    if len({id(_BY_NAME[full]) for full in found}) == 1:
        return _BY_NAME[found[0]], rest.strip()
    if found:
        raise UsageError(f"{name} may be {', '.join(found)}")
    raise UsageError(_unknown(name))


def _unknown(name: str) -> str:
    if any(one.startswith(name) for one in INSTEAD):
        name_there = next(one for one in INSTEAD if one.startswith(name))
        return INSTEAD[name_there]
    near = difflib.get_close_matches(name[:_SHOWN], COMMANDS, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`help` lists them"
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return f"there is no command {shown}; {hint}"
