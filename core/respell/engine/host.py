"""The host: the loop that runs one session live.

It owns the session's lease, performs the effects its worker asks for, numbers and appends
every record, enforces limits and ends the run. The worker is a pure function of the
history, so the host may kill it whenever it likes; what the worker said after the last
record that was appended is simply said again at the next re-execution.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from respell import values
from respell.agents.streams import Streams
from respell.artifacts.collector import Collection
from respell.config import Config, default
from respell.engine import effects
from respell.engine.accesses import Accesses
from respell.engine.asking import Asking
from respell.engine.attempts import ATTEMPT, NOT_PERFORMED, Attempts, notes_about_attempts
from respell.engine.channel import Channel, OnProgress, counted
from respell.engine.collecting import Collecting
from respell.engine.deadlines import DEADLINE, Deadlines, duration_us, left, remaining_us
from respell.engine.effects import EffectContext, Kind
from respell.engine.ending import Ended, Stopping, close_session, shown_error
from respell.engine.frames import Kind as Frame
from respell.engine.hook_calls import HookCalls
from respell.engine.hook_watch import TIMED_OUT, HookWatch
from respell.engine.hooking import Hooking
from respell.engine.hosting import Hosting
from respell.engine.ledger import Ledger, OnOutput
from respell.engine.lineage import known_id
from respell.engine.open_events import OpenEvents
from respell.engine.performing import Outcome, Performing, Result, attempt
from respell.engine.policing import OnAlert, Policing, remedy
from respell.engine.program import Program
from respell.engine.receiving import Receiving
from respell.engine.refusals import Refusals
from respell.engine.suspension import suspension_of
from respell.engine.tool_calls import ASKED_BY, ToolCalls
from respell.engine.wire import (
    Caused,
    answer,
    ordinal_of,
    parse_caused,
    parse_report,
    splice_effect,
    text_of,
)
from respell.errors import (
    Divergence,
    EffectFailed,
    LimitReached,
    RespellError,
    StoreError,
    WorkerFailed,
)
from respell.history.record import Part, Record, Status
from respell.hooks.registry import HookRegistry, load_installed
from respell.policies.deciding import Policies, Settled
from respell.policies.limits import REQUEST, Reached, memory_of, value_of
from respell.security import Ask
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import SECOND, now_us
from respell.tools import ToolRegistry

INBOX_S = 0.1
HEARTBEAT_S = 2.0
NEXT_EFFECT_WITHIN_S = 2.0  # of a suspend: then the computing worker is killed
CALL_ENDS_WITHIN_S = 10.0  # of a suspend: then the external call in flight is in doubt

MAX_SLEEP_S = 100 * 365 * 86400

# What a performer ends in when a worker that was taken over calls it as our library never does.
_ODD_ARGUMENTS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)

_EFFECT = bytes((Part.EFFECT,))  # compared once per record
_TIMERS = ("timer.sleep", DEADLINE, "event.receive")
_EVENTS = (Frame.RECORD, Frame.CALL)


@dataclass(slots=True)
class Services:
    """What a host performs effects with.

    Attributes:
        tools: The tools scripts can call.
        on_output: Called with an output event's name and bytes, once committed.
        stdin: What `io.read` reads, a binary file, or None.
        aliases: Ids of sessions that mean others here (see `respell.engine.fork`).
        edits: Variables that a fork sets at positions (likewise).
        on_progress: Called while the history is re-executed.
        collection: Which outcomes become artifacts by themselves.
        ask: Asks a person before something is refused that could be allowed.
        config: The configuration of this process.
        hooks: The hooks written in Python.
        policies: What decides whether effects are performed; None for what is registered.
        on_alert: Is told what is to be known before a limit is reached.
    """

    tools: ToolRegistry
    on_output: OnOutput | None = None
    stdin: Any = None
    aliases: dict[str, str] = field(default_factory=dict)
    edits: list[dict[str, Any]] = field(default_factory=list)
    on_progress: OnProgress | None = None
    collection: Collection = field(default_factory=Collection)
    ask: Ask | None = None
    config: Config = field(default_factory=default)
    hooks: HookRegistry = field(default_factory=HookRegistry)
    policies: Settled | None = None
    on_alert: OnAlert | None = None


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
        self._store = store
        self._session = session
        self._lease = lease
        self._program = program
        self._services = services
        self._ledger = Ledger(store, store.history.writer(session.key, lease), services.on_output)
        self._events = OpenEvents()
        self._channel = Channel(
            memory_bytes=memory_of(session.limits),
            read_blob=store.blobs.read,
        )
        self._performing = Performing(self._channel.wake)
        self._collecting = Collecting(store, session, services.collection)
        self._asking = Asking(program.permissions, services.ask, self._while_asked)
        self._refusals = Refusals(store, session.id)
        self._accesses = Accesses()
        self._streams = Streams()
        self._receiving = Receiving(store.bus)
        self._hook_calls = HookCalls()
        self._untold: list[Record | bytes] = []  # records of hook calls in the batch
        self._ledger.before_write = self._tell_of_hooks
        self._tool_calls = ToolCalls()
        self._timers: list[tuple[int, int]] = []  # (due in µs, ordinal)
        self._deadlines = Deadlines()
        self._left: dict[int, str] = {}  # calls in flight that nobody waits for: ordinal -> name
        self._stopping: Stopping | None = None
        self._paused = False
        self._withheld: list[tuple[int, Outcome]] = []
        self._attempts: dict[int, int] = {}  # of effects performed again, by ordinal
        self._deaf = False  # the worker was killed; whatever it still said is void
        self._ended: Ended | None = None
        self._asked: list[Ended] = []  # from other threads and signal handlers
        self._policing = Policing(
            store, self._ledger, session,
            services.policies or Policies().settled(services.config), services.on_alert,
        )  # fmt: skip
        self._meter = self._policing.meter
        # (due in µs, ordinal, call or record of its intent): a rate lets them through only then
        self._delayed: list[tuple[int, int, Caused | Record]] = []
        self._history_room = self._policing.history_room(session)
        self._error: dict[str, Any] | None = None
        self._waiting_for: dict[str, Any] | None = None
        self._inbox_due = self._heartbeat_due = 0.0
        self._stale = False  # the session's row has changed since it was read, or will have
        self._hooking = Hooking(
            self._hosting(), services.hooks, session.id,
            cached=services.config.hooks.caching.max_entries,
        )  # fmt: skip
        self._watch = HookWatch(services.config.hooks.timeout_seconds)

    def _hosting(self) -> Hosting:
        return Hosting(
            store=self._store, ledger=self._ledger, performing=self._performing,
            attempts=self._attempts, context=self._context,
            perform=lambda record, resumed: self._perform(record, resumed=resumed),
            stored=self._stored, suspend=self._suspend_at, settle=self._record_outcome,
            spent=self._spent, limit_reached=self._could_not,
            add_timer=lambda due, ordinal: heapq.heappush(self._timers, (due, ordinal)),
            is_stopping=lambda: self._stopping is not None, wake=self._channel.wake,
        )  # fmt: skip

    @property
    def worker_pid(self) -> int:
        """Process id of the worker."""
        return self._channel.pid

    @property
    def stopped_hook(self) -> int:
        """Ordinal of the hook call that took too long, where the run ended because of it."""
        return self._watch.ordinal

    # Asking from outside -----------------------------------------------------------------

    def suspend(self, message: str = "") -> None:
        """Ask the run to end at the next effect; callable from any thread or signal handler."""
        self._asked.append(Ended("suspended", "asked", message=message))
        self._channel.wake()

    def kill(self) -> None:
        """End the run now, leaving a call in flight in doubt; callable from anywhere."""
        self._asked.append(Ended("suspended", "asked", message="killed"))
        self._asked.append(Ended("suspended", "now"))
        self._channel.wake()

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
            while self._ended is None:
                self._turn()
            self._close(self._ended)
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
        return self._ended

    def _keep_what_was_done(self) -> None:
        """Record what calls have come to, though the script can't go on: it was really done."""
        self._take_all()
        self._ledger.commit()

    def _begin(self) -> None:
        ledger, store = self._ledger, self._store
        ledger.commit()
        open_effects = store.history.open_effects(self._session.key)
        history = store.history.bodies(self._session.key, ledger.seq)
        history = counted(history, ledger.seq, self._services.on_progress)
        load_installed()  # while the worker starts
        self._channel.wait_ready()
        self._policing.begin(
            self._channel.pid,
            lambda point, told, limit: self._hooking.tell(point, told, component=limit),
        )
        self._hooking.tell("SystemStartup", {"status": self._session.status})
        self._channel.begin(
            self._program.init(
                session_id=known_id(store, self._session), edits=self._services.edits or None
            ),
            self._policing.learning(self._tool_calls.watch(self._events.watch(history))),
            live=True,
        )
        notes = notes_about_attempts(store, self._session.key, open_effects)
        for one in open_effects:
            self._take_up(one.record, notes[one.number])

    def _take_up(self, record: Record, notes: Attempts) -> None:
        """Go on with an effect that an earlier host had begun."""
        self._events.begun(record)
        if record.name == "timer.sleep":
            heapq.heappush(self._timers, (record.metadata()["due"], record.ordinal))
            return
        if record.name == DEADLINE:
            us = remaining_us(self._store, self._session.key, record)
            self._deadlines.begin(record.ordinal, us)
            return
        if record.name == "event.receive":
            self._receive(record)
            return
        if self._stopping is not None:
            self._not_performed(record.ordinal)
            return
        if NOT_PERFORMED in notes and (reached := self._over_again(record.name)):
            self._not_performed(record.ordinal)
            self._limit_reached(reached)
            return
        asked = notes.is_first and self._hooking.wanted(record.name)
        if asked or self._hooking.takes_up(record, notes.stage):
            self._hooking.take_up(record, notes.stage, notes.number)
            return
        self._attempts[record.ordinal] = notes.number
        self._perform(record, resumed=True)

    def _turn(self) -> None:
        now = time.monotonic()
        if self._ledger.output_error is not None:
            self._stop(Ended("suspended", "asked", message="its output could not be handed on"))
        if self._asked:
            self._take_request(self._asked.pop(0))
        if now >= self._inbox_due:
            self._inbox_due = now + INBOX_S
            self._read_inbox()
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_S
            self._store.leases.renew(self._session.key, self._lease)
            # With the batch: it may hold outcomes whose tokens are counted already.
            self._ledger.along(self._keep_usage)
            self._ledger.commit()
        self._check_time(now)
        self._ring()
        self._take_events(now)
        if self._ended is not None:
            return
        try:
            frames = self._channel.poll(self._patience(now))
            for kind, payload in frames:
                self._hear(kind, payload)
                if self._ended is not None:
                    return
        except WorkerFailed as error:
            self._broke_off(str(error))
            return
        self._take_all()
        self._hooking.turn()
        if self._ledger.due is not None and time.monotonic() >= self._ledger.due:
            self._ledger.commit()
        if self._stopping is None and self._ended is None:
            if self._channel.closed:
                self._worker_gone()
            elif not frames and self._watch.over(time.monotonic()):
                self._hook_took_too_long()

    def _keep_usage(self) -> None:
        """Keep what was used so far, so that a killed host does not give it away."""
        with self._store.transaction():  # a tool may store an artifact meanwhile
            self._reload()
            usage = {**self._session.usage, **self._meter.usage()}
            self._store.sessions.update(self._session.key, usage=usage)
        self._reload()

    def _patience(self, now: float) -> float:
        """How long the next poll may wait, in seconds."""
        until = min(self._inbox_due, self._heartbeat_due)
        if self._ledger.due is not None:
            until = min(until, self._ledger.due)
        if self._stopping is not None:
            until = min(until, self._stopping.worker_until, self._stopping.calls_until)
        dues = [self._timers[0][0]] if self._timers else []
        if (due := self._deadlines.next_due) is not None:
            dues.append(due)
        if self._delayed and not self._paused:
            dues.append(self._delayed[0][0])
        if dues:
            until = min(until, now + (min(dues) - now_us()) / SECOND)
        until = min(until, self._hooking.due(now))
        if self._watch.due is not None:
            until = min(until, self._watch.due)
        if self._receiving:
            until = min(until, self._receiving.due)
        if self._asked:
            return 0.0
        return max(0.0, until - now)

    # What the worker says ----------------------------------------------------------------

    def _hear(self, kind: int, payload: bytes) -> None:
        if self._deaf:
            return
        self._meter.heard(time.monotonic())
        if kind in _EVENTS and self._ledger.taken_bytes + len(payload) > self._history_room:
            if self._stopping is None:  # neither recorded nor answered: it is said again
                self._limit_reached(self._policing.history_full(len(payload)))
            else:
                self._stop_worker()
        elif kind == Frame.RECORD:
            if payload[:1] == _EFFECT:
                self._record_effect(payload)
            else:
                caused = parse_caused(payload)
                if caused.part is Part.END:
                    self._leave_inside(caused.ordinal)
                record = self._numbered(caused, caused.outcome, caused.status)
                self._ledger.add(record)
                self._collect(self._collecting.heard(record))
                if record.name == "hook.call":
                    self._untold.append(record)
            if self._stopping is not None:
                self._stop_worker()
        elif kind == Frame.CALL:
            self._call(parse_caused(payload))
        elif kind == Frame.IN_HOOK:
            self._watch.computes_in(int.from_bytes(payload[:8], "little"), time.monotonic())
        elif kind == Frame.FINISH:
            self._finish(payload)
        elif kind == Frame.STOPPED:
            self._stopped(parse_report(payload))

    def _record_effect(self, payload: bytes) -> None:
        """Record what needs no answer: the most frequent case by far."""
        ledger = self._ledger
        number = ledger.number + 1
        body, name, args = splice_effect(payload, number, self._events.number_of, now_us())
        if name.startswith((b"output.", b"log.")):
            text = text_of(args)
            ledger.next_number()  # only now: what is malformed takes none
            ledger.output((number, body), name.decode(), text)
        else:
            ledger.next_number()
            ledger.add((number, body))
            if self._watch.ordinal:
                self._watch.recorded(name, ordinal_of(payload), time.monotonic())
            if name == b"hook.call":
                self._untold.append(body)

    def _numbered(self, caused: Caused, outcome: bytes, status: Status) -> Record:
        number, parent = self._events.place(caused, self._ledger.next_number)
        record = Record(
            caused.part, number, caused.ordinal, parent, status, caused.name,
            caused.source, caused.line, caused.coroutine, now_us(), caused.args, outcome,
        )  # fmt: skip
        if request := self._tool_calls.cause_of(record):
            record = replace(record, meta=values.encode({ASKED_BY: request}))
        if caused.part is Part.INTENT:
            self._events.begun(record)
        return record

    def _call(self, caused: Caused) -> None:
        if self._stopping is not None:
            # Not recorded: the script asks again when it is re-executed.
            self._stop_worker()
            return
        decided = self._policing.decide(caused.name, caused.args, self._session)
        if isinstance(decided, Reached):
            self._limit_reached(decided)
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
        if caused.name not in _TIMERS and self._hooking.wanted(caused.name):
            record = self._numbered(replace(caused, part=Part.INTENT), b"", Status.NONE)
            self._ledger.add(record)
            self._hooking.begin(record, at_once=caused.part is Part.EFFECT)
        elif caused.part is Part.EFFECT:
            self._answer_at_once(caused)
        elif caused.name == "session.suspend":
            self._suspended_by_script(caused)
        elif caused.name == "timer.sleep":
            self._sleep(caused)
        elif caused.name == DEADLINE:
            self._count_down(caused)
        else:
            record = self._numbered(caused, b"", Status.NONE)
            self._ledger.add(record)
            if record.name == "event.receive":
                self._receive(record)
            else:
                self._perform(record)

    def _delay(self, caused: Caused, seconds: float) -> None:
        """Let an effect wait until a rate lets it through; re-execution does not wait again.

        One that others may go on beside of is begun in its place in the history, and noted as
        not performed, so it is not in doubt before it is.
        """
        what: Caused | Record = caused
        if caused.part is not Part.EFFECT:
            what = self._numbered(caused, b"", Status.NONE)
            self._ledger.add(what)
            self._ledger.note(NOT_PERFORMED, {"number": what.number})
        heapq.heappush(self._delayed, (now_us() + int(seconds * SECOND), caused.ordinal, what))

    def _perform_delayed(self) -> None:
        while self._delayed and self._delayed[0][0] <= now_us() and self._stopping is None:
            _, _, what = heapq.heappop(self._delayed)
            if reached := self._over_again(what.name):
                if isinstance(what, Caused):
                    self._meter.uncount()  # it asks again
                self._limit_reached(reached)
            elif isinstance(what, Caused):
                self._go_on_with(what)
            elif self._hooking.wanted(what.name):
                self._hooking.begin(what)
            else:
                self._ledger.note(ATTEMPT, {"number": what.number})
                self._perform(what)

    def _over_again(self, effect: str) -> Reached | None:
        """Return the limit because of which an effect that was counted may not be performed."""
        self._meter.uncount()
        reached = self._meter.over(effect, self._session.limits)
        self._meter.count()
        return reached

    def _context(self, number: int) -> EffectContext:
        if self._stale and not self._ledger.changes_more:
            self._reload()
        return EffectContext(
            session=self._session,
            store=self._store,
            permissions=self._asking.permissions,
            script_dir=self._program.script_dir,
            cwd=self._program.cwd,
            tools=self._services.tools,
            number=number,
            stdin=self._services.stdin,
            aliases=self._services.aliases,
            config=self._services.config,
            streams=self._streams,
            accesses=self._accesses,
        )

    def _answer_at_once(self, caused: Caused) -> None:
        """Perform an effect inside the store (or one that only reads) and answer it."""
        before = self._ledger.number
        record = self._numbered(caused, b"", Status.OK)
        try:
            effect = effects.lookup(caused.name)
            ctx = self._context(record.number)
            args = values.decode(caused.args) or {}
            kind = effect.manner(ctx, args).kind
            if kind is Kind.STORED:
                if effect.prepare is not None:
                    effect.prepare(ctx, args)
                with self._ledger.together(record.number) as records:
                    outcome = Outcome.of(effect.perform(ctx, args))
                    records.append(_ended(record, outcome))
                self._stored()
            else:
                if kind is Kind.EXTERNAL:
                    self._ledger.commit()  # what led to it has to be known before it is seen
                elif self._ledger.changes_more:
                    self._ledger.write()  # what was collected is there to be read
                outcome = attempt(lambda: effect.perform(ctx, args))
                self._count(caused.name, outcome)
                self._note_refusal(record, outcome)
                self._ledger.add(_ended(record, outcome))
        except StoreError:
            raise
        except LimitReached as limit:
            # It was not performed, so it is no event: the script asks again when it goes on.
            self._ledger.take_back(before)
            self._meter.uncount()
            self._limit_reached(Reached(limit.limit, str(limit)))
            return
        except (RespellError, *_ODD_ARGUMENTS) as error:
            # What it did in the store was rolled back with its record; the error is recorded.
            outcome = Outcome.error(error)
            self._note_refusal(record, outcome)
            self._ledger.add(_ended(record, outcome))
        self._answer(caused.ordinal, outcome)

    def _answer(self, ordinal: int, outcome: Outcome) -> None:
        if self._paused:
            self._withheld.append((ordinal, outcome))
        else:
            self._channel.answer(answer(ordinal, outcome.answered, outcome.value))
            self._watch.goes_on(time.monotonic())

    def _stored(self) -> None:
        self._reload()
        self._receiving.soon()

    def _reload(self) -> None:
        self._stale = self._ledger.changes_more
        self._session = self._store.sessions.get(self._session.key)
        self._history_room = self._policing.history_room(self._session)

    # Effects that nobody waits for any more -----------------------------------------------

    def _leave_inside(self, ordinal: int) -> None:
        """Give up the effects inside of an event that ends: its script goes on without them."""
        for intent in self._events.open_inside(ordinal):
            self._deadlines.drop(intent.ordinal)
            self._timers = [timer for timer in self._timers if timer[1] != intent.ordinal]
            heapq.heapify(self._timers)
            self._delayed = [one for one in self._delayed if one[1] != intent.ordinal]
            heapq.heapify(self._delayed)
            self._receiving.drop(intent.ordinal)
            if (call := self._performing.in_flight.get(intent.ordinal)) is not None:
                call.cancel.set()
                self._left[intent.ordinal] = call.name
            self._hooking.forget(intent.ordinal)
            self._events.settled(intent.ordinal)
            self._attempts.pop(intent.ordinal, None)
            self._ledger.add(left(intent))

    def _came_too_late(self, ordinal: int, result: Result) -> None:
        """Count what a call took that was given up; its outcome is recorded already."""
        name = self._left.pop(ordinal)
        if isinstance(result, Outcome):
            self._count(name, result)

    # Effects outside ---------------------------------------------------------------------

    def _perform(self, record: Record, *, resumed: bool = False) -> None:
        """Begin an effect outside the store; its intent is in the batch or on disk."""
        try:
            effect = effects.lookup(record.name)
            ctx = self._context(record.number)
            ctx.parent, ctx.attempt = record.parent, self._attempts.get(record.ordinal, 1)
            manner = effect.manner(ctx, record.arguments())
        except RespellError as error:
            self._settle(record.ordinal, Outcome.error(error))
            return
        if manner.kind is Kind.EXTERNAL and not resumed:
            self._ledger.commit()
            if self._ledger.output_error is not None:
                self._not_performed(record.ordinal)
                return
        if effect.quick:
            self._take(record.ordinal, _attempt_within_limits(effect, ctx, record))
        else:
            if effect.prepare is not None:
                effect.prepare(ctx, record.arguments())
            reads = manner.kind is Kind.READ
            self._performing.start(effect, ctx, record.ordinal, record.args, reads=reads)

    def _take_all(self) -> None:
        """Go on with all effects outside the store that have ended, and keep what was allowed."""
        done = self._performing.done()
        self._asking.write(self._store, self._session.key, self._session.id, self._ledger)
        for ordinal, result in done:
            self._take(ordinal, result)

    def _while_asked(self) -> None:
        """Keep the session while a person thinks about what an effect of this thread asks."""
        now = time.monotonic()
        self._meter.heard(now)
        self._meter.leave_out(now)
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_S
            self._store.leases.renew(self._session.key, self._lease)

    def _take(self, ordinal: int, result: Result) -> None:
        """Go on with what became of an effect outside the store."""
        if ordinal < 0:
            self._hooking.operation_ended(ordinal, result)
            return
        if ordinal in self._left:
            self._came_too_late(ordinal, result)
            return
        if isinstance(result, Outcome):
            self._settle(ordinal, result)
            return
        self._could_not(ordinal, result)

    def _could_not(self, ordinal: int, limit: LimitReached) -> None:
        self._hooking.forget(ordinal)
        self._not_performed(ordinal)
        if self._stopping is None and self._ended is None:
            self._limit_reached(Reached(limit.limit, str(limit)))

    def _not_performed(self, ordinal: int) -> None:
        """Note that an effect was begun but not performed, so it won't be in doubt."""
        intent = self._events.settled(ordinal)
        self._ledger.note(NOT_PERFORMED, {"number": intent.number})

    def _settle(self, ordinal: int, outcome: Outcome) -> None:
        """Record the outcome of an effect and answer it, unless hooks are around it."""
        if not self._hooking.performed(ordinal, outcome):
            intent = self._events.intent(ordinal)
            self._spent(intent, outcome)
            attempts = self._attempts.get(ordinal, 1)
            self._record_outcome(intent, outcome, {"attempts": attempts} if attempts > 1 else {})

    def _spent(self, performed: Record, outcome: Outcome) -> None:
        if outcome.status is Status.OK:
            self._count(performed.name, outcome)
        else:
            self._note_refusal(performed, outcome)

    def _record_outcome(self, performed: Record, outcome: Outcome, more: dict[str, Any]) -> None:
        """Record what the script gets for an effect, and answer it."""
        ordinal = performed.ordinal
        intent = self._events.settled(ordinal)
        if outcome.status is Status.OK:
            self._collect(self._collecting.of_outcome(performed, outcome.value))
        self._attempts.pop(ordinal, None)
        ended = replace(
            intent, part=Part.OUTCOME, status=outcome.status, at=now_us(), args=b"",
            outcome=outcome.value, meta=outcome.meta(**more),
        )  # fmt: skip
        self._tool_calls.answered(ended)
        self._ledger.add(ended)
        # The worker may go on before the commit: it can touch nothing but through us. So the
        # outcome may share its commit with the next intent, if that comes at once.
        self._ledger.hurry()
        if self._stopping is None:
            self._answer(ordinal, outcome)

    def _collect(self, keep: Callable[[], bool] | None) -> None:
        if keep is not None:
            self._ledger.along(keep)
            self._stale = True

    def _count(self, name: str, outcome: Outcome) -> None:
        """Have what an outcome cost committed with it, so that no crash gives it away."""
        if outcome.status is Status.OK and self._meter.spend(name, outcome.value):
            self._ledger.along(self._keep_usage)
            self._stale = True

    def _note_refusal(self, effect: Record, outcome: Outcome) -> None:
        note = self._refusals.of_outcome(effect, outcome)
        if note is not None:
            self._ledger.along(note)
            told = {"effect": effect.name, "reason": values.decode(outcome.value)}
            self._hooking.tell("SecurityViolation", {**told, "flag": outcome.flag}, effect)

    def _sleep(self, caused: Caused) -> None:
        seconds = (values.decode(caused.args) or {}).get("seconds")
        record = self._numbered(caused, b"", Status.NONE)
        if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SLEEP_S:
            self._ledger.add(record)
            error = EffectFailed(f"a sleep takes 0 to {MAX_SLEEP_S} seconds, not {seconds!r}")
            self._settle(caused.ordinal, Outcome.error(error))
            return
        due = now_us() + int(seconds * SECOND)
        self._ledger.add(replace(record, meta=values.encode({"due": due})))
        heapq.heappush(self._timers, (due, caused.ordinal))

    def _count_down(self, caused: Caused) -> None:
        us = duration_us((values.decode(caused.args) or {}).get("seconds"))
        self._ledger.add(self._numbered(caused, b"", Status.NONE))
        if us is None:
            error = EffectFailed(f"a deadline takes 0 to {MAX_SLEEP_S} seconds")
            self._settle(caused.ordinal, Outcome.error(error))
        else:
            self._deadlines.begin(caused.ordinal, us)

    def _ring(self) -> None:
        """Answer the timers whose time has come, in the order in which it came."""
        now = now_us()
        reached = self._deadlines.take_due(now)
        while self._timers and self._timers[0][0] <= now:
            reached.append(heapq.heappop(self._timers))
        for _, ordinal in sorted(reached):
            if not self._hooking.rang(ordinal):
                self._settle(ordinal, Outcome.of(None))
        if self._delayed and not self._paused:
            self._perform_delayed()

    # Events of the bus -------------------------------------------------------------------

    def _tell_of_hooks(self) -> None:
        """Have told, in the batch's transaction, what it has of the hooks of the script.

        Whether anybody listens is asked once for all of them.
        """
        untold, self._untold = self._untold, []
        wanted = bool(untold) and self._store.bus.wanted("hook.executed")
        for one in untold:
            if isinstance(one, Record):
                told = self._hook_calls.heard(one)
            elif wanted:
                told = self._hook_calls.heard(one := Record.unpack(one))
            else:
                continue
            if told is not None and wanted:
                self._ledger.along(partial(self._tell_of_hook, told, one.number))

    def _tell_of_hook(self, told: dict[str, Any], number: int) -> None:
        session = self._session.id
        self._store.bus.tell("hook.executed", session, told, cause=(session, number))

    def _receive(self, record: Record) -> None:
        """Begin to wait for an event; its intent is in the batch or on disk."""
        now = time.monotonic()
        try:
            ctx = self._context(record.number)
            self._receiving.begin(record.ordinal, ctx, record.arguments(), now)
        except (RespellError, *_ODD_ARGUMENTS) as error:
            self._settle(record.ordinal, Outcome.error(error))
            return
        self._take_events(now)

    def _take_events(self, now: float) -> None:
        """Go on with the receives whose wait is over; what they got goes with the outcome."""
        if self._stopping is not None or not self._receiving:
            return
        for received in self._receiving.look(now):
            if received.take is not None:
                self._ledger.along(received.take)
            self._settle(received.ordinal, received.outcome)

    # Ends --------------------------------------------------------------------------------

    def _suspended_by_script(self, caused: Caused) -> None:
        record = self._numbered(caused, b"", Status.NONE)
        try:
            self._waiting_for = suspension_of(record.arguments())
        except RespellError as error:
            self._ledger.add(record)
            self._settle(caused.ordinal, Outcome.error(error))
            return
        self._ledger.add(record)
        self._stop_for_value()

    def _suspend_at(self, record: Record) -> None:
        """The same once hooks have agreed; the effect is recorded already."""
        try:
            self._waiting_for = suspension_of(record.arguments())
        except RespellError as error:
            self._settle(record.ordinal, Outcome.error(error))
            return
        self._stop_for_value()

    def _stop_for_value(self) -> None:
        prompt = (self._waiting_for or {}).get("prompt") or ""
        self._stop(Ended("suspended", "script", message=str(prompt)))
        self._stop_worker()

    def _finish(self, payload: bytes) -> None:
        report = parse_report(payload[1:])
        if payload[0] == Status.OK:
            self._end_after_calls(Ended("completed"))
            return
        self._error = {
            "message": shown_error(report.get("message", "")),
            "traceback": shown_error(report.get("traceback", "")),
            "event": self._ledger.number,
        }
        self._end_after_calls(Ended("failed", message=self._error["message"]))

    def _stopped(self, report: dict[str, Any]) -> None:
        if report.get("kind") == "limit":
            what = shown_error(report.get("message", ""))
            self._limit_reached(Reached("memory_bytes", what))
            return
        from respell.engine.divergence import divergence

        raise divergence(report, self._store, self._session)

    def _worker_gone(self) -> None:
        self._broke_off(f"the Lua process ended by itself ({self._channel.describe_end()})")

    def _broke_off(self, what: str) -> None:
        """End because of the worker: the script may be at fault, or somebody killed it."""
        self._silence()
        message = (
            f"{what} after event {self._ledger.number}; "
            f"`respell resume {self._session.id[:8]}` runs it again from there"
        )
        self._error = {"message": message, "traceback": "", "event": self._ledger.number}
        self._end_after_calls(Ended("suspended", "worker", message=message))

    def _hook_took_too_long(self) -> None:
        """Stop the hook that the worker computes in, and have the run begin anew without it."""
        self._silence()
        seconds = self._watch.limit_s
        message = (
            f"a hook computed for longer than {seconds:g} s after event {self._ledger.number}; "
            "the session goes on without it"
        )
        self._ledger.note(TIMED_OUT, {"ordinal": self._watch.ordinal, "seconds": seconds})
        self._end_after_calls(Ended("suspended", "hook", message=message))

    def _take_request(self, asked: Ended) -> None:
        if asked.reason == "now":
            self._silence()
            self._ended = replace(asked, reason="asked")
        else:
            self._stop(asked)

    def _stop(self, why: Ended) -> None:
        if self._stopping is None:
            now = time.monotonic()
            self._stopping = Stopping(why, now + NEXT_EFFECT_WITHIN_S, now + CALL_ENDS_WITHIN_S)
            if self._calls_worth_waiting_for():
                return
            busy = self._timers or self._delayed or self._receiving or self._performing.in_flight
            if busy or self._hooking.busy:
                self._stop_worker()

    def _calls_worth_waiting_for(self) -> bool:
        """Whether a call is in flight whose outcome should be had; input may never come."""
        return any(
            not one.reads
            and one.name != "input.read"
            and (one.ordinal not in self._left or one.name == REQUEST)
            for one in self._performing.in_flight.values()
        )

    def _stop_worker(self) -> None:
        """The worker has reached an effect: it is no longer needed, a call may still be."""
        if self._stopping is None:
            return
        self._silence()
        if not self._calls_worth_waiting_for():
            self._ended = self._stopping.why

    def _end_after_calls(self, why: Ended) -> None:
        """End the run now; only calls in flight are waited for, so that none is in doubt."""
        self._stopping = None
        self._stop(why)
        self._stop_worker()

    def _silence(self) -> None:
        """Kill the worker and hear nothing more: what comes after an unrecorded call is void."""
        self._deaf = True
        self._channel.kill()

    def _check_time(self, now: float) -> None:
        stopping = self._stopping
        if stopping is not None:
            busy = self._calls_worth_waiting_for()
            if (busy and now >= stopping.calls_until) or (
                not busy and (self._channel.closed or now >= stopping.worker_until)
            ):
                self._silence()
                self._ended = stopping.why
            return
        calls = self._performing.in_flight or self._hooking.busy
        busy = bool(calls or self._timers or self._delayed or self._receiving)
        waits = self._paused or self._asking.is_open
        reached = self._meter.over_time(self._session.limits, now, busy=busy, paused=waits)
        self._policing.look(self._session, now)
        if reached:
            self._limit_reached(reached)

    def _limit_reached(self, reached: Reached) -> None:
        """End the run here, because of a limit or a policy."""
        self._policing.look(self._session, time.monotonic())
        limit, after = reached.limit, self._ledger.number
        failed = reached.fail or self._policing.fails
        said = "policy " if limit.startswith("policy.") or limit == "vote" else "limit "
        message = (
            f"stopped by the {said}{limit.removeprefix('policy.')} after event {after}: "
            f"{reached.what}. {remedy(reached, self._session, after, failed=failed)}."
        )
        self._error = {"message": message, "traceback": "", "event": after}
        self._ledger.note(
            f"limit.{limit}",
            {
                "limit": limit, "value": value_of(self._session.limits, limit), "after": after,
                "what": reached.what,
            },
        )  # fmt: skip
        told = {"limit": limit, "after": after, "what": reached.what}
        self._hooking.tell("ResourceLimitExceeded", told, component=limit)
        self._end_after_calls(Ended("failed" if failed else "suspended", "limit", limit, message))

    # Requests left by others -------------------------------------------------------------

    def _read_inbox(self) -> None:
        for item in self._store.inbox.drain(self._session.key):
            if item.kind == "suspend":
                self._stop(Ended("suspended", "asked"))
            elif item.kind in ("pause", "unpause") and self._paused != (item.kind == "pause"):
                self._pause(item.kind)
            elif item.kind == "limits":
                limits = self._policing.change(self._session, item.payload)
                self._store.sessions.update(self._session.key, limits=limits)
                self._reload()

    def _pause(self, kind: str) -> None:
        self._paused = kind == "pause"
        if self._paused:
            self._watch.waits(time.monotonic())
        else:
            self._watch.goes_on(time.monotonic())
        self._channel.listen(not self._paused)
        if self._paused:
            self._deadlines.pause()
        else:
            self._deadlines.go_on()
        self._ledger.note(f"lifecycle.{kind}", {})
        if not self._paused:
            withheld, self._withheld = self._withheld, []
            for one in withheld:
                self._answer(*one)

    # The last transaction ----------------------------------------------------------------

    def _close(self, ended: Ended) -> None:
        self._take_all()
        for ordinal in self._performing.drop_waiting():
            if ordinal > 0 and ordinal not in self._left:
                self._not_performed(ordinal)
        for _, _, what in self._delayed:
            if isinstance(what, Caused):
                self._meter.uncount()  # it asks again
        self._policing.look(self._session, time.monotonic())
        self._channel.kill()
        self._tell_end(ended)
        close_session(
            self._store,
            self._ledger,
            self._session,
            self._lease,
            ended,
            usage=self._meter.usage(),
            error=self._error,
            waiting_for=self._waiting_for,
        )

    def _tell_end(self, ended: Ended) -> None:
        told = {"status": ended.status, "reason": ended.reason, "message": ended.message}
        # What the script asked for was told when it did.
        if (ended.status, ended.reason) != ("suspended", "script"):
            point = "SessionCheckpoint" if ended.status == "suspended" else "SessionEnd"
            self._hooking.tell(point, told, kind="session", component=self._session.id)
        self._hooking.tell("SystemShutdown", told)
        self._hooking.finish()


def _ended(record: Record, outcome: Outcome) -> Record:
    return replace(
        record, status=outcome.status, outcome=outcome.value, meta=outcome.meta() or record.meta
    )


def _attempt_within_limits(effect: effects.Effect, ctx: EffectContext, record: Record) -> Result:
    args = record.arguments()
    try:
        return attempt(lambda: effect.perform(ctx, args))
    except LimitReached as limit:
        return limit
