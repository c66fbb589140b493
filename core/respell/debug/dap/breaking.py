"""Requests that set breakpoints."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from respell.debug.breakpoints import Breakpoint
from respell.debug.dap.containers import MOST_AT_ONCE
from respell.debug.dap.frames import frame_of
from respell.debug.dap.marks import FILTERS, Mark, add_by_name, hits_of
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.shown import clean
from respell.debug.sources import SourceText
from respell.errors import RespellError, UsageError

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession


def _verified(mark: Mark, problem: str) -> Body:
    if mark.made is None:
        return {"id": mark.id, "verified": False, "message": problem, "reason": "failed"}
    if not mark.made.verified:
        message = "the session has not loaded this file yet"
        return {"id": mark.id, "verified": False, "message": message, "reason": "pending"}
    return {"id": mark.id, "verified": True}


def _refuse_without_debugging(session: DapSession) -> None:
    if session.options.no_debug:
        raise UsageError("this was launched without debugging")


def set_breakpoints(session: DapSession, args: Arguments) -> Body:
    """Have a source's breakpoints be these."""
    given = args.object("source")
    wanted = args.objects("breakpoints")
    if not wanted and args.has("lines"):
        lines = args.given["lines"]
        if not isinstance(lines, list):
            raise Refused("setBreakpoints: lines has to be a list", Code.ARGUMENTS)
        wanted = [Arguments(args.command, {"line": line}) for line in lines]
    for one in wanted:
        one.integer("line")
    source = None
    try:
        source = session.sources.meant(given)
        name = source.name
    except Refused as error:
        if error.code is not Code.REFUSED:
            raise
        # One that it has not loaded, or not yet.
        name = str(session.who.our_path(given.text("path", "") or given.text("name")))
    session.marks.remember(
        f"lines of {name}", lambda: _set_lines(session, name, source, given, wanted)
    )
    return {"breakpoints": _set_lines(session, name, source, given, wanted)}


def _set_lines(
    session: DapSession,
    name: str,
    source: SourceText | None,
    given: Arguments,
    wanted: list[Arguments],
) -> list[Body]:
    table = session.debugger.breakpoints

    def make(one: Arguments) -> Breakpoint:
        _refuse_without_debugging(session)
        return table.add_line(
            name, session.who.our_line(one.integer("line")),
            condition=one.text("condition", "").strip(), hits=hits_of(one),
            log=one.text("logMessage", ""),
        )  # fmt: skip

    made = session.marks.set_group(
        f"lines of {name}", [(_key(one), partial(make, one)) for one in wanted]
    )
    shown = session.sources.shown(source) if source is not None else given.given
    remark = session.sources.remark(source) if source is not None else ""
    bodies = []
    for one, (mark, problem) in zip(wanted, made, strict=True):
        body = _verified(mark, problem) | {"source": shown, "line": one.integer("line")}
        if mark.made is not None and mark.made.line:
            body["line"] = session.who.line(mark.made.line)
            said = [remark] if remark else []
            if mark.made.line != session.who.our_line(one.integer("line")):
                said.append(f"moved to line {mark.made.line}, the next one with code")
            if said:
                body["message"] = "; ".join(said)
        bodies.append(body)
    return bodies


def _key(args: Arguments) -> tuple[object, ...]:
    names = ("line", "name", "dataId", "accessType", "condition", "hitCondition", "logMessage")
    return tuple(str(args.given.get(name)) for name in names)


def set_function_breakpoints(session: DapSession, args: Arguments) -> Body:
    """Have the breakpoints on functions, and on effects by name, be these."""
    wanted = args.objects("breakpoints")
    for one in wanted:
        one.text("name")
    session.marks.remember("functions", lambda: _set_functions(session, wanted))
    return {"breakpoints": _set_functions(session, wanted)}


def _set_functions(session: DapSession, wanted: list[Arguments]) -> list[Body]:
    table = session.debugger.breakpoints

    def make(one: Arguments) -> Breakpoint:
        _refuse_without_debugging(session)
        condition = one.text("condition", "").strip()
        return add_by_name(table, one.text("name"), condition, hits_of(one))

    made = session.marks.set_group("functions", [(_key(one), partial(make, one)) for one in wanted])
    bodies = []
    for mark, problem in made:
        body = _verified(mark, problem)
        if mark.made is not None and mark.made.line:
            source = session.sources.source_of(mark.made.source)
            if source is not None:
                body |= {"source": source, "line": session.who.line(mark.made.line)}
        bodies.append(body)
    return bodies


