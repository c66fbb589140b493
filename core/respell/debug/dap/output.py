"""The script's output, and what log points wrote, as the debugger passes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug.dap.messages import Body
from respell.debug.dap.shown import clean
from respell.debug.stops import Stop
from respell.debug.worker import as_text
from respell.history.events import Event

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

MOST_LINES = 5_000
"""Most lines that one move shows; of more, the last ones."""

_CATEGORIES = {"output.error": "stderr"}


class Output:
    """Shows each line once, when it is first passed."""

    def __init__(self, session: DapSession) -> None:
        self._session = session
        self._shown = 0

    def restart(self) -> None:
        """Show all of it again, as it is passed."""
        self._shown = 0

    def follow(self) -> None:
        """Show what a session that runs has written by now."""
        self._show_up_to(self._session.debugger.last_event)

    def skip(self, event: int) -> None:
        """Take what was written up to an event as shown."""
        self._shown = max(self._shown, event)

    def up_to(self, stop: Stop) -> None:
        """Show what was written up to a place, and what log points wrote on the way there."""
        for log in stop.logs:
            body: Body = {"category": "console", "output": clean(log.text) + "\n"}
            self._session.connection.event("output", body)
        self._show_up_to(stop.position.event)

    def _show_up_to(self, last: int) -> None:
        if last <= self._shown:
            return
        written = [
            event
            for event in self._session.debugger.events(self._shown + 1, last)
            if event.kind == "output"
        ]
        self._shown = last
        if len(written) > MOST_LINES:
            left_out = len(written) - MOST_LINES
            self._session.tell(f"({left_out} earlier lines are left out)\n")
            written = written[-MOST_LINES:]
        for event in written:
            self._show(event)

    def _show(self, event: Event) -> None:
        text = clean(as_text(event.args.get("text", "")))
        category = _CATEGORIES.get(event.name, "stdout")
        if event.name.startswith("log."):
            category, text = "stderr", f"{event.name.removeprefix('log.')}: {text}\n"
        elif event.name == "output.line":
            text += "\n"
        body: Body = {"category": category, "output": text}
        source = self._session.sources.source_of(event.source)
        if event.line and source is not None:
            body |= {
                "source": source, "line": self._session.who.line(event.line),
                "column": self._session.who.column(),
            }  # fmt: skip
        self._session.connection.event("output", body)
