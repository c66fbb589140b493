"""Sessions as the list shows them."""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from respell.sessions.pausing import is_paused
from respell.sessions.record import SessionQuery, SessionRecord, SessionSort
from respell.store import Store
from respell_tui.describe import clock, is_interrupted, remark
from respell_tui.shown.readable import one_liner

STATE_ROLES = {
    "running": "good", "paused": "warn", "suspended": "warn", "interrupted": "bad",
    "completed": "dim", "failed": "bad", "archived": "dim", "active": "",
}  # fmt: skip
"""How the word for each state is painted."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session in the list.

    Attributes:
        record: What the store says of it.
        state: The word for how it is: its status, or running, paused, interrupted.
        depth: How deep it is in the tree; 0 for the top.
        last: Whether no other follows below the same one.
        trunks: For each depth above, whether something else of it follows below.
        text: What is searched for words, in lower case.
        marks: By what it is told from others of its name: `given`, `began`; none where it has
            its name alone.
    """

    record: SessionRecord
    state: str
    depth: int = 0
    last: bool = True
    trunks: tuple[bool, ...] = ()
    text: str = ""
    marks: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The session's id."""
        return self.record.id

    @property
    def apart(self) -> str:
        """What tells it from others of its name, in words; empty where it has its name alone."""
        record = self.record
        words = [_given(record) or "without arguments"] if "given" in self.marks else []
        return " ".join([*words, *([clock(record.created_at)] if "began" in self.marks else [])])

    @property
    def remark(self) -> str:
        """Its question, or its error; that without its place, for which a list has no room."""
        said = remark(self.record)
        place = re.compile(rf"{re.escape(Path(self.record.script or '').name)}:\d+: ")
        found = place.match(said) if self.record.script else None
        return said[found.end() :] if found is not None else said


@dataclass(frozen=True, slots=True)
class HomeSituation:
    """What decides which actions of the first screen can act.

    Attributes:
        session: The session the cursor is on.
        artifact: Whether the cursor is on an artifact.
        version: That artifact's version.
        views: In how many ways it can be shown.
    """

    session: SessionRow | None = None
    artifact: bool = False
    version: int = 0
    views: int = 0


ORDERS: dict[SessionSort, str] = {
    "created_at": "newest first",
    "updated_at": "last changed first",
    "name": "by name",
    "status": "by status",
    "events": "most events first",
}
"""What sessions can be sorted by, and how that is said."""


def states(store: Store, records: Sequence[SessionRecord]) -> dict[str, str]:
    """Return by id the word for how each session is."""
    live = store.leases.live()
    found: dict[str, str] = {}
    for record in records:
        if record.key in live:
            found[record.id] = "paused" if is_paused(store, record) else "running"
        else:
            found[record.id] = "interrupted" if is_interrupted(record, False) else record.status
    return found


