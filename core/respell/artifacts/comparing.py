"""The difference between two artifacts, line by line, in bounded time and memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

from respell.artifacts import reading
from respell.artifacts.record import ArtifactRecord
from respell.errors import UsageError
from respell.store import Store

MAX_COMPARED_BYTES = 4 * 1024 * 1024
"""Most bytes of each artifact."""

_CONTEXT = 3
_MOST_CHANGES = 1000
_MOST_STEPS = 3_000_000

Change = tuple[int, int, int, int]
"""Lines [a, b) of the one became lines [c, d) of the other."""


def diff_text(store: Store, a: ArtifactRecord, b: ArtifactRecord) -> list[str]:
    """Compare two artifacts.

    Args:
        store: Where both are.
        a: The first.
        b: The second.

    Returns:
        A unified diff, without line ends; empty where the content is the same. Tables are
        compared in a form with one field per line. Of content that is no text it only says
        that it differs. Where very much differs it is shown as one block.

    Raises:
        UsageError: One of them is too large.
        StoreCorrupt: One of them is not what was stored.
        NotFound: The content of one is gone.
    """
    if a.content_hash == b.content_hash:
        return []
    for one in (a, b):
        if one.size > MAX_COMPARED_BYTES:
            raise UsageError(
                f"{one.id} has {one.size} bytes; artifacts of up to {MAX_COMPARED_BYTES} bytes "
                "can be compared. Write both to files and compare those"
            )
    header = [f"--- {_title(a)}", f"+++ {_title(b)}"]
    tables = a.is_value and b.is_value
    old, new = (_lines(reading.read(store, one), is_table=tables) for one in (a, b))
    if old is None or new is None:
        return [*header, f"binary content differs: {a.size} bytes, {b.size} bytes"]
    return [*header, *_unified(old, new)]


def _title(record: ArtifactRecord) -> str:
    return f"{record.session_id[:8]}/{record.name} v{record.version}"


def _lines(data: bytes, *, is_table: bool) -> list[str] | None:
    """Return lines with their ends; None where it is no text."""
    if b"\0" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if is_table:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _unified(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for hunk in _hunks(changes(old, new)):
        start, other = max(hunk[0][0] - _CONTEXT, 0), max(hunk[0][2] - _CONTEXT, 0)
        end = min(hunk[-1][1] + _CONTEXT, len(old))
        other_end = min(hunk[-1][3] + _CONTEXT, len(new))
        yield f"@@ -{_range(start, end)} +{_range(other, other_end)} @@"
        at = start
        for a, b, c, d in hunk:
            yield from _shown(" ", old[at:a])
            yield from _shown("-", old[a:b])
            yield from _shown("+", new[c:d])
            at = b
        yield from _shown(" ", old[at:end])


def _hunks(found: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield changes together whose context would touch."""
    hunk: list[Change] = list(found[:1])
    for before, after in pairwise(found):
        if after[0] - before[1] > 2 * _CONTEXT:
            yield hunk
            hunk = []
        hunk.append(after)
    if hunk:
        yield hunk


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start}" + (f",{length}" if length != 1 else "")


def _shown(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


# Myers' algorithm ------------------------------------------------------------------------


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Return where two sequences differ: the fewest changes, or one block if they are many."""
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    a, b = old[first : len(old) - last], new[first : len(new) - last]
    if not a and not b:
        return []
    kept = _kept(a, b) if a and b else []
    found = []
    at_a = at_b = 0
    for i, j, length in [*kept, (len(a), len(b), 0)]:
        if i > at_a or j > at_b:
            found.append((first + at_a, first + i, first + at_b, first + j))
        at_a, at_b = i + length, j + length
    return found


def _kept(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return runs of equal lines (place in a, place in b, length); none if that takes too long."""
    reached = {1: 0}
    traces: list[dict[int, int]] = []
    steps = 0
    for edits in range(min(len(a) + len(b), _MOST_CHANGES) + 1):
        traces.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            x = _next(reached, diagonal, edits)
            y = x - diagonal
            begun = x
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            reached[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _traced(traces, len(a), len(b))
            steps += 1 + x - begun
        if steps > _MOST_STEPS:
            break
        # Only every other diagonal is looked at again.
        reached = {k: x for k, x in reached.items() if (k - edits) % 2 == 0}
    return []


def _next(reached: dict[int, int], diagonal: int, edits: int) -> int:
    """Return how far in `a` one more edit leads on a diagonal, before equal lines."""
    inserted, deleted = reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -2)
    return inserted if edits == 0 or inserted > deleted else deleted + 1


def _traced(traces: Sequence[dict[int, int]], x: int, y: int) -> list[tuple[int, int, int]]:
    runs = []
    for edits in range(len(traces) - 1, -1, -1):
        reached, diagonal = traces[edits], x - y
        begun = _next(reached, diagonal, edits)
        if x > begun:
            runs.append((begun, begun - diagonal, x - begun))
        x = begun
        if edits:
            inserted, deleted = reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -2)
            before = diagonal + 1 if inserted > deleted else diagonal - 1
            x = reached[before]
            y = x - before
    return runs[::-1]
