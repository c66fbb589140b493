"""Back from a variable, or what is at keys behind it, to what it was given."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.changes import Change
from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import (
    Call,
    Function,
    Loop,
    Name,
    NumberLoop,
    Variable,
)
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import again, changing, closures, passing
from respell.debug.origin.places import Place
from respell.debug.origin.statements import (
    Given,
    Key,
    assigned,
    assigned_fields,
    dotted,
    shown_path,
    variable_of,
)
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk, cut, lost, named
from respell.errors import UsageError

_GIVEN = {"args": "an argument of the script", "ARGS": "an argument of the script",
          "input": "the session's input"}  # fmt: skip


def of_name(walk: Walk, asked: Asked, node: Name) -> Next:
    """Go on with what a variable was given last."""
    places, place = walk.places, asked.place
    earlier = again.earlier_on_line(walk, asked, node)
    if earlier is not None:
        return _of_earlier(walk, asked, *earlier)
    frame: Frame | int = place.frame
    if not places.is_after_end(place.position):
        try:
            frame = places.frame(place)
        except UsageError:
            frame = 0  # no function runs there
    places.stand(place.position)
    if _is_never_changed(walk, asked, node):
        return _outer(walk, asked, node) or _unchanged(walk, asked, node)
    change = walk.changes.last(node.name, asked.path, frame, place.position)
    if change is None:
        return _unchanged(walk, asked, node)
    change = again.last_assignment(walk, asked, node, change)
    return _changed(walk, replace(asked, value=asked.value or change.new), node, change)


def _is_never_changed(walk: Walk, asked: Asked, node: Name) -> bool:
    """Whether a variable is an outer function's, and assigned but once."""
    variable = node.variable
    if variable is None or asked.path or variable.sites:
        return False
    try:
        function = walk.places.function(walk.places.frame(asked.place))
    except UsageError:
        return False
    return function is not None and function is not variable.function


def _of_earlier(walk: Walk, asked: Asked, given: Given, keys: int, target: str) -> Next:
    """Go on with what an earlier statement of the same line gave."""
    assert given.value is not None
    walk.step(asked.place, f"{target} = {text_of(given.value)}", asked.value)
    until = asked.until or asked.place.position
    return walk.go_on(replace(asked, path=asked.path[keys:]), given, asked.place, until)


def _unchanged(walk: Walk, asked: Asked, node: Name) -> Next:
    """Go on where a value has been there since the function has seen the variable."""
    outer = _outer(walk, asked, node)
    if outer is not None:
        return outer
    if node.name in _GIVEN and node.variable is None:
        return Origin("", None, "given", note=_GIVEN[node.name], event=1)
    shown = named(node.name, asked.path)
    later = _when_done(walk, asked, shown)
    if later is not None:
        return later
    value = asked.value or walk.places.value(shown, asked.place)
    if value is None or value.type == "nil":
        return walk.lost_at(asked, f"nothing was assigned to {shown} before here")
    return walk.lost_at(asked, f"{shown} was there before anything that can be followed")


def _when_done(walk: Walk, asked: Asked, shown: str) -> Asked | None:
    """Ask where the statement has ended, where what is asked for was not there before it."""
    if asked.until is None or asked.until <= asked.place.position or asked.value is None:
        return None
    before = walk.places.value(shown, asked.place)
    if before is not None and before.text == asked.value.text:
        return None
    frame = walk.places.frame(asked.place)
    for one in walk.places.stack(asked.until, frame.coroutine):
        if (one.depth, one.defined, one.source) == (frame.depth, frame.defined, frame.source):
            place = Place(asked.until, one.index, one.coroutine)
            return replace(asked, place=place, until=None, statement=None)
    return None


def _outer(walk: Walk, asked: Asked, node: Name) -> Next | None:
    """Go on in the function whose local a variable is; None where it is none of an outer one."""
    places, at = walk.places, asked.place.position
    try:
        frame = places.frame(asked.place)
    except UsageError:
        return None
    function = places.function(frame)
    if function is None:
        return None
    variable = node.variable or variable_of(function, node.name, 0, frame.line)
    if variable is None or variable.function is function:
        return None
    for coroutine in dict.fromkeys((asked.place.coroutine, 0)):
        for one in places.stack(at, coroutine):
            if one.source == frame.source and places.function(one) is variable.function:
                place = Place(at, one.index, one.coroutine)
                return replace(asked, node=Name(node.name, variable), place=place)
    return closures.of_upvalue(walk, asked, frame, variable)


def _changed(walk: Walk, asked: Asked, node: Name, change: Change) -> Next:
    """Go on with what a change was made of."""
    by_hand = walk.edited.variable(change.position, node.name)
    if by_hand is not None:
        found = here(change, None, by_hand)
        return replace(found, kind="edited", source="", line=0)
    if not change.line:
        return lost(f"{named(node.name, asked.path)} changed by none of the script's lines")
    if change.is_first and not change.holder:
        passed = _argument(walk, asked, node, change)
        if passed is not None:
            return passed
    start = walk.places.before(change)
    if start is None:
        return here(change, f"when {change.source}:{change.line} ran is not known")
    function = walk.places.function(walk.places.frame(start))
    if function is None:
        return here(change, f"there is no source of {change.source}")
    if change.holder:
        key = asked.path[change.holder - 1]
        given = given_to_field(walk, function, change, start, key, asked.path)
        if given is None:
            return changing.of_field(walk, asked, node, change, function, start)
        target = given.target
    else:
        given = _given_to(walk, function, node, change, start)
        target = node.name
        if given is None:
            return here(change, f"{change.source}:{change.line} changed it, by no assignment")
    return of_given(walk, asked, given, start, change, target)


