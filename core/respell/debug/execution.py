"""Re-execution of one session to any of its positions.

One worker is *here*: it stands where the user is. To go on it simply runs; to go back, a
checkpoint before the place (or a new process) runs to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from respell.debug.checkpoints import BUDGET_BYTES, Checkpoint, Checkpoints
from respell.debug.position import Position
from respell.debug.windows import Windows
from respell.debug.worker import CAN_FORK, TELL_EVERY_S, DebugWorker, OnWait, Report
from respell.engine.ending import ended_by_itself
from respell.engine.executable import program_of
from respell.engine.frames import After
from respell.engine.program import Program
from respell.engine.wake import Wake
from respell.engine.windows import Batches
from respell.errors import UsageError, WorkerFailed
from respell.history.record import Part
from respell.policies.limits import memory_of
from respell.sessions.inheritance import edits_of, known_id
from respell.sessions.record import SessionRecord
from respell.store import Store

if TYPE_CHECKING:
    from respell.debug.what_if import Edited

ENTRY = Position(1, 0)
"""Before the first line: where every worker begins."""

NEVER = 1 << 62

MOST_COPIES = 8
"""Most copies of the worker that are kept at once."""

_MOST_SCANS = 8  # workers that are kept to go on with what they looked for

_GAP_S = 0.004  # less than this since the last checkpoint is not worth another
_MEMORY_SLACK = 64 * 1024 * 1024  # for what the debugger looks at


class Execution:
    """What is re-executed, and the workers that do.

    Args:
        store: Where the session is.
        session: The session; what is recorded by now is what there is.
        checkpoints: Whether to keep checkpoints where the system allows it.
        budget_bytes: Most memory for them.
        follows: The session runs: its history may grow (see `extend`).
        edited: The session with edits in it, where it is that; `store` and `session` are those.

    Attributes:
        here: The worker that stands at the current place; None before the first `seek`.
        on_wait: Called while a worker is busy.
        last_event: The last event of the script that is recorded.
        last_known: The last one whose answer, or beginning, the script gets to know of: from there
            on lines are counted on the way to the end.
        decide: Called with a worker and its report where a breakpoint's condition or message has
            to be evaluated by a throw-away worker; returns the outcome.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        *,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        follows: bool = False,
        edited: Edited | None = None,
    ) -> None:
        if not session.has_program:
            raise UsageError(f"session {session.id[:8]} has no program of its own to debug")
        self._store, self._session = store, session
        self._stop = session.records
        self.follows = follows
        if edited is None:
            self.program: Program = program_of(store, session)
            self.ended_by_itself = ended_by_itself(store, session)
            edits = edits_of(store, session)
        else:
            self.program = edited.program
            self.ended_by_itself = not edited.made.stops_at_end
            edits = edited.worker_edits
        self._init = self.program.init(
            session_id=known_id(store, session),
            trace=False,
            script_changed=self.program.script_changed,
            edits=edits or None,
            ask_all=False,
            stops_at_end=not self.ended_by_itself,
        )
        self.wake = Wake()
        self._windows = Windows(self._read, self._stop, After.OPEN if follows else After.STOP)
        self._forks = checkpoints and CAN_FORK
        self.checkpoints = Checkpoints(budget_bytes)
        self.here: DebugWorker | None = None
        self._copies: dict[int, DebugWorker] = {}
        self._copied = 0
        self._closed = False
        # Of a session that runs: what is looked for, who does, and what was found by now.
        self._scans: dict[Hashable, tuple[DebugWorker, list[Any]]] = {}
        self._base: Checkpoint | None = None  # what `here` was forked from
        self._marked_s = 0.0  # `ran_s` of the last checkpoint that `here` has passed
        self.on_wait: OnWait | None = None
        self._began = self._told = time.monotonic()
        self._within = False
        self.decide: Callable[[DebugWorker, Report], Any] = lambda worker, report: False
        self.last_event = self.script_event(store.history.event_at(session.key, self._stop))
        self.last_known = self._known_event(self.last_event)

    def _read(self, first: int, last: int) -> Batches:
        return self._store.history.bodies(self._session.key, last, first=first)

    def extend(self, session: SessionRecord, *, runs: bool) -> int:
        """Take in what was recorded since; all positions and checkpoints stay what they are.

        Args:
            session: The session as it is now.
            runs: There may be more.

        Returns:
            How many records there are more than before.
        """
        more = session.records - self._stop
        self._session = session
        if more > 0:
            self._windows.extend(session.records)
            self._stop = session.records
            last = self._store.history.event_at(session.key, self._stop)
            self.last_event = max(self.last_event, self.script_event(last))
            self.last_known = self._known_event(self.last_event)
        self.ended_by_itself = not runs and ended_by_itself(self._store, session)
        ended = After.RUNS_ON if self.ended_by_itself else After.CLOSED
        self._windows.after = After.OPEN if runs else ended
        return max(more, 0)

    def script_event(self, number: int) -> int:
        """Return the last event of the script at or before a number; 1 where there is none."""
        while number > 1:
            for _, record in self._store.history.events(self._session.key, number, number):
                if record.ordinal:
                    return number
            number -= 1
        return 1

    def _known_event(self, number: int) -> int:
        """Return the last event at or before a number that the script gets to know of."""
        while number > 1:
            found = [
                one for _, one in self._store.history.events(self._session.key, number, number)
            ]
            parts = {one.part for one in found}
            if found[0].ordinal and (found[0].part is not Part.INTENT or Part.OUTCOME in parts):
                return number
            number -= 1
        return 1

    @property
    def forks(self) -> bool:
        """Whether a worker can be copied where it stands."""
        return self._forks

    # Workers -----------------------------------------------------------------------------

    def _start(self) -> DebugWorker:
        return DebugWorker.start(
            self._init,
            self._windows,
            memory_bytes=memory_of(self._session.limits) + _MEMORY_SLACK,
            read_blob=self._store.blobs.read,
            wake=self.wake,
        )

    def fresh_before(self, position: Position) -> DebugWorker:
        """Return a worker, nobody else's, that stands at or before a position."""
        if not self._forks:
            return self._start()
        return self._forked_before(position)[1]

    def _forked_before(self, position: Position) -> tuple[Checkpoint, DebugWorker]:
        """Fork the last checkpoint before a position; one that was killed is passed over."""
        while (base := self.checkpoints.last_before(position)) is not None:
            with suppress(WorkerFailed):  # it is gone from the checkpoints then
                return base, base.worker.fork(tie=True)
        base = self.checkpoints.add(ENTRY, self._start(), pinned=True)
        return base, base.worker.fork(tie=True)

    def drop_here(self) -> None:
        """End the worker that is here, as after a move that was given up."""
        if self.here is not None:
            self.here.close()
            self.here = None
        if self._base is not None:
            self._base.pinned = self._base.position == ENTRY
            self._base = None

    def _take_up(self, position: Position) -> DebugWorker:
        """Make a worker that stands at or before a position the one that is here."""
        here = self.here
        if (
            here is not None
            and not here.closed
            and "end" not in here.report
            and here.report["counted"]
        ):
            stands = position_of(here.report)
            best = self.checkpoints.last_before(position) if self._forks else None
            if stands <= position and (best is None or best.position <= stands):
                return here
        self.drop_here()
        if not self._forks:
            self.here = self._start()
            return self.here
        base, self.here = self._forked_before(position)
        base.pinned, self._base, self._marked_s = True, base, base.worker.ran_s
        return self.here

    def _mark(self) -> None:
        """Leave a checkpoint here, if it is worth one."""
        here = self.here
        if not self._forks or here is None or "end" in here.report or not here.report["counted"]:
            return
        if here.ran_s - self._marked_s < _GAP_S:
            return
        position = position_of(here.report)
        before = self.checkpoints.last_before(position)
        if before is None or before.position != position:
            self.checkpoints.add(position, here.fork(tie=False))
        self._marked_s = here.ran_s

    # Moves -------------------------------------------------------------------------------

    def run(self, **order: Any) -> Report:
        """Let the worker that is here run, and return where it stands next."""
        assert self.here is not None
        return self._run_worker(self.here, order)

    def _run_worker(self, worker: DebugWorker, order: dict[str, Any]) -> Report:
        report = worker.run({"order": "run", "ahead": True, **order}, self._tell)
        while report["reason"] in ("condition", "message"):
            verdict = self.decide(worker, report)
            self._tell()
            report = worker.run({"order": "verdict", "verdict": verdict}, self._tell)
        return report

    def begin_move(self) -> None:
        """Count the time of a move from now on; nothing within `one_move`.

        Raises:
            UsageError: All workers have been ended.
        """
        self.begin_asking()
        if not self._within:
            self.drop_copies()

    def begin_asking(self) -> None:
        """Do the same for what leaves everything as it is: values that were shown stay known.

        Raises:
            UsageError: All workers have been ended.
        """
        if self._closed:
            raise UsageError("the debugger is closed; open the session again")
        if not self._within:
            self._began = self._told = time.monotonic()
            self.wake.clear()

    @contextmanager
    def one_move(self) -> Iterator[None]:
        """Take all that is done within for one move: its time is counted, and cancelled, as one."""
        self.begin_move()
        self._within = True
        try:
            yield
        finally:
            self._within = False

    @property
    def is_in_move(self) -> bool:
        """Whether what is done now is a part of `one_move`."""
        return self._within

    def tell(self) -> None:
        """Say that a move takes long, if it does."""
        self._tell()

    def _tell(self, _busy_s: float = 0.0) -> None:
        now = time.monotonic()
        if self.on_wait is not None and now - self._told >= TELL_EVERY_S:
            self._told = now
            self.on_wait(now - self._began)

    def seek(self, to: Position) -> Report:
        """Go to a position, wherever it is.

        Returns:
            The report of the worker that is there; of a position that does not exist, that of
            where it came to instead.
        """
        worker = self._take_up(to)
        for rung in self._rungs(position_of(worker.report), to):
            if position_of(worker.report) < rung:
                self.run(arm=rung.event, to_event=rung.event, to_steps=rung.steps)
                if "end" in worker.report or position_of(worker.report) >= to:
                    break
                self._mark()
        if position_of(worker.report) < to and "end" not in worker.report:
            self.run(arm=to.event, to_event=to.event, to_steps=to.steps)
        return worker.report

    def seek_event(self, number: int) -> Report:
        """Go to where the script knows of an event, or to the end if it never does."""
        worker = self._take_up(Position(number))
        start = position_of(worker.report)
        if start == Position(number):
            return worker.report
        for rung in self._rungs(start, Position(number)):
            if position_of(worker.report) < rung:
                self.run(arm=NEVER, to_event=rung.event, to_steps=0)
                self._mark()
        if position_of(worker.report) >= Position(number):
            return worker.report
        report = self.run(arm=min(number, self.last_known), late=number, ahead=False)
        if "end" in report and report["event"] > number:
            # Nobody ever waited for its answer: the next event is as near as one can get.
            return self.seek(Position(number))
        return report

    def seek_end(self) -> Report:
        """Go to where the script ended, or where its recording does."""
        last = Position(self.last_known)
        self.seek(last)
        assert self.here is not None
        if "end" not in self.here.report:
            self.run(arm=self.last_known, ahead=False)
        return self.exact(self.here.report)

    def scan(self, **order: Any) -> Report:
        """Run another worker from the start, and return its report; the one here stays."""
        with self.scanned(**order) as (_, report):
            return report

    @contextmanager
    def scanned(self, **order: Any) -> Iterator[tuple[DebugWorker, Report]]:
        """Do the same, and have the worker there to be asked."""
        with closing(self.fresh_before(ENTRY)) as worker:
            yield worker, self._run_worker(worker, order)

    def scan_on(self, key: Hashable, **order: Any) -> Report:
        """Do the same; of a session that runs, go on where it stopped the last time.

        Args:
            key: What is looked for.
            order: The order; the same one for the same key.

        Returns:
            The report, with the hits of all times.
        """
        if not self.follows:
            return self.scan(**order)
        worker, hits = self._scans.pop(key, (None, []))
        goes_on = worker is not None and not worker.closed
        if worker is None or not goes_on:
            worker, hits = self.fresh_before(ENTRY), []
        with ExitStack() as unless_kept:
            unless_kept.callback(worker.close)
            report = self._run_worker(worker, {**order, "goes_on": goes_on})
            hits = [*hits, *(report.get("hits") or [])]
            if report.get("frontier"):
                unless_kept.pop_all()
                self._scans[key] = worker, hits
        if len(self._scans) > _MOST_SCANS:
            self._scans.pop(next(iter(self._scans)))[0].close()
        return {**report, "hits": hits}

    def probe(self, **order: Any) -> Report:
        """Run a copy of the worker that is here, and return its report; the one here stays."""
        assert self.here is not None
        with closing(self.throw_away(self.here)) as worker:
            return self._run_worker(worker, {"order": "run", **order})

    def exact(self, report: Report) -> Report:
        """Return a report whose line steps are known, by going there again if they are not."""
        if report["counted"]:
            return report
        event = report["event"]
        self.drop_here()
        self.seek(Position(event))
        return self.run(arm=event)

    def mark(self) -> None:
        """Leave a checkpoint here, before going on, if it is worth one."""
        self._mark()

    def _rungs(self, start: Position, to: Position) -> list[Position]:
        """Return where to leave checkpoints on a long way: the nearer its end, the denser."""
        if not self._forks:
            return []
        rungs = []
        distance = 8
        while to.event - distance > start.event:
            rungs.append(Position(to.event - distance))
            distance *= 8
        if to.steps > 512 and to.event > start.event:
            rungs.append(Position(to.event))
        distance = 64
        least = start.steps if start.event == to.event else 0
        while to.steps - distance > least:
            rungs.append(Position(to.event, to.steps - distance))
            distance *= 8
        return sorted(rungs)

    def throw_away(self, worker: DebugWorker) -> DebugWorker:
        """Return a worker that stands where another does, to do anything with and close."""
        if self._forks:
            return worker.fork(tie=True)
        report = worker.report
        made = self._start()
        with ExitStack() as unless_it_is_there:
            unless_it_is_there.callback(made.close)
            if "end" in report:
                made.run({"order": "run", "arm": self.last_known}, self._tell)
            elif position_of(report) > ENTRY:
                at = {"to_event": report["event"], "to_steps": report["steps"]}
                order = {"order": "run", "arm": report["event"], "ahead": True, **at}
                made.run(order, self._tell)
            unless_it_is_there.pop_all()
        return made

    def keep_copy(self, worker: DebugWorker) -> int:
        """Keep a copy until the next move, for values that only it has; return its number."""
        self._copied += 1
        self._copies[self._copied] = worker
        if len(self._copies) > MOST_COPIES:
            self._copies.pop(next(iter(self._copies))).close()
        return self._copied

    def copy(self, number: int) -> DebugWorker:
        """Return a copy that is kept.

        Raises:
            UsageError: It is not kept any more.
        """
        found = self._copies.get(number)
        if found is None or found.closed:
            raise UsageError("this value is not kept any more; evaluate it again")
        return found

    def drop_copies(self) -> None:
        """End the copies that were kept: what they have is of another place."""
        for worker in self._copies.values():
            worker.close()
        self._copies.clear()

    def close(self) -> None:
        """End all workers."""
        self._closed = True
        self.drop_copies()
        for worker, _ in self._scans.values():
            worker.close()
        self._scans.clear()
        self.drop_here()
        self.checkpoints.close()
        self.wake.close()


def position_of(report: Report) -> Position:
    """Return the position that a worker's report says."""
    return Position(report["event"], report["steps"])
