"""The host: the loop that runs one session live.

It owns the session's lease and its worker, and takes turns at what there is to do: hearing the
worker, going on with what its calls wait for, doing what others ask, writing the batch. Each of
these is a module of its own; here they are put together. The worker is a pure function of the
history, so the host may kill it whenever it likes; what the worker said after the last record
that was appended is simply said again at the next re-execution.
"""

from __future__ import annotations

import time
from collections import deque

from respell.engine.answers import Answers
from respell.engine.asking import Asking
from respell.engine.at_once import AtOnce
from respell.engine.attempts import notes_about_attempts
from respell.engine.calls import Calls
from respell.engine.channel import Channel, Frame, counted
from respell.engine.collecting import Collecting
from respell.engine.contexts import Contexts
from respell.engine.ending import Ended, close_session
from respell.engine.hearing import Hearing
from respell.engine.holding import Holding
from respell.engine.hook_calls import HookCalls
from respell.engine.hook_telling import Telling
from respell.engine.hook_watch import HookWatch
from respell.engine.hooking import Hooking
from respell.engine.hosting import Hosting
from respell.engine.ledger import Ledger
from respell.engine.numbering import Numbering
from respell.engine.open_events import OpenEvents
from respell.engine.outside import Outside
from respell.engine.performing import Performing
from respell.engine.policing import Policing
from respell.engine.program import Program
from respell.engine.receiving import Receiving
from respell.engine.refusals import Refusals
from respell.engine.relief import Relief
from respell.engine.requests import Requests
from respell.engine.row import Row
from respell.engine.services import Services
from respell.engine.settling import Settling
from respell.engine.stopping import Stopping
from respell.engine.timers import Timers
from respell.engine.tool_calls import ToolCalls
from respell.errors import Divergence, WorkerFailed
from respell.hooks.registry import load_installed
from respell.policies.deciding import Policies
from respell.policies.limits import memory_of
from respell.sessions.inheritance import known_id
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.leases import Hold

INBOX_S = 0.1
ATTENTIVE_INBOX_S = 0.005  # while a debugger makes steps
HEARTBEAT_S = 2.0


