"""Back through coroutines: what they were resumed with, and what they yielded."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import Call, Index, Name, Node, inside
from respell.debug.lua_source.writing import text_of
from respell.debug.origin.places import Place
from respell.debug.origin.statements import (
    Statement,
    calls_in,
    dotted,
    returns_at,
    statements_at,
    value_at,
)
from respell.debug.origin.walk import Asked, Next, Walk
from respell.debug.position import Position
from respell.errors import UsageError


def of_first_argument(walk: Walk, asked: Asked, name: str, number: int, entry: Position) -> Next:
    """Go on with what a coroutine was resumed with first."""
    return _resumed_with(walk, asked, name, number, entry)


def of_yield(walk: Walk, asked: Asked) -> Next:
    """Go on with what a coroutine was resumed with, which its yield has returned."""
    if asked.until is None:
        return walk.lost_at(asked, "the coroutine was not resumed there")
    return _resumed_with(walk, asked, "coroutine.yield()", asked.result, asked.until)


def _resumed_with(walk: Walk, asked: Asked, name: str, number: int, until: Position) -> Next:
    last = walk.places.line_before(until)
    found = None if last is None else _resumer(walk, last)
    if found is None:
        return walk.lost_at(asked, f"who resumed the coroutine with {name} is not known")
    place, call, statement, first = found
    given, result = value_at(call.arguments[first:], number)
    if given is None:
        return walk.lost_at(asked, f"{text_of(call)} hands nothing to {name}")
    walk.step(place, f"{name} ← {text_of(call)}", asked.value)
    return replace(asked, node=given, place=place, until=until, result=result, statement=statement)


def _resumer(walk: Walk, last: Position) -> tuple[Place, Call, Statement, int] | None:
    """Return which call resumed a coroutine, where its line ran last; where its values begin."""
    for frame in walk.places.stack(last):
        function = walk.places.function(frame)
        place = Place(last, frame.index)
        for statement in reversed(statements_at(function, frame.line) if function else []):
            for call in reversed(calls_in(statement)):
                if dotted(call.function) == "coroutine.resume":
                    return place, call, statement, 1
                if is_wrapped(walk, call, place):
                    return place, call, statement, 0
    return None


def is_wrapped(walk: Walk, call: Call, place: Place) -> bool:
    """Whether a call may be one of what `coroutine.wrap` made: a function none of the script's."""
    root: Node = call.function
    while isinstance(root, Index):
        root = root.object
    if call.method or not isinstance(root, Name):
        return False
    found = walk.places.value(text_of(call.function), place)
    return found is not None and found.type == "function" and "<" not in found.text


def of_given(walk: Walk, asked: Asked, number: int) -> Next | None:
    """Go on with what a coroutine yielded or returned; None where none ran last.

    Args:
        walk: The way back.
        asked: What is asked for: a call that resumed a coroutine.
        number: Which of the values it gave.
    """
    until = asked.until
    last = None if until is None else walk.places.line_before(until)
    if last is None or until is None:
        return None
    try:
        ours = walk.places.frame(asked.place).coroutine
        theirs = walk.places.frame(Place(last))
    except UsageError:
        return None
    if theirs.coroutine == ours or last <= asked.place.position:
        return None
    for frame in walk.places.stack(last):
        found = _given_at(walk, frame)
        if found is None:
            continue
        values, statement, what = found
        value, result = value_at(values, number)
        if value is None:
            return walk.lost_at(asked, f"coroutine {frame.coroutine} gives no value {number + 1}")
        place = walk.places.begin(frame, Place(last, frame.index), until)
        walk.step(place, f"{what} {text_of(value)}", asked.value, line=frame.line)
        if what == "yield" and not calls_in(value) and _is_own(walk, frame, value):
            place = Place(until, frame.index, frame.coroutine)  # it stands still there
        return replace(
            asked, node=value, place=place, until=until, result=result, statement=statement
        )
    return None


def _is_own(walk: Walk, frame: Frame, value: Node) -> bool:
    """Whether a value is made of locals of its function alone.

    Any other variable may be what the resumer has assigned the value to.
    """
    function = walk.places.function(frame)
    return all(
        one.variable is not None and one.variable.function is function
        for one in inside(value)
        if isinstance(one, Name)
    )


def _given_at(walk: Walk, frame: Frame) -> tuple[list[Node], Statement, str] | None:
    """Return what a function of a coroutine hands out at its line: values, statement, how."""
    function = walk.places.function(frame)
    if function is None:
        return None
    for statement in reversed(statements_at(function, frame.line)):
        for call in reversed(calls_in(statement)):
            if dotted(call.function) == "coroutine.yield":
                return call.arguments, statement, "yield"
    returns = returns_at(function, frame.line)
    return (returns[-1].values, returns[-1], "return") if returns else None
