"""What becomes of the effects that the worker asks for and waits for."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from respell import values
from respell.engine.answers import Answers
from respell.engine.at_once import AtOnce
from respell.engine.attempts import ATTEMPT, NOT_PERFORMED, Attempts
from respell.engine.contexts import Contexts
from respell.engine.deadlines import DEADLINE, MAX_DEADLINE_S, duration_us, left, remaining_us
from respell.engine.hook_watch import HookWatch
from respell.engine.hooking import Hooking
from respell.engine.ledger import Ledger
from respell.engine.numbering import Numbering
from respell.engine.open_events import OpenEvents
from respell.engine.outside import Outside
from respell.engine.performing import ODD_ARGUMENTS, Outcome, Performing
from respell.engine.policing import Policing
from respell.engine.receiving import Receiving
from respell.engine.row import Row
from respell.engine.settling import Settling
from respell.engine.stopping import Stopping
from respell.engine.suspension import suspension_of
from respell.engine.timers import Due, Timers, end_of_sleep
from respell.engine.wire import Caused
from respell.errors import EffectFailed, RespellError
from respell.history.record import Part, Record
from respell.policies.limits import Reached
from respell.store import Store
from respell.times import SECOND, now_us

_TIMERS = ("timer.sleep", DEADLINE, "event.receive")


class Calls:
    """The calls of one run: who performs which, when it may begin, who is given up.

    Args:
        store: The store.
        row: The session's row.
        ledger: The session's.
        numbering: Makes their records.
        events: Those that are open.
        contexts: Makes their contexts.
        policing: Decides whether they may be performed.
        watch: Watches how long hooks of the script compute.
        stopping: Whether and how the run ends.
        settling: Records what they come to.
        answers: Hands outcomes to the worker.
        timers: Those that wait for a time.
        receiving: Those that wait for an event.
        performing: Those that a thread performs.
        hooking: Those that hooks are around.
        at_once: Performs those that are answered at once.
        outside: Performs the others.
    """

    def __init__(
        self,
        *,
        store: Store,
        row: Row,
        ledger: Ledger,
        numbering: Numbering,
        events: OpenEvents,
        contexts: Contexts,
        policing: Policing,
        watch: HookWatch,
        stopping: Stopping,
        settling: Settling,
        answers: Answers,
        timers: Timers,
        receiving: Receiving,
        performing: Performing,
        hooking: Hooking,
        at_once: AtOnce,
        outside: Outside,
    ) -> None:
        self._store = store
        self._row = row
        self._ledger = ledger
        self._numbering = numbering
        self._events = events
        self._contexts = contexts
        self._policing = policing
        self._meter = policing.meter
        self._watch = watch
        self._stopping = stopping
        self._settling = settling
        self._answers = answers
        self._timers = timers
        self._receiving = receiving
        self._performing = performing
        self._hooking = hooking
        self._at_once = at_once
        self._outside = outside
        self._rang: deque[int] = deque()  # ordinals of timers that have rung
        self._delayed: Due[Caused | Record] = Due()  # a rate lets them through only then

    # Waiting -------------------------------------------------------------------------------

    @property
    def are_waiting(self) -> bool:
        """Whether one waits for something: a time, an event, a thread, a hook."""
        calls = self._performing.in_flight or self._hooking.busy
        return bool(calls or self._timers.sleeps or self._delayed or self._receiving)

    def due(self, now: float) -> float:
        """Return when to go on with one, by time.monotonic(), as far as that is known."""
        dues = [self._timers.sleeps.next_due, self._timers.deadlines.next_due]
        if not self._answers.at_rest:
            dues.append(self._delayed.next_due)
        due = self._hooking.due(now)
        if known := [one for one in dues if one is not None]:
            due = min(due, now + (min(known) - now_us()) / SECOND)
        return min(due, self._receiving.due) if self._receiving else due

    def go_on(self, now: float) -> None:
        """Go on with those whose time has come, in the order in which it came.

        Args:
            now: By time.monotonic().
        """
        self._rang.extend(self._timers.take_due(now_us()))
        while self._rang:
            ordinal = self._rang.popleft()
            if not self._hooking.rang(ordinal):
                self._outside.settle(ordinal, Outcome.of(None))
        if self._delayed and not self._answers.at_rest:
            self._perform_delayed()
        self._take_events(now)

    # Beginning -----------------------------------------------------------------------------

    def begin(self, caused: Caused) -> None:
        """Begin a call that the worker makes."""
        if self._stopping.is_on:
            # Not recorded: the script asks again when it is re-executed.
            self._stopping.stop_worker()
            return
        decided = self._policing.decide(caused.name, caused.args, self._row.session)
        if isinstance(decided, Reached):
            self._stopping.limit_reached(decided)
            return
        self._meter.count()
        if caused.name != DEADLINE:  # the only call that the worker does not wait for
            self._watch.waits(time.monotonic())
        if decided > 0:
            self._delay(caused, decided)
        else:
            self._go_on_with(caused)

    def _go_on_with(self, caused: Caused) -> None:
        """Begin an effect that was counted, and that nothing keeps from being performed."""
        hooks = None if caused.name in _TIMERS else self._hooking.around(caused.name)
        if hooks is not None:
            record = self._numbering.record_of(caused, part=Part.INTENT)
            self._ledger.add(record)
            self._hooking.begin(record, hooks, at_once=caused.part is Part.EFFECT, fresh=True)
        elif caused.part is Part.EFFECT:
            self._at_once.perform(caused)
        elif caused.name == "session.suspend":
            self.suspend(self._recorded(caused))
        elif caused.name == "timer.sleep":
            self._sleep(caused)
        elif caused.name == DEADLINE:
            self._count_down(self._recorded(caused))
        elif caused.name == "event.receive":
            self._receive(self._recorded(caused))
        else:
            self._outside.perform(self._recorded(caused))

    def _recorded(self, caused: Caused) -> Record:
        record = self._numbering.record_of(caused)
        self._ledger.add(record)
        return record

    def take_up(self, record: Record, notes: Attempts) -> None:
        """Go on with an effect that an earlier host had begun.

        Args:
            record: Its intent.
            notes: What was noted about it.
        """
        self._events.begun(record)
        if record.name == "timer.sleep":
            self._timers.sleeps.add(record.metadata()["due"], record.ordinal, None)
            return
        if record.name == DEADLINE:
            us = remaining_us(self._store, self._row.session.key, record)
            self._timers.deadlines.begin(record.ordinal, us)
            return
        if record.name == "event.receive":
            self._receive(record)
            return
        if self._stopping.is_on:
            self._settling.not_performed(record.ordinal)
            return
        if NOT_PERFORMED in notes and (reached := self._over_again(record.name)):
            self._settling.not_performed(record.ordinal)
            self._stopping.limit_reached(reached)
            return
        asked = notes.is_first and self._hooking.around(record.name) is not None
        if asked or self._hooking.takes_up(record, notes.stage):
            self._hooking.take_up(record, notes.stage, notes.number)
            return
        self._settling.attempts[record.ordinal] = notes.number
        self._outside.perform(record, resumed=True)

    # Delayed by a rate ---------------------------------------------------------------------

    def _delay(self, caused: Caused, seconds: float) -> None:
        """Let an effect wait until a rate lets it through; re-execution does not wait again.

        One that others may go on beside of is begun in its place in the history, and noted as
        not performed, so it is not in doubt before it is.
        """
        what: Caused | Record = caused
        if caused.part is not Part.EFFECT:
            what = self._recorded(caused)
            self._ledger.note(NOT_PERFORMED, {"number": what.number})
        self._delayed.add(now_us() + int(seconds * SECOND), caused.ordinal, what)

    def _perform_delayed(self) -> None:
        while not self._stopping.is_on and (one := self._delayed.take_due(now_us())) is not None:
            what = one[2]
            if reached := self._over_again(what.name):
                if isinstance(what, Caused):
                    self._meter.uncount()  # it asks again
                self._stopping.limit_reached(reached)
            elif isinstance(what, Caused):
                self._go_on_with(what)
            elif (hooks := self._hooking.around(what.name)) is not None:
                self._hooking.begin(what, hooks)
            else:
                self._ledger.note(ATTEMPT, {"number": what.number})
                self._outside.perform(what)

    def _over_again(self, effect: str) -> Reached | None:
        """Return the limit because of which an effect that was counted may not be performed."""
        self._meter.uncount()
        reached = self._meter.over(effect, self._row.session.limits)
        self._meter.count()
        return reached

    # Those that the host itself waits with -------------------------------------------------

    def _sleep(self, caused: Caused) -> None:
        record = self._numbering.record_of(caused)
        try:
            due = end_of_sleep(record.arguments() or {})
        except EffectFailed as error:
            self._ledger.add(record)
            self._outside.settle(caused.ordinal, Outcome.error(error))
            return
        self._ledger.add(replace(record, meta=values.encode({"due": due})))
        self._timers.sleeps.add(due, caused.ordinal, None)

    def _count_down(self, record: Record) -> None:
        us = duration_us((record.arguments() or {}).get("seconds"))
        if us is None:
            error = EffectFailed(f"a deadline takes 0 to {MAX_DEADLINE_S} seconds")
            self._outside.settle(record.ordinal, Outcome.error(error))
        else:
            self._timers.deadlines.begin(record.ordinal, us)

    def suspend(self, record: Record) -> None:
        """End the run at an effect that suspends it; its intent is recorded."""
        try:
            waiting_for = suspension_of(record.arguments())
        except RespellError as error:
            self._outside.settle(record.ordinal, Outcome.error(error))
            return
        self._stopping.wait_for_value(waiting_for)

    def _receive(self, record: Record) -> None:
        """Begin to wait for an event; its intent is in the batch or on disk."""
        now = time.monotonic()
        try:
            ctx = self._contexts.of(record.number)
            self._receiving.begin(record.ordinal, ctx, record.arguments(), now)
        except (RespellError, *ODD_ARGUMENTS) as error:
            self._outside.settle(record.ordinal, Outcome.error(error))
            return
        self._take_events(now)

    def _take_events(self, now: float) -> None:
        """Go on with the receives whose wait is over; what they got goes with the outcome."""
        if self._stopping.is_on or not self._receiving:
            return
        for received in self._receiving.look(now):
            if received.take is not None:
                self._ledger.along(received.take)
            self._outside.settle(received.ordinal, received.outcome)

    # Those that nobody waits for any more --------------------------------------------------

    def leave_inside(self, ordinal: int) -> None:
        """Give up the effects inside of an event that ends: its script goes on without them."""
        for intent in self._events.open_inside(ordinal):
            self._timers.drop(intent.ordinal)
            self._delayed.drop(intent.ordinal)
            self._receiving.drop(intent.ordinal)
            self._performing.leave(intent.ordinal)
            self._hooking.forget(intent.ordinal)
            self._events.settled(intent.ordinal)
            self._settling.attempts.pop(intent.ordinal, None)
            self._ledger.add(left(intent))

    def close(self) -> None:
        """Note which of them nobody has begun to perform: the run is over."""
        self._outside.take_all()
        for ordinal in self._performing.drop_waiting():
            if ordinal > 0 and ordinal not in self._performing.left:
                self._settling.not_performed(ordinal)
        for what in self._delayed.all():
            if isinstance(what, Caused):
                self._meter.uncount()  # it asks again
