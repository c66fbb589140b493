"""Effects outside the store: begun by the host, performed in threads, settled when they end."""

from __future__ import annotations

from collections import deque

from respell.effect import Kind
from respell.engine import effects
from respell.engine.asking import Asking
from respell.engine.contexts import Contexts
from respell.engine.effects import EffectContext
from respell.engine.hooking import Hooking
from respell.engine.ledger import Ledger
from respell.engine.performing import Outcome, Performing, Ready, Result, attempt
from respell.engine.row import Row
from respell.engine.settling import Settling
from respell.errors import LimitReached, RespellError
from respell.history.record import Record
from respell.store import Store


class Outside:
    """The effects of one run that have an intent and an outcome of their own.

    Args:
        store: The store.
        row: The session's row.
        ledger: The session's.
        contexts: Makes their contexts.
        performing: Performs them.
        settling: Records what they come to.
        hooking: The hooks around them.
        asking: What a person has allowed meanwhile.
    """

    def __init__(
        self,
        store: Store,
        row: Row,
        ledger: Ledger,
        contexts: Contexts,
        performing: Performing,
        settling: Settling,
        hooking: Hooking,
        asking: Asking,
    ) -> None:
        self._store = store
        self._row = row
        self._ledger = ledger
        self._contexts = contexts
        self._performing = performing
        self._settling = settling
        self._hooking = hooking
        self._asking = asking
        self._done: deque[tuple[int, Result]] = deque()

    def perform(self, record: Record, *, resumed: bool = False) -> None:
        """Begin to perform an effect.

        Args:
            record: Its intent, which is in the batch or on disk.
            resumed: It is on disk.
        """
        try:
            effect = effects.lookup(record.name)
            ctx = self._contexts.of(record.number)
            args = record.arguments()
            kind = effect.manner(ctx, args).kind
        except RespellError as error:
            self.settle(record.ordinal, Outcome.error(error))
            return
        self.perform_ready(record, (effect, ctx, args, kind), resumed=resumed)

    def perform_ready(self, record: Record, ready: Ready, *, resumed: bool = False) -> None:
        """Begin to perform an effect in the way that was found out.

        Args:
            record: Its intent, which is in the batch or on disk.
            ready: That way.
            resumed: It is on disk.
        """
        effect, ctx, args, kind = ready
        ordinal = record.ordinal
        ctx.parent, ctx.attempt = record.parent, self._settling.attempts.get(ordinal, 1)
        if kind is Kind.EXTERNAL and not resumed:
            self._ledger.commit()
            if self._ledger.output_error is not None:
                self._settling.not_performed(ordinal)
                return
        if effect.quick:
            self._take(ordinal, _attempt_within_limits(effect, ctx, record))
        else:
            if effect.prepare is not None:
                effect.prepare(ctx, args)
            self._performing.start(effect, ctx, ordinal, record.args, reads=kind is Kind.READ)

    def take_all(self) -> None:
        """Go on with all that have ended, and keep what was allowed."""
        self._done.extend(self._performing.done())
        session = self._row.session
        self._asking.write(self._store, session.key, session.id, self._ledger)
        while self._done:
            self._take(*self._done.popleft())

    def _take(self, ordinal: int, result: Result) -> None:
        if ordinal < 0:
            self._hooking.operation_ended(ordinal, result)
        elif ordinal in self._performing.left:
            self._came_too_late(ordinal, result)
        elif isinstance(result, Outcome):
            self.settle(ordinal, result)
        else:
            self._hooking.forget(ordinal)
            self._settling.could_not(ordinal, result)

    def _came_too_late(self, ordinal: int, result: Result) -> None:
        """Count what a call took that was given up; its outcome is recorded already."""
        name = self._performing.left.pop(ordinal)
        if isinstance(result, Outcome):
            self._row.count(name, result)

    def settle(self, ordinal: int, outcome: Outcome) -> None:
        """Record the outcome of an effect and answer it, once hooks around it have run."""
        if not self._hooking.performed(ordinal, outcome):
            self._settling.settle(ordinal, outcome)


def _attempt_within_limits(effect: effects.Effect, ctx: EffectContext, record: Record) -> Result:
    args = record.arguments()
    try:
        return attempt(lambda: effect.perform(ctx, args))
    except LimitReached as limit:
        return limit
