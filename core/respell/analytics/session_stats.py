"""The numbers of one session: read from its history in one pass, record by record.

A record is not taken apart any further than its name, place and time, so a million of them
take seconds; what is kept grows with the number of different effects, not of events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from respell.analytics.packed import (
    HOOK_CALL,
    NAME_AT,
    ORDINAL,
    ORDINAL_AT,
    STATUS_AT,
    ends_a_hook,
    hook_us,
    time_of,
)
from respell.analytics.suspended import Suspended
from respell.history.events import kind_of
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.measuring import artifact_sums
from respell.times import SECOND, rfc3339


@dataclass(slots=True)
class EffectStats:
    """How often one effect was caused, and how that went.

    Attributes:
        count: How often.
        failed: How often it failed.
        open: How often it has not ended (yet).
        total_s: How long all of them took, in seconds; 0 where nobody waited. What others are
            inside of takes no time while the session is suspended.
        longest_s: The longest of them.
    """

    count: int = 0
    failed: int = 0
    open: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class HookStats:
    """What hooks cost.

    Attributes:
        calls: How often one was called.
        failed: How often one failed.
        total_s: How long all calls took, in seconds, without the time in which the session
            was suspended.
        longest_s: The longest of them.
        overhead: The part of the session's active time that this is, from 0 to 1.
    """

    calls: int
    failed: int
    total_s: float
    longest_s: float
    overhead: float


@dataclass(frozen=True, slots=True)
class ArtifactSizes:
    """How large the artifacts of a session are.

    Attributes:
        names: How many different names they have.
        bytes: Their sizes added up.
        distinct_bytes: The same, with equal content counted once.
        stored_bytes: What the distinct content occupies.
        dedup_ratio: `bytes` by `distinct_bytes`; 1 where nothing is equal.
        compression_ratio: `distinct_bytes` by `stored_bytes`; 1 where nothing is compressed.
    """

    names: int
    bytes: int
    distinct_bytes: int
    stored_bytes: int
    dedup_ratio: float
    compression_ratio: float


@dataclass(frozen=True, slots=True)
class SessionStats:
    """The numbers of one session.

    Attributes:
        session_id: Its id.
        status: Its status.
        created_at: When it was created, RFC 3339 in UTC.
        ended_at: When it completed or failed; None before.
        events: How many events its history has.
        records: How many records they are made of.
        runs: How often a host took it up.
        elapsed_s: From its creation to its end, or to its last change; in seconds.
        active_s: How long a host ran it.
        suspended_s: How long it was suspended between two runs.
        operations: Effects that counted as operations.
        tokens: Tokens of models.
        cost_usd: What they cost.
        success_rate: The part of ended effects that did not fail; None where none ended.
        effects: Each effect's numbers by its name.
        hooks: What hooks cost.
        artifacts: How many artifacts it has, all versions.
        artifact_sizes: How large they are.
        state_keys: How many keys its state has.
        output_lines: How many lines it printed.
        log_lines: How many lines it logged.
        limits: Its limits.
    """

    session_id: str
    status: str
    created_at: str
    ended_at: str | None
    events: int
    records: int
    runs: int
    elapsed_s: float
    active_s: float
    suspended_s: float
    operations: int
    tokens: int
    cost_usd: float
    success_rate: float | None
    effects: dict[str, EffectStats]
    hooks: HookStats
    artifacts: int
    artifact_sizes: ArtifactSizes
    state_keys: int
    output_lines: int
    log_lines: int
    limits: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell stats ID --json` shows it."""
        return asdict(self)


def session_stats(store: Store, session: SessionRecord) -> SessionStats:
    """Return the numbers of a session, from its history as far as it is committed.

    Args:
        store: Where it is.
        session: The session, in any status.

    Raises:
        StoreCorrupt: A large value of a record is damaged or missing.
    """
    tally = _Tally()
    for batch in store.history.bodies(session.key, session.records):
        tally.take(batch)
    tally.close()
    usage = session.usage
    active_s = float(usage.get("active_s", 0.0))
    effects = {
        name: tally.effects[name] for name in sorted(tally.effects) if kind_of(name) != "hook"
    }
    ended = sum(one.count - one.open for one in effects.values())
    failed = sum(one.failed for one in effects.values())
    end = session.ended_at if session.ended_at is not None else session.updated_at
    return SessionStats(
        session_id=session.id,
        status=session.status,
        created_at=rfc3339(session.created_at),
        ended_at=None if session.ended_at is None else rfc3339(session.ended_at),
        events=session.events,
        records=session.records,
        runs=tally.runs,
        elapsed_s=max(0, end - session.created_at) / SECOND,
        active_s=active_s,
        suspended_s=round(tally.suspended.total_us / SECOND, 6),
        operations=int(usage.get("operations", 0)),
        tokens=int(usage.get("tokens", 0)),
        cost_usd=float(usage.get("cost_usd", 0.0)),
        success_rate=1 - failed / ended if ended else None,
        effects=effects,
        hooks=HookStats(
            calls=tally.hook_calls,
            failed=tally.hooks_failed,
            total_s=round(tally.hooks_s, 6),
            longest_s=tally.longest_hook_s,
            overhead=min(1.0, tally.hooks_s / active_s) if active_s else 0.0,
        ),
        artifacts=session.artifacts,
        artifact_sizes=_artifact_sizes(store, session),
        state_keys=len(store.state.list(f"session:{session.id}")),
        output_lines=tally.output_lines,
        log_lines=tally.log_lines,
        limits=dict(session.limits),
    )


