"""A rehearsal: what a session would have done with edits, with nothing outside performed.

It goes in two acts. In the first the recorded history is re-executed with the edits in it, as
far as the script asks for what was recorded. From where it asks for something else on, it is
answered from what was recorded and not used yet: the same call with the same arguments gets the
next outcome that such a call had. What it writes needs no answer, and its own state and
artifacts are kept in a throw-away store. It ends where it asks for what was never recorded.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from respell import values
from respell.debug.edits import Edit, OutcomeEdit, ScriptEdit, VariableEdit
from respell.debug.overlay import Overlay
from respell.debug.stops import unrecorded
from respell.debug.worker import TELL_EVERY_S, Cancelled, as_text
from respell.engine.channel import Channel
from respell.engine.deadlines import DEADLINE, is_left
from respell.engine.divergence import divergence
from respell.engine.ending import ended_by_itself, shown_error
from respell.engine.executable import program_of
from respell.engine.frames import Kind as Frame
from respell.engine.open_events import OpenEvents
from respell.engine.outcomes import fitting
from respell.engine.performing import Outcome
from respell.engine.program import Program
from respell.engine.windows import Batches
from respell.engine.wire import Caused, answer, parse_caused, parse_report
from respell.errors import Divergence, UsageError, WorkerFailed
from respell.history.events import answers_the_script
from respell.history.record import Part, Record, Status
from respell.policies.limits import memory_of
from respell.sessions.inheritance import edits_of, known_id
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us

MOST_RECORDS = 50_000
"""As many records of its own, and twice what the session has, a rehearsal may make."""

_QUIET_S = 5.0  # for which a script may compute without a word, besides what it took recorded
_LOOK_S = 0.05


@dataclass(slots=True)
class Rehearsed:
    """What came of a rehearsal.

    Attributes:
        shared: The last record that is the session's own.
        replaced: Records in the place of some of those, by sequence number.
        own: The records behind them.
        done: By number of the edit: the last record before it was done.
        why: Why it ends where it does: recorded, finished, unrecorded, given up.
        message: The same for people; of a script that failed, its error.
        failed: The script ended with an error.
        stops_at_end: It has to be stopped at its last record: nothing says how it goes on.
        taken: By number of an event, which recorded one its outcome was taken from.
        overlay: What it stored; None where nothing was asked about that.
    """

    shared: int
    replaced: dict[int, bytes]
    own: list[bytes] = field(default_factory=list)
    done: dict[int, int] = field(default_factory=dict)
    why: str = "recorded"
    message: str = ""
    failed: bool = False
    stops_at_end: bool = False
    taken: dict[int, int] = field(default_factory=dict)
    overlay: Overlay | None = None

    @property
    def records(self) -> int:
        """How many records there are."""
        return self.shared + len(self.own)


def program_with(store: Store, session: SessionRecord, edits: Sequence[Edit]) -> Program:
    """Return what runs with these edits: the session's program, or one with another script."""
    program = program_of(store, session)
    scripts = [one for one in edits if isinstance(one, ScriptEdit)]
    if not scripts:
        return program
    return replace(program.with_source(scripts[-1].source), script_changed=True)


def worker_edits(
    store: Store, session: SessionRecord, edits: Sequence[Edit]
) -> list[dict[str, Any]]:
    """Return the variables that a worker has to set: the session's own, and those of edits."""
    known = edits_of(store, session)
    return known + [
        one.for_worker(i) for i, one in enumerate(edits, 1) if isinstance(one, VariableEdit)
    ]


OnWait = Callable[[float], None]


def rehearse(
    store: Store,
    session: SessionRecord,
    edits: Sequence[Edit],
    cancel: threading.Event,
    tell: OnWait | None = None,
) -> Rehearsed:
    """Return what a session would have done with edits.

    Args:
        store: Where it is; nothing in it changes.
        session: The session.
        edits: What is different.
        cancel: Ends it early when it is set, by another thread.
        tell: Called now and then with the seconds it takes.

    Raises:
        UsageError: An edit can't be done, or its place does not come any more.
        Divergence: Another script does something else before its edit's position.
        Cancelled: It was cancelled.
        WorkerFailed: The worker broke off, or ran out of memory.
    """
    return _Rehearsal(store, session, edits, cancel, tell).run()


class _Quiet(Exception):
    """The script computes, and asks for nothing."""


