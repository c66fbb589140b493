"""`respell debug` and `respell last`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from respell import api
from respell.debug import Debugger
from respell.errors import RespellError, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.context import Command
from respell_tui.line_mode import COMMANDS, LineMode, break_option
from respell_tui.text import visible

DONE, WRONG = 0, 2
_PROMPT = "(respell) "


def debug(command: Command) -> int:
    """Debug a session that ran, or a script after running it, one command per line."""
    args = command.args
    with ExitStack() as opened:
        script = Path(args.id)
        if script.is_file() and (script.suffix == ".lua" or "/" in args.id):
            store = opened.enter_context(command.open_store(create=True))
            session = _run(command, store, script)
        else:
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
        if debugger.stop.at_end and not debugger.stop.line:
            debugger.step_back()  # the script's variables are gone once it has ended
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


def _run(command: Command, store: Store, script: Path) -> SessionRecord:
    command.err.line("running ", str(script), " first")
    result = api.run(
        script,
        store=store,
        config=command.config,
        on_output=lambda _name, text: command.err.line(text.decode(errors="replace")),
    )
    command.err.line("session ", result.session.id)
    return result.session


@contextmanager
def _opened(command: Command, store: Store, session: SessionRecord) -> Iterator[Debugger]:
    def tell(seconds: float) -> None:
        command.err.over(f"executing for {seconds:.1f} s (Ctrl-C gives up)")

    with Debugger.open(session, store=store, on_progress=tell) as debugger:
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
