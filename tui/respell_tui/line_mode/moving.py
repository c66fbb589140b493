"""Commands that move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell.debug import Debugger, Stop
from respell.errors import UsageError
from respell_tui.line_mode.words import Answer, Word, number_in, place_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _go(mode: LineMode, move: Callable[[Debugger], Stop], rest: str) -> Answer:
    times = number_in(rest, "how many times") if rest else 1
    continues = move in (Debugger.continue_, Debugger.reverse_continue)
    for _ in range(times):
        stop = move(mode.debugger)
        if stop.at_end or stop.reason in ("cancelled", "entry", "pause", "end"):
            break
        if not continues and stop.reason not in ("step", "event", "goto"):
            break
    return mode.stopped(mode.debugger.stop)


def _goto(mode: LineMode, rest: str) -> Answer:
    if rest in ("start", "end"):
        return mode.stopped(getattr(mode.debugger, rest)())
    for mark in mode.debugger.bookmarks():
        if mark.name == rest:
            return mode.stopped(mode.debugger.go_to(mark.position))
    if not rest:
        raise UsageError("goto takes a position (12+340), an event, 50%, start, end or a bookmark")
    return mode.stopped(mode.debugger.go_to(rest))


def _until(mode: LineMode, rest: str, *, back: bool = False) -> Answer:
    file, line = place_in(rest)
    move = mode.debugger.run_back_to_line if back else mode.debugger.run_to_line
    return mode.stopped(move(line, file))


def _move(make: Callable[[Debugger], Stop]) -> Callable[[LineMode, str], Answer]:
    return lambda mode, rest: _go(mode, make, rest)


WORDS = (
    Word(("n", "next"), _move(Debugger.step_over), "[N]", "next line of this function"),
    Word(("s", "step"), _move(Debugger.step_in), "[N]", "next line, into functions"),
    Word(("finish", "out"), _move(Debugger.step_out), "", "to where this function has returned"),
    Word(("c", "continue"), _move(Debugger.continue_), "[N]", "to the next breakpoint or the end"),
    Word(("e", "event"), _move(Debugger.next_event), "[N]", "to the next event"),
    Word(("rn", "reverse-next"), _move(Debugger.step_back_over), "[N]", "n, backwards"),
    Word(("rs", "reverse-step"), _move(Debugger.step_back), "[N]", "s, backwards"),
    Word(("rf", "reverse-finish"), _move(Debugger.step_back_out), "",
          "to the line that called this function"),
    Word(("rc", "reverse-continue"), _move(Debugger.reverse_continue), "[N]", "c, backwards"),
    Word(("re", "reverse-event"), _move(Debugger.previous_event), "[N]", "to the event before"),
    Word(("until",), _until, "[FILE:]LINE", "to the next time a line runs"),
    Word(("reverse-until",), lambda mode, rest: _until(mode, rest, back=True), "[FILE:]LINE",
          "to the last time a line ran"),
    Word(("goto",), _goto, "POSITION", "to 12+340, event 12, 50%, start, end, bookmark"),
)  # fmt: skip
