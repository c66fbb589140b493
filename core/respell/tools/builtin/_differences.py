"""Differences: of texts line by line, of values name by name."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

_NO_NEWLINE = "\n\\ No newline at end of file\n"


def compare_texts(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the differences of two texts.

    Args:
        payload: `old`, `new`, `format` (one of `FORMATS`) and `context_lines`.

    Returns:
        `diff`, a text, and `stats` with `old_lines` and `new_lines`.
    """
    old, new = _lines(payload["old"]), _lines(payload["new"])
    write = FORMATS[payload["format"]]
    return {
        "diff": write(old, new, payload["context_lines"]),
        "stats": {"old_lines": len(old), "new_lines": len(new)},
    }


def _lines(text: str) -> list[str]:
    # Not splitlines, which takes form feeds and others for ends of lines too.
    return list(io.StringIO(text, newline="\n"))


def _unified(old: list[str], new: list[str], context: int) -> str:
    return _joined(difflib.unified_diff(old, new, "old", "new", n=context))


def _context(old: list[str], new: list[str], context: int) -> str:
    return _joined(difflib.context_diff(old, new, "old", "new", n=context))


def _inline(old: list[str], new: list[str], context: int) -> str:
    def signed() -> Iterator[str]:
        for tag, i1, i2, j1, j2 in _changes(old, new):
            if tag == "equal":
                yield from (" " + line for line in old[i1:i2])
            else:
                yield from ("-" + line for line in old[i1:i2])
                yield from ("+" + line for line in new[j1:j2])

    return _joined(signed())


def _simple(old: list[str], new: list[str], context: int) -> str:
    words = []
    for tag, i1, i2, j1, j2 in _changes(old, new):
        if tag == "delete":
            words.append(f"Removed at line {i1 + 1}: {i2 - i1} line(s)\n")
        elif tag == "insert":
            words.append(f"Added at line {j1 + 1}: {j2 - j1} line(s)\n")
        elif tag == "replace":
            words.append(f"Replaced at lines {i1 + 1}-{i2} with lines {j1 + 1}-{j2}\n")
    return f"Total changes: {len(words)}\n\n{''.join(words)}"


FORMATS: dict[str, Callable[[list[str], list[str], int], str]] = {
    "unified": _unified,
    "context": _context,
    "inline": _inline,
    "simple": _simple,
}


def _changes(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, old, new).get_opcodes()


def _joined(lines: Iterable[str]) -> str:
    return "".join(line if line.endswith("\n") else line + _NO_NEWLINE for line in lines)


def compare_values(old: Any, new: Any) -> dict[str, Any]:
    """Return the differences of two values.

    Returns:
        `added` and `removed` (path to value), `modified` (path to `{old, new}`) and
        `unchanged` (an array of paths). Paths are names joined by dots; arrays are compared
        whole.
    """
    diff: dict[str, Any] = {"added": {}, "removed": {}, "modified": {}, "unchanged": []}
    if isinstance(old, dict) and isinstance(new, dict):
        _compare_tables(old, new, "", diff)
    elif isinstance(old, list) and isinstance(new, list):
        lengths = {"old_length": len(old), "new_length": len(new)}
        _compare(old, new, "[]", diff, lengths)
    else:
        _compare(old, new, "", diff, {})
    return diff


def _compare_tables(old: dict[Any, Any], new: dict[Any, Any], path: str, diff: Any) -> None:
    for key, value in old.items():
        if key not in new:
            diff["removed"][_joined_path(path, key)] = value
    for key, value in new.items():
        place = _joined_path(path, key)
        if key not in old:
            diff["added"][place] = value
        elif isinstance(old[key], dict) and isinstance(value, dict) and not _same(old[key], value):
            _compare_tables(old[key], value, place, diff)
        else:
            _compare(old[key], value, place, diff, {})


def _compare(old: Any, new: Any, place: str, diff: Any, more: dict[str, Any]) -> None:
    if _same(old, new):
        diff["unchanged"].append(place)
    else:
        diff["modified"][place] = {**more, "old": old, "new": new}


def _joined_path(path: str, key: Any) -> str:
    name = key.decode(errors="backslashreplace") if isinstance(key, bytes) else str(key)
    return f"{path}.{name}" if path else name


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal as in Lua: 1 is 1.0, but it is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    match one:
        case list():
            if not isinstance(other, list) or len(one) != len(other):
                return False
            return all(_same(a, b) for a, b in zip(one, other, strict=True))
        case dict():
            if not isinstance(other, dict) or one.keys() != other.keys():
                return False
            return all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other)
