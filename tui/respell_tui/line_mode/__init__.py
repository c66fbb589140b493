"""The debugger in line mode: one command per line, with the habits of gdb and rr."""

from respell_tui.line_mode.mode import LineMode
from respell_tui.line_mode.vocabulary import COMMANDS
from respell_tui.line_mode.words import break_option

__all__ = ["COMMANDS", "LineMode", "break_option"]
