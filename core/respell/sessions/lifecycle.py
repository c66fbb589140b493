"""Which status a session may change to which."""

from __future__ import annotations

from types import MappingProxyType

from respell.errors import InvalidTransition, UsageError

ACTIVE = "active"
SUSPENDED = "suspended"
COMPLETED = "completed"
FAILED = "failed"
ARCHIVED = "archived"

TRANSITIONS = MappingProxyType(
    {
        ACTIVE: (SUSPENDED, COMPLETED, FAILED),
        SUSPENDED: (ACTIVE, COMPLETED, FAILED),
        COMPLETED: (ARCHIVED,),
        FAILED: (ARCHIVED,),
        ARCHIVED: (),
    }
)
"""The statuses that may follow each status."""

STATUSES = tuple(TRANSITIONS)
ENDED = frozenset((COMPLETED, FAILED, ARCHIVED))
"""Statuses a session does not run again from."""


def is_status(text: str) -> bool:
    """Whether this is one of the five statuses."""
    return text in TRANSITIONS


def check_status(text: str) -> str:
    """Return the status itself.

    Raises:
        UsageError: There is no such status; names those there are.
    """
    if text not in TRANSITIONS:
        raise UsageError(f"{text!r} is not a status; choose one of {', '.join(STATUSES)}")
    return text


def may_become(current: str, wanted: str) -> bool:
    """Whether a session of this status may change to the wanted one."""
    return wanted in TRANSITIONS[check_status(current)]


def check_transition(current: str, wanted: str, *, session: str) -> None:
    """Do nothing when a session may change from one status to the other.

    Args:
        current: The status it has.
        wanted: The status it shall have.
        session: Its id or name, for the error.

    Raises:
        InvalidTransition: It may not; names both statuses and what is allowed.
        UsageError: One of the two is not a status.
    """
    check_status(wanted)
    if may_become(current, wanted):
        return
    allowed = TRANSITIONS[current]
    choice = f"it can become {' or '.join(allowed)}" if allowed else "nothing follows this status"
    raise InvalidTransition(
        f"session {session} is {current} and can't become {wanted}: {choice}",
        current=current,
        wanted=wanted,
    )
