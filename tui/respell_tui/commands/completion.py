"""`respell completion`: what a shell has to evaluate to complete this command."""

from __future__ import annotations

from respell_tui.completion import shell_code
from respell_tui.context import Command


def completion(command: Command) -> int:
    """Write the code for one shell."""
    command.out.raw(shell_code(command.args.shell).encode())
    return 0
