"""Requests that evaluate: expressions, statements of the console, completions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from respell.debug.dap import console
from respell.debug.dap.frames import frame_of
from respell.debug.dap.looking import shown_value
from respell.debug.dap.messages import Arguments, Body, Refused
from respell.debug.dap.shown import clean, text_of
from respell.debug.inspecting import Evaluated, Frame, Value
from respell.debug.inspector import EVALUATE_WITHIN_S, MOST_BYTES

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_QUICK_S = 2.0
_MOST_CLIPBOARD = 8 * 1024 * 1024
_MOST_COMPLETIONS = 200
_TYPED = re.compile(
    r"(?P<path>(?:[A-Za-z_]\w*(?:\[(?:-?\d+|\"[^\"\\]*\"|'[^'\\]*')\])*[.:])*)(?P<begun>[A-Za-z_]\w*)?$"
)
_KEYWORDS = (
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
)  # fmt: skip
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
        return {"targets": console.completions(before)}
    match = _TYPED.search(before)
    assert match is not None
    begun = match["begun"] or ""
    path = match["path"].rstrip(".:")
    frame = frame_of(session, args)
    found = _entries(session, path, frame) if path else _names(session, frame)
    start = _units(before) - _units(begun) + session.who.first_column
    shown: list[Body] = [
        {
            "label": clean(name), "text": clean(name), "type": _TYPES.get(kind, "variable"),
            "detail": kind, "start": start, "length": _units(begun), "sortText": f"{order}{name}",
        }
        for name, (kind, order) in found.items()
        if name.startswith(begun)
    ]  # fmt: skip
    return {"targets": shown[:_MOST_COMPLETIONS]}


def _units(text: str) -> int:
    """Return how many UTF-16 code units a text has, which columns are counted in."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _until(line: str, column: int) -> str:
    data = line.encode("utf-16-le", "surrogatepass")[: 2 * max(0, column)]
    return data.decode("utf-16-le", "replace")


def _names(session: DapSession, frame: Frame | int) -> dict[str, tuple[str, int]]:
    debugger = session.debugger
    found: dict[str, tuple[str, int]] = {}
    if debugger.stack(count=1):
        seen = debugger.variables(frame)
        for order, variables in enumerate((seen.locals, seen.upvalues)):
            for one in reversed(variables):
                found.setdefault(one.name, (one.value.type, order))
    for name, kind in _entries(session, "_G", frame).items():
        found.setdefault(name, (kind[0], 2))
    for name in _KEYWORDS:
        found.setdefault(name, ("keyword", 3))
    return found


def _entries(session: DapSession, path: str, frame: Frame | int) -> dict[str, tuple[str, int]]:
    value = session.debugger.look(path, frame)
    found: dict[str, tuple[str, int]] = {}
    for _ in range(10):  # along the chain of `__index`
        if value is None or value.type != "table":
            break
        entries, _, meta = session.debugger.children(value, count=2_000, only="named")
        for one in entries:
            if not one.name.startswith("["):
                found.setdefault(one.name, (one.value.type, 0))
        if meta is None:
            break
        inside, _, _ = session.debugger.children(meta, count=200, only="named")
        value = next((one.value for one in inside if one.name == "__index"), None)
    return found
