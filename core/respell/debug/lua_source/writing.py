"""Expressions as text again: to be evaluated, and to be shown."""

from __future__ import annotations

from respell.debug.lua_source.tree import (
    Call,
    Constant,
    Function,
    Index,
    Name,
    Node,
    Operation,
    Parenthesis,
    Table,
    Vararg,
)

_BINDS = {
    "or": 1, "and": 2, "<": 3, ">": 3, "<=": 3, ">=": 3, "~=": 3, "==": 3, "|": 4, "~": 5, "&": 6,
    "<<": 7, ">>": 7, "..": 9, "+": 10, "-": 10, "*": 11, "/": 11, "//": 11, "%": 11, "^": 14,
}  # fmt: skip
_UNARY = 12
_LETTERS = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"',
            92: "\\\\"}  # fmt: skip
_FIRST_PRINTABLE, _FIRST_BEYOND = 32, 127


def text_of(node: Node) -> str:
    """Return the text of an expression; a function's body is left out."""
    if isinstance(node, Constant):
        return _constant(node.value)
    if isinstance(node, Vararg):
        return "..."
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Index):
        return f"{_prefix(node.object)}{_key(node.key)}"
    if isinstance(node, Call):
        method = f":{node.method}" if node.method else ""
        return f"{_prefix(node.function)}{method}({', '.join(map(text_of, node.arguments))})"
    if isinstance(node, Parenthesis):
        return f"({text_of(node.inner)})"
    if isinstance(node, Table):
        items = (text_of(v) if k is None else f"{_field(k)} = {text_of(v)}" for k, v in node.items)
        return f"{{{', '.join(items)}}}"
    if isinstance(node, Operation):
        return _operation(node)
    assert isinstance(node, Function)
    return f"function({', '.join(one.name for one in node.parameters)}) … end"


def _operation(node: Operation) -> str:
    operator, operands = node.operator, node.operands
    if len(operands) == 1:
        space = " " if operator == "not" else ""
        return f"{operator}{space}{_operand(operands[0], _UNARY)}"
    binds = _BINDS[operator]
    right_first = operator in ("..", "^")
    left = _operand(operands[0], binds + right_first)
    return f"{left} {operator} {_operand(operands[1], binds + (not right_first))}"


def _operand(node: Node, least: int) -> str:
    text = text_of(node)
    if not isinstance(node, Operation):
        return text
    binds = _BINDS[node.operator] if len(node.operands) > 1 else _UNARY
    return text if binds >= least else f"({text})"


def _prefix(node: Node) -> str:
    text = text_of(node)
    return text if isinstance(node, Name | Index | Call | Parenthesis) else f"({text})"


def _key(node: Node) -> str:
    name = _as_name(node)
    return f".{name}" if name else f"[{text_of(node)}]"


def _field(node: Node) -> str:
    return _as_name(node) or f"[{text_of(node)}]"


def _as_name(node: Node) -> str:
    if isinstance(node, Constant) and isinstance(node.value, bytes):
        text = node.value.decode(errors="replace")
        if text.isidentifier() and text.isascii():
            return text
    return ""


def _constant(value: bool | int | float | bytes | None) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return "1e999" if value > 0 else "-1e999"
        return repr(value)
    return f'"{"".join(map(_byte, value))}"'


def _byte(code: int) -> str:
    if code in _LETTERS:
        return _LETTERS[code]
    if _FIRST_PRINTABLE <= code < _FIRST_BEYOND:
        return chr(code)
    return f"\\x{code:02x}"
