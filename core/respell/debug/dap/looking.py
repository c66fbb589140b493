"""Requests that look: threads, stacks, scopes, variables, errors, memory."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from respell.debug.chunks import is_chunk
from respell.debug.dap.containers import (
    MOST_AT_ONCE,
    Data,
    Later,
    Listed,
    inside_of,
    variables_in,
)
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.places import Child
from respell.debug.dap.shown import clean, hint_of, text_of, type_of
from respell.debug.dap.sourcing import function_place
from respell.debug.inspecting import Frame, Value, Variable, Variables
from respell.debug.inspector import MOST_BYTES, Only

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

MOST_FRAMES = 1_000
"""Most frames that are returned at once."""


# Threads and stacks ------------------------------------------------------------------------


def threads(session: DapSession, args: Arguments) -> Body:
    """Return the main thread and the coroutines; before a launch there is the main one."""
    if not session.is_open:
        return {"threads": [{"id": 1, "name": "main"}]}
    return {"threads": [thread_of(one.number) for one in session.debugger.coroutines()]}


def thread_of(coroutine: int) -> Body:
    """Return a coroutine as a thread, without its status: editors keep a name as long as it is."""
    return {"id": coroutine + 1, "name": f"coroutine {coroutine}" if coroutine else "main"}


def stack_trace(session: DapSession, args: Arguments) -> Body:
    """Return some frames of a thread, innermost first."""
    thread = args.integer("threadId", least=1)
    first = args.integer("startFrame", 0)
    count = args.integer("levels", 0) or MOST_FRAMES
    count = min(count, MOST_FRAMES)
    debugger = session.debugger
    known = {one.number for one in debugger.coroutines()}
    if thread - 1 not in known:
        raise Refused(f"there is no thread {thread} here", Code.ARGUMENTS)
    frames = debugger.stack(thread - 1, first=first, count=count + 1)
    shown = [_frame(session, frame, args.object("format")) for frame in frames[:count]]
    if not frames and not first:
        shown = [_no_function(session, thread)]
    body: Body = {"stackFrames": shown}
    if len(frames) <= count:
        body["totalFrames"] = first + len(shown)
    return body


def _no_function(session: DapSession, thread: int) -> Body:
    ended = session.debugger.stop.at_end
    return {
        "id": session.places.of_frame(None, thread - 1),
        "name": "the script has ended" if ended else "no function of the script runs",
        "line": 0, "column": 0, "presentationHint": "subtle",
    }  # fmt: skip


def _frame(session: DapSession, frame: Frame, form: Arguments) -> Body:
    name = clean(frame.name)
    if form.flag("parameters"):
        name += f"({', '.join(_parameters(session, frame, form))})"
    if form.flag("module"):
        name = f"{clean(frame.source)}!{name}"
    if form.flag("line"):
        name += f" line {frame.line}"
    if frame.tail:
        name += " (tail call)"
    shown: Body = {
        "id": session.places.of_frame(frame), "name": name,
        "line": session.who.line(frame.line), "column": session.who.column(),
        "canRestart": True,
    }  # fmt: skip
    if not is_chunk(frame.source):
        shown["moduleId"] = frame.source
    source = session.sources.source_of(frame.source)
    if source is not None:
        shown["source"] = source
    return shown


def _parameters(session: DapSession, frame: Frame, form: Arguments) -> list[str]:
    seen = session.debugger.variables(frame).locals[: frame.params]
    names = form.flag("parameterNames", True)
    shown = []
    for one in seen:
        parts = [one.name] if names else []
        if form.flag("parameterTypes"):
            parts.append(one.value.type)
        if form.flag("parameterValues"):
            value = text_of(one.value, in_hex=form.flag("hex"))
            parts.append(f"= {value}" if names else value)
        shown.append(" ".join(parts))
    return shown + (["..."] if frame.varargs else [])


# Scopes and variables ------------------------------------------------------------------------


def scopes(session: DapSession, args: Arguments) -> Body:
    """Return what a frame sees: its variables, and what belongs to the session at this time."""
    frame = session.places.frame(args.integer("frameId"))
    debugger = session.debugger
    found: list[Body] = []
    if frame is not None:
        seen = debugger.variables(frame)
        for name, hint, which in _OF_FUNCTIONS:
            if which(seen) or name == "Locals":
                listed = _listed(session, frame, seen, which, settable=name != "Varargs")
                found.append(_scope(session, name, hint, listed))
    found += [
        _scope(session, "Globals", "globals", Later(lambda: _globals(session), frame)),
        _scope(session, "Session state", "", Later(lambda: _state(session))),
        _scope(session, "Event", "", Later(lambda: _event(session))),
    ]
    return {"scopes": found}


Which = Callable[[Variables], list[Variable]]

_OF_FUNCTIONS: tuple[tuple[str, str, Which], ...] = (
    ("Locals", "locals", lambda seen: seen.locals),
    ("Upvalues", "", lambda seen: seen.upvalues),
    ("Varargs", "arguments", lambda seen: seen.varargs),
)


def _listed(
    session: DapSession, frame: Frame, seen: Variables, which: Which, *, settable: bool
) -> Listed:
    def entries(seen: Variables) -> list[Child]:
        return variables_in(which(seen), settable=settable and session.can_set)

    return Listed(entries(seen), frame, lambda: entries(session.debugger.variables(frame)))


def _scope(session: DapSession, name: str, hint: str, container: Listed | Later) -> Body:
    body: Body = {
        "name": name, "variablesReference": session.places.of_container(container),
        "expensive": isinstance(container, Later),
    }  # fmt: skip
    if hint:
        body["presentationHint"] = hint
    if isinstance(container, Listed):
        body["namedVariables"] = container.named
    return body


def _globals(session: DapSession) -> list[Child]:
    changed, gone = session.debugger.globals()
    entries = [
        Child(one.name, one.value, "" if one.name.startswith("[") else one.name, session.can_set)
        for one in changed
    ]
    return entries + [Child(f"{name} (taken away)", None) for name in gone]


def _state(session: DapSession) -> list[Child]:
    return [Child(scope, kept) for scope, kept in session.debugger.state().items()]


def _event(session: DapSession) -> list[Child]:
    debugger = session.debugger
    event = debugger.event()
    entries = [Child("position", str(debugger.position))]
    if event is None:
        return entries
    entries += [
        Child("number", event.number), Child("name", event.name), Child("args", event.args),
        Child("outcome", event.outcome), Child("error", event.error), Child("source", event.source),
        Child("line", event.line or None), Child("duration_s", event.duration_s),
    ]  # fmt: skip
    made = [one for one in debugger.artifacts() if one["event"] == event.number]
    return [*entries, Child("artifacts", made)]


def variables(session: DapSession, args: Arguments) -> Body:
    """Return what is inside of something, or a page of it."""
    container = session.places.container(args.integer("variablesReference", least=1))
    only: Only | None = None
    if args.has("filter"):
        only = "indexed" if args.text("filter") == "indexed" else "named"
    first = args.integer("start", 0)
    count = args.integer("count", 0) or MOST_AT_ONCE
    in_hex = args.object("format").flag("hex")
    children = container.children(only, first, min(count, MOST_AT_ONCE))
    return {"variables": [shown_child(session, one, container.frame, in_hex) for one in children]}


def shown_child(session: DapSession, child: Child, frame: Frame | None, in_hex: bool) -> Body:
    """Return a variable as the protocol has it."""
    body: Body = {"name": clean(child.name)}
    body |= shown_value(
        session, child.value, child.expression, frame, in_hex=in_hex, settable=child.settable
    )
    body["value"] = body.pop("result")
    if child.expression:
        body["evaluateName"] = child.expression
    return body


def shown_value(
    session: DapSession,
    value: object,
    expression: str,
    frame: Frame | None,
    *,
    in_hex: bool = False,
    settable: bool = False,
) -> Body:
    """Return a value as `evaluate` answers it."""
    body: Body = {
        "result": text_of(value, in_hex=in_hex), "type": type_of(value), "variablesReference": 0,
        "presentationHint": hint_of(value, settable=settable),
    }  # fmt: skip
    inside = inside_of(session.debugger, value, expression, frame, settable)
    if inside is not None:
        body["variablesReference"] = session.places.of_container(inside)
        if inside.indexed:
            body["indexedVariables"] = inside.indexed
        if inside.named:
            body["namedVariables"] = inside.named
    if isinstance(value, Value):
        if value.bytes_ref:
            body["memoryReference"] = session.places.of_string(value)
        place = function_place(session, value)
        if place:
            body["valueLocationReference"] = place
    return body


# Errors and memory ----------------------------------------------------------------------------


def exception_info(session: DapSession, args: Arguments) -> Body:
    """Return what is known of the error that it stopped at."""
    thread = args.integer("threadId", least=1)
    debugger = session.debugger
    stop = debugger.stop
    if stop.error is None or thread != stop.coroutine + 1:
        raise Refused(f"thread {thread} has not stopped at an error")
    caught = any(
        one.id in stop.breakpoints and one.kind == "error" and one.caught
        for one in debugger.breakpoints.list()
    )
    frames = debugger.stack(count=50)
    trace = "\n".join(f"{clean(one.source)}:{one.line}: in {clean(one.name)}" for one in frames)
    error = clean(stop.error)
    return {
        "exceptionId": "error", "description": error,
        "breakMode": "always" if caught else "unhandled",
        "details": {"message": error, "typeName": "error", "stackTrace": trace},
    }  # fmt: skip


def read_memory(session: DapSession, args: Arguments) -> Body:
    """Return bytes of a string."""
    value = session.places.string(args.text("memoryReference"))
    offset = args.integer("offset", 0, least=-(1 << 40))
    count = args.integer("count")
    first = max(0, offset)
    wanted = min(max(0, min(offset + count, value.size) - first), MOST_BYTES)
    data = session.debugger.bytes(value, first=first, count=wanted) if wanted else b""
    body: Body = {"address": str(first), "data": base64.b64encode(data).decode()}
    missing = count - len(data)
    if missing > 0 and first + len(data) >= value.size:
        body["unreadableBytes"] = missing
    return body


__all__ = ["Data", "exception_info", "read_memory", "scopes", "stack_trace", "threads", "variables"]
