"""Commands about the process that runs the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug import Debugger, Live
from respell.errors import SessionNotFound, UsageError
from respell.history.events import events
from respell_tui.line_mode.words import Answer, Word, number_in
from respell_tui.text import visible

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


class Printed:
    """What a session that runs has written since it was last looked at."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._after = debugger.session.events

    def take(self) -> list[str]:
        """Return the lines that nobody has seen yet."""
        if self._debugger.edits:
            return []  # what a dry run writes is its own
        session, store = self._debugger.session, self._debugger.store
        first, self._after = self._after + 1, session.events
        return [
            str(event.args.get("text", ""))
            for event in events(store, session.key, first, session.events)
            if event.name.startswith("output.")
        ]


def look(debugger: Debugger) -> None:
    """Take in what a session that runs has recorded since."""
    if debugger.live is not None:
        try:
            debugger.live.refresh()
        except SessionNotFound:
            return  # what was read of it can still be looked at; `live` says what happened


def state_of(live: Live) -> Answer:
    """Return what is known of the process, as answers in JSON show it."""
    return {"status": live.status, "held": live.is_held, "launched": live.launched}


def _live_of(mode: LineMode) -> Live:
    live = mode.debugger.live
    if live is None:
        raise UsageError("no process runs this session: it is debugged as it was recorded")
    return live


def _say(mode: LineMode) -> Answer:
    live = _live_of(mode)
    mode.show_printed()
    mode.line(visible(live.describe()))
    return {"live": state_of(live), "events": mode.debugger.session.events}


def _pause(mode: LineMode, _rest: str) -> Answer:
    _live_of(mode).pause()
    return _say(mode)


def _go(mode: LineMode, _rest: str) -> Answer:
    _live_of(mode).go_on()
    return _say(mode)


def _let(mode: LineMode, rest: str) -> Answer:
    live = _live_of(mode)
    for _ in range(number_in(rest, "how many events") if rest else 1):
        live.step()
        if not live.runs:
            break
    return _say(mode)


def _wait(mode: LineMode, rest: str) -> Answer:
    _live_of(mode).wait(number_in(rest, "how many seconds") if rest else None)
    return _say(mode)


def _detach(mode: LineMode, rest: str) -> Answer:
    live = _live_of(mode)
    if rest not in ("", "running", "suspended"):
        raise UsageError("detach takes nothing, or how to leave it: running or suspended")
    live.detach(suspend=None if not rest else rest == "suspended")
    look(mode.debugger)
    return _say(mode)


WORDS = (
    Word(("live",), lambda mode, _: _say(mode), "", "what the process that runs it is doing"),
    Word(("pause", "interrupt"), _pause, "",
         "hold the session; then moves let it go on, effect by effect"),
    Word(("let",), _let, "[N]", "let one event of a held session through, or N; stay here"),
    Word(("go",), _go, "", "let it run freely"),
    Word(("wait",), _wait, "[SECONDS]", "wait until it has recorded more, or ends"),
    Word(("detach",), _detach, "[running|suspended]",
         "leave it: it runs on; one that was launched is suspended", "leaving", again="never"),
)  # fmt: skip
