"""The state and the artifacts as they were at a position, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from respell_tui.icons import Icons
from respell_tui.paint import Line
from respell_tui.shown.readable import one_liner


@dataclass(frozen=True, slots=True)
class Then:
    """One row.

    Attributes:
        name: A key of the state, an artifact's name, or a title.
        value: The value of that key; of an artifact the event by which it was deleted, or None.
        artifact: Id of the artifact; empty for none.
        version: Its version.
        event: Number of the event that made it.
        is_title: It is a title.
    """

    name: str
    value: Any = None
    artifact: str = ""
    version: int = 0
    event: int = 0
    is_title: bool = False


def then_of(
    state: Mapping[str, Mapping[str, Any]], artifacts: Sequence[Mapping[str, Any]]
) -> list[Then]:
    """Return what there was.

    Args:
        state: Values by scope and key.
        artifacts: What the debugger tells of artifacts.
    """
    rows: list[Then] = []
    for scope, entries in state.items():
        # A session's own scope is named after its id, which nobody has to read.
        title = "state" if scope.startswith("session:") else f"state of {scope}"
        rows += [Then(title, is_title=True), *(Then(str(key), one) for key, one in entries.items())]
    if artifacts:
        rows.append(Then("artifacts", is_title=True))
    rows += [
        Then(str(one["name"]), one.get("deleted"), str(one["id"]), int(one.get("version") or 0),
             int(one["event"]))
        for one in artifacts
    ]  # fmt: skip
    return rows


def then_lines(rows: Sequence[Then], before: Sequence[Then], icons: Icons) -> list[Line]:
    """Return the rows as lines; what the last move changed is marked.

    Args:
        rows: The rows.
        before: Those before the last move.
        icons: The signs.
    """
    was = {(one.name, one.artifact): one.value for one in before}
    return [_line(one, was, icons) for one in rows]


def _line(one: Then, was: Mapping[tuple[str, str], Any], icons: Icons) -> Line:
    if one.is_title:
        return [(one.name, "title")]
    key = (one.name, one.artifact)
    changed = bool(was) and (key not in was or was[key] != one.value)
    mark = (f"{icons.changed if changed else ' '} ", "warn")
    if one.artifact:
        version = f" v{one.version}" if one.version else ""
        gone = f", deleted by event {one.value}" if one.value else ""
        return [mark, (one.name, "warn" if changed else ""), (version, "number"),
                (f"  event {one.event}{gone}", "dim")]  # fmt: skip
    role = "string" if isinstance(one.value, str) else "number"
    return [mark, (one.name, "warn" if changed else ""), (" = ", "dim"),
            (one_liner(one.value), role)]  # fmt: skip
