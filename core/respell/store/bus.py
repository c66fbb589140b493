"""The event bus: what happened, for whoever waits for it.

An event is written only where a subscription wants it, so it costs next to nothing where
nobody listens: one look at the table of subscriptions. It is written in the transaction of
what it tells of, once, with a line in each subscription's queue, and goes when the last of
those lines goes. A queue is bounded: past `MAX_WAITING` events or `MAX_WAITING_BYTES` its
oldest are dropped, and the drop is counted. So publishing never waits and never fails
because somebody does not listen.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from respell import values
from respell.errors import SessionNotFound, SubscriptionNotFound, UsageError
from respell.sessions.record import new_id
from respell.store.bus_rows import (
    BusEvent,
    SubscriptionRecord,
    check_pattern,
    check_type,
    event_of,
    subscription_of,
    ttl_us,
)
from respell.store.database import Database
from respell.store.hearing import may_hear
from respell.store.leases import Holder
from respell.store.listening import Subscription
from respell.store.sums import row_sum
from respell.times import SECOND

MAX_WAITING = 10_000
"""Most events that wait in one subscription; then the oldest are dropped."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Most bytes of data that wait in one subscription, likewise."""

MAX_DATA_BYTES = 256 * 1024
"""Most bytes of data that one event carries, in canonical form."""

_OVERHEAD = 200  # bytes that an event without data takes
_AT_ONCE = 500  # rows that are removed in one transaction
_GONE_AFTER = 86_400 * SECOND  # an owner elsewhere that has not asked for so long is dead

_MATCHES = "(b.pattern = ?1 OR substr(?1, 1, length(b.prefix)) = b.prefix)"
_WANTED = f"SELECT 1 FROM subscriptions AS b WHERE {_MATCHES} LIMIT 1"
_HEARERS = (
    "SELECT b.key, b.session, s.id, b.own_only, b.about, b.owner FROM subscriptions AS b"
    f" LEFT JOIN sessions AS s ON s.key = b.session WHERE {_MATCHES}"
)
_INSERT = (
    "INSERT INTO bus_events (id, type, data, session, correlation_id, cause_session, cause_number,"
    " source, language, target_language, at, expires, sum) VALUES (" + ", ".join("?" * 13) + ")"
)
_EVENT = (
    "e.sequence, e.id, e.type, e.data, e.session, e.correlation_id, e.cause_session,"
    " e.cause_number, e.source, e.language, e.target_language, e.at, e.expires"
)
_NEXT = (
    f"SELECT {_EVENT}, b.dropped FROM deliveries AS d JOIN bus_events AS e USING (sequence)"
    " JOIN subscriptions AS b ON b.key = d.subscription"
    " WHERE d.subscription = ? AND d.sequence > ? ORDER BY d.sequence LIMIT 1"
)
_SUBSCRIPTION = (
    "b.key, b.session, b.name, b.pattern, b.about, b.language, b.own_only, b.position, b.taken,"
    " b.dropped, b.waiting, b.created_at"
)
_QUEUE = "INSERT INTO deliveries (subscription, sequence, bytes) VALUES (?, ?, ?)"
_OLDEST = (
    "DELETE FROM deliveries WHERE subscription = ?1 AND sequence ="
    " (SELECT min(sequence) FROM deliveries WHERE subscription = ?1)"
)
_SOME = (
    "DELETE FROM deliveries WHERE subscription = ?1 AND sequence IN (SELECT sequence"
    f" FROM deliveries WHERE subscription = ?1 LIMIT {_AT_ONCE})"
)


