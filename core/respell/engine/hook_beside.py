"""Operations that hooks have performed beside an effect."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.hosting import Hosting
from respell.engine.performing import ODD_ARGUMENTS, Outcome, Result
from respell.errors import RespellError, StoreError
from respell.history.record import Part, Record
from respell.hooks.executor import Chain
from respell.hooks.records import BESIDE
from respell.hooks.results import operation_of
from respell.times import now_us


class Beside:
    """Performs such operations: each is an event inside of the effect, begun once and never again.

    Where the host dies meanwhile, its event has no outcome, and nobody performs it another time.

    Args:
        hosting: The host.
    """

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._begun: dict[int, Record] = {}  # by its number, negative: ordinals are the worker's

    def begin(self, record: Record, chain: Chain) -> None:
        """Begin the operations that a chain of hooks around an effect wants performed."""
        for by, operation in chain.operations:
            name, args = operation_of(operation)
            shown = {"hook": by, "effect": name, "args": args}
            number = self._hosting.ledger.note(BESIDE, shown, parent=record.number)
            self._begun[-number] = Record(
                Part.NOTE, number, ordinal=-number, parent=record.number, name=name,
                args=values.encode(args),
            )  # fmt: skip
            self._perform(self._begun[-number], args)

    def _perform(self, begun: Record, args: dict[str, Any]) -> None:
        hosting = self._hosting
        try:
            effect = effects.lookup(begun.name)
            ctx = hosting.context(begun.number)
            ctx.parent = begun.parent
            kind = effect.manner(ctx, args).kind
            if kind is Kind.STORED:
                self._perform_stored(begun, effect, ctx, args)
                return
        except StoreError:
            raise
        except (RespellError, *ODD_ARGUMENTS) as error:
            self.ended(begun.ordinal, Outcome.error(error))
            return
        if kind is Kind.EXTERNAL:
            hosting.ledger.commit()  # so that nobody begins it again
        reads = kind is Kind.READ
        hosting.performing.start(effect, ctx, begun.ordinal, begun.args, reads=reads)

    def _perform_stored(
        self,
        begun: Record,
        effect: effects.Effect,
        ctx: effects.EffectContext,
        args: dict[str, Any],
    ) -> None:
        if effect.prepare is not None:
            effect.prepare(ctx, args)
        with self._hosting.ledger.together(begun.number) as records:
            outcome = Outcome.of(effect.perform(ctx, args))
            records.append(_ended(begun, outcome))
        del self._begun[begun.ordinal]
        self._hosting.stored()

    def ended(self, ordinal: int, result: Result) -> None:
        """Record what an operation came to.

        Args:
            ordinal: The one that it was begun with.
            result: Its outcome, or the limit because of which it was not performed.
        """
        outcome = result if isinstance(result, Outcome) else Outcome.error(result)
        begun = self._begun.pop(ordinal)
        self._hosting.spent(begun, outcome)
        self._hosting.ledger.add(_ended(begun, outcome))


def _ended(begun: Record, outcome: Outcome) -> Record:
    return Record(
        Part.NOTE, begun.number, parent=begun.parent, status=outcome.status, name=BESIDE,
        at=now_us(), outcome=outcome.value, meta=outcome.meta(),
    )  # fmt: skip
