"""Simulation: a live worker that is answered from a stock of recorded outcomes.

The n-th call with equal name and arguments gets the n-th recorded outcome; what a script
does to sessions, artifacts and state happens in a throw-away store.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, replace
from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.channel import Channel
from respell.engine.deadlines import DEADLINE, is_left
from respell.engine.effects import EffectContext
from respell.engine.frames import Kind as Frame
from respell.engine.hook_watch import TIMED_OUT
from respell.engine.hooked import WrittenApart
from respell.engine.performing import Outcome, attempt
from respell.engine.program import Program
from respell.engine.wire import Caused, answer
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolRegistry

_CAUSED = (Part.EFFECT, Part.BEGIN, Part.INTENT)
_HOOK_CALLS = (Part.EFFECT, Part.BEGIN)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was recorded of a call: how it ended, and whether the script went on without it.

    Where hooks in Python were around it, it has an intent and an outcome of its own whatever its
    kind, and what it wrote is what they had let be written.
    """

    outcome: Outcome
    ordinal: int
    is_left: bool
    passed: int  # ordinal of the deadline because of which it was left; 0 for none
    is_apart: bool
    written: Record | None


def _passed(record: Record, parents: dict[int, int], passed: dict[int, int]) -> int:
    """Return the ordinal of the innermost deadline around a record that has passed, or 0."""
    around = record.parent
    while around and around not in passed:
        around = parents.get(around, 0)
    return passed.get(around, 0)


