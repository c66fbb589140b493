"""Hooks written in Python, around the effects of a host.

Where none is registered at a point, nothing of this runs. Otherwise an effect has an intent and
an outcome of its own, and between them, as notes inside of it, each call of a hook (`hook.call`).
The script sees what hooks made of its outcome, and that is what is recorded: at re-execution no
hook of these runs. Where they change nothing of an effect that the host performs at once, it is
recorded as if they were not there, in one record, and the notes come behind it.

    intent (the script's arguments) → BeforeEffect, then the point's own before-hooks → performed
    with what they made of the arguments → the point's own after-hooks (or error-hooks), then
    AfterEffect (EffectError) → outcome

Middleware and policies join as hooks: before-hooks run by priority, so middleware registers at
`BeforeEffect` and `AfterEffect` with the priority it wants to be met at, policies after it.

Hooks run in threads (`respell.hooks.executor`). The host waits a moment for them, because most
are quick, and otherwise goes on with what else there is: nothing is held while a hook runs,
neither the store's lock nor a transaction, and the host hears suspends and keeps its lease.

A host may die at any instant, so notes (`note.hooks`) say how far an effect has come whenever
that is not clear from what is there: an effect outside is not in doubt before its hooks have
let it be performed, and not once it was; what hooks decided before it is not asked again. As long
as an intent is not written, it says itself that it is about to be performed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.attempts import (
    BEFORE,
    PERFORM,
    PERFORMED,
    STAGE,
    WAIT,
    about_to_be_performed,
)
from respell.engine.effects import EffectContext
from respell.engine.hook_around import Around, Hooks, HooksByEffect, raw_outcome
from respell.engine.hook_beside import Beside
from respell.engine.hook_cache import HookCache
from respell.engine.hook_data import (
    about_effect,
    check_result,
    data_of,
    redirected,
    with_data,
)
from respell.engine.hook_ready import checked, ready
from respell.engine.hook_telling import RENDEZVOUS_S, Telling
from respell.engine.hosting import Hosting
from respell.engine.performing import ODD_ARGUMENTS, Outcome, Result, attempt
from respell.engine.relief import Relief
from respell.engine.settling import whole
from respell.errors import HookCancelled, LimitReached, RespellError, StoreError
from respell.history.record import Part, Record, Status
from respell.hooks.context import About
from respell.hooks.executor import Chain
from respell.hooks.registry import Hook, HookRegistry
from respell.hooks.results import Cancel, Replace, Retry
from respell.times import SECOND, now_us

LOOK_S = 0.05
"""How often the host looks whether a hook takes too long."""


class Hooking:
    """The hooks of one run.

    Args:
        hosting: The host.
        registry: Which hooks there are.
        telling: Tells them what they can't decide about.
        relief: Lets another thread go on with the loop where hooks take long.
        session_id: Id of the session that runs.
        cached: How many outcomes are kept for `Cache` at most.

    Attributes:
        wants_relief: Whether the loop should run where it can be relieved: there are hooks.
    """

    def __init__(
        self,
        hosting: Hosting,
        registry: HookRegistry,
        telling: Telling,
        relief: Relief,
        session_id: str,
        *,
        cached: int = 1000,
    ) -> None:
        self._hosting = hosting
        self._hooks = HooksByEffect(registry)
        self._session_id = session_id
        self._cache = HookCache(hosting.store, cached)
        self._cached = False  # the batch has outcomes that are to be found by their keys
        self._open: dict[int, Around] = {}
        self._running: list[Around] = []  # those whose chain the host did not wait for
        self._telling = telling
        self._relief = relief
        self.wants_relief = False
        self._beside = Beside(hosting)

    # Which ---------------------------------------------------------------------------------

    def around(self, effect: str) -> Hooks | None:
        """Return the hooks around an effect; None where there are none."""
        return self._hooks.of(effect)

    @property
    def busy(self) -> bool:
        """Whether an effect waits for hooks, or for what they had it wait for."""
        return bool(self._open)

    def due(self, now: float) -> float:
        """Return when the host has to look again, by time.monotonic()."""
        return now + LOOK_S if self._running or self._telling.is_on else math.inf

    # Before --------------------------------------------------------------------------------

    def begin(
        self, record: Record, hooks: Hooks, *, at_once: bool = False, fresh: bool = False
    ) -> None:
        """Begin an effect; its intent is in the batch.

        Args:
            record: The intent.
            hooks: What is around it.
            at_once: It is one that a host performs itself, where it only reads.
            fresh: Nothing else was recorded since.
        """
        one = Around(record, hooks, record, at_once=at_once, fresh=fresh)
        self._open[record.ordinal] = one
        try:
            if hooks.before or record.name == "tool.invoke":
                one.ready = checked(self._hosting, record)
        except LimitReached as limit:
            self._reached(one, limit)
        except StoreError:
            raise
        except (RespellError, *ODD_ARGUMENTS) as error:
            # It is refused whatever hooks say, so none is asked.
            outcome = Outcome.error(error)
            self._hosting.spent(record, outcome)
            self._settle(one, outcome)
        else:
            if record.name == "tool.invoke" and self._telling.wanted("ToolValidation"):
                self._telling.tell("ToolValidation", record.arguments(), record)
            self._before(one)

    def _before(self, one: Around) -> None:
        if not one.hooks.before:
            self._go(one)
            return
        if self._cached:  # what was just stored is there for the next one
            self._hosting.ledger.write()
            self._cached = False
        record = one.record
        data = record.args or _NO_ARGUMENTS
        if record.name == "tool.invoke":  # of all others the data is the arguments
            args = one.ready[2] if one.ready is not None else record.arguments()
            data = values.encode(data_of(record.name, args))
        chain = Chain(
            one.hooks.before, "before", data,
            self._about(one), attempt=one.tries, find=self._cache.find,
            check=lambda result: check_result(record.name, result),
        )  # fmt: skip
        self._run(one, chain, Hooking._decided)

    def _decided(self, one: Around, chain: Chain) -> None:
        """Go on once the before-hooks have run."""
        record = one.record
        if chain.changed or chain.target is not None:
            name, args = record.name, record.arguments()
            if chain.changed:
                args = with_data(name, args, values.decode(chain.data))
            if chain.target is not None:
                name, args = redirected(name, args, chain.target)
            one.ready = None
            one.performed = replace(record, name=name, args=values.encode(args))
        self._beside.begin(record, chain)
        verdict, by = chain.verdict, chain.decided_by
        if isinstance(verdict, Cancel):
            self._settle(one, Outcome.error(HookCancelled(by, verdict.reason)), by=by)
        elif isinstance(verdict, Replace):
            self._settle(one, Outcome.of(verdict.data), by=by)
        elif not isinstance(verdict, Retry):
            one.keys += chain.keys
            self._go(one)
        elif one.tries < verdict.max_attempts:
            one.tries += 1
            one.performed = record
            self._wait(one, verdict.delay_s, BEFORE)
        else:
            reason = f"it still asks to try again after {one.tries} attempts"
            self._settle(one, Outcome.error(HookCancelled(by, reason)), by=by)

    # Performing ----------------------------------------------------------------------------

    def _go(self, one: Around) -> None:
        performed = one.performed
        if performed.name == "session.suspend":
            del self._open[one.record.ordinal]
            self._hosting.suspend(performed)
            return
        try:
            how = effect, ctx, args, kind = one.ready or ready(self._hosting, performed)
            one.ready = None
        except (RespellError, *ODD_ARGUMENTS) as error:
            self.performed(one.record.ordinal, Outcome.error(error))
            return
        if kind is Kind.STORED:
            self._perform_stored(one, effect, ctx)
            return
        if kind is Kind.EXTERNAL:
            self._stage(one, PERFORM, **one.changed())
        elif one.at_once:
            if self._hosting.ledger.changes_more:
                self._hosting.ledger.write()
            self.performed(one.record.ordinal, attempt(lambda: effect.perform(ctx, args)))
            return
        if one.attempts > 1:
            self._hosting.attempts[one.record.ordinal] = one.attempts
        self._hosting.perform(performed, how)

    def _perform_stored(self, one: Around, effect: effects.Effect, ctx: EffectContext) -> None:
        """Change the store, in one transaction with what says that it was changed."""
        args, ledger = one.performed.arguments(), self._hosting.ledger
        before = ledger.number
        try:
            if effect.prepare is not None:
                effect.prepare(ctx, args)
            if self._ends_with_it(one):
                with ledger.together(one.record.number, instead_of=one.record) as records:
                    outcome = Outcome.of(effect.perform(ctx, args))
                    records.append(whole(one.record, outcome))
                del self._open[one.record.ordinal]
                self._hosting.stored()
                self._hosting.answer_whole(one.record, outcome)
                return
            with ledger.together(one.record.number) as records:
                outcome = Outcome.of(effect.perform(ctx, args))
                note = one.stage(
                    PERFORMED, outcome=values.decode(outcome.value), stored=True, **one.changed()
                )  # fmt: skip
                records.append(
                    Record(
                        Part.NOTE, ledger.next_number(), parent=one.record.number,
                        status=Status.OK, name=STAGE, at=now_us(), args=values.encode(note),
                    )
                )  # fmt: skip
            self._hosting.stored()
        except LimitReached as limit:
            ledger.take_back(before)
            self._reached(one, limit)
            return
        except StoreError:
            raise
        except (RespellError, *ODD_ARGUMENTS) as error:
            ledger.take_back(before)
            outcome = Outcome.error(error)
        self.performed(one.record.ordinal, outcome, noted=True)

    def _ends_with_it(self, one: Around) -> bool:
        """Whether a change of the store is all that is left to do, and to record."""
        return (
            one.fresh
            and one.at_once
            and one.performed is one.record
            and not (one.hooks.after or one.keys)
            and self._hosting.ledger.holds(one.record)
        )

    def _reached(self, one: Around, limit: LimitReached) -> None:
        del self._open[one.record.ordinal]
        self._hosting.limit_reached(one.record.ordinal, limit)

    # After ---------------------------------------------------------------------------------

    def performed(self, ordinal: int, outcome: Outcome, *, noted: bool = False) -> bool:
        """Go on with what performing an effect came to; False where no hooks are around it.

        Args:
            ordinal: The effect's.
            outcome: What it came to.
            noted: The history says so already.
        """
        one = self._open.get(ordinal)
        if one is None:
            return False
        one.raw = outcome
        self._hosting.spent(one.performed, outcome)
        hooks = one.hooks.following(outcome)
        if not hooks:
            self._settle(one, outcome)
        elif self._hosting.is_stopping():
            if not noted:
                self._note_performed(one, outcome)
            del self._open[ordinal]  # hooks run after it when it is resumed
        else:
            self._after(one, hooks, outcome, noted=noted)
        return True

    def _after(
        self, one: Around, hooks: tuple[Hook, ...], outcome: Outcome, *, noted: bool
    ) -> None:
        data, when = outcome.value, "after"
        if outcome.status is not Status.OK:
            told = {"error": values.decode(outcome.value), "class": outcome.error_class}
            data, when = values.encode(told), "error"
        chain = Chain(
            hooks, when, data, self._about(one), attempt=one.attempts,
        )  # fmt: skip
        self._run(one, chain, Hooking._concluded, noted=noted)

    def _concluded(self, one: Around, chain: Chain) -> None:
        """Go on once the after-hooks have run."""
        assert one.raw is not None
        self._beside.begin(one.record, chain)
        verdict, by = chain.verdict, chain.decided_by
        one.keys += chain.keys
        if isinstance(verdict, Cancel):
            self._settle(one, Outcome.error(HookCancelled(by, verdict.reason)), raw=one.raw)
        elif isinstance(verdict, Retry) and one.attempts < verdict.max_attempts:
            one.attempts += 1
            self._wait(one, verdict.delay_s, PERFORM)
        elif chain.changed:
            self._settle(one, Outcome(Status.OK, chain.data), raw=one.raw)
        else:
            self._settle(one, one.raw)

    def _settle(
        self, one: Around, outcome: Outcome, *, by: str = "", raw: Outcome | None = None
    ) -> None:
        """Record and answer what hooks made of an outcome.

        Args:
            one: The effect.
            outcome: What the script gets.
            by: The hook because of which it was not performed.
            raw: What performing it came to, where that is something else.
        """
        record = one.record
        del self._open[record.ordinal]
        meta: dict[str, Any] = {"attempts": one.attempts} if one.attempts > 1 else {}
        if by:
            meta["by_hook"] = by
        if raw is not None and raw.status is Status.OK:
            meta["performed"] = values.decode(raw.value)
        if one.keys and outcome.status is Status.OK:
            keys, value = one.keys, outcome.value
            self._hosting.ledger.along(lambda: self._cache.keep(keys, value))
            self._cached = True
        if meta or not one.is_whole(outcome) or not self._hosting.settle_whole(record, outcome):
            self._hosting.settle(one.performed, outcome, meta)

    # Waiting -------------------------------------------------------------------------------

    def _wait(self, one: Around, seconds: float, what: str) -> None:
        """Have an effect wait, whatever becomes of this host meanwhile."""
        due = now_us() + int(seconds * SECOND)
        self._stage(one, WAIT, due=due, what=what, **one.changed())
        one.chain = one.ready = None
        one.then = lambda one, _: self._wait_over(one, what)
        self._hosting.add_timer(due, one.record.ordinal)

    def _wait_over(self, one: Around, what: str) -> None:
        one.then = None
        if what == BEFORE:
            self._before(one)
        else:
            self._go(one)

    def rang(self, ordinal: int) -> bool:
        """Go on with an effect whose wait is over; False where none waits."""
        one = self._open.get(ordinal)
        if one is None or one.then is None or one.chain is not None:
            return False
        one.then(one, _NO_CHAIN)
        return True

    def forget(self, ordinal: int) -> None:
        """Go on without an effect: somebody else has settled it."""
        one = self._open.pop(ordinal, None)
        if one is not None and one in self._running:
            self._running.remove(one)

    # Chains --------------------------------------------------------------------------------

    def _run(
        self, one: Around, chain: Chain, then: Callable[[Hooking, Around, Chain], None], *,
        noted: bool = False,
    ) -> None:  # fmt: skip
        one.chain = chain
        one.then = lambda one, chain: then(self, one, chain)
        if chain.is_quick:
            chain.run_here()
        elif self._relief.is_on and chain.is_likely_quick:
            self._relief.inside(chain.run_here, lambda: self._take_long(one, chain, noted))
        else:
            self.wants_relief = True
            chain.start()
            if not chain.wait(RENDEZVOUS_S):
                self._take_long(one, chain, noted)
                return
        self._ended(one)

    def _take_long(self, one: Around, chain: Chain, noted: bool) -> None:
        """Go on with what else there is while hooks run."""
        one.ready = None
        chain.when_done(self._hosting.wake)
        # The batch may go out before the chain ends: then it has to say how far this is.
        if chain.when == "before":
            self._stage(one, BEFORE)
        elif not noted and one.raw is not None:
            self._note_performed(one, one.raw)
            self._hosting.ledger.hurry()
        self._running.append(one)

    def _note_performed(self, one: Around, raw: Outcome) -> None:
        error = {"error": raw.error_class} if raw.error_class else {}
        self._stage(one, PERFORMED, outcome=values.decode(raw.value), **error)

    def _ended(self, one: Around) -> None:
        chain, then = one.chain, one.then
        assert chain is not None
        assert then is not None
        one.chain = one.then = None
        self._hosting.record_calls(chain, one.record.number)
        then(one, chain)

    def turn(self) -> None:
        """Go on with what has ended, and give up hooks that take too long."""
        if not self._running and not self._telling.is_on:
            return
        for one in [*self._running]:
            chain = one.chain
            if chain is not None and not chain.done:
                chain.give_up_late()
            elif not self._hosting.is_stopping():
                self._running.remove(one)
                self._ended(one)
        self._telling.go_on()

    def _stage(self, one: Around, stage: str, **more: Any) -> None:
        args, ledger = one.stage(stage, **more), self._hosting.ledger
        fresh, one.fresh = one.fresh, False
        says_all = fresh and stage == PERFORM and len(args) == 2  # but its number and the stage
        if not says_all or not ledger.amend(one.record, about_to_be_performed(one.record)):
            ledger.note(STAGE, args, parent=one.record.number)

    def _about(self, one: Around) -> About:
        return about_effect(self._hosting.store, self._session_id, one.record, one.performed)

    # Taking up -----------------------------------------------------------------------------

    def takes_up(self, record: Record, stage: dict[str, Any] | None) -> bool:
        """Return whether an open effect of an earlier host is gone on with here."""
        if stage is not None:
            return True
        try:
            return ready(self._hosting, record)[3] is Kind.STORED
        except (RespellError, *ODD_ARGUMENTS):
            return False

    def take_up(self, record: Record, stage: dict[str, Any] | None, attempts: int) -> None:
        """Go on with an effect that an earlier host had begun.

        Args:
            record: The intent.
            stage: How far it had come, as it was noted.
            attempts: The how-manieth time it is performed now.
        """
        stage = stage or {"stage": BEFORE}
        one = Around.taken_up(record, self._hooks.of(record.name) or _NONE, stage, attempts)
        self._open[record.ordinal] = one
        if stage["stage"] == WAIT:
            what = stage["what"]
            one.then = lambda one, _: self._wait_over(one, what)
            self._hosting.add_timer(stage["due"], record.ordinal)
        elif stage["stage"] == PERFORM:
            self._hosting.attempts[record.ordinal] = one.attempts
            self._hosting.perform_again(one.performed)
        elif stage["stage"] == PERFORMED:
            one.raw = raw_outcome(stage)
            hooks = one.hooks.following(one.raw)
            if hooks:
                self._after(one, hooks, one.raw, noted=True)
            else:
                self._settle(one, one.raw)
        else:
            self._before(one)

    def operation_ended(self, ordinal: int, result: Result) -> None:
        """Record what an operation beside an effect came to."""
        self._beside.ended(ordinal, result)


_NO_ARGUMENTS = values.encode({})
_NONE = Hooks()
_NO_CHAIN = Chain((), "tell", b"", About())