class Host:
    """Runs one session until it completes, fails or is suspended.

    Args:
        store: The store.
        session: The session, whose lease the caller holds.
        lease: The lease's fencing token.
        program: What it runs.
        services: What effects are performed with.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        lease: int,
        program: Program,
        services: Services,
    ) -> None:
        config = services.config
        self._store = store
        self._lease = lease
        self._program = program
        self._services = services
        self._inbox_due = self._heartbeat_due = 0.0
        self._frames: deque[Frame] = deque()  # heard of the worker, and not taken in yet
        # What it has.
        ledger = self._ledger = Ledger(
            store, store.history.writer(session.key, lease), services.on_output
        )
        channel = self._channel = Channel(
            memory_bytes=memory_of(session.limits), read_blob=store.blobs.read
        )
        events = self._events = OpenEvents()
        tool_calls = self._tool_calls = ToolCalls()
        numbering = Numbering(ledger, events, tool_calls)
        performing = self._performing = Performing(channel.wake)
        watch = self._watch = HookWatch(config.hooks.timeout_seconds)
        policing = self._policing = Policing(
            store, ledger, session, services.policies or Policies().settled(config),
            services.on_alert,
        )  # fmt: skip
        row = self._row = Row(store, ledger, policing, session)
        relief = self._relief = Relief(channel.wake)
        timers, receiving = Timers(), Receiving(store.bus)
        # What it does.
        asking = self._asking = Asking(program.permissions, services.ask, self._while_asked)
        contexts = Contexts(store, row, program, services, asking)
        answers = self._answers = Answers(channel, watch)
        hook_calls = HookCalls(store, ledger)
        telling = self._telling = Telling(
            store, session.id, hook_calls, services.hooks, channel.wake
        )  # fmt: skip
        ledger.before_write = hook_calls.tell
        stopping = self._stopping = Stopping(
            row, ledger, channel, performing, policing, telling, watch,
            waits=lambda: self._calls.are_waiting or answers.at_rest,
        )  # fmt: skip
        collecting = Collecting(store, session, services.collection)
        settling = Settling(
            row, ledger, events, answers, stopping, collecting, Refusals(store, session.id),
            tool_calls, telling,
        )  # fmt: skip
        at_once = AtOnce(
            row, ledger, numbering, contexts, receiving, settling, answers, policing, stopping
        )
        hosting = Hosting(
            store=store, ledger=ledger, performing=performing, attempts=settling.attempts,
            context=contexts.of,
            perform=lambda record, ready: self._outside.perform_ready(record, ready),
            perform_again=lambda record: self._outside.perform(record, resumed=True),
            stored=at_once.stored, suspend=lambda record: self._calls.suspend(record),
            settle=settling.record, settle_whole=settling.record_whole,
            answer_whole=settling.answer_whole, spent=settling.spent,
            limit_reached=settling.could_not,
            add_timer=lambda due, ordinal: timers.sleeps.add(due, ordinal, None),
            is_stopping=lambda: stopping.is_on, wake=channel.wake, record_calls=hook_calls.record,
        )  # fmt: skip
        hooking = self._hooking = Hooking(
            hosting,
            services.hooks,
            telling,
            relief,
            session.id,
            cached=config.hooks.caching.max_entries,
        )
        self._outside = Outside(store, row, ledger, contexts, performing, settling, hooking, asking)
        self._calls = Calls(
            store=store, row=row, ledger=ledger, numbering=numbering, events=events,
            contexts=contexts, policing=policing, watch=watch, stopping=stopping,
            settling=settling, answers=answers, timers=timers, receiving=receiving,
            performing=performing, hooking=hooking, at_once=at_once, outside=self._outside,
        )  # fmt: skip
        self._hearing = Hearing(
            store=store, row=row, ledger=ledger, numbering=numbering, events=events,
            policing=policing, watch=watch, collecting=collecting, hook_calls=hook_calls,
            stopping=stopping, calls=self._calls,
        )  # fmt: skip
        self._holding = Holding(
            answers, timers.deadlines, ledger,
            lambda hold: store.leases.set_hold(session.key, lease, hold), services.launched_by,
            lambda: stopping.stop(Ended("suspended", "asked", message="its debugger is gone")),
        )  # fmt: skip
        self._requests = Requests(store, row, policing, stopping, self._holding)

    @property
    def worker_pid(self) -> int:
        """Process id of the worker."""
        return self._channel.pid

    @property
    def hold(self) -> Hold | None:
        """The hold that a debugger has on it; None for none."""
        return self._holding.hold

    @property
    def stopped_hook(self) -> int:
        """Ordinal of the hook call that took too long, where the run ended because of it."""
        return self._watch.ordinal

    # Asking from outside -----------------------------------------------------------------

    def suspend(self, message: str = "") -> None:
        """Ask the run to end at the next effect; callable from any thread or signal handler."""
        self._stopping.ask(Ended("suspended", "asked", message=message))

    def kill(self) -> None:
        """End the run now, leaving a call in flight in doubt; callable from anywhere."""
        self._stopping.ask(Ended("suspended", "asked", message="killed"))
        self._stopping.ask(Ended("suspended", "now"))

    # The loop ----------------------------------------------------------------------------

    def run(self) -> Ended:
        """Run to the end.

        Returns:
            How it ended; the session's row says the same.

        Raises:
            WorkerFailed: The worker could not start.
            Divergence: The history does not fit what the script does.
            LeaseLost: Another host took the session over.
            StoreError: The store refused a write.
        """
        try:
            self._begin()
            # Within a caller's transaction no other thread could touch the store.
            within = self._store.bus.in_transaction
            while (ended := self._stopping.ended) is None:
                if self._hooking.wants_relief and not within:
                    break
                self._turn()
            if ended is None:
                ended = self._go_on_relieved()
            self._close(ended)
            if self._ledger.output_error is not None:
                raise self._ledger.output_error
        except Divergence:
            self._keep_what_was_done()
            raise
        finally:
            self._performing.drop_waiting()
            self._performing.cancel()
            self._performing.close()
            self._channel.close()
        return ended

    def _go_on_relieved(self) -> Ended:
        """Go on to the end, in threads that hooks may hold up."""
        self._relief.run(self._loop)
        self._asking.host_is_here()
        ended = self._stopping.ended
        assert ended is not None
        return ended

    def _loop(self) -> None:
        self._asking.host_is_here()
        while self._stopping.ended is None and not self._relief.is_over:
            self._turn()

    def _keep_what_was_done(self) -> None:
        """Record what calls have come to, though the script can't go on: it was really done."""
        self._outside.take_all()
        self._ledger.commit()

    def _begin(self) -> None:
        ledger, store, session = self._ledger, self._store, self._row.session
        ledger.commit()
        open_effects = store.history.open_effects(session.key)
        history = store.history.bodies(session.key, ledger.seq)
        history = counted(history, ledger.seq, self._services.on_progress)
        load_installed()  # while the worker starts
        self._channel.wait_ready()
        self._policing.begin(
            self._channel.pid,
            lambda point, told, limit: self._telling.tell(point, told, component=limit),
        )
        self._telling.tell("SystemStartup", {"status": session.status})
        self._channel.begin(
            self._program.init(
                session_id=known_id(store, session), edits=self._services.edits or None
            ),
            self._policing.learning(self._tool_calls.watch(self._events.watch(history))),
            live=True,
        )
        notes = notes_about_attempts(store, session.key, open_effects)
        for one in open_effects:
            self._calls.take_up(one.record, notes[one.number])
        if self._services.hold is not None:
            self._holding.take(self._services.hold)

    def _turn(self) -> None:
        now = time.monotonic()
        stopping, ledger = self._stopping, self._ledger
        if ledger.output_error is not None:
            stopping.stop(Ended("suspended", "asked", message="its output could not be handed on"))
        stopping.take_asked()
        if now >= self._inbox_due:
            self._requests.take()
            attentive = self._holding.is_attentive
            self._inbox_due = now + (ATTENTIVE_INBOX_S if attentive else INBOX_S)
        if now >= self._heartbeat_due:
            self._keep_lease(now)
            # With the batch: it may hold outcomes whose tokens are counted already.
            ledger.along(self._row.keep_usage)
            ledger.commit()
        stopping.check_time(now, paused=self._answers.at_rest or self._asking.is_open)
        self._calls.go_on(now)
        if stopping.ended is not None:
            return
        try:
            frames = self._frames
            if not frames:
                heard = self._channel.poll(self._patience(now))
                if self._holding.is_on or self._holding.has_unheard:
                    heard = self._holding.admit(heard)
                frames.extend(heard)
            silent = not frames
            while frames:
                self._hearing.hear(*frames.popleft())
                if stopping.ended is not None:
                    return
        except WorkerFailed as error:
            stopping.broke_off(str(error))
            return
        self._outside.take_all()
        self._hooking.turn()
        self._holding.turn(now)
        if ledger.due is not None and time.monotonic() >= ledger.due:
            ledger.commit()
        if not stopping.is_on and stopping.ended is None:
            if self._channel.closed and not self._holding.has_unheard:
                stopping.worker_gone()
            elif silent and self._watch.over(time.monotonic()):
                stopping.hook_took_too_long()

    def _patience(self, now: float) -> float:
        """How long the next poll may wait, in seconds."""
        until = min(self._inbox_due, self._heartbeat_due, self._calls.due(now))
        for due in (self._ledger.due, self._stopping.due, self._watch.due, self._holding.due):
            if due is not None and due < until:
                until = due
        return max(0.0, until - now)

    def _keep_lease(self, now: float) -> None:
        self._heartbeat_due = now + HEARTBEAT_S
        self._store.leases.renew(self._row.session.key, self._lease)

    def _while_asked(self) -> None:
        """Keep the session while a person thinks about what an effect of this thread asks."""
        now = time.monotonic()
        self._policing.meter.heard(now)
        self._policing.meter.leave_out(now)
        if now >= self._heartbeat_due:
            self._keep_lease(now)

    # The last transaction ----------------------------------------------------------------

    def _close(self, ended: Ended) -> None:
        self._calls.close()
        session = self._row.session
        self._policing.look(session, time.monotonic())
        self._channel.kill()
        self._tell_end(ended)
        close_session(
            self._store,
            self._ledger,
            self._row.session,
            self._lease,
            ended,
            usage=self._policing.meter.usage(),
            error=self._stopping.error,
            waiting_for=self._stopping.waiting_for,
        )

    def _tell_end(self, ended: Ended) -> None:
        told = {"status": ended.status, "reason": ended.reason, "message": ended.message}
        # What the script asked for was told when it did.
        if (ended.status, ended.reason) != ("suspended", "script"):
            point = "SessionCheckpoint" if ended.status == "suspended" else "SessionEnd"
            self._telling.tell(point, told, kind="session", component=self._row.session.id)
        self._telling.tell("SystemShutdown", told)
        self._telling.finish()
