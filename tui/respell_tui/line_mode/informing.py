"""gdb's `info`: other names of what shows things, and a few things more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell.errors import UsageError
from respell_tui.line_mode import editing, events, keeping, living, looking, sources, stopping
from respell_tui.line_mode.words import Answer, Word
from respell_tui.text import one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _frame(mode: LineMode, _rest: str) -> Answer:
    frames = mode.debugger.stack(mode.coroutine, first=mode.frame, count=2)
    if not frames:
        raise UsageError("no function of the script runs here")
    frame = frames[0]
    mode.line(f"frame {frame.index}: {frame.name}, at {frame.source}:{frame.line}")
    mode.line(f"    defined at line {frame.defined}" if frame.defined else "    the script itself")
    if frame.coroutine:
        mode.line(f"    runs in coroutine {frame.coroutine}")
    if len(frames) > 1:
        mode.line(f"    called by {frames[1].name}, at {frames[1].source}:{frames[1].line}")
    return {"frames": [frame.to_json()]}


def _program(mode: LineMode, _rest: str) -> Answer:
    """Say which session this is, and where one stands in it."""
    session = mode.debugger.session
    name = f" ({session.name})" if session.name else ""
    mode.line(one_line(f"session {session.id}{name}, script {mode.debugger.main_source}"))
    live = mode.debugger.live
    if live is not None:
        mode.line(one_line(live.describe()))
    else:
        error = (session.error or {}).get("message")
        why = f": {error}" if error else ""
        mode.line(one_line(f"{session.status}, {session.events} events{why}"))
    if mode.debugger.edits:
        mode.line("you are in a dry run; `edits` lists what is different in it")
    looking.when(mode)
    return {
        "session": session.id, "name": session.name, "status": session.status,
        "events": session.events, "position": str(mode.debugger.position),
        "live": None if live is None else living.state_of(live),
        "dry_run": bool(mode.debugger.edits),
    }  # fmt: skip


def _watchpoints(mode: LineMode, rest: str) -> Answer:
    return stopping.breakpoints(mode, rest, kind="data")


_Show = Callable[["LineMode", str], Answer]

TOPICS: dict[str, tuple[_Show, str]] = {
    "args": (looking.arguments, "the function's arguments"),
    "artifacts": (looking.artifacts, "artifacts that there were"),
    "bookmarks": (keeping.bookmarks, "positions that are kept"),
    "breakpoints": (stopping.breakpoints, "breakpoints; with numbers how often they stop"),
    "checkpoints": (keeping.bookmarks, "the same as bookmarks"),
    "coroutines": (looking.coroutines, "coroutines"),
    "display": (looking.display, "what is shown at every stop"),
    "edits": (editing.edits, "what is different in the dry run"),
    "event": (events.event, "the event here, or another: arguments, outcome, how long it took"),
    "events": (events.events, "the events around here, or around another"),
    "frame": (_frame, "the function that is looked at"),
    "functions": (sources.functions, "functions with a name; all, or those with a text in it"),
    "globals": (looking.globals_, "globals of the script"),
    "line": (sources.line, "whether a line has code"),
    "locals": (looking.locals_, "what the function sees"),
    "output": (looking.output, "what had been written"),
    "program": (_program, "the session, and where one stands in it"),
    "session": (_program, "the same"),
    "source": (sources.sources, "the script and what it loaded"),
    "sources": (sources.sources, "the same"),
    "stack": (looking.backtrace, "the functions that run"),
    "state": (looking.state, "the state as it was"),
    "threads": (looking.coroutines, "coroutines"),
    "variables": (looking.globals_, "globals of the script"),
    "watchpoints": (_watchpoints, "breakpoints on values"),
}
"""What `info` shows, by its names there."""

_SHORT = {"b": "breakpoints", "f": "frame", "s": "stack", "th": "threads", "w": "watchpoints"}


def _info(mode: LineMode, rest: str) -> Answer:
    word, _, more = rest.partition(" ")
    word = _SHORT.get(word, word)
    found = [word] if word in TOPICS else [one for one in TOPICS if word and one.startswith(word)]
    if not found:
        raise UsageError(f"info takes one of {', '.join(TOPICS)}")
    shows = {TOPICS[one][0] for one in found}
    if len(shows) > 1:
        raise UsageError(f"info {word} may be {', '.join(found)}")
    return TOPICS[found[0]][0](mode, more.strip())


WORDS = (
    Word(("info", "i"), _info, "TOPIC", "what there is: " + ", ".join(TOPICS), "topic",
         also=("inf",)),
)  # fmt: skip
