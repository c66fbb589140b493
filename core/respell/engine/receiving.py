"""Receives: calls of `Event.receive` that wait for an event, without a thread of their own.

An event is only looked at here; it leaves its queue in the transaction that records the
call's outcome. So a host that dies in between loses nothing and gives nothing out twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from respell.engine.effects import EffectContext
from respell.engine.effects.events import in_script, may_hear, subscription_of, timeout_of
from respell.engine.performing import Outcome
from respell.errors import SubscriptionNotFound
from respell.store.bus import Bus

LOOK_S = 0.02
"""How often the bus is asked while a receive waits."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one receive.

    Attributes:
        ordinal: Whose it is.
        outcome: The event, nil after the time it had, or an error.
        take: Takes the event out of its queue; to be called in the transaction that records
            the outcome. None where there is nothing to take.
    """

    ordinal: int
    outcome: Outcome
    take: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    ordinal: int
    ctx: EffectContext
    args: dict[str, Any]
    until: float


class Receiving:
    """The receives of one running session that wait.

    Args:
        bus: The store's.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: list[_Waiting] = []
        self._given: dict[int, int] = {}  # subscription -> the last event given out from it
        self.due = 0.0
        """When to look again, by time.monotonic(); counts only while one waits."""

    def __bool__(self) -> bool:
        """Return whether one waits."""
        return bool(self._waiting)

    def begin(self, ordinal: int, ctx: EffectContext, args: dict[str, Any], now: float) -> None:
        """Begin to wait.

        Args:
            ordinal: Of the receive.
            ctx: Of the receive.
            args: Its arguments.
            now: By time.monotonic().

        Raises:
            UsageError, SubscriptionNotFound: It can't be waited for that.
        """
        subscription_of(ctx, args)
        self._waiting.append(_Waiting(ordinal, ctx, args, now + timeout_of(args)))
        self.due = now

    def drop(self, ordinal: int) -> None:
        """Wait for this one no more: its script has gone on without it."""
        self._waiting = [one for one in self._waiting if one.ordinal != ordinal]

    def soon(self) -> None:
        """Look again at the next opportunity: something may have been published."""
        self.due = 0.0

    def look(self, now: float) -> Iterator[Received]:
        """Yield what became of those whose wait is over.

        Args:
            now: By time.monotonic().
        """
        if not self._waiting or now < self.due:
            return
        self.due = now + LOOK_S
        empty: set[Any] = set()  # subscriptions in which nothing waits: thousands may ask
        for one in tuple(self._waiting):
            name = one.args.get("subscription")
            received = self._look(one, now) if name not in empty or now >= one.until else None
            if received is not None:
                self._waiting.remove(one)
                yield received
            else:
                empty.add(name)
                self.due = min(self.due, one.until)

    def _look(self, one: _Waiting, now: float) -> Received | None:
        try:
            key = subscription_of(one.ctx, one.args).key
        except SubscriptionNotFound as error:
            return Received(one.ordinal, Outcome.error(error))
        while (event := self._bus.next(key, self._given.get(key, 0))) is not None:
            if may_hear(one.ctx, event):
                self._given[key] = event.sequence
                outcome = Outcome.of(in_script(one.ctx, event))
                return Received(one.ordinal, outcome, partial(self._bus.take, key, event.sequence))
            self._bus.forget(key, event.sequence)
        return Received(one.ordinal, Outcome.of(None)) if now >= one.until else None
