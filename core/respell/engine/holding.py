"""Holding a session that runs: it stands still, or goes on only as far as it is let.

Two can hold it: whoever pauses it (`respell pause`), which its history notes and which lasts until
it is taken back, and a debugger, which leaves no trace in the history and lasts as long as the
debugger's process does. While either does, nothing is heard of the worker and nothing is
answered, and the worker itself is stopped, so that it doesn't compute on. A *step* lets one event
through: what was answered by then is handed on, the next thing the script asks for is performed and
recorded, and everything stands still again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from respell.engine.answers import Answers
from respell.engine.channel import Frame
from respell.engine.deadlines import Deadlines
from respell.engine.frames import Kind
from respell.engine.ledger import Ledger
from respell.engine.wire import ordinal_of
from respell.history.record import Part
from respell.store.leases import Hold

LOOK_S = 0.5  # how often it is looked whether the debugger's process lives
ATTENTIVE_S = 2.0  # so long after it was heard of, a debugger is likely to ask for more
_END = bytes((Part.END,))


class Holding:
    """Who holds one run, and what is let through meanwhile.

    Args:
        answers: Are withheld.
        deadlines: Stand still.
        ledger: The session's.
        show: Called with the debugger's hold as it is now, for others to see; None for none.
        launched_by: The debugger that the session goes with; None for none.
        orphaned: Called when that is gone.

    Attributes:
        hold: The debugger that holds it, and the last step made for it; None for none.
    """

    def __init__(
        self,
        answers: Answers,
        deadlines: Deadlines,
        ledger: Ledger,
        show: Callable[[Hold | None], None],
        launched_by: Hold | None,
        orphaned: Callable[[], None],
    ) -> None:
        self._answers = answers
        self._deadlines = deadlines
        self._ledger = ledger
        self._show = show
        self._launched_by = launched_by
        self._orphaned = orphaned
        self._unheard: deque[Frame] = deque()
        self._paused = False
        self._steps: deque[int] = deque()  # numbers of those that are to be made
        self._waits_for: int | None = None  # ordinal of the call that the step has begun
        self._is_let = False  # the step's event was heard
        self._look_due = self._attentive_until = 0.0
        self.hold: Hold | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is held, a step in progress included."""
        return self._paused or self.hold is not None

    @property
    def is_attentive(self) -> bool:
        """Whether a debugger is likely to ask for something at once."""
        return self.hold is not None and time.monotonic() < self._attentive_until

    @property
    def has_unheard(self) -> bool:
        """Whether the worker has said what nobody has heard yet."""
        return bool(self._unheard)

    @property
    def due(self) -> float | None:
        """When there is something to do, by time.monotonic(); None for never."""
        if self._unheard and self._admits:
            return 0.0
        return self._look_due if self.hold or self._launched_by else None

    @property
    def _admits(self) -> bool:
        return not self.is_on or (bool(self._steps) and not self._is_let)

    # By whom -------------------------------------------------------------------------------

    def pause(self) -> None:
        """Hold it until `unpause`."""
        if not self._paused:
            self._stand_still()
            self._paused = True
            self._ledger.note("lifecycle.pause", {})

    def unpause(self) -> None:
        """Let it go on, whoever holds it."""
        if self._paused:
            self._paused = False
            self._ledger.note("lifecycle.unpause", {})
        self.let_go()

    def take(self, debugger: Hold) -> None:
        """Have a debugger hold it, in the place of another one if need be."""
        self._stand_still()
        self._steps.clear()
        self._waits_for, self._is_let = None, False
        self.hold = debugger
        self._look_due = 0.0
        self._attend()
        self._ledger.commit()
        self._show(debugger)

    def let_go(self) -> None:
        """Let it go on as far as debuggers are concerned."""
        if self.hold is not None:
            self.hold = None
            self._show(None)
        self._steps.clear()
        self._waits_for, self._is_let = None, False
        if not self._paused and self._answers.are_withheld:
            self._answers.go_on()
            self._deadlines.go_on()
            self._answers.release()

    def leave(self) -> None:
        """Let it go on, and no longer go with the debugger that has launched it."""
        self._launched_by = None
        self.let_go()

    def step(self, debugger: Hold) -> None:
        """Let one event through, or one more; held by whom it was not held yet."""
        if self.hold is None:
            self.take(debugger)
        elif not debugger.same_process(self.hold):
            self.hold = debugger
            self._show(debugger)
        if self._paused:  # it goes on, though only a step
            self._paused = False
            self._ledger.note("lifecycle.unpause", {})
        self._attend()
        self._steps.append(debugger.step)
        if len(self._steps) == 1:
            self._begin_step()
        elif self._waits_for is not None and self._is_let:
            # What was let through waits for something that only the next event may bring.
            self._end_step()

    # Steps ---------------------------------------------------------------------------------

    def _begin_step(self) -> None:
        self._waits_for, self._is_let = None, False
        self._answers.hand_on()

    def _end_step(self) -> None:
        made = self._steps.popleft()
        assert self.hold is not None
        self.hold = self.hold.after(made)
        if self._steps:
            self._begin_step()
        else:
            self._answers.rest()
        self._ledger.commit()
        self._show(self.hold)

    def admit(self, frames: list[Frame]) -> list[Frame]:
        """Return what may be heard now of what the worker has said."""
        self._unheard.extend(frames)
        admitted: list[Frame] = []
        while self._unheard and self._admits:
            kind, payload = self._unheard.popleft()
            admitted.append((kind, payload))
            if self.is_on and kind != Kind.IN_HOOK and not _only_ends(kind, payload):
                self._is_let = True
                self._waits_for = ordinal_of(payload) if kind == Kind.CALL else None
        return admitted

    def turn(self, now: float) -> None:
        """End the step that has come to its end; let go where the debugger is gone."""
        if self._is_let and self._steps:
            waits = self._waits_for
            if waits is None or self._answers.has(waits) or self._unheard:
                self._end_step()
        if now >= self._look_due and (self.hold or self._launched_by):
            self._look_due = now + LOOK_S
            if self._launched_by is not None and not self._launched_by.is_alive:
                self._launched_by = None
                self._orphaned()
            elif self.hold is not None and not self.hold.is_alive:
                self.let_go()

    def _attend(self) -> None:
        self._attentive_until = time.monotonic() + ATTENTIVE_S

    def _stand_still(self) -> None:
        if self._answers.are_withheld:
            self._answers.rest()
        else:
            self._answers.pause()
            self._deadlines.pause()


def _only_ends(kind: int, payload: bytes) -> bool:
    """Whether a frame says no more than that what others are inside of has ended."""
    return kind == Kind.RECORD and payload[:1] == _END


def hold_of(payload: Any) -> Hold:
    """Return the hold that a request in the inbox asks for."""
    return Hold(int(payload["pid"]), int(payload["start_time"]), int(payload.get("step", 0)))
