"""Replay: re-execute a session from its history, with nothing outside touched.

- exact: everything is compared with what was recorded, to the end of the history;
- modified: some outcomes are edited; runs to the first effect that the edits changed;
- simulate: the history is no order but a stock of answers: the n-th call with equal name and
  arguments gets the n-th recorded outcome, and what a script does to sessions, artifacts and
  state happens in a throw-away store. Runs to the first call that was never recorded.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from blake3 import blake3

from respell import values
from respell.engine.channel import Channel, OnProgress, counted
from respell.engine.divergence import divergence
from respell.engine.ending import ended_by_itself, shown_error
from respell.engine.executable import check_executable, program_of
from respell.engine.frames import Kind as Frame
from respell.engine.hook_check import HookDifference
from respell.engine.hook_check import check_hooks as check
from respell.engine.outcomes import fitting
from respell.engine.program import Program
from respell.engine.simulation import Simulation
from respell.engine.windows import Batches
from respell.engine.wire import parse_caused
from respell.errors import (
    Divergence,
    EffectFailed,
    EventNotFound,
    LimitReached,
    UsageError,
    WorkerFailed,
)
from respell.history.events import answers_the_script
from respell.history.record import Part, Record, Status
from respell.hooks.registry import HookRegistry, declared
from respell.policies.limits import memory_of
from respell.sessions.inheritance import edits_of, known_id
from respell.sessions.record import SessionRecord
from respell.store import Store

Mode = Literal["exact", "modified", "simulate"]
MODES: tuple[Mode, ...] = ("exact", "modified", "simulate")

_LOOK_S = 0.05  # how soon a cancelled replay ends
_NAME_AT = 27  # of a packed record: where its name begins, behind the byte of its length


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        identical: Re-execution asked for just what was recorded, to its end.
        events_replayed: How many events of the script were re-executed.
        hooks_replayed: How many hook calls among them.
        external_effects: How many effects were really performed outside; none ever is.
        divergence: event, source, line, expected, found, diff; None where there is none.
        output_identical: All recorded output was produced again, in order.
        trace_hash: Digest of every name, argument, place and output that was re-executed.
        total_duration_s: How long it took, in seconds.
        lines: Lines of the script that ran, when they were counted; else 0.
        hooks_checked: How many calls of replayable hooks were made again and compared; None
            where that was not asked for.
        hook_differences: Those that decide something else now.
    """

    identical: bool
    events_replayed: int
    hooks_replayed: int
    external_effects: int
    divergence: dict[str, Any] | None
    output_identical: bool
    trace_hash: str
    total_duration_s: float
    lines: int = 0
    hooks_checked: int | None = None
    hook_differences: tuple[HookDifference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell replay --json` shows it."""
        shown = None
        if self.divergence is not None:
            keys = ("event", "source", "line", "expected", "found", "diff")
            shown = {key: self.divergence.get(key) for key in keys}
        checked: dict[str, Any] = {}
        if self.hooks_checked is not None:
            checked = {
                "hooks_checked": self.hooks_checked,
                "hook_differences": [it.to_json() for it in self.hook_differences],
            }
        return {
            "identical": self.identical,
            "events_replayed": self.events_replayed,
            "hooks_replayed": self.hooks_replayed,
            "external_effects": self.external_effects,
            "divergence": shown,
            "output_identical": self.output_identical,
            "trace_hash": self.trace_hash,
            "total_duration_s": self.total_duration_s,
            **checked,
        }


def replay(
    store: Store,
    session: SessionRecord,
    *,
    mode: Mode = "exact",
    edits: Mapping[int, Any] | None = None,
    source: bytes | None = None,
    script: str | None = None,
    first: int | None = None,
    last: int | None = None,
    count_lines: bool = False,
    on_progress: OnProgress | None = None,
    timeout_s: float | None = None,
    cancel: threading.Event | None = None,
    by: str = "",
    check_hooks: bool = False,
    hooks: HookRegistry | None = None,
) -> ReplayResult:
    """Re-execute a session; no effect outside is performed.

    Args:
        store: Where it is.
        session: A session with a program, in any status, running ones included.
        mode: exact, modified or simulate.
        edits: For `modified`: outcomes by event number.
        source: Another script to re-execute with; lines are not compared then.
        script: That script's path, as shown to people.
        first: Event number from which on events are traced and counted; None for the beginning.
        last: Event number to stop after; None for the end.
        count_lines: Run with a line hook that counts the script's lines.
        on_progress: Called with how many records of how many were re-executed.
        timeout_s: Most seconds it may take; the session's own limit holds in any case.
        cancel: Ends it early when it is set, by another thread.
        by: Who wants it, for the audit log: a session's id, or `cli`, `python`; empty where
            it is part of something else.
        check_hooks: Call the hooks in Python that are replayable again, with what they were told,
            and compare what they decide.
        hooks: Those there are now; None for those of this process.

    Raises:
        UsageError: The session has no program or was redacted, or an edit fits no event or mode.
        EventNotFound: `first` or `last` is no event of it.
        LimitReached: It took longer than the session or this replay was allowed to.
        EffectFailed: It was cancelled.
        WorkerFailed: The worker broke off.
    """
    if mode not in MODES:
        raise UsageError(f"{mode!r} is not a mode of replay; choose one of {', '.join(MODES)}")
    if edits and mode != "modified":
        raise UsageError(f"outcomes can be edited with the mode modified, not with {mode}")
    if not session.has_program:
        raise UsageError(f"session {session.id[:8]} has no program of its own to re-execute")
    check_executable(session)
    if first is not None and last is not None and first > last:
        raise UsageError(f"there is nothing from event {first} to event {last}")
    program = program_of(store, session)
    if source is not None:
        program = program.with_source(source, os.path.basename(script) if script else None)
    stop = session.records if last is None else store.history.last_record_of(session.key, last)
    trace_from = 1 if first is None else _ordinal_of(store, session, first)
    if by and not store.read_only:
        store.audit.note(
            "session.replay", session=session.id, actor=by, target=session.name, reason=mode
        )
    # Where a script ended by itself, how it ended is compared too.
    to_its_end = last is None and ended_by_itself(store, session)
    replayer = _Replayer(
        store, session, stop, _Patience.of(session, timeout_s, cancel), trace_from, to_its_end
    )
    init = program.init(
        session_id=known_id(store, session),
        trace=True,
        trace_from=trace_from,
        script_changed=program.script_changed or source is not None,
        edits=edits_of(store, session) or None,
        count_lines=count_lines,
        ask_all=mode == "simulate",
        stops_at_end=not to_its_end,
    )
    if mode == "simulate":
        with tempfile.TemporaryDirectory(prefix="respell-simulate-") as folder:
            result = replayer.simulate(init, program, folder)
    else:
        history = _edited(store, session, edits or {}, stop)
        result = replayer.compare(init, counted(history, stop, on_progress))
    if not check_hooks:
        return result
    checked, different = check(store, session, declared if hooks is None else hooks, first, last)
    return replace(result, hooks_checked=checked, hook_differences=tuple(different))


def executed(
    store: Store,
    session: SessionRecord,
    init: bytes,
    history: Batches,
    *,
    cancel: threading.Event | None = None,
) -> dict[str, Any]:
    """Re-execute a session on records that need not be its own, and return how it ended.

    Args:
        store: Where the session is.
        session: The session, for its limits.
        init: The worker's INIT payload.
        history: The records.
        cancel: Ends it early when it is set, by another thread.

    Returns:
        What the worker reported: kind is `finish`, or why it stopped.

    Raises:
        LimitReached: It took longer than the session was allowed to.
        EffectFailed: It was cancelled.
        WorkerFailed: The worker broke off.
    """
    patience = _Patience.of(session, None, cancel)
    kind, payload = _Replayer(store, session, 0, patience, 1, False).execute(init, history)
    if kind == Frame.FINISH:
        return {**values.decode(payload[1:]), "kind": "finish"}
    report: dict[str, Any] = values.decode(payload)
    return report


def _ordinal_of(store: Store, session: SessionRecord, number: int) -> int:
    for _, record in store.history.events(session.key, number):
        if record.ordinal:
            return record.ordinal
    raise EventNotFound(f"no event of the script comes at or after event {number}")


def _edited(store: Store, session: SessionRecord, edits: Mapping[int, Any], stop: int) -> Batches:
    outcomes: dict[int, bytes] = {}
    for number, value in edits.items():
        parts = [record for _, record in store.history.events(session.key, number, number)]
        if not parts:
            raise UsageError(
                f"session {session.id} has no event {number}; its last one is {session.events}"
            )
        if not any(map(_answers, parts)):
            raise UsageError(f"event {number} has no outcome that could be edited")
        outcomes[number] = values.encode(fitting(parts[0], value))

    def edited(body: bytes) -> bytes:
        record = Record.unpack(body)
        if record.number in outcomes and _answers(record):
            return record.with_outcome(Status.OK, outcomes[record.number]).pack()
        return body

    for batch in store.history.bodies(session.key, stop):
        yield list(map(edited, batch)) if outcomes else batch


def _answers(record: Record) -> bool:
    return record.part is Part.END or answers_the_script(record)


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long a replay may take.

    Attributes:
        seconds: As many as this.
        limit: Name of what says so, for the error.
        cancel: Ends it early once it is set.
    """

    seconds: float
    limit: str
    cancel: threading.Event | None

    @classmethod
    def of(
        cls, session: SessionRecord, timeout_s: float | None, cancel: threading.Event | None
    ) -> _Patience:
        if timeout_s is not None and not timeout_s > 0:
            raise UsageError(f"a replay's timeout is a number of seconds above 0, not {timeout_s}")
        duration = session.limits.get("max_duration", math.inf)
        if timeout_s is not None and timeout_s < duration:
            return cls(timeout_s, "timeout", cancel)
        return cls(duration, "max_duration", cancel)

    def left(self, until: float) -> float | None:
        """Return for how many seconds to wait for the worker; None for as long as it takes."""
        if self.cancel is not None and self.cancel.is_set():
            raise EffectFailed("the replay was cancelled")
        left = until - time.monotonic()
        if left <= 0:
            whose = "its timeout" if self.limit == "timeout" else "the session's limit max_duration"
            raise LimitReached(
                f"the replay was stopped by {whose}: {self.seconds:g} s", limit=self.limit
            )
        if self.cancel is not None:
            return min(left, _LOOK_S)
        return None if left == math.inf else left


class _Replayer:
    """One re-execution."""

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        stop: int,
        patience: _Patience,
        trace_from: int,
        to_its_end: bool,
    ) -> None:
        self._store = store
        self._session = session
        self._patience = patience
        self._stop = stop
        self._trace_from = trace_from  # ordinal of the first event that counts
        self._to_its_end = to_its_end  # the script ended by itself after the last record
        self._hooks = 0
        self._started = time.perf_counter()
        self._trace = blake3()
        self._channel = Channel(
            memory_bytes=memory_of(session.limits),
            read_blob=store.blobs.read,
        )

    def execute(self, init: bytes, history: Batches) -> tuple[int, bytes]:
        """Re-execute, and return the frame that it ended with."""
        channel = self._channel
        try:
            channel.wait_ready()
            channel.begin(init, self._count_hooks(history), live=False)
            return self._listen(None)
        finally:
            channel.close()

    def compare(self, init: bytes, history: Batches) -> ReplayResult:
        """Re-execute against the records in their order."""
        kind, payload = self.execute(init, history)
        if kind == Frame.FINISH:
            return self._finished(Status(payload[0]), values.decode(payload[1:]))
        report = values.decode(payload)
        if report["kind"] == "frontier" and not (self._to_its_end and report.get("found")):
            return self._result(report, None)
        if report["kind"] == "frontier":
            report["what"] = "never recorded"
        if report["kind"] == "limit":
            raise WorkerFailed(f"the replay needs more memory than the session had: {report}")
        found = divergence(report, self._store, self._session)
        return self._result(report, found)

    def _finished(self, status: Status, report: dict[str, Any]) -> ReplayResult:
        recorded = self._session
        if self._to_its_end and recorded.status in ("completed", "failed"):
            same = (status is Status.OK) == (recorded.status == "completed")
            if same and status is Status.ERROR:
                same = shown_error(report["message"]) == (recorded.error or {}).get("message")
            if not same:
                end = {"name": f"lifecycle.{recorded.status}", "args": b"", "source": "", "line": 0}
                found = {
                    "name": "lifecycle.completed" if status is Status.OK else "lifecycle.failed",
                    "args": values.encode({"message": report.get("message")}),
                    "source": "", "line": 0,
                }  # fmt: skip
                error = divergence(
                    {
                        "what": "another end",
                        "expected": {**end, "number": recorded.events},
                        "found": found,
                    },
                    self._store,
                    recorded,
                )
                return self._result(report, error)
        return self._result(report, None)

    def _result(self, report: dict[str, Any], found: Divergence | None) -> ReplayResult:
        done = report.get("events", report.get("ordinal", 0))
        if found is not None:
            done -= 1
        return ReplayResult(
            identical=found is None,
            events_replayed=max(0, done - (self._trace_from - 1)),
            hooks_replayed=self._hooks,
            external_effects=0,
            divergence=found.report if found else None,
            output_identical=found is None,
            trace_hash=self._trace.hexdigest(),
            total_duration_s=time.perf_counter() - self._started,
            lines=report.get("lines") or 0,
        )

    def _listen(self, simulation: Simulation | None) -> tuple[int, bytes]:
        """Return the frame that ends the re-execution."""
        channel = self._channel
        until = time.monotonic() + self._patience.seconds
        while True:
            left = self._patience.left(until)
            for kind, payload in channel.poll(left):
                if kind == Frame.TRACE:
                    self._trace.update(payload)
                elif kind in (Frame.FINISH, Frame.STOPPED):
                    return kind, payload
                elif simulation is not None and kind in (Frame.CALL, Frame.RECORD):
                    if not simulation.hear(kind, parse_caused(payload)):
                        return Frame.STOPPED, b""
                elif simulation is None or kind != Frame.IN_HOOK:
                    raise WorkerFailed(f"a replaying worker sent a frame of kind {kind}")
            if channel.closed:
                raise WorkerFailed(f"the replaying worker broke off ({channel.describe_end()})")

    def _count_hooks(self, history: Batches) -> Batches:
        calls = (Part.BEGIN, Part.EFFECT)  # with something inside of it, and without
        for batch in history:
            for body in batch:
                if (
                    body[_NAME_AT - 1 : _NAME_AT + 9] == b"\x09hook.call"
                    and body[0] in calls
                    and Record.unpack(body).ordinal >= self._trace_from
                ):
                    self._hooks += 1
            yield batch

    def simulate(self, init: bytes, program: Program, folder: str) -> ReplayResult:
        """Run live, with recorded answers and a throw-away store."""
        channel = self._channel
        simulation = Simulation(self._store, self._session, self._stop, program, folder, channel)
        if not self._to_its_end:
            simulation.stops_after = simulation.recorded
        try:
            channel.wait_ready()
            stopped = (simulation.stopped,) if simulation.stopped else ()
            channel.begin(init, iter(stopped), live=True)
            kind, payload = self._listen(simulation)
        finally:
            channel.close()
            simulation.close()
        report: dict[str, Any] = {"events": simulation.events}
        if kind == Frame.STOPPED and simulation.unknown is not None:
            found = divergence(
                {"what": "never recorded", "found": simulation.unknown}, self._store, self._session
            )
        elif kind == Frame.STOPPED and simulation.over:
            found = None
        elif kind == Frame.STOPPED:
            raise WorkerFailed(f"the simulation stopped: {values.decode(payload)}")
        else:
            report |= {"lines": values.decode(payload[1:]).get("lines")}
            found = None
        self._hooks = simulation.hooks
        result = self._result(report, found)
        return replace(
            result,
            output_identical=simulation.outputs == simulation.recorded_outputs,
            identical=result.identical and simulation.outputs == simulation.recorded_outputs,
        )