class SessionReader:
    """Reads the sessions of a store: all of them once, then only those that have changed.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._known: dict[str, SessionRecord] = {}
        self._rows: dict[str, SessionRow] = {}
        self._newest = -1
        self._made: list[SessionRow] = []
        self._made_for: tuple[Any, ...] = ()

    def rows(
        self, store: Store, *, sort: SessionSort = "created_at", tree: bool = True
    ) -> list[SessionRow]:
        """Return all sessions as they are now.

        Args:
            store: The store.
            sort: What they are sorted by.
            tree: Put each below its parent, or below what it was forked from.

        Returns:
            The rows; the same list as before where nothing has changed.
        """
        changed = self._read(store)
        wanted = (sort, tree, frozenset(store.leases.live()))
        if changed or wanted != self._made_for:
            records = sorted(self._known.values(), key=_KEYS[sort])
            words, marks = states(store, records), told_apart(records)
            rows = [self._row(one, words[one.id], marks.get(one.id, ())) for one in records]
            self._made, self._made_for = as_tree(rows) if tree else rows, wanted
        return self._made

    def _read(self, store: Store) -> bool:
        """Read what has changed, and return whether anything had."""
        before = self._newest
        count = store.sessions.count(SessionQuery())
        changed = store.sessions.list(SessionQuery(sort="updated_at", limit=_CHANGED))
        grown = sum(record.id not in self._known for record in changed)
        missed = len(changed) == _CHANGED and changed[-1].updated_at > self._newest
        if missed or len(self._known) + grown != count:
            changed = store.sessions.list(SessionQuery())
            self._known.clear()
            before = -1
        other = [record for record in changed if self._known.get(record.id) != record]
        self._known.update((record.id, record) for record in other)
        self._newest = max((record.updated_at for record in changed), default=self._newest)
        return bool(other) or before == -1

    def _row(self, record: SessionRecord, state: str, marks: tuple[str, ...]) -> SessionRow:
        row = self._rows.get(record.id)
        known = row is not None and row.record is record and row.state == state
        if row is None or not known or row.marks != marks:
            text = _searchable(record, state)
            row = self._rows[record.id] = SessionRow(record, state, text=text, marks=marks)
        return row


_CHANGED = 100

_KEYS: dict[SessionSort, Callable[[SessionRecord], Any]] = {
    "created_at": lambda it: (-it.created_at, -it.key),
    "updated_at": lambda it: (-it.updated_at, -it.key),
    "name": lambda it: (it.name.lower(), -it.key),
    "status": lambda it: (it.status, -it.updated_at),
    "events": lambda it: (-it.events, -it.key),
}


def _searchable(record: SessionRecord, state: str) -> str:
    words = (record.name, record.id, record.script or "", state, *record.tags, remark(record))
    return "\n".join(words).lower()


def told_apart(records: Sequence[SessionRecord]) -> dict[str, tuple[str, ...]]:
    """Return by id what sessions are told by from others of the same name.

    Of forks what they were given is where they were made; where that is the same for all, they
    are told by when they began. The words are made only of those that are seen.
    """
    alike = Counter(record.name for record in records)
    several = [record for record in records if alike[record.name] > 1]
    given = {
        record.id: (record.name, record.forked_at, *record.args, reprlib.repr(record.input))
        for record in several
    }  # fmt: skip
    same = Counter(given.values())
    found: dict[str, tuple[str, ...]] = {}
    for record in several:
        count = same[given[record.id]]
        if count == 1:
            found[record.id] = ("given",)
        else:
            found[record.id] = ("began",) if count == alike[record.name] else ("given", "began")
    return found


def _given(record: SessionRecord) -> str:
    """Return in words what a session was made from; empty for nothing."""
    if record.forked_from:
        return f"at {record.forked_at}"
    words = " ".join(record.args[:_MOST_ARGS])
    return words or (one_liner(record.input) if record.input is not None else "")[:_MOST_GIVEN]


_MOST_ARGS, _MOST_GIVEN = 5, 200


def as_tree(rows: Sequence[SessionRow]) -> list[SessionRow]:
    """Return rows with each below the one it belongs to, where that is among them."""
    known = {row.id for row in rows}
    below: dict[str | None, list[SessionRow]] = {}
    for row in rows:
        above = row.record.forked_from or row.record.parent_session_id
        below.setdefault(above if above in known and above != row.id else None, []).append(row)
    made: list[SessionRow] = []
    _grow(below, None, (), made, set())
    return made


def _grow(
    below: Mapping[str | None, list[SessionRow]],
    root: str | None,
    trunks: tuple[bool, ...],
    made: list[SessionRow],
    seen: set[str],
) -> None:
    stack = [(root, trunks, iter(_ends(below.get(root, ()))))]
    while stack:
        _, above, rest = stack[-1]
        found = next(rest, None)
        if found is None:
            stack.pop()
            continue
        row, last = found
        if row.id in seen:
            continue
        seen.add(row.id)
        if len(stack) > 1:
            row = replace(row, depth=len(stack) - 1, last=last, trunks=above)
        made.append(row)
        deeper = (*above, not last) if len(stack) > 1 else ()
        stack.append((row.id, deeper, iter(_ends(below.get(row.id, ())))))


def _ends(rows: Sequence[SessionRow]) -> list[tuple[SessionRow, bool]]:
    return [(row, at == len(rows) - 1) for at, row in enumerate(rows)]


def matching(rows: Sequence[SessionRow], words: Sequence[str]) -> list[SessionRow]:
    """Return the sessions that have all of some words.

    A word is looked for in name, id, script, state, tags and remark, in any case. `#tag` wants
    a tag, `=state` a state, and `!` before any of them the opposite.

    Args:
        rows: The sessions.
        words: The words.
    """
    found = list(rows)
    for given in words:
        word = given.lower()
        wanted = not (word.startswith("!") and len(word) > 1)
        word = word if wanted else word[1:]
        kind, rest = word[0], word[1:]
        if kind == "#" and rest:
            found = [
                row for row in found
                if any(tag.lower().startswith(rest) for tag in row.record.tags) == wanted
            ]  # fmt: skip
        elif kind == "=" and rest:
            found = [row for row in found if row.state.startswith(rest) == wanted]
        else:
            found = [row for row in found if (word in row.text) == wanted]
    return found
