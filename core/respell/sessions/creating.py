"""What a new session may be called and have: the same rules on every way to make one.

Scripts, Python and the command line make sessions without program (`record_of`) and
sessions that run one (`checked_name`, `checked_tags`, `checked_words`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from respell.arguments import Arguments
from respell.errors import UsageError
from respell.policies.limits import LIMITS, RATE, check_limits
from respell.sessions.record import SessionRecord

OPTIONS = (
    "name", "description", "tags", "metadata", "parent", "parent_session_id", "max_duration",
    "max_idle_time", "limits", "rate", "created_by",
)  # fmt: skip
"""The names of all options."""

MAX_TAG_BYTES = 255
MAX_NAME_BYTES = 255


def checked_name(call: str, name: str) -> str:
    """Return the name of a session; it may be empty.

    Args:
        call: What the name was given to; begins every error.
        name: The name.

    Raises:
        UsageError: It is no text, or too long.
    """
    return Arguments(call, {"name": name}).text("name", most=MAX_NAME_BYTES) or ""


def checked_tags(call: str, tags: Iterable[str]) -> list[str]:
    """Return the tags of a session, each once, in the order they were given.

    Args:
        call: What the tags were given to; begins every error.
        tags: The tags.

    Raises:
        UsageError: They are no list, or one of them is empty, too long or has control
            characters.
    """
    return Arguments(call, {"tags": plain(tags)}).texts("tags", most=MAX_TAG_BYTES)


def checked_words(call: str, name: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return a list of any texts, such as a program's arguments.

    Args:
        call: What they were given to; begins every error.
        name: What they are.
        words: The texts.

    Raises:
        UsageError: They are no list of texts.
    """
    several, arguments = plain(words), Arguments(call, {})
    if not isinstance(several, list):
        raise arguments.wrong(name, "a list of strings", several)
    for i, one in enumerate(several, 1):
        if not isinstance(one, str):
            raise arguments.wrong(f"{name}[{i}]", "a string", one)
    return tuple(several)


def name_of_fork(original: str) -> str:
    """Return what a fork is called that nobody gave a name."""
    suffix = " (fork)"
    room = MAX_NAME_BYTES - len(suffix)
    data = original.encode()
    return (original if len(data) <= room else data[:room].decode(errors="ignore")) + suffix


def plain(value: Any) -> Any:
    """Return a collection in the form that options are checked in: a list, or a dict."""
    if value is None or isinstance(value, str | bytes | bytearray | dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Iterable) else value


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
    nested = Arguments(call, given.table("limits"), (*LIMITS, RATE), what="limit")
    limits: dict[str, Any] = {}
    for name, kind in LIMITS.items():
        value = nested.integer(name, least=1) if kind is int else nested.positive(name)
        if name in ("max_duration", "max_idle_time"):
            value = given.positive(name) or value
        if value is not None:
            limits[name] = kind(value)
    for one in (nested.given(RATE), given.given(RATE)):
        if one is not None and one != []:  # an empty Lua table is no table of names yet
            limits[RATE] = {**limits.get(RATE, {}), **_checked(call, {RATE: one}).get(RATE, {})}
    return limits


def _checked(call: str, limits: dict[str, Any]) -> dict[str, Any]:
    try:
        return check_limits(limits)
    except UsageError as error:
        raise UsageError(f"{call}: {str(error).removeprefix('the limit ')}") from None
