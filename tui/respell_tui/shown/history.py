"""Events as rows of a list that is as long as the history, of which only pages are read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from respell import values
from respell.history.events import Event, events
from respell.store import Store
from respell_tui.describe import arguments, ending, seconds
from respell_tui.icons import Icons
from respell_tui.paint import Line, cell
from respell_tui.text import fit, width

PAGE = 200
"""Events that are read at once."""

_MOST_PAGES = 50
_FAMILIES = {
    "tool": "tool", "agent": "agent", "state": "state", "artifact": "artifact",
    "session": "session", "file": "file", "io": "file", "os": "clock", "timer": "clock",
    "event": "event", "http": "http",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the list.

    Attributes:
        number: Its number.
        name: Its name.
        kind: Its kind.
        parent: Number of the event that it happened inside of; 0 for none.
        text: What it was about.
        ending: How it ended.
        failed: Whether it failed.
        after_s: Seconds since the session began.
    """

    number: int
    name: str
    kind: str
    parent: int
    text: str
    ending: str
    failed: bool
    after_s: float


def event_row(event: Event, start: int) -> EventRow:
    """Return an event as a row of the list.

    Args:
        event: The event.
        start: When the session began, in µs since 1970 UTC.
    """
    return EventRow(
        event.number, event.name, event.kind, event.parent, headline(event), ending(event),
        event.error is not None, max(0, event.at - start) / 1_000_000,
    )  # fmt: skip


def headline(event: Event) -> str:
    """Return what an event is about: of a tool's call its name first, then what it was given."""
    if event.name in ("tool.invoke", "hook.call", "state.set", "state.get"):
        first = next((str(event.args[key]) for key in ("name", "hook", "key") if key in event.args),
                     "")  # fmt: skip
        rest = event.args.get("params", event.args.get("value"))
        return f"{first} {values.json_line(rest)}" if rest not in (None, {}) else first
    return arguments(event)


def read_page(store: Store, session: int, start: int, numbers: Sequence[int]) -> list[EventRow]:
    """Read some events.

    Args:
        store: Where they are.
        session: The session's key.
        start: When it began, in µs since 1970 UTC.
        numbers: Their numbers, ascending.
    """
    if not numbers:
        return []
    if numbers[-1] - numbers[0] < 2 * len(numbers):
        wanted = set(numbers)
        found = events(store, session, numbers[0], numbers[-1])
        return [event_row(one, start) for one in found if one.number in wanted]
    return [event_row(one, start) for number in numbers
            for one in events(store, session, number, number)]  # fmt: skip


class EventLines:
    """The lines of the list: as many as there are events, of which those that are seen are read.

    Attributes:
        position: Number of the event that the debugger stands after; those behind it are dim.
    """

    def __init__(self, icons: Icons, wanted: Callable[[int], None]) -> None:
        """Begin without events.

        Args:
            icons: The signs.
            wanted: Called with the index of a page that somebody wants to see.
        """
        self.icons, self._wanted = icons, wanted
        self.position = 0
        self.nested = True
        self._count = 0
        self._numbers: Sequence[int] | None = None
        self._pages: OrderedDict[int, list[EventRow]] = OrderedDict()

    def be(self, count: int, numbers: Sequence[int] | None = None) -> None:
        """Be other events.

        Args:
            count: How many the history has.
            numbers: Those of them that are shown; None for all.
        """
        if numbers is not self._numbers or count < self._count:
            self._pages.clear()
        elif count > self._count:
            self._pages.pop(self._count // PAGE, None)  # it was not full
        self._count, self._numbers = count, numbers

    def __len__(self) -> int:
        """How many there are."""
        return self._count if self._numbers is None else len(self._numbers)

    def number(self, index: int) -> int:
        """Return the number of the event of a row; 0 where there is none."""
        if not 0 <= index < len(self):
            return 0
        return index + 1 if self._numbers is None else self._numbers[index]

    def index(self, number: int) -> int:
        """Return the row of an event, or of the last one before it."""
        if self._numbers is None:
            return max(0, min(number, self._count) - 1)
        from bisect import bisect_right

        return max(0, bisect_right(self._numbers, number) - 1)

    def page(self, at: int) -> list[int]:
        """Return the numbers of the events of a page."""
        first = at * PAGE
        return [self.number(index) for index in range(first, min(first + PAGE, len(self)))]

    def fill(self, at: int, rows: list[EventRow]) -> None:
        """Take in a page that was read."""
        self._pages[at] = rows
        while len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)

    def row(self, index: int) -> EventRow | None:
        """Return one row; None where it is yet to be read, which is asked for."""
        at = index // PAGE
        page = self._pages.get(at)
        if page is None:
            self._wanted(at)
            return None
        return page[index - at * PAGE] if index - at * PAGE < len(page) else None

    def line(self, index: int, cells: int) -> Line:
        """Return one line.

        Args:
            index: Its index.
            cells: How many cells there are.
        """
        row = self.row(index)
        number = self.number(index)
        here = number == self.position
        mark = self.icons.current if here else " "
        if row is None:
            return [(f"{mark}{number:>6} ", "dim"), ("…", "dim")]
        later = number > self.position
        role = "dim" if later else ""
        indent = "  " if self.nested and row.parent else ""
        head = f"{indent}{sign(row, self.icons)} "
        state = f" {self.icons.failed}" if row.failed else ""
        name = cell(row.name)
        room = cells - 8 - width(head) - width(state) - 1
        text = fit(f"{name} {cell(row.text)}".rstrip(), max(4, room))
        rest = max(0, room - width(text) - 1)
        more = fit(cell(row.ending), rest) if not row.failed and rest > 6 else ""
        return [
            (mark, "accent"), (f"{number:>6} ", "dim" if later else "number"),
            (head, role or _SIGN_ROLES.get(row.kind, "accent")),
            (text[: len(name)], role or "strong"), (text[len(name) :], role),
            (f" {more}" if more else "", "dim"), (state, "bad"),
        ]  # fmt: skip


_SIGN_ROLES = {
    "output": "good", "lifecycle": "title", "hook": "warn", "limit": "bad", "edit": "warn",
    "note": "dim",
}  # fmt: skip


def sign(row: EventRow, icons: Icons) -> str:
    """Return the sign of an event's kind, or of its family."""
    if row.kind != "effect":
        return str(getattr(icons, row.kind, icons.note))
    return str(getattr(icons, _FAMILIES.get(row.name.partition(".")[0], "effect")))


def after(row_s: float) -> str:
    """Return how long after the beginning something was."""
    return f"+{seconds(row_s)}"
