"""What sessions did and used, hour by hour, day by day or week by week.

Histories are read once, from their first record to their last, and nothing is kept but the
sums: a million events take seconds, in memory that does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from respell.analytics.packed import (
    HOOK_CALL,
    NAME_AT,
    NUMBER_AT,
    ORDINAL,
    ORDINAL_AT,
    STATUS_AT,
    ends_a_hook,
    hook_us,
    name_of,
    spent,
    time_of,
)
from respell.analytics.suspended import Suspended
from respell.errors import UsageError
from respell.history.events import kind_of
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionQuery, SessionRecord
from respell.store import Store
from respell.store.measuring import artifacts_by_time, sessions_by_time
from respell.times import SECOND, rfc3339

By = Literal["hour", "day", "week"]
WIDTHS = get_args(By)

MOST = 20_000
"""Most buckets that are told of at once: two years of hours."""

_HOUR = 3600 * SECOND
_WIDTH = {"hour": _HOUR, "day": 24 * _HOUR, "week": 7 * 24 * _HOUR}
# Day 0 was a Thursday; weeks begin on Mondays.
_SHIFT = {"hour": 0, "day": 0, "week": 3 * 24 * _HOUR}
_EVER = 2**62

_EFFECT, _LINE, _TEXT, _LIFECYCLE, _HOOK, _REQUEST, _OTHER = range(7)
_BEGINS = ("lifecycle.start", "lifecycle.resume")
_ENDS = ("lifecycle.suspend", "lifecycle.complete", "lifecycle.fail")


@dataclass(slots=True)
class Bucket:
    """The numbers of an hour, a day, a week, or of all of them.

    Attributes:
        start: When it begins, RFC 3339 in UTC; empty for the totals.
        sessions: How many sessions something happened in.
        created: How many were created.
        ended: How many completed or failed.
        runs: How often a host took one up.
        active_s: How long hosts ran them, in seconds.
        events: Events that began.
        effects: Effects that ended.
        failed: How many of these failed.
        success_rate: The part of them that did not; None where none ended.
        busy_s: How long the effects that ended took, in seconds, those side by side added up.
        tokens: Tokens of models.
        cost_usd: What they cost.
        hook_calls: Calls of hooks.
        hook_failed: How many of these failed.
        hook_s: How long they took, in seconds.
        hook_overhead: The part of `active_s` that this is, from 0 to 1.
        output_lines: Lines that were printed.
        artifacts: Artifacts that were stored, and are still there.
        artifact_bytes: Their size.
    """

    start: str = ""
    sessions: int = 0
    created: int = 0
    ended: int = 0
    runs: int = 0
    active_s: float = 0.0
    events: int = 0
    effects: int = 0
    failed: int = 0
    success_rate: float | None = None
    busy_s: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0
    hook_calls: int = 0
    hook_failed: int = 0
    hook_s: float = 0.0
    hook_overhead: float = 0.0
    output_lines: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0

    def close(self) -> None:
        """Fill in what follows from the rest."""
        self.success_rate = 1 - self.failed / self.effects if self.effects else None
        self.hook_overhead = min(1.0, self.hook_s / self.active_s) if self.active_s else 0.0
        for name in ("active_s", "busy_s", "hook_s", "cost_usd"):
            setattr(self, name, round(getattr(self, name), 6))


_SUMMED = (
    "created", "ended", "runs", "active_s", "events", "effects", "failed", "busy_s", "tokens",
    "cost_usd", "hook_calls", "hook_failed", "hook_s", "output_lines", "artifacts",
    "artifact_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OverTime:
    """The numbers of a session, or of all, over time.

    Attributes:
        session_id: Whose; None for all of the store.
        by: hour, day or week.
        since: Nothing before it counts, RFC 3339 in UTC; None for no such time.
        until: Nothing from then on counts, likewise.
        totals: All buckets added up.
        buckets: Those in which something happened, oldest first. Hours, days and weeks are
            those of UTC; weeks begin on Mondays.
    """

    session_id: str | None
    by: str
    since: str | None
    until: str | None
    totals: Bucket
    buckets: list[Bucket] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell stats --by … --json` shows it."""
        return asdict(self)


