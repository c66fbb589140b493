"""Commands that move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell.debug import Debugger, Stop
from respell.errors import NotFound, UsageError
from respell_tui.line_mode.words import PLACE, Answer, Word, number_in, place_in

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode

_CONTINUES = (Debugger.continue_, Debugger.reverse_continue)
_GOES_ON = ("step", "event", "goto")


def _go(mode: LineMode, move: Callable[[Debugger], Stop], rest: str) -> Answer:
    times = number_in(rest, "how many times") if rest else 1
    begun = mode.debugger.stop
    for _ in range(times):
        before = mode.debugger.position
        stop = move(mode.debugger)
        if stop.at_end or stop.position == before or stop.reason in ("cancelled", "entry", "end"):
            break
        if move not in _CONTINUES and stop.reason not in _GOES_ON:
            break
    return mode.stopped(mode.debugger.stop, begun)


def _out(mode: LineMode, move: Callable[[Debugger], Stop], rest: str) -> Answer:
    """Leave the function that is looked at, and all that run inside of it."""
    if mode.coroutine is not None:
        raise UsageError(
            "that coroutine waits here; `coroutine "
            f"{mode.debugger.stop.coroutine}` chooses the one that runs"
        )
    times = number_in(rest, "how many functions to leave") if rest else 1
    leaving = times + mode.frame
    if move is not Debugger.step_out:
        return _go(mode, move, str(leaving))
    left = mode.debugger.stack(first=leaving - 1, count=1)
    returned = mode.debugger.returns(left[0]) if left else None
    answer = _go(mode, move, str(leaving))
    if returned is None or mode.debugger.stop.reason != "step":
        return {**answer, "returned": None}
    shown = ", ".join(one.text for one in returned) or "nothing"
    mode.line(mode.shortened(f"    returned {shown}{', …' if returned.more else ''}"))
    return {**answer, "returned": [one.to_json() for one in returned]}


def _to(mode: LineMode, where: str) -> Stop:
    """Go to a position, in any of the ways it can be said."""
    if where in ("start", "end"):
        stop: Stop = getattr(mode.debugger, where)()
        return stop
    for mark in mode.debugger.bookmarks():
        if mark.name == where:
            return mode.debugger.go_to(mark.position)
    try:
        return mode.debugger.go_to(where)
    except UsageError as error:
        if where[:1].isdigit():
            raise
        raise UsageError(f"{error}; and no bookmark has that name") from None


def _goto(mode: LineMode, rest: str) -> Answer:
    if not rest:
        raise UsageError("goto takes a position (12+340), an event, 50%, start, end or a bookmark")
    return mode.stopped(_to(mode, rest))


def _start(mode: LineMode, _rest: str) -> Answer:
    return mode.stopped(mode.debugger.start())


def _run(mode: LineMode, rest: str) -> Answer:
    """Begin anew, as gdb's `run`; with an event, as rr's, go there."""
    if rest:
        return mode.stopped(_to(mode, rest))
    mode.debugger.start()
    return mode.stopped(mode.debugger.continue_())


def _back(mode: LineMode, rest: str) -> Answer:
    return mode.stopped(mode.places.back(rest, mode.debugger), keep=False)


def _forward(mode: LineMode, rest: str) -> Answer:
    return mode.stopped(mode.places.forward(rest, mode.debugger), keep=False)


def _until(mode: LineMode, rest: str) -> Answer:
    return _to_place(mode, rest) if rest else _past_here(mode)


def _to_place(mode: LineMode, rest: str) -> Answer:
    """Go to the next time that a line runs, or that a function of a name is called."""
    begun = mode.debugger.stop
    if PLACE.fullmatch(rest):
        file, line = place_in(rest)
        return mode.stopped(mode.debugger.run_to_line(line, file), begun)
    table = mode.debugger.breakpoints
    known = {one.id for one in table.list()}
    made = table.add_function(rest, temporary=True)
    try:
        return mode.stopped(mode.debugger.continue_(), begun)
    finally:
        if made.id not in known and any(one.id == made.id for one in table.list()):
            table.remove(made.id)


def _past_here(mode: LineMode) -> Answer:
    """Go on to a line further down, or out of the function: a loop is gone through."""
    debugger, begun = mode.debugger, mode.debugger.stop
    frame = debugger.stack(count=1)
    while True:
        before = debugger.position
        stop = debugger.step_over()
        if stop.at_end or stop.position == before or stop.reason != "step":
            break
        here = debugger.stack(count=1)
        left = not frame or not here or (here[0].depth, here[0].defined, here[0].coroutine) != (
            frame[0].depth, frame[0].defined, frame[0].coroutine
        )  # fmt: skip
        if left or stop.source != begun.source or stop.line > begun.line:
            break
    return mode.stopped(debugger.stop, begun)


def _until_back(mode: LineMode, rest: str) -> Answer:
    begun = mode.debugger.stop
    file, line = place_in(rest)
    return mode.stopped(mode.debugger.run_back_to_line(line, file), begun)


class Places:
    """Where one has been: `back` and `forward` go through it, as in a browser."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self._at = -1

    def add(self, position: str) -> None:
        """Take in a place one has come to; what had been gone back from is forgotten."""
        if self._at >= 0 and self._all[self._at] == position:
            return
        self._all = [*self._all[: self._at + 1], position][-_MOST_PLACES:]
        self._at = len(self._all) - 1

    def forget(self) -> None:
        """Begin anew: positions mean other places now."""
        self._all, self._at = [], -1

    def back(self, rest: str, debugger: Debugger) -> Stop:
        """Go to the place before, or to that many before."""
        return self._go(-(number_in(rest, "how many places") if rest else 1), debugger)

    def forward(self, rest: str, debugger: Debugger) -> Stop:
        """Go to where one has gone back from."""
        return self._go(number_in(rest, "how many places") if rest else 1, debugger)

    def _go(self, by: int, debugger: Debugger) -> Stop:
        at = min(max(self._at + by, 0), len(self._all) - 1)
        if at == self._at:
            raise NotFound(
                "this is the first place you have been at" if by < 0
                else "there is no place that you went back from"
            )  # fmt: skip
        stop = debugger.go_to(self._all[at])
        if stop.reason != "cancelled":
            self._at = at
        return stop


