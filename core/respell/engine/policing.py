"""What the host asks its policies, and what it tells of what they say."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from respell import values
from respell.engine.deadlines import DEADLINE
from respell.engine.ledger import Ledger
from respell.engine.windows import Batches
from respell.errors import UsageError
from respell.history.record import Part, Record
from respell.policies.chains import Member, Tally
from respell.policies.deciding import ALLOWED, PolicyContext, Settled, Verdict
from respell.policies.limits import ALL, RATE, Reached, check_limits, merged, table_of_rates
from respell.policies.meter import Meter
from respell.policies.notices import WAIT, WARNING, Notice
from respell.policies.rates import Bucket, Buckets, Rate
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us

OnAlert = Callable[[Notice], None]
"""Called with what is told before a limit is reached, once that is committed."""

MEMORY_S = 0.25
"""How often the memory of the Lua process is looked at, in seconds."""

STORE = "store"
"""Stands before the names of rates that all sessions of a store share."""

_UNRATED = frozenset(("timer.sleep", DEADLINE, "event.receive", "session.suspend"))
"""They only wait, so no rate makes them wait longer."""
_NOTE = bytes((Part.NOTE,))
_NAME_AT = slice(27, 33)  # of a packed record: the first letters of its name
_Member = Member[PolicyContext, Verdict]
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Policing:
    """The policies of one run.

    Args:
        store: The store.
        ledger: Where notices are recorded.
        session: The session as it is at the start.
        settled: Its policies.
        on_alert: Is told notices.

    Attributes:
        meter: Counts what the run uses.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        session: SessionRecord,
        settled: Settled,
        on_alert: OnAlert | None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._settled = settled
        self._on_alert = on_alert
        self.meter = Meter(
            session.usage, time.monotonic(),
            alerts=settled.alerts, warn_before=settled.warn_before,
        )  # fmt: skip
        self._history_before = self.meter.history_bytes
        self._shared = settled.shared
        self._rate: Any = None  # the session's rates as its limits have them, and by name
        self._rates: Mapping[str, Any] = {}
        self._buckets = Buckets()
        self._own = settled.own
        self._plain = not self._own and settled.chain.composition != "voting"
        self._members = self._asked()
        self._found: dict[str, Reached] = {}  # by the built-in policies, for the effect in question
        self._wait = 0.0  # for how long the rates let it wait
        self._learning = True
        self._memory: _Memory | None = None
        self._tell_hooks: Callable[[str, dict[str, Any], str], None] | None = None
        self._said: set[tuple[str, str]] = set()

    @property
    def fails(self) -> bool:
        """Whether a session that is stopped fails."""
        return self._settled.fails

    def begin(self, pid: int, tell: Callable[[str, dict[str, Any], str], None]) -> None:
        """Get ready: installed packages have registered their policies, and the worker is up.

        Args:
            pid: The worker's process id; its memory is looked at.
            tell: Tells the hooks of a point something about a limit.

        Raises:
            UsageError: Two policies have one name.
        """
        self._own = self._settled.again()
        self._plain = not self._own and self._settled.chain.composition != "voting"
        self._members = self._asked()
        self._memory = _Memory(pid)
        self._tell_hooks = tell

    def learning(self, history: Batches) -> Batches:
        """Pass a history through, and learn what was told in earlier runs."""
        for batch in history:
            for body in batch:
                if body[:1] == _NOTE and body[_NAME_AT] == b"limit.":
                    note = Record.unpack(body)
                    self.meter.told.learn(note.name, note.arguments())
            yield batch
        self._learning = False

    # Deciding ----------------------------------------------------------------------------

    def decide(self, effect: str, args: bytes, session: SessionRecord) -> Reached | float:
        """Return why an effect may not be performed, or in how many seconds it may.

        Args:
            effect: The effect's name.
            args: Canonical bytes of its arguments.
            session: The session as it is now.
        """
        if self._plain:
            if reached := self.meter.over(effect, session.limits):
                return reached
            return self._rated(effect, args, session)
        return self._composed(effect, args, session)

    def _composed(self, effect: str, args: bytes, session: SessionRecord) -> Reached | float:
        """Ask the built-in policies and those that somebody wrote."""
        usage = {**session.usage, **self.meter.usage(), "artifacts": session.artifacts}
        context = PolicyContext(session, effect, usage, dict(session.limits), args)
        self._found.clear()
        self._wait = 0.0
        tally = self._settled.chain.ask(self._members, context)
        self._tell_warnings(effect, tally)
        return self._wait if tally.goes_on else self._stopped_by(tally)

    def _asked(self) -> tuple[_Member, ...]:
        """Return what is asked one after the other where the limits alone don't decide."""

        def built_in(name: str, ask: Callable[[PolicyContext], Reached | None]) -> _Member:
            def judge(context: PolicyContext) -> Verdict:
                reached = ask(context)
                if reached is None:
                    return ALLOWED
                self._found[name] = reached
                return Verdict("deny", reached.what)

            return Member(name, judge, instant=True)

        def timeout(context: PolicyContext) -> Reached | None:
            return self.meter.timeout.over(context.session.limits, time.monotonic())

        def resources(context: PolicyContext) -> Reached | None:
            return self.meter.over(context.effect, context.session.limits)

        def rates(context: PolicyContext) -> Reached | None:
            decided = self._rated(context.effect, context.encoded, context.session)
            if isinstance(decided, Reached):
                return decided
            self._wait = decided
            return None

        return (
            built_in("timeout", timeout),
            built_in("resources", resources),
            *(Member(own.name, own.ask) for own in self._own),
            built_in("rates", rates),
        )

    def _stopped_by(self, tally: Tally[Verdict]) -> Reached:
        stopped = tally.stopped_by
        assert stopped is not None
        if self._settled.chain.composition == "voting":
            against = [
                f"{one.member}: {_reason(one.result, one.error)}"
                for one in tally.answers
                if one.result is None or one.result.kind == "deny"
            ]
            return Reached("vote", f"{tally.vote} ({'; '.join(against)})", _ASKS_AGAIN)
        if stopped.member in self._found:
            return self._found[stopped.member]
        verdict = stopped.result
        return Reached(
            f"policy.{stopped.member}",
            _reason(verdict, stopped.error),
            _ASKS_AGAIN,
            fail=verdict is not None and verdict.fail,
        )

    # Rates -------------------------------------------------------------------------------

    def _rated(self, effect: str, args: bytes, session: SessionRecord) -> Reached | float:
        """Take a token of each rate that an effect has; return how long to wait for them."""
        if session.limits.get(RATE) != self._rate:
            self._rate = session.limits.get(RATE)
            self._rates = table_of_rates(session.limits)
        rates = self._rates
        if not (rates or self._shared) or effect in _UNRATED:
            return 0.0
        names = [ALL, effect]
        if effect == "tool.invoke" and not {*rates, *self._shared} <= {ALL, effect}:
            names.append(_tool_of(args))
        now = time.monotonic()
        own = self._buckets.of(rates, names, now)
        shared = {f"{STORE}:{it}": self._shared[it] for it in names if it in self._shared}
        if not self._settled.waits:
            return self._taken_or_stopped(own, shared, now)
        waits = [
            (wait, f"{RATE}.{name}", bucket.rate)
            for name, bucket in own
            if (wait := bucket.take(now)) > 0
        ]
        if shared:
            short = self._store.rates.take(shared, now_us(), reserve=True)
            if short is not None:
                waits.append((short.wait_s, f"{RATE}.{short.name}", shared[short.name]))
        if not waits:
            return 0.0
        wait, name, rate = max(waits, key=lambda it: it[0])
        if wait > 0 and self._first(WAIT, name):
            long = f"{wait:.0f}" if wait >= 10 else f"{wait:.2g}"
            self._tell(
                Notice(
                    WAIT,
                    f"{effect} waits {long} s: no more than {rate} ({name})",
                    {"limit": name, "value": str(rate), "effect": effect, "wait_s": round(wait, 6)},
                )
            )
        return wait

    def _taken_or_stopped(
        self, own: list[tuple[str, Bucket]], shared: dict[str, Rate], now: float
    ) -> Reached | float:
        for name, bucket in own:
            left = bucket.left(now)
            if left < 1:
                wait = bucket.rate.wait(left - 1)
                what = f"it may do {bucket.rate}, the next in {wait:.1f} s"
                return Reached(f"{RATE}.{name}", what)
        if shared:
            short = self._store.rates.take(shared, now_us(), reserve=False)
            if short is not None:
                rate = shared[short.name]
                return Reached(
                    f"{RATE}.{short.name}",
                    f"all sessions of this store may do {rate} together, the next in "
                    f"{short.wait_s:.1f} s",
                    "`respell resume {short}` goes on once there is one ([policies] rate)",
                )
        for _, bucket in own:
            bucket.take(now)
        return 0.0

    # History -----------------------------------------------------------------------------

    def history_room(self, session: SessionRecord) -> float:
        """Return how many bytes the ledger may have taken in when the history is full."""
        most = session.limits.get("history_bytes")
        return math.inf if most is None else most - self._history_before

    def history_full(self, size: int) -> Reached:
        """Return what is reached by an event of so many bytes more."""
        used = self._history_before + self._ledger.taken_bytes
        return Reached("history_bytes", f"its history has {used} bytes, and {size} more don't fit")

    # Telling -----------------------------------------------------------------------------

    def look(self, session: SessionRecord, now: float) -> None:
        """Tell what is to be told of limits that are near."""
        self.meter.history_bytes = self._history_before + self._ledger.taken_bytes
        if self._learning:
            return
        if self._memory is not None:
            self.meter.memory_bytes = self._memory.used(now)
        artifact_bytes = session.usage.get("artifact_bytes", 0)
        for notice in self.meter.notices(session.limits, now, session.artifacts, artifact_bytes):
            self._tell(notice)

    def _tell_warnings(self, effect: str, tally: Tally[Verdict]) -> None:
        for one in tally.answers:
            if one.result is None or one.result.kind != "warn":
                continue
            if self._first(one.member, one.result.reason):
                limit = f"policy.{one.member}"
                args = {"limit": limit, "reason": one.result.reason, "effect": effect}
                words = f"the policy {one.member} warns at {effect}: {one.result.reason}"
                self._tell(Notice(WARNING, words, args))

    def _tell(self, notice: Notice) -> None:
        self._ledger.note(notice.name, dict(notice.args))
        if self._tell_hooks is not None:
            told = {"notice": notice.name, "words": notice.words, **notice.args}
            self._tell_hooks("PerformanceThresholdExceeded", told, notice.limit)
        if self._on_alert is not None:
            on_alert = self._on_alert
            self._ledger.afterwards(lambda: on_alert(notice))

    def _first(self, what: str, of: str) -> bool:
        if (what, of) in self._said:
            return False
        self._said.add((what, of))
        return True

    # Changing ----------------------------------------------------------------------------

    def change(self, session: SessionRecord, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Record that somebody has changed the limits, and return what they are then.

        Args:
            session: The session as it is now.
            asked: limits and by, as `respell.sessions.limiting` leaves them.
        """
        limits = merged(session.limits, check_limits(asked["limits"], lift=True))
        self._ledger.note("limit.set", {"limits": asked["limits"], "by": asked["by"]})
        return limits


_ASKS_AGAIN = "`respell resume {short}` asks again"


def remedy(reached: Reached, session: SessionRecord, after: int, *, failed: bool) -> str:
    """Return in words what can be done about a session that was stopped."""
    short = session.id[:8]
    if failed:
        return f"`respell fork {short} --at {after}` goes on from there"
    if reached.remedy:
        return reached.remedy.replace("{short}", short)
    return f"`respell resume {short} --limit {reached.limit}=N` goes on with a higher one"


def _reason(verdict: Verdict | None, error: Exception | None) -> str:
    if error is not None:
        return f"it failed ({type(error).__name__}: {error})"
    return verdict.reason if verdict is not None and verdict.reason else "it denies it"


def _tool_of(args: bytes) -> str:
    try:
        name = values.decode(args)["name"]
    except (UsageError, LookupError, TypeError):
        return ""  # the call is refused for that
    return name if isinstance(name, str) else ""


class _Memory:
    """How much memory a process has taken since it was ready; 0 where that can't be known."""

    def __init__(self, pid: int) -> None:
        self._path = f"/proc/{pid}/statm"
        self._due = 0.0
        self._used = 0
        self._first = self._resident()

    def used(self, now: float) -> int:
        if now >= self._due:
            self._due = now + MEMORY_S
            self._used = max(0, self._resident() - self._first)
        return self._used

    def _resident(self) -> int:
        try:
            with open(self._path, "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):  # another system, or the process is gone
            return 0
