"""Where the time of some events went: a bar for each, above one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from respell_tui.describe import seconds
from respell_tui.icons import Icons
from respell_tui.paint import Line, Part, cell
from respell_tui.shown.history import SIGN_ROLES, EventRow, sign
from respell_tui.text import fit, width

_NAME = 21
_TOOK = 11
_LEAST_BAR = 8
_LEAST_NAME = 8
_WITH_TOOK = 40
"""From so many cells on it is said how long each took."""

_WAIT_SHARE = 0.1
"""What a time in which nobody ran the session takes of the axis at most, in times of the rest."""

_WITH_TEXT = 84
"""From so many cells on it is said what an event was about."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """A time in which nobody ran the session, in seconds since it began."""

    start: float
    end: float


def _waits(rows: Sequence[EventRow]) -> Iterator[_Wait]:
    """Yield when nobody ran it: from the last thing that happened to the resume."""
    last = float("inf")
    for row in rows:
        if row.name == "lifecycle.resume" and row.after_s > last:
            yield _Wait(last, row.after_s)
        # A clock can have been set back: what was once is over.
        last = row.after_s if last == float("inf") else max(last, row.after_s)


class Timeline:
    """The times of some events, on one axis.

    The axis goes from the first one's beginning to the last end. What lies between a suspend and
    the resume may have been days: it is drawn as short as can be seen, so that the rest can be too.
    """

    def __init__(self, rows: Sequence[EventRow], icons: Icons) -> None:
        """Measure some events.

        Args:
            rows: The events, in the order of their numbers.
            icons: The signs.
        """
        self._icons = icons
        self._start = min((row.after_s for row in rows), default=0.0)
        self._end = max((row.after_s + (row.took_s or 0.0) for row in rows), default=0.0)
        self._waits = list(_waits(rows))
        waited = sum(wait.end - wait.start for wait in self._waits)
        ran = max(0.0, self._end - self._start - waited)
        self._squeezed = min(1.0, _WAIT_SHARE * (ran or 1.0) * len(self._waits) / (waited or 1.0))
        self._length = ran + waited * self._squeezed

    def axis(self, cells: int) -> Line:
        """Return the line above: from when to when, and what of that nobody ran it.

        Args:
            cells: How many cells there are.
        """
        columns = _columns(cells)
        bar = columns.bar
        start, end = f"+{seconds(self._start)}", f"+{seconds(self._end)}"
        if width(start) + width(end) + 1 > bar:
            start, end = "", fit(end, bar)
        gap = " " * (bar - width(start) - width(end))
        took = "took" if columns.took else ""
        return [(f"{took.rjust(cells - bar - 1)} {start}{gap}{end}", "dim")]

    def bar(self, row: EventRow, cells: int, role: str) -> list[Part]:
        """Return the bar of an event: a dot if it took no time, and open if it has not ended.

        Args:
            row: The event.
            cells: How many cells the axis has.
            role: How it is painted.
        """
        icons = self._icons
        end = self._end if row.took_s is None else row.after_s + row.took_s
        first = min(cells - 1, int(self._place(row.after_s) * cells))
        last = max(first, min(cells - 1, int(self._place(end) * cells - 1e-9)))
        if row.took_s == 0.0:
            return [(" " * first, ""), (icons.bullet, role)]
        signs = "".join(
            icons.empty if self._waited((at + 0.5) / cells) else icons.full
            for at in range(first, last + 1)
        )
        if not row.ended:
            signs = signs[:-1] + icons.more
        return [(" " * first, ""), (signs, role)]

    def _place(self, after_s: float) -> float:
        """Return where a time is on the axis, 0 to 1."""
        if self._length <= 0:
            return 0.0
        waited = sum(max(0.0, min(after_s, wait.end) - wait.start) for wait in self._waits)
        ran = after_s - self._start - waited
        return max(0.0, min(1.0, (ran + waited * self._squeezed) / self._length))

    def _waited(self, place: float) -> bool:
        """Whether nobody ran the session at a place of the axis."""
        return any(self._place(it.start) <= place < self._place(it.end) for it in self._waits)


@dataclass(frozen=True, slots=True)
class _Columns:
    """How many cells the parts of a line have that are behind an event's name."""

    text: int
    took: int
    bar: int

    @property
    def all(self) -> int:
        """What all of them take, with the blanks between."""
        return self.bar + 1 + sum(cells + 1 for cells in (self.text, self.took) if cells)


def _columns(cells: int) -> _Columns:
    if cells < _WITH_TOOK:
        return _Columns(0, 0, _LEAST_BAR)
    rest = cells - _NAME - _TOOK - 11
    if cells < _WITH_TEXT:
        return _Columns(0, _TOOK, max(_LEAST_BAR, rest))
    bar = rest * 2 // 3
    return _Columns(rest - bar, _TOOK, bar)


def timeline_line(
    row: EventRow,
    timeline: Timeline,
    icons: Icons,
    cells: int,
    *,
    places: int,
    position: int,
    at_end: bool = False,
) -> Line:
    """Return the line of an event with its bar.

    Args:
        row: The event.
        timeline: The axis.
        icons: The signs.
        cells: How many cells there are.
        places: How many digits numbers have.
        position: Number of the event that the debugger stands after.
        at_end: It stands at the end.
    """
    columns = _columns(cells)
    later = row.number > position and not at_end
    # The axis begins at the same cell in each line: what is before it has what is left.
    left = cells - columns.all - places - 4
    head = f"{' ' * max(0, min(2 * row.depth, left - _LEAST_NAME))}{sign(row, icons)} "
    room = max(1, left + 2 - width(head))
    kind = "bad" if row.failed else "dim" if later else SIGN_ROLES.get(row.kind, "accent")
    line: list[Part] = [
        (icons.current if row.number == position else " ", "accent"),
        (f"{row.number:>{places}} ", "dim" if later else "number"),
        (head, kind), (fit(cell(row.name), room).ljust(room), "dim" if later else "strong"),
    ]  # fmt: skip
    if columns.text:
        said = fit(cell(row.text), columns.text)
        line.append((" " + said.ljust(columns.text), "dim" if later else ""))
    if columns.took:
        role = "bad" if row.failed else "dim" if later else ""
        line.append((fit(_took(row, icons), columns.took).rjust(columns.took + 1), role))
    return [*line, (" ", ""), *timeline.bar(row, columns.bar, kind)]


def _took(row: EventRow, icons: Icons) -> str:
    if row.took_s is None:
        return icons.ellipsis
    return seconds(row.took_s) if row.took_s else ""
