"""Limits of sessions without program: nothing runs in them that could be stopped.

They are looked at when a script is about to change one; what is reached is an error that is
recorded, so it is the same at every re-execution.
"""

from __future__ import annotations

from respell.policies.limits import ALL, Reached, reached, table_of_rates
from respell.policies.rates import Rate
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import SECOND


def over_limits(session: SessionRecord, operations: int, now: int) -> Reached | None:
    """Return the limit because of which a session without program takes no change any more.

    Args:
        session: The session as it is now.
        operations: How many changes it has taken.
        now: The present time, µs since 1970 UTC.
    """
    limits = session.limits
    if reached(limits, "operations", operations):
        return Reached("operations", f"it took {operations} changes")
    age = (now - session.created_at) / SECOND
    if reached(limits, "max_duration", age):
        return Reached("max_duration", f"it was created {age:.1f} s ago")
    idle = (now - session.updated_at) / SECOND
    if reached(limits, "max_idle_time", idle - limits.get("idle_grace", 0.0)):
        return Reached("max_idle_time", f"it was changed {idle:.1f} s ago, and not since")
    return None


def over_rate(store: Store, session: SessionRecord, effect: str, now: int) -> Reached | None:
    """Take a token for a change to a session without program, or return the rate it has none of.

    The tokens are kept in the store: several scripts may change one session.

    Args:
        store: Where it is; inside of the transaction that makes the change.
        session: The session as it is now.
        effect: The effect that changes it.
        now: The present time, µs since 1970 UTC.
    """
    rates = table_of_rates(session.limits)
    wanted = {name: Rate.parse(rates[name]) for name in (ALL, effect) if name in rates}
    if not wanted:
        return None
    short = store.rates.take(
        {f"{session.id}:{name}": rate for name, rate in wanted.items()}, now, reserve=False
    )
    if short is None:
        return None
    name = short.name.partition(":")[2]
    return Reached(f"rate.{name}", f"it takes {rates[name]}, and the next in {short.wait_s:.1f} s")
