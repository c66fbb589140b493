"""What is different between two sessions, as two columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from respell import values
from respell.history.diff import Difference, Pair
from respell.history.differences import ValueChange
from respell.history.events import Event
from respell_tui.paint import Line, cell
from respell_tui.shown.history import headline, outcome
from respell_tui.shown.readable import pretty
from respell_tui.text import fit, width


@dataclass(frozen=True, slots=True)
class Both:
    """Two sides of one line.

    Attributes:
        sign: ` ` for the same, `~` for changed, `-` and `+` for what only one side has.
        left: The first session's side.
        right: The second one's.
        title: It is a heading.
        whole: What differs there, in full.
    """

    sign: str
    left: str
    right: str
    title: bool = False
    whole: tuple[ValueChange, ...] = ()


_SIGNS = {"same": " ", "changed": "~", "only_a": "-", "only_b": "+"}
_ROLES = {" ": ("dim", "dim"), "~": ("removed", "added"), "-": ("removed", ""), "+": ("", "added")}


def rows_of(found: Difference, a: str, b: str) -> list[Both]:
    """Return what is different.

    Args:
        found: What was found.
        a: What the first session is called.
        b: What the second is called.
    """
    rows = [Both(" ", a, b, title=True)]
    if found.identical:
        same = "the same events, output, artifacts and state"
        return [*rows, Both(" ", same, same), *_incidental(found)]
    for title, both in (("program", found.program), ("artifacts", found.artifacts),
                        ("state", found.state)):  # fmt: skip
        if both:
            rows.append(Both(" ", title, "", title=True))
        for name, (left, right) in both.items():
            sign = "~" if left is not None and right is not None else "-" if right is None else "+"
            whole = (ValueChange(name, left, right),)
            rows.append(Both(sign, _named(name, left), _named(name, right), whole=whole))
    if found.events:
        rows.append(Both(" ", "events, from the first that differs", "", title=True))
    for pair in found.events:
        rows += _pair(_SIGNS[pair.change], pair.a, pair.b, _whole(pair))
    if found.truncated:
        rows.append(Both(" ", "… more follow", "… more follow"))
    if found.output:
        rows.append(Both(" ", "output", "", title=True))
    for line in found.output[2:]:
        if line.startswith("@@"):
            continue
        sign = line[:1] if line[:1] in "-+" else " "
        left, right = line[1:] if sign != "+" else "", line[1:] if sign != "-" else ""
        whole = (ValueChange("output", left or None, right or None),)
        rows.append(Both(sign, left, right, whole=whole))
    return [*rows, *_incidental(found)]


def _incidental(found: Difference) -> list[Both]:
    """Return what is said of events that differ as any two runs do."""
    if not found.incidental:
        return []
    verb = "differs" if found.incidental == 1 else "differ"
    words = f"{found.incidental} more {verb} in measured times or ids alone"
    return [Both(" ", words, "`respell diff --exact` shows them")]


def _whole(pair: Pair) -> tuple[ValueChange, ...]:
    """Return what differs of two events, or all of one that has no counterpart."""
    found = pair.details() if pair.change == "changed" else []
    one = pair.a or pair.b
    if found or one is None:
        return tuple(found)
    return tuple(
        ValueChange(name, value if pair.a else None, value if pair.b else None)
        for name, value in (("args", one.args), ("outcome", one.outcome), ("error", one.error))
        if value is not None
    )


def whole_lines(both: Both) -> list[Line]:
    """Return what stands at one line in full, one side below the other."""
    rows: list[Line] = []
    for one in both.whole:
        rows.append([(one.path, "title")])
        if one.a == one.b:
            rows += [[("  ", ""), (line, "")] for line in _text(one.a)]
            continue
        rows += [[("- ", "warn"), (line, "removed")] for line in _text(one.a)]
        rows += [[("+ ", "warn"), (line, "added")] for line in _text(one.b)]
    return rows


def _text(value: object) -> list[str]:
    if value is None:
        return ["(nothing)"]
    return [cell(line) for line in (value if isinstance(value, str) else pretty(value)).split("\n")]


def _named(name: str, value: object) -> str:
    if value is None:
        return ""
    return f"{name} = {value if isinstance(value, str) else values.json_line(value)}"


def _pair(
    sign: str, a: Event | None, b: Event | None, whole: tuple[ValueChange, ...]
) -> Iterator[Both]:
    left, right = (_asked(it) for it in (a, b))
    same = a is not None and b is not None and a.args == b.args and a.name == b.name
    yield Both(" " if same else sign, left, right, whole=whole)
    left, right = (f"    {outcome(it)}" if it is not None else "" for it in (a, b))
    if sign != " " and left.strip() != right.strip():
        yield Both(sign, left, right, whole=whole)


def _asked(event: Event | None) -> str:
    return f"{event.number} {event.name} {headline(event)}" if event is not None else ""


def line_of(both: Both, cells: int) -> Line:
    """Return one line, both sides beside each other.

    Args:
        both: What is there.
        cells: How many cells there are.
    """
    half = max(8, (cells - 5) // 2)
    left, right = fit(cell(both.left), half), fit(cell(both.right), half)
    roles = ("title", "title") if both.title else _ROLES[both.sign]
    gap = " " * (half - width(left))
    return [(f"{both.sign} ", "warn"), (left, roles[0]), (gap, ""), (" │ ", "dim"),
            (right, roles[1])]  # fmt: skip
