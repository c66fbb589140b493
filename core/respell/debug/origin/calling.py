"""Back through a call: of the script's functions, of a library's, or of an effect."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.lua_source.tree import Call, Constant, Index, Node
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import computing, coroutines, effects, passing
from respell.debug.origin.places import CALLED_TABLE
from respell.debug.origin.statements import as_key, calls_in, dotted, value_at
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk, constant, plain

_MOST_ITEMS = 12  # of a list that becomes a text
_RANDOM = ("math.random",)


def of_vararg(walk: Walk, asked: Asked) -> Next:
    """Go on with what was passed in the place of `...`."""
    frame = walk.places.frame(asked.place)
    if not frame.defined:
        return Origin("", None, "given", note=f"argument {asked.result + 1} of the script", event=1)
    entry = walk.places.entry(frame, asked.place.position)
    if entry is None:
        return walk.lost_at(asked, f"where {frame.name} was entered is not known")
    entered = walk.places.stack(entry)[0]
    number = frame.params + asked.result
    return passing.of_argument(walk, asked, entered, f"...[{asked.result + 1}]", number, entry)


def of_call(walk: Walk, asked: Asked, node: Call) -> Next:
    """Go on with what a call gave."""
    name = "" if node.method else dotted(node.function)
    shown = walk.places.function_of(node, asked.place)
    if "<" in shown:
        return passing.of_script_function(walk, asked, node, shown)
    if shown == CALLED_TABLE:
        entries = walk.places.calls(asked.place, asked.until) if asked.until else []
        called = {walk.places.function_of(one, asked.place) for one in calls_in(node)[:-1]}
        if entries and entries[-1].function not in called:
            return passing.into(walk, asked, text_of(node.function), entries, entries[-1])
    found = _of_library(walk, asked, node, name)
    if found is not None:
        return found
    found = effects.of_call(walk, asked, node, name)
    if found is not None:
        return found
    if name == "require" and asked.until is not None:
        entries = walk.places.calls(asked.place, asked.until)
        if entries:
            return passing.into(walk, asked, text_of(node), entries, entries[-1])
    if coroutines.is_wrapped(walk, node, asked.place):
        found = coroutines.of_given(walk, asked, asked.result)
        if found is not None:
            return found
    nodes = list(node.arguments)
    if node.method or not name:
        nodes.insert(0, node.function)
    if name in _RANDOM:
        return walk.at(asked, Origin("", None, "computed", note=f"what {text_of(node)} gave"))
    if not node.arguments and not node.method:
        return walk.lost_at(asked, f"what {text_of(node)} gave is not known")
    return computing.sources(walk, asked, nodes, f"`{text_of(node)}`")


def _of_library(walk: Walk, asked: Asked, node: Call, name: str) -> Next | None:
    """Go on where a library's function hands on what it is given; None for others."""
    arguments, number = node.arguments, asked.result
    if name in ("pcall", "xpcall") and arguments:
        if number == 0:
            return walk.at(asked, constant(f"whether {text_of(arguments[0])} raised no error"))
        rest = arguments[1 if name == "pcall" else 2 :]
        inner = Call(arguments[0], rest, line=node.line, end=node.end)
        return replace(asked, node=inner, result=number - 1)
    if name == "coroutine.resume":
        if number == 0:
            return walk.at(asked, constant("whether the coroutine raised no error"))
        return coroutines.of_given(walk, asked, number - 1) or walk.lost_at(
            asked, "the coroutine gave nothing there"
        )
    if name == "coroutine.yield":
        return coroutines.of_yield(walk, asked)
    if name == "assert":
        return _one_of(walk, asked, arguments, number)
    if name == "select" and arguments:
        chosen = as_key(plain(walk.places.value(text_of(arguments[0]), asked.place)))
        if isinstance(chosen, int) and chosen > 0:
            return _one_of(walk, asked, arguments[1:], chosen - 1 + number)
        return None
    if name in ("table.unpack", "unpack") and arguments:
        first = 1 if len(arguments) < 2 else walk.key(arguments[1], asked.place)
        if isinstance(first, int):
            path = (first + number, *asked.path)
            return replace(asked, node=arguments[0], path=path, result=0)
        return None
    return _of_table_library(walk, asked, node, name)


def _one_of(walk: Walk, asked: Asked, nodes: list[Node], number: int) -> Next:
    given, result = value_at(nodes, number)
    if given is None:
        return walk.lost_at(asked, f"there is no value {number + 1}")
    return replace(asked, node=given, result=result)


def _of_table_library(walk: Walk, asked: Asked, node: Call, name: str) -> Next | None:
    """Go on with an item of a table that a library's function gave."""
    arguments = node.arguments
    if name == "setmetatable" and arguments:
        return replace(asked, node=arguments[0], result=0)
    if name == "rawget" and len(arguments) > 1:
        return replace(asked, node=Index(*arguments[:2], line=node.line), result=0)
    if name == "table.remove" and arguments:
        text = text_of(arguments[1]) if len(arguments) > 1 else f"#{text_of(arguments[0])}"
        key = as_key(plain(walk.places.value(text, asked.place)))
        if key is None:
            return None
        return replace(asked, node=arguments[0], until=None, path=(key, *asked.path), result=0)
    if name == "table.concat" and arguments and not isinstance(arguments[0], Call):
        table = text_of(arguments[0])
        length = plain(walk.places.value(f"#{table}", asked.place))
        if isinstance(length, int) and 0 < length <= _MOST_ITEMS:
            items: list[Node] = [
                Index(arguments[0], Constant(i), line=node.line) for i in range(1, length + 1)
            ]
            return computing.sources(walk, asked, items, f"`{text_of(node)}`")
    return None
