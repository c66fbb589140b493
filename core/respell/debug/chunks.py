"""Chunks that a script made by `load`: which there are, and what their texts are.

No text is recorded: a re-execution makes the same chunks again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from respell.debug.changes import Listed
from respell.debug.execution import Execution
from respell.debug.worker import DebugWorker, as_text
from respell.errors import UsageError

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of a text that is had."""

_KEPT_BYTES, _MOST_KEPT = MOST_BYTES, 256
_AT_ONCE_BYTES = 1 << 20
_MOST_LISTED = 10_000
_SHOWN = 8
_MARK = re.compile(r"(?P<name>.*)#(?P<digest>[0-9a-f]{12})", re.DOTALL)
_DIGITS = re.compile(r"#(?P<digest>[0-9a-f]{4,11})")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk that a script made by `load`.

    Attributes:
        name: The name it was given, and behind a # the digest of name and text: of chunks that
            have both in common there is one.
        size: Bytes of its text.
        event: The event after which it was made for the first time.
    """

    name: str
    size: int
    event: int


def is_chunk(name: str) -> bool:
    """Whether a name is that of a chunk, unless it is a file's."""
    return _MARK.fullmatch(name) is not None


def given_name(name: str) -> str:
    """Return the name that a script gave a chunk, as events have it; of others their name."""
    match = _MARK.fullmatch(name)
    return match["name"] if match else name


class Chunks:
    """Those of one execution.

    Args:
        execution: What is re-executed.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._listed: tuple[int, Listed[Chunk]] | None = None

    def known(self) -> dict[str, bytes]:
        """Return the texts that were asked for, the last of them, by name."""
        return dict(self._texts)

    def all(self) -> Listed[Chunk]:
        """Return all of them in the order of time, 10,000 at most, by running the recording once.

        Raises:
            Cancelled: It was cancelled.
        """
        last = self._execution.last_event
        if self._listed is None or self._listed[0] != last:
            self._execution.begin_asking()
            report = self._execution.scan(chunks=_MOST_LISTED)
            found = (
                Chunk(as_text(one["name"]), one["size"], one["event"])
                for one in report["chunks"] or []
            )
            more = bool(report.get("more_chunks"))
            self._listed = last, Listed(found, more=more)
        return self._listed[1]

    def named(self, name: str) -> tuple[str, bytes] | None:
        """Return full name and text of the chunk that a name means; None if there is none.

        Args:
            name: Its name, the name that the script gave it, or # and the first digits (4 or
                more) of what stands there.

        Raises:
            UsageError: It means several, or the text is too long.
            Cancelled: It was cancelled.
        """
        if name in self._texts:
            self._texts.move_to_end(name)
            return name, self._texts[name]
        if (match := _MARK.fullmatch(name)) is not None:
            return self._with_text(match["digest"])
        meant = _meant([one.name for one in self.all()], name)
        if len(meant) > 1:
            shown = ", ".join(meant[:_SHOWN]) + (", …" if len(meant) > _SHOWN else "")
            raise UsageError(f"{name} means {len(meant)} chunks; say which: {shown}")
        return self.named(meant[0]) if meant else None

    def _with_text(self, digest: str) -> tuple[str, bytes] | None:
        here = self._execution.here
        found = _read(here, digest) if here is not None and not here.closed else None
        if found is None:
            self._execution.begin_asking()
            with self._execution.scanned(chunk=digest) as (worker, report):
                if report["reason"] == "chunk":
                    found = _read(worker, digest)
        if found is not None:
            self._texts[found[0]] = found[1]
            while len(self._texts) > 1 and (
                len(self._texts) > _MOST_KEPT or sum(map(len, self._texts.values())) > _KEPT_BYTES
            ):
                self._texts.popitem(last=False)
        return found


def _meant(names: Iterable[str], name: str) -> list[str]:
    """Return those of some chunks' names that a name means."""
    if (digits := _DIGITS.fullmatch(name)) is not None:
        return [one for one in names if one.rpartition("#")[2].startswith(digits["digest"])]
    return [one for one in names if given_name(one) == name]


def _read(worker: DebugWorker, digest: str) -> tuple[str, bytes] | None:
    """Return name and text of a chunk, if a worker has it."""
    text = bytearray()
    while True:
        said = worker.ask("chunk_text", chunk=digest, first=len(text), count=_AT_ONCE_BYTES)
        if not said:
            return None
        name, size, piece = as_text(said["name"]), said["size"], said["bytes"]
        if size > MOST_BYTES:
            raise UsageError(
                f"the text of {name} has {size:,} bytes; {MOST_BYTES:,} are the most that is shown"
            )
        text += piece.encode() if isinstance(piece, str) else piece
        if len(text) >= size:
            return name, bytes(text)
