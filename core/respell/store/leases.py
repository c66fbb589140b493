"""Leases: which process may append to a session."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from respell.errors import LeaseLost, SessionBusy, SessionNotFound
from respell.store import processes
from respell.store.database import Database
from respell.times import SECOND, rfc3339

HEARTBEAT_EVERY = 2.0
"""Seconds between two `renew` calls of a host."""

EXPIRES_AFTER = 8 * SECOND
"""Microseconds after the last heartbeat when a holder elsewhere counts as dead."""

_COLUMNS = "pid, start_time, boot_id, pid_namespace, host, since, heartbeat"
_TAKE = (
    f"INSERT INTO leases (session, token, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (session) DO UPDATE SET token = max(token + 1, excluded.token),"
    " pid = excluded.pid,"
    " start_time = excluded.start_time, boot_id = excluded.boot_id,"
    " pid_namespace = excluded.pid_namespace, host = excluded.host, since = excluded.since,"
    " heartbeat = excluded.heartbeat, debugger = NULL, debugger_start = NULL, step = NULL"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a session.

    Attributes:
        pid: Its process id.
        start_time: When it started, in a unit of its system's own; tells a reused pid apart.
        boot_id: Which boot of the machine it runs in.
        pid_namespace: Within which its pid counts (a container has its own).
        host: Name of the machine.
        since: When it took the lease, µs since 1970 UTC.
        heartbeat: When it last renewed it, likewise.
    """

    pid: int
    start_time: int
    boot_id: str
    pid_namespace: str
    host: str
    since: int = 0
    heartbeat: int = 0

    @classmethod
    def current(cls) -> Holder:
        """Return this process."""
        return _this_process(os.getpid())

    def __str__(self) -> str:
        """Return it as shown to people, e.g. `process 812 on lena since 2026-11-22T10:00:00Z`."""
        return f"process {self.pid} on {self.host} since {rfc3339(self.since)[:19]}Z"

    @property
    def is_near(self) -> bool:
        """Whether it is in this boot of this machine and this pid namespace."""
        here = Holder.current()
        place = (here.boot_id, here.pid_namespace)
        return bool(here.boot_id) and (self.boot_id, self.pid_namespace) == place

    def is_alive(self, now: int) -> bool:
        """Whether the process still lives, as far as can be told from here.

        On the same boot and in the same pid namespace pid and start time decide at once;
        otherwise its heartbeat must not be older than 8 seconds.

        Args:
            now: µs since 1970 UTC.
        """
        if self.is_near:
            return processes.start_time(self.pid) == self.start_time
        # A heartbeat from the future means that a clock was set back.
        return abs(now - self.heartbeat) <= EXPIRES_AFTER


@dataclass(frozen=True, slots=True)
class Hold:
    """A debugger's hold on a session that runs: it goes on only as far as it is let.

    Attributes:
        pid: The debugger's process id, in the host's own namespace.
        start_time: When that process started, in a unit of its system's own.
        step: Number of the last step that was made, as who asked for it chose it.
    """

    pid: int
    start_time: int
    step: int = 0

    @classmethod
    def current(cls, step: int = 0) -> Hold:
        """Return one of this process."""
        here = Holder.current()
        return cls(here.pid, here.start_time, step)

    @property
    def is_alive(self) -> bool:
        """Whether the debugger's process still lives."""
        return processes.start_time(self.pid) == self.start_time

    @property
    def is_ours(self) -> bool:
        """Whether it is this process's."""
        return self.same_process(Hold.current())

    def same_process(self, other: Hold) -> bool:
        """Whether another hold is of the same process."""
        return (self.pid, self.start_time) == (other.pid, other.start_time)

    def after(self, step: int) -> Hold:
        """Return the same one after a step."""
        return Hold(self.pid, self.start_time, step)


