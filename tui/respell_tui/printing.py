"""A script's output, as it comes or as it was: what is data, and what is words."""

from __future__ import annotations

from respell_tui.context import Command
from respell_tui.output import Out


class Printer:
    """Writes output events to where they belong.

    Printed text is data and goes to standard output (with `--json`, where that is the
    session's object, to standard error); what a script logs and its errors are words.
    """

    def __init__(self, command: Command, *, live: bool = True) -> None:
        """Take the streams of a command; `live`: a session runs meanwhile."""
        self._live = live
        self._words = command.err
        self._data = command.err if command.args.json else command.out

    def __call__(self, name: str, data: bytes) -> None:
        """Write one output event.

        Args:
            name: The event's name, e.g. `output.line`.
            data: Its bytes.
        """
        self._out(name).raw(_written(name, data))
        if self._live and self._data.closed and not self._data.told:
            # The reader has seen enough (`| head`); the session has not done enough.
            self._data.told = True
            why = self._data.failure
            what = f"can't be written to ({why})" if why else "was closed"
            self._words.line(f"respell: standard output {what}; the session goes on")

    def _out(self, name: str) -> Out:
        return self._words if name.startswith("log.") or name == "output.error" else self._data


def _written(name: str, data: bytes) -> bytes:
    if name.startswith("log."):
        return b"%s: %s\n" % (name.removeprefix("log.").encode(), data)
    return data + b"\n" if name == "output.line" else data
