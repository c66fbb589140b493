"""Diff: where two sessions part, and what they did differently from there."""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any, Literal

from respell import values
from respell.artifacts import reading
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.errors import NotFound, StoreCorrupt
from respell.history.differences import ValueChange, differences
from respell.history.events import Event, events
from respell.history.likeness import Likeness
from respell.sessions.record import SessionRecord
from respell.store import Store

ALIGNED_EVENTS = 2_000
"""How many events after the first divergence are aligned on each side."""

ALIGNED_LINES = 2_000
"""How many lines of output after the first different one are aligned on each side."""

_MOST_ARTIFACT_BYTES = 1024 * 1024  # of one that is read to see whether only times differ
_CONTEXT = 3
_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")

Change = Literal["same", "changed", "only_a", "only_b"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two aligned events, or one that the other session has no counterpart of.

    Attributes:
        change: What became of the event.
        a: That of the first session.
        b: That of the second.
        alike: Both without what is incidental, where that does not count and they differ.
    """

    change: Change
    a: Event | None
    b: Event | None
    alike: tuple[Event, Event] | None = None

    def details(self) -> list[ValueChange]:
        """Return what differs in the arguments, outcomes and errors of a changed pair."""
        if self.a is None or self.b is None:
            return []
        a, b = self.alike or (self.a, self.b)
        return [
            *differences("args", a.args, b.args),
            *differences("outcome", a.outcome, b.outcome),
            *differences("error", a.error, b.error),
        ]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is different between two sessions.

    Attributes:
        identical: They ran the same program, caused the same events with the same outcomes,
            and hold the same artifacts and state, but for what is incidental.
        program: script (by its hash), args and input, as far as they differ, with the values
            of both sides.
        first: The first pair of events that differs, or None.
        events: The events from there on, aligned (at most 2,000 of each side).
        truncated: There are more events, or more lines of output, than were aligned.
        output: Unified diff of their output; empty where it is the same.
        artifacts: Names with the content hashes of both sides (None: it has none).
        state: Keys of the session's scope with the values of both sides.
        incidental: How many events and artifacts, of those that were compared, differ in measured
            times, readings of the clock and the sessions' own ids alone; 0 where these count.
    """

    identical: bool
    first: Pair | None
    program: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    events: list[Pair] = field(default_factory=list)
    truncated: bool = False
    output: list[str] = field(default_factory=list)
    artifacts: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    state: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    incidental: int = 0

    def to_json(self, a: str, b: str) -> dict[str, Any]:
        """Return it as `respell diff --json` shows it.

        Args:
            a: Id of the first session.
            b: Id of the second.
        """

        def pair(one: Pair) -> dict[str, Any]:
            return {
                "change": one.change,
                "a": one.a.to_json(a) if one.a else None,
                "b": one.b.to_json(b) if one.b else None,
                "differences": [it.to_json() for it in one.details()],
            }

        return {
            "identical": self.identical,
            "program": {name: values.to_json(list(both)) for name, both in self.program.items()},
            "first_divergence": pair(self.first) if self.first else None,
            "events": [pair(one) for one in self.events],
            "truncated": self.truncated,
            "output": self.output,
            "artifacts": {name: list(both) for name, both in self.artifacts.items()},
            "state": {key: values.to_json(list(both)) for key, both in self.state.items()},
            "incidental": self.incidental,
        }


def diff(
    store: Store,
    a: SessionRecord,
    b: SessionRecord,
    *,
    other: Store | None = None,
    exact: bool = False,
) -> Difference:
    """Compare two sessions: their events by what the script caused, then what they hold.

    The events that a fork shares with the other are not compared.

    Args:
        store: Where both are.
        a: The first, e.g. the original.
        b: The second, e.g. its fork.
        other: A view of the store in which the second is, where it is another one: a dry run's.
            State is then compared as the histories have it.
        exact: Measured times, readings of the clock and the sessions' own ids, which differ
            between any two runs, count as well.
    """
    right_store = other or store
    start = _first_of_its_own(store, a, right_store, b)
    sides = _Sides(a, b, exact=exact)
    left = sides.seen(0, _caused(store, a, start))
    right = sides.seen(1, _caused(right_store, b, start))
    first: Pair | None = None
    rest: list[Pair] = []
    truncated = False
    for one, two in zip_longest(left, right):
        pair = sides.pair(one, two)
        if pair.change != "same":
            first = pair
            ahead_a = [one, *islice(left, ALIGNED_EVENTS)] if one else []
            ahead_b = [two, *islice(right, ALIGNED_EVENTS)] if two else []
            truncated = len(ahead_a) > ALIGNED_EVENTS or len(ahead_b) > ALIGNED_EVENTS
            rest = list(sides.aligned(ahead_a, ahead_b))
            break
    output: list[str] = []
    cut = False
    if first:
        lines = (
            (sides.plain(0, line) for line in _output_lines(store, a)),
            (sides.plain(1, line) for line in _output_lines(right_store, b)),
        )
        output, cut = _output_difference(a, b, *lines)
    program = _different(_program(a), _program(b))
    artifacts = _artifacts_that_differ(sides, store, a, right_store, b)
    kept = _state if other is None else _state_set
    state = {
        key: both
        for key, both in _different(kept(store, a), kept(right_store, b)).items()
        if not _equal(*(sides.plain(i, value) for i, value in enumerate(both)))
    }
    return Difference(
        identical=first is None and not program and not artifacts and not state,
        first=first,
        program=program,
        events=rest,
        truncated=truncated or cut,
        output=output,
        artifacts=artifacts,
        state=state,
        incidental=sides.incidental,
    )


class _Sides:
    """What both sessions did, with or without what is incidental.

    Attributes:
        incidental: How much differed in that alone.
    """

    def __init__(self, a: SessionRecord, b: SessionRecord, *, exact: bool) -> None:
        own = (a.id, b.id)
        self._likeness = None if exact else (Likeness(own), Likeness(own))
        self.incidental = 0

    @property
    def are_exact(self) -> bool:
        """Whether what is incidental counts."""
        return self._likeness is None

    def seen(self, side: int, caused: Iterator[Event]) -> Iterator[Event]:
        """Yield the events of a side, which may create sessions."""
        for event in caused:
            if self._likeness is not None:
                self._likeness[side].see(event)
            yield event

    def plain(self, side: int, value: Any) -> Any:
        """Return a value of a side without ids that are incidental."""
        return value if self._likeness is None else self._likeness[side].plain(value)

    def pair(self, a: Event | None, b: Event | None) -> Pair:
        """Return two events that stand at the same place, and what became of the first."""
        if a is None or b is None:
            return Pair("only_b" if a is None else "only_a", a, b)
        if _whole(a) == _whole(b):
            return Pair("same", a, b)
        if self._likeness is None:
            return Pair("changed", a, b)
        alike = (self._likeness[0].of(a), self._likeness[1].of(b))
        if _whole(alike[0]) != _whole(alike[1]):
            return Pair("changed", a, b, alike)
        self.incidental += 1
        return Pair("same", a, b, alike)

    def aligned(self, a: list[Event], b: list[Event]) -> Iterator[Pair]:
        """Yield events of both sides in pairs, so that what was asked for fits."""
        matcher = difflib.SequenceMatcher(
            None, [self._asked(0, one) for one in a], [self._asked(1, one) for one in b],
            autojunk=False,
        )  # fmt: skip
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            if tag in ("equal", "replace"):
                for one, other in zip_longest(a[a1:a2], b[b1:b2]):
                    yield self.pair(one, other)
            else:
                yield from (Pair("only_a", one, None) for one in a[a1:a2])
                yield from (Pair("only_b", None, one) for one in b[b1:b2])

    def _asked(self, side: int, event: Event) -> tuple[str, bytes]:
        return _asked(event if self._likeness is None else self._likeness[side].of(event))

    def are_alike(self, tool: str, a: bytes, b: bytes) -> bool:
        """Whether two results of a tool differ in measured times alone."""
        assert self._likeness is not None
        texts = [one.decode(errors="surrogateescape") for one in (a, b)]
        alike = {one.of_tool(tool, text) for one, text in zip(self._likeness, texts, strict=True)}
        self.incidental += len(alike) == 1
        return len(alike) == 1


def _artifacts_that_differ(
    sides: _Sides, store: Store, a: SessionRecord, other: Store, b: SessionRecord
) -> dict[str, tuple[str | None, str | None]]:
    left, right = _artifacts(store, a), _artifacts(other, b)
    found: dict[str, tuple[str | None, str | None]] = {}
    for name in sorted({*left, *right}):
        one, two = left.get(name), right.get(name)
        if one is None or two is None or one.content_hash != two.content_hash:
            # What a dry run collected has no content to read; it is compared exactly.
            if one and two and not sides.are_exact and _hold_alike(sides, store, one, other, two):
                continue
            found[name] = (_hash_of(one), _hash_of(two))
    return found


def _hold_alike(
    sides: _Sides, store: Store, a: ArtifactRecord, other: Store, b: ArtifactRecord
) -> bool:
    if not _came_from_one_tool(a, b):
        return False
    try:
        contents = reading.read(store, a), reading.read(other, b)
    except (NotFound, StoreCorrupt):
        return False  # all that is known of them, their hashes, differs
    return sides.are_alike(str(a.custom.get("tool")), *contents)


def _hash_of(record: ArtifactRecord | None) -> str | None:
    return None if record is None else record.content_hash.hex()


def _came_from_one_tool(a: ArtifactRecord, b: ArtifactRecord) -> bool:
    return (
        a.artifact_type == b.artifact_type == "tool_result"
        and a.custom == b.custom
        and max(a.size, b.size) <= _MOST_ARTIFACT_BYTES
    )


def _first_of_its_own(store: Store, a: SessionRecord, other: Store, b: SessionRecord) -> int:
    """Return the first event that may differ: all records of those before are shared."""
    shared = other.history.shared_records(a.key, b.key)
    if not shared:
        return 1
    first = store.history.event_at(a.key, shared) + 1
    in_flight = (
        *store.history.events_in_flight(a.key, shared),
        *other.history.events_in_flight(b.key, shared),
    )
    return min((first, *in_flight))


def _caused(store: Store, session: SessionRecord, first: int) -> Iterator[Event]:
    return (one for one in events(store, session.key, first) if one.ordinal)


def _asked(event: Event) -> tuple[str, bytes]:
    return event.name, values.encode(event.args)


def _whole(event: Event) -> tuple[str, bytes, bytes, str | None]:
    return (*_asked(event), values.encode(event.outcome), event.error)


def _program(session: SessionRecord) -> dict[str, Any]:
    return {"script": session.script_hash, "args": session.args, "input": session.input}


def _output_difference(
    a: SessionRecord, b: SessionRecord, left: Iterator[str], right: Iterator[str]
) -> tuple[list[str], bool]:
    """Return a unified diff from the first different line on, and whether it was cut off."""
    before: deque[str] = deque(maxlen=_CONTEXT)
    skipped = 0
    for one, other in zip_longest(left, right):
        if one == other:
            before.append(one)
            skipped += 1
            continue
        ahead_a = [] if one is None else [one, *islice(left, ALIGNED_LINES)]
        ahead_b = [] if other is None else [other, *islice(right, ALIGNED_LINES)]
        cut = len(ahead_a) > ALIGNED_LINES or len(ahead_b) > ALIGNED_LINES
        lines = difflib.unified_diff(
            [*before, *ahead_a], [*before, *ahead_b], a.id[:8], b.id[:8], lineterm=""
        )
        return [_moved(line, skipped - len(before)) for line in lines], cut
    return [], False


def _moved(line: str, by: int) -> str:
    """Return a line of a diff whose hunks begin so many lines further down."""
    hunk = _HUNK.fullmatch(line)
    if hunk is None or not by:
        return line
    first, second = int(hunk[1]) + by, int(hunk[3]) + by
    return f"@@ -{first}{hunk[2] or ''} +{second}{hunk[4] or ''} @@"


def _output_lines(store: Store, session: SessionRecord) -> Iterator[str]:
    rest: list[str] = []  # of a line that is not ended yet
    for one in events(store, session.key):
        if one.name not in ("output.line", "output.text"):
            continue
        text = one.args.get("text", "")
        rest.append(text.decode(errors="replace") if isinstance(text, bytes) else str(text))
        if one.name == "output.line":
            rest.append("\n")
        *lines, last = "".join(rest).split("\n")
        yield from lines
        rest = [last] if last else []
    if rest:
        yield "".join(rest)


def _artifacts(store: Store, session: SessionRecord) -> dict[str, ArtifactRecord]:
    found = store.artifacts.list(ArtifactQuery(session_id=session.id))
    return {f"{one.name} v{one.version}": one for one in found}


def _state(store: Store, session: SessionRecord) -> dict[str, Any]:
    scope = f"session:{session.id}"
    return {key: values.decode(value) for key, value in store.state.items(scope)}


def _state_set(store: Store, session: SessionRecord) -> dict[str, Any]:
    """Return what the history set in the session's scope and did not delete."""
    own = f"session:{session.id}"
    kept: dict[str, Any] = {}
    for one in events(store, session.key):
        changes = one.name in ("state.set", "state.delete") and one.error is None
        if changes and one.args.get("scope") in (None, own):
            key = str(one.args.get("key"))
            kept[key] = one.args.get("value") if one.name == "state.set" else None
    return {key: value for key, value in kept.items() if value is not None}


def _different(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs as Lua sees it, where 1 and 1.0, or 1 and true, are not the same."""
    keys = sorted({*a, *b})
    return {
        key: (a.get(key), b.get(key)) for key in keys if not _equal(a.get(key), b.get(key))
    }  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    return values.encode(a) == values.encode(b)
