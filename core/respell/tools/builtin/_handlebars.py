"""The Handlebars language: a tree and a context rendered.

It is rendered here because libraries for it run Python that they generate from the template.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field

from respell.errors import UsageError
from respell.tools.builtin._handlebars_syntax import (
    Block,
    Call,
    Literal,
    Node,
    Path,
    Piece,
    Text,
    Value,
    parse,
)
from respell.tools.builtin._rendering import joined, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def render(template: str, context: dict[str, Any]) -> str:
    """Return what a template renders.

    Args:
        template: Its text.
        context: Its variables.

    Raises:
        UsageError: The template is wrong, or needs what the context does not have.
    """
    scope = _Scope(context, data={"root": context})
    return joined(_rendered(parse(template), scope))


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a piece of a template stands.

    Attributes:
        value: The context: what `this` is.
        data: What `@…` means.
        names: Those that a block has given.
        outer: The scope around, which `../` leads to.
    """

    value: Any
    data: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    outer: _Scope | None = None

    def inner(self, value: Any, names: dict[str, Any], **data: Any) -> _Scope:
        """Return the scope of a block's body with another context."""
        return _Scope(value, {**self.data, **data}, {**self.names, **names}, self)


class _Missing:
    """What a path stands for that leads nowhere."""


_MISSING = _Missing()


def _rendered(pieces: list[Piece], scope: _Scope) -> Iterator[str]:
    for piece in pieces:
        match piece:
            case Text(text):
                yield text
            case Value():
                yield _value(piece, scope)
            case Block():
                yield from _block(piece, scope)


def _value(piece: Value, scope: _Scope) -> str:
    value = _resolved(piece.call, scope, piece.line)
    if value is _MISSING:
        name = _written(piece.call)
        what = f"the variable {name}" if piece.call.is_plain else f"what {name} leads to"
        raise _failed(f"{what[:200]} is not in the context", piece.line)
    text = shown(value)
    return _escaped(text) if piece.escaped else text


def _written(call: Call) -> str:
    return call.target.written if isinstance(call.target, Path) else "of the tag"


def _escaped(text: str) -> str:
    return html.escape(text).replace("`", "&#x60;").replace("=", "&#x3D;")


# Values -------------------------------------------------------------------------------------


def _resolved(node: Node, scope: _Scope, line: int) -> Any:
    match node:
        case Literal(value):
            return value
        case Path():
            return _found(node, scope)
    if node.is_plain and (isinstance(node.target, Literal) or _found_any(node.target, scope)):
        return _resolved(node.target, scope, line)
    name = node.target.written if isinstance(node.target, Path) else ""
    helper = _HELPERS.get(name)
    if helper is None:
        if node.is_plain:
            return _MISSING
        raise _failed(f"there is no helper {name[:100]}; there are {', '.join(_HELPERS)}", line)
    arguments = [_resolved(one, scope, line) for one in node.arguments]
    if not helper.least <= len(arguments) <= helper.most:
        raise _failed(f"the helper {name} takes {helper.wanted}, not {len(arguments)}", line)
    if _MISSING in arguments and name in _STRICT:
        raise _failed(f"a variable that {name} is given is not in the context", line)
    return helper.compute(*(None if one is _MISSING else one for one in arguments))


def _found_any(path: Path, scope: _Scope) -> bool:
    return _found(path, scope) is not _MISSING


def _found(path: Path, scope: _Scope) -> Any:
    for _ in range(path.up):
        if scope.outer is None:
            return _MISSING
        scope = scope.outer
    parts = path.parts
    if path.data:
        value: Any = scope.data
    elif parts and not path.here and not path.up and parts[0] in scope.names:
        value = scope.names
    else:
        value = scope.value
    for part in parts:
        value = _field(value, part)
    return value


def _field(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _MISSING)
    if isinstance(value, list):
        if part == "length":
            return len(value)
        if part.isdecimal() and len(part) < 10 and int(part) < len(value):
            return value[int(part)]
    return _MISSING


def _is_true(value: Any, *, zero: bool = False) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return not math.isnan(value) and (zero or value != 0)
    return value is not _MISSING and bool(value)