@lru_cache(maxsize=1)
def _this_process(pid: int) -> Holder:
    return Holder(
        pid=pid,
        start_time=processes.start_time(pid) or 0,
        boot_id=processes.boot_id(),
        pid_namespace=processes.pid_namespace(),
        host=socket.gethostname(),
    )


class Leases:
    """Who holds which session: `store.leases`."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def acquire(self, session: int, holder: Holder | None = None) -> int:
        """Take a session and return the fencing token to append with.

        Args:
            session: The session's key.
            holder: Who takes it; None for this process.

        Raises:
            SessionBusy: A live holder (this process included) has it; says who and since when.
            SessionNotFound: There is no such session.
        """
        taker = holder or Holder.current()
        with self._database:
            session_id = self._database.value(
                "SELECT id FROM sessions WHERE key = ? AND NOT deleted", (session,)
            )
            if session_id is None:
                raise SessionNotFound(f"there is no session with key {session}")
            present = self.holder(session)
            if present is not None:
                raise SessionBusy(
                    f"session {session_id} is held by {present}; "
                    f"`respell suspend {session_id}` asks it to let go",
                    holder=str(present),
                )
            now = self._clock()
            self._database.write(
                _TAKE,
                (
                    session,
                    now,  # a token made of the time suits no other session that gets this key
                    taker.pid,
                    taker.start_time,
                    taker.boot_id,
                    taker.pid_namespace,
                    taker.host,
                    now,
                    now,
                ),
            )
            return int(
                self._database.value("SELECT token FROM leases WHERE session = ?", (session,))
            )

    def renew(self, session: int, token: int) -> None:
        """Record a sign of life; due every 2 seconds.

        Raises:
            LeaseLost: Another holder has taken the session over, or it was given up.
        """
        sql = "UPDATE leases SET heartbeat = ? WHERE session = ? AND token = ? AND pid IS NOT NULL"
        if not self._database.write(sql, (self._clock(), session, token)):
            present = self.holder(session)
            raise LeaseLost(
                f"the session with key {session} is not held by this process any more"
                + (f": {present} has taken it over" if present else "")
            )

    def release(self, session: int, token: int) -> None:
        """Give the session up; does nothing where the lease is another's already."""
        # The row stays: the next holder's token has to be a new one.
        self._database.write(
            "UPDATE leases SET pid = NULL, debugger = NULL WHERE session = ? AND token = ?",
            (session, token),
        )

    def holder(self, session: int) -> Holder | None:
        """Return the live holder of a session; None where there is none or it died."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM leases WHERE session = ? AND pid IS NOT NULL", (session,)
        )
        if row is None:
            return None
        holder = Holder(*row)
        return holder if holder.is_alive(self._clock()) else None

    def set_hold(self, session: int, token: int, hold: Hold | None) -> None:
        """Say which debugger holds a session; its host does, under its lease."""
        self._database.write(
            "UPDATE leases SET debugger = ?, debugger_start = ?, step = ?"
            " WHERE session = ? AND token = ?",
            (hold and hold.pid, hold and hold.start_time, hold and hold.step, session, token),
        )

    def hold(self, session: int) -> Hold | None:
        """Return a debugger's hold on a session; None where there is none, or no live host."""
        row = self._database.row(
            "SELECT debugger, debugger_start, step FROM leases WHERE session = ?"
            " AND debugger IS NOT NULL",
            (session,),
        )
        return Hold(*row) if row is not None and self.holder(session) is not None else None

    def taken(self) -> int:
        """Return how many sessions are held, by live processes or by ones that died."""
        return int(self._database.value("SELECT count(*) FROM leases WHERE pid IS NOT NULL"))

    def live(self) -> dict[int, Holder]:
        """Return all live holders by session key."""
        now = self._clock()
        rows = self._database.rows(f"SELECT session, {_COLUMNS} FROM leases WHERE pid IS NOT NULL")
        holders = {key: Holder(*row) for key, *row in rows}
        return {key: holder for key, holder in holders.items() if holder.is_alive(now)}
