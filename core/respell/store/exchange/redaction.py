"""Redaction: what matches a pattern is replaced, wherever a person could have put it.

Text is searched as text, and so is what is text inside bytes. What is only part of the form
of a record (numbers of events and lines, times, sizes, the ids of sessions) stays.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from blake3 import blake3

from respell import values
from respell.errors import UsageError
from respell.history.record import Record

REPLACEMENT = "[redacted]"

WINDOW = 2 * 1024 * 1024
"""Content longer than two of these is searched in pieces of this many bytes."""
REACH = 2 * 1024 * 1024
"""So many bytes behind its beginning a match may end in such content."""

_CONTEXT = 64 * 1024  # what a pattern may look back at
_ADDRESS_SIZE = 32
_META = (
    "asked_by",
    "attempts",
    "due",
    "edited",
    "error",
)  # what the host itself notes about an event
_MAX_SHORT = 255  # bytes of a record's name and source
_HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_ARTIFACT_ID = re.compile(r"(?<=/)([0-9]{1,18})/([0-9a-f]{8})(?![0-9a-f])")


@dataclass(slots=True)
class Moved:
    """Content by the address it had, and by the one it has since it was redacted.

    Attributes:
        content: Old address to new one and size; the same one where nothing was redacted.
        gone: Old address to a meaningless one, for content that is not there any more.
        artifacts: (sequence number, first eight digits of the hash) to the digits they become.
    """

    content: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    gone: dict[bytes, bytes] = field(default_factory=dict)
    artifacts: dict[tuple[int, str], str] = field(default_factory=dict)

    def address(self, old: bytes) -> bytes:
        """Return the address that stands for an old one."""
        found = self.content.get(old)
        return self.gone.get(old, old) if found is None else found[0]

    def lost(self, old: bytes) -> bytes:
        """Return the address of content; something meaningless if that is not there any more."""
        if old not in self.content and old not in self.gone:
            # Not made of the old one alone: a hash lets a short secret be guessed.
            self.gone[old] = blake3(secrets.token_bytes(16) + old).digest()
        return self.address(old)

    def artifact(self, sequence: int, old: bytes) -> None:
        """Note the id that an artifact with this content has now."""
        self.artifacts[sequence, old.hex()[:8]] = self.lost(old).hex()[:8]

    def in_text(self, text: str) -> str:
        """Return text with the addresses and ids in it brought up to date."""
        if self.content or self.gone:
            text = _HEX.sub(self._hex, text)
        if self.artifacts:
            text = _ARTIFACT_ID.sub(self._id, text)
        return text

    def _hex(self, match: re.Match[str]) -> str:
        return self.address(bytes.fromhex(match[0])).hex()

    def _id(self, match: re.Match[str]) -> str:
        new = self.artifacts.get((int(match[1]), match[2]))
        return match[0] if new is None else f"{match[1]}/{new}"


class BytesPattern(Protocol):
    """A pattern that is searched in bytes, as `respell.tools.linear_patterns.LinearPattern`."""

    def spans(self, text: bytes, /) -> Iterator[tuple[int, int]]:
        """Return where it is found, from the left, as offsets of begin and end."""
        ...


class _Finder(Protocol):
    """What finds a pattern in text."""

    def spans(self, text: str, at: int = 0) -> Iterator[tuple[int, int]]:
        """Return where it is found from `at` on; what stands before may be looked at."""
        ...


class Redaction:
    """Replaces what matches one of some patterns.

    Attributes:
        replaced: How many matches were replaced so far.
        moved: Content that has another address since.
    """

    def __init__(self, patterns: Sequence[str | BytesPattern]) -> None:
        """Take patterns: texts in the syntax of Python's `re`, or what finds something itself.

        Raises:
            UsageError: One is malformed, or matches the empty text.
        """
        self._finders: list[_Finder] = [
            _Compiled(it) if isinstance(it, str) else _InBytes(it) for it in patterns
        ]
        self.replaced = 0
        self.moved = Moved()

    # ── text and bytes ───────────────────────────────────────────────────────────────────

    def text(self, text: str) -> str:
        """Return text without what matches."""
        for finder in self._finders:
            parts: list[str] = []
            at = 0
            for begin, end in finder.spans(text):
                if end > begin:
                    parts += (text[at:begin], REPLACEMENT)
                    at = end
            if parts:
                self.replaced += len(parts) // 2
                text = "".join(parts) + text[at:]
        return text

    def content(self, data: bytes) -> bytes:
        """Return bytes without what matches in them."""
        text = data.decode(errors="surrogateescape")
        changed = self.text(text)
        return data if changed == text else changed.encode(errors="surrogateescape")

    def stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the content that pieces add up to, without what matches in it.

        A match may end at most `REACH` bytes behind its beginning; memory stays flat.
        """
        for finder in self._finders:
            pieces = self._in_windows(finder, pieces)
        return iter(pieces)

    def _in_windows(self, finder: _Finder, pieces: Iterable[bytes]) -> Iterator[bytes]:
        source = iter(pieces)
        held = b""  # at first `done` bytes that were searched before and may be looked back at
        done = 0
        ended = False
        while not ended:
            parts, size = [held], len(held)
            while size - done < WINDOW + REACH:
                piece = next(source, None)
                if piece is None:
                    ended = True
                    break
                parts.append(piece)
                size += len(piece)
            held = b"".join(parts)
            # A match that begins in the window may end behind it, but not one behind it begin.
            limit = size if ended else _between_characters(held, done + WINDOW)
            searched, rest = self._searched(finder, held, done, limit)
            yield searched
            start = max(0, rest - _CONTEXT)
            start = _between_characters(held, start)
            held, done = held[start:], rest - start

    def _searched(self, finder: _Finder, data: bytes, begin: int, limit: int) -> tuple[bytes, int]:
        """Return what becomes of the bytes from `begin`, and how far that reaches."""
        before = data[:begin].decode(errors="surrogateescape")
        text = before + data[begin:].decode(errors="surrogateescape")
        last = len(before) + len(data[begin:limit].decode(errors="surrogateescape"))
        at = len(before)
        parts: list[str] = []
        for start, end in finder.spans(text, at):
            if start >= last:
                break
            if end > start:
                parts += (text[at:start], REPLACEMENT)
                at = end
                self.replaced += 1
        reached = max(at, last)
        parts.append(text[at:reached])
        rest = text[reached:].encode(errors="surrogateescape")
        return "".join(parts).encode(errors="surrogateescape"), len(data) - len(rest)

    # ── values and records ───────────────────────────────────────────────────────────────

    def value(self, value: Any, *, keep: Sequence[str] = ()) -> Any:
        """Return a value without what matches, in keys as well.

        Args:
            value: See `respell.values`. A number is replaced as a whole if its text matches.
            keep: Keys of the outermost map that stay, and so do numbers they stand for.
        """
        match value:
            case str():
                return self._address_in_text(self.moved.in_text(self.text(value)))
            case bytes():
                return self._address(self.content(value))
            case list() | tuple():
                return [self.value(item) for item in value]
            case dict():
                return self._map(value, keep)
            case bool() | None | values.BooleanKey():
                return value
            case int() | float():
                return self._number(value)
        return value

    def _map(self, value: dict[Any, Any], keep: Sequence[str]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        unique = Unique(made)
        for key, item in value.items():
            if key in keep:
                made[key] = item if isinstance(item, (int, float)) else self.value(item)
                continue
            new = self.value(key)
            if new in made:
                # Only what was replaced can be there twice; bytes get a text for a key then.
                new = unique(new if isinstance(new, str) else repr(new))
            made[new] = self.value(item)
        return made

    def _number(self, value: float) -> Any:
        text = repr(value)
        if any(end > begin for finder in self._finders for begin, end in finder.spans(text)):
            self.replaced += 1
            return REPLACEMENT
        return value

    def _address(self, data: bytes) -> bytes:
        return self.moved.address(data) if len(data) == _ADDRESS_SIZE else data

    def _address_in_text(self, text: str) -> str | bytes:
        """Return text as it is, unless it is an address that happens to be text as well."""
        if len(text) > _ADDRESS_SIZE:
            return text
        data = text.encode(errors="surrogatepass")
        new = self._address(data)
        return text if new == data else new

    def encoded(self, data: bytes, *, keep: Sequence[str] = ()) -> bytes:
        """Return canonical bytes of a value without what matches."""
        if not data:
            return data
        try:
            value = values.decode(data)
            changed = self.value(value, keep=keep)
            # What is as it was keeps its bytes, canonical or not.
            return data if changed == value else values.encode(changed)
        except (UsageError, RecursionError):
            return self.content(data)  # a record may hold bytes that are no value

    def json(self, data: bytes) -> bytes:
        """Return the JSON text of a value without what matches; other bytes as bytes."""
        try:
            value = values.from_json(json.loads(data))
            changed = self.value(value)
            if changed == value:
                return data
            text = json.dumps(values.to_json(changed), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return self.content(data)
        return text.encode()

    def record(self, record: Record) -> Record:
        """Return a record without what matches."""
        shown = record.name.startswith(("output.", "log."))
        return replace(
            record,
            name=self.short(record.name),
            source=self.short(record.source),
            args=self.encoded(record.args, keep=("text",) if shown else ()),
            outcome=self.encoded(record.outcome),
            meta=self.encoded(record.meta, keep=_META),
        )

    def short(self, text: str, most: int = _MAX_SHORT) -> str:
        """Return a short text without what matches, cut to so many bytes."""
        changed = self.text(text)
        return text if changed == text else _cut(changed, most)


class Unique:
    """Makes texts different from those that are there already.

    Args:
        taken: Those; looked at whenever one is asked for.
        most: Bytes of the longest that is allowed.
    """

    def __init__(self, taken: Container[object], most: int | None = None) -> None:
        self._taken = taken
        self._most = most

    def __call__(self, text: str) -> str:
        """Return the text, with a number behind it where it is taken."""
        made, number = text, 1
        while made in self._taken:
            number += 1
            more = f" {number}"
            made = (text if self._most is None else _cut(text, self._most - len(more))) + more
        return made


class _Compiled:
    """A pattern of Python's own."""

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise UsageError(
                f"the pattern {pattern!r} is no regular expression: {error}. To replace just this "
                f"text, write {re.escape(pattern)!r}"
            ) from None
        if self._pattern.search(""):
            raise _matches_everywhere(f"the pattern {pattern!r}")

    def spans(self, text: str, at: int = 0) -> Iterator[tuple[int, int]]:
        return (match.span() for match in self._pattern.finditer(text, at))


class _InBytes:
    """A pattern that searches bytes, made to search text."""

    def __init__(self, pattern: BytesPattern) -> None:
        self._pattern = pattern
        if any(True for _ in pattern.spans(b"")):
            raise _matches_everywhere("a pattern")

    def spans(self, text: str, at: int = 0) -> Iterator[tuple[int, int]]:
        data = text.encode(errors="surrogateescape")
        done = characters = 0
        for begin, end in self._pattern.spans(data):
            first = characters + len(data[done:begin].decode(errors="surrogateescape"))
            characters = first + len(data[begin:end].decode(errors="surrogateescape"))
            done = end
            if characters > at:
                yield max(first, at), characters


def _matches_everywhere(pattern: str) -> UsageError:
    return UsageError(
        f"{pattern} matches the empty text, so it would match everywhere; make it match one "
        "character or more"
    )


def _cut(text: str, most: int) -> str:
    return text.encode(errors="surrogateescape")[:most].decode(errors="ignore")


def _between_characters(data: bytes, at: int) -> int:
    """Return the place, or one up to three bytes before it, where no UTF-8 character is cut."""
    for back in range(min(4, at + 1)):
        if at - back >= len(data) or data[at - back] & 0xC0 != 0x80:
            return at - back
    return at
