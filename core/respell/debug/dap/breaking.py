"""Requests that set breakpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug.breakpoints import Breakpoint
from respell.debug.dap.marks import FILTERS, Mark, effect_named, hits_of
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.sources import SourceText
from respell.errors import RespellError, UsageError

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession


def _verified(mark: Mark, problem: str) -> Body:
    if mark.made is None:
        return {"id": mark.id, "verified": False, "message": problem, "reason": "failed"}
    return {"id": mark.id, "verified": True}


def _checked(session: DapSession, condition: str) -> str:
    """Return a condition that is an expression.

    Raises:
        UsageError: It is none.
    """
    problem = session.debugger.check(condition) if condition else None
    if problem is not None:
        raise UsageError(f"the condition is no expression: {problem}")
    return condition


def _not_debugged(session: DapSession) -> bool:
    return bool(session.options is not None and session.options.no_debug)


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
    try:
        source = session.sources.meant(given)
    except Refused as error:
        if error.code is Code.ARGUMENTS:
            raise
        return {"breakpoints": [_not_run(session, one, str(error)) for one in wanted]}
    group = f"lines of {source.name}"
    session.marks.remember(group, lambda: _set_lines(session, group, source, wanted))
    return {"breakpoints": _set_lines(session, group, source, wanted)}


def _not_run(session: DapSession, one: Arguments, problem: str) -> Body:
    return {
        "verified": False, "message": problem, "reason": "failed", "line": one.integer("line"),
    }  # fmt: skip


def _set_lines(
    session: DapSession, group: str, source: SourceText, wanted: list[Arguments]
) -> list[Body]:
    table = session.debugger.breakpoints

    def make(one: Arguments) -> Breakpoint:
        if _not_debugged(session):
            raise UsageError("this was launched without debugging")
        return table.add_line(
            source.name, session.who.our_line(one.integer("line")),
            condition=_checked(session, one.text("condition", "").strip()), hits=hits_of(one),
            log=one.text("logMessage", ""),
        )  # fmt: skip

    made = session.marks.set_group(
        group,
        [(_key(one), lambda one=one: make(one)) for one in wanted],  # type: ignore[misc]
    )
    shown = session.sources.shown(source)
    remark = session.sources.remark(source)
    bodies = []
    for one, (mark, problem) in zip(wanted, made, strict=True):
        body = _verified(mark, problem) | {"source": shown, "line": one.integer("line")}
        if mark.made is not None:
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
        if _not_debugged(session):
            raise UsageError("this was launched without debugging")
        condition = one.text("condition", "").strip()
        effect = effect_named(one.text("name"))
        if effect is None:
            return table.add_function(
                one.text("name").strip(), condition=_checked(session, condition), hits=hits_of(one)
            )
        if condition:
            raise UsageError("a breakpoint on effects has no condition; give a hit condition")
        return table.add_effect(effect[0], failed=effect[1], hits=hits_of(one))

    made = session.marks.set_group(
        "functions",
        [(_key(one), lambda one=one: make(one)) for one in wanted],  # type: ignore[misc]
    )
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
        if _not_debugged(session):
            raise UsageError("this was launched without debugging")
        if name == "effect":
            return table.add_effect(condition or "*", failed=True)
        if condition:
            raise UsageError("this filter has no condition")
        return table.add_error(caught=name == "caught")

    made = session.marks.set_group(
        "errors",
        [((name, cond), lambda name=name, cond=cond: make(name, cond)) for name, cond in wanted],  # type: ignore[misc]
    )
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
