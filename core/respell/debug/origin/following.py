"""Follows a value back to the effect, or the line of the script, that it came from.

What a line does with values is read in the source; which line it was, and what values were there,
is found by executing again.
"""

from __future__ import annotations

from collections.abc import Sequence

from respell.debug.edits import Edit
from respell.debug.expressions import state_key
from respell.debug.inspecting import Frame
from respell.debug.lua_source.tree import (
    Call,
    Constant,
    Index,
    Name,
    Operation,
    Parenthesis,
    Table,
    Vararg,
)
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import calling, computing, effects, variables
from respell.debug.origin.edited import Edited
from respell.debug.origin.performed import Performed
from respell.debug.origin.places import Place, Places
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import MOST_STEPS, Asked, Next, Walk, constant, lost, read
from respell.debug.over_time import OverTime


class Following:
    """Answers for the place where the debugger stands, which it leaves as it is."""

    def __init__(
        self, places: Places, over_time: OverTime, performed: Performed, edits: Sequence[Edit]
    ) -> None:
        self._places, self._over_time, self._performed = places, over_time, performed
        self._edited = Edited(edits, performed)

    def origin(self, expression: str, frame: Frame | int, most: int = MOST_STEPS) -> Origin:
        """Return where the value of an expression came from (see `Debugger.origin`)."""
        walk = Walk(self._places, self._over_time, self._performed, self._edited, _next, most)
        key = state_key(expression)
        node = read(expression) if key is None else None
        with self._places.away():
            stop = self._places.began
            if node is None:
                return effects.of_state(walk, expression, key or "", stop)
            place = (
                Place(stop.position, frame)
                if isinstance(frame, int)
                else Place(stop.position, frame.index, frame.coroutine)
            )
            value = None
            if not self._places.is_after_end(stop.position):
                value = self._places.value(expression, place)
            return walk.follow(expression, Asked(node, place, value=value))


def _next(walk: Walk, asked: Asked) -> Next:
    """Return what is asked for next, or where it came from."""
    node = asked.node
    if isinstance(node, Constant):
        if asked.path:
            return lost(f"{text_of(node)} has no fields of its own")
        return walk.at(asked, constant())
    if isinstance(node, Name):
        return variables.of_name(walk, asked, node)
    if isinstance(node, Index):
        return computing.of_index(walk, asked, node)
    if isinstance(node, Operation):
        return computing.of_operation(walk, asked, node)
    if isinstance(node, Parenthesis):
        return computing.of_parenthesis(asked, node)
    if isinstance(node, Table):
        return computing.of_table(walk, asked, node)
    if isinstance(node, Vararg):
        return calling.of_vararg(walk, asked)
    if isinstance(node, Call):
        return calling.of_call(walk, asked, node)
    return walk.at(asked, constant("a function that begins there"))