class _Rehearsal:
    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        edits: Sequence[Edit],
        cancel: threading.Event,
        tell: OnWait | None,
    ) -> None:
        self._store, self._session, self._edits, self._cancel = store, session, edits, cancel
        self._tell = tell
        self._began = self._told = time.monotonic()
        self._program = program_with(store, session, edits)
        self._outcomes = {
            one.ordinal: (i, one) for i, one in enumerate(edits, 1) if isinstance(one, OutcomeEdit)
        }
        self._by_itself = ended_by_itself(store, session)
        self._done: dict[int, int] = {}
        active_s = float(session.usage.get("active_s") or 0.0)
        self._quiet_s = _QUIET_S + 2 * active_s + session.records * 1e-4

    def run(self) -> Rehearsed:
        replaced = self._replaced()
        report = self._first_act(replaced)
        used = self._used(report)
        for i, _ in self._outcomes.values():
            if self._done.get(i, 0) > used:
                del self._done[i]  # it was not reached
        if report["kind"] == "edit":
            raise self._wrong_edit(report)
        if report["kind"] == "limit":
            raise WorkerFailed(f"it needs more memory than the session had: {report}")
        if report["kind"] == "divergence":
            self._check_divergence(report)
        goes_on = report["kind"] in ("divergence", "quiet") or (
            report["kind"] == "frontier"
            and (self._by_itself or self._has_more_to_do() or self._is_done_last(used))
        )
        kept = {seq: body for seq, body in replaced.items() if seq <= used}
        if goes_on:
            made = _SecondAct(self, used, kept).play()
        else:
            made = Rehearsed(used, kept, stops_at_end=not self._by_itself)
            if report["kind"] == "finish":
                made.why = "finished"
        self._check_done(made)
        made.done = dict(self._done)
        return made

    # The first act -----------------------------------------------------------------------

    def _replaced(self) -> dict[int, bytes]:
        """Return the records that outcomes are edited of, and note where those are done."""
        found: dict[int, bytes] = {}
        for i, one in self._outcomes.values():
            for seq, record in self._recorded(one):
                if answers_the_script(record) or record.part is Part.END:
                    found[seq] = one.applied(record).pack()
                    self._done[i] = seq
        return found

    def _recorded(self, edit: OutcomeEdit) -> Iterator[tuple[int, Record]]:
        number = number_of_ordinal(self._store, self._session, edit.ordinal)
        if number:
            yield from self._store.history.events(self._session.key, number, number)

    def _first_act(self, replaced: Mapping[int, bytes]) -> dict[str, Any]:
        recorded = self._store.history.bodies(self._session.key, self._session.records)
        with closing(Conversation(self, _with(replaced, recorded), live=False)) as conversation:
            try:
                return conversation.hold(lambda _kind, _caused: True)
            except _Quiet:
                return {"kind": "quiet"}

    def _used(self, report: Mapping[str, Any]) -> int:
        if report["kind"] == "finish":
            return self._session.records
        if report["kind"] == "quiet":
            return min([*self._done.values(), self._session.records])
        return int(report.get("used") or 0)

    def _has_more_to_do(self) -> bool:
        """Whether edits wait for what was never recorded."""
        return any(True for _ in self._waiting())

    def _is_done_last(self, used: int) -> bool:
        """Whether a variable is set behind all that is recorded, as the script still runs.

        What it asks for next depends on that.
        """
        # Before its first effect a script has used no record yet: there is that of its start.
        last = [
            max(1, self._done[i])
            for i, one in enumerate(self._edits, 1)
            if isinstance(one, VariableEdit) and i in self._done
        ]
        return used == self._session.records and used in last

    def _waiting(self) -> Iterator[Edit]:
        for i, one in enumerate(self._edits, 1):
            if i not in self._done and not isinstance(one, ScriptEdit):
                yield one

    def _wrong_edit(self, report: Mapping[str, Any]) -> UsageError:
        edit = self._edits[report["edit"] - 1]
        return UsageError(f"{edit.describe()}: {as_text(report['message'])}")

    def _check_divergence(self, report: dict[str, Any]) -> None:
        """Make sure that it was an edit that made it do something else."""
        scripts = [one for one in self._edits if isinstance(one, ScriptEdit)]
        expected = report.get("expected") or {}
        number = int(expected.get("number") or self._session.events + 1)
        first = min(one.position.event for one in self._edits)
        for one in scripts:
            if number <= one.position.event:
                found = divergence(report, self._store, self._session)
                raise Divergence(
                    f"{one.path or 'the edited script'} does something else before "
                    f"{one.position}: it differs at event {number}{_place(found)}. Go back to "
                    "before that event, or leave the script as it was up to there.\n"
                    f"{found.report['diff']}",
                    report=found.report,
                )
        if number < first:
            raise divergence(report, self._store, self._session)

    def _check_done(self, made: Rehearsed) -> None:
        for one in self._waiting():
            if made.overlay is not None:
                made.overlay.close()
            raise UsageError(
                f"{one.describe()}: the script does not come there any more with the other edits"
            )
        for i, one in enumerate(self._edits, 1):
            if isinstance(one, ScriptEdit):
                event = one.position.event
                last = self._store.history.last_record_of(self._session.key, event)
                self._done[i] = min(last, made.shared)

    def wait(self) -> None:
        """Say that it takes a while, or end it, as it was asked to be."""
        if self._cancel.is_set():
            raise Cancelled("the dry run was cancelled")
        now = time.monotonic()
        if self._tell is not None and now - self._told >= TELL_EVERY_S:
            self._told = now
            self._tell(now - self._began)

    # For both ----------------------------------------------------------------------------

    @property
    def init(self) -> bytes:
        """The worker's INIT payload."""
        return self._program.init(
            session_id=known_id(self._store, self._session),
            script_changed=self._program.script_changed,
            edits=worker_edits(self._store, self._session, self._edits) or None,
            tells_edits=True,
            ask_all=True,
            stops_at_end=not self._by_itself and not self._has_more_to_do(),
        )

    def edited(self, number: int, used: int) -> None:
        """Note that an edit is done, the first time that it is."""
        self._done.setdefault(number, used)