def over_time(
    store: Store,
    session: SessionRecord | None = None,
    *,
    by: str = "day",
    since: int | None = None,
    until: int | None = None,
) -> OverTime:
    """Return the numbers of a session, or of all sessions of a store, over time.

    What a fork shares with its original counts for the original; asked for the fork alone, it
    counts for it as well.

    Args:
        store: Where they are.
        session: The session; None for all that are not deleted.
        by: How wide a bucket is: hour, day or week.
        since: Leave out what was before, in µs since 1970 UTC.
        until: Leave out what was from then on.

    Raises:
        UsageError: There is no such width, the times leave nothing, or there are too many
            buckets.
        StoreCorrupt: A large value of a record is damaged or missing.
    """
    if by not in WIDTHS:
        raise UsageError(f"{by!r:.80} is no width; choose one of {', '.join(WIDTHS)}")
    if since is not None and until is not None and since >= until:
        raise UsageError(f"there is no time since {rfc3339(since)} until {rfc3339(until)}")
    flow = _Flow(by, since, until)
    for one, batches in _histories(store, session, flow):
        flow.begin()
        for batch in batches:
            flow.take(batch)
        flow.end(one.updated_at)
    key = None if session is None else session.key
    for index, count, size in artifacts_by_time(
        store, key, flow.width, flow.shift, flow.since, flow.until
    ):
        bucket = flow.bucket(index)
        bucket.artifacts, bucket.artifact_bytes = count, size
    for column, name in (("created_at", "created"), ("ended_at", "ended")):
        for index, count in sessions_by_time(
            store, key, column, flow.width, flow.shift, flow.since, flow.until
        ):
            setattr(flow.bucket(index), name, count)
    return OverTime(
        session_id=None if session is None else session.id,
        by=by,
        since=None if since is None else rfc3339(since),
        until=None if until is None else rfc3339(until),
        totals=flow.totals(),
        buckets=flow.closed(),
    )


def _histories(
    store: Store, session: SessionRecord | None, flow: _Flow
) -> Iterator[tuple[SessionRecord, Iterable[list[bytes]]]]:
    if session is not None:
        yield session, store.history.bodies(session.key, session.records)
        return
    for one in store.sessions.list(SessionQuery(desc=False)):
        if one.updated_at >= flow.since and one.created_at < flow.until:
            own = one.fork_seq + 1
            yield one, store.history.bodies(one.key, one.records, first=own)


