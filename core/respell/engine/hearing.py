"""What the worker says, and who is told of it."""

from __future__ import annotations

import time

from respell.engine.calls import Calls
from respell.engine.collecting import Collecting
from respell.engine.divergence import divergence
from respell.engine.ending import shown_error
from respell.engine.frames import Kind as Frame
from respell.engine.hook_calls import HookCalls
from respell.engine.hook_watch import HookWatch
from respell.engine.ledger import Ledger
from respell.engine.numbering import Numbering
from respell.engine.open_events import OpenEvents
from respell.engine.policing import Policing
from respell.engine.row import Row
from respell.engine.stopping import Stopping
from respell.engine.wire import ordinal_of, parse_caused, parse_report, splice_effect, text_of
from respell.history.record import Part
from respell.policies.limits import Reached
from respell.store import Store
from respell.times import now_us

_EFFECT = bytes((Part.EFFECT,))  # compared once per record
_SHOWN = (b"output.", b"log.")
_EVENTS = (Frame.RECORD, Frame.CALL)


class Hearing:
    """Hears the worker of one run.

    Args:
        store: The store.
        row: The session's row.
        ledger: Takes what needs no answer.
        numbering: Makes the records of that.
        events: Those that are open.
        policing: Counts.
        watch: Watches how long hooks of the script compute.
        collecting: Makes artifacts of what tools of the script return.
        hook_calls: Has told what hooks of the script do.
        stopping: Whether and how the run ends.
        calls: Takes what is to be answered.
    """

    def __init__(
        self,
        *,
        store: Store,
        row: Row,
        ledger: Ledger,
        numbering: Numbering,
        events: OpenEvents,
        policing: Policing,
        watch: HookWatch,
        collecting: Collecting,
        hook_calls: HookCalls,
        stopping: Stopping,
        calls: Calls,
    ) -> None:
        self._store = store
        self._row = row
        self._ledger = ledger
        self._numbering = numbering
        self._events = events
        self._policing = policing
        self._heard = policing.meter.heard
        self._watch = watch
        self._collecting = collecting
        self._hook_calls = hook_calls
        self._stopping = stopping
        self._calls = calls

    def hear(self, kind: int, payload: bytes) -> None:
        """Take in one frame.

        Raises:
            WorkerFailed: It is none that a worker of ours would send.
            Divergence: The worker found that the history does not fit what the script does.
        """
        stopping = self._stopping
        if stopping.is_deaf:
            return
        self._heard(time.monotonic())
        if kind in _EVENTS and self._ledger.taken_bytes + len(payload) > self._row.history_room:
            if stopping.is_on:
                stopping.stop_worker()
            else:  # neither recorded nor answered: it is said again
                stopping.limit_reached(self._policing.history_full(len(payload)))
        elif kind == Frame.RECORD:
            if payload[:1] == _EFFECT:
                self._record_effect(payload)
            else:
                self._record(payload)
            if stopping.is_on:
                stopping.stop_worker()
        elif kind == Frame.CALL:
            self._calls.begin(parse_caused(payload))
        elif kind == Frame.IN_HOOK:
            self._watch.computes_in(int.from_bytes(payload[:8], "little"), time.monotonic())
        elif kind == Frame.FINISH:
            report = parse_report(payload[1:])  # first: it refuses an empty payload
            stopping.script_ended(payload[0], report)
        elif kind == Frame.STOPPED:
            self._stopped(payload)

    def _record_effect(self, payload: bytes) -> None:
        """Record what needs no answer: the most frequent case by far."""
        ledger = self._ledger
        body, name, args = splice_effect(
            payload, ledger.number + 1, self._events.number_of, now_us()
        )
        if name.startswith(_SHOWN):
            ledger.output(body, name.decode(), text_of(args))
        else:
            ledger.take(body)
            if self._watch.ordinal:
                self._watch.recorded(name, ordinal_of(payload), time.monotonic())
            if name == b"hook.call":
                self._hook_calls.add(body)

    def _record(self, payload: bytes) -> None:
        """Record the beginning or the end of what other events are inside of."""
        caused = parse_caused(payload)
        if caused.part is Part.END:
            self._calls.leave_inside(caused.ordinal)
        record = self._numbering.record_of(caused, caused.outcome, caused.status)
        self._ledger.add(record)
        self._row.along(self._collecting.heard(record))
        if record.name == "hook.call":
            self._hook_calls.add(record)

    def _stopped(self, payload: bytes) -> None:
        report = parse_report(payload)
        if report.get("kind") != "limit":
            raise divergence(report, self._store, self._row.session)
        what = shown_error(report.get("message", ""))
        self._stopping.limit_reached(Reached("memory_bytes", what))
