"""`respell dap`."""

from __future__ import annotations

from pathlib import Path

from respell.debug.dap import serve_port, serve_stdio
from respell.errors import UsageError
from respell.store import Store
from respell_tui.context import Command

DONE = 0


def dap(command: Command) -> int:
    """Serve the debugger over the Debug Adapter Protocol."""
    port: int | None = command.args.port

    def open_store(folder: Path | None, create: bool) -> Store:
        if folder is None:
            return command.open_store(create=create)
        return Store(folder.expanduser(), create=create, **command.config.store_options())

    if port is None:
        serve_stdio(open_store)
        return DONE
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535")

    def tell(number: int) -> None:
        command.err.line(f"listening at 127.0.0.1:{number}; Ctrl-C ends")

    try:
        serve_port(port, open_store, tell)
    except KeyboardInterrupt:
        command.err.line("ended")
    return DONE