class _Tally:
    """Adds up records in the order they were appended."""

    def __init__(self) -> None:
        self.effects: dict[str, EffectStats] = {}
        self.runs = self.output_lines = self.log_lines = 0
        self.hook_calls = self.hooks_failed = 0
        self.hooks_s = self.longest_hook_s = 0.0
        self.suspended = Suspended()
        self._simple: dict[bytes, list[int]] = {}  # name -> calls by status, of one record each
        self._opened: dict[int, tuple[str, int, bool]] = {}  # ordinal -> name, began, is a span

    def take(self, batch: Iterable[bytes]) -> None:
        """Add a batch of packed records."""
        simple, effect = self._simple, int(Part.EFFECT)
        for body in batch:
            name = body[NAME_AT : NAME_AT + body[NAME_AT - 1]]
            if name == HOOK_CALL:
                self._hook(body)
            elif body[0] == effect:
                counts = simple.get(name)
                if counts is None:
                    counts = simple[name] = [0, 0, 0]
                counts[body[STATUS_AT]] += 1
                if name == b"output.text":
                    self._text(body)
            else:
                self._part(body, name.decode())

    def _hook(self, body: bytes) -> None:
        (ordinal,) = ORDINAL.unpack_from(body, ORDINAL_AT)
        if body[0] == Part.BEGIN:
            self.suspended.begin(ordinal)
        elif ends_a_hook(body):
            self.hook_calls += 1
            self.hooks_failed += body[STATUS_AT] == Status.ERROR
            apart = self.suspended.end(ordinal) if body[0] == Part.END else 0
            took = max(0, hook_us(body) - apart) / SECOND
            self.hooks_s += took
            self.longest_hook_s = max(self.longest_hook_s, took)

    def _text(self, body: bytes) -> None:
        text = Record.unpack(body).arguments().get("text", "")
        self.output_lines += text.count("\n" if isinstance(text, str) else b"\n")

    def _part(self, body: bytes, name: str) -> None:
        part = body[0]
        (ordinal,) = ORDINAL.unpack_from(body, ORDINAL_AT)
        at = time_of(body)
        if part == Part.NOTE:
            self._lifecycle(name, at)
        elif part == Part.BEGIN or (part == Part.INTENT and ordinal not in self._opened):
            self._opened[ordinal] = (name, at, part == Part.BEGIN)
            if part == Part.BEGIN:
                self.suspended.begin(ordinal)
        elif part in (Part.OUTCOME, Part.END) and ordinal in self._opened:
            _, began, is_span = self._opened[ordinal]
            if is_span == (part == Part.END):
                del self._opened[ordinal]
                apart = self.suspended.end(ordinal) if is_span else 0
                self._ended(name, (at - began - apart) / SECOND, body[STATUS_AT] == Status.ERROR)

    def _lifecycle(self, name: str, at: int) -> None:
        if name in ("lifecycle.start", "lifecycle.resume"):
            self.runs += 1
        self.suspended.tell(name, at)

    def _ended(self, name: str, took: float, failed: bool) -> None:
        one = self.effects.setdefault(name, EffectStats())
        one.count += 1
        one.failed += failed
        one.total_s += took
        one.longest_s = max(one.longest_s, took)

    def close(self) -> None:
        """Add what was counted apart, and what has not ended."""
        for data, counts in self._simple.items():
            name = data.decode(errors="replace")
            kind = kind_of(name)
            if name == "output.line":
                self.output_lines += sum(counts)
            elif kind == "output":
                self.log_lines += sum(counts) if name.startswith("log.") else 0
            elif kind == "effect":
                one = self.effects.setdefault(name, EffectStats())
                one.count += sum(counts)
                one.failed += counts[Status.ERROR]
        for name, _, _ in self._opened.values():
            one = self.effects.setdefault(name, EffectStats())
            one.count += 1
            one.open += 1


def _artifact_sizes(store: Store, session: SessionRecord) -> ArtifactSizes:
    names, total, size, stored = artifact_sums(store, session.key)
    return ArtifactSizes(
        names=names,
        bytes=total,
        distinct_bytes=size,
        stored_bytes=stored,
        dedup_ratio=ratio(total, size),
        compression_ratio=ratio(size, stored),
    )


def ratio(whole: int, part: int) -> float:
    """Return how many times a part goes into the whole; 1 where there is nothing."""
    return whole / part if part else 1.0