_MOST_PLACES = 1_000


def _move(make: Callable[[Debugger], Stop]) -> Callable[[LineMode, str], Answer]:
    return lambda mode, rest: _go(mode, make, rest)


def _leave(make: Callable[[Debugger], Stop]) -> Callable[[LineMode, str], Answer]:
    return lambda mode, rest: _out(mode, make, rest)


WORDS = (
    Word(("n", "next"), _move(Debugger.step_over), "[N]", "next line of this function"),
    Word(("s", "step"), _move(Debugger.step_in), "[N]", "next line, into functions"),
    Word(("finish", "out"), _leave(Debugger.step_out), "[N]",
         "to where this function has returned (the one that `frame` chose)", also=("fin",)),
    Word(("c", "continue"), _move(Debugger.continue_), "[N]", "to the next breakpoint or the end",
         also=("fg",)),
    Word(("e", "event"), _move(Debugger.next_event), "[N]", "to the next event"),
    Word(("rn", "reverse-next"), _move(Debugger.step_back_over), "[N]", "n, backwards"),
    Word(("rs", "reverse-step"), _move(Debugger.step_back), "[N]", "s, backwards"),
    Word(("rf", "reverse-finish"), _leave(Debugger.step_back_out), "[N]",
         "to the line that called this function"),
    Word(("rc", "reverse-continue"), _move(Debugger.reverse_continue), "[N]", "c, backwards"),
    Word(("re", "reverse-event"), _move(Debugger.previous_event), "[N]", "to the event before"),
    Word(("until", "advance"), _until, "[PLACE]",
         "to the next time [FILE:]LINE runs, or a function is called; alone: further down, or out "
         "of this function", "place", also=("u",)),
    Word(("reverse-until",), _until_back, "[FILE:]LINE", "to the last time a line ran", "place"),
    Word(("goto",), _goto, "POSITION", "to 12+340, event 12, 50%, start, end, bookmark",
         "position"),
    Word(("start",), _start, "", "to the first line", also=("starti",)),
    Word(("run",), _run, "[POSITION]", "from the first line to the first breakpoint", "position",
         also=("r",), again="never"),
    Word(("back",), _back, "[N]", "to where you were before, as in a browser"),
    Word(("forward",), _forward, "[N]", "to where you went back from"),
)  # fmt: skip