class Conversation:
    """A worker, and what it says."""

    def __init__(self, rehearsal: _Rehearsal, history: Batches, *, live: bool) -> None:
        self._rehearsal = rehearsal
        session = rehearsal._session
        self.channel = Channel(
            memory_bytes=memory_of(session.limits), read_blob=rehearsal._store.blobs.read
        )
        with ExitStack() as unless_begun:
            unless_begun.callback(self.channel.close)
            self.channel.wait_ready()
            self.channel.begin(rehearsal.init, history, live=live)
            unless_begun.pop_all()

    def hold(self, hear: Any, edited: Any = None) -> dict[str, Any]:
        """Listen until it ends, or until it is heard enough; returns how it ended."""
        rehearsal, channel = self._rehearsal, self.channel
        heard_at = time.monotonic()
        while True:
            rehearsal.wait()
            frames = channel.poll(_LOOK_S)
            if frames:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > rehearsal._quiet_s:
                raise _Quiet
            for kind, payload in frames:
                if kind == Frame.EDITED:
                    number = int.from_bytes(payload[:8], "little")
                    used = int.from_bytes(payload[8:16], "little")
                    rehearsal.edited(number, used if edited is None else edited())
                elif kind == Frame.FINISH:
                    failed = payload[0] != Status.OK
                    return {**parse_report(payload[1:]), "kind": "finish", "failed": failed}
                elif kind == Frame.STOPPED:
                    report = parse_report(payload)
                    return {**report, "kind": as_text(report["kind"])}
                elif kind in (Frame.RECORD, Frame.CALL):
                    if not hear(kind, parse_caused(payload)):
                        return {"kind": "enough"}
                elif kind != Frame.IN_HOOK:
                    raise WorkerFailed(f"a rehearsing worker sent a frame of kind {kind}")
            if channel.closed:
                raise WorkerFailed(f"the rehearsing worker broke off ({channel.describe_end()})")

    def close(self) -> None:
        """End the worker."""
        self.channel.close()