def set_exception_breakpoints(session: DapSession, args: Arguments) -> Body:
    """Have the errors that stop be these."""
    known = {one["filter"] for one in FILTERS}
    wanted = [(name, "") for name in args.texts("filters")]
    for one in args.objects("filterOptions"):
        wanted.append((one.text("filterId"), one.text("condition", "").strip()))
    for name, _ in wanted:
        if name not in known:
            raise Refused(
                f"there is no filter {name!r}; there are {', '.join(sorted(known))}",
                Code.ARGUMENTS,
            )
    session.marks.remember("errors", lambda: _set_errors(session, wanted))
    return {"breakpoints": _set_errors(session, wanted)}


def _set_errors(session: DapSession, wanted: list[tuple[str, str]]) -> list[Body]:
    table = session.debugger.breakpoints

    def make(name: str, condition: str) -> Breakpoint:
        _refuse_without_debugging(session)
        if name == "effect":
            return table.add_effect(failed=True, where=condition or None)
        if condition:
            raise UsageError("this filter has no condition")
        return table.add_error(caught=name == "caught")

    made = session.marks.set_group("errors", [(one, partial(make, *one)) for one in wanted])
    return [_verified(mark, problem) for mark, problem in made]


def data_breakpoint_info(session: DapSession, args: Arguments) -> Body:
    """Return how a change of a variable can be stopped at, if it can."""
    name = args.text("name")
    if args.flag("asAddress") or args.has("bytes"):
        raise Refused("there are no addresses here; give a variable", Code.ARGUMENTS)
    expression, frame = name, frame_of(session, args)
    if args.has("variablesReference"):
        container = session.places.container(args.integer("variablesReference", least=1))
        children = container.children(None, 0, MOST_AT_ONCE)
        child = next((one for one in children if clean(one.name) == name), None)
        expression = child.expression if child is not None else ""
        frame = container.frame or 0
    if not expression:
        return {"dataId": None, "description": f"{name} can't be followed through time"}
    try:
        whose = session.debugger.breakpoints.whose(expression, frame)
    except UsageError as error:
        return {"dataId": None, "description": clean(str(error))}
    return {
        "dataId": session.marks.data_id(expression, whose), "accessTypes": ["write"],
        "description": f"{expression} ({whose.scope['scope']})", "canPersist": False,
    }  # fmt: skip


def set_data_breakpoints(session: DapSession, args: Arguments) -> Body:
    """Have the variables whose changes stop be these."""
    wanted = args.objects("breakpoints")
    for one in wanted:
        one.text("dataId")
    session.marks.remember("data", lambda: _set_data(session, wanted))
    return {"breakpoints": _set_data(session, wanted)}


def _set_data(session: DapSession, wanted: list[Arguments]) -> list[Body]:
    table = session.debugger.breakpoints

    def make(one: Arguments) -> Breakpoint:
        _refuse_without_debugging(session)
        if one.text("accessType", "write") != "write":
            raise UsageError("only changes can be stopped at (accessType write), not reading")
        expression, whose = session.marks.data(one.text("dataId"))
        return table.add_data(
            expression, condition=one.text("condition", "").strip(), hits=hits_of(one), whose=whose
        )

    made = session.marks.set_group("data", [(_key(one), partial(make, one)) for one in wanted])
    return [_verified(mark, problem) for mark, problem in made]


def breakpoint_locations(session: DapSession, args: Arguments) -> Body:
    """Return the lines of a range that have code."""
    first = session.who.our_line(args.integer("line"))
    last = session.who.our_line(args.integer("endLine", args.integer("line")))
    try:
        source = session.sources.meant(args.object("source"))
        _, lines = session.debugger.breakpoints.lines_of(source.name)
    except Refused as error:
        if error.code is Code.ARGUMENTS:
            raise
        return {"breakpoints": []}
    except RespellError:
        return {"breakpoints": []}  # it does not compile: there is no line to stop at
    return {
        "breakpoints": [{"line": session.who.line(line)} for line in lines if first <= line <= last]
    }
