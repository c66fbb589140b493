"""Rows as an export holds them: columns as they are in the store, checked one by one.

A file may come from anywhere, so nothing in it is believed: every column has to be what this
program would have written there.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.access import ADMIN, KINDS, READ
from respell.artifacts import naming
from respell.errors import UsageError
from respell.policies.limits import ALL, LIMITS, RATE
from respell.policies.rates import Rate
from respell.sessions.lifecycle import check_status
from respell.sessions.record import SessionRecord, no_usage
from respell.store.blob_forms import HASH_SIZE

_MAX_TEXT = 2**29  # scripts may describe what they store as long as they like
_MAX_LIST = 1_000_000
_MAX_TARGET = 1000
_MAX_NUMBER = 2**62
_MAX_TIME = 253_402_300_800_000_000  # the end of the year 9999, in µs since 1970 UTC
_MAX_SIZE = 2**50
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX_HASH = re.compile(r"[0-9a-f]{64}")
_POSITION = re.compile(r"[0-9]{1,18}\+[0-9]{1,18}")

Check = Callable[[Any], Any]


def _text(raw: Any, *, most: int = _MAX_TEXT) -> str:
    if not isinstance(raw, str) or len(raw) > most:
        raise ValueError(f"no text of at most {most} characters")
    return raw


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    def check(raw: Any) -> str:
        if not isinstance(raw, str) or pattern.fullmatch(raw) is None:
            raise ValueError(f"not {what}")
        return raw

    return check


def _whole(least: int, most: int) -> Check:
    def check(raw: Any) -> int:
        if type(raw) is not int or not least <= raw <= most:
            raise ValueError(f"no whole number from {least} to {most}")
        return raw

    return check


def _or_none(check: Check, otherwise: Callable[[], Any] = lambda: None) -> Check:
    return lambda raw: otherwise() if raw is None else check(raw)


def _address(raw: Any) -> bytes:
    if not isinstance(raw, bytes) or len(raw) != HASH_SIZE:
        raise ValueError("no hash of 32 bytes")
    return raw


def _path(raw: Any) -> str:
    if not isinstance(raw, bytes) or len(raw) > _MAX_TEXT:
        raise ValueError("no path")
    return os.fsdecode(raw)


def _json(raw: Any) -> Any:
    try:
        return json.loads(_text(raw), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _texts(raw: Any) -> list[str]:
    found = _json(raw)
    if (
        not isinstance(found, list)
        or len(found) > _MAX_LIST
        or not all(isinstance(it, str) for it in found)
    ):
        raise ValueError("no list of texts")
    return found


def _tags(raw: Any) -> list[str]:
    """Return a list of texts that can be searched for, as those from a command line need not."""
    found = _texts(raw)
    for tag in found:
        naming.check_text("it", "a tag", tag)
    return found


def _numbers(found: Any) -> dict[str, Any]:
    """Return a map of numbers by name, none of them negative."""
    if not isinstance(found, dict) or len(found) > _MAX_LIST:
        raise ValueError("no map")
    for number in found.values():
        if type(number) not in (int, float) or not math.isfinite(number) or number < 0:
            raise ValueError("no map of numbers from 0")
    return found


def _usage(raw: Any) -> dict[str, Any]:
    return {**no_usage(), **_numbers(_json(raw))}


def _limits(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = _json(raw)
    rates = _rates(dict(found).pop(RATE, {}))
    numbers = _numbers({name: limit for name, limit in found.items() if name != RATE})
    if not numbers.keys() <= {*LIMITS}:
        raise ValueError(f"there are {', '.join(LIMITS)} and {RATE}")
    return {**numbers, RATE: rates} if rates else numbers


def _rates(raw: Any) -> dict[str, str]:
    table = raw if isinstance(raw, dict) else {ALL: raw}
    if len(table) > _MAX_LIST:
        raise ValueError("no table of rates")
    try:
        return {name: str(Rate.parse(rate)) for name, rate in table.items()}
    except UsageError as error:
        raise ValueError(str(error)) from None


def _value(raw: Any) -> Any:
    if not isinstance(raw, bytes):
        raise TypeError("no value")
    return values.decode(raw)


def _map(raw: Any) -> dict[Any, Any]:
    found = _value(raw)
    if not isinstance(found, dict):
        raise TypeError("no map")
    return found


def _error(raw: Any) -> dict[Any, Any]:
    found = _map(raw)
    if not isinstance(found.get("message", ""), (str, bytes)):
        raise TypeError("its message is no text")
    return found


_NUMBER = _whole(0, _MAX_NUMBER)
_TIME = _whole(0, _MAX_TIME)

_SESSION: dict[str, Check] = {
    "id": _matching(_ID, "the id of a session"),
    "name": _text,
    "description": _text,
    "status": lambda raw: check_status(_text(raw, most=20)),
    "script": _or_none(_path),
    "script_hash": _or_none(_matching(_HEX_HASH, "a hash")),
    "args": _or_none(_texts, list),
    "tags": _or_none(_tags, list),
    "metadata": _or_none(_map, dict),
    "parent_session_id": _or_none(_text),
    "forked_from": _or_none(_matching(_ID, "the id of a session")),
    "forked_at": _or_none(_matching(_POSITION, "a position")),
    "created_by": _or_none(_text),
    "created_at": _TIME,
    "updated_at": _TIME,
    "ended_at": _or_none(_TIME),
    "usage": _or_none(_usage, no_usage),
    "limits": _or_none(_limits, dict),
    "waiting_for": _or_none(_map),
    "error": _or_none(_error),
    "input": _or_none(_value),
}
SESSION_COLUMNS = (*_SESSION, "sequence")
"""Columns of a session that its export holds, and its input."""

_ARTIFACT: dict[str, Check] = {
    "sequence": _whole(1, _MAX_NUMBER),
    "name": lambda raw: naming.check_name("it", _text(raw)),
    "version": _whole(1, _MAX_NUMBER),
    "content_hash": _address,
    "previous_hash": _or_none(_address),
    "artifact_type": _text,
    "mime_type": lambda raw: naming.check_mime("it", _text(raw)),
    "size": _whole(0, _MAX_SIZE),
    "description": _text,
    "tags": _or_none(_tags, list),
    "custom": _or_none(_map, dict),
    "is_value": _whole(0, 1),
    "created_at": _TIME,
    "created_by": _or_none(_text),
    "parent_artifact": _or_none(_text),
    "event": _or_none(_NUMBER),
    "deleted": _whole(0, 1),
}
ARTIFACT_COLUMNS = tuple(_ARTIFACT)
"""Columns of an artifact that an export holds."""

STATE_SCOPES = {"session": "session:", "aliases": "respell:aliases:"}
"""Scopes of the state that belong to a session, and what stands before its id in them."""

_STATE: dict[str, Check] = {
    "scope": lambda raw: STATE_SCOPES[raw],
    "key": _text,
    "value": _value,
    "updated_at": _TIME,
}


_GRANT: dict[str, Check] = {
    "kind": lambda raw: KINDS[KINDS.index(raw)],
    "target": lambda raw: _text(raw, most=_MAX_TARGET),
    "grantee": _matching(_ID, "the id of a session"),
    "level": _whole(READ, ADMIN),
    "expires_at": _or_none(_TIME),
    "granted_by": lambda raw: _text(raw, most=_MAX_TARGET),
    "granted_at": _TIME,
}
GRANT_COLUMNS = tuple(_GRANT)
"""Columns of a grant that an export holds."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of an export.

    Attributes:
        record: The session, without anything about its history.
        sequence: The number of its last artifact.
    """

    record: SessionRecord
    sequence: int


def session_row(columns: Any, *, redacted: bool) -> SessionRow:
    """Return the session of these columns.

    Raises:
        ValueError: One is missing or nothing that could stand there; names it.
    """
    if not isinstance(columns, dict) or set(columns) != set(SESSION_COLUMNS):
        raise ValueError("it has not the columns of a session")
    fields = _checked(_SESSION, columns)
    if (fields["script"] is None) != (fields["script_hash"] is None):
        raise ValueError("it has a script without a hash, or a hash without a script")
    sequence = _checked({"sequence": _NUMBER}, columns)["sequence"]
    return SessionRow(SessionRecord(**fields, redacted=redacted), sequence)


def artifact_row(columns: Any) -> Sequence[Any]:
    """Return the columns of an artifact, in the order of `ARTIFACT_COLUMNS`.

    Raises:
        ValueError: One is missing or nothing that could stand there; names it.
    """
    row = _row(columns, ARTIFACT_COLUMNS)
    found = _checked(_ARTIFACT, row)
    if naming.check_type("it", found["artifact_type"]) != found["artifact_type"]:
        raise ValueError(f"there is no type {found['artifact_type']!r:.80}")
    if any(len(tag.encode()) > naming.MAX_TAG_BYTES for tag in found["tags"]):
        raise ValueError("a tag is too long")
    if any(not isinstance(key, str) for key in found["custom"]):
        raise ValueError("the name of a custom field is no text")
    return list(row.values())


def grant_row(columns: Any) -> Sequence[Any]:
    """Return the columns of a grant, in the order of `GRANT_COLUMNS`.

    Raises:
        ValueError: One is nothing that could stand there; names it.
    """
    row = _row(columns, GRANT_COLUMNS)
    found = _checked(_GRANT, row)
    is_number = found["target"].isascii() and found["target"].isdecimal()
    if found["kind"] == "artifact" and not is_number:
        raise ValueError("a grant of an artifact should have its number")
    return list(row.values())


def state_row(columns: Any) -> tuple[str, str, bytes, int]:
    """Return the beginning of a scope's name, key, value and time of one value of the state.

    Raises:
        ValueError: One is nothing that could stand there; names it.
    """
    row = _row(columns, tuple(_STATE))
    checked = _checked(_STATE, row)
    return checked["scope"], row["key"], row["value"], row["updated_at"]


def _row(columns: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(columns, list) or len(columns) != len(names):
        raise ValueError(f"a row has not the {len(names)} columns it should have")
    return dict(zip(names, columns, strict=True))


def _checked(checks: Mapping[str, Check], columns: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, check in checks.items():
        try:
            found[name] = check(columns[name])
        except (UsageError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"its {name} is wrong: {error}") from None
    return found
