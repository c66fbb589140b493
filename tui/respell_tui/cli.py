"""`respell`: from the words of the command line to a command, and from errors to exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from respell.errors import RespellError
from respell_tui import parser as commands

if TYPE_CHECKING:
    from respell_tui.context import Command

UNEXPECTED = 1
UNWRITTEN = 1
DEBUG = "RESPELL_DEBUG"
OPEN_UI = "respell_tui.commands.ui:open_ui"


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line.

    Args:
        argv: The words behind `respell`; None for this process's own.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = commands.build()
    if "_ARGCOMPLETE" in os.environ:
        from respell_tui.completion import complete

        complete(parser)
    args = parse(parser, words)
    if args.handler is None:
        if not _at_terminal():
            parser.print_help()
            return 0
        args.handler = OPEN_UI
    return carry_out(args)


def _at_terminal() -> bool:
    """Whether a person sits here, at what can be painted on: else the terminal UI is of no use."""
    streams = (sys.stdin, sys.stdout)
    return os.environ.get("TERM", "dumb") != "dumb" and all(
        one is not None and one.isatty() for one in streams
    )


_TAKE_ARGUMENTS = ("run", "debug")


def parse(parser: commands.Parser, words: Sequence[str]) -> Namespace:
    """Return the options; what stands behind `--` of `run` and `debug` is the script's."""
    head, tail = _split_at_dashes(parser, list(words))
    args, unknown = parser.parse_known_args(head)
    if unknown:
        takes = args.command in _TAKE_ARGUMENTS
        hint = "; the script's own arguments stand behind --" if takes else ""
        commands.chosen(parser, args).refuse(unknown, hint)
    args.script_args = tail
    return args


def _split_at_dashes(parser: commands.Parser, words: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return words, []
    at = words.index("--")
    names = commands.command_names(parser)
    command = next((word for word in words[:at] if word in names), None)
    if command not in _TAKE_ARGUMENTS:
        return words, []
    return words[:at], words[at + 1 :]


def carry_out(args: Namespace) -> int:
    """Run a command's function, and turn what goes wrong into words and an exit code."""
    from respell_tui.context import Command

    command = Command(args)
    try:
        code = _function(args.handler)(command)
    except RespellError as error:
        command.err.line("respell: ", str(error))
        if os.environ.get(DEBUG):
            command.err.line(_traceback())
        return error.exit_code
    except KeyboardInterrupt:
        return _end_by_interrupt()
    except Exception as error:  # noqa: BLE001 - the last place where one can be shown
        return _report_unexpected(command, error)
    failure = command.out.failure
    if failure and not command.out.told:
        command.err.line("respell: can't write to standard output: ", failure)
    return code or (UNWRITTEN if failure else 0)


def _function(handler: str) -> Callable[[Command], int]:
    module, _, name = handler.partition(":")
    function: Callable[[Command], int] = getattr(importlib.import_module(module), name)
    return function


def _report_unexpected(command: Command, error: Exception) -> int:
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    command.err.line("respell: this should not have happened: ", detail)
    if os.environ.get(DEBUG):
        command.err.line(_traceback())
    else:
        command.err.line(
            "Nothing that was recorded is lost. Please report it, with what "
            f"{DEBUG}=1 shows when you do it again."
        )
    return UNEXPECTED


def _traceback() -> str:
    import traceback

    return traceback.format_exc().rstrip()


def _end_by_interrupt() -> int:
    """End as any program ends by Ctrl-C, so that a shell's loop around it ends as well."""
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return UNEXPECTED
