"""All values that an expression had, as a small plot and as rows of a list."""

from __future__ import annotations

import math
from collections.abc import Sequence

from respell.debug import Change, Position
from respell_tui.icons import Icons
from respell_tui.paint import Line, cell
from respell_tui.text import fit, width

HEIGHT = 6
"""Lines of a plot of numbers, without its foot."""

_AXIS = 11  # cells of what stands left of it
_WIDEST = 6  # cells of one value
_MOST_KINDS = HEIGHT


class Plot:
    """A picture of values, from the first one to the last.

    Numbers are bars. Of other values, if there are but a few different ones, each has a line.
    """

    def __init__(self, changes: Sequence[Change], icons: Icons) -> None:
        """Draw these changes, in the order of time."""
        self._icons = icons
        self._texts = [one.new.text for one in changes]
        self._numbers = [_number(one) for one in changes]
        self._kinds = list(dict.fromkeys(self._texts))
        known = [one for one in self._numbers if one is not None]
        self._is_numeric = bool(known)
        self._low, self._high = (min(known), max(known)) if known else (0.0, 0.0)

    @property
    def height(self) -> int:
        """How many lines it has; 0 where there is nothing to draw."""
        if self._is_numeric:
            return HEIGHT + 1
        return len(self._kinds) + 1 if 0 < len(self._kinds) <= _MOST_KINDS else 0

    def line(self, index: int, cells: int, at: int) -> Line:
        """Return one line of it, from the top.

        Args:
            index: Its index.
            cells: How many cells there are.
            at: Index of the change that is marked at the foot.
        """
        room = max(1, cells - _AXIS)
        count = len(self._texts)
        wide = max(1, min(_WIDEST, room // max(1, count)))
        if index == self.height - 1:
            place = self._column(at, room, wide)
            return [(" " * (_AXIS + place), ""), (self._icons.foot, "accent"),
                    (f" {at + 1} of {count}" if place + 14 < room else "", "dim")]  # fmt: skip
        label = self._label(index)
        signs = [self._sign(at, index) for at in self._shown(room, wide)]
        drawn = "".join(sign * (wide if wide < 3 else wide - 1) + (" " if wide > 2 else "")
                        for sign in signs)  # fmt: skip
        return [(f"{fit(cell(label), _AXIS - 3):>{_AXIS - 2}} ", "dim"),
                (self._icons.axis, "dim"), (drawn, "name")]  # fmt: skip

    def _shown(self, room: int, wide: int) -> list[int]:
        """Return which changes have a column of their own: where they are many, some."""
        count = len(self._texts)
        columns = min(count, room // wide)
        return [at * count // columns for at in range(columns)]

    def _column(self, at: int, room: int, wide: int) -> int:
        count = len(self._texts)
        columns = max(1, min(count, room // wide))
        return min(columns - 1, at * columns // max(1, count)) * wide + (wide - 1) // 2

    def _label(self, index: int) -> str:
        if not self._is_numeric:
            return self._kinds[index]
        if index == 0:
            return f"{self._high:.6g}"
        return f"{self._low:.6g}" if index == HEIGHT - 1 and self._low != self._high else ""

    def _sign(self, at: int, index: int) -> str:
        if not self._is_numeric:
            return self._icons.dot if self._texts[at] == self._kinds[index] else " "
        number = self._numbers[at]
        if number is None:
            return " "
        bars = self._icons.bars
        span = self._high - self._low
        share = (number - self._low) / span if span else 1.0
        filled = 1 + round(share * (HEIGHT * len(bars) - 1))
        above = filled - (HEIGHT - 1 - index) * len(bars)
        if above <= 0:
            return " "
        return bars[min(above, len(bars)) - 1]


def _number(change: Change) -> float | None:
    if change.new.type not in ("integer", "float"):
        return None
    try:
        number = float(change.new.text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def change_rows(changes: Sequence[Change], here: Position | None, icons: Icons) -> list[Line]:
    """Return changes as aligned rows.

    Args:
        changes: The changes, in the order of time.
        here: Where the debugger stands: the last change up to there is marked.
        icons: The signs.
    """
    before = [at for at, one in enumerate(changes) if here is None or one.position <= here]
    marked = before[-1] if before else -1
    places = max((len(str(one.position)) for one in changes), default=0)
    calls = max((len(str(one.activation)) for one in changes if one.activation), default=0)
    values = min(24, max((width(cell(one.new.text)) for one in changes), default=0))
    wheres = max((len(_where(one)) for one in changes), default=0)
    rows: list[Line] = []
    for at, one in enumerate(changes):
        text = fit(cell(one.new.text), values)
        event = f"after {one.event.number} {one.event.name}" if one.event is not None else ""
        call = f"  call {one.activation:>{calls}}" if calls and one.activation else ""
        rows.append([
            (f"{icons.current if at == marked else ' '} ", "accent"),
            (f"{one.position!s:>{places}}", "number"), (call, "dim"),
            (f"  {text}{' ' * (values - width(text))}", "strong"),
            (f"  {_where(one):<{wheres}}", ""), (f"  {event}", "dim"),
        ])  # fmt: skip
    return rows


def _where(change: Change) -> str:
    return f"{change.source}:{change.line}" if change.line else ""
