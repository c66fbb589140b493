"""Leases: which process may append to a session."""

from __future__ import annotations

from dataclasses import dataclass


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
        raise NotImplementedError

    def __str__(self) -> str:
        """Return it as shown to people, e.g. `process 812 on lena since 2026-…Z`."""
        raise NotImplementedError

    def is_alive(self, now: int) -> bool:
        """Whether the process still lives, as far as can be told from here.

        On the same boot and in the same pid namespace pid and start time decide at once;
        otherwise its heartbeat must not be older than 8 seconds.
        """
        raise NotImplementedError


class Leases:
    """Who holds which session: `store.leases`."""

    def acquire(self, session: int, holder: Holder | None = None) -> int:
        """Take a session and return the fencing token to append with.

        Args:
            session: The session's key.
            holder: Who takes it; None for this process.

        Raises:
            SessionBusy: A live holder (this process included) has it; says who and since when.
            SessionNotFound: There is no such session.
        """
        raise NotImplementedError

    def renew(self, session: int, token: int) -> None:
        """Record a sign of life; due every 2 seconds.

        Raises:
            LeaseLost: Another holder has taken the session over.
        """
        raise NotImplementedError

    def release(self, session: int, token: int) -> None:
        """Give the session up; does nothing where the lease is another's already."""
        raise NotImplementedError

    def holder(self, session: int) -> Holder | None:
        """Return the live holder of a session; None where there is none or it died."""
        raise NotImplementedError

    def live(self) -> dict[int, Holder]:
        """Return all live holders by session key."""
        raise NotImplementedError
