"""Sessions as the list shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from respell.sessions.pausing import is_paused
from respell.sessions.record import SessionQuery, SessionRecord, SessionSort
from respell.store import Store
from respell_tui.describe import is_interrupted, remark


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session in the list.

    Attributes:
        record: What the store says of it.
        state: The word for how it is: its status, or running, paused, interrupted.
        depth: How deep it is in the tree; 0 for the top.
        last: Whether no other follows below the same one.
        trunks: For each depth above, whether something else of it follows below.
    """

    record: SessionRecord
    state: str
    depth: int = 0
    last: bool = True
    trunks: tuple[bool, ...] = ()

    @property
    def id(self) -> str:
        """The session's id."""
        return self.record.id

    @property
    def remark(self) -> str:
        """Its question, or its error."""
        return remark(self.record)


@dataclass(frozen=True, slots=True)
class HomeSituation:
    """What decides which actions of the first screen can act.

    Attributes:
        session: The session the cursor is on.
        in_doubt: How many of its effects are in doubt.
        count: How many sessions there are in the list.
    """

    session: SessionRow | None = None
    in_doubt: int = 0
    count: int = 0


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


def read_rows(
    store: Store, *, sort: SessionSort = "created_at", tree: bool = False
) -> list[SessionRow]:
    """Read all sessions of a store.

    Args:
        store: The store.
        sort: What they are sorted by.
        tree: Put each below its parent, or below what it was forked from.
    """
    records = store.sessions.list(SessionQuery(sort=sort))
    words = states(store, records)
    rows = [SessionRow(record, words[record.id]) for record in records]
    return as_tree(rows) if tree else rows


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
        made.append(SessionRow(row.record, row.state, len(stack) - 1, last, above))
        deeper = (*above, not last) if len(stack) > 1 else ()
        stack.append((row.id, deeper, iter(_ends(below.get(row.id, ())))))


def _ends(rows: Sequence[SessionRow]) -> list[tuple[SessionRow, bool]]:
    return [(row, at == len(rows) - 1) for at, row in enumerate(rows)]


def matches(row: SessionRow, words: Sequence[str]) -> bool:
    """Whether a session has all of some words.

    A word is looked for in name, id, script, state, tags and remark, in any case. `#tag` wants
    a tag, `=state` a state, and `!` before any of them the opposite.

    Args:
        row: The session.
        words: The words.
    """
    return all(_matches(row, word.lower()) for word in words)


def _matches(row: SessionRow, word: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return not _matches(row, word[1:])
    record = row.record
    if word.startswith("#") and len(word) > 1:
        return any(tag.lower().startswith(word[1:]) for tag in record.tags)
    if word.startswith("=") and len(word) > 1:
        return row.state.startswith(word[1:])
    texts = (record.name, record.id, record.script or "", row.state, *record.tags, row.remark)
    return any(word in text.lower() for text in texts)
