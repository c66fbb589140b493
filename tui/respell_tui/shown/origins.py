"""Where a value came from, as the rows of a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from respell.debug import Position
from respell.debug.origin import Origin, OriginStep
from respell_tui.icons import Icons
from respell_tui.paint import Line, Part

_MOST_DEEP = 12


@dataclass(frozen=True, slots=True)
class OriginRow:
    """One row.

    Attributes:
        line: What stands there.
        go: Where to go for it: a position, or an event's number; None for nowhere.
        is_leaf: It says where the value came from in the end.
        is_effect: That is an effect.
    """

    line: Line
    go: Position | int | None = None
    is_leaf: bool = False
    is_effect: bool = False


def origin_rows(found: Origin, icons: Icons) -> list[OriginRow]:
    """Return where a value came from: the value, the way back, its end, then what it was made of.

    Args:
        found: What was found.
        icons: The signs.
    """
    steps = list(_steps(found))
    wide = (max((len(str(one.position)) for one in steps), default=0),
            max((len(_where(one)) for one in steps), default=0))  # fmt: skip
    return list(_rows(found, icons, 0, wide))


def _steps(found: Origin) -> Iterator[OriginStep]:
    yield from found.steps
    for one in found.sources:
        yield from _steps(one)


def _where(step: OriginStep) -> str:
    return f"{step.source}:{step.line}" if step.line else ""


def _rows(found: Origin, icons: Icons, depth: int, wide: tuple[int, int]) -> Iterator[OriginRow]:
    indent = "  " * min(depth, _MOST_DEEP)
    head: list[Part] = [(indent, ""), (found.expression, "title")]
    if found.value is not None:
        head += [(" = ", "dim"), (found.value.text, "strong")]
    yield OriginRow(head)
    for step in found.steps:
        yield OriginRow(_step(step, indent, icons, wide), step.position)
    yield _end(found, indent, icons)
    for one in found.sources:
        yield from _rows(one, icons, depth + 1, wide)


def _step(step: OriginStep, indent: str, icons: Icons, wide: tuple[int, int]) -> Line:
    value = step.value.text if step.value is not None else ""
    return [
        (f"{indent}  ", ""), (f"{step.position!s:>{wide[0]}}", "number"),
        (f"  {_where(step):<{wide[1]}}", "dim"), (f"  {step.what}", ""),
        (f"  {icons.arrow} {value}" if value else "", "string"),
    ]  # fmt: skip


def _end(found: Origin, indent: str, icons: Icons) -> OriginRow:
    go: Position | int | None = found.event if found.event is not None else found.position
    sign, role = {
        "effect": (icons.effect, "good"), "constant": (icons.bullet, "accent"),
        "given": (icons.bullet, "accent"), "computed": (icons.added, "dim"),
        "edited": (icons.changed, "accent"),
    }.get(found.kind, (icons.interrupted, "warn"))  # fmt: skip
    line: Sequence[Part] = [(f"{indent}  {sign} ", role), (_words(found, icons), role)]
    return OriginRow(line, go, found.kind != "computed", found.kind == "effect")


def _words(found: Origin, icons: Icons) -> str:
    if found.kind != "effect" or found.note or found.lost:
        return found.describe()
    field = f" {icons.arrow} {found.field}" if found.field else ""
    artifact = found.artifact
    stored = f"   artifact {artifact.name} v{artifact.version}" if artifact is not None else ""
    return f"event {found.event}  {found.effect}{field}{stored}"
