"""What was really written by effects that hooks in Python were around.

Such an effect has its intent, with the script's arguments, and its outcome, with what hooks made
of it, in records of their own; what hooks made of the arguments, and what came of performing it,
is in the notes between them.
"""

from __future__ import annotations

from dataclasses import replace

from respell import values
from respell.engine.attempts import PERFORMED, STAGE
from respell.history.record import Part, Record, Status
from respell.hooks.records import BESIDE


class WrittenApart:
    """Reads a history, record by record, and puts each such write to the store together."""

    def __init__(self) -> None:
        self._intents: dict[int, Record] = {}
        self._beside: dict[int, Record] = {}  # operations that hooks had performed besides

    def next(self, record: Record) -> Record | None:
        """Return the effect whose change of the store a record tells of, all in one record.

        Its arguments are those it was performed with, its outcome what that came to.
        """
        if record.part is Part.INTENT:
            self._intents[record.number] = record
        elif record.part is Part.OUTCOME:
            self._intents.pop(record.number, None)
        elif record.part is Part.NOTE and record.name == STAGE:
            return self._written(record)
        elif record.part is Part.NOTE and record.name == BESIDE:
            return self._written_beside(record)
        return None

    def _written_beside(self, note: Record) -> Record | None:
        begun = self._beside.pop(note.number, None)
        if begun is None:
            self._beside[note.number] = note
            return None
        if note.status is not Status.OK:
            return None
        told = begun.arguments()
        return replace(
            begun, part=Part.EFFECT, status=Status.OK, name=str(told["effect"]),
            args=values.encode(told["args"]), outcome=note.outcome,
        )  # fmt: skip

    def _written(self, note: Record) -> Record | None:
        stage = note.arguments()
        intent = self._intents.get(stage.get("number", 0))
        if stage["stage"] != PERFORMED or not stage.get("stored") or intent is None:
            return None
        args = intent.args if "args" not in stage else values.encode(stage["args"])
        return replace(
            intent, part=Part.EFFECT, status=Status.OK, name=stage.get("name", intent.name),
            args=args, outcome=values.encode(stage.get("outcome")),
        )  # fmt: skip
