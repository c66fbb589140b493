"""Back from a field that something other than an assignment of its line has changed."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.changes import Change
from respell.debug.lua_source.tree import Call, Function, Name, Node
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import variables
from respell.debug.origin.places import Place
from respell.debug.origin.statements import (
    Given,
    Key,
    Statement,
    as_key,
    calls_in,
    dotted,
    statements_at,
)
from respell.debug.origin.walk import Asked, Next, Walk, plain

_MOST_ITEMS = 1000  # of a list that was sorted


def of_field(
    walk: Walk, asked: Asked, node: Name, change: Change, function: Function, start: Place
) -> Next:
    """Go on with what a call on the line did to a field."""
    key = asked.path[change.holder - 1]
    for statement in reversed(statements_at(function, change.line)):
        for call in reversed(calls_in(statement)):
            found = _by_library(walk, asked, call, statement, change, start, key)
            if found is not None:
                return found
    inner = walk.places.change_of_field(node.name, asked.path[: change.holder], start, change)
    if inner is not None and (inner.source, inner.line) != (change.source, change.line):
        return _inside(walk, asked, inner, key, change)
    return variables.here(
        change, f"{change.source}:{change.line} changed it, by something other than an assignment"
    )


def _inside(walk: Walk, asked: Asked, inner: Change, key: Key, change: Change) -> Next:
    """Go on at the line, in another function, that changed a field."""
    start = walk.places.before(inner)
    function = None if start is None else walk.places.function(walk.places.frame(start))
    if start is None or function is None:
        return variables.here(inner, f"there is no source of {inner.source}")
    inner = replace(inner, holder=change.holder, new=change.new)
    given = variables.given_to_field(walk, function, inner, start, key, asked.path)
    if given is not None:
        return variables.of_given(walk, asked, given, start, inner, given.target)
    for statement in reversed(statements_at(function, inner.line)):
        for call in reversed(calls_in(statement)):
            found = _by_library(walk, asked, call, statement, inner, start, key)
            if found is not None:
                return found
    return variables.here(
        inner, f"{inner.source}:{inner.line} changed it, by something other than an assignment"
    )


def _by_library(
    walk: Walk, asked: Asked, call: Call, statement: Statement, change: Change, start: Place,
    key: Key,
) -> Next | None:  # fmt: skip
    """Go on with what a library's function put at a key; None where it is none that does."""
    name, arguments = dotted(call.function), call.arguments
    path = asked.path[change.holder :]
    given: Node | None = None
    moved: Key | None = None
    if name == "table.insert" and len(arguments) > 1:
        at = walk.key(arguments[1], start) if len(arguments) > 2 else key
        if at == key:
            given = arguments[-1]
        elif isinstance(key, int):
            moved = key - 1
    elif name == "rawset" and len(arguments) > 2 and walk.key(arguments[1], start) == key:
        given = arguments[2]
    elif name == "table.remove" and isinstance(key, int) and arguments:
        moved = key + 1
    elif name == "table.sort" and arguments:
        moved = _unsorted(walk, asked, arguments[0], start, change)
    if given is None and moved is None:
        return None
    walk.step(start, text_of(call), change.new, line=change.line, source=change.source)
    if given is not None:
        made = Given(statement, "", given)
        return walk.go_on(replace(asked, path=path), made, start, change.position)
    assert moved is not None
    return replace(
        asked, node=arguments[0], place=start, until=None, path=(moved, *path), result=0,
        statement=statement,
    )  # fmt: skip


def _unsorted(walk: Walk, asked: Asked, table: Node, start: Place, change: Change) -> Key | None:
    """Return where an item was before a list was sorted; None where several are the same."""
    text = text_of(table)
    wanted = plain(change.new)
    if wanted is None:
        return None
    length = as_key(plain(walk.places.value(f"#{text}", start)))
    if not isinstance(length, int) or length > _MOST_ITEMS:
        return None
    equal = f"{text}[i] == {change.new.text}"
    found = walk.places.value(
        f"(function() local n, at = 0 for i = 1, #{text} do if {equal} then n, at = n + 1, i end "
        "end return n == 1 and at or nil end)()",
        start,
    )
    at = as_key(plain(found))
    return at if isinstance(at, int) else None
