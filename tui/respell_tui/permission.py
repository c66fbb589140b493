"""The question whether a script may do what it asks for."""

from __future__ import annotations

import os
import select
import sys
import termios

from respell.errors import PermissionDenied
from respell.security import Ask
from respell_tui.context import Command
from respell_tui.stopping import Stopper

_LOOK_S = 0.1


def asker(command: Command, stopper: Stopper) -> Ask | None:
    """Return what asks the person at the terminal; None where nobody is to be asked.

    Args:
        command: The command that runs a script.
        stopper: Ctrl-C stands for no.
    """
    interactive = sys.stdin is not None and sys.stdin.isatty() and command.err.is_terminal
    if not (interactive and command.config.security.ask):
        return None

    def ask(refused: PermissionDenied) -> bool:
        reason = str(refused).partition(" To allow it: ")[0]
        err = command.err
        # What was typed before was an answer to something else, or to a script's own question.
        termios.tcflush(0, termios.TCIFLUSH)
        err.line(err.paint("permission", "yellow"), ": ", reason)
        err.line(_question(refused.flag))
        answer = _line(stopper)
        return answer is not None and answer.strip().lower() in ("y", "yes")

    return ask


def _question(flag: str) -> str:
    if flag == "process":
        return "allow every program, through a shell, for this session? process [y/N]"
    return f"allow it for this session? {flag} [y/N]"


def _line(stopper: Stopper) -> str | None:
    """Return what is typed; None if the run is asked to stop instead."""
    typed = b""
    while b"\n" not in typed:
        if stopper.asked:
            return None
        ready, _, _ = select.select([0], [], [], _LOOK_S)
        if ready:
            more = os.read(0, 1024)
            if not more:
                return None
            typed += more
    return typed.partition(b"\n")[0].decode(errors="replace")
