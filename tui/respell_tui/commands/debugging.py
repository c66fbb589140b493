"""`respell debug` and `respell last`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from respell.debug import Debugger
from respell.errors import RespellError, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.commands.run import limits_of
from respell_tui.context import Command, json_option, short
from respell_tui.line_mode import LineMode, break_option, reading
from respell_tui.line_mode.kept_lines import KeptLines, kept_path
from respell_tui.line_mode.terminal import Terminal
from respell_tui.output import Out

DONE = 0


def debug(command: Command) -> int:
    """Debug a session that ran or runs, or a script while it runs, one command per line."""
    args = command.args
    progress = _Progress(command.err)
    with ExitStack() as opened:
        opened.callback(progress.tidy)
        script = Path(args.id)
        if script.is_file() and (script.suffix == ".lua" or "/" in args.id):
            store = opened.enter_context(command.open_store(create=True))
            debugger = opened.enter_context(_launched(command, store, script, progress))
        else:
            _check_alone(args)
            store, session = opened.enter_context(command.with_session(args.id))
            debugger = opened.enter_context(_opened(store, session, progress))
        for text in args.breaks:
            file, line, condition = break_option(text)
            debugger.breakpoints.add_line(file, line, condition=condition)
        if args.at is not None:
            _go(debugger, args.at)
        mode = LineMode(debugger, command.out, json=args.json, tidy=progress.tidy)
        mode.begin()
        return _converse(command, mode)


def last(command: Command) -> int:
    """Say when a value last changed."""
    args = command.args
    progress = _Progress(command.err)
    with (
        command.with_session(args.id) as (store, session),
        _opened(store, session, progress) as debugger,
    ):
        _go(debugger, args.at or "end")
        change = debugger.last_change(args.expression)
        progress.tidy()
        if args.json:
            command.out.json(change.to_json() if change is not None else None)
        elif change is None:
            command.out.line(f"{args.expression} has not changed before {debugger.position}")
        else:
            command.out.line(change.describe(args.expression))
    return DONE


def _go(debugger: Debugger, where: str) -> None:
    marks = {one.name: one.position for one in debugger.bookmarks()}
    if where in ("start", "end"):
        getattr(debugger, where)()
    else:
        debugger.go_to(marks.get(where, where))


def _check_alone(args: Namespace) -> None:
    """Refuse what only a script that is launched can be given."""
    for name in ("input", "limit", "allow", "deny", "script_args"):
        if getattr(args, name, None):
            shown = "arguments after --" if name == "script_args" else f"--{name}"
            raise UsageError(f"{shown}: only a script that is launched takes that, not a session")


@contextmanager
def _launched(
    command: Command, store: Store, script: Path, progress: _Progress
) -> Iterator[Debugger]:
    """Run the script under the debugger, and say in the end what became of it."""
    args = command.args
    debugger = Debugger.launch(
        script, store=store, on_progress=progress.tell, args=tuple(args.script_args),
        input=None if args.input is None else json_option(args.input, "--input"),
        limits=limits_of(command), allow=tuple(args.allow), deny=tuple(args.deny),
    )  # fmt: skip
    command.err.line("session ", debugger.session.id)
    with debugger:
        yield debugger
    assert debugger.live is not None
    progress.tidy()
    command.err.line("session ", short(debugger.session), ": ", debugger.live.describe())


class _Progress:
    """The line that says how long a move takes already."""

    def __init__(self, err: Out) -> None:
        self._err, self._is_shown = err, False

    def tell(self, seconds: float) -> None:
        """Show it."""
        self._is_shown = True
        self._err.over(f"executing for {seconds:.1f} s (Ctrl-C gives up)")

    def tidy(self) -> None:
        """Take it away, if it is there."""
        if self._is_shown:
            self._err.over("")
        self._is_shown = False


@contextmanager
def _opened(store: Store, session: SessionRecord, progress: _Progress) -> Iterator[Debugger]:
    with Debugger.open(session, store=store, on_progress=progress.tell) as debugger:
        yield debugger


def _converse(command: Command, mode: LineMode) -> int:
    """Carry out commands to their end; where nobody sits there, the first wrong one ends it."""
    with mode.interrupts.heard():
        if command.args.commands is not None:
            return _carry_out(command, mode, reading.lines_of(command.args.commands))
        if sys.stdin is None or not sys.stdin.isatty():
            return _carry_out(command, mode, reading.lines_of_pipe())
        most = command.config.debug.keep_lines
        tell = lambda text: command.err.line("respell: ", text)  # noqa: E731
        Terminal(mode, command.err, KeptLines(kept_path(), most, tell)).converse()
    return DONE


def _carry_out(command: Command, mode: LineMode, lines: Iterable[reading.Line]) -> int:
    try:
        reading.carry_out(mode, lines)
    except RespellError as error:
        if mode.interrupts.came:
            raise KeyboardInterrupt from None
        command.err.line("respell: ", reading.with_place(error))
        return error.exit_code
    return DONE
