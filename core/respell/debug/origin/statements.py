"""What the source has at a line: which statements, assignments, calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields

from respell.debug.lua_source.tree import (
    Assign,
    Call,
    Constant,
    Do,
    Function,
    Index,
    Local,
    Loop,
    Name,
    Node,
    NumberLoop,
    Return,
    Vararg,
    Variable,
    body_of,
    declared_in,
    inside,
)

Key = str | int | float | bool
Statement = Local | Assign | Return | Do | Loop | NumberLoop


@dataclass(frozen=True, slots=True)
class Given:
    """What is given to one of several targets.

    Attributes:
        statement: The statement.
        target: The target, as it is written.
        value: The expression; None where there are fewer values than targets.
        result: Which one of its values, from 0.
        key: The key of the target, where that is a field; it may have to be evaluated.
    """

    statement: Statement
    target: str
    value: Node | None
    result: int = 0
    key: Node | None = None


def statements_at(function: Function, line: int) -> list[Statement]:
    """Return the statements of a function that a line is in, outer ones first."""
    found: list[Statement] = []
    for node in body_of(function):
        if isinstance(node, Statement) and node.line <= line <= end_of(node):
            found.append(node)
    return found


def end_of(statement: Node) -> int:
    """Return the last line of a statement, of a loop that of its head."""
    if isinstance(statement, Loop):
        return max(one.end for one in statement.values)
    if isinstance(statement, NumberLoop):
        return max(one.end for one in statement.bounds)
    return statement.end


def value_at(values: list[Node], place: int) -> tuple[Node | None, int]:
    """Return which of several expressions is the value of a place, and which result of it."""
    last = len(values) - 1
    if place < last or (place == last and not isinstance(values[place], Call | Vararg)):
        return values[place], 0
    if values and isinstance(values[last], Call | Vararg):
        return values[last], place - last
    return None, 0


def calls_in(node: Node | list[Node]) -> list[Call]:
    """Return the calls in an expression or statement, in the order in which they are made."""
    found: list[Call] = []

    def walk(one: object) -> None:
        if isinstance(one, list | tuple):
            for each in one:
                walk(each)
        elif isinstance(one, Node) and not isinstance(one, Function):
            for each in fields(one):
                if each.name not in ("body", "variables", "variable", "outer"):
                    walk(getattr(one, each.name))
            if isinstance(one, Call):
                found.append(one)

    walk(node)
    return found


def returns_at(function: Function, line: int) -> list[Return]:
    """Return the return statements of a function that a line is in."""
    return [one for one in statements_at(function, line) if isinstance(one, Return)]


def dotted(node: Node) -> str:
    """Return a global's name, with fields: `table.insert`; empty for what is none."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Index) and isinstance(node.key, Constant):
        owner = dotted(node.object)
        if owner and isinstance(node.key.value, bytes):
            return f"{owner}.{node.key.value.decode(errors='replace')}"
    return ""


def as_key(value: bool | int | float | bytes | str | None) -> Key | None:
    """Return a key as paths have it: texts as str, whole numbers as int."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def shown_path(path: tuple[Key, ...]) -> str:
    """Return keys as they are written behind a variable: `.items[3]`."""
    text = ""
    for key in path:
        if isinstance(key, str):
            is_name = key.isidentifier() and key.isascii()
            text += f".{key}" if is_name else f"[{json.dumps(key, ensure_ascii=False)}]"
        else:
            text += f"[{str(key).lower()}]"
    return text


def assigned(
    function: Function, line: int, name: str, variable: Variable | None
) -> Iterator[Given]:
    """Yield what a line's statements give to a variable, later ones first.

    Args:
        function: The function that the line is in.
        line: The line.
        name: The variable's name.
        variable: The variable, where it is known which.
    """
    for statement in reversed(statements_at(function, line)):
        if isinstance(statement, Local | Loop):
            for place, one in enumerate(statement.variables):
                if one.name == name and variable in (None, one):
                    value, result = value_at(statement.values, place)
                    if isinstance(statement, Loop):
                        value, result = statement.values[0], place
                    yield Given(statement, name, value, result)
        elif isinstance(statement, NumberLoop):
            if statement.variable.name == name and variable in (None, statement.variable):
                yield Given(statement, name, None)
        elif isinstance(statement, Assign):
            for place, target in enumerate(statement.targets):
                if isinstance(target, Name) and target.name == name:
                    if variable is not None and target.variable not in (None, variable):
                        continue
                    value, result = value_at(statement.values, place)
                    yield Given(statement, name, value, result)


def assigned_fields(function: Function, line: int) -> Iterator[tuple[Index, Given]]:
    """Yield what a line's statements give to fields of tables, later ones first."""
    for statement in reversed(statements_at(function, line)):
        if not isinstance(statement, Assign):
            continue
        for place, target in enumerate(statement.targets):
            if isinstance(target, Index):
                value, result = value_at(statement.values, place)
                yield target, Given(statement, "", value, result, target.key)


def assigned_at(statement: Statement) -> Iterator[tuple[Given, Node]]:
    """Yield what a statement gives to its targets, later ones first."""
    if isinstance(statement, Local):
        for place, one in reversed(list(enumerate(statement.variables))):
            value, result = value_at(statement.values, place)
            yield Given(statement, one.name, value, result), Name(one.name, one)
    elif isinstance(statement, Assign):
        for place, target in reversed(list(enumerate(statement.targets))):
            value, result = value_at(statement.values, place)
            yield Given(statement, "", value, result), target


def variable_of(function: Function, name: str, slot: int, line: int) -> Variable | None:
    """Return which variable a name means in a function at a line.

    Args:
        function: The function.
        name: The name.
        slot: Which of the function's active locals it is; 0 where it is none.
        line: The line that is about to run.
    """
    if slot:
        found = [one for one in declared_in(function, name) if one.slot == slot]
        before = [one for one in found if one.kind == "parameter" or one.by.line <= line]
        return next(iter((before or found)[-1:]), None)
    for node in inside(function.body):
        if (
            isinstance(node, Name)
            and node.name == name
            and node.variable is not None
            and node.variable.function is not function
        ):
            return node.variable
    return None