class Bus:
    """Events and who waits for them: `store.bus`.

    Attributes:
        cause: Id of a session and number of the event in its history that is being performed;
            what is published meanwhile was caused by it. Set by a host within a transaction.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock
        self.cause: tuple[str, int] | None = None
        self._only: str | None = None
        self._published = threading.Condition()

    # ── publishing ───────────────────────────────────────────────────────────────────────

    def publish(
        self,
        type: str,
        data: Any = None,
        *,
        session: str | None = None,
        correlation_id: str | None = None,
        ttl_seconds: float | None = None,
        language: str = "python",
        target_language: str | None = None,
        source: str = "python",
        cause: tuple[str, int] | None = None,
    ) -> int:
        """Tell all who listen that something happened; return how many will hear it.

        In the running transaction, or in one of its own. Where nobody listens, nothing is
        written.

        Args:
            type: What happened: words joined by dots, e.g. `deploy.finished`.
            data: A value: None, bool, int, float, str, bytes, lists and dicts of them.
            session: Id of the session it is of; None for none, then every script may hear it.
            correlation_id: What it belongs to; None for its session, or for itself alone.
            ttl_seconds: For how long it may be delivered; None for ever.
            language: The language of the publisher.
            target_language: The language it is meant for; None for any.
            source: Who tells it: `respell`, `script` or `python`.
            cause: Session and number of the event that made it happen; None for what the host
                is just performing.

        Raises:
            UsageError: The type is none, the data is too much or no value, or the time is not
                above 0.
            SessionNotFound: A program names a session that is not there.
        """
        check_type(type)
        if source == "python":
            self._check_session(session)
        ttl = ttl_us(ttl_seconds)
        body = values.encode(data)
        if len(body) > MAX_DATA_BYTES:
            raise UsageError(
                f"an event carries at most {MAX_DATA_BYTES} bytes of data, and this one has "
                f"{len(body)}; store an artifact and publish its id"
            )
        if not self.wanted(type):
            return 0
        with self._database:
            hearers = self._hearers(type, session)
            if not hearers:
                return 0
            event_id, now = new_id(), self._clock()
            made_by = cause or self.cause or (None, None)
            row = (
                event_id, type, body, session, correlation_id or session or event_id, *made_by,
                source, language, target_language, now, None if ttl is None else now + ttl,
            )  # fmt: skip
            sequence = self._database.insert(_INSERT, (*row, row_sum(*row)))
            size = len(body) + _OVERHEAD
            told = sum(self._deliver(key, sequence, size, owner) for key, owner in hearers)
        with self._published:
            self._published.notify_all()
        return told

    def tell(self, type: str, session: str, data: Mapping[str, Any], **more: Any) -> None:
        """Publish what Respell itself tells of a session; see `publish`."""
        if self.wanted(type):
            self.publish(
                type, dict(data), session=session, source="respell", language="respell", **more
            )

    def _check_session(self, session: str | None) -> None:
        sql = "SELECT 1 FROM sessions WHERE id = ? AND NOT deleted"
        if session is not None and self._database.row(sql, (session,)) is None:
            raise SessionNotFound(f"there is no session {session!r:.80} in this store")

    def is_heard(self) -> bool:
        """Return whether there is any subscription at all."""
        return self._database.row("SELECT 1 FROM subscriptions LIMIT 1") is not None

    def wanted(self, type: str) -> bool:
        """Return whether there is a subscription for a type; whether it may hear is not asked."""
        return self._database.row(_WANTED, (type,)) is not None

    def _hearers(self, type: str, session: str | None) -> builtins.list[tuple[int, bytes | None]]:
        """Return key and owner of the subscriptions that get an event."""
        found = []
        for key, listens, hearer, own_only, about, owner in self._database.rows(_HEARERS, (type,)):
            if about is not None and about != session:
                continue
            if self._only is not None and hearer != self._only:
                continue
            if listens is None or (
                hearer is not None
                and may_hear(
                    self._database, hearer, session, type, self._clock(), own_only=bool(own_only)
                )
            ):
                found.append((key, owner))
        return found

    def _deliver(self, key: int, sequence: int, size: int, owner: bytes | None) -> int:
        """Put an event into a queue, and out of it what is too much; 1 unless the queue is gone."""
        database = self._database
        database.execute(_QUEUE, (key, sequence, size))
        over = "SELECT waiting, bytes FROM subscriptions WHERE key = ?"
        waiting, held = database.rows(over, (key,))[0]
        if waiting <= MAX_WAITING and held <= MAX_WAITING_BYTES:
            return 1
        if owner is not None and self._is_dead(owner, 0):
            self._remove(key)
            return 0
        while waiting > MAX_WAITING or held > MAX_WAITING_BYTES:
            database.execute(_OLDEST, (key,))
            database.execute("UPDATE subscriptions SET dropped = dropped + 1 WHERE key = ?", (key,))
            waiting, held = database.rows(over, (key,))[0]
        return 1

    @contextmanager
    def only_for(self, session: str) -> Iterator[None]:
        """Have what is published in the block heard by one session alone; in a transaction.

        For a fork, which does again on its copies what everybody has heard of once.
        """
        self._only = session
        try:
            yield
        finally:
            self._only = None

    # ── subscribing ──────────────────────────────────────────────────────────────────────

    def subscribe(
        self, pattern: str, *, session: str | None = None, name: str | None = None
    ) -> Subscription:
        """Listen from now on, as a program that owns the store: it hears all sessions.

        Args:
            pattern: A type (`session.completed`), `*` for all, or the beginning of types and a
                star (`session.*`).
            session: Only events of the session of this id.
            name: Keeps the subscription in the store under this name, so that it collects
                while nobody listens, and any process can go on with it. None for one that ends
                with its `with` block, or with this process.

        Raises:
            UsageError: It is no pattern, or there is one of this name with another pattern.
            SessionNotFound: There is no such session.
        """
        self._check_session(session)
        if name is not None:
            check_type(name, "subscribe", "name")
        made = self.add(pattern, name=name or new_id(), about=session, with_process=name is None)
        return Subscription(self, made, named=name is not None)

    def add(
        self,
        pattern: str,
        *,
        name: str,
        session: int | None = None,
        about: str | None = None,
        language: str = "python",
        own_only: bool = False,
        with_process: bool = False,
    ) -> SubscriptionRecord:
        """Add a subscription, from the next event on; one of this name goes on as it is.

        Args:
            pattern: A type, `*`, or the beginning of types and a star.
            name: What its owner calls it; unique within the session, or among programs.
            session: Key of the session whose script listens; None for a program.
            about: Only events of the session of this id.
            language: The language of the listener.
            own_only: It hears no sessions that its script merely loaded.
            with_process: It goes when this process has died.

        Raises:
            UsageError: It is no pattern, or one of this name has another pattern.
        """
        prefix = check_pattern(pattern)
        owner = values.encode(_this_process()) if with_process else None
        now = self._clock()
        with self._database:
            known = self.find(name, session)
            if known is not None:
                if (known.pattern, known.about) != (pattern, about):
                    raise UsageError(
                        f"there is a subscription {name!r} to {known.pattern!r} already; choose "
                        "another name, or unsubscribe that one first"
                    )
                return known
            self._remove_dead(with_others=False)
            last = self._database.value("SELECT seq FROM sqlite_sequence WHERE name = 'bus_events'")
            row = (session, name, pattern, prefix, about, language, int(own_only), owner, now)
            self._database.write(
                "INSERT INTO subscriptions (session, name, pattern, prefix, about, language,"
                " own_only, owner, created_at, sum, position, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, row_sum(*row), last or 0, now),
            )
            return self.get(name, session)

    def find(self, name: str, session: int | None = None) -> SubscriptionRecord | None:
        """Return the subscription of this name; None where there is none."""
        row = self._database.row(
            f"SELECT {_SUBSCRIPTION} FROM subscriptions AS b"
            " WHERE ifnull(b.session, 0) = ? AND b.name = ?",
            (session or 0, name),
        )
        return None if row is None else subscription_of(row)

    def get(self, name: str, session: int | None = None) -> SubscriptionRecord:
        """Return the subscription of this name.

        Raises:
            SubscriptionNotFound: There is none (any more).
        """
        found = self.find(name, session)
        if found is None:
            raise SubscriptionNotFound(
                f"No active subscription found: {name!r:.80}; it was never made here, or was ended"
            )
        return found

    def list(self, session: int | None = None) -> builtins.list[SubscriptionRecord]:
        """Return the subscriptions of a session's script, or of programs, oldest first."""
        rows = self._database.rows(
            f"SELECT {_SUBSCRIPTION} FROM subscriptions AS b WHERE ifnull(b.session, 0) = ?"
            " ORDER BY b.key",
            (session or 0,),
        )
        return [subscription_of(row) for row in rows]

    def remove(self, name: str, session: int | None = None) -> bool:
        """End a subscription, with all that waits in it; return whether there was one."""
        found = self.find(name, session)
        if found is not None:
            self._remove(found.key)
        with self._published:
            self._published.notify_all()
        return found is not None

    def remove_all(self, session: int) -> None:
        """End all subscriptions of a session's script."""
        self._database.write("DELETE FROM subscriptions WHERE session = ?", (session,))

    def _remove(self, key: int) -> None:
        """Remove a subscription; its queue first, in portions, because others want to write."""
        while self._database.write(_SOME, (key,)):
            pass
        self._database.write("DELETE FROM subscriptions WHERE key = ?", (key,))

    # ── receiving ────────────────────────────────────────────────────────────────────────

    def next(self, key: int, after: int = 0) -> BusEvent | None:
        """Return the first event that waits in a subscription, and leave it there.

        Args:
            key: The subscription's.
            after: Only events of a greater sequence.
        """
        while (row := self._database.row(_NEXT, (key, after))) is not None:
            event = event_of(row)
            if event.expires is None or event.expires > self._clock():
                return event
            self.forget(key, event.sequence)
        return None

    def take(self, key: int, sequence: int) -> None:
        """Note that an event was received: no one gets it from this subscription again."""
        with self._database:
            was_there = self.forget(key, sequence)
            self._database.write(
                "UPDATE subscriptions SET taken = taken + 1, dropped = max(dropped - ?, 0),"
                " position = max(position, ?), seen_at = ? WHERE key = ?",
                (0 if was_there else 1, sequence, self._clock(), key),
            )

    def forget(self, key: int, sequence: int) -> bool:
        """Take an event out of a queue unheard, and return whether it was there."""
        sql = "DELETE FROM deliveries WHERE subscription = ? AND sequence = ?"
        return self._database.write(sql, (key, sequence)) > 0

    def may_still_hear(self, hearer: str, event: BusEvent, *, own_only: bool) -> bool:
        """Return whether a session's script may have an event that waits for it.

        Of a session that is gone it may: it was allowed when that was published.

        Args:
            hearer: Id of the session whose script listens.
            event: The event.
            own_only: The script acts as no session that it merely loaded.
        """
        of = event.session_id
        if may_hear(self._database, hearer, of, event.type, self._clock(), own_only=own_only):
            return True
        return self._database.row("SELECT 1 FROM sessions WHERE id = ?", (of,)) is None

    def take_next(self, key: int) -> BusEvent | None:
        """Take the first event that waits, and return it; None where none does."""
        if self.next(key) is None:  # without a transaction, which others would wait for
            return None
        with self._database:
            event = self.next(key)
            if event is not None:
                self.take(key, event.sequence)
            return event

    def wait(self, seconds: float) -> None:
        """Wait until something was published by this process, at most so long."""
        with self._published:
            self._published.wait(seconds)

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has a transaction open, so that nobody could publish."""
        with self._database.mutex:  # another thread's transaction has ended once it is ours
            return self._database.in_transaction

    # ── care ─────────────────────────────────────────────────────────────────────────────

    def prune(self, *, dry_run: bool = False) -> tuple[int, int]:
        """Remove what has expired, and the subscriptions of processes that have died.

        In small transactions, so that nobody waits long.

        Returns:
            How many events and how many subscriptions.
        """
        expired = "SELECT count(*) FROM bus_events WHERE expires <= ?"
        count = int(self._database.value(expired, (self._clock(),)))
        if dry_run:
            return count, len(self._dead(with_others=True))
        while self._database.write(
            "DELETE FROM deliveries WHERE (subscription, sequence) IN (SELECT subscription,"
            " sequence FROM deliveries JOIN bus_events USING (sequence) WHERE expires <= ?"
            f" LIMIT {_AT_ONCE})",
            (self._clock(),),
        ):
            pass
        return count, self._remove_dead(with_others=True)

    def _remove_dead(self, *, with_others: bool) -> int:
        dead = self._dead(with_others=with_others)
        for key in dead:
            self._remove(key)
        return len(dead)

    def _dead(self, *, with_others: bool) -> builtins.list[int]:
        """Return the keys of subscriptions whose processes have died.

        Args:
            with_others: Also those elsewhere, that were not heard of for a day.
        """
        before = self._clock() - _GONE_AFTER if with_others else 0
        rows = self._database.rows(
            "SELECT key, owner, seen_at FROM subscriptions WHERE owner IS NOT NULL"
        )
        return [key for key, owner, seen in rows if self._is_dead(owner, before - seen)]

    def _is_dead(self, owner: bytes, unseen: int) -> bool:
        told = values.decode(owner)
        there = Holder(**told)
        here = Holder.current()
        if here.boot_id and (there.boot_id, there.pid_namespace) == (
            here.boot_id, here.pid_namespace
        ):  # fmt: skip
            return not there.is_alive(self._clock())
        return unseen > 0


def _this_process() -> dict[str, Any]:
    here = Holder.current()
    return {
        "pid": here.pid, "start_time": here.start_time, "boot_id": here.boot_id,
        "pid_namespace": here.pid_namespace, "host": here.host,
    }  # fmt: skip
