"""Frames of the protocol's base: a header that says how long, and that many bytes of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable

MOST_BYTES = 16 * 1024 * 1024
"""Longest message that is read; a longer one is passed over."""

_MOST_HEADER = 4096
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,18})[ \t]*", re.IGNORECASE)
_OTHER = re.compile(rb"content-type:[^\r\n]*", re.IGNORECASE)
_NAME = b"content-length:"
_SEPARATOR = b"\r\n\r\n"


class Malformed(Exception):
    """What came is no frame; says why. What comes behind it can be read.

    Attributes:
        in_step: Whether the next frame begins right behind it.
    """

    def __init__(self, message: str, *, in_step: bool) -> None:
        super().__init__(message)
        self.in_step = in_step


class FrameReader:
    """Reads frames from a stream of bytes.

    Args:
        read: Returns the next bytes, at least one; none at the stream's end.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._kept = bytearray()
        self._lost = False

    def next(self) -> bytes | None:
        """Return the content of the next frame; None at the stream's end.

        Raises:
            Malformed: It has a header that is none, or is too long.
        """
        if self._lost and not self._find_header():
            return None
        while (end := self._kept.find(_SEPARATOR)) < 0:
            if len(self._kept) > _MOST_HEADER:
                raise self._lose(1, f"a header is longer than {_MOST_HEADER} bytes")
            if not self._more():
                return None
        header = bytes(self._kept[:end])
        length = _length_of(header)
        if length is None:
            raise self._lose(_behind(header), f"{header[:80]!r} is no header with a Content-Length")
        del self._kept[: end + len(_SEPARATOR)]
        if length > MOST_BYTES:
            self._pass_over(length)
            raise Malformed(
                f"a message of {length} bytes is longer than {MOST_BYTES}", in_step=True
            )
        while len(self._kept) < length:
            if not self._more():
                return None
        content = bytes(self._kept[:length])
        del self._kept[:length]
        return content

    def _more(self) -> bool:
        data = self._read()
        self._kept += data
        return bool(data)

    def _lose(self, passed: int, message: str) -> Malformed:
        self._lost = True
        del self._kept[:passed]
        return Malformed(message, in_step=False)

    def _find_header(self) -> bool:
        """Pass over everything up to the next header; return whether there is one."""
        while (at := bytes(self._kept).lower().find(_NAME)) < 0:
            del self._kept[: max(0, len(self._kept) - len(_NAME))]
            if not self._more():
                return False
        del self._kept[:at]
        self._lost = False
        return True

    def _pass_over(self, length: int) -> None:
        left = length - len(self._kept)
        del self._kept[:length]
        while left > 0 and self._more():
            left -= len(self._kept)
            keep = -left if left < 0 else 0
            del self._kept[: len(self._kept) - keep]


def _behind(header: bytes) -> int:
    """Return where to look for the next header: behind this one, or behind what is before it."""
    at = header.lower().rfind(_NAME)
    glued = at > 0 and header[at - 1 : at] != b"\n"
    return at if glued else len(header) + len(_SEPARATOR)


def _length_of(header: bytes) -> int | None:
    found = None
    for line in header.split(b"\r\n"):
        match = _LENGTH.fullmatch(line)
        if match is not None and found is None:
            found = int(match[1])
        elif match is not None or not _OTHER.fullmatch(line):
            return None
    return found


def framed(content: bytes) -> bytes:
    """Return a frame with that content."""
    return b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
