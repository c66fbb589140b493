"""Questions about all of the execution."""

from __future__ import annotations

from respell.debug.changes import Change, Listed
from respell.debug.faces.scene import Staged
from respell.debug.inspecting import Frame
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import MOST_STEPS
from respell.debug.over_time import MOST
from respell.debug.position import Position


class Asking(Staged):
    """When values changed, where they came from, which lines ran; leaves the position as it is."""

    def last_change(self, expression: str, frame: Frame | int = 0) -> Change | None:
        """Return when a value last changed before here; None if it never did.

        Args:
            expression: A variable, with fields: `total`, `config.retries`, `list[3]`; or a key of
                the session's state: `state:total`. After the end of the script its variables
                are those that there were at its last line.
            frame: Whose variable it is; of its locals those of this call alone.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._over_time.last(expression, frame)

    def next_change(self, expression: str, frame: Frame | int = 0) -> Change | None:
        """Return when a value changes next; None if it never does (see `last_change`)."""
        return self._over_time.next(expression, frame)

    def values(
        self,
        expression: str,
        frame: Frame | int = 0,
        limit: int = MOST,
        *,
        first: Position | None = None,
        last: Position | None = None,
    ) -> Listed[Change]:
        """Return all values that an expression had, as changes in the order of time.

        Of a local those in all calls of its function, of an upvalue those of all variables that
        closures of that function see; each is numbered.

        Args:
            expression: See `last_change`.
            frame: Whose variable it is.
            limit: How many of them at most, to 10,000 and 1 MiB of text; the list's `more` says
                whether there are others.
            first: Position of the first one to return; None for the start.
            last: Position of the last one; None for the end.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._over_time.values(expression, frame, limit, first, last)

    def origin(self, expression: str, frame: Frame | int = 0, *, most: int = MOST_STEPS) -> Origin:
        """Return where a value came from: the effect whose outcome it is, and the way from there.

        It is followed back through assignments, arguments, returns, fields of tables, upvalues,
        the session's state and artifacts. Where it can't be, `lost` says why; what was computed
        of several values has each of them in `sources`.

        Args:
            expression: Any Lua expression that can be computed here: `total`, `items[3].price`;
                or a key of the session's state: `state:total`.
            frame: Whose variables it sees.
            most: How many steps are followed in all.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._origins.origin(expression, frame, most)

    def executions(
        self, line: int, source: str | None = None, limit: int = MOST
    ) -> Listed[Position]:
        """Return every position at which a line is about to run, over the whole execution.

        Args:
            line: The line, 1-based; of one without code the next one that has some.
            source: Chunk name or path; None for the source of the place.
            limit: How many at most; the list's `more` says whether there are others.

        Raises:
            UsageError: The session has no such source, or it has no code there.
            Cancelled: It was cancelled.
        """
        return self._over_time.executions(line, source, limit)

    def hit_counts(
        self, source: str | None = None, *, until: Position | None = None
    ) -> dict[int, int]:
        """Return how often each line of a source ran; lines that never did are left out.

        Args:
            source: Chunk name or path; None for the source of the place.
            until: Count up to this position, its line included; None for the whole execution.

        Raises:
            UsageError: The session has no such source.
            Cancelled: It was cancelled.
        """
        return self._over_time.hit_counts(source, until)