# Helpers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Helper:
    compute: Callable[..., Any]
    least: int
    most: int

    @property
    def wanted(self) -> str:
        if self.most == _MANY:
            return "one value or more"
        return "one value" if self.most == 1 else f"{self.most} values"


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Compare numbers with numbers and texts with texts; nothing else has an order."""

    def ordered(a: Any, b: Any) -> bool:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
        texts = all(isinstance(x, str) for x in (a, b))
        return (numbers or texts) and compare(a, b)

    return ordered


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | dict) else 0


_MANY = 100
_HELPERS = {
    "uppercase": _Helper(lambda value: shown(value).upper(), 1, 1),
    "lowercase": _Helper(lambda value: shown(value).lower(), 1, 1),
    "lookup": _Helper(
        lambda value, key: _field(value, key if isinstance(key, str) else shown(key)), 2, 2
    ),
    "len": _Helper(_length, 1, 1),
    "eq": _Helper(_same, 2, 2),
    "ne": _Helper(lambda a, b: not _same(a, b), 2, 2),
    "gt": _Helper(_ordered(lambda a, b: a > b), 2, 2),
    "gte": _Helper(_ordered(lambda a, b: a >= b), 2, 2),
    "lt": _Helper(_ordered(lambda a, b: a < b), 2, 2),
    "lte": _Helper(_ordered(lambda a, b: a <= b), 2, 2),
    "and": _Helper(lambda *values: all(map(_is_true, values)), 1, _MANY),
    "or": _Helper(lambda *values: any(map(_is_true, values)), 1, _MANY),
    "not": _Helper(lambda value: not _is_true(value), 1, 1),
}
_STRICT = frozenset({"uppercase", "lowercase", "len"})


# Blocks -------------------------------------------------------------------------------------


def _block(block: Block, scope: _Scope) -> Iterator[str]:
    name = _written(block.call)
    perform = _BLOCKS.get(name)
    if perform is None:
        raise _failed(
            f"there is no block {{{{#{name[:100]}}}}}; there are {', '.join(_BLOCKS)}", block.line
        )
    if len(block.call.arguments) != 1:
        raise _failed(f"{{{{#{name}}}}} takes one value", block.line)
    value = _resolved(block.call.arguments[0], scope, block.line)
    return perform(block, value, scope)


def _failed(reason: str, line: int) -> UsageError:
    return UsageError(f"Template rendering failed: {reason} (line {line})")


def _if(block: Block, value: Any, scope: _Scope) -> Iterator[str]:
    return _either(block, _condition(block, value, scope), scope)


def _unless(block: Block, value: Any, scope: _Scope) -> Iterator[str]:
    return _either(block, not _condition(block, value, scope), scope)


def _condition(block: Block, value: Any, scope: _Scope) -> bool:
    named = dict(block.call.named)
    zero = "includeZero" in named and _is_true(_resolved(named["includeZero"], scope, block.line))
    return _is_true(value, zero=zero)


def _either(block: Block, first: bool, scope: _Scope) -> Iterator[str]:
    return _rendered(block.body if first else block.otherwise or [], scope)


def _with(block: Block, value: Any, scope: _Scope) -> Iterator[str]:
    if not _is_true(value):
        return _nothing(block, value, scope)
    return _rendered(block.body, scope.inner(value, dict(zip(block.names, [value], strict=False))))


def _nothing(block: Block, value: Any, scope: _Scope) -> Iterator[str]:
    if value is _MISSING and block.otherwise is None:
        argument = block.call.arguments[0]
        name = argument.written if isinstance(argument, Path) else "given"
        raise _failed(f"the variable {name} is not in the context", block.line)
    return _rendered(block.otherwise or [], scope)


def _each(block: Block, value: Any, scope: _Scope) -> Iterator[str]:
    if not isinstance(value, list | dict) or not value:
        yield from _nothing(block, value, scope)
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for index, (key, item) in enumerate(items):
        names = dict(zip(block.names, (item, key), strict=False))
        data = {"index": index, "first": index == 0, "last": index == len(value) - 1, "key": key}
        yield from _rendered(block.body, scope.inner(item, names, **data))


_BLOCKS = {"if": _if, "unless": _unless, "each": _each, "with": _with}
