"""What artifacts may be called and said to be: names, types, MIME types, tags, fields."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from respell import values
from respell.artifacts.record import DEFAULT_MIME, DEFAULT_TYPE, SHOWN_TYPES
from respell.errors import UsageError

MAX_NAME_BYTES = 255
MAX_TAG_BYTES = 64
MAX_TAGS = 100
MAX_TYPE_BYTES = 64
MAX_DESCRIPTION_BYTES = 16 * 1024
MAX_CUSTOM_BYTES = 64 * 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s_-]+")
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_MIME = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|\"[^\"\\\x00-\x1f]*\"))*")

# The table that comes with Python, without what this machine's files add to it.
_MIME_TYPES = mimetypes.MimeTypes(filenames=())
for _suffix, _type in (
    (".jsonl", "application/jsonl"),
    (".log", "text/plain"),
    (".lua", "text/x-lua"),
    (".md", "text/markdown"),
    (".toml", "application/toml"),
    (".yaml", "application/yaml"),
    (".yml", "application/yaml"),
):
    _MIME_TYPES.add_type(_type, _suffix)


def check_text(call: str, what: str, value: object) -> str:
    """Return a value that has to be a text.

    Args:
        call: What was called, for the error.
        what: What the value is, for the error.
        value: The value.

    Raises:
        UsageError: It is none, or has bytes that are not UTF-8.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    elif not isinstance(value, bytes):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        shown = value if is_number else "nil" if value is None else f"a {kind_of(value)}"
        raise UsageError(f"{call}: {what} must be a string, not {shown}")
    raise UsageError(f"{call}: {what} must be UTF-8 text; these bytes are not")


def _is_plain(value: object, most: int) -> TypeGuard[str]:
    """Whether this is a text that needs no closer look, as nearly all are."""
    return type(value) is str and 0 < len(value) <= most and value.isascii() and value.isprintable()


def kind_of(value: object) -> str:
    """Return what a value is called in errors, for Lua and Python alike."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    names: dict[type, str] = {bool: "boolean", dict: "table", list: "table", bytes: "string"}
    return names.get(type(value), type(value).__name__)


def check_name(call: str, name: object) -> str:
    """Return an artifact's name.

    Args:
        call: What was called, for the error.
        name: The name.

    Raises:
        UsageError: It is no text, empty, too long, or could be taken for a path.
    """
    if not _is_plain(name, MAX_NAME_BYTES):
        name = check_text(call, "name", name)
        size = len(name.encode())
        if not 1 <= size <= MAX_NAME_BYTES:
            raise UsageError(f"{call}: name must have 1 to {MAX_NAME_BYTES} bytes, not {size}")
        if _CONTROL.search(name):
            raise UsageError(f"{call}: name must have no control characters: {name!r:.80}")
    if "/" in name or "\\" in name or ".." in name:
        raise UsageError(
            f"{call}: name must have no path separator and no '..': {name!r:.80}. "
            "Folders can be told by tags or custom fields"
        )
    return name


def check_type(call: str, kind: object) -> str:
    """Return an artifact's type in lower snake case; the default for None.

    Raises:
        UsageError: It is no short text.
    """
    if kind is None:
        return DEFAULT_TYPE
    if not isinstance(kind, str) or not kind.isprintable():
        raise UsageError(f"{call}: type must be a text such as ToolResult, not {kind!r:.80}")
    plain = _BOUNDARY.sub("_", kind.strip()).strip("_").lower()
    if not 1 <= len(plain.encode()) <= MAX_TYPE_BYTES:
        raise UsageError(
            f"{call}: type must have 1 to {MAX_TYPE_BYTES} bytes, not {len(plain.encode())}; "
            f"there are {', '.join(SHOWN_TYPES.values())}, and any other name"
        )
    # Written without any boundary, the four are still themselves.
    return next((it for it in SHOWN_TYPES if it.replace("_", "") == plain), plain)


def check_mime(call: str, mime: object) -> str | None:
    """Return a MIME type, or None where none was given.

    Raises:
        UsageError: It is none.
    """
    if mime is None:
        return None
    mime = check_text(call, "mime_type", mime)
    if _MIME.fullmatch(mime) is None:
        raise UsageError(f"{call}: mime_type must look like text/plain, not {mime!r:.80}")
    return mime


def check_tags(call: str, tags: object) -> list[str]:
    """Return tags without duplicates, in the order they were given.

    Raises:
        UsageError: They are no list, too many, or one of them is no short text without
            control characters.
    """
    if not isinstance(tags, list | tuple) and (
        isinstance(tags, str | bytes | Mapping) or not isinstance(tags, Iterable)
    ):
        raise UsageError(f"{call}: tags must be a list of strings")
    checked = list(dict.fromkeys([_tag(call, i, tag) for i, tag in enumerate(tags, 1)]))
    if len(checked) > MAX_TAGS:
        raise UsageError(f"{call}: there may be {MAX_TAGS} tags, not {len(checked)}")
    return checked


def _tag(call: str, place: int, tag: object) -> str:
    if _is_plain(tag, MAX_TAG_BYTES):
        return tag
    what = f"tags[{place}]"
    text = check_text(call, what, tag)
    size = len(text.encode())
    if not text:
        raise UsageError(f"{call}: {what} must not be empty")
    if size > MAX_TAG_BYTES:
        raise UsageError(f"{call}: {what} may have {MAX_TAG_BYTES} bytes; this one has {size}")
    if not text.isprintable():
        raise UsageError(f"{call}: {what} must not have control characters: {text!r}")
    return text


def check_description(call: str, description: object) -> str:
    """Return a description; empty for None.

    Raises:
        UsageError: It is no text, or too long.
    """
    text = "" if description is None else check_text(call, "description", description)
    size = len(text.encode())
    if size > MAX_DESCRIPTION_BYTES:
        raise UsageError(
            f"{call}: description may have {MAX_DESCRIPTION_BYTES} bytes; this one has {size}. "
            "What is longer is content"
        )
    return text


def check_custom(call: str, custom: object) -> dict[str, Any]:
    """Return custom fields as plain data.

    Raises:
        UsageError: They are no table with names, no plain data, or too large.
    """
    if custom is None:
        return {}
    if not isinstance(custom, Mapping):
        raise UsageError(f"{call}: custom fields are a table with names (name = value)")
    for name in custom:
        if not isinstance(name, str):
            raise UsageError(f"{call}: names of custom fields must be strings, not {name!r:.40}")
    try:
        encoded = values.encode(dict(custom))
    except (UsageError, UnicodeEncodeError) as error:
        raise UsageError(f"{call}: custom fields: {error}") from None
    if len(encoded) > MAX_CUSTOM_BYTES:
        raise UsageError(
            f"{call}: custom fields may have {MAX_CUSTOM_BYTES} bytes; these have "
            f"{len(encoded)}. What is larger is content"
        )
    fields: dict[str, Any] = values.decode(encoded)
    return fields


def mime_of(name: str, *, is_value: bool) -> str:
    """Return the MIME type of content by its name; of a table, JSON's."""
    if is_value:
        return "application/json"
    at = name.rfind(".")
    return DEFAULT_MIME if at <= 0 else _mime_of_suffix(name[at:])


@lru_cache(maxsize=256)
def _mime_of_suffix(suffix: str) -> str:
    found, encoding = _MIME_TYPES.guess_type(f"name{suffix}")
    return DEFAULT_MIME if found is None or encoding is not None else found
