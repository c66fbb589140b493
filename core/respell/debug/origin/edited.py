"""Edits of a dry run or a fork: what somebody has set, or answered in the place of an effect."""

from __future__ import annotations

from collections.abc import Sequence

from respell.debug.edits import Edit, OutcomeEdit, VariableEdit
from respell.debug.origin.performed import Performed
from respell.debug.position import Position
from respell.debug.worker import as_text
from respell.values import json_line


class Edited:
    """Knows the edits of a session, those of a dry run as well as those that a fork began with.

    Args:
        edits: Those of the dry run.
        performed: The session's history, which has the others.
    """

    def __init__(self, edits: Sequence[Edit], performed: Performed) -> None:
        self._edits, self._performed = edits, performed
        self._variables: dict[Position, list[tuple[str, str]]] | None = None
        self._outcomes: set[int] = set()

    def variable(self, position: Position, name: str) -> str | None:
        """Return what a variable was set to at a position: a Lua expression; None if it wasn't."""
        for full, expression in self._read().get(position, ()):
            if full.partition(".")[0].partition("[")[0] == name:
                return f"{full} = {expression}"
        return None

    def has_outcome(self, number: int) -> bool:
        """Whether an event was given another outcome."""
        self._read()
        return number in self._outcomes

    def _read(self) -> dict[Position, list[tuple[str, str]]]:
        if self._variables is not None:
            return self._variables
        self._variables = {}
        for edit in self._edits:
            if isinstance(edit, VariableEdit):
                made = (edit.name, edit.expression)
                self._variables.setdefault(edit.position, []).append(made)
            elif isinstance(edit, OutcomeEdit):
                self._outcomes.add(edit.position.event)
        for args in self._performed.notes("edit.variable"):
            at = Position(self._performed.number_of(args["ordinal"]), args["steps"])
            given = as_text(args["lua"]) if "lua" in args else json_line(args.get("value"))
            made = (as_text(args["name"]), given)
            self._variables.setdefault(at, []).append(made)
        self._outcomes |= {args["number"] for args in self._performed.notes("edit.outcome")}
        return self._variables
