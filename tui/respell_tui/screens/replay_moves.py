"""Moving through a session: one move is under way at most, and one more may wait."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from textual import work
from textual.timer import Timer

from respell.debug import AsyncDebugger, Debugger, Frame, Position, Stop
from respell.errors import RespellError, StoreError, WorkerFailed
from respell_tui.screens.replay_panes import ReplayPanes
from respell_tui.shown.moment import Moment, Wishes, read_moment
from respell_tui.work import problem_of

Move = Callable[[Debugger], Any]

Refused = Callable[[str], None]
"""Takes the reason why a move came to nothing."""

_Todo = tuple[str, Move, Refused | None]

_TELL_EVERY_S = 0.3
_LONG_S = 0.5
_HUNG_S = 5.0
_LINES_A_SECOND = 4.0
_SLOWEST, _FASTEST = 0.1, 10.0


class ReplayMoves(ReplayPanes):
    """Part of `Replay`: has the debugger move, and the panes show where it stands."""

    def __init__(self) -> None:
        """Begin without a debugger."""
        super().__init__()
        self.debugger: AsyncDebugger | None = None
        self.why_not = "the debugger is still opening"
        self.moment: Moment | None = None
        self.frame = 0
        self.coroutine: int | None = None
        self.watches: tuple[str, ...] = ()
        self._moving = False
        self._next: _Todo | None = None
        self._urgent: _Todo | None = None
        self._since = 0.0
        self.opening = False
        self.broken = False
        self._player: Timer | None = None
        self._speed = 1.0

    # One after the other -----------------------------------------------------------------

    def move(self, what: str, move: Move, *, refused: Refused | None = None) -> None:
        """Move, once the move that is under way is done; of several that wait the last one counts.

        Args:
            what: What it is, for people.
            move: Called with the debugger, in its thread. If it returns a stop, the frame that
                is looked at is the innermost again.
            refused: Called with the reason if it can't be done as it was wanted; None has that
                said in the last line.
        """
        if self.debugger is None and not self.opening:
            self.flash(self.why_not, "warn")
            return
        self._next = (what, move, refused)
        self._begin()

    def move_first(self, what: str, move: Move) -> None:
        """Move before the one that waits."""
        self._urgent = (what, move, None)
        self._begin()

    def _begin(self) -> None:
        if not self._moving and self.debugger is not None:
            self._moving = True
            self._carry_out()

    @work(group="moves", exit_on_error=False)
    async def _carry_out(self) -> None:
        ticker = self.set_interval(_TELL_EVERY_S, self._tell_busy)
        try:
            while self.debugger is not None and (todo := self._urgent or self._next) is not None:
                if self._urgent is not None:
                    self._urgent = None
                else:
                    self._next = None
                self._since = time.monotonic()
                await self._moved(*todo)
        finally:
            ticker.stop()
            self._moving = False
        self.rested()

    async def _moved(self, what: str, move: Move, refused: Refused | None) -> None:
        debugger, before = self.debugger, self.moment
        assert debugger is not None
        try:
            found, moment = await debugger.use(lambda it: self._look(it, move))
        except Exception as error:  # noqa: BLE001 - shown, with what to do
            if self.is_there and self.debugger is debugger:  # else it was closed: no news
                self._failed(what, error, refused)
            return
        finally:
            if self.is_there:
                self.source.subtitle("")
        self.broken = False
        if isinstance(found, Stop):
            self._tell(found)
        moved = before is None or before.position != moment.position
        self.show_moment(moment, moved=moved)

    def _failed(self, what: str, error: Exception, refused: Refused | None) -> None:
        """Say why a move came to nothing; where one stands stays the same."""
        self.pause_playing()
        if isinstance(error, RespellError) and not isinstance(error, WorkerFailed | StoreError):
            if refused is not None:
                refused(str(error))
            else:
                self.flash(f"{what}: {error}", "bad")
            return
        self.broken = True
        again = self.respell.keys.shown("app.again")
        where = f" at {self.moment.position}" if self.moment is not None else ""
        problem = problem_of(what, error)
        next_step = (
            f"{again} starts the debugger's processes again{where}, esc goes back to what was "
            "shown. The session itself is not touched by this."
        )
        self.source.show_problem(replace(problem, next_step=next_step))
        self.show_keys()

    def _tell_busy(self) -> None:
        """Say that a move takes long, if it does."""
        seconds = time.monotonic() - self._since
        if self._moving and seconds >= _LONG_S and self.is_there:
            again = f"  {self.respell.keys.shown('app.again')} starts anew"
            more = again if seconds >= _HUNG_S else ""
            self.source.subtitle((f"at work for {seconds:.1f} s  esc cancels{more}", "accent"))

    @property
    def is_moving(self) -> bool:
        """Whether a move is under way, or one waits, or the debugger is being opened."""
        return self.opening or self._moving or self._next is not None

    def rested(self) -> None:
        """Called when no move is under way any more."""

    def _look(self, debugger: Debugger, move: Move) -> tuple[Any, Moment]:
        """Move, and read what there is to see; in the debugger's thread."""
        found = move(debugger)
        if isinstance(found, Stop):
            self.frame, self.coroutine = 0, None
        return found, read_moment(debugger, self.wishes())

    def wishes(self) -> Wishes:
        """Return what of a moment is looked at now."""
        return Wishes(
            self.frame, self.coroutine, self.variables.opened, self.watches,
            self.variables.shows_globals, self.shown(5), self.shown(6),
        )  # fmt: skip

    def looked_at(self, debugger: Debugger) -> Frame | int:
        """Return the function whose variables are shown; 0 where none runs."""
        if self.coroutine is None or not debugger.stop.source:
            return self.frame if debugger.stop.source else 0
        found = debugger.stack(self.coroutine, first=self.frame, count=1)
        return found[0] if found else 0

    def look_again(self) -> None:
        """Read what is seen now, where one stands."""
        if self.debugger is not None and self.moment is not None and self._next is None:
            self.move("looking", lambda it: None)

    @abstractmethod
    def show_moment(self, moment: Moment, *, moved: bool) -> None:
        """Show what there is to see."""

    def cancel_move(self) -> bool:
        """Cancel the move that is under way; return whether one is."""
        self._next = None
        if self._moving and self.debugger is not None:
            self.debugger.cancel()
            return True
        return False

    def _tell(self, stop: Stop) -> None:
        """Say why a move ended where it did, if that is not what it was for."""
        for log in stop.logs[-1:]:
            self.flash(f"{log.position}  {log.text}", "good")
        if stop.reason == "cancelled":
            self.flash("cancelled: it stands where it did", "warn")
        elif stop.changes:
            self.flash("  ".join(one.describe() for one in stop.changes), "good")
        elif stop.error is not None:
            self.flash(stop.error, "bad")
        elif stop.reason == "unrecorded" and self.ending:
            self.flash(self.ending, "warn")
        if self._player is not None and stop.reason not in ("step", "event"):
            self.pause_playing()

    # The moves ---------------------------------------------------------------------------

    def do_step_over(self) -> None:
        """Go to the next line of this function."""
        self.move("going on", Debugger.step_over)

    def do_step_back(self) -> None:
        """Go to the line before, of this function."""
        self.move("going back", Debugger.step_back_over)

    def do_step_in(self) -> None:
        """Go to the next line."""
        self.move("going on", Debugger.step_in)

    def do_step_back_in(self) -> None:
        """Go to the line before."""
        self.move("going back", Debugger.step_back)

    def do_step_out(self) -> None:
        """Go to where this function has returned."""
        self.move("going on", Debugger.step_out)

    def do_step_back_out(self) -> None:
        """Go to the line that called this function."""
        self.move("going back", Debugger.step_back_out)

    def do_go_on(self) -> None:
        """Go on to the next breakpoint."""
        self.move("going on", Debugger.continue_)

    def do_go_back(self) -> None:
        """Go back to the breakpoint before."""
        self.move("going back", Debugger.reverse_continue)

    def do_event_next(self) -> None:
        """Go to the next event."""
        self.move("going on", Debugger.next_event)

    def do_event_previous(self) -> None:
        """Go to the event before."""
        self.move("going back", Debugger.previous_event)

    def do_go_start(self) -> None:
        """Go to the start."""
        self.move("going to the start", Debugger.start)

    def do_go_end(self) -> None:
        """Go to the end."""
        self.move("going to the end", Debugger.end)

    def do_go_to_line(self) -> None:
        """Go on until the line under the cursor runs."""
        line, name = self.source.line, self.source.chunk
        self.move(f"going on to line {line}", lambda it: it.run_to_line(line, name))

    def do_go_back_to_line(self) -> None:
        """Go back to when the line under the cursor ran the last time."""
        line, name = self.source.line, self.source.chunk
        self.move(f"going back to line {line}", lambda it: it.run_back_to_line(line, name))

    def go_to(self, where: Position | int | str) -> None:
        """Go to a position, an event or a share."""
        self.move(f"going to {where}", lambda it: it.go_to(where))

    # Play --------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """The speed at which it plays; 0 where it does not."""
        return self._speed if self._player is not None else 0.0

    def do_go_play(self) -> None:
        """Play, or stop that."""
        if self._player is not None:
            self.pause_playing()
        else:
            self._play()

    def _play(self) -> None:
        if self._player is not None:
            self._player.stop()
        self._player = self.set_interval(1 / (_LINES_A_SECOND * self._speed), self._tick)
        self.show_where()

    def pause_playing(self) -> None:
        """Stop playing."""
        if self._player is not None:
            self._player.stop()
            self._player = None
            self.show_where()

    def _tick(self) -> None:
        if self.moment is not None and self.moment.stop.at_end:
            self.pause_playing()
        elif not self._moving:
            self.do_step_over()

    def _faster(self, factor: float) -> None:
        self._speed = min(_FASTEST, max(_SLOWEST, self._speed * factor))
        if self._player is not None:
            self._play()
        self.flash(f"plays at {self._speed:g} times {_LINES_A_SECOND:g} lines a second")

    def do_go_faster(self) -> None:
        """Play twice as fast."""
        self._faster(2.0)

    def do_go_slower(self) -> None:
        """Play half as fast."""
        self._faster(0.5)

    @property
    @abstractmethod
    def ending(self) -> str:
        """Why a dry run ends where it does; empty where it is none."""

    @abstractmethod
    def show_where(self) -> None:
        """Show in the line of time where one stands."""
