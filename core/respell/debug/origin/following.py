"""Follows a value back to the effect, or the line of the script, that it came from.

What a line does with values is read in the source; which line it was, and what values were there,
is found by executing again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from respell.debug.changes import Change
from respell.debug.expressions import state_key
from respell.debug.inspecting import Frame, Value
from respell.debug.lua_source import parse
from respell.debug.lua_source.tree import (
    Call,
    Constant,
    Function,
    Index,
    Loop,
    Name,
    Node,
    NumberLoop,
    Operation,
    Parenthesis,
    Table,
    Vararg,
    Variable,
)
from respell.debug.lua_source.writing import text_of
from respell.debug.origin.performed import Performed, of_call, place_in
from respell.debug.origin.places import Place, Places
from respell.debug.origin.statements import (
    Given,
    Key,
    Statement,
    as_key,
    assigned,
    assigned_fields,
    calls_in,
    dotted,
    returns_at,
    statements_at,
    value_at,
    variable_of,
)
from respell.debug.origin.told import Origin, OriginStep
from respell.debug.over_time import OverTime
from respell.debug.position import Position
from respell.debug.state_changes import state_changes
from respell.errors import UsageError
from respell.history.events import Event

MOST_STEPS = 200
"""How many steps are followed in all, where nothing else is asked for."""

_MOST_SOURCES = 12  # of one computation
_MOST_BACK = 60  # lines of one statement
_SHOWN = 100  # characters of an expression in a step

_LOGIC = ("and", "or")
_FIRST_ARGUMENT = ("setmetatable", "rawget")


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression whose value is asked for.

    Attributes:
        node: The expression.
        place: Where it is computed: its line is about to run.
        until: Where it has been computed; None where it is the place itself.
        path: Keys behind it: what is asked for is in there.
        result: Which of its values, from 0.
        value: What it is in the end, as far as known.
        lines: First and last line of the statement that it is in.
        same: Whether it is still the value that was asked about first, not one it was made from.
    """

    node: Node
    place: Place
    until: Position | None = None
    path: tuple[Key, ...] = ()
    result: int = 0
    value: Value | None = None
    lines: tuple[int, int] = (0, 0)
    same: bool = True


Next = Asked | Origin