class _Flow:
    """Adds up records in the order they were appended, one history after the other."""

    def __init__(self, by: str, since: int | None, until: int | None) -> None:
        self.width, self.shift = _WIDTH[by], _SHIFT[by]
        self.since = -_EVER if since is None else since
        self.until = _EVER if until is None else until
        self._buckets: dict[int, Bucket] = {}
        self._kinds: dict[bytes, int] = {}
        self._sessions = 0

    # Buckets -----------------------------------------------------------------------------

    def bucket(self, index: int) -> Bucket:
        """Return a bucket by its number.

        Raises:
            UsageError: There would be too many.
        """
        found = self._buckets.get(index)
        if found is None:
            if len(self._buckets) >= MOST:
                raise UsageError(
                    f"there are more than {MOST} of these; choose wider ones (day, week), or a "
                    "shorter time with since and until"
                )
            start = index * self.width - self.shift
            found = self._buckets[index] = Bucket(start=rfc3339(start))
        return found

    def closed(self) -> list[Bucket]:
        """Return all buckets, oldest first."""
        found = [self._buckets[index] for index in sorted(self._buckets)]
        for one in found:
            one.close()
        return found

    def totals(self) -> Bucket:
        """Return the sum of all buckets."""
        total = Bucket(sessions=self._sessions)
        for one in self._buckets.values():
            for name in _SUMMED:
                setattr(total, name, getattr(total, name) + getattr(one, name))
        total.close()
        return total

    # Histories ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with another history."""
        self._opened: dict[int, tuple[int, bool]] = {}  # ordinal -> began, is a span
        self._number = -1
        self._run_since: int | None = None
        self._suspended = Suspended()
        self._seen: set[int] = set()
        self._last = 0

    def end(self, last: int) -> None:
        """End a history; a run that has no end yet lasted to its session's last change."""
        if self._run_since is not None:
            self._active(self._run_since, max(last, self._last))
        for index in self._seen:
            self._buckets[index].sessions += 1
        self._sessions += bool(self._seen)

    def take(self, batch: list[bytes]) -> None:
        """Add a batch of packed records."""
        kinds, width, shift = self._kinds, self.width, self.shift
        since, until = self.since, self.until
        effect, simple = int(Part.EFFECT), (_EFFECT, _LINE)
        for body in batch:
            name = name_of(body)
            kind = kinds.get(name)
            if kind is None:
                kind = self._kind(name)
            at = time_of(body)
            (number,) = ORDINAL.unpack_from(body, NUMBER_AT)
            begins = number > self._number
            self._number = max(number, self._number)
            self._last = at
            if not since <= at < until:
                if kind == _LIFECYCLE or body[0] != effect:
                    self._part(body, kind, at, None)
                continue
            index = (at + shift) // width
            self._seen.add(index)
            bucket = self.bucket(index)
            bucket.events += begins
            if body[0] == effect and kind in simple:
                if kind == _LINE:
                    bucket.output_lines += 1
                else:
                    bucket.effects += 1
                    bucket.failed += body[STATUS_AT] == Status.ERROR
            else:
                self._part(body, kind, at, bucket)

    def _kind(self, name: bytes) -> int:
        text = name.decode(errors="replace")
        family = kind_of(text)
        known = {
            b"output.line": _LINE, b"output.text": _TEXT, HOOK_CALL: _HOOK,
            b"agent.request": _REQUEST,
        }  # fmt: skip
        kind = known.get(name, _EFFECT if family == "effect" else _OTHER)
        if family == "lifecycle":
            kind = _LIFECYCLE
        if len(self._kinds) < MOST:  # a worker that was taken over may invent as many as it likes
            self._kinds[name] = kind
        return kind

    def _part(self, body: bytes, kind: int, at: int, bucket: Bucket | None) -> None:
        """Take a record of any other sort; None for a bucket that does not count."""
        if kind == _LIFECYCLE:
            self._lifecycle(body, at, bucket)
        elif kind == _TEXT:
            if bucket is not None:
                bucket.output_lines += _lines(body)
        elif kind == _HOOK:
            self._hook(body, bucket)
        elif kind in (_EFFECT, _REQUEST):
            self._effect(body, kind, at, bucket)

    def _hook(self, body: bytes, bucket: Bucket | None) -> None:
        (ordinal,) = ORDINAL.unpack_from(body, ORDINAL_AT)
        if body[0] == Part.BEGIN:
            self._suspended.begin(ordinal)
            return
        apart = self._suspended.end(ordinal) if body[0] == Part.END else 0
        if bucket is not None and ends_a_hook(body):
            bucket.hook_calls += 1
            bucket.hook_failed += body[STATUS_AT] == Status.ERROR
            bucket.hook_s += max(0, hook_us(body) - apart) / SECOND

    def _effect(self, body: bytes, kind: int, at: int, bucket: Bucket | None) -> None:
        part = body[0]
        (ordinal,) = ORDINAL.unpack_from(body, ORDINAL_AT)
        if part == Part.BEGIN or (part == Part.INTENT and ordinal not in self._opened):
            self._opened[ordinal] = (at, part == Part.BEGIN)
            if part == Part.BEGIN:
                self._suspended.begin(ordinal)
            return
        if part not in (Part.OUTCOME, Part.END):
            return
        if kind == _REQUEST and part == Part.OUTCOME and bucket is not None:
            tokens, cost = spent(body)
            bucket.tokens += tokens
            bucket.cost_usd += cost
        began, is_span = self._opened.get(ordinal, (at, part == Part.END))
        if is_span != (part == Part.END):
            return  # of a span only its end counts
        self._opened.pop(ordinal, None)
        apart = self._suspended.end(ordinal) if is_span else 0
        if bucket is not None:
            bucket.effects += 1
            bucket.failed += body[STATUS_AT] == Status.ERROR
            bucket.busy_s += max(0, at - began - apart) / SECOND

    def _lifecycle(self, body: bytes, at: int, bucket: Bucket | None) -> None:
        if body[0] != Part.NOTE:
            return  # a script can't say so
        name = body[NAME_AT : NAME_AT + body[NAME_AT - 1]].decode(errors="replace")
        self._suspended.tell(name, at)
        if name in _BEGINS:
            if bucket is not None:
                bucket.runs += 1
            if self._run_since is None:
                self._run_since = at
        elif name in _ENDS and self._run_since is not None:
            self._active(self._run_since, at)
            self._run_since = None

    def _active(self, start: int, end: int) -> None:
        """Add a run to all buckets that it was in."""
        start, end = max(start, self.since), min(end, self.until)
        while start < end:
            index = (start + self.shift) // self.width
            upto = min(end, (index + 1) * self.width - self.shift)
            self.bucket(index).active_s += (upto - start) / SECOND
            start = upto


def _lines(body: bytes) -> int:
    text = Record.unpack(body).arguments().get("text", "")
    if isinstance(text, str):
        return text.count("\n")
    return text.count(b"\n") if isinstance(text, bytes) else 0
