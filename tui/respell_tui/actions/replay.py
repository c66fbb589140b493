"""What can be done on the screen of one session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respell_tui.actions.model import Action

if TYPE_CHECKING:
    from respell_tui.shown.replay import ReplaySituation

When = Callable[["ReplaySituation"], str | None]


def _ready(it: ReplaySituation) -> str | None:
    return None if it.ready else it.why_not


def _forward(it: ReplaySituation) -> str | None:
    if it.ready and it.at_end and not it.held:
        return "this is the end of what is recorded"
    return _ready(it)


def _back(it: ReplaySituation) -> str | None:
    return "this is the start" if it.ready and it.at_start else _ready(it)


def _variable(it: ReplaySituation) -> str | None:
    if it.ready and not it.expression:
        return "put the cursor on a variable first: 3 goes there"
    return _ready(it)


def _running(it: ReplaySituation) -> str | None:
    if it.state in ("running", "paused"):
        return None
    return "nothing runs: this session is as it was recorded"


def _held(it: ReplaySituation) -> str | None:
    return _running(it) or (None if it.held else "it is not held: p holds it")


def _hold_or_go_on(it: ReplaySituation) -> str:
    return "go on" if it.held or it.state == "paused" else "hold"


def _resumable(it: ReplaySituation) -> str | None:
    if it.redacted:
        return "parts of it were replaced when it was exported: it can only be looked at"
    if it.state in ("suspended", "interrupted"):
        return None
    if it.state in ("running", "paused"):
        return "it runs already" if it.state == "running" else "it is held: p lets it go on"
    return f"it is {it.state}: F forks it, to go on from here" if it.state else it.why_not


def _event_ready(it: ReplaySituation) -> str | None:
    return _ready(it) or _event(it)


def _edited(it: ReplaySituation) -> str | None:
    return None if it.edits else "nothing is different from what was recorded"


def _event(it: ReplaySituation) -> str | None:
    return None if it.event else "put the cursor on an event first: 1 goes there"


def _is_dry(it: ReplaySituation) -> bool:
    return it.edits > 0


_VARIABLES = ("replay/variables",)

_BESIDE_VARIABLES = ("replay/source", "replay/events", "replay/event", "replay/output",
                     "replay/then", "replay")  # fmt: skip

_MOVES: tuple[Action, ...] = (
    Action("step.over", ("n", "f10"), "step", "Goes to the next line of this function.",
           "replay", _forward, 1, always=True),
    Action("step.back", ("N", "f22"), "back", "Goes back to the line before, in this function.",
           "replay", _back, 2, always=True),
    Action("step.in", ("s", "f11"), "into", "Goes to the next line, into functions.",
           "replay", _forward, 3),
    Action("step.back_in", ("S",), "back into", "Goes back one line, into functions.",
           "replay", _back),
    Action("step.out", ("o", "f23"), "out", "Goes to where this function has returned.",
           "replay", _forward, 5),
    Action("step.back_out", ("O",), "back out",
           "Goes back to the line that called this function.", "replay", _back),
    Action("go.on", ("c", "f5"), "continue", "Goes on to the next breakpoint, or the end.",
           "replay", _forward, 4),
    Action("go.back", ("C",), "reverse", "Goes back to the breakpoint before, or the start.",
           "replay", _back, 16),
    Action("event.next", ("e",), "event", "Goes to the next event.", "replay", _forward, 6),
    Action("event.previous", ("E",), "event before", "Goes to the event before.", "replay", _back),
    Action("go.start", ("g",), "start", "Goes to the start.", "replay", _back),
    Action("go.end", ("G",), "end", "Goes to the end of what is recorded.", "replay", _forward),
    Action("go.play", ("space",), "play", "Plays line by line, or stops that.",
           "replay", _ready, 15),
    Action("go.faster", ("plus",), "faster", "Plays faster, up to 10 times.", "replay", _ready),
    Action("go.slower", ("minus",), "slower", "Plays slower, down to a tenth.", "replay", _ready),
)  # fmt: skip

_SET: tuple[Action, ...] = (
    Action("breakpoint.toggle", ("b", "f9"), "break",
           "Sets a breakpoint at the line the cursor is on in the source, or takes it away.",
           "replay", _ready, 7, must_in=_BESIDE_VARIABLES),
    Action("breakpoint.list", ("B",), "breakpoints", "Shows the breakpoints, to take one away.",
           "replay", _ready),
    Action("breakpoint.add", ("ctrl+b",), "new breakpoint",
           "Sets a breakpoint of any kind: a function, an error, an effect, a value, a state key.",
           "replay", _ready),
    Action("bookmark.set", ("m",), "bookmark", "Keeps this position under a name, with a note.",
           "replay", _ready),
    Action("bookmark.list", ("apostrophe",), "bookmarks", "Shows the bookmarks, to go to one.",
           "replay", _ready),
    Action("find.open", ("slash",), "find",
           "Finds a text in the source, if that has the focus; else events with these words.",
           "replay", footer=8, must=True),
    Action("copy.line", ("y",), "copy",
           "Copies the line the cursor is on; of a variable its value.", "replay"),
)  # fmt: skip

_ASKED: tuple[Action, ...] = (
    Action("value.last_change", ("l",), "last change",
           "Goes back to where the variable under the cursor got its value.",
           "replay", _variable, 11, must_in=_VARIABLES),
    Action("value.next_change", ("L",), "next change",
           "Goes on to where the variable under the cursor gets another value.",
           "replay", _variable),
    Action("value.all", ("V",), "values",
           "Shows all values that the variable under the cursor has over time, as a plot.",
           "replay", _variable, 14),
    Action("value.origin", ("i",), "origin",
           "Shows which effect made the value of the variable under the cursor, and how it got "
           "there.", "replay", _variable, 12, must_in=_VARIABLES),
    Action("value.evaluate", ("equals_sign",), "evaluate",
           "Evaluates expressions here, in a copy that is thrown away; tab completes.",
           "replay", _ready, 13),
    Action("value.watch", ("W",), "watch", "Watches an expression at every stop.",
           "replay", _ready),
    Action("line.hits", ("h",), "hit counts",
           "Shows beside the source how often each line ran, or no longer.", "replay", _ready),
)  # fmt: skip

_WHAT_IF: tuple[Action, ...] = (
    Action("session.fork_here", ("F",), "fork",
           "Makes a new session out of the history up to here, to go on in another way.",
           "replay", _ready, 9, must=True, urgent=_is_dry),
    Action("session.compare", ("d",), "compare",
           "Shows side by side what is different: of a dry run from what was recorded, of a fork "
           "from its original, else from a session to be chosen.", "replay", _ready, 10,
           must=True, urgent=_is_dry),
    Action("session.compare_with", ("D",), "compare with",
           "Chooses a session, and shows side by side what is different there.", "replay", _ready),
    Action("edits.discard", ("X",), "discard", "Goes back to what was recorded.",
           "replay", _edited, 9, shy=True),
)  # fmt: skip

_LIVE: tuple[Action, ...] = (
    Action("live.pause", ("p",), "hold",
           "Holds the program that runs, or lets it go on. Where one stood back one stays.",
           "replay", _running, 1, shy=True, now=_hold_or_go_on),
    Action("live.step", ("P",), "one effect",
           "Lets a program that is held get one effect done, and goes there.",
           "replay", _held, 1, shy=True),
    Action("live.resume", ("r",), "resume",
           "Goes on with the session, which is followed then: asks for the value it waits for, and "
           "what became of effects in doubt.", "replay", _resumable, 1, shy=True),
    Action("live.suspend", ("R",), "suspend",
           "Stops the program that runs at its next effect, until it is resumed.", "replay",
           _running),
)  # fmt: skip

_PANES: tuple[Action, ...] = (
    Action("event.failed_only", ("f",), "failed only", "Shows only events that failed, or all.",
           "replay/events", footer=21),
    Action("event.view", ("v",), "view",
           "Shows events in another way: nested, all alike, or as bars of the time they took.",
           "replay/events", footer=22),
    Action("event.change", ("u",), "what if",
           "Gives the event under the cursor another outcome, and tries what comes of it.",
           "replay/events", _event_ready, 26, first_in=("replay/events",)),
    Action("event.edit", ("w",), "editor",
           "The same in $EDITOR, beginning with the outcome that is recorded.",
           "replay/events", _event_ready),
    Action("breakpoint.condition", ("ctrl+e",), "condition",
           "Asks for a condition, a hit count or a log text for the breakpoint of this line.",
           "replay/source", _ready, 22),
    Action("go.to_line", ("t",), "run to", "Goes on until the line under the cursor runs.",
           "replay/source", _forward, 23, first_in=("replay/source",)),
    Action("go.back_to_line", ("T",), "back to", "Goes back to when this line ran the last time.",
           "replay/source", _back, 24),
    Action("line.executions", ("x",), "each time", "Shows every time that this line ran.",
           "replay/source", _ready),
    Action("source.pick", ("v",), "sources", "Shows another source: a module, for instance.",
           "replay/source", _ready),
    Action("source.edit", ("w",), "editor",
           "Changes the script in $EDITOR from here on, and tries what would come of it.",
           "replay/source", _ready),
    Action("find.next", ("full_stop",), "next match", "Goes to the next match.", "replay/source"),
    Action("find.previous", ("comma",), "previous match", "Goes to the match before.",
           "replay/source"),
    Action("value.change", ("u",), "what if",
           "Gives the variable under the cursor another value here, and tries what comes of it.",
           "replay/variables", _variable, 25, must_in=_VARIABLES),
    Action("value.edit", ("w",), "editor",
           "The same in $EDITOR, for a value that takes several lines.",
           "replay/variables", _variable),
    Action("value.unwatch", ("delete",), "unwatch", "Watches this expression no longer.",
           "replay/variables", _variable),
)  # fmt: skip

REPLAY_GROUPS: tuple[tuple[str, tuple[Action, ...]], ...] = (
    ("forwards and back", _MOVES),
    ("about a value", _ASKED),
    ("breakpoints, bookmarks, search", _SET),
    ("what if, forks, comparing", _WHAT_IF),
    ("while it runs", _LIVE),
)
"""What the help shows together, with its titles."""

REPLAY: tuple[Action, ...] = (*_LIVE, *_MOVES, *_SET, *_ASKED, *_WHAT_IF, *_PANES)
