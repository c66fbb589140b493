"""Effects that the host performs itself and answers at once: in the store, or only reading."""

from __future__ import annotations

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.answers import Answers
from respell.engine.contexts import Contexts
from respell.engine.ledger import Ledger
from respell.engine.numbering import Numbering
from respell.engine.performing import ODD_ARGUMENTS, Outcome, attempt
from respell.engine.policing import Policing
from respell.engine.receiving import Receiving
from respell.engine.row import Row
from respell.engine.settling import Settling, whole
from respell.engine.stopping import Stopping
from respell.engine.wire import Caused
from respell.errors import LimitReached, RespellError, StoreError
from respell.history.record import Status
from respell.policies.limits import Reached


class AtOnce:
    """Performs such effects of one run, where no hooks of the host are around them.

    Args:
        row: The session's row.
        ledger: The session's.
        numbering: Makes their records.
        contexts: Makes their contexts.
        receiving: Looks again once the store was changed.
        settling: Notes what they cost and what was refused.
        answers: Hands outcomes to the worker.
        policing: Counts them.
        stopping: Ends the run at a limit.
    """

    def __init__(
        self,
        row: Row,
        ledger: Ledger,
        numbering: Numbering,
        contexts: Contexts,
        receiving: Receiving,
        settling: Settling,
        answers: Answers,
        policing: Policing,
        stopping: Stopping,
    ) -> None:
        self._row = row
        self._ledger = ledger
        self._numbering = numbering
        self._contexts = contexts
        self._receiving = receiving
        self._settling = settling
        self._answers = answers
        self._policing = policing
        self._stopping = stopping

    def perform(self, caused: Caused) -> None:
        """Perform an effect, record it in one record, and answer it."""
        ledger = self._ledger
        before = ledger.number
        record = self._numbering.record_of(caused, status=Status.OK)
        try:
            effect = effects.lookup(caused.name)
            ctx = self._contexts.of(record.number)
            args = values.decode(caused.args) or {}
            kind = effect.manner(ctx, args).kind
            if kind is Kind.STORED:
                if effect.prepare is not None:
                    effect.prepare(ctx, args)
                with ledger.together(record.number) as records:
                    outcome = Outcome.of(effect.perform(ctx, args))
                    records.append(whole(record, outcome))
                self.stored()
            else:
                if kind is Kind.EXTERNAL:
                    ledger.commit()  # what led to it has to be known before it is seen
                elif ledger.changes_more:
                    ledger.write()  # what was collected is there to be read
                outcome = attempt(lambda: effect.perform(ctx, args))
                self._row.count(caused.name, outcome)
                self._settling.note_refusal(record, outcome)
                ledger.add(whole(record, outcome))
        except StoreError:
            raise
        except LimitReached as limit:
            # It was not performed, so it is no event: the script asks again when it goes on.
            ledger.take_back(before)
            self._policing.meter.uncount()
            self._stopping.limit_reached(Reached(limit.limit, str(limit)))
            return
        except (RespellError, *ODD_ARGUMENTS) as error:
            # What it did in the store was rolled back with its record; the error is recorded.
            outcome = Outcome.error(error)
            self._settling.note_refusal(record, outcome)
            ledger.add(whole(record, outcome))
        self._answers.give(caused.ordinal, outcome)

    def stored(self) -> None:
        """Take note that an effect has changed the store."""
        self._row.reload()
        self._receiving.soon()
