"""Variables as rows of a tree: what each is, what the last move changed, what is inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from respell.debug import Frame, Value
from respell_tui.icons import Icons
from respell_tui.paint import Line
from respell_tui.shown.moment import Moment, Path, groups_of

WATCHES, STACK, GLOBALS = ("watches",), ("stack",), ("globals",)

_TITLES = {"local": "locals", "vararg": "varargs", "upvalue": "upvalues"}
_ROLES = {"string": "string", "integer": "number", "float": "number", "boolean": "number",
          "nil": "dim", "function": "name", "thread": "name"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        path: What it is, the same at every position.
        depth: How deep it is inside of others.
        name: What stands in front.
        value: Its value; None for a title or a function that runs.
        text: What stands behind where there is no value.
        opens: Whether there is something inside.
        is_open: Whether that is shown.
        old: The text of its value before the last move, where that was another one.
        expression: How Lua names it; empty where it can't.
        frame: Index of the function that runs; -1 for others.
        coroutine: Number of the coroutine that it runs in.
    """

    path: Path
    depth: int
    name: str
    value: Value | None = None
    text: str = ""
    opens: bool = False
    is_open: bool = False
    old: str | None = None
    expression: str = ""
    frame: int = -1
    coroutine: int = 0


def rows_of(moment: Moment, before: Moment | None, opened: frozenset[Path]) -> list[Row]:
    """Return what there is to see at a moment.

    Args:
        moment: The moment.
        before: The one that was shown before, to tell what has changed; None for none.
        opened: The titles and variables whose insides are shown.
    """
    old = _texts(before) if before is not None and _same_function(moment, before) else {}
    rows = [*_watches(moment, before)]
    if moment.variables is not None:
        for group, found in groups_of(moment.variables):
            if not found and group != "local":
                continue
            title = _TITLES[group]
            open_ = (group,) not in opened  # these are open unless they were closed
            text = "" if found else "none yet"
            if group == "local" and moment.here is not None:
                title = f"{title} of {moment.here.name}"
            rows.append(Row((group,), 0, title, text=text, opens=True, is_open=open_))
            if open_:
                for one in found:
                    named = one.name if group != "vararg" else ""
                    rows += _variable(moment, (group, one.name), 1, one.name, one.value, named,
                                      old, opened)  # fmt: skip
    is_open = GLOBALS in opened
    rows.append(Row(GLOBALS, 0, "globals", text="made or changed", opens=True,
                    is_open=is_open))  # fmt: skip
    for one in (moment.globals or ()) if is_open else ():
        rows += _variable(moment, ("global", one.name), 1, one.name, one.value, one.name,
                          old, opened)  # fmt: skip
    return rows + _stack(moment, opened)


def _watches(moment: Moment, before: Moment | None) -> Iterator[Row]:
    was = {one.expression: one for one in before.watches} if before is not None else {}
    if moment.watches:
        yield Row(WATCHES, 0, "watches")
    for one in moment.watches:
        text = one.value.text if one.value is not None else ""
        earlier = was.get(one.expression)
        old = earlier.value.text if earlier is not None and earlier.value is not None else None
        yield Row(("watch", one.expression), 1, one.expression, one.value,
                  text=one.error or ("no value" if one.value is None else ""),
                  old=old if old is not None and old != text else None,
                  expression=one.expression)  # fmt: skip


def _stack(moment: Moment, opened: frozenset[Path]) -> list[Row]:
    here = moment.here
    if here is None:
        return [Row(STACK, 0, "nothing runs here", text="N goes back")]
    is_open = STACK not in opened
    where = f" in {_thread(here.coroutine)}" if moment.threads or here.coroutine else ""
    rows = [Row(STACK, 0, f"stack of {len(moment.frames)}{where}", opens=True, is_open=is_open)]
    rows += _frames(moment.frames) if is_open else ()
    for thread in moment.threads:
        path = (*STACK, str(thread.coroutine.number))
        is_open = path in opened
        rows.append(Row(path, 0, _thread(thread.coroutine.number), text=thread.coroutine.status,
                        opens=True, is_open=is_open))  # fmt: skip
        rows += _frames(thread.frames) if is_open else ()
    return rows