class Simulation:
    """Answers a live worker from a stock of recorded outcomes.

    Args:
        store: Where the session is.
        session: The session whose history is the stock.
        stop: Last record of the stock.
        program: What the worker runs.
        folder: Where the throw-away store may be.
        channel: The worker.

    Attributes:
        events: How many events the script caused.
        hooks: How many hook calls among them.
        heard: How often it began an event or asked for an effect.
        recorded: How often that is recorded.
        stops_after: As many are heard of a script that had not ended; None for all.
        unknown: The call that was never recorded, which ended the simulation.
        outputs: Arguments of the output events, in order.
        recorded_outputs: Those that were recorded.
        stopped: The notes of hooks that took too long: the worker does not enter them again.
    """

    _OVERLAID = ("state", "session", "artifact")

    def __init__(
        self, store: Store, session: SessionRecord, stop: int, program: Program, folder: str,
        channel: Channel,
    ) -> None:  # fmt: skip
        self.events = self.hooks = 0
        self.heard = self.recorded = 0
        self.stops_after: int | None = None
        self.unknown: dict[str, Any] | None = None
        self.outputs: list[bytes] = []
        self.recorded_outputs: list[bytes] = []
        self.stopped: list[bytes] = []
        self._channel = channel
        self._stock: dict[tuple[str, bytes], deque[_Answer]] = defaultdict(deque)
        self._held: dict[int, tuple[int, Outcome]] = {}  # deadlines that passed, not yet said
        self._overlay = Store(folder, durability="process")
        self._session = self._overlay.sessions.insert(
            replace(session, key=0, fork_of=None, fork_seq=0, status="active")
        )
        self._program = program
        self._touched = False
        self._fill(store, session, stop)

    @property
    def over(self) -> bool:
        """Whether all was heard of a script that had not ended."""
        return self.stops_after is not None and self.heard >= self.stops_after

    def close(self) -> None:
        """Close the throw-away store."""
        self._overlay.close()

    def _fill(self, store: Store, session: SessionRecord, stop: int) -> None:
        opened: dict[int, Record] = {}
        parents: dict[int, int] = {}  # of events that others are inside of, by number
        passed: dict[int, int] = {}  # number of an event -> ordinal of its deadline that passed
        apart, written = WrittenApart(), dict[int, Record]()
        for _, body in store.history.records(session.key, 1, stop):
            record = Record.unpack(body)
            self.recorded += record.part in _CAUSED
            if (change := apart.next(record)) is not None:
                written[change.ordinal] = change
            if record.name == TIMED_OUT:
                self.stopped.append(body)
            if record.part is Part.INTENT:
                opened[record.ordinal] = record
            elif record.part is Part.BEGIN:
                parents[record.number] = record.parent
            elif record.part is Part.OUTCOME and record.ordinal in opened:
                intent = opened.pop(record.ordinal)
                around = _passed(record, parents, passed)
                self._put(intent.name, intent.args, record, around, written.get(record.ordinal))
            elif record.part is Part.EFFECT:
                self._put(record.name, record.args, record, 0, None)
                if record.name.startswith("output."):
                    self.recorded_outputs.append(record.args)
            if record.part is Part.OUTCOME and record.name == DEADLINE and not is_left(record):
                passed[record.parent] = record.ordinal

    def _put(
        self, name: str, args: bytes, record: Record, passed: int, written: Record | None
    ) -> None:
        error = record.metadata().get("error", "") if record.status is Status.ERROR else ""
        outcome = Outcome(record.status, record.outcome, error)
        is_apart = record.part is Part.OUTCOME
        self._stock[name, args].append(
            _Answer(outcome, record.ordinal, is_left(record), passed, is_apart, written)
        )

    def hear(self, kind: int, caused: Caused) -> bool:
        """Answer one frame; False when the call was never recorded, or nothing more was."""
        self.heard += caused.part in _CAUSED
        self.events = max(self.events, caused.ordinal)
        if kind == Frame.RECORD:
            self.hooks += caused.part in _HOOK_CALLS and caused.name == "hook.call"
            if caused.name.startswith("output."):
                self.outputs.append(caused.args)
            return not self.over
        recorded = self._recorded(caused)
        if recorded is None and caused.name == DEADLINE:
            return not self.over  # its time was not over when the recording ended
        if recorded is not None and (recorded.is_left or caused.name == DEADLINE):
            self._leave_open(caused, recorded)
            return not self.over
        outcome = self._outcome(caused, recorded)
        if outcome is None:
            self.unknown = {
                "name": caused.name, "args": caused.args, "source": caused.source,
                "line": caused.line,
            }  # fmt: skip
            return False
        self._channel.answer(answer(caused.ordinal, outcome.answered, outcome.value))
        return not self.over

    def _recorded(self, caused: Caused) -> _Answer | None:
        stock = self._stock.get((caused.name, caused.args))
        return stock.popleft() if stock else None

    def _leave_open(self, caused: Caused, recorded: _Answer) -> None:
        """Never answer what was left; a deadline once what was left because of it is begun."""
        if not recorded.is_left:
            self._held[recorded.ordinal] = (caused.ordinal, recorded.outcome)
        elif (held := self._held.pop(recorded.passed, None)) is not None:
            ordinal, outcome = held
            self._channel.answer(answer(ordinal, outcome.answered, outcome.value))

    def _outcome(self, caused: Caused, recorded: _Answer | None) -> Outcome | None:
        outcome = recorded.outcome if recorded else None
        if caused.name.partition(".")[0] in self._OVERLAID and caused.part is Part.EFFECT:
            if recorded is not None and recorded.is_apart:
                if recorded.written is not None:
                    self._overlaid(recorded.written.name, recorded.written.args, None)
                return outcome  # hooks made it what it is
            return self._overlaid(caused.name, caused.args, outcome)
        return outcome

    def _overlaid(self, name: str, encoded: bytes, recorded: Outcome | None) -> Outcome | None:
        """Do it in the throw-away store; what was there before is answered as recorded."""
        effect = effects.lookup(name)
        ctx = EffectContext(
            session=self._overlay.sessions.get(self._session.key), store=self._overlay,
            permissions=self._program.permissions, script_dir=self._program.script_dir,
            cwd=self._program.cwd, tools=ToolRegistry(), number=0,
        )  # fmt: skip
        args = values.decode(encoded) or {}
        changes = effect.manner(ctx, args).kind is Kind.STORED
        if not changes and not self._touched:
            return recorded
        self._touched = self._touched or changes
        done = attempt(lambda: effect.perform(ctx, args))
        if recorded is None or name.startswith("state."):
            return done
        return recorded  # ids and times are the recorded ones, as long as the calls are
