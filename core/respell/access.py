"""Who may do what to what is a session's own: the one place that decides.

An artifact, the state and the events of a session belong to it alone, until it grants one of
its things to another session: `read`, `write` (which reads as well) or `admin` (which grants
as well), for good or until a time. Nothing here touches the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from respell.times import rfc3339

READ, WRITE, ADMIN = 1, 2, 3

LEVELS = {"read": READ, "write": WRITE, "admin": ADMIN}
"""The levels by name; each may do what those before it may."""

KINDS = ("artifact", "state", "events")
"""What can be granted."""

_NAMES = {number: name for name, number in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one session lets another do with one of its things.

    Attributes:
        owner_key: The store's key of the session whose it is.
        kind: `artifact`, `state` or `events`.
        target: An artifact's number within its session, a pattern of events; empty for state.
        grantee: Id of the session that may.
        level: 1 read, 2 write, 3 admin.
        expires_at: When it ends, µs since 1970 UTC; None for never.
        granted_by: Id of the session that granted it, or who else did: `cli`, `python`.
        granted_at: When; the store fills it in.
        owner: Id of the session whose it is; the store fills it in.
    """

    owner_key: int
    kind: str
    target: str
    grantee: str
    level: int
    expires_at: int | None = None
    granted_by: str = ""
    granted_at: int = 0
    owner: str = ""

    @property
    def level_name(self) -> str:
        """`read`, `write` or `admin`."""
        return _NAMES[self.level]

    def holds(self, at: int) -> bool:
        """Return whether it still counts at a time (µs since 1970 UTC)."""
        return self.expires_at is None or at < self.expires_at


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something may be done.

    Attributes:
        allowed: Whether it may.
        grant: By which grant; None where the owner itself asks, and where it may not.
        reason: Why not; empty where it may.
    """

    allowed: bool
    grant: Grant | None = None
    reason: str = ""


def decide(
    owner: str,
    grants: Iterable[Grant],
    target: str,
    level: int,
    asks: Callable[[str], bool],
    at: int,
) -> Decision:
    """Decide whether those who ask may do something to a thing.

    Args:
        owner: Id of the session whose thing it is.
        grants: All grants of things of that kind; those of other things don't count.
        target: Which thing: an artifact's number, an event's type or a pattern of types, empty
            for the state.
        level: What is to be done: READ, WRITE or ADMIN.
        asks: Whether the session of an id is one of those who ask.
        at: Now, in µs since 1970 UTC.
    """
    if asks(owner):
        return Decision(True)
    granted = [it for it in grants if covers(it, target) and asks(it.grantee)]
    holding = [it for it in granted if it.holds(at)]
    best = max(holding, key=lambda it: it.level, default=None)
    if best is not None and best.level >= level:
        return Decision(True, best)
    if best is not None:
        reason = f"it was granted {best.level_name}, and this takes {_NAMES[level]}"
    elif granted:
        ended = max(it.expires_at or 0 for it in granted)
        reason = f"what was granted ended at {rfc3339(ended)}"
    else:
        reason = "it was not granted"
    return Decision(False, None, reason)


def covers(grant: Grant, target: str) -> bool:
    """Return whether a grant is of a thing; one of events also of all its pattern matches."""
    if grant.kind != "events" or not grant.target.endswith("*"):
        return grant.target == target
    return target.startswith(grant.target[:-1])
