"""`respell` alone: opens the terminal UI."""

from __future__ import annotations

from respell_tui.commands.config import check_ui
from respell_tui.context import Command


def open_ui(command: Command) -> int:
    """Open the terminal UI over the store, and return when it is closed."""
    config = command.config
    for warning in config.warnings:
        command.err.line("respell: ", warning)
    check_ui(config)
    from respell_tui import swiftness
    from respell_tui.app import RespellApp

    swiftness.begin()
    app = RespellApp(command.store_path(), config=config)
    app.run()
    return app.return_code or 0
