"""Commands that show what is there at the place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from respell import values
from respell.debug import Evaluated, Frame, Value, Variable
from respell.errors import UsageError
from respell_tui.line_mode.whole_values import in_full
from respell_tui.line_mode.words import Answer, Word, number_in
from respell_tui.text import fit, one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_SHOWN = 200  # characters of a value among others
_FRAMES = 100  # that `bt` shows, where it is not told how many
_PAGE = 2_000  # frames that are counted at once
_AT_ONCE = 100  # entries of a table that `x` shows
_BYTES_AT_ONCE = 256
_ASSIGNMENT = re.compile(r"\s*(?:local\s+)?[A-Za-z_][\w.\[\]\"']*\s*=(?!=)")
_FORMAT = re.compile(r"/(\w+)\s*")


def _print(mode: LineMode, rest: str) -> Answer:
    _refuse_what_gdb_has(rest)
    found = evaluated(mode, rest)
    for text in found.output:
        mode.line(text)
    if found.error is not None:
        mode.line(mode.out.paint(found.error, "red"))
    elif found.values:
        texts = [in_full(mode.debugger, one) for one in found.values]
        mode.line(", ".join(texts))
    note = ""
    if found.error is None and not found.values and _ASSIGNMENT.match(rest):
        note = "that was in a copy, which is gone; `set NAME = EXPR` tries it from here on"
    elif [one.type for one in found.values] == ["nil"] and rest.isidentifier():
        note = mode.taken_as(rest)
    if note:
        mode.line("    ", note)
    return {**found.to_json(), "note": note or None}


def _refuse_what_gdb_has(rest: str) -> None:
    if not rest:
        raise UsageError("p takes an expression or a statement")
    if match := _FORMAT.match(rest):
        raise UsageError(
            f"there are no formats such as /{match[1]}; use Lua's: p string.format('%x', total)"
        )
    if rest.startswith("$"):
        raise UsageError("values are not numbered: say the expression again")


def evaluated(mode: LineMode, text: str) -> Evaluated:
    """Return what an expression or statement comes to, with what is inside of its values."""
    here = mode.debugger.look(text, mode.chosen)
    if here is not None:
        return Evaluated([here])
    return mode.debugger.evaluate(text, mode.chosen, keep=True)


def _examine(mode: LineMode, rest: str) -> Answer:
    """Show what is inside of a value, an entry per line; again: the next ones."""
    _refuse_what_gdb_has(rest or mode.examined[0])
    text, first = (rest, 0) if rest else mode.examined
    found = evaluated(mode, text)
    if found.error is not None or not found.values:
        raise UsageError(found.error or "a statement has no value")
    value = found.values[0]
    if value.type == "string":
        shown, total = _bytes(mode, value, first)
    else:
        shown, total = _entries(mode, value, first)
    after = first + (_BYTES_AT_ONCE if value.type == "string" else _AT_ONCE)
    mode.examined = (text, after if after < total else 0)
    if after < total:
        mode.line(f"… {total - after:,} more of {total:,}; an empty line shows the next ones")
    return {"value": value.to_json(), "first": first, "total": total, "inside": shown}


def _entries(mode: LineMode, value: Value, first: int) -> tuple[list[dict[str, object]], int]:
    if not value.ref:
        mode.line(value.text)
        return [], 0
    inside, total, meta = mode.debugger.children(value, first=first, count=_AT_ONCE)
    if not first:
        mode.line(f"{value.text.split(' {')[0]}, {total:,} inside")
    for one in inside:
        mode.line(_named(mode, one, "  "))
    if meta is not None and not first:
        mode.line("  (metatable) ", fit(one_line(in_full(mode.debugger, meta)), _SHOWN))
    return [one.to_json() for one in inside], total


def _bytes(mode: LineMode, value: Value, first: int) -> tuple[list[dict[str, object]], int]:
    data = b""
    if value.bytes_ref:
        data = mode.debugger.bytes(value, first=first, count=_BYTES_AT_ONCE)
    if not first:
        mode.line(f"string, {value.size:,} bytes")
    shown: list[dict[str, object]] = []
    for at in range(0, len(data), 16):
        some = data[at : at + 16]
        text = "".join(chr(one) if 32 <= one < 127 else "." for one in some)
        mode.line(f"{first + at:8}  {some.hex(' '):47}  {text}")
        shown.append({"at": first + at, "hex": some.hex()})
    return shown, value.size


def _type(mode: LineMode, rest: str) -> Answer:
    if not rest:
        raise UsageError("whatis takes an expression")
    found = evaluated(mode, rest)
    if found.error is not None:
        mode.line(mode.out.paint(found.error, "red"))
    for one in found.values:
        what = {"string": f", {one.size:,} bytes", "table": f", {one.size:,} entries"}
        mode.line(one.type, what.get(one.type, ""), " with a metatable" * one.has_metatable)
    return found.to_json()


# Functions that run ------------------------------------------------------------------------


def backtrace(mode: LineMode, rest: str = "") -> Answer:
    """Carry out `bt [N]`, `bt full`, `bt all`."""
    if rest == "all":
        return _all_stacks(mode)
    full = rest.startswith("full")
    number = rest.removeprefix("full").strip()
    count = number_in(number.lstrip("-"), "how many functions") if number else _FRAMES
    depth = _depth(mode)
    first = max(0, depth - count) if number.startswith("-") else 0
    frames = mode.debugger.stack(mode.coroutine, first=first, count=count)
    if not depth:
        mode.line("no function of the script runs here")
    for one in frames:
        _show_frame(mode, one, chosen=one.index == mode.frame)
        if full:
            _show(mode, "      ", mode.debugger.variables(one).locals)
    if len(frames) < depth:
        mode.line(f"({depth - len(frames):,} more)")
    return {"frames": [one.to_json() for one in frames]}


def _depth(mode: LineMode) -> int:
    """Return how many functions of the script run."""
    depth = 0
    while found := len(mode.debugger.stack(mode.coroutine, first=depth, count=_PAGE)):
        depth += found
        if found < _PAGE:
            break
    return depth


def _all_stacks(mode: LineMode) -> Answer:
    found = []
    for co in mode.debugger.coroutines():
        mode.line(_coroutine_name(co.number), f" ({co.status})")
        frames = mode.debugger.stack(co.number, count=_FRAMES)
        for one in frames:
            here = co.number == (mode.coroutine or mode.debugger.stop.coroutine)
            _show_frame(mode, one, chosen=here and one.index == mode.frame)
        found.append({
            "number": co.number, "status": co.status,
            "frames": [one.to_json() for one in frames],
        })  # fmt: skip
    return {"coroutines": found}


def _coroutine_name(number: int) -> str:
    return f"coroutine {number}" if number else "main thread"


def _show_frame(mode: LineMode, one: Frame, *, chosen: bool) -> None:
    mark = "*" if chosen else " "
    tail = " (tail call)" if one.tail else ""
    mode.line(f"{mark}#{one.index}  {one.source}:{one.line} in {one.name}{tail}")


def _choose(mode: LineMode, rest: str) -> Answer:
    words = rest.split()
    if words[:1] == ["function"] and len(words) == 2:
        named = [one for one in mode.debugger.stack(mode.coroutine) if one.name == words[1]]
        if not named:
            raise UsageError(f"no function {words[1]} runs here; `bt` lists those that do")
        return _look_at(mode, named[0].index)
    return _look_at(mode, number_in(rest, "the frame's number") if rest else mode.frame)


def _look_at(mode: LineMode, index: int) -> Answer:
    found = mode.debugger.stack(mode.coroutine, first=index, count=1)
    if not found:
        raise UsageError(
            f"there is no frame {index} here" if index else "no function of the script runs here"
        )
    mode.frame, mode.listed = index, None
    frame = found[0]
    _show_frame(mode, frame, chosen=True)
    lines = mode.lines_of(frame.source)
    text = lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""
    if text:
        mode.line("    ", mode.shortened(text))
    return {"frames": [frame.to_json()]}


def _move_frame(mode: LineMode, rest: str, sign: int) -> Answer:
    count = number_in(rest, "how many frames") if rest else 1
    frames = _depth(mode)
    at = min(max(mode.frame + sign * count, 0), max(frames - 1, 0))
    if at == mode.frame and frames:
        raise UsageError(
            "this is the outermost function" if sign > 0 else "this is the innermost function"
        )
    return _look_at(mode, at)


def _coroutine(mode: LineMode, rest: str) -> Answer:
    """Look at a coroutine's functions until the next move."""
    if not rest:
        return coroutines(mode)
    if rest.split()[:2] in (["apply", "all"], ["a", "all"]):
        return _all_stacks(mode)
    number = number_in(rest, "a coroutine's number, 0 for the main thread")
    if number not in [one.number for one in mode.debugger.coroutines()]:
        raise UsageError(f"there is no coroutine {number} here; `coroutines` lists them")
    if not mode.debugger.stack(number, count=1):
        raise UsageError(f"no function of the script runs in coroutine {number}")
    mode.coroutine = None if number == mode.debugger.stop.coroutine else number
    return _look_at(mode, 0)


