"""The debugger in line mode: one command per line, with the habits of gdb and rr."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.debug import Debugger, Stop, Variable
from respell.errors import NotFound, UsageError
from respell_tui.output import Out

_PLACE = re.compile(r"(?:(?P<file>.+):)?(?P<line>\d+)")
_LINES_AROUND = 5

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Word:
    """One command: its names, what it does, its arguments and its help."""

    names: tuple[str, ...]
    perform: Callable[[LineMode, str], Answer | None]
    takes: str
    help: str


class LineMode:
    """Carries out commands and says what came of them.

    Args:
        debugger: What they are given to.
        out: Where answers go.
        json: Answer each command with one line of JSON.
        tidy: Called when a move has ended, to take away what was shown meanwhile.
    """

    def __init__(
        self, debugger: Debugger, out: Out, *, json: bool, tidy: Callable[[], None]
    ) -> None:
        self.debugger = debugger
        self.over = False
        self._out, self._json, self._tidy = out, json, tidy
        self._frame = 0
        self._watched: list[str] = []
        self._sources: dict[str, list[str]] = {}

    def say(self, command: str, answer: Answer | None) -> None:
        """Write the answer to a command, where it is to be JSON."""
        if self._json:
            self._out.json({"command": command, **(answer or {})})

    def begin(self) -> None:
        """Say where we are."""
        self.say("", self._stopped(self.debugger.stop))

    def perform(self, text: str) -> None:
        """Carry out one line; empty ones and comments (#) do nothing.

        Raises:
            UsageError: There is no such command, or it can't be done.
        """
        text = text.strip()
        if not text or text.startswith("#"):
            return
        name, _, rest = text.partition(" ")
        word = _BY_NAME.get(name)
        if word is None:
            raise UsageError(f"there is no command {name}; `help` lists them")
        self.say(text, word.perform(self, rest.strip()))

    def _line(self, *parts: str) -> None:
        if not self._json:
            self._out.line(*parts)

    # Moves -------------------------------------------------------------------------------

    def _stopped(self, stop: Stop) -> Answer:
        self._frame = 0
        self._tidy()
        for one in stop.logs:
            self._line(f"{one.position}  ", one.text)
        where = f"{stop.source}:{stop.line}" if stop.line else "no function runs"
        text = self._text_of(stop.source, stop.line)
        why = {"step": "", "goto": "", "event": ""}.get(stop.reason, stop.reason)
        if stop.breakpoints:
            why += " " + ", ".join(str(number) for number in stop.breakpoints)
        function = f" in {stop.function}" if stop.function else ""
        coroutine = f" [coroutine {stop.coroutine}]" if stop.coroutine else ""
        self._line(
            self._out.paint(str(stop.position), "cyan"), f"  {where}{function}{coroutine}",
            f"  ({why})" if why else "", f"\n    {text}" if text else "",
        )  # fmt: skip
        if stop.error:
            self._line("    ", self._out.paint(stop.error, "red"))
        answer = stop.to_json()
        if self._watched:
            answer["watched"] = {one: self._value(one) for one in self._watched}
            for name, value in answer["watched"].items():
                self._line(f"    {name} = {value}")
        return answer

    def _value(self, expression: str) -> str:
        found = self.debugger.evaluate(expression)
        return found.error or ", ".join(one.text for one in found.values)

    def _text_of(self, source: str, line: int) -> str:
        lines = self._lines_of(source) if source else []
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def _lines_of(self, source: str) -> list[str]:
        if source not in self._sources:
            try:
                text = self.debugger.breakpoints.source_named(source)[1].decode(errors="replace")
            except UsageError:
                text = ""  # of a chunk that `load` made there is no file
            self._sources[source] = text.splitlines()
        return self._sources[source]

    def _go(self, move: Callable[[Debugger], Stop], rest: str) -> Answer:
        times = _number(rest, "how many times") if rest else 1
        for _ in range(times):
            stop = move(self.debugger)
            if stop.reason not in ("step", "event", "goto") or stop.at_end:
                break
        return self._stopped(self.debugger.stop)

    def _goto(self, rest: str) -> Answer:
        if rest in ("start", "end"):
            return self._stopped(getattr(self.debugger, rest)())
        for mark in self.debugger.bookmarks():
            if mark.name == rest:
                return self._stopped(self.debugger.go_to(mark.position))
        if not rest:
            raise UsageError(
                "goto takes a position (12+340), an event, 50%, start, end or a bookmark"
            )
        return self._stopped(self.debugger.go_to(rest))

    def _until(self, rest: str, *, back: bool = False) -> Answer:
        file, line = _place(rest)
        move = self.debugger.run_back_to_line if back else self.debugger.run_to_line
        return self._stopped(move(line, file))

    # Breakpoints -------------------------------------------------------------------------

    def _break(self, rest: str) -> Answer:
        place, options = _options(rest)
        table = self.debugger.breakpoints
        if not place:
            points = table.list()
            for one in points:
                self._line(f"{one.id}  {one.describe()}")
            return {"breakpoints": [one.to_json() for one in points]}
        kind, _, what = place.partition(" ")
        if kind == "effect":
            failed = True if what.endswith(" failed") else None
            name = what.removesuffix(" failed") or "*"
            made = table.add_effect(name, failed=failed, hits=options.get("hits", ""))
        elif kind == "error":
            made = table.add_error(caught=what != "uncaught")
        elif kind == "function" or not _PLACE.fullmatch(place):
            made = table.add_function(what if kind == "function" else place, **options)
        else:
            file, line = _place(place)
            made = table.add_line(
                file or self.debugger.stop.source or self.debugger.main_source, line, **options
            )
        self._line(f"breakpoint {made.id}: {made.describe()}")
        return {"breakpoint": made.to_json()}

    def _delete(self, rest: str) -> Answer:
        self.debugger.breakpoints.remove(_number(rest, "the breakpoint's number"))
        return {}

    def _enable(self, rest: str, *, on: bool) -> Answer:
        self.debugger.breakpoints.enable(_number(rest, "the breakpoint's number"), on)
        return {}

    # Looking -----------------------------------------------------------------------------

    def _print(self, rest: str) -> Answer:
        if not rest:
            raise UsageError("p takes an expression or a statement")
        found = self.debugger.evaluate(rest, self._frame)
        for text in found.output:
            self._line(text)
        if found.error is not None:
            self._line(self._out.paint(found.error, "red"))
        elif found.values:
            self._line(", ".join(one.text for one in found.values))
        return found.to_json()

    def _backtrace(self, rest: str) -> Answer:
        number = _number(rest, "the coroutine's number") if rest else None
        frames = self.debugger.stack(number)
        for one in frames:
            mark = "*" if one.index == self._frame and number is None else " "
            tail = " (tail call)" if one.tail else ""
            self._line(f"{mark}#{one.index}  {one.source}:{one.line} in {one.name}{tail}")
        return {"frames": [one.to_json() for one in frames]}

    def _choose(self, rest: str) -> Answer:
        self._frame = _number(rest, "the frame's number")
        frames = self.debugger.stack(first=self._frame, count=1)
        if not frames:
            self._frame = 0
            raise UsageError(f"there is no frame {rest} here")
        return self._backtrace("")

    def _move_frame(self, by: int) -> Answer:
        return self._choose(str(max(0, self._frame + by)))

    def _locals(self, _rest: str) -> Answer:
        seen = self.debugger.variables(self._frame)
        self._show("", seen.locals)
        self._show("", seen.varargs)
        self._show("(upvalue) ", seen.upvalues)
        return seen.to_json()

    def _globals(self, _rest: str) -> Answer:
        changed, gone = self.debugger.globals()
        self._show("", changed)
        for name in gone:
            self._line(f"{name} is gone")
        return {"changed": [one.to_json() for one in changed], "gone": gone}

    def _show(self, mark: str, variables: list[Variable]) -> None:
        for one in variables:
            self._line(f"{mark}{one.name} = {one.value.text}")

    def _coroutines(self, _rest: str) -> Answer:
        found = self.debugger.coroutines()
        for one in found:
            self._line(f"{one.number}  {one.status}")
        return {"coroutines": [{"number": one.number, "status": one.status} for one in found]}

    def _when(self, _rest: str) -> Answer:
        event = self.debugger.event()
        shown = event.to_json(self.debugger.session.id) if event is not None else None
        self._line(
            str(self.debugger.position),
            f"  after {event.name} (event {event.number})" if event is not None else "",
        )
        return {"position": str(self.debugger.position), "event": shown}

    def _list(self, rest: str) -> Answer:
        stop = self.debugger.stop
        frame = self.debugger.stack(first=self._frame, count=1)
        source, line = (frame[0].source, frame[0].line) if frame else (stop.source, stop.line)
        if rest:
            line = _number(rest, "a line")
        lines = self._lines_of(source or self.debugger.main_source)
        first = max(1, line - _LINES_AROUND)
        shown = lines[first - 1 : line + _LINES_AROUND]
        for number, text in enumerate(shown, first):
            self._line(f"{'>' if number == line else ' '}{number:5}  {text}")
        return {"source": source, "first": first, "lines": shown}

    def _output(self, _rest: str) -> Answer:
        lines = self.debugger.output()
        for one in lines:
            self._line(one)
        return {"output": lines}

    def _state(self, _rest: str) -> Answer:
        state = self.debugger.state()
        for scope, kept in state.items():
            for key, value in kept.items():
                self._line(f"{scope}  {key} = {values.to_json(value)}")
        return {"state": {scope: values.to_json(kept) for scope, kept in state.items()}}

    def _artifacts(self, _rest: str) -> Answer:
        made = self.debugger.artifacts()
        for one in made:
            self._line(f"{one['name']} v{one['version']}  (event {one['event']})")
        return {"artifacts": made}

    def _last(self, rest: str) -> Answer:
        change = self.debugger.last_change(rest, self._frame)
        if change is None:
            self._line(f"{rest} has not changed before {self.debugger.position}")
            return {"change": None}
        self._line(change.describe(rest))
        return {"change": change.to_json()}

    def _watch(self, rest: str) -> Answer:
        if rest:
            self._watched.append(rest)
        for one in self._watched:
            self._line(f"{one} = {self._value(one)}")
        return {"watched": {one: self._value(one) for one in self._watched}}

    def _unwatch(self, rest: str) -> Answer:
        if rest not in self._watched:
            raise UsageError(f"{rest} is not watched")
        self._watched.remove(rest)
        return {}

    # The rest ----------------------------------------------------------------------------

    def _bookmark(self, rest: str) -> Answer:
        if not rest:
            marks = self.debugger.bookmarks()
            for one in marks:
                self._line(f"{one.name}  {one.position}  {one.note}")
            return {"bookmarks": [one.to_json() for one in marks]}
        name, _, note = rest.partition(" ")
        return {"bookmark": self.debugger.bookmark(name, note.strip()).to_json()}

    def _unbookmark(self, rest: str) -> Answer:
        self.debugger.delete_bookmark(rest)
        return {}

    def _quit(self, _rest: str) -> Answer:
        self.over = True
        return {}

    def _help(self, _rest: str) -> Answer:
        for word in _WORDS:
            self._line(f"{' / '.join(word.names)} {word.takes}".ljust(36), word.help)
        return {"commands": [word.names[0] for word in _WORDS]}


def _number(text: str, what: str) -> int:
    if not text.isdigit():
        raise UsageError(f"{text!r} is not {what}")
    return int(text)


def _place(text: str) -> tuple[str | None, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a place: give LINE or FILE:LINE")
    return match["file"], int(match["line"])


def _options(text: str) -> tuple[str, dict[str, str]]:
    """Split `PLACE [if CONDITION] [hits N] [log TEXT]`."""
    options: dict[str, str] = {}
    for word, key in (("log", "log"), ("hits", "hits"), ("if", "condition")):
        before, found, behind = f" {text} ".partition(f" {word} ")
        if found:
            text, options[key] = before.strip(), behind.strip()
    return text.strip(), options


def break_option(text: str) -> tuple[str, int, str]:
    """Return file, line and condition of an option `FILE:LINE[:CONDITION]`.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(.+?):(\d+)(?::(.*))?", text, re.DOTALL)
    if match is None:
        raise UsageError(f"--break takes FILE:LINE or FILE:LINE:CONDITION, not {shlex.quote(text)}")
    return match[1], int(match[2]), match[3] or ""


def _move(move: Callable[[Debugger], Stop]) -> Callable[[LineMode, str], Answer]:
    return lambda mode, rest: mode._go(move, rest)


_WORDS = (
    _Word(("n", "next"), _move(Debugger.step_over), "[N]", "next line of this function"),
    _Word(("s", "step"), _move(Debugger.step_in), "[N]", "next line, into functions"),
    _Word(("finish", "out"), _move(Debugger.step_out), "", "to where this function has returned"),
    _Word(("c", "continue"), _move(Debugger.continue_), "", "to the next breakpoint or the end"),
    _Word(("e", "event"), _move(Debugger.next_event), "[N]", "to the next event"),
    _Word(("rn", "reverse-next"), _move(Debugger.step_back_over), "[N]", "n, backwards"),
    _Word(("rs", "reverse-step"), _move(Debugger.step_back), "[N]", "s, backwards"),
    _Word(("rf", "reverse-finish"), _move(Debugger.step_back_out), "",
          "to the line that called this function"),
    _Word(("rc", "reverse-continue"), _move(Debugger.reverse_continue), "", "c, backwards"),
    _Word(("re", "reverse-event"), _move(Debugger.previous_event), "[N]", "to the event before"),
    _Word(("until",), LineMode._until, "[FILE:]LINE", "to the next time a line runs"),
    _Word(("reverse-until",), lambda mode, rest: mode._until(rest, back=True), "[FILE:]LINE",
          "to the last time a line ran"),
    _Word(("goto",), LineMode._goto, "POSITION", "to 12+340, event 12, 50%, start, end, bookmark"),
    _Word(("when",), LineMode._when, "", "the position, and the event it comes after"),
    _Word(("b", "break"), LineMode._break, "[PLACE] [if …] [hits …] [log …]",
          "stop at [FILE:]LINE, a function, `error [uncaught]`, `effect NAME [failed]`; or list"),
    _Word(("delete",), LineMode._delete, "N", "take a breakpoint away"),
    _Word(("disable",), lambda mode, rest: mode._enable(rest, on=False), "N", "switch one off"),
    _Word(("enable",), lambda mode, rest: mode._enable(rest, on=True), "N", "switch it on again"),
    _Word(("p", "print"), LineMode._print, "EXPR", "evaluate, leaving no trace"),
    _Word(("watch",), LineMode._watch, "[EXPR]", "show a value at every stop; or all of them"),
    _Word(("unwatch",), LineMode._unwatch, "EXPR", "no longer"),
    _Word(("last",), LineMode._last, "EXPR", "when it last changed before here"),
    _Word(("bt", "backtrace"), LineMode._backtrace, "[COROUTINE]", "the functions that run"),
    _Word(("frame", "f"), LineMode._choose, "N", "look at another function"),
    _Word(("up",), lambda mode, _: mode._move_frame(1), "", "the one that called it"),
    _Word(("down",), lambda mode, _: mode._move_frame(-1), "", "the one that it called"),
    _Word(("locals",), LineMode._locals, "", "what the function sees"),
    _Word(("globals",), LineMode._globals, "", "globals that the script made or changed"),
    _Word(("coroutines",), LineMode._coroutines, "", "all coroutines"),
    _Word(("l", "list"), LineMode._list, "[LINE]", "the source around here"),
    _Word(("output",), LineMode._output, "", "what had been written by now"),
    _Word(("state",), LineMode._state, "", "the state as it was"),
    _Word(("artifacts",), LineMode._artifacts, "", "the artifacts that there were"),
    _Word(("bookmark",), LineMode._bookmark, "[NAME [NOTE]]", "keep this position; or list all"),
    _Word(("unbookmark",), LineMode._unbookmark, "NAME", "forget one"),
    _Word(("q", "quit"), LineMode._quit, "", "leave"),
    _Word(("h", "help"), LineMode._help, "", "this list"),
)  # fmt: skip
_BY_NAME = {name: word for word in _WORDS for name in word.names}

COMMANDS = tuple(_BY_NAME)
"""The names of all commands."""

__all__ = ["COMMANDS", "LineMode", "NotFound", "break_option"]