class Following:
    """Answers for the place where the debugger stands, which it leaves as it is."""

    def __init__(self, places: Places, over_time: OverTime, performed: Performed) -> None:
        self._places, self._over_time, self._performed = places, over_time, performed
        self._left = MOST_STEPS
        self._seen: set[tuple[int, Place, tuple[Key, ...], int]] = set()
        self._steps: list[OriginStep] = []

    def origin(self, expression: str, frame: Frame | int, most: int = MOST_STEPS) -> Origin:
        """Return where the value of an expression came from (see `Debugger.origin`)."""
        self._left = most
        self._seen.clear()
        with self._places.away():
            key = state_key(expression)
            stop = self._places.began
            if key is not None:
                return self._state(expression, key, stop.position, stop.at_end)
            node = _read(expression)
            place = (
                Place(stop.position, frame)
                if isinstance(frame, int)
                else Place(stop.position, frame.index, frame.coroutine)
            )
            value = None
            if not self._places.is_after_end(stop.position):
                value = self._places.value(expression, place)
            return self._follow(expression, Asked(node, place, value=value))

    # The way back --------------------------------------------------------------------------

    def _follow(self, expression: str, asked: Asked) -> Origin:
        steps: list[OriginStep] = []
        value = asked.value
        while True:
            if asked.same:
                value = value or asked.value
            if self._left <= 0:
                found: Next = _lost("this is as far as it is followed at once; ask again from here")
            elif (seen := (id(asked.node), asked.place, asked.path, asked.result)) in self._seen:
                found = _lost("it was followed from here already")
            else:
                self._left -= 1
                self._seen.add(seen)
                kept, self._steps = self._steps, steps
                try:
                    found = self._next(asked)
                finally:
                    self._steps = kept
            if isinstance(found, Origin):
                at = found.position or asked.place.position
                return replace(
                    found, expression=expression, value=value, steps=tuple(steps), position=at
                )
            asked = found

    def _next(self, asked: Asked) -> Next:
        node = asked.node
        if isinstance(node, Parenthesis):
            return replace(asked, node=node.inner)
        if isinstance(node, Constant):
            if asked.path:
                return _lost(f"{text_of(node)} has no fields of its own")
            return self._at(asked, Origin("", None, "constant"))
        if isinstance(node, Name):
            return self._variable(asked, node)
        if isinstance(node, Index):
            return self._index(asked, node)
        if isinstance(node, Operation):
            return self._operation(asked, node)
        if isinstance(node, Table):
            return self._table(asked, node)
        if isinstance(node, Vararg):
            return self._vararg(asked)
        if isinstance(node, Call):
            return self._call(asked, node)
        return self._at(asked, Origin("", None, "constant", note="a function that begins there"))

    def _at(self, asked: Asked, found: Origin) -> Origin:
        """Add the line of what is asked to an origin."""
        try:
            frame = self._places.frame(asked.place)
        except UsageError:
            return found
        line = asked.node.line if asked.lines[0] else frame.line
        return replace(
            found, position=asked.place.position, source=frame.source, line=line or frame.line
        )

    def _step(self, place: Place, line: int, what: str, value: Value | None) -> None:
        frame = self._places.frame(place)
        self._steps.append(OriginStep(place.position, frame.source, line, _cut(what), value))

    # Variables -----------------------------------------------------------------------------

    def _variable(self, asked: Asked, node: Name) -> Next:
        place = asked.place
        frame: Frame | int = place.frame
        if self._places.is_after_end(place.position):
            self._places.stand(place.position)
        else:
            try:
                frame = self._places.frame(place)
            except UsageError:
                self._places.stand(place.position)
        change = self._over_time.last_of(node.name, asked.path, frame, renewals=True)
        if change is None:
            return self._unchanged(asked, node)
        asked = replace(asked, value=asked.value or change.new)
        return self._changed(asked, node, change)

    def _unchanged(self, asked: Asked, node: Name) -> Next:
        name = node.name
        outer = self._outer(asked, node)
        if outer is not None:
            return outer
        if name in ("args", "ARGS", "arg"):
            return Origin("", None, "given", note="an argument of the script", event=1)
        if name == "input":
            return Origin("", None, "given", note="the session's input", event=1)
        if asked.value is not None and asked.value.type == "nil":
            return _lost(f"nothing was assigned to {_shown(name, asked.path)} before here")
        return _lost(f"{_shown(name, asked.path)} was there before anything that can be followed")

    def _outer(self, asked: Asked, node: Name) -> Asked | None:
        """Return the same variable as the function sees it whose local it is, if that runs."""
        try:
            frame = self._places.frame(asked.place)
        except UsageError:
            return None
        function = self._places.function(frame)
        if function is None:
            return None
        variable = node.variable or variable_of(function, node.name, 0, frame.line)
        if variable is None or variable.function is function:
            return None
        for coroutine in (asked.place.coroutine, 0):
            for one in self._places.stack(asked.place.position, coroutine):
                if one.source == frame.source and self._places.function(one) is variable.function:
                    place = Place(asked.place.position, one.index, one.coroutine)
                    return replace(asked, node=Name(node.name, variable), place=place)
        return None

    def _changed(self, asked: Asked, node: Name, change: Change) -> Next:
        name, path, holder = node.name, asked.path, change.holder
        if not change.line:
            return _lost(f"{_shown(name, path)} changed by none of the script's lines")
        if change.is_first and not holder:
            passed = self._argument(asked, node, change)
            if passed is not None:
                return passed
        start = self._before(change)
        if start is None:
            return self._here(change, f"line {change.line} of {change.source} is not known")
        frame = self._places.frame(start)
        function = self._places.function(frame)
        if function is None:
            return self._here(change, f"there is no source of {change.source}")
        if holder:
            given = self._given_to_field(function, change, start, path[holder - 1])
        else:
            given = next(assigned(function, change.line, name, None), None)
        if given is None:
            return self._by_a_call(asked, function, change, start)
        target = _shown(name, path[:holder]) if holder else given.target
        return self._given(asked, given, start, change, target, path[holder:])

    def _given(
        self, asked: Asked, given: Given, start: Place, change: Change, target: str,
        path: tuple[Key, ...],
    ) -> Next:  # fmt: skip
        """Go on with what a statement gave to a variable or a field."""
        statement = given.statement
        if isinstance(statement, NumberLoop):
            return self._counter(statement, change, start)
        if isinstance(statement, Loop):
            return self._loop(asked, statement, given.result, change, start, path)
        if given.value is None:
            what = f"{target} is declared without a value, or has none left over"
            return self._here(change, what, kind="constant")
        self._step(start, change.line, f"{target} = {text_of(given.value)}", change.new)
        return replace(
            asked, node=given.value, place=start, until=change.position, path=path,
            result=given.result, lines=(statement.line, statement.end),
        )  # fmt: skip

    def _given_to_field(
        self, function: Function, change: Change, start: Place, key: Key
    ) -> Given | None:
        for target, given in assigned_fields(function, change.line):
            if self._key(target.key, start) == key:
                return replace(given, target=text_of(target))
        return None

    def _key(self, node: Node, place: Place) -> Key | None:
        """Return a key's value at a place; None where it is none that can be followed."""
        if isinstance(node, Constant):
            return as_key(node.value)
        found = self._places.value(text_of(node), place)
        return None if found is None else _plain_key(found)

    def _before(self, change: Change) -> Place | None:
        """Return where the statement that made a change was about to run."""
        at, line, source = change.position, change.line, change.source
        for frame in self._places.stack(at):
            function = self._places.function(frame) if frame.source == source else None
            if function is None or not function.line <= line <= (function.end or line):
                continue
            found = self._places.last_line_inside(frame, at)
            for _ in range(_MOST_BACK):
                if found is None:
                    break
                now = self._places.frame(Place(found))
                if now.depth == frame.depth and now.line == line and now.source == source:
                    return self._begin_of(function, line, found)
                found = self._places.last_line_inside(frame, found)
            break
        found = self._places.last_time_of(source, line, at)
        if found is None:
            return None
        function = self._places.function(self._places.frame(Place(found)))
        return Place(found) if function is None else self._begin_of(function, line, found)

    def _begin_of(self, function: Function, line: int, at: Position) -> Place:
        """Return where the statement of a line began, which may be lines before."""
        statements = statements_at(function, line)
        if not statements or statements[-1].line == statements[-1].end:
            return Place(at)
        first, last = statements[-1].line, statements[-1].end
        frame = self._places.frame(Place(at))
        for _ in range(_MOST_BACK):
            before = self._places.last_line_inside(frame, at)
            if before is None:
                break
            now = self._places.frame(Place(before))
            if now.depth != frame.depth or not first <= now.line <= last:
                break
            at = before
        return Place(at)

    def _here(self, change: Change, why: str, *, kind: str = "lost") -> Origin:
        """Return that it can't be followed beyond a change."""
        return Origin(
            "", None, "lost" if kind == "lost" else "constant",
            position=change.position, source=change.source, line=change.line,
            lost=why if kind == "lost" else None, note="" if kind == "lost" else why,
        )  # fmt: skip

    # Functions ----------------------------------------------------------------------------

    def _argument(self, asked: Asked, node: Name, change: Change) -> Next | None:
        """Go on with what a parameter was given; None where the variable is none."""
        for frame in self._places.stack(change.position)[:1]:
            function = self._places.function(frame)
            if function is None:
                return None
            for place, variable in enumerate(function.parameters):
                if variable.name == node.name and node.variable in (None, variable):
                    return self._passed(asked, frame, variable, place, change.position)
        return None

    def _passed(
        self, asked: Asked, frame: Frame, variable: Variable, number: int, entry: Position
    ) -> Next:
        """Go on in the function that called the one at a frame."""
        caller = self._caller(frame, entry)
        if caller is None:
            return self._at_entry(frame, entry, f"{variable.name} was passed by none of the script")
        place = caller
        at = self._places.frame(place)
        function = self._places.function(at)
        if function is None:
            return self._at_entry(frame, entry, f"there is no source of {at.source}")
        found = self._call_to(frame, function, at.line, place)
        if found is None:
            return self._at_entry(
                frame, entry, f"no call at {at.source}:{at.line} is known to pass {variable.name}"
            )
        call, first, statement = found
        arguments = call.arguments[first:]
        if call.method and not first:
            arguments = [call.function, *arguments]
        given, result = value_at(arguments, number)
        what = f"{variable.name} of {frame.name}"
        if given is None:
            return self._at_entry(frame, entry, f"{what} was not given")
        self._step(place, at.line, f"{variable.name} ← {text_of(call)}", asked.value)
        return replace(
            asked, node=given, place=place, until=entry, result=result,
            lines=(statement.line, statement.end),
        )  # fmt: skip

    def _at_entry(self, frame: Frame, entry: Position, why: str) -> Origin:
        return Origin(
            "", None, "lost", position=entry, source=frame.source, line=frame.line, lost=why
        )

    def _caller(self, frame: Frame, entry: Position) -> Place | None:
        """Return who called a function that has just been entered; its line has not ended."""
        if frame.tail:
            found = self._places.last_line_inside(frame, entry)
            return None if found is None else Place(found)
        frames = self._places.stack(entry)
        if len(frames) > frame.index + 1:
            return Place(entry, frame.index + 1)
        if frame.coroutine:
            found = self._places.line_before(entry)
            return None if found is None else Place(found)
        return None

    def _call_to(
        self, frame: Frame, function: Function, line: int, place: Place
    ) -> tuple[Call, int, Statement] | None:
        """Return which call of a line entered a frame's function, where what it passes begins."""
        shown = _function_text(frame.source, frame.defined)
        for statement in reversed(statements_at(function, line)):
            for call in calls_in(statement):
                if not call.line <= line <= call.end:
                    continue
                callee = text_of(call.function)
                if call.method:
                    callee = f"{callee}.{call.method}"
                found = self._places.value(callee, place)
                if found is not None and found.text == shown:
                    return call, 0, statement
                for index, argument in enumerate(call.arguments):
                    if isinstance(argument, Function):
                        if argument.defined == frame.defined:
                            return call, index + 1 + (callee == "xpcall"), statement
                    elif isinstance(argument, Name | Index):
                        found = self._places.value(text_of(argument), place)
                        if found is not None and found.text == shown:
                            return call, index + 1 + (callee == "xpcall"), statement
        return None

    def _into(self, asked: Asked, call: Call, entries: list[Position], entry: Position) -> Next:
        """Go on at the return of a function that was entered at a position."""
        frame = self._places.frame(Place(entry))
        ends = [one for one in entries if one > entry]
        returned = self._places.returned(entry)
        ends += [one for one in (returned, asked.until) if one is not None]
        end = min(ends) if ends else None
        last = None if end is None else self._places.last_line_inside(frame, end)
        if last is None or end is None or last < entry:
            return self._lost_at(asked, f"{text_of(call.function)} did not return")
        now = self._places.frame(Place(last))
        function = self._places.function(now)
        if function is None:
            return self._lost_at(asked, f"there is no source of {now.source}")
        returns = returns_at(function, now.line)
        if not returns:
            return self._lost_at(asked, f"{now.name} returns nothing at {now.source}:{now.line}")
        if len(returns) > 1:
            returns = self._likely(returns, Place(last), asked)
        statement = returns[-1]
        value, result = value_at(statement.values, asked.result)
        if value is None:
            return self._lost_at(asked, f"{now.name} returns no value {asked.result + 1}")
        place = self._begin_of(function, now.line, last)
        self._step(place, now.line, f"return {text_of(value)}", asked.value)
        return replace(
            asked, node=value, place=place, until=end, result=result,
            lines=(statement.line, statement.end),
        )  # fmt: skip

    def _likely(self, returns: list[Any], place: Place, asked: Asked) -> list[Any]:
        """Choose of several returns on one line by the value."""
        fitting = []
        for one in returns:
            value, _ = value_at(one.values, asked.result)
            shown = None if value is None else self._places.value(text_of(value), place)
            if shown is not None and asked.value is not None and shown.text == asked.value.text:
                fitting.append(one)
        return fitting or returns

    def _lost_at(self, asked: Asked, why: str) -> Origin:
        return self._at(asked, _lost(why))

    # Expressions --------------------------------------------------------------------------

    def _index(self, asked: Asked, node: Index) -> Next:
        key = self._key(node.key, asked.place)
        if key is None:
            return self._lost_at(asked, f"the key {text_of(node.key)} is not known here")
        return replace(asked, node=node.object, path=(key, *asked.path), result=0)

    def _table(self, asked: Asked, node: Table) -> Next:
        if not asked.path:
            items = [value for _, value in node.items]
            return self._sources(asked, items, "a table is made")
        wanted, index = asked.path[0], 0
        found: Node | None = None
        result = 0  # of a call at the end of the list
        for place, (key, value) in enumerate(node.items):
            if key is not None:
                if self._key(key, asked.place) == wanted:
                    found, result = value, 0
                continue
            index += 1
            several = place == len(node.items) - 1 and isinstance(value, Call | Vararg)
            if isinstance(wanted, int) and (index == wanted or (several and wanted > index)):
                found, result = value, int(wanted - index)
        if found is None:
            return self._lost_at(asked, f"the table made here has no {_shown('', (wanted,))}")
        return replace(asked, node=found, path=asked.path[1:], result=result)

    def _operation(self, asked: Asked, node: Operation) -> Next:
        if node.operator in _LOGIC:
            left, right = node.operands
            first = self._places.value(text_of(left), asked.place)
            if first is None:
                second = self._places.value(text_of(right), asked.place)
                same = second is not None and asked.value is not None
                if same and second is not None and second.text == getattr(asked.value, "text", ""):
                    return self._sources(asked, [left, right], f"{text_of(node)}")
                return replace(asked, node=left, result=0)
            true = first.type != "nil" and first.text != "false"
            return replace(
                asked, node=right if true == (node.operator == "and") else left, result=0
            )
        return self._sources(asked, list(node.operands), f"`{text_of(node)}`")

    def _sources(self, asked: Asked, nodes: list[Node], what: str) -> Next:
        """Go on with what something was computed from: one thing, or each of several."""
        varying = [one for one in nodes if not isinstance(one, Constant | Function)]
        if not varying:
            return self._at(asked, Origin("", None, "constant", note=_cut(what)))
        if len(varying) == 1:
            return replace(asked, node=varying[0], path=(), result=0, value=None, same=False)
        frame = self._places.frame(asked.place)
        made = self._at(asked, Origin("", None, "computed", note=_cut(what)))
        found: list[Origin] = []
        for one in varying[:_MOST_SOURCES]:
            text = text_of(one)
            value = self._places.value(text, asked.place)
            source = self._follow(
                _cut(text), replace(asked, node=one, path=(), result=0, value=value, same=True)
            )
            rounds = source.kind == "computed" and (source.source, source.line) == (
                frame.source, made.line,
            )  # fmt: skip
            found += source.sources if rounds else (source,)
        more = len(varying) - _MOST_SOURCES
        lost = f"{more} more are not followed" if more > 0 else None
        return replace(made, sources=tuple(found), lost=lost)

    def _vararg(self, asked: Asked) -> Next:
        frame = self._places.frame(asked.place)
        if not frame.defined:
            return Origin(
                "", None, "given", note=f"argument {asked.result + 1} of the script", event=1
            )
        return self._lost_at(asked, "it is one of the values of `...`")

    # Loops --------------------------------------------------------------------------------

    def _counter(self, statement: NumberLoop, change: Change, start: Place) -> Next:
        what = f"the counter of a loop from {text_of(statement.bounds[0])}"
        return self._here(change, what, kind="constant")

    def _loop(
        self, asked: Asked, loop: Loop, number: int, change: Change, start: Place,
        path: tuple[Key, ...],
    ) -> Next:  # fmt: skip
        call = loop.values[0]
        name = dotted(call.function) if isinstance(call, Call) and not call.method else ""
        listed: Node | None = None
        if name in ("ipairs", "pairs") and isinstance(call, Call) and call.arguments:
            listed = call.arguments[0]
        elif len(loop.values) > 1 and dotted(call) == "next":
            listed = loop.values[1]
        names = ", ".join(one.name for one in loop.variables)
        heads = ", ".join(text_of(one) for one in loop.values)
        self._step(start, change.line, f"for {names} in {heads}", change.new)
        inside = Place(change.position)
        lines = (loop.line, max(one.end for one in loop.values))
        if listed is None:
            return replace(
                asked, node=call, place=start, until=change.position, path=path, result=number,
                lines=lines,
            )  # fmt: skip
        if number == 0:
            return self._here(change, f"a key of {text_of(listed)}", kind="constant")
        key = self._key(Name(loop.variables[0].name, None), inside)
        if key is None:
            return self._here(change, f"the key of {text_of(listed)} is not known")
        return replace(
            asked, node=listed, place=inside, until=None, path=(key, *path), result=0, lines=lines
        )

    # Calls --------------------------------------------------------------------------------

    def _call(self, asked: Asked, node: Call) -> Next:
        place = asked.place
        frame = self._places.frame(place)
        name = dotted(node.function) if not node.method else ""
        until = asked.until or place.position
        callee = (
            f"{text_of(node.function)}.{node.method}" if node.method else text_of(node.function)
        )
        function = self._places.value(callee, place)
        if function is not None and function.type == "function" and "<" in function.text:
            return self._script_function(asked, node, function.text)
        if name in ("pcall", "xpcall", "assert", "select"):
            return self._special(asked, node, name)
        if name in _FIRST_ARGUMENT and node.arguments:
            return self._first_argument(asked, node, name)
        lines = asked.lines if asked.lines[0] else (frame.line, frame.line)
        found = self._performed.between(
            place.position.event + (place.position.steps > 0), until.event, frame.coroutine,
            frame.source, lines,
        )  # fmt: skip
        event = of_call(name, found, _plain(asked.value), asked.path)
        if event is not None:
            return self._effect(asked, event)
        nodes = list(node.arguments)
        if node.method or not name:
            nodes.insert(0, node.function)
        if not nodes:
            return self._at(asked, Origin("", None, "computed", note=f"what {callee}() gave"))
        return self._sources(asked, nodes, f"`{text_of(node)}`")

    def _script_function(self, asked: Asked, node: Call, shown: str) -> Next:
        until = asked.until
        if until is None:
            return self._lost_at(asked, f"{text_of(node)} was not called here")
        listed = self._places.calls(asked.place, until)
        entries = [at for at, _, _ in listed]
        fitting = [at for at, source, line in listed if _function_text(source, line) == shown]
        if not fitting:
            return self._lost_at(asked, f"the call {text_of(node)} is not found")
        return self._into(asked, node, entries, self._which(asked, node, fitting))

    def _which(self, asked: Asked, node: Call, fitting: list[Position]) -> Position:
        """Return which of several calls of one function an expression is: the last that fits."""
        return fitting[-1]

    def _special(self, asked: Asked, node: Call, name: str) -> Next:
        return self._sources(asked, list(node.arguments), f"`{text_of(node)}`")

    def _first_argument(self, asked: Asked, node: Call, name: str) -> Next:
        if name == "rawget" and len(node.arguments) > 1:
            return replace(asked, node=Index(node.arguments[0], node.arguments[1]))
        return replace(asked, node=node.arguments[0], result=0)

    def _by_a_call(self, asked: Asked, function: Function, change: Change, start: Place) -> Next:
        """Go on where a value was changed by something that a line called."""
        path, holder = asked.path, change.holder
        for statement in reversed(statements_at(function, change.line)):
            for call in reversed(calls_in(statement)):
                name = dotted(call.function)
                if name == "table.insert" and holder and len(call.arguments) > 1:
                    self._step(start, change.line, text_of(call), change.new)
                    return replace(
                        asked, node=call.arguments[-1], place=start, until=change.position,
                        path=path[holder:], result=0, lines=(statement.line, statement.end),
                    )  # fmt: skip
        why = f"line {change.line} of {change.source} changed it, by something other than an "
        return self._here(change, why + "assignment")

    # Effects ------------------------------------------------------------------------------

    def _effect(self, asked: Asked, event: Event) -> Next:
        """Go on behind an effect that gave back what was given to another one; else this is it."""
        if event.name == "state.get" and event.error is None:
            by = self._performed.last_set(event)
            if by is not None and by.name == "state.set" and by.line:
                self._step(asked.place, event.line, f"State.get, event {event.number}", asked.value)
                return self._argument_of(asked, by, "State.set", -1)
        read = self._performed.read(event) if event.name.startswith("artifact.get") else None
        artifact = self._performed.made(event.number)
        note = ""
        if read is not None:
            artifact, owner, number = read
            made = self._performed.event(number) if number else None
            own = made is not None and self._performed.is_own(owner)
            if own and made is not None and made.number < event.number and made.line:
                self._step(
                    asked.place, event.line,
                    f"artifact {artifact.name} v{artifact.version}, event {event.number}",
                    asked.value,
                )  # fmt: skip
                if made.name == "artifact.store":
                    found = self._argument_of(asked, made, "Artifact.store", None)
                    return found if isinstance(found, Asked) else replace(found, artifact=artifact)
                return self._came_of(asked, made, replace(_effect_of(made), artifact=artifact))
            note = f"made by session {owner[:8]}" if owner else ""
        if event.name == "session.suspend":
            note = "given when the session was resumed"
        if event.error is not None:
            note = "its error"
        return self._came_of(asked, event, replace(_effect_of(event), artifact=artifact, note=note))

    def _came_of(self, asked: Asked, event: Event, found: Origin) -> Origin:
        field = place_in(event, _plain(asked.value), asked.path) or ""
        return replace(found, field=field)

    def _argument_of(self, asked: Asked, event: Event, name: str, number: int | None) -> Next:
        """Go on with an argument of the call that caused an event."""
        place = Place(Position(event.number))
        frame = self._places.frame(place)
        function = self._places.function(frame)
        calls = []
        for statement in reversed(statements_at(function, event.line) if function else []):
            calls += [
                (one, statement) for one in calls_in(statement) if dotted(one.function) == name
            ]
        if not calls:
            return _effect_of(event)
        call, statement = calls[-1]
        if number is None:
            number = 2
            if len(call.arguments) > 3:
                named = self._places.value(text_of(call.arguments[1]), place)
                if named is not None and _plain(named) != event.args.get("name"):
                    number = 3
        if len(call.arguments) <= max(number, 1):
            return _effect_of(event)
        given = call.arguments[number]
        self._step(place, event.line, text_of(call), asked.value)
        return replace(
            asked, node=given, place=place, until=place.position, result=0,
            lines=(statement.line, statement.end),
        )  # fmt: skip

    def _state(self, expression: str, key: str, at: Position, at_end: bool) -> Origin:
        performed = self._performed
        found = state_changes(performed.store, performed.session, key)
        before = [one for one in found if at_end or one.position <= at]
        if not before or before[-1].event is None:
            return replace(
                _lost(f"the session set no {key} before here"), expression=expression, position=at
            )
        change = before[-1]
        event = change.event
        assert event is not None
        asked = Asked(Constant(None), Place(change.position), value=change.new)
        steps: list[OriginStep] = []
        self._steps = steps
        following = self._argument_of(asked, event, "State.set", -1)
        if isinstance(following, Origin):
            return replace(following, expression=expression, value=change.new)
        made = self._follow(expression, following)
        return replace(made, steps=(*steps, *made.steps), value=change.new)


