"""Making sessions without program: the same options and rules from Lua and from Python."""

from __future__ import annotations

from typing import Any

from respell.engine.effects.arguments import Arguments
from respell.engine.limits import LIMITS
from respell.sessions.record import SessionRecord

OPTIONS = (
    "name", "description", "tags", "metadata", "parent", "parent_session_id", "max_duration",
    "max_idle_time", "limits", "rate", "created_by",
)  # fmt: skip
"""The names of all options."""

MAX_TAG_BYTES = 255
MAX_NAME_BYTES = 255


def record_of(call: str, options: object, *, creator: str, parent: str | None) -> SessionRecord:
    """Return the record of a new session, yet to be inserted.

    Args:
        call: The call as its caller writes it; begins every error.
        options: Values by the names in `OPTIONS`; None where nothing was given.
        creator: Id of the session that creates it, or who else does.
        parent: Id of the session it belongs below, looked up by the caller.

    Raises:
        UsageError: An option is unknown or wrong; says what is allowed.
    """
    given = Arguments(call, options, OPTIONS)
    metadata = given.table("metadata")
    named = given.text("created_by", most=MAX_NAME_BYTES)
    if named and named != creator:
        # Whom somebody names; the session that really created it decides who acts as it.
        metadata = {**metadata, "created_by": named}
    return SessionRecord(
        name=given.text("name", most=MAX_NAME_BYTES) or "",
        description=given.text("description") or "",
        tags=given.texts("tags", most=MAX_TAG_BYTES),
        metadata=metadata,
        parent_session_id=parent,
        limits=_limits(call, given),
        created_by=creator,
    )


def _limits(call: str, given: Arguments) -> dict[str, Any]:
    nested = Arguments(call, given.table("limits"), tuple(LIMITS), what="limit")
    limits: dict[str, Any] = {}
    for name, kind in LIMITS.items():
        value = nested.integer(name, least=1) if kind is int else nested.positive(name)
        if name in ("max_duration", "max_idle_time"):
            value = given.positive(name) or value
        if value is not None:
            limits[name] = kind(value)
    rate = given.given("rate")
    if isinstance(rate, dict):
        rates = Arguments(call, rate)
        limits["rate"] = {str(name): rates.positive(name) for name in rate}
    elif rate is not None:
        limits["rate"] = given.positive("rate")
    return limits
