"""`respell debug` and `respell last`."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from respell.debug import Debugger
from respell.errors import RespellError, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.commands.run import limits_of
from respell_tui.context import Command, json_option, short
from respell_tui.line_mode import COMMANDS, LineMode, break_option
from respell_tui.text import visible

DONE, WRONG = 0, 2
_PROMPT = "(respell) "


def debug(command: Command) -> int:
    """Debug a session that ran or runs, or a script while it runs, one command per line."""
    args = command.args
    with ExitStack() as opened:
        script = Path(args.id)
        if script.is_file() and (script.suffix == ".lua" or "/" in args.id):
            store = opened.enter_context(command.open_store(create=True))
            debugger = opened.enter_context(_launched(command, store, script))
        else:
            _check_alone(args)
            store, session = opened.enter_context(command.with_session(args.id))
            debugger = opened.enter_context(_opened(command, store, session))
        for text in args.breaks:
            file, line, condition = break_option(text)
            debugger.breakpoints.add_line(file, line, condition=condition)
        if args.at is not None:
            _go(debugger, args.at)
        mode = LineMode(debugger, command.out, json=args.json, tidy=lambda: command.err.over(""))
        mode.begin()
        with _cancels(debugger):
            return _converse(command, mode)


def last(command: Command) -> int:
    """Say when a value last changed."""
    args = command.args
    with (
        command.with_session(args.id) as (store, session),
        _opened(command, store, session) as debugger,
    ):
        _go(debugger, args.at or "end")
        change = debugger.last_change(args.expression)
        command.err.over("")
        if args.json:
            command.out.json(change.to_json() if change is not None else None)
        elif change is None:
            command.out.line(f"{args.expression} has not changed before {debugger.position}")
        else:
            command.out.line(change.describe(args.expression))
    return DONE


def _go(debugger: Debugger, where: str) -> None:
    if where in ("start", "end"):
        getattr(debugger, where)()
    else:
        debugger.go_to(where)


def _check_alone(args: Namespace) -> None:
    """Refuse what only a script that is launched can be given."""
    for name in ("input", "limit", "allow", "deny", "script_args"):
        if getattr(args, name, None):
            shown = "arguments after --" if name == "script_args" else f"--{name}"
            raise UsageError(f"{shown}: only a script that is launched takes that, not a session")


@contextmanager
def _launched(command: Command, store: Store, script: Path) -> Iterator[Debugger]:
    """Run the script under the debugger, and say in the end what became of it."""
    args = command.args
    debugger = Debugger.launch(
        script, store=store, on_progress=_teller(command), args=tuple(args.script_args),
        input=None if args.input is None else json_option(args.input, "--input"),
        limits=limits_of(command), allow=tuple(args.allow), deny=tuple(args.deny),
    )  # fmt: skip
    command.err.line("session ", debugger.session.id)
    with debugger:
        yield debugger
    assert debugger.live is not None
    command.err.line("session ", short(debugger.session), ": ", debugger.live.describe())


def _teller(command: Command) -> Callable[[float], None]:
    return lambda seconds: command.err.over(f"executing for {seconds:.1f} s (Ctrl-C gives up)")


@contextmanager
def _opened(command: Command, store: Store, session: SessionRecord) -> Iterator[Debugger]:
    with Debugger.open(session, store=store, on_progress=_teller(command)) as debugger:
        yield debugger


@contextmanager
def _cancels(debugger: Debugger) -> Iterator[None]:
    """Have Ctrl-C end the move in progress."""

    def cancel(_number: int, _frame: FrameType | None) -> None:
        debugger.cancel()

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _converse(command: Command, mode: LineMode) -> int:
    """Carry out commands to their end; where nobody sits there, the first wrong one ends it."""
    if command.args.commands is not None:
        return _carry_out(command, mode, _lines_of(command.args.commands))
    if sys.stdin is None:
        return DONE
    if not sys.stdin.isatty():
        return _carry_out(command, mode, iter(sys.stdin))
    _prepare_editing()
    before = ""
    while not mode.over:
        try:
            text = input(_PROMPT).strip() or before
        except EOFError:
            break
        before = text
        try:
            mode.perform(text)
        except RespellError as error:
            command.err.line(str(error))
    return DONE


def _carry_out(command: Command, mode: LineMode, lines: Iterator[str]) -> int:
    for text in lines:
        try:
            mode.perform(text)
        except RespellError as error:
            command.err.line("respell: ", visible(text.strip()), ": ", str(error))
            return WRONG
        if mode.over:
            break
    return DONE


def _lines_of(path: str) -> Iterator[str]:
    try:
        return iter(Path(path).read_text(errors="replace").splitlines())
    except OSError as error:
        raise UsageError(f"can't read the commands in {path}: {error.strerror}") from None


def _prepare_editing() -> None:
    try:
        import readline
    except ImportError:
        return  # this Python was built without it: lines are typed as they are

    def complete(text: str, state: int) -> str | None:
        found = [name for name in COMMANDS if name.startswith(text)]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