def _thread(number: int) -> str:
    return f"coroutine {number}" if number else "the main thread"


def _frames(frames: Sequence[Frame]) -> Iterator[Row]:
    for one in frames:
        yield Row(("frame", str(one.coroutine), str(one.index)), 1, one.name,
                  text=f"{one.source}:{one.line}" if one.line > 0 else one.source,
                  frame=one.index, coroutine=one.coroutine)  # fmt: skip


def _variable(
    moment: Moment, path: Path, depth: int, name: str, value: Value, expression: str,
    old: Mapping[Path, str], opened: frozenset[Path],
) -> Iterator[Row]:  # fmt: skip
    was = old.get(path)
    changed = was if was is not None and was != value.text else None
    if was is None and old and depth == 1:
        changed = ""  # it was not there before
    is_open = path in opened and value.ref > 0
    yield Row(path, depth, name, value, opens=value.ref > 0, is_open=is_open, old=changed,
              expression=expression)  # fmt: skip
    inside = moment.children.get(path) if is_open else None
    if inside is None:
        return
    for one in inside.entries:
        inner = one.name if one.name.startswith("[") else f".{one.name}"
        yield from _variable(moment, (*path, one.name), depth + 1, one.name, one.value,
                             expression + inner if expression else "", old, opened)  # fmt: skip
    more = inside.total - len(inside.entries)
    if more > 0:
        yield Row((*path, "…"), depth + 1, f"{more:,} more", text="= evaluates any of them")


def _texts(moment: Moment) -> dict[Path, str]:
    found: dict[Path, str] = {}
    if moment.variables is not None:
        for group, variables in groups_of(moment.variables):
            found.update({(group, one.name): one.value.text for one in variables})
    found.update({("global", one.name): one.value.text for one in moment.globals or ()})
    for path, inside in moment.children.items():
        found.update({(*path, one.name): one.value.text for one in inside.entries})
    return found


def _same_function(one: Moment, other: Moment) -> bool:
    a, b = one.here, other.here
    return a is not None and b is not None and (
        (a.source, a.defined, a.coroutine) == (b.source, b.defined, b.coroutine)
    )  # fmt: skip


def lines_of(rows: Sequence[Row], icons: Icons, here: Frame | None) -> list[Line]:
    """Return the rows as lines.

    Args:
        rows: The rows.
        icons: The signs.
        here: The function whose variables are shown.
    """
    frame = (here.coroutine, here.index) if here is not None else (-1, -1)
    return [_line(row, icons, frame) for row in rows]


def _line(row: Row, icons: Icons, frame: tuple[int, int]) -> Line:
    sign = icons.opened if row.is_open else icons.closed if row.opens else " "
    mark = icons.changed if row.old is not None else " "
    if row.frame >= 0:
        chosen = (row.coroutine, row.frame) == frame
        here = icons.current if chosen else " "
        return [(f"  {here} ", "accent"), (row.name, "strong" if chosen else ""),
                (f"  {row.text}", "dim")]  # fmt: skip
    if row.depth == 0:
        return [(f"{sign} ", "dim"), (row.name, "title"), (f"  {row.text}", "dim")]
    role = "warn" if row.old is not None else ""
    start: Line = [("  " * (row.depth - 1), ""), (f"{mark}{sign} ", role or "dim"),
                   (row.name, role)]  # fmt: skip
    if row.value is None:
        return [*start, ("  ", ""), (row.text, "dim")]
    shown: Line = [*start, (" = ", "dim"), (brief(row.value), _ROLES.get(row.value.type, ""))]
    if row.old is None:
        return shown
    was = f"was {_brief(row.old)}" if row.old else "new"
    return [*shown, (f"   {icons.left} {was}", "dim")]


def brief(value: Value) -> str:
    """Return a value's text; of a table what is in it says enough."""
    return _brief(value.text) if value.type == "table" else value.text


def _brief(text: str) -> str:
    return text.removeprefix("table ") if text.startswith("table {") else text
