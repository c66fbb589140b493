"""What artifacts may be called: names, types and MIME types."""

from __future__ import annotations

import mimetypes
import re

from respell.artifacts.record import DEFAULT_MIME, DEFAULT_TYPE, SHOWN_TYPES
from respell.errors import UsageError

MAX_NAME_BYTES = 255
MAX_TAG_BYTES = 64
MAX_TYPE_BYTES = 64

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


def check_name(call: str, name: str) -> str:
    """Return an artifact's name.

    Args:
        call: What was called, for the error.
        name: The name.

    Raises:
        UsageError: It is empty, too long, or could be taken for a path.
    """
    size = len(name.encode())
    if not 1 <= size <= MAX_NAME_BYTES:
        raise UsageError(f"{call}: name must have 1 to {MAX_NAME_BYTES} bytes, not {size}")
    if "/" in name or "\\" in name or ".." in name:
        raise UsageError(
            f"{call}: name must have no path separator and no '..': {name!r:.80}. "
            "Folders can be told by tags or custom fields"
        )
    if any(ord(it) < 0x20 or 0x7F <= ord(it) < 0xA0 for it in name):
        raise UsageError(f"{call}: name must have no control characters: {name!r:.80}")
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


def check_mime(call: str, mime: str | None) -> str | None:
    """Return a MIME type.

    Raises:
        UsageError: It is none.
    """
    if mime is not None and _MIME.fullmatch(mime) is None:
        raise UsageError(f"{call}: mime_type must look like text/plain, not {mime!r:.80}")
    return mime


def mime_of(name: str, *, is_value: bool) -> str:
    """Return the MIME type of content by its name; of a table, JSON's."""
    if is_value:
        return "application/json"
    found, encoding = _MIME_TYPES.guess_type(name)
    return DEFAULT_MIME if found is None or encoding is not None else found
