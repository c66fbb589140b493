"""Back through expressions: fields, constructors, operators, and what several values make."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.inspecting import Value
from respell.debug.lua_source.tree import (
    Assign,
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
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import passing
from respell.debug.origin.statements import calls_in, shown_path
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk, constant, cut

_MOST_SOURCES = 12  # of one computation
_MOST_ROUNDS = 100  # of one that goes on with what it came to, as in a loop


def of_parenthesis(asked: Asked, node: Parenthesis) -> Next:
    """Go on with what is inside."""
    return replace(asked, node=node.inner, result=0)


def of_index(walk: Walk, asked: Asked, node: Index) -> Next:
    """Go on with the table, and the key behind it."""
    key = walk.key(node.key, asked.place)
    if key is None:
        return walk.lost_at(asked, f"the key {text_of(node.key)} is not known here")
    class_ = _inherited(walk, asked, node)
    if isinstance(class_, Origin | Asked):
        return class_
    owner = class_ or node.object
    return replace(asked, node=owner, path=(key, *asked.path), result=0)


def _inherited(walk: Walk, asked: Asked, node: Index) -> Node | Next | None:
    """Return what answers for a key in the place of a table that has none; None for nothing."""
    owner, key = text_of(node.object), text_of(node.key)
    if any(isinstance(one, Call) for one in (node.object, node.key)):
        return None
    value = walk.places.value(owner, asked.place)
    if value is None or not value.has_metatable:
        return None
    raw = walk.places.value(f"rawget({owner}, {key})", asked.place)
    there = walk.places.value(f"{owner}[{key}]", asked.place)
    if raw is None or raw.type != "nil" or there is None or there.type == "nil":
        return None
    name = walk.places.name_of(f"getmetatable({owner}).__index", asked.place)
    if name is not None:
        return Name(name, None)
    entries = walk.places.calls(asked.place, asked.until) if asked.until is not None else []
    if entries and asked.statement is not None and not calls_in(asked.statement):
        return passing.into(walk, asked, "__index", entries, entries[-1])
    return walk.lost_at(asked, f"the metatable of {owner} (__index) answers for {text_of(node)}")


def of_table(walk: Walk, asked: Asked, node: Table) -> Next:
    """Go on with the item that is asked for."""
    if not asked.path:
        items = [value for _, value in node.items]
        return sources(walk, asked, items, "a table is made there")
    wanted, index = asked.path[0], 0
    found: Node | None = None
    result = 0  # of a call at the end of the list
    for place, (key, value) in enumerate(node.items):
        if key is not None:
            if walk.key(key, asked.place) == wanted:
                found, result = value, 0
            continue
        index += 1
        several = place == len(node.items) - 1 and isinstance(value, Call | Vararg)
        if isinstance(wanted, int) and (index == wanted or (several and wanted > index)):
            found, result = value, int(wanted - index)
    if found is None:
        return walk.lost_at(asked, f"the table made there has no {shown_path((wanted,))}")
    return replace(asked, node=found, path=asked.path[1:], result=result)


def of_operation(walk: Walk, asked: Asked, node: Operation) -> Next:
    """Go on with the operand whose value it is, or with each of several."""
    if node.operator not in ("and", "or"):
        made = _by_metamethod(walk, asked, node)
        if made is not None:
            return made
        return sources(walk, asked, list(node.operands), f"`{text_of(node)}`")
    left, right = node.operands
    first = walk.places.value(text_of(left), asked.place)
    if first is None:
        return _unknown_choice(walk, asked, node)
    true = first.type != "nil" and first.text != "false"
    return replace(asked, node=right if true == (node.operator == "and") else left, result=0)


def _by_metamethod(walk: Walk, asked: Asked, node: Operation) -> Next | None:
    """Go on in the metamethod that an operator called; None where none did."""
    values = [walk.places.value(text_of(one), asked.place) for one in node.operands]
    if not any(one is not None and one.has_metatable for one in values):
        return None
    entries = walk.places.calls(asked.place, asked.until) if asked.until is not None else []
    called = {walk.places.function_of(one, asked.place) for one in calls_in(node)}
    if entries and entries[-1].function not in called:
        return passing.into(walk, asked, f"the metamethod of {node.operator}", entries, entries[-1])
    if asked.path:
        return walk.lost_at(asked, f"a metamethod made `{text_of(node)}`")
    return None


def _unknown_choice(walk: Walk, asked: Asked, node: Operation) -> Next:
    """Go on where the first operand can't be computed again, as it asks for an effect."""
    left, right = node.operands
    if node.operator == "and":
        falsy = asked.value is not None and asked.value.text in ("nil", "false")
        return replace(asked, node=left if falsy else right, result=0)
    second = walk.places.value(text_of(right), asked.place)
    if second is not None and asked.value is not None and second.text == asked.value.text:
        return sources(walk, asked, [left, right], f"`{text_of(node)}`")
    return replace(asked, node=left, result=0)


def sources(walk: Walk, asked: Asked, nodes: list[Node], what: str) -> Next:
    """Go on with what something was computed from: one thing, or each of several."""
    varying = [one for one in nodes if not is_fixed(one)]
    if not varying:
        return walk.at(asked, constant(what))
    if len(varying) == 1:
        return replace(asked, node=varying[0], path=(), result=0, value=None, same=False)
    made = walk.at(asked, Origin("", None, "computed", note=cut(what)))
    several = varying[:_MOST_SOURCES]
    came: dict[int, tuple[Origin, ...]] = {}
    # What the last round of a loop came to has a long way back: the others first.
    for number, one in sorted(enumerate(several), key=lambda it: _goes_on(asked, it[1])):
        came[number] = _source(walk, asked, one, made)
    found = list(dict.fromkeys(one for number in sorted(came) for one in came[number]))
    more = len(varying) - _MOST_SOURCES
    lost = f"{more} more are not followed" if more > 0 else None
    return replace(made, sources=tuple(found[-_MOST_ROUNDS:]), lost=lost)


def _goes_on(asked: Asked, node: Node) -> bool:
    """Whether an operand is what the statement assigns, as in `n = n + 1`."""
    targets = asked.statement.targets if isinstance(asked.statement, Assign) else []
    return text_of(node) in [text_of(one) for one in targets]


def _source(walk: Walk, asked: Asked, node: Node, made: Origin) -> tuple[Origin, ...]:
    """Return where one of several came from; of rounds of the same line all of them."""
    text = text_of(node)
    value = walk.places.value(text, asked.place)
    question = replace(asked, node=node, path=(), result=0, value=value, same=True)
    found = walk.follow(cut(text), question)
    is_round = found.kind == "computed" and (found.source, found.line) == (made.source, made.line)
    return found.sources if is_round and found.sources else (found,)


def is_fixed(node: Node) -> bool:
    """Whether an expression is the same at all times."""
    if isinstance(node, Operation):
        return all(is_fixed(one) for one in node.operands)
    if isinstance(node, Parenthesis):
        return is_fixed(node.inner)
    if isinstance(node, Table):
        return all(is_fixed(value) for _, value in node.items)
    return isinstance(node, Constant | Function)


def is_true(value: Value | None) -> bool | None:
    """Whether a value counts as true; None where it is not known."""
    return None if value is None else value.type != "nil" and value.text != "false"