def coroutines(mode: LineMode, _rest: str = "") -> Answer:
    """List them, and where each is."""
    found = []
    for one in mode.debugger.coroutines():
        frames = mode.debugger.stack(one.number, count=1)
        place = f"{frames[0].source}:{frames[0].line}" if frames else None
        mode.line(f"{one.number}  {one.status}", f"  {place}" if place else "")
        found.append({"number": one.number, "status": one.status, "place": place})
    return {"coroutines": found}


# Variables ---------------------------------------------------------------------------------


def locals_(mode: LineMode, _rest: str = "") -> Answer:
    """Show what the function sees."""
    seen = mode.debugger.variables(mode.chosen)
    _show(mode, "", seen.locals)
    _show(mode, "", seen.varargs)
    _show(mode, "(upvalue) ", seen.upvalues)
    if not (seen.locals or seen.varargs or seen.upvalues):
        mode.line("it has no variables yet")
    return seen.to_json()


def arguments(mode: LineMode, _rest: str = "") -> Answer:
    """Show a function's parameters and varargs."""
    frame = mode.debugger.stack(mode.coroutine, first=mode.frame, count=1)
    seen = mode.debugger.variables(mode.chosen)
    given = [*seen.locals[: frame[0].params if frame else 0], *seen.varargs]
    _show(mode, "", given)
    if not given:
        mode.line("it takes no arguments")
    return {"arguments": [one.to_json() for one in given]}


