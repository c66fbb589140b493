"""Points in time: microseconds since 1970 UTC inside, RFC 3339 text outside."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from respell.errors import UsageError

SECOND = 1_000_000
"""Microseconds of one second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    """Return the present time of the system's clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def rfc3339(at: int) -> str:
    """Return a time as RFC 3339 text in UTC, e.g. `2026-11-22T10:00:00.250000Z`.

    Args:
        at: Microseconds since 1970 UTC.
    """
    return moment(at).isoformat(timespec="microseconds")[:-6] + "Z"


def moment(at: int) -> datetime:
    """Return a time as an aware `datetime` in UTC.

    Args:
        at: Microseconds since 1970 UTC.
    """
    return _EPOCH + timedelta(microseconds=at)


def microseconds(when: datetime | str) -> int:
    """Return the microseconds since 1970 UTC of a point in time.

    Args:
        when: A `datetime` (UTC where it is naive), or a text as `parse_rfc3339` takes it.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(when, str):
        return parse_rfc3339(when)
    if not isinstance(when, datetime):
        raise UsageError(f"{when!r} is not a time: give a datetime, or 2026-11-22T10:00:00Z")
    aware = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (aware - _EPOCH) // _MICROSECOND


def parse_rfc3339(text: str) -> int:
    """Return the microseconds since 1970 UTC of an RFC 3339 or ISO 8601 text.

    Args:
        text: e.g. `2026-11-22T10:00:00Z`, `2026-11-22`; without an offset it is UTC.

    Raises:
        UsageError: It is not such a text.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: write it as 2026-11-22T10:00:00Z or 2026-11-22"
        ) from None
    return microseconds(when)
