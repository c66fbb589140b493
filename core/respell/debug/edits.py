"""Edits: what was made different at positions of a session, to see what would have come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from respell import values
from respell.debug.position import Position
from respell.history.record import Part, Record, Status
from respell.times import now_us

_SHOWN = 120  # characters of a value


@dataclass(frozen=True, slots=True)
class VariableEdit:
    """A variable or field that is set at a position.

    Attributes:
        position: Where.
        ordinal: The how-manieth event of the script that position's event is; 0 for the start.
        name: What is set: a variable, with fields where need be (`config.retries`, `list[3]`).
        expression: The Lua expression that it is set to, computed where the variable is.
        frame: Whose it is: 0 for the function that runs, 1 for the one that called it, ….
        coroutine: In which coroutine that is; None for the one that runs.
        old: What it was, as shown.
        new: What it was set to, as shown.
    """

    position: Position
    ordinal: int
    name: str
    expression: str
    frame: int = 0
    coroutine: int | None = None
    old: str = ""
    new: str = ""

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.position}  {self.name} = {self.expression}  (was {self.old})"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "kind": "variable", "position": str(self.position), "name": self.name,
            "expression": self.expression, "frame": self.frame, "old": self.old, "new": self.new,
        }  # fmt: skip

    def for_worker(self, number: int) -> dict[str, Any]:
        """Return it as the worker takes it (lua/edits.lua); it reports the number when done."""
        more = {} if self.coroutine is None else {"coroutine": self.coroutine}
        return {
            "ordinal": self.ordinal, "steps": self.position.steps, "name": self.name,
            "lua": self.expression, "frame": self.frame, "id": number, **more,
        }  # fmt: skip

    def note(self) -> Record:
        """Return the note that a fork's history has of it."""
        return _note("edit.variable", {k: v for k, v in self.for_worker(0).items() if k != "id"})


@dataclass(frozen=True, slots=True)
class OutcomeEdit:
    """Another outcome of an event, or one for an event that was never recorded.

    Attributes:
        position: Where the script gets it.
        ordinal: The how-manieth event of the script it is.
        name: The effect's name.
        outcome: The value it ends with.
        error: The text of the error it ends with instead; None for a value.
        old: What it ended with, as shown; empty where it had not ended.
    """

    position: Position
    ordinal: int
    name: str
    outcome: Any = None
    error: str | None = None
    old: str = ""

    @property
    def status(self) -> Status:
        """How the event ends."""
        return Status.OK if self.error is None else Status.ERROR

    @property
    def encoded(self) -> bytes:
        """Canonical bytes of the value, or of the error's text."""
        return values.encode(self.outcome if self.error is None else self.error)

    @property
    def meta(self) -> bytes:
        """Canonical metadata of the record."""
        failed = {} if self.error is None else {"error": "EffectFailed"}
        return values.encode({"edited": True, **failed})

    def applied(self, record: Record) -> Record:
        """Return a record that ends like this."""
        return replace(record.with_outcome(self.status, self.encoded), meta=self.meta)

    def describe(self) -> str:
        """Return it in one line."""
        was = f"  (was {self.old})" if self.old else ""
        return f"{self.position}  {self.name} {self._shown()}{was}"

    def _shown(self) -> str:
        if self.error is not None:
            return f"failed: {self.error}"
        return f"-> {shown(self.outcome)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "kind": "outcome", "position": str(self.position), "event": self.position.event,
            "name": self.name, "outcome": values.to_json(self.outcome), "error": self.error,
            "old": self.old or None,
        }  # fmt: skip

    def note(self) -> Record:
        """Return the note that a fork's history has of it."""
        told = {"outcome": self.outcome} if self.error is None else {"error": self.error}
        return _note("edit.outcome", {"number": self.position.event, **told})


@dataclass(frozen=True, slots=True)
class ScriptEdit:
    """Another script to go on with.

    Attributes:
        position: From here on it is the script's; before, it must ask for the same.
        source: Its text.
        path: Its path, as shown to people; empty for a text without file.
        was: Hash of the script before, in hexadecimal digits.
    """

    position: Position
    source: bytes
    path: str = ""
    was: str = ""

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.position}  script {self.path or 'edited'} ({len(self.source)} bytes)"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "kind": "script", "position": str(self.position), "path": self.path or None,
            "script_hash": blake3(self.source).hexdigest(),
        }  # fmt: skip

    def note(self) -> Record:
        """Return the note that a fork's history has of it."""
        return _note("edit.script", {"script": blake3(self.source).digest(), "was": self.was})


Edit = VariableEdit | OutcomeEdit | ScriptEdit


def shown(value: Any) -> str:
    """Return a value for people, in one line."""
    text = values.json_line(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _note(name: str, args: dict[str, Any]) -> Record:
    return Record(Part.NOTE, 0, name=name, status=Status.OK, at=now_us(), args=values.encode(args))


def together(edits: Sequence[Edit], more: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return edits and further ones: an event's later outcome takes the place of its earlier."""
    before = {one.ordinal: one for one in edits if isinstance(one, OutcomeEdit)}
    made = [
        replace(one, old=before[one.ordinal].old)
        if isinstance(one, OutcomeEdit) and one.ordinal in before
        else one
        for one in more
    ]
    again = {one.ordinal for one in made if isinstance(one, OutcomeEdit)}
    kept = [one for one in edits if not (isinstance(one, OutcomeEdit) and one.ordinal in again)]
    return (*kept, *made)