def globals_(mode: LineMode, _rest: str = "") -> Answer:
    """Show the globals that the script made or changed."""
    changed, gone = mode.debugger.globals()
    _show(mode, "", changed)
    for name in gone:
        mode.line(f"{name} is gone")
    if not changed and not gone:
        mode.line("the script has made and changed none")
    return {"changed": [one.to_json() for one in changed], "gone": gone}


def _show(mode: LineMode, mark: str, variables: list[Variable]) -> None:
    for one in variables:
        mode.line(_named(mode, one, mark))


def _named(mode: LineMode, one: Variable, mark: str) -> str:
    return mode.shortened(f"{mark}{one.name} = {in_full(mode.debugger, one.value, _SHOWN)}")


def display(mode: LineMode, rest: str = "") -> Answer:
    """Show a value at every stop from now on; or those that are shown."""
    if rest:
        _refuse_what_gdb_has(rest)
        if rest not in mode.watched:
            mode.watched.append(rest)
    numbered = list(enumerate(mode.watched, 1))
    for number, one in numbered[-1:] if rest else numbered:
        mode.line(mode.shortened(f"{number}: {one} = {mode.value_of(one)}"))
    if not numbered:
        mode.line("nothing is displayed")
    return {"watched": {one: mode.value_of(one) for one in mode.watched}}


