"""The nodes of a tree of Lua source. Lines are 1-based; `end` is the line of the last token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A part of the source.

    Attributes:
        line: Line of its first token.
        end: Line of its last token.
    """

    line: int = 0
    end: int = 0


@dataclass(slots=True, eq=False)
class Variable:
    """A local variable, where it is declared.

    Attributes:
        name: Its name.
        kind: How it came to be: a parameter, a local, or a loop's.
        function: The function whose local it is.
        slot: Which one of the function's active locals it is, from 1, as Lua counts them.
        by: The statement that declares it; the function itself for a parameter.
        place: Which one of the names of that statement, or of the parameters, from 0.
        sites: The statements that assign it later on.
    """

    name: str
    kind: Literal["local", "function", "parameter", "number loop", "loop"]
    function: Function
    slot: int
    by: Node
    place: int
    sites: list[Assign] = field(default_factory=list)


# Expressions ----------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Constant(Node):
    """nil, true, false, a number or a string."""

    value: bool | int | float | bytes | None


@dataclass(slots=True, eq=False)
class Vararg(Node):
    """`...`."""


@dataclass(slots=True, eq=False)
class Name(Node):
    """A name; `variable` is None for a global."""

    name: str
    variable: Variable | None


@dataclass(slots=True, eq=False)
class Index(Node):
    """`object.key` or `object[key]`."""

    object: Node
    key: Node


@dataclass(slots=True, eq=False)
class Call(Node):
    """`function(arguments)`; with a method's name `function` is the object."""

    function: Node
    arguments: list[Node]
    method: str | None = None


@dataclass(slots=True, eq=False)
class Table(Node):
    """`{…}`; an item without a key is the next one of the list."""

    items: list[tuple[Node | None, Node]]


@dataclass(slots=True, eq=False)
class Operation(Node):
    """An operator and its one or two operands."""

    operator: str
    operands: list[Node]


@dataclass(slots=True, eq=False)
class Parenthesis(Node):
    """`(inner)`: only the first value of it."""

    inner: Node


@dataclass(slots=True, eq=False)
class Function(Node):
    """A function's body; the script itself is one, defined at line 0.

    Attributes:
        defined: The line that Lua says it is defined at.
        outer: The function that it is in.
        parameters: Its parameters; a method's `self` among them.
        is_vararg: Whether it takes `...`.
        body: Its statements.
    """

    defined: int
    outer: Function | None
    parameters: list[Variable] = field(default_factory=list)
    is_vararg: bool = False
    body: list[Node] = field(default_factory=list)


# Statements -----------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Local(Node):
    """`local names = values`; of `local function` the value is the function."""

    variables: list[Variable]
    values: list[Node]


@dataclass(slots=True, eq=False)
class Assign(Node):
    """`targets = values`; `function a.b()` is one too."""

    targets: list[Node]
    values: list[Node]


@dataclass(slots=True, eq=False)
class Do(Node):
    """A call as a statement."""

    call: Node


@dataclass(slots=True, eq=False)
class Return(Node):
    """`return values`."""

    values: list[Node]


@dataclass(slots=True, eq=False)
class Block(Node):
    """do, while, repeat or if: conditions, and what they are about."""

    conditions: list[Node]
    body: list[Node]


@dataclass(slots=True, eq=False)
class NumberLoop(Node):
    """`for variable = first, last, step`."""

    variable: Variable
    bounds: list[Node]
    body: list[Node]


@dataclass(slots=True, eq=False)
class Loop(Node):
    """`for variables in values`."""

    variables: list[Variable]
    values: list[Node]
    body: list[Node]


class Source:
    """A source, and what is to be found in it.

    Attributes:
        main: The script itself.
        functions: All functions in it, the script first, outer ones before inner ones.
    """

    def __init__(self, main: Function, functions: list[Function]) -> None:
        self.main = main
        self.functions = functions

    def functions_at(self, defined: int) -> list[Function]:
        """Return the functions that are defined at a line; 0 for the script itself."""
        return [one for one in self.functions if one.defined == defined]


def inside(node: Any, *, functions: bool = False) -> Iterator[Node]:
    """Yield a node and every node in it, outer ones first.

    Args:
        node: A node, or a list of them.
        functions: Whether to go into functions.
    """
    if isinstance(node, list | tuple):
        for one in node:
            yield from inside(one, functions=functions)
    elif isinstance(node, Node):
        yield node
        if isinstance(node, Function) and not functions:
            return
        for one in fields(node):
            value = getattr(node, one.name)
            if one.name != "outer" and isinstance(value, Node | list):
                yield from inside(value, functions=functions)


def declared_in(function: Function, name: str) -> list[Variable]:
    """Return the locals of a function that have a name, in the order of their declarations."""
    found = [one for one in function.parameters if one.name == name]
    for node in body_of(function):
        if isinstance(node, Local | Loop):
            found += [one for one in node.variables if one.name == name]
        elif isinstance(node, NumberLoop) and node.variable.name == name:
            found.append(node.variable)
    return found


def body_of(function: Function) -> Iterator[Node]:
    """Yield every node in a function, without those in functions inside of it."""
    return inside(function.body)
