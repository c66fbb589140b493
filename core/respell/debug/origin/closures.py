"""Back from a variable of a function that has returned, which a closure still sees."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import Name, Variable
from respell.debug.origin.places import Place
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk, named


def of_upvalue(walk: Walk, asked: Asked, frame: Frame, variable: Variable) -> Next:
    """Go on at the end of the outer function, in the call that made the closure."""
    places = walk.places
    ends = places.ends_of(frame.source, variable, asked.place.position)
    node = Name(variable.name, variable)
    shown = named(variable.name, asked.path)
    known = asked.value
    fitting: list[Place] = []
    for place in ends:
        value = places.value(shown, place)
        if known is None or value is None or value.text == known.text:
            fitting.append(place)
    if len(fitting) == 1:
        return replace(asked, node=node, place=fitting[0], until=None, result=0)
    if not fitting:
        return walk.lost_at(
            asked, f"{shown} belongs to a function that has returned, in a call that is not known"
        )
    found = [
        walk.follow(shown, replace(asked, node=node, place=place, until=None, result=0))
        for place in fitting
    ]
    why = f"{shown} belongs to one of {len(fitting)} calls of a function that has returned"
    return replace(walk.at(asked, Origin("", None, "lost", lost=why)), sources=tuple(found))
