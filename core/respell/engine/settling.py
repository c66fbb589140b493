"""Recording what effects come to, and answering it."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.engine.answers import Answers
from respell.engine.attempts import NOT_PERFORMED
from respell.engine.collecting import Collecting
from respell.engine.hook_telling import Telling
from respell.engine.ledger import Ledger
from respell.engine.open_events import OpenEvents
from respell.engine.performing import Outcome
from respell.engine.refusals import Refusals
from respell.engine.row import Row
from respell.engine.stopping import Stopping
from respell.engine.tool_calls import ToolCalls
from respell.errors import LimitReached
from respell.history.record import Part, Record, Status
from respell.policies.limits import Reached
from respell.times import now_us


class Settling:
    """Settles the effects of one run.

    Args:
        row: The session's row.
        ledger: The session's.
        events: Those that are open.
        answers: Hands outcomes to the worker.
        stopping: Whether and how the run ends.
        collecting: Makes artifacts of outcomes.
        refusals: Puts into the audit log what was refused.
        tool_calls: Is told what requests of agents came to.
        telling: Tells hooks of what was refused.

    Attributes:
        attempts: How often effects were performed, by ordinal, where that is not once.
    """

    def __init__(
        self,
        row: Row,
        ledger: Ledger,
        events: OpenEvents,
        answers: Answers,
        stopping: Stopping,
        collecting: Collecting,
        refusals: Refusals,
        tool_calls: ToolCalls,
        telling: Telling,
    ) -> None:
        self._row = row
        self._ledger = ledger
        self._events = events
        self._answers = answers
        self._stopping = stopping
        self._collecting = collecting
        self._refusals = refusals
        self._tool_calls = tool_calls
        self._telling = telling
        self.attempts: dict[int, int] = {}

    def settle(self, ordinal: int, outcome: Outcome) -> None:
        """Record the outcome of an effect that no hooks are around, and answer it."""
        intent = self._events.intent(ordinal)
        self.spent(intent, outcome)
        attempts = self.attempts.get(ordinal, 1)
        self.record(intent, outcome, {"attempts": attempts} if attempts > 1 else {})

    def record(self, performed: Record, outcome: Outcome, more: dict[str, Any]) -> None:
        """Record what the script gets for an effect, and answer it.

        Args:
            performed: The intent, as hooks may have changed it.
            outcome: What the script gets.
            more: More metadata of the outcome.
        """
        ordinal = performed.ordinal
        intent = self._events.settled(ordinal)
        if outcome.status is Status.OK:
            self._row.along(self._collecting.of_outcome(performed, outcome.value))
        self.attempts.pop(ordinal, None)
        ended = Record(
            Part.OUTCOME, intent.number, ordinal, intent.parent, outcome.status, intent.name,
            intent.source, intent.line, intent.coroutine, now_us(), b"", outcome.value,
            outcome.meta(**more),
        )  # fmt: skip
        self._tool_calls.answered(ended)
        self._ledger.add(ended)
        # The worker may go on before the commit: it can touch nothing but through us. So the
        # outcome may share its commit with the next intent, if that comes at once; and where
        # not even its own intent is written, nobody outside has seen anything of it.
        if self._ledger.has_written(intent.number):
            self._ledger.hurry()
        if not self._stopping.is_on:
            self._answers.give(ordinal, outcome)

    def record_whole(self, intent: Record, outcome: Outcome) -> bool:
        """Record an effect in one record, and answer it; False where its intent is out already.

        Args:
            intent: What was to be its intent, in the batch.
            outcome: What the script gets, and what performing it came to.
        """
        if not self._ledger.amend(intent, whole(intent, outcome)):
            return False
        self.answer_whole(intent, outcome)
        return True

    def answer_whole(self, intent: Record, outcome: Outcome) -> None:
        """Answer an effect that is recorded in one record instead of its intent."""
        self._events.settled(intent.ordinal)
        if not self._stopping.is_on:
            self._answers.give(intent.ordinal, outcome)

    def spent(self, performed: Record, outcome: Outcome) -> None:
        """Count what an attempt cost, or note that it was refused."""
        if outcome.status is Status.OK:
            self._row.count(performed.name, outcome)
        else:
            self.note_refusal(performed, outcome)

    def note_refusal(self, effect: Record, outcome: Outcome) -> None:
        """Have it noted along with the outcome, if that is a refusal."""
        note = self._refusals.of_outcome(effect, outcome)
        if note is not None:
            self._ledger.along(note)
            told = {"effect": effect.name, "reason": values.decode(outcome.value)}
            self._telling.tell("SecurityViolation", {**told, "flag": outcome.flag}, effect)

    def not_performed(self, ordinal: int) -> None:
        """Note that an effect was begun but not performed, so it won't be in doubt."""
        intent = self._events.settled(ordinal)
        self._ledger.note(NOT_PERFORMED, {"number": intent.number})

    def could_not(self, ordinal: int, limit: LimitReached) -> None:
        """End the run because an effect that was begun could not be performed."""
        self.not_performed(ordinal)
        if not self._stopping.is_on and self._stopping.ended is None:
            self._stopping.limit_reached(Reached(limit.limit, str(limit)))


def whole(begun: Record, outcome: Outcome) -> Record:
    """Return the one record of an effect that nothing happens in the middle of.

    Args:
        begun: A record with all that is known when it begins.
        outcome: What it came to.
    """
    return Record(
        Part.EFFECT, begun.number, begun.ordinal, begun.parent, outcome.status, begun.name,
        begun.source, begun.line, begun.coroutine, begun.at, begun.args, outcome.value,
        outcome.meta() or begun.meta,
    )  # fmt: skip
