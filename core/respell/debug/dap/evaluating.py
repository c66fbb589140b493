"""Requests that evaluate: expressions, statements of the console, completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug.dap import console
from respell.debug.dap.frames import frame_of
from respell.debug.dap.looking import shown_value
from respell.debug.dap.messages import Arguments, Body, Refused
from respell.debug.dap.shown import clean, text_of
from respell.debug.inspecting import Evaluated, Frame, Value
from respell.debug.inspector import EVALUATE_WITHIN_S, MOST_BYTES
from respell.debug.known_names import known_names

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_QUICK_S = 2.0
_MOST_CLIPBOARD = 8 * 1024 * 1024
_MOST_COMPLETIONS = 200
_TYPES = {"function": "function", "table": "module", "keyword": "keyword"}


def evaluate(session: DapSession, args: Arguments) -> Body:
    """Evaluate an expression; in the console also statements, and commands that begin with `:`."""
    text = args.text("expression")
    context = args.text("context", "")
    frame = frame_of(session, args)
    if context == "repl" and console.is_command(text):
        return console.perform(session, text, args)
    in_hex = args.object("format").flag("hex")
    at = frame if isinstance(frame, Frame) else None
    debugger = session.debugger
    here = debugger.look(text, frame)
    if context == "clipboard":
        return {"result": _whole(session, text, frame, here), "variablesReference": 0}
    if here is not None:
        return shown_value(session, here, text, at, in_hex=in_hex)
    quick = context in ("hover", "variables")
    found = debugger.evaluate(
        text, frame, timeout_s=_QUICK_S if quick else EVALUATE_WITHIN_S, keep=True
    )
    if context == "repl":
        for line in found.output:
            session.tell(line + "\n", "stdout")
    return _evaluated(session, found, at, in_hex=in_hex, show=context == "repl")


def _evaluated(
    session: DapSession, found: Evaluated, frame: Frame | None, *, in_hex: bool, show: bool
) -> Body:
    if found.error is not None:
        raise Refused(clean(found.error), show=False)
    if len(found.values) == 1:
        return shown_value(session, found.values[0], "", frame, in_hex=in_hex)
    texts = [text_of(one, in_hex=in_hex) for one in found.values]
    return {"result": ", ".join(texts), "variablesReference": 0}


def _whole(session: DapSession, text: str, frame: Frame | int, here: Value | None) -> str:
    """Return a value for the clipboard: strings as they are, and tables in full."""
    values = [here] if here is not None else None
    if values is None:
        found = session.debugger.evaluate(text, frame, keep=True)
        if found.error is not None:
            raise Refused(clean(found.error))
        values = list(found.values)
    return ", ".join(_in_full(session, one, top=True) for one in values)


def _in_full(session: DapSession, value: Value, *, top: bool = False) -> str:
    debugger = session.debugger
    if value.type == "string" and value.bytes_ref and top:
        data = b""
        while len(data) < min(value.size, _MOST_CLIPBOARD):
            data += debugger.bytes(value, first=len(data), count=MOST_BYTES)
        return data.decode(errors="backslashreplace")
    if value.type != "table" or not value.ref:
        return value.text
    lines = ["{"]
    first = 0
    while first < min(value.size, 10_000):
        found, _, _ = debugger.children(value, first=first, count=500)
        if not found:
            break
        lines += [f"  {one.name} = {one.value.text}," for one in found]
        first += len(found)
    return "\n".join([*lines, "}"])


# Completions --------------------------------------------------------------------------------


def completions(session: DapSession, args: Arguments) -> Body:
    """Return what a name that was begun may become."""
    text = args.text("text")
    line = args.integer("line", session.who.first_line)
    lines = text.split("\n")
    at = min(max(0, session.who.our_line(line) - 1), len(lines) - 1)
    column = args.integer("column") - session.who.first_column
    before = _until(lines[at], column)
    if at == 0 and console.is_command(before):
        return {"targets": console.completions(before, session.who.replaced(0, _units(before)))}
    begun, found = known_names(session.debugger, before, frame_of(session, args))
    replaced = session.who.replaced(_units(before) - _units(begun), _units(begun))
    shown: list[Body] = [
        {
            "label": clean(one.name), "text": clean(one.name),
            "type": _TYPES.get(one.type, "variable"), "detail": one.type,
            "sortText": f"{one.order}{one.name}", **replaced,
        }
        for one in found
    ]  # fmt: skip
    return {"targets": shown[:_MOST_COMPLETIONS]}


def _units(text: str) -> int:
    """Return how many UTF-16 code units a text has, which columns are counted in."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _until(line: str, column: int) -> str:
    data = line.encode("utf-16-le", "surrogatepass")[: 2 * max(0, column)]
    return data.decode("utf-16-le", "replace")
