"""Arithmetic expressions: read into a tree, within limits, and calculated in floats.

From the tightest to the loosest: `^` (from the right), a sign or `!` before a value, `%`, `/`,
`*`, `-`, `+`, comparisons, `&&` (`and`), `||` (`or`). Truth is 1.0 and 0.0.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from respell.errors import UsageError
from respell.tools.builtin._arithmetic import (
    BINARY,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    Function,
)
from respell.tools.parameters import shortened

MAX_CHARACTERS = 1000
MAX_NESTING = 20
MAX_OPERATORS = 100
MAX_CALLS = 50
MAX_NAMES = 50

SUFFIXES = {
    "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12,
}  # fmt: skip

_LOOSEST = 1
_LEVELS = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(COMPARISONS, 3),
    "+": 4,
    "-": 5,
    "*": 6,
    "/": 7,
    "%": 8,
    "^": 10,
}
_SIGN_LEVEL = 9  # so that -2^2 is -4, as on paper and in Lua
_FROM_THE_RIGHT = 10
_WORDS = {"and": "&&", "or": "||"}
_CLOSING = {"(": ")", "[": "]"}

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|[pnuµμmkKMGT](?![A-Za-z_0-9]))?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%^<>!(),\[\]])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or a constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    function: Function
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign, or `!`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands."""

    operator: str
    left: Node
    right: Node


Node = Number | Name | Call | Unary | Binary


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int  # counted from 1


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        UsageError: It is none, or beyond a limit; says where.
    """
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"the expression has {len(text)} characters; at most {MAX_CHARACTERS} are allowed"
        )
    return _Parser(text).whole()


def names(node: Node) -> Iterator[str]:
    """Return the names of variables and constants, in order, each as often as it occurs."""
    for one in nodes(node):
        if isinstance(one, Name):
            yield one.name


def nodes(node: Node) -> Iterator[Node]:
    """Return a node and all below it."""
    yield node
    match node:
        case Call(arguments=arguments):
            below = arguments
        case Unary(operand=operand):
            below = (operand,)
        case Binary(left=left, right=right):
            below = (left, right)
        case _:
            below = ()
    for one in below:
        yield from nodes(one)


def check_names(node: Node, variables: Mapping[str, object]) -> None:
    """Do nothing if every name is known.

    Raises:
        UsageError: One is not; names what there is.
    """
    for name in names(node):
        if name not in CONSTANTS or name in variables:
            _number(name, variables)


def _number(name: str, variables: Mapping[str, object]) -> float:
    value = variables.get(name, CONSTANTS.get(name))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if value is not None:
        raise UsageError(f"the variable {shortened(name)} is not a number")
    known = [*variables, *CONSTANTS, *FUNCTIONS]
    if name in FUNCTIONS:
        raise UsageError(f"{name} is a function and needs its arguments, as in {name}(…)")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    shown = ", ".join(variables) or "none"
    raise UsageError(f"there is no variable {shortened(name)}{hint} Given are: {shortened(shown)}")


# Calculating --------------------------------------------------------------------------------


class Calculation:
    """One evaluation of a tree.

    Args:
        variables: Names and what they stand for; only those the expression uses have to be
            numbers.

    Attributes:
        steps: How many nodes were evaluated.
    """

    def __init__(self, variables: Mapping[str, object]) -> None:
        self._variables = variables
        self.steps = 0

    def value(self, node: Node) -> float:
        """Return what a tree comes to; infinite or NaN where arithmetic says so.

        Raises:
            UsageError: A name is not known.
        """
        self.steps += 1
        match node:
            case Number(value):
                return value
            case Name(name):
                return _number(name, self._variables)
            case Call(_, function, arguments):
                return function.compute(*map(self.value, arguments))
            case Unary("!", operand):
                return float(self.value(operand) == 0)
            case Unary(operator, operand):
                return self.value(operand) * (-1.0 if operator == "-" else 1.0)
            case Binary("&&", left, right):
                return float(self.value(left) != 0 and self.value(right) != 0)
            case Binary("||", left, right):
                return float(self.value(left) != 0 or self.value(right) != 0)
            case Binary(operator, left, right):
                return BINARY[operator](self.value(left), self.value(right))


# Reading ------------------------------------------------------------------------------------


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self._counts = {"operators": 0, "function calls": 0}
        self._names: set[str] = set()

    def whole(self) -> Node:
        node = self._expression(_LOOSEST)
        token = self._peek()
        if token.kind != "end":
            raise _unexpected(token, "an operator or the end")
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token

    def _count(self, what: str, most: int) -> None:
        self._counts[what] += 1
        if self._counts[what] > most:
            raise UsageError(f"the expression has more than {most} {what}")

    def _expression(self, loosest: int) -> Node:
        left = self._operand()
        while True:
            operator = _operator(self._peek())
            level = _LEVELS.get(operator, 0)
            if level < loosest:
                return left
            self._take()
            self._count("operators", MAX_OPERATORS)
            right = self._expression(level if level == _FROM_THE_RIGHT else level + 1)
            left = Binary(operator, left, right)

    def _operand(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Number(_float(token.text))
        if token.kind == "name" and token.text not in _WORDS:
            return self._named(token)
        if token.text in ("+", "-", "!"):
            self._count("operators", MAX_OPERATORS)
            return Unary(token.text, self._expression(_SIGN_LEVEL))
        if token.text in _CLOSING:
            (node,) = self._inside(token, exactly_one=True)
            return node
        raise _unexpected(token, "a number, a name or a parenthesis")

    def _named(self, token: _Token) -> Node:
        name = token.text
        if self._peek().text not in _CLOSING:
            self._names.add(name)
            if len(self._names) > MAX_NAMES:
                raise UsageError(f"the expression has more than {MAX_NAMES} different names")
            return Name(name)
        self._count("function calls", MAX_CALLS)
        function = FUNCTIONS.get(name)
        if function is None:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(
                f"there is no function {shortened(name)} (at {token.at}){hint} "
                f"Known are: {', '.join(FUNCTIONS)}"
            )
        arguments = self._inside(self._take(), exactly_one=False)
        if not function.least <= len(arguments) <= function.most:
            raise UsageError(
                f"{name} (at {token.at}) takes {function.arguments}, not {len(arguments)}"
            )
        return Call(name, function, tuple(arguments))

    def _inside(self, opening: _Token, *, exactly_one: bool) -> list[Node]:
        """Return the expressions up to the closing parenthesis."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise UsageError(
                f"the expression nests deeper than {MAX_NESTING} levels (at {opening.at})"
            )
        closing = _CLOSING[opening.text]
        found: list[Node] = []
        if exactly_one or self._peek().text != closing:
            found.append(self._expression(_LOOSEST))
            while not exactly_one and self._peek().text == ",":
                self._take()
                found.append(self._expression(_LOOSEST))
        token = self._take()
        if token.text != closing or token.kind == "end":
            raise _unexpected(token, f"{closing} for the {opening.text} at {opening.at}")
        self._depth -= 1
        return found


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise UsageError(f"the sign {text[at]!r} (at {at + 1}) means nothing in an expression")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), at + 1)
        at = found.end()
    yield _Token("end", "", len(text) + 1)


def _operator(token: _Token) -> str:
    return _WORDS.get(token.text, token.text)


def _float(text: str) -> float:
    power = SUFFIXES.get(text[-1])
    return float(text) if power is None else float(f"{text[:-1]}e{power}")


def _unexpected(token: _Token, wanted: str) -> UsageError:
    found = "the expression ends" if token.kind == "end" else f"there is {shortened(token.text)!r}"
    return UsageError(f"{found} (at {token.at}) where {wanted} should be")
