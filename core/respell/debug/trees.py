"""The trees of a session's sources."""

from __future__ import annotations

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.lua_source import Source, parse
from respell.errors import UsageError


class Trees:
    """Reads each source once, when it is asked for."""

    def __init__(self, breakpoints: BreakpointTable) -> None:
        self._breakpoints = breakpoints
        self._known: dict[str, Source | None] = {}

    def of(self, source: str) -> Source | None:
        """Return the tree of a source by its chunk name; None of what there is no text of."""
        if source not in self._known:
            try:
                self._known[source] = parse(self._breakpoints.source_named(source)[1])
            except UsageError:
                self._known[source] = None  # a chunk that is not told from others, or too long
        return self._known[source]
