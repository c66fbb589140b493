"""A program's own subscription: what `store.bus.subscribe` returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from respell.errors import SubscriptionNotFound, UsageError
from respell.store.bus_rows import BusEvent, SubscriptionRecord

if TYPE_CHECKING:
    from respell.store.bus import Bus

MAX_TIMEOUT_S = 30 * 86_400
_LOOK_S = 0.02  # how often it is looked for what other processes publish


class Subscription:
    """Events for a program, in the order they were published; safe to use from any thread.

    Each event is received once, by whichever thread or process asks first. Without a name it
    ends with its `with` block, or with this process; with one it stays in the store and
    collects, until `unsubscribe`.

        with store.bus.subscribe("session.*") as subscription:
            event = subscription.receive(timeout=60)
            for event in subscription.events(timeout=5):
                print(event.type, event.data)
    """

    def __init__(self, bus: Bus, record: SubscriptionRecord, *, named: bool) -> None:
        """Made by `store.bus.subscribe`."""
        self._bus = bus
        self._key = record.key
        self._named = named
        self._ended = False
        self.name = record.name
        self.pattern = record.pattern

    @property
    def record(self) -> SubscriptionRecord:
        """How many events it took, lost, and has waiting.

        Raises:
            SubscriptionNotFound: It has ended.
        """
        return self._bus.get(self.name)

    def receive(self, timeout: float = 5.0) -> BusEvent | None:
        """Take the next event, and return it; None where none came in time.

        Within a transaction it is received if the transaction is committed, together with all
        else that is written there.

        Args:
            timeout: Seconds to wait, 0 to 30 days. Within a transaction it has to be 0,
                because nobody else could publish meanwhile.

        Raises:
            SubscriptionNotFound: It has ended, here or elsewhere.
            UsageError: The time is out of range.
        """
        return self._when_there(self._bus.take_next, timeout)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait until an event waits, and return whether one does; it is left there.

        To be called before a transaction in which it is received together with other writes.

        Args:
            timeout: Seconds, as for `receive`.

        Raises:
            SubscriptionNotFound: It has ended, here or elsewhere.
            UsageError: The time is out of range.
        """
        return self._when_there(self._bus.next, timeout) is not None

    def _when_there(
        self, look: Callable[[int], BusEvent | None], timeout: float
    ) -> BusEvent | None:
        if not 0 <= timeout <= MAX_TIMEOUT_S:
            raise UsageError(f"receive: timeout is 0 to {MAX_TIMEOUT_S} seconds, not {timeout:g}")
        if timeout and self._bus.in_transaction:
            raise UsageError(
                "receive: within a transaction nobody else can publish; receive with timeout=0, or "
                "outside of it"
            )
        until = time.monotonic() + timeout
        while (event := look(self._key)) is None:
            if self._ended or self._bus.get(self.name).key != self._key:
                raise SubscriptionNotFound(f"the subscription to {self.pattern!r} has ended")
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._bus.wait(min(left, _LOOK_S))
        return event

    def events(self, timeout: float = 5.0) -> Iterator[BusEvent]:
        """Yield events as they come, until none has come for so many seconds."""
        while (event := self.receive(timeout)) is not None:
            yield event

    def __iter__(self) -> Iterator[BusEvent]:
        """Yield what waits now; nothing is waited for."""
        return self.events(0)

    def unsubscribe(self) -> None:
        """End it, with all that waits in it; a second time does nothing."""
        self._ended = True
        self._bus.remove(self.name)

    def close(self) -> None:
        """End it, unless it has a name: then it stays in the store and collects."""
        if not self._named:
            self.unsubscribe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Subscription {self.name} to {self.pattern!r}>"