def _read(expression: str) -> Node:
    try:
        tree = parse(b"return " + expression.encode(errors="surrogateescape"))
    except UsageError:
        tree = None
    values = getattr(tree.main.body[0], "values", []) if tree and len(tree.main.body) == 1 else []
    if len(values) != 1:
        raise UsageError(f"{expression!r} is no Lua expression, and no key of the state (state:k)")
    found: Node = values[0]
    return found


def _lost(why: str) -> Origin:
    return Origin("", None, "lost", lost=why)


def _effect_of(event: Event) -> Origin:
    return Origin(
        "", None, "effect", position=Position(event.number), source=event.source, line=event.line,
        event=event.number, effect=event.name,
    )  # fmt: skip


def _function_text(source: str, line: int) -> str:
    return f"function <{source}:{line}>"


def _shown(name: str, path: tuple[Key, ...]) -> str:
    text = name
    for key in path:
        named = isinstance(key, str) and key.isidentifier() and key.isascii()
        text += f".{key}" if named else f"[{json.dumps(key, ensure_ascii=False)}]"
    return text


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _plain(value: Value | None) -> Any:
    """Return a text, number or boolean of the script; None for others, and where it is cut."""
    if value is None:
        return None
    if value.type == "string":
        if not value.text.endswith('"'):
            return None
        node = _read(value.text)
        text = node.value if isinstance(node, Constant) else None
        return text.decode(errors="backslashreplace") if isinstance(text, bytes) else None
    if value.type == "boolean":
        return value.text == "true"
    if value.type in ("integer", "float"):
        number = float(value.text)
        return int(number) if value.type == "integer" else number
    return None


def _plain_key(value: Value) -> Key | None:
    found: Key | None = as_key(_plain(value))
    return found