def _given_to(
    walk: Walk, function: Function, node: Name, change: Change, start: Place
) -> Given | None:
    """Return what a line gave to a variable."""
    own = function is getattr(node.variable, "function", None)
    found = list(assigned(function, change.line, node.name, node.variable if own else None))
    found = found or list(assigned(function, change.line, node.name, None))
    return _fitting(walk, found, change, start, ())


def _fitting(
    walk: Walk, found: list[Given], change: Change, start: Place, path: tuple[Key, ...]
) -> Given | None:
    """Return which of several statements of one line it was, by the value; else the last."""
    if len(found) > 1:
        for one in found:
            text = "nil" if one.value is None else f"({text_of(one.value)}){shown_path(path)}"
            value = walk.places.value(text, start) if not one.result else None
            if value is not None and value.text == change.new.text:
                return one
    return found[0] if found else None


def given_to_field(
    walk: Walk, function: Function, change: Change, start: Place, key: Key,
    path: tuple[Key, ...],
) -> Given | None:  # fmt: skip
    """Return what a line's statements gave to a field of that key; None for nothing."""
    found = [
        replace(given, target=text_of(target))
        for target, given in assigned_fields(function, change.line)
        if walk.key(target.key, start) == key
    ]
    return _fitting(walk, found, change, start, path[change.holder :])


def of_given(
    walk: Walk, asked: Asked, given: Given, start: Place, change: Change, target: str
) -> Next:
    """Go on with what a statement gave to a variable or a field."""
    statement = given.statement
    asked = replace(asked, path=asked.path[change.holder :])
    if isinstance(statement, NumberLoop):
        return _counter(walk, asked, statement, change, start)
    if isinstance(statement, Loop):
        return _loop(walk, asked, statement, given.result, change, start)
    if given.value is None:
        return here(change, None, f"{target} is given no value there")
    walk.step(
        start, f"{target} = {text_of(given.value)}", change.new, line=change.line,
        source=change.source,
    )  # fmt: skip
    return walk.go_on(asked, given, start, change.position)


def _argument(walk: Walk, asked: Asked, node: Name, change: Change) -> Next | None:
    """Go on with what a parameter was given; None where the variable is none."""
    for frame in walk.places.stack(change.position)[:1]:
        function = walk.places.function(frame)
        for number, one in enumerate(function.parameters if function is not None else ()):
            if one.name == node.name and _means(node.variable, one):
                return passing.of_argument(walk, asked, frame, one.name, number, change.position)
    return None


def _means(known: Variable | None, one: Variable) -> bool:
    return known is None or known is one


def here(change: Change, why: str | None, note: str = "") -> Origin:
    """Return that a value can't be followed beyond a change (why), or came to be there (note)."""
    return Origin(
        "", change.new, "constant" if why is None else "lost", position=change.position,
        source=change.source, line=change.line, lost=why, note=cut(note),
    )  # fmt: skip


# Loops ----------------------------------------------------------------------------------------


def _counter(walk: Walk, asked: Asked, loop: NumberLoop, change: Change, start: Place) -> Next:
    """Go on with the first value of a counter; those after it are made by the loop."""
    bounds = ", ".join(text_of(one) for one in loop.bounds)
    walk.step(
        start, f"for {loop.variable.name} = {bounds}", change.new, line=change.line,
        source=change.source,
    )  # fmt: skip
    return here(change, None, f"{loop.variable.name} counts there")


def _loop(walk: Walk, asked: Asked, loop: Loop, number: int, change: Change, start: Place) -> Next:
    """Go on with what a loop goes through."""
    listed = loop.values[0]
    name = dotted(listed.function) if isinstance(listed, Call) and not listed.method else ""
    names = ", ".join(one.name for one in loop.variables)
    heads = ", ".join(text_of(one) for one in loop.values)
    walk.step(start, f"for {names} in {heads}", change.new, line=change.line, source=change.source)
    if name in ("ipairs", "pairs") and isinstance(listed, Call) and listed.arguments:
        table = listed.arguments[0]
    elif len(loop.values) > 1 and dotted(listed) == "next":
        table = loop.values[1]
    else:
        return passing.of_iteration(walk, asked, loop, number, change, start)
    inside = Place(change.position)
    key = walk.key(Name(loop.variables[0].name, None), inside)
    if number == 0:
        return here(change, None, f"{names.partition(',')[0]} is a key of {text_of(table)}")
    if key is None:
        return here(change, f"the key in {text_of(table)} is not known")
    return replace(
        asked, node=table, place=inside, until=None, path=(key, *asked.path), result=0,
        statement=loop,
    )  # fmt: skip
