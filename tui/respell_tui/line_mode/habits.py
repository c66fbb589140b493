"""Words that gdb and rr have and a script's debugger has not: what is used here instead."""

from __future__ import annotations

_SMALLEST = "lines are the smallest steps here: use `s`, `n`, `rs` or `rn`"
_NO_SYSTEM = "the debugger runs no other programs; suspend it with Ctrl-Z, or use another terminal"
_NO_MEMORY = "a script has no addresses: `p EXPR` and `x EXPR` show values, `locals` variables"
_NO_SIGNALS = "a script gets no signals; Ctrl-C here ends the move in progress"
_NO_SCREEN = "`respell` alone opens the terminal UI, with source, variables and events side by side"
_NO_SETTINGS = "there is nothing to set up; `set NAME = EXPR` tries another value from here on"
_NO_SCRIPTING = (
    "`source FILE` and `--commands FILE` take commands from files, `respell.debug.Debugger` is for "
    "Python"
)
_NO_PROCESS = "a session is debugged from what it recorded: `q` leaves it as it is"
_OTHER_PROGRAM = "one debugger has one session: leave with `q`, and begin with `respell debug ID`"
_NO_CHECKPOINTS = "`bookmark NAME` keeps this position, `goto NAME` goes back to it"
_CATCH = "`b error`, `b error uncaught` and `b effect NAME` stop at errors and effects"
_LATER = "`b PLACE log TEXT with {EXPR}` writes without stopping, `display EXPR` shows at each stop"
_TIME = "`when` says the position; `goto POSITION` goes to one"
_BY_HAND = "lines can't be skipped: `set NAME = EXPR` or `edit` tries otherwise, as a dry run"

INSTEAD: dict[str, str] = {
    **dict.fromkeys(
        ("si", "stepi", "ni", "nexti", "rsi", "reverse-stepi", "rni", "reverse-nexti"), _SMALLEST
    ),
    **dict.fromkeys(("shell", "make", "pipe", "pwd", "cd"), _NO_SYSTEM),
    **dict.fromkeys(("disassemble", "find", "dump", "restore", "stack", "symbol-file"), _NO_MEMORY),
    **dict.fromkeys(("handle", "signal", "tty"), _NO_SIGNALS),
    **dict.fromkeys(("layout", "tui", "focus", "refresh", "winheight", "fs"), _NO_SCREEN),
    **dict.fromkeys(("show", "unset", "alias", "dir", "directory", "skip"), _NO_SETTINGS),
    **dict.fromkeys(("define", "document", "python", "python-interactive", "py", "macro",
                     "if", "while", "eval", "printf", "echo"), _NO_SCRIPTING),
    **dict.fromkeys(("kill", "k", "disconnect", "record", "stop"), _NO_PROCESS),
    **dict.fromkeys(("attach", "file", "exec-file", "core-file", "target", "load", "inferior",
                     "add-inferior"), _OTHER_PROGRAM),
    **dict.fromkeys(("checkpoint", "restart", "save"), _NO_CHECKPOINTS),
    **dict.fromkeys(("catch", "tcatch", "hbreak", "thbreak", "rbreak", "strace"), _CATCH),
    **dict.fromkeys(("commands", "dprintf", "trace", "tp", "actions", "collect"), _LATER),
    **dict.fromkeys(("when-ticks", "when-tid", "elapsed-time", "absolute-time", "when-end",
                     "seek-ticks", "ticks"), _TIME),
    **dict.fromkeys(("jump", "j", "return", "queue-signal"), _BY_HAND),
    "checkpoints": "`bookmark` lists the positions that are kept",
    "diversion": "`p` evaluates in a copy; `set`, `outcome` and `edit` begin a dry run",
    "faas": "`bt full` shows every function with its locals",
    "tfaas": "`bt all` shows the stacks of all coroutines",
}  # fmt: skip
"""By word, what is used here, in one line."""

SETTINGS = frozenset((
    "listsize", "pagination", "confirm", "width", "height", "print", "logging", "history",
    "scheduler-locking", "verbose", "prompt", "args", "environment", "disassembly-flavor",
    "exec-direction", "step-mode", "style", "language", "editing", "breakpoint", "args",
))  # fmt: skip
"""What gdb's `set` takes besides variables."""

NO_SETTINGS = _NO_SETTINGS
