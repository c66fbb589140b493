"""Events as rows of a list that is as long as the history, of which only pages are read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from respell.history.events import Event, events
from respell.store import Store
from respell_tui.describe import seconds
from respell_tui.icons import Icons
from respell_tui.paint import Line, cell
from respell_tui.shown.readable import bytes_text, one_liner, pieces
from respell_tui.text import fit, width

PAGE = 200
"""Events that are read at once."""

_MOST_PAGES = 50
_MOST_TEXT = 1_000  # characters that are kept of a row's texts
_MOST_DEEP = 8
_NAMING = {
    "tool.invoke": ("name",), "hook.call": ("hook", "name"), "state.set": ("key",),
    "state.get": ("key",), "state.delete": ("key",), "artifact.store": ("name",),
    "artifact.get": ("name",), "session.suspend": ("prompt",), "lifecycle.suspend": ("reason",),
    "module.load": ("path", "name"), "file.open": ("path",), "file.read": ("path",),
    "file.write": ("path",),
}  # fmt: skip
"""By what argument people know an event."""

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
        depth: Inside how many others it happened.
        ended: Whether it has: of a session that runs it may yet.
        took_s: How long it took, in seconds; None while it has not ended.
    """

    number: int
    name: str
    kind: str
    parent: int
    text: str
    ending: str
    failed: bool
    after_s: float
    depth: int = 0
    ended: bool = True
    took_s: float | None = None


def event_row(event: Event, start: int, depth: int = 0) -> EventRow:
    """Return an event as a row of the list.

    Args:
        event: The event.
        start: When the session began, in µs since 1970 UTC.
        depth: Inside how many others it happened.
    """
    return EventRow(
        event.number, event.name, event.kind, event.parent, headline(event)[:_MOST_TEXT],
        outcome(event)[:_MOST_TEXT], event.error is not None,
        max(0, event.at - start) / 1_000_000, depth, event.ended, event.duration_s,
    )  # fmt: skip


def headline(event: Event) -> str:
    """Return what an event is about: of a tool's call its name first, then what it was given."""
    args = event.args
    if event.kind == "output":
        text = args.get("text", "")
        return (bytes_text(text) if isinstance(text, bytes) else str(text)).rstrip("\n")
    streamed = pieces(event)
    if streamed is not None:
        return streamed
    named = next((key for key in _NAMING.get(event.name, ()) if key in args), None)
    if named is not None:
        rest = [args[key] for key in ("params", "value") if args.get(key) not in (None, {})]
        return " ".join([str(args[named]), *(_listed(one) for one in rest)])
    if event.name == "lifecycle.start":
        return " ".join([str(args.get("name", "")), *map(str, args.get("args") or ())])
    return ", ".join(f"{key} = {one_liner(value)}" for key, value in args.items())


def outcome(event: Event) -> str:
    """Return in one line how an event ended; empty where there is nothing to say."""
    if event.error is not None:
        return f"failed: {event.error}"
    if not event.ended:
        return "not ended"
    if event.kind != "effect" or event.outcome is None or pieces(event) is not None:
        return ""
    return f"= {one_liner(event.outcome)}"


