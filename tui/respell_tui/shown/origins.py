"""Where a value came from, as the rows of a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from respell.debug import Position
from respell.debug.origin import Origin, OriginStep
from respell_tui.icons import Icons
from respell_tui.paint import Line, Part

_WHERE, _POSITION = 22, 9
_MOST_DEEP = 12


@dataclass(frozen=True, slots=True)
class OriginRow:
    """One row.

    Attributes:
        line: What stands there.
        go: Where to go for it: a position, or an event's number; None for nowhere.
        is_leaf: It says where the value came from in the end.
    """

    line: Line
    go: Position | int | None = None
    is_leaf: bool = False


def origin_rows(found: Origin, icons: Icons) -> list[OriginRow]:
    """Return where a value came from: the value, the way back, its end, then what it was made of.

    Args:
        found: What was found.
        icons: The signs.
    """
    return list(_rows(found, icons, 0))


def _rows(found: Origin, icons: Icons, depth: int) -> Iterator[OriginRow]:
    indent = "  " * min(depth, _MOST_DEEP)
    head: list[Part] = [(indent, ""), (found.expression, "title")]
    if found.value is not None:
        head += [(" = ", "dim"), (found.value.text, "strong")]
    yield OriginRow(head)
    for step in found.steps:
        yield OriginRow(_step(step, indent, icons), step.position)
    yield _end(found, indent, icons)
    for one in found.sources:
        yield from _rows(one, icons, depth + 1)


def _step(step: OriginStep, indent: str, icons: Icons) -> Line:
    where = f"{step.source}:{step.line}" if step.line else ""
    value = step.value.text if step.value is not None else ""
    return [
        (f"{indent}  ", ""), (f"{step.position!s:>{_POSITION}}", "number"),
        (f"  {where:<{_WHERE}}", "dim"), (f"  {step.what}", ""),
        (f"  {icons.arrow} {value}" if value else "", "string"),
    ]  # fmt: skip


def _end(found: Origin, indent: str, icons: Icons) -> OriginRow:
    go: Position | int | None = found.event if found.event is not None else found.position
    sign, role = {
        "effect": (icons.effect, "good"), "constant": (icons.bullet, "accent"),
        "given": (icons.bullet, "accent"), "computed": (icons.added, "dim"),
    }.get(found.kind, (icons.interrupted, "warn"))  # fmt: skip
    line: Sequence[Part] = [(f"{indent}  {sign} ", role), (found.describe(), role)]
    return OriginRow(line, go, found.kind != "computed")