def undisplay(mode: LineMode, rest: str) -> Answer:
    """Show a value no longer; without one, none of them."""
    gone = [rest] if rest else list(mode.watched)
    if rest.isdigit() and 1 <= int(rest[:9]) <= len(mode.watched):
        gone = [mode.watched[int(rest[:9]) - 1]]
    for one in gone:
        if one not in mode.watched:
            raise UsageError(f"{one} is not displayed; `info display` lists what is")
        mode.watched.remove(one)
    return {"undisplayed": gone}


# What there was by then --------------------------------------------------------------------


def when(mode: LineMode, _rest: str = "") -> Answer:
    """Say the position, and the event it comes after."""
    event = mode.debugger.event()
    shown = event.to_json(mode.debugger.session.id) if event is not None else None
    mode.line(
        str(mode.debugger.position),
        f"  after {event.name} (event {event.number})" if event is not None else "",
    )
    return {"position": str(mode.debugger.position), "event": shown}


def output(mode: LineMode, _rest: str = "") -> Answer:
    """Show what had been written by then."""
    lines = mode.debugger.output()
    for one in lines:
        mode.line(mode.as_written(one))
    return {"output": lines}


def state(mode: LineMode, _rest: str = "") -> Answer:
    """Show what the script had set by then."""
    found = mode.debugger.state()
    for scope, kept in found.items():
        for key, value in kept.items():
            mode.line(mode.shortened(f"{scope}  {key} = {values.json_line(value)}"))
    if not found:
        mode.line("nothing had been set")
    return {"state": {scope: values.to_json(kept) for scope, kept in found.items()}}


def artifacts(mode: LineMode, _rest: str = "") -> Answer:
    """Show the artifacts that had been made by then, and which were deleted again."""
    made = mode.debugger.artifacts()
    for one in made:
        gone = f", deleted by event {one['deleted']}" if one["deleted"] else ""
        mode.line(f"{one['name']} v{one['version']}  (event {one['event']}{gone})")
    if not made:
        mode.line("there were none")
    return {"artifacts": made}


WORDS = (
    Word(("when",), when, "", "the position, and the event it comes after"),
    Word(("p", "print"), _print, "EXPR", "evaluate, leaving no trace", "value",
         also=("call", "inspect", "po")),
    Word(("x",), _examine, "EXPR", "what is inside: entries of a table, bytes of a string",
         "value", again="bare"),
    Word(("whatis", "ptype"), _type, "EXPR", "its type and size", "value"),
    Word(("display",), display, "[EXPR]", "show a value at every stop; or all of them", "value",
         again="never"),
    Word(("undisplay",), undisplay, "[EXPR|N]", "no longer", "displayed", again="never"),
    Word(("bt", "backtrace"), backtrace, "[N|full|all]",
         "the functions that run; with their locals; in all coroutines", "stack",
         also=("where",)),
    Word(("frame", "f"), _choose, "[N]", "look at another function", "frame"),
    Word(("up",), lambda mode, rest: _move_frame(mode, rest, 1), "[N]", "the one that called it"),
    Word(("down",), lambda mode, rest: _move_frame(mode, rest, -1), "[N]",
         "the one that it called", also=("dow",)),
    Word(("coroutine", "thread"), _coroutine, "[N]", "look at another coroutine; or list them",
         "coroutine"),
    Word(("locals",), locals_, "", "what the function sees"),
    Word(("globals",), globals_, "", "globals that the script made or changed"),
    Word(("coroutines",), coroutines, "", "all coroutines"),
    Word(("output",), output, "", "what had been written by now"),
    Word(("state",), state, "", "the state as it was"),
    Word(("artifacts",), artifacts, "", "the artifacts that there were"),
)  # fmt: skip
