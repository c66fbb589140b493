"""What a host does for the effects that hooks are around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from respell.engine.effects import EffectContext
from respell.engine.ledger import Ledger
from respell.engine.performing import Outcome, Performing, Ready
from respell.errors import LimitReached
from respell.history.record import Record
from respell.hooks.executor import Chain
from respell.store import Store


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a host does for an effect that hooks are around.

    Attributes:
        store: The store.
        ledger: The session's.
        performing: Performs operations beside an effect.
        attempts: How often effects were performed, by ordinal, where that is not once.
        context: Returns what the performer of an event's number may use.
        perform: Begins to perform what is no change of the store, in the way that was found out;
            that ends in `Hooking.performed`.
        perform_again: The same for what an earlier host had begun to perform.
        stored: Takes note that the store was changed.
        suspend: Ends the run at an effect that suspends it.
        settle: Records the outcome of what was performed, with more metadata, and answers it.
        settle_whole: Records in one record what a hook has neither changed nor held up, and answers
            it; False where its intent is on disk already.
        answer_whole: Answers what was recorded so with a change of the store.
        spent: Counts what an attempt cost, or notes that it was refused.
        limit_reached: Ends the run: the effect of this ordinal could not be performed.
        add_timer: Has `Hooking.rang` called at a time (µs since 1970 UTC) for an ordinal.
        is_stopping: Tells whether the run is about to end.
        wake: Has the host look at what is done; from any thread.
        record_calls: Records the calls of a chain of hooks, inside of the event of a number.
    """

    store: Store
    ledger: Ledger
    performing: Performing
    attempts: dict[int, int]
    context: Callable[[int], EffectContext]
    perform: Callable[[Record, Ready], None]
    perform_again: Callable[[Record], None]
    stored: Callable[[], None]
    suspend: Callable[[Record], None]
    settle: Callable[[Record, Outcome, dict[str, Any]], None]
    settle_whole: Callable[[Record, Outcome], bool]
    answer_whole: Callable[[Record, Outcome], None]
    spent: Callable[[Record, Outcome], None]
    limit_reached: Callable[[int, LimitReached], None]
    add_timer: Callable[[int, int], None]
    is_stopping: Callable[[], bool]
    wake: Callable[[], None]
    record_calls: Callable[[Chain, int], None]
