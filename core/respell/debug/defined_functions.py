"""Functions by the names that their definitions give them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from respell.errors import UsageError

_DEFINITION = re.compile(
    r"""(?:\bfunction\s+(?P<named>[A-Za-z_][\w.:]*)\s*\()
      | (?:(?P<assigned>[A-Za-z_][\w.]*)\s*=\s*function\b)""",
    re.VERBOSE,
)
_PLACE = re.compile(r"(.+):(\d+)")


def defined_at(text: str) -> tuple[str, int] | None:
    """Return file and line of `FILE:LINE`; None of anything else."""
    match = _PLACE.fullmatch(text)
    return (match[1], int(match[2])) if match else None


def defined_functions(source: str) -> dict[str, list[int]]:
    """Return the lines at which functions are defined, by the names they are given."""
    found: dict[str, list[int]] = {}
    for match in _DEFINITION.finditer(source):
        name = match["named"] or match["assigned"]
        line = source.count("\n", 0, match.end()) + 1
        found.setdefault(name.replace(":", "."), []).append(line)
    return found


def defined_by_name(texts: dict[str, bytes], name: str) -> tuple[str, list[int]]:
    """Return the source that defines a function, and the lines where it does.

    Args:
        texts: The sources by their names.
        name: Its full name (`tools.fetch`), its last part (`fetch`), or the name of a module
            before that: `tools.fetch` is found as `M.fetch` in tools.lua too.

    Raises:
        UsageError: There is none; says which there are.
    """
    wanted = name.replace(":", ".")
    module, _, last = wanted.rpartition(".")
    known: set[str] = set()
    by_source: dict[str, dict[str, list[int]]] = {}
    for source, text in texts.items():
        by_source[source] = defined_functions(text.decode(errors="replace"))
        known |= set(by_source[source])
    for source, found in by_source.items():
        lines = found.get(wanted) or ([] if module else _ending_in(found, last))
        if lines:
            return source, lines
    for source, found in by_source.items():
        if module and PurePosixPath(source).stem == module.rpartition(".")[2]:
            lines = _ending_in(found, last)
            if lines:
                return source, lines
    shown = ", ".join(sorted(known)[:20]) or "none"
    raise UsageError(
        f"{next(iter(texts))} defines no function {name}; those it gives a name to are {shown}"
    )


def _ending_in(found: dict[str, list[int]], last: str) -> list[int]:
    return [line for full, all_ in found.items() for line in all_ if _last(full) == last]


def _last(name: str) -> str:
    return name.rpartition(".")[2]
