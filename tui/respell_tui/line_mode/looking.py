"""Commands that show what is there at the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell import values
from respell.debug import Variable
from respell.errors import UsageError
from respell_tui.line_mode.words import Answer, Word, number_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_LINES_AROUND = 5


def _print(mode: LineMode, rest: str) -> Answer:
    if not rest:
        raise UsageError("p takes an expression or a statement")
    found = mode.debugger.evaluate(rest, mode.frame)
    for text in found.output:
        mode.line(text)
    if found.error is not None:
        mode.line(mode.out.paint(found.error, "red"))
    elif found.values:
        mode.line(", ".join(one.text for one in found.values))
    return found.to_json()


def _backtrace(mode: LineMode, rest: str) -> Answer:
    number = number_in(rest, "the coroutine's number") if rest else None
    frames = mode.debugger.stack(number)
    for one in frames:
        mark = "*" if one.index == mode.frame and number is None else " "
        tail = " (tail call)" if one.tail else ""
        mode.line(f"{mark}#{one.index}  {one.source}:{one.line} in {one.name}{tail}")
    return {"frames": [one.to_json() for one in frames]}


def _choose(mode: LineMode, rest: str) -> Answer:
    mode.frame = number_in(rest, "the frame's number")
    frames = mode.debugger.stack(first=mode.frame, count=1)
    if not frames:
        mode.frame = 0
        raise UsageError(f"there is no frame {rest} here")
    return _backtrace(mode, "")


def _move_frame(mode: LineMode, by: int) -> Answer:
    return _choose(mode, str(max(0, mode.frame + by)))


def _locals(mode: LineMode, _rest: str) -> Answer:
    seen = mode.debugger.variables(mode.frame)
    _show(mode, "", seen.locals)
    _show(mode, "", seen.varargs)
    _show(mode, "(upvalue) ", seen.upvalues)
    return seen.to_json()


def _globals(mode: LineMode, _rest: str) -> Answer:
    changed, gone = mode.debugger.globals()
    _show(mode, "", changed)
    for name in gone:
        mode.line(f"{name} is gone")
    return {"changed": [one.to_json() for one in changed], "gone": gone}


def _show(mode: LineMode, mark: str, variables: list[Variable]) -> None:
    for one in variables:
        mode.line(f"{mark}{one.name} = {one.value.text}")


def _coroutines(mode: LineMode, _rest: str) -> Answer:
    found = mode.debugger.coroutines()
    for one in found:
        mode.line(f"{one.number}  {one.status}")
    return {"coroutines": [{"number": one.number, "status": one.status} for one in found]}


def _when(mode: LineMode, _rest: str) -> Answer:
    event = mode.debugger.event()
    shown = event.to_json(mode.debugger.session.id) if event is not None else None
    mode.line(
        str(mode.debugger.position),
        f"  after {event.name} (event {event.number})" if event is not None else "",
    )
    return {"position": str(mode.debugger.position), "event": shown}


def _list(mode: LineMode, rest: str) -> Answer:
    stop = mode.debugger.stop
    frame = mode.debugger.stack(first=mode.frame, count=1)
    source, line = (frame[0].source, frame[0].line) if frame else (stop.source, stop.line)
    if rest:
        line = number_in(rest, "a line")
    lines = mode.lines_of(source or mode.debugger.main_source)
    first = max(1, line - _LINES_AROUND)
    shown = lines[first - 1 : line + _LINES_AROUND]
    for number, text in enumerate(shown, first):
        mode.line(f"{'>' if number == line else ' '}{number:5}  {text}")
    return {"source": source, "first": first, "lines": shown}


def _output(mode: LineMode, _rest: str) -> Answer:
    lines = mode.debugger.output()
    for one in lines:
        mode.line(one)
    return {"output": lines}


def _state(mode: LineMode, _rest: str) -> Answer:
    state = mode.debugger.state()
    for scope, kept in state.items():
        for key, value in kept.items():
            mode.line(f"{scope}  {key} = {values.to_json(value)}")
    return {"state": {scope: values.to_json(kept) for scope, kept in state.items()}}


def _artifacts(mode: LineMode, _rest: str) -> Answer:
    made = mode.debugger.artifacts()
    for one in made:
        mode.line(f"{one['name']} v{one['version']}  (event {one['event']})")
    return {"artifacts": made}


def _display(mode: LineMode, rest: str) -> Answer:
    if rest:
        mode.watched.append(rest)
    for one in mode.watched:
        mode.line(f"{one} = {mode.value_of(one)}")
    return {"watched": {one: mode.value_of(one) for one in mode.watched}}


def _undisplay(mode: LineMode, rest: str) -> Answer:
    if rest not in mode.watched:
        raise UsageError(f"{rest} is not displayed")
    mode.watched.remove(rest)
    return {}


WORDS = (
    Word(("when",), _when, "", "the position, and the event it comes after"),
    Word(("p", "print"), _print, "EXPR", "evaluate, leaving no trace"),
    Word(("display",), _display, "[EXPR]", "show a value at every stop; or all of them"),
    Word(("undisplay",), _undisplay, "EXPR", "no longer"),
    Word(("bt", "backtrace"), _backtrace, "[COROUTINE]", "the functions that run"),
    Word(("frame", "f"), _choose, "N", "look at another function"),
    Word(("up",), lambda mode, _: _move_frame(mode, 1), "", "the one that called it"),
    Word(("down",), lambda mode, _: _move_frame(mode, -1), "", "the one that it called"),
    Word(("locals",), _locals, "", "what the function sees"),
    Word(("globals",), _globals, "", "globals that the script made or changed"),
    Word(("coroutines",), _coroutines, "", "all coroutines"),
    Word(("l", "list"), _list, "[LINE]", "the source around here"),
    Word(("output",), _output, "", "what had been written by now"),
    Word(("state",), _state, "", "the state as it was"),
    Word(("artifacts",), _artifacts, "", "the artifacts that there were"),
)  # fmt: skip