class _SecondAct:
    """From where the script asks for something else than was recorded."""

    def __init__(self, rehearsal: _Rehearsal, shared: int, replaced: dict[int, bytes]) -> None:
        self._rehearsal = rehearsal
        self._store, self._session = rehearsal._store, rehearsal._session
        self._made = Rehearsed(shared, replaced)
        self._most = MOST_RECORDS + 2 * self._session.records
        self._number = self._store.history.event_at(self._session.key, shared)
        self._events = OpenEvents()
        self._stock: dict[tuple[str, bytes], deque[tuple[int, Outcome | None]]]
        self._stock = defaultdict(deque)
        self._taken = 0  # the event that an outcome was taken from
        self._in_flight: list[tuple[Record, Outcome]] = []
        self._fill()

    def _before(self) -> Iterator[Record]:
        for seq, body in self._store.history.records(self._session.key, 1, self._made.shared):
            yield Record.unpack(self._made.replaced.get(seq, body))

    def _fill(self) -> None:
        """Take up what was recorded behind: answers, and outcomes of what was in flight."""
        opened: dict[int, Record] = {}
        behind: set[int] = set()
        last = self._session.records
        for seq, body in self._store.history.records(self._session.key, 1, last):
            part = body[0]
            if part == Part.EFFECT and seq <= self._made.shared:
                continue
            record = Record.unpack(body)
            if record.part is Part.INTENT:
                opened[record.ordinal] = record
                if seq > self._made.shared:
                    behind.add(record.ordinal)
            elif record.part is Part.OUTCOME and record.ordinal in opened:
                intent = opened.pop(record.ordinal)
                if seq <= self._made.shared:
                    continue
                if record.ordinal in behind:
                    self._put(intent, record)
                elif intent.ordinal in self._rehearsal._outcomes:
                    opened[intent.ordinal] = intent  # it has another outcome
                elif not is_left(record) and record.name != DEADLINE:
                    self._in_flight.append((intent, self._outcome_of(record)))
            elif record.part is Part.EFFECT:
                self._put(record, record)
        for ordinal, intent in opened.items():
            edit = self._rehearsal._outcomes.get(ordinal)
            if ordinal not in behind and edit is not None:
                self._in_flight.append((intent, self._edited_outcome(*edit, intent)))

    def _put(self, asked: Record, record: Record) -> None:
        left = is_left(record) or asked.name == DEADLINE
        outcome = None if left else self._outcome_of(record)
        self._stock[asked.name, asked.args].append((asked.number, outcome))

    @staticmethod
    def _outcome_of(record: Record) -> Outcome:
        error = record.metadata().get("error", "") if record.status is Status.ERROR else ""
        return Outcome(record.status, record.outcome, str(error))

    def play(self) -> Rehearsed:
        """Go on to the end."""
        made = self._made
        recorded = self._store.history.bodies(self._session.key, made.shared)
        history = self._events.watch(_with(made.replaced, recorded))
        with ExitStack() as unless_made:
            unless_made.callback(self._drop_overlay)
            with closing(Conversation(self._rehearsal, history, live=True)) as conversation:
                self._channel = conversation.channel
                self._converse(conversation)
            unless_made.pop_all()
        return made

    def _converse(self, conversation: Conversation) -> None:
        made = self._made
        try:
            for intent, outcome in self._in_flight:
                self._events.begun(intent)
                if intent.ordinal not in self._rehearsal._outcomes:
                    made.taken[intent.number] = intent.number
                self._answered(intent, outcome)
            self._end(conversation.hold(self._hear, lambda: made.records))
        except _Quiet:
            made.why, made.stops_at_end = "given up", True
            made.message = (
                f"it was given up after {self._rehearsal._quiet_s:.0f} s in which the script "
                "computed and asked for nothing"
            )

    def _drop_overlay(self) -> None:
        if self._made.overlay is not None:
            self._made.overlay.close()

    def _end(self, report: dict[str, Any]) -> None:
        made = self._made
        if report["kind"] == "finish":
            made.why, made.failed = "finished", report["failed"]
            if made.failed:
                made.message = shown_error(report.get("message", ""))
        elif report["kind"] == "edit":
            raise self._rehearsal._wrong_edit(report)
        elif report["kind"] == "limit":
            made.why, made.stops_at_end = "given up", True
            made.message = "the session's memory was used up"
        elif report["kind"] != "enough":
            raise divergence(report, self._store, self._session)

    # What the worker says ------------------------------------------------------------------

    def _hear(self, kind: int, caused: Caused) -> bool:
        if len(self._made.own) >= self._most:
            self._made.why, self._made.stops_at_end = "given up", True
            self._made.message = f"it was given up after {self._most:,} records of its own"
            return False
        if kind == Frame.RECORD:
            self._add(self._record(caused, caused.status, caused.outcome))
            return True
        return self._called(caused)

    def _called(self, caused: Caused) -> bool:
        is_known, outcome = self._found(caused)
        if not is_known:
            self._made.why = "unrecorded"
            self._made.message = unrecorded(caused.name, caused.args)
            return False
        if caused.part is Part.EFFECT:
            if outcome is None:
                return True
            record = self._record(caused, outcome.status, outcome.value)
            self._note_taken(record)
            self._add(replace(record, meta=outcome.meta()))
            self._channel.answer(answer(caused.ordinal, outcome.answered, outcome.value))
            return True
        intent = self._record(caused, Status.NONE, b"")
        self._note_taken(intent)
        self._add(intent)
        self._events.begun(intent)
        if outcome is not None:
            self._answered(intent, outcome)
        return True

    def _note_taken(self, record: Record) -> None:
        if self._taken:
            self._made.taken[record.number] = self._taken

    def _found(self, caused: Caused) -> tuple[bool, Outcome | None]:
        """Return whether it is known what comes of a call, and what; None where nothing does."""
        stock = self._stock.get((caused.name, caused.args))
        is_known = bool(stock)
        self._taken, recorded = stock.popleft() if stock else (0, None)
        edit = self._rehearsal._outcomes.get(caused.ordinal)
        if edit is not None and edit[0] not in self._rehearsal._done:
            self._taken = 0
            asked = Record(
                caused.part, self._number + 1, caused.ordinal, name=caused.name, args=caused.args
            )
            return True, self._edited_outcome(*edit, asked)
        family = caused.name.partition(".")[0]
        if caused.part is Part.EFFECT and family in ("state", "artifact"):
            here = self._overlay.perform(caused.name, caused.args, self._number + 1, recorded)
            if family == "state" and here is not None:
                return True, here
            return (True, recorded) if is_known else (here is not None, here)
        # A deadline's time is not over as long as nobody says so.
        return is_known or caused.name == DEADLINE, recorded

    def _edited_outcome(self, number: int, edit: OutcomeEdit, asked: Record) -> Outcome:
        if edit.name != asked.name:
            raise UsageError(
                f"{edit.describe()}: with the other edits the script asks for {asked.name} there"
            )
        outcome = edit.outcome if edit.error is not None else fitting(asked, edit.outcome)
        self._rehearsal.edited(number, self._made.records + 1)
        return Outcome(
            edit.status, edit.encoded if edit.error is not None else values.encode(outcome),
            "" if edit.error is None else "EffectFailed",
        )  # fmt: skip

    @property
    def _overlay(self) -> Overlay:
        if self._made.overlay is None:
            before = (*self._before(),) if not self._made.own else self._all_before()
            self._made.overlay = Overlay(
                self._store, self._session, self._rehearsal._program, before
            )
        return self._made.overlay

    def _all_before(self) -> Iterator[Record]:
        yield from self._before()
        for body in self._made.own:
            yield Record.unpack(body)

    # What is recorded ----------------------------------------------------------------------

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _record(self, caused: Caused, status: Status, outcome: bytes) -> Record:
        number, parent = self._events.place(caused, caused.part, self._next_number)
        return Record(
            caused.part, number, caused.ordinal, parent, status, caused.name, caused.source,
            caused.line, caused.coroutine, now_us(), caused.args, outcome,
        )  # fmt: skip

    def _answered(self, intent: Record, outcome: Outcome) -> None:
        self._events.settled(intent.ordinal)
        edited = replace(intent, part=Part.OUTCOME, args=b"", at=now_us(), meta=outcome.meta())
        self._add(edited.with_outcome(outcome.status, outcome.value))
        self._channel.answer(answer(intent.ordinal, outcome.answered, outcome.value))

    def _add(self, record: Record) -> None:
        self._made.own.append(record.pack())


def number_of_ordinal(store: Store, session: SessionRecord, ordinal: int) -> int:
    """Return the number of the how-manieth event of a script; 0 where there is none.

    Numbers are as high as ordinals at least, and rise with them.
    """
    low, high = ordinal, session.events
    while low <= high:
        middle = (low + high) // 2
        at, found = middle, 0
        while at >= low and not found:
            found = max(
                (one.ordinal for _, one in store.history.events(session.key, at, at)), default=0
            )
            at -= 0 if found else 1
        if found == ordinal:
            return at
        if found < ordinal:
            low = middle + 1
        else:
            high = at - 1
    return 0


def _with(replaced: Mapping[int, bytes], history: Batches) -> Batches:
    """Put other records in the place of some, by their sequence numbers."""
    seq = 1
    for batch in history:
        here = [at for at in replaced if seq <= at < seq + len(batch)]
        if here:
            batch = list(batch)
            for at in here:
                batch[at - seq] = replaced[at]
        seq += len(batch)
        yield batch


def _place(found: Divergence) -> str:
    source, line = found.report.get("source"), found.report.get("line")
    return f" ({source}:{line})" if source else ""
