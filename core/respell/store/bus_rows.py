"""What goes through the event bus: events and subscriptions, and what they may be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.times import SECOND, rfc3339

MAX_TYPE_BYTES = 255
MAX_TTL_S = 10 * 365 * 86400

MAX_SUBSCRIPTIONS = 100
"""Most subscriptions that the script of one session has at a time."""


def name_of(number: int) -> str:
    """Return what a script calls the subscription that it made in an event of this number."""
    return f"subscription-{number}"


@dataclass(frozen=True, slots=True)
class BusEvent:
    """Something that happened, as a subscription gets it.

    Attributes:
        sequence: Rises with every event that is written; says which came first.
        id: A UUID.
        type: e.g. `session.completed`, or a name of the publisher's own.
        data: A value.
        session_id: Id of the session it is of; None for none.
        correlation_id: What it belongs to: its session's id, unless its publisher said another.
        cause: Id of a session and number of the event in its history that made it happen.
        source: Who tells: `respell`, `script` or `python`.
        language: The language of the publisher.
        target_language: The one it is meant for; None for any.
        at: When, µs since 1970 UTC.
        expires: When it is no longer delivered, likewise; None for never.
        dropped: How many events the subscription has lost so far, because too many waited.
    """

    sequence: int
    id: str
    type: str
    data: Any
    session_id: str | None
    correlation_id: str
    cause: tuple[str, int] | None
    source: str
    language: str
    target_language: str | None
    at: int
    expires: int | None
    dropped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as scripts get it; what is None is not there."""
        ttl = None if self.expires is None else (self.expires - self.at) / SECOND
        shown = {
            "id": self.id,
            "event_type": self.type,
            "type": self.type,
            "data": self.data,
            "timestamp": rfc3339(self.at),
            "sequence": self.sequence,
            "correlation_id": self.correlation_id,
            "session_id": self.session_id,
            "caused_by": None if self.cause is None else f"{self.cause[0]}/{self.cause[1]}",
            "language": self.language,
            "target_language": self.target_language,
            "ttl": ttl,
            "metadata": {"source": self.source, "source_language": self.language},
            "serialization_version": "1.0",
            "dropped": self.dropped or None,
        }
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """One subscription.

    Attributes:
        key: The store's key.
        session: Key of the session whose script listens; None for a program outside of any.
        name: What its owner calls it.
        pattern: A type, `*`, or the beginning of types and a star.
        about: Only events of the session of this id; None for all.
        language: The language of the listener.
        own_only: It hears no sessions that its script merely loaded.
        position: Sequence of the last event taken.
        taken: How many were taken.
        dropped: How many were lost, because too many waited.
        waiting: How many wait.
        created_at: When it was made, µs since 1970 UTC.
    """

    key: int
    session: int | None
    name: str
    pattern: str
    about: str | None
    language: str
    own_only: bool
    position: int
    taken: int
    dropped: int
    waiting: int
    created_at: int


def check_type(type: object, call: str = "publish", what: str = "type") -> str:
    """Return what has to be the type of an event, or a name in the same form.

    Raises:
        UsageError: It is none; says what is allowed.
    """
    text = _checked(type, what, call)
    if "*" in text:
        raise UsageError(f"{call}: {what} has no star; only patterns of subscriptions do: {text!r}")
    return text


def check_pattern(pattern: object, call: str = "subscribe") -> str | None:
    """Check a pattern of types; return what types have to begin with, None for an exact one.

    Raises:
        UsageError: It is none; says what is allowed.
    """
    text = _checked(pattern, "pattern", call)
    if "*" not in text:
        return None
    if text.index("*") != len(text) - 1:
        raise UsageError(
            f"{call}: pattern is a type ('session.completed'), '*' for all, or the beginning of "
            f"types and one star at its end ('session.*'), not {text!r}"
        )
    return text[:-1]


def _checked(text: object, what: str, call: str) -> str:
    if not isinstance(text, str):
        raise UsageError(f"{call}: {what} must be a string")
    if not text or len(text.encode(errors="surrogatepass")) > MAX_TYPE_BYTES:
        raise UsageError(f"{call}: {what} has 1 to {MAX_TYPE_BYTES} bytes, not {len(text)}")
    if not text.isprintable() or " " in text:
        raise UsageError(
            f"{call}: {what} must have no spaces and no control characters: {text!a:.80}"
        )
    return text


def ttl_us(seconds: float | None) -> int | None:
    """Return a lifetime given in seconds, in µs.

    Raises:
        UsageError: It is none.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UsageError("publish: ttl_seconds must be a number above 0")
    if not 0 < seconds <= MAX_TTL_S:
        raise UsageError(
            f"publish: ttl_seconds must be above 0 and at most {MAX_TTL_S}, not {seconds:g}"
        )
    return max(int(seconds * SECOND), 1)


def event_of(row: tuple[Any, ...]) -> BusEvent:
    """Return the event of a row, whose last column is how many were dropped."""
    sequence, event_id, kind, data, session, correlation, of, number, *rest, dropped = row
    source, language, target, at, expires = rest
    return BusEvent(
        sequence, event_id, kind, values.decode(data), session, correlation,
        None if of is None else (of, number), source, language, target, at, expires, dropped,
    )  # fmt: skip


def subscription_of(row: tuple[Any, ...]) -> SubscriptionRecord:
    """Return the subscription of a row."""
    key, session, name, pattern, about, language, own_only, *numbers = row
    return SubscriptionRecord(
        key, session, name, pattern, about, language, bool(own_only), *numbers
    )
