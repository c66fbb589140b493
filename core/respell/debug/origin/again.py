"""Assignments that are no changes: of the same value again, or earlier on the same line."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.changes import Change
from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import (
    Block,
    Function,
    Index,
    Local,
    Loop,
    Name,
    Node,
    NumberLoop,
    Variable,
    body_of,
)
from respell.debug.lua_source.writing import text_of
from respell.debug.origin.places import Place
from respell.debug.origin.statements import (
    Given,
    Key,
    assigned_at,
    shown_path,
    statements_at,
)
from respell.debug.origin.walk import Asked, Walk
from respell.debug.position import Position
from respell.errors import UsageError

_MOST_TRIES = 4


def last_assignment(walk: Walk, asked: Asked, node: Name, change: Change) -> Change:
    """Return the last time that a local was assigned, which may be later than its last change."""
    if asked.path or change.holder:
        return change
    try:
        frame = walk.places.frame(asked.place)
    except UsageError:
        return change
    variable = node.variable or walk.places.variable(asked.place, node.name)
    if variable is None or walk.places.function(frame) is not variable.function:
        return change
    lines = {line for site in _sites(variable) for line in (site.line, site.end)}
    if not lines:
        return change
    found: Position | None = asked.place.position
    for _ in range(_MOST_TRIES):
        assert found is not None
        found = walk.places.last_time_of(frame.source, lines, found)
        if found is None or found < change.position:
            return change
        now = walk.places.frame(Place(found))
        same = (now.depth, now.coroutine, now.defined) == (
            frame.depth, frame.coroutine, frame.defined,
        )  # fmt: skip
        after = walk.places.after(found) if same else None
        if after is not None and after <= asked.place.position:
            return replace(
                change, position=after, source=now.source, line=now.line, defined=now.defined,
                old=change.new, holder=0,
            )  # fmt: skip
    return change


def _sites(variable: Variable) -> list[Node]:
    """Return the statements that assign a variable whenever their lines run."""
    function = variable.function
    shared = {one.line for one in body_of(function) if isinstance(one, Block | Loop | NumberLoop)}
    own = list(body_of(function))
    sites: list[Node] = [one for one in variable.sites if any(one is each for each in own)]
    if isinstance(variable.by, Local) and variable.kind == "local" and sites:
        sites.append(variable.by)
    return [one for one in sites if one.line not in shared]


def earlier_on_line(walk: Walk, asked: Asked, node: Name) -> tuple[Given, int, str] | None:
    """Return what an earlier statement of the same line gave to a variable, or a field behind it.

    Returns:
        What was given, the number of keys that it was given behind, and to what, as it is written.
    """
    if asked.statement is None or asked.place.frame:
        return None
    try:
        frame = walk.places.frame(asked.place)
    except UsageError:
        return None
    function = walk.places.function(frame)
    if function is None or frame.line != asked.statement.line:
        return None
    for given, target in _before(function, frame, asked):
        keys = _keys(walk, target, node.name, asked.place)
        if keys is None or keys != asked.path[: len(keys)] or given.value is None:
            continue
        rest = shown_path(asked.path[len(keys) :])
        value = walk.places.value(f"({text_of(given.value)}){rest}", asked.place)
        if value is None or asked.value is None or value.text == asked.value.text:
            return given, len(keys), text_of(target)
    return None


def _before(function: Function, frame: Frame, asked: Asked) -> list[tuple[Given, Node]]:
    """Return what statements of the line gave before the one that is asked about, latest first."""
    statements = statements_at(function, frame.line)
    if not any(one is asked.statement for one in statements):
        return []
    number = next(n for n, one in enumerate(statements) if one is asked.statement)
    found: list[tuple[Given, Node]] = []
    for statement in reversed(statements[:number]):
        if statement.end == frame.line and not isinstance(statement, Loop | NumberLoop):
            found += assigned_at(statement)
    return found


def _keys(walk: Walk, target: Node, name: str, place: Place) -> tuple[Key, ...] | None:
    """Return the keys behind a variable that a target stands for; None for another variable's."""
    keys: list[Key] = []
    while isinstance(target, Index):
        key = walk.key(target.key, place)
        if key is None:
            return None
        keys.insert(0, key)
        target = target.object
    return tuple(keys) if isinstance(target, Name) and target.name == name else None
