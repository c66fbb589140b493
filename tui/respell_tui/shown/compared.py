"""What is different between two sessions, as two columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from respell import values
from respell.history.diff import Difference
from respell.history.events import Event
from respell_tui.paint import Line, cell
from respell_tui.shown.history import headline, outcome
from respell_tui.text import fit, width


@dataclass(frozen=True, slots=True)
class Both:
    """Two sides of one line.

    Attributes:
        sign: ` ` for the same, `~` for changed, `-` and `+` for what only one side has.
        left: The first session's side.
        right: The second one's.
        title: It is a heading.
    """

    sign: str
    left: str
    right: str
    title: bool = False


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
        return [*rows, Both(" ", same, same)]
    for title, both in (("program", found.program), ("artifacts", found.artifacts),
                        ("state", found.state)):  # fmt: skip
        if both:
            rows.append(Both(" ", title, "", title=True))
        for name, (left, right) in both.items():
            sign = "~" if left is not None and right is not None else "-" if right is None else "+"
            rows.append(Both(sign, _named(name, left), _named(name, right)))
    if found.events:
        rows.append(Both(" ", "events, from the first that differs", "", title=True))
    for pair in found.events:
        rows += _pair(_SIGNS[pair.change], pair.a, pair.b)
    if found.truncated:
        rows.append(Both(" ", "… more follow", "… more follow"))
    if found.output:
        rows.append(Both(" ", "output", "", title=True))
    for line in found.output[2:]:
        if line.startswith("@@"):
            continue
        sign = line[:1] if line[:1] in "-+" else " "
        rows.append(Both(sign, line[1:] if sign != "+" else "", line[1:] if sign != "-" else ""))
    return rows


def _named(name: str, value: object) -> str:
    if value is None:
        return ""
    return f"{name} = {value if isinstance(value, str) else values.json_line(value)}"


def _pair(sign: str, a: Event | None, b: Event | None) -> Iterator[Both]:
    left, right = (_asked(it) for it in (a, b))
    same = a is not None and b is not None and a.args == b.args and a.name == b.name
    yield Both(" " if same else sign, left, right)
    left, right = (f"    {outcome(it)}" if it is not None else "" for it in (a, b))
    if sign != " " and left.strip() != right.strip():
        yield Both(sign, left, right)


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