def _listed(value: object) -> str:
    """Return parameters as one reads them: without quotes around their names."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return one_liner(value)
    return ", ".join(f"{key} = {one_liner(one)}" for key, one in value.items())


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
        found = (one for one in events(store, session, numbers[0], numbers[-1])
                 if one.number in wanted)  # fmt: skip
    else:
        found = (one for number in numbers for one in events(store, session, number, number))
    depths: dict[int, int] = {0: -1}
    rows = []
    for one in found:
        depth = min(_MOST_DEEP, _depth(store, session, one.parent, depths) + 1)
        depths[one.number] = depth
        rows.append(event_row(one, start, depth))
    return rows


def _depth(store: Store, session: int, number: int, known: dict[int, int]) -> int:
    """Return inside how many others an event happened."""
    if number not in known:
        event = next(events(store, session, number, number), None)
        known[number] = 0 if event is None else _depth(store, session, event.parent, known) + 1
    return known[number]


class EventLines:
    """The lines of the list: as many as there are events, of which those that are seen are read.

    Attributes:
        position: Number of the event that the debugger stands after; those behind it are dim.
        at_end: The debugger stands at the end: none is dim.
    """

    def __init__(self, icons: Icons, wanted: Callable[[int], None]) -> None:
        """Begin without events.

        Args:
            icons: The signs.
            wanted: Called with the index of a page that somebody wants to see.
        """
        self.icons, self._wanted = icons, wanted
        self.position = 0
        self.at_end = False
        self.nested = True
        self._count = 0
        self._numbers: Sequence[int] | None = None
        self._pages: OrderedDict[int, list[EventRow]] = OrderedDict()
        self._open: set[int] = set()  # pages with events that had not ended
        self._stale: set[int] = set()  # pages of which more is known by now
        self._reading: set[int] = set()

    def be(self, count: int, numbers: Sequence[int] | None = None) -> None:
        """Be other events.

        Args:
            count: How many the history has.
            numbers: Those of them that are shown; None for all.
        """
        if numbers is not self._numbers or count < self._count:
            self.forget()
        else:
            # What is known of them is shown until they were read again: nothing flickers.
            self._stale |= self._open | self._reading
            if count > self._count:
                self._stale.add(self._count // PAGE)  # it was not full
        self._count, self._numbers = count, numbers

    def forget(self) -> None:
        """Forget what was read: the same numbers are other events now."""
        self._pages.clear()
        self._open.clear()
        self._stale.clear()

    def __len__(self) -> int:
        """How many there are."""
        return self._count if self._numbers is None else len(self._numbers)

    @property
    def places(self) -> int:
        """How many digits numbers have."""
        return max(3, len(str(self._count)))

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

    def begin(self, at: int) -> None:
        """Begin to read a page: what is told from now on may not be in it yet."""
        self._stale.discard(at)
        self._reading.add(at)

    def fill(self, at: int, rows: list[EventRow]) -> None:
        """Take in a page that was read."""
        self._pages[at] = rows
        self._reading.discard(at)
        self._open.discard(at)
        if not all(row.ended for row in rows):
            self._open.add(at)
        while len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)

    def row(self, index: int) -> EventRow | None:
        """Return one row; None where it is yet to be read, which is asked for."""
        at = index // PAGE
        page = self._pages.get(at)
        if page is None or at in self._stale:
            self._wanted(at)
        if page is None:
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
        places = self.places
        if row is None:
            return [(f"{mark}{number:>{places}} ", "dim"), ("…", "dim")]
        later = number > self.position and not self.at_end
        role = "dim" if later else ""
        head = f"{'  ' * (row.depth if self.nested else 0)}{sign(row, self.icons)} "
        state = f" {self.icons.failed}" if row.failed else ""
        when = f" {after(row.after_s):>9}" if cells >= _WITH_TIMES else ""
        room = max(4, cells - places - 2 - width(head) - width(state) - width(when))
        name = fit(cell(row.name), room)
        if cells >= _WITH_COLUMNS:
            name = f"{name:<{_NAME}}"
        text = fit(cell(row.text), room - width(name) - 1)
        rest = room - width(name) - width(text) - 2
        more = fit(cell(row.ending), rest) if rest > 6 else ""
        used = width(name) + 1 + width(text) + (1 + width(more) if more else 0)
        gap = " " * (room - used) if when or state else ""
        return [
            (mark, "accent"), (f"{number:>{places}} ", "dim" if later else "number"),
            (head, role or SIGN_ROLES.get(row.kind, "accent")), (name, role or "strong"),
            (f" {text}", role), (f" {more}" if more else "", "bad" if row.failed else "dim"),
            (gap, ""), (state, "bad"), (when, "dim"),
        ]  # fmt: skip


_WITH_COLUMNS, _WITH_TIMES = 44, 72
"""From so many cells on names are a column of their own, and times are shown."""

_NAME = 17

SIGN_ROLES = {
    "output": "good", "lifecycle": "title", "hook": "warn", "limit": "bad", "edit": "warn",
    "note": "dim",
}  # fmt: skip
"""How the sign of a kind of events is painted, where it is not as that of effects."""


def sign(row: EventRow, icons: Icons) -> str:
    """Return the sign of an event's kind, or of its family."""
    if row.kind != "effect":
        return str(getattr(icons, row.kind, icons.note))
    return str(getattr(icons, _FAMILIES.get(row.name.partition(".")[0], "effect")))


def after(row_s: float) -> str:
    """Return how long after the beginning something was."""
    return f"+{seconds(row_s)}"
