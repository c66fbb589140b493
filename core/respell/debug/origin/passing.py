"""Back through calls of the script's functions: arguments, and what a call returned."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.changes import Change
from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import (
    Call,
    Function,
    Index,
    Loop,
    Name,
    Node,
    Operation,
    Return,
    inside,
)
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import computing, coroutines, effects
from respell.debug.origin.places import CALLED_TABLE, Entry, Place, function_text
from respell.debug.origin.statements import (
    Statement,
    calls_in,
    dotted,
    returns_at,
    statements_at,
    value_at,
)
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk
from respell.debug.position import Position

_TOOLS = ("Tool.invoke", "Tool.execute")
_HANDS_ON = {"pcall": 1, "xpcall": 2}
"""What calls a function with arguments of its own: how many of them are not handed on."""


# Arguments ------------------------------------------------------------------------------------


def of_argument(
    walk: Walk, asked: Asked, frame: Frame, name: str, number: int, entry: Position
) -> Next:
    """Go on with what a function was called with.

    Args:
        walk: The way back.
        asked: What is asked for: a parameter of the function.
        frame: The function, which has just been entered.
        name: The parameter's name.
        number: Which of the arguments it is, from 0.
        entry: Where the function's first line is about to run.
    """
    caller = _caller(walk, frame, entry)
    if caller is None:
        if frame.coroutine:
            return coroutines.of_first_argument(walk, asked, name, number, entry)
        return _at_entry(frame, entry, f"{name} was passed by none of the script's functions")
    at = walk.places.frame(caller)
    function = walk.places.function(at)
    if function is None:
        return _at_entry(frame, entry, f"there is no source of {at.source}")
    found = _call_to(walk, frame, function, at, caller, entry)
    if found is None:
        return _handed_over(walk, asked, frame, function, at, caller, name, number, entry)
    call, callback, statement = found
    walk.step(caller, f"{name} ← {text_of(call)}", asked.value)
    asked = replace(asked, place=caller, until=entry, statement=statement)
    if callback >= 0:
        begin = walk.places.begin(at, caller, entry)
        found_effect = effects.of_callback(walk, asked, begin, entry)
        return found_effect or _called_back(walk, asked, call, callback, number)
    arguments = [call.function, *call.arguments] if call.method else call.arguments
    given, result = value_at(arguments, number)
    if given is None:
        return _at_entry(frame, entry, f"{name} is given nothing by {text_of(call)}")
    if calls_in(given):
        asked = replace(asked, place=walk.places.begin(at, caller, entry))
    return replace(asked, node=given, result=result)


def _handed_over(
    walk: Walk, asked: Asked, frame: Frame, function: Function, at: Frame, caller: Place,
    name: str, number: int, entry: Position,
) -> Next:  # fmt: skip
    """Go on where a line has no call of the function: an operator's or a tool's."""
    for statement in reversed(statements_at(function, at.line)):
        for call in reversed(calls_in(statement)):
            given: list[Node] = []
            if dotted(call.function) in _TOOLS:
                given = call.arguments[1:2]
            elif walk.places.function_of(call, caller) == CALLED_TABLE:
                given = [call.function, *call.arguments]
            if number < len(given):
                return _handed(walk, asked, given[number], call, statement, at, caller, name, entry)
        for one in inside(statement):
            if isinstance(one, Operation) and number < len(one.operands):
                given_to = one.operands[number]
                return _handed(walk, asked, given_to, one, statement, at, caller, name, entry)
    why = f"{name} was handed over at {at.source}:{at.line} by none of its calls"
    return _at_entry(frame, entry, why)


def _handed(
    walk: Walk, asked: Asked, given: Node, by: Node, statement: Statement, at: Frame, caller: Place,
    name: str, entry: Position,
) -> Asked:  # fmt: skip
    walk.step(caller, f"{name} ← {text_of(by)}", asked.value)
    place = walk.places.begin(at, caller, entry) if calls_in(given) else caller
    return replace(asked, node=given, place=place, until=entry, result=0, statement=statement)


def _called_back(walk: Walk, asked: Asked, call: Call, callback: int, number: int) -> Next:
    """Go on where a function was called by one that it was given to."""
    name = dotted(call.function)
    if name in _HANDS_ON:
        given, result = value_at(call.arguments[_HANDS_ON[name] :], number)
        if given is not None:
            return replace(asked, node=given, result=result)
    others = [one for place, one in enumerate(call.arguments) if place != callback]
    if call.method:
        others.insert(0, call.function)
    return computing.sources(walk, asked, others, f"handed on by {text_of(call)}")


def _at_entry(frame: Frame, entry: Position, why: str) -> Origin:
    return Origin("", None, "lost", position=entry, source=frame.source, line=frame.line, lost=why)


def _caller(walk: Walk, frame: Frame, entry: Position) -> Place | None:
    """Return who called a function that has just been entered; its line has not ended."""
    if frame.tail:
        found = walk.places.last_line_inside(frame, entry)
        return None if found is None else Place(found)
    frames = walk.places.stack(entry)
    if len(frames) > frame.index + 1:
        return Place(entry, frame.index + 1)
    return None


def _call_to(
    walk: Walk, frame: Frame, function: Function, at: Frame, caller: Place, entry: Position
) -> tuple[Call, int, Statement] | None:
    """Return which call of a line entered a function; where it was handed over (-1: called)."""
    shown = function_text(frame.source, frame.defined)
    for statement in reversed(statements_at(function, at.line)):
        found = [
            (call, place)
            for call in calls_in(statement)
            if (place := _calls(walk, call, shown, frame, caller)) is not None
        ]
        if not found:
            continue
        index = 0
        if len(found) > 1:
            begin = walk.places.begin(at, caller, entry)
            before = [one for one in walk.places.calls(begin, entry) if one.function == shown]
            index = min(len(before), len(found) - 1)
        call, place = found[index]
        return call, place, statement
    return None


def _calls(walk: Walk, call: Call, shown: str, frame: Frame, caller: Place) -> int | None:
    """Return whether a call is one of a function: -1, or the place where that is handed over."""
    if _is_function(walk, call.function, call.method, shown, frame, caller):
        return -1
    for place, one in enumerate(call.arguments):
        if isinstance(one, Function | Name | Index) and _is_function(
            walk, one, None, shown, frame, caller
        ):
            return place
    return None


def _is_function(
    walk: Walk, node: Node, method: str | None, shown: str, frame: Frame, place: Place
) -> bool:
    if isinstance(node, Function):
        return node.defined == frame.defined
    text = text_of(node) + (f".{method}" if method else "")
    found = walk.places.value(text, place)
    return found is not None and found.text == shown


# Results --------------------------------------------------------------------------------------


def of_script_function(walk: Walk, asked: Asked, node: Call, shown: str) -> Next:
    """Go on at the return of the call of a function of the script."""
    if asked.until is None:
        return walk.lost_at(asked, f"{text_of(node)} was not called there")
    entries = walk.places.calls(asked.place, asked.until)
    fitting = [one for one in entries if one.function == shown]
    if not fitting:
        return walk.lost_at(asked, f"no call {text_of(node)} is found there")
    return into(walk, asked, text_of(node.function), entries, _which(walk, asked, node, fitting))


def _which(walk: Walk, asked: Asked, node: Call, fitting: list[Entry]) -> Entry:
    """Return which of several calls of one function an expression is."""
    if len(fitting) == 1 or asked.statement is None:
        return fitting[-1]
    text = text_of(node.function)
    same = [
        one
        for one in calls_in(asked.statement)
        if text_of(one.function) == text and one.method == node.method
    ]
    if node not in same:
        return fitting[-1]
    from_end = len(same) - same.index(node)
    return fitting[max(0, len(fitting) - from_end)]


def into(walk: Walk, asked: Asked, name: str, entries: list[Entry], entry: Entry) -> Next:
    """Go on at the end of a function that was entered."""
    places = walk.places
    frame = places.frame(Place(entry.position))
    ends = [one.position for one in entries if one.position > entry.position]
    ends += [one for one in (places.returned(entry.position), asked.until) if one is not None]
    last = places.last_line_inside(frame, min(ends)) if ends else None
    if last is None or last < entry.position:
        return walk.lost_at(asked, f"{name} did not return")
    now = places.frame(Place(last))
    function = places.function(now)
    if function is None:
        return walk.lost_at(asked, f"there is no source of {now.source}")
    returns = returns_at(function, now.line)
    if not returns:
        return _without_return(walk, asked, now, function, last, min(ends))
    statement = _likely(walk, returns, Place(last), asked)
    value, result = value_at(statement.values, asked.result)
    if value is None:
        return walk.lost_at(asked, f"{now.name} returns no value {asked.result + 1}")
    begin = places.begin(now, Place(last), min(ends))
    walk.step(begin, f"return {text_of(value)}", asked.value, line=now.line, source=now.source)
    return replace(
        asked, node=value, place=begin, until=min(ends), result=result, statement=statement
    )


def _without_return(
    walk: Walk, asked: Asked, frame: Frame, function: Function, last: Position, end: Position
) -> Next:
    """Go on where a function ended with no return: by an error, or with nothing."""
    for statement in statements_at(function, frame.line):
        for call in calls_in(statement):
            if dotted(call.function) in ("error", "assert") and call.arguments:
                place = Place(last)
                walk.step(place, text_of(call), asked.value)
                message = call.arguments[-1 if dotted(call.function) == "assert" else 0]
                asked = replace(asked, place=place, until=end, statement=statement)
                return computing.sources(walk, asked, [message], "the error's message")
    found = effects.raised(walk, asked, frame, last, end)
    if found is not None:
        return found
    return walk.lost_at(asked, f"{frame.name} returns nothing at {frame.source}:{frame.line}")


def _likely(walk: Walk, returns: list[Return], place: Place, asked: Asked) -> Return:
    """Choose of several returns on one line by the value."""
    if len(returns) > 1 and asked.value is not None:
        for one in returns:
            value, _ = value_at(one.values, asked.result)
            shown = None if value is None else walk.places.value(text_of(value), place)
            if shown is not None and shown.text == asked.value.text:
                return one
    return returns[-1]


def of_iteration(
    walk: Walk, asked: Asked, loop: Loop, number: int, change: Change, start: Place
) -> Next:
    """Go on with what a loop's iterator returned: a function, a coroutine, or a library's."""
    until = change.position
    head = loop.values[0]
    asked = replace(asked, place=start, until=until, result=number, statement=loop)
    entries = walk.places.calls(start, until)
    if entries and not (isinstance(head, Call) and _enters(walk, head, start, entries[-1])):
        return into(walk, asked, text_of(head), entries, entries[-1])
    given = coroutines.of_given(walk, asked, number)
    if given is not None:
        return given
    if isinstance(head, Call):
        return replace(asked, node=head)
    return walk.lost_at(asked, f"what {text_of(head)} gave to the loop")


def _enters(walk: Walk, head: Call, start: Place, entry: Entry) -> bool:
    """Whether a function that was entered is the one that makes the iterator."""
    found = walk.places.value(text_of(head.function), start)
    return found is not None and found.text == entry.function
