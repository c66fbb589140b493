"""Sources as clients know them: by path where the file is as it was recorded, else by number."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.shown import clean
from respell.debug.sources import SourceText

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

CHECKSUMS = ("MD5", "SHA1", "SHA256")
"""Algorithms that checksums of sources are given by."""

_ALGORITHMS = {"MD5": hashlib.md5, "SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
_MOST_FILE_BYTES = 64 * 1024 * 1024

OnDisk = Literal["same", "changed", "gone"]


class SourceMap:
    """The sources of the session that is debugged."""

    def __init__(self, session: DapSession) -> None:
        self._session = session
        self._numbers: dict[str, int] = {}
        self._compared: dict[Path, tuple[tuple[int, int], bytes, bool]] = {}

    # To the client -----------------------------------------------------------------------

    def all(self) -> list[SourceText]:
        """Return all sources."""
        return self._session.debugger.sources()

    def known(self, name: str) -> SourceText | None:
        """Return the source of a chunk name; None for a chunk that `load` made."""
        return next((one for one in self.all() if one.name == name), None)

    def source_of(self, name: str) -> Body | None:
        """Return a source by its chunk name; None for no name."""
        if not name:
            return None
        found = self.known(name)
        if found is None:
            return {
                "name": clean(name), "origin": "made by load",
                "presentationHint": "deemphasize",
            }  # fmt: skip
        return self.shown(found)

    def shown(self, source: SourceText) -> Body:
        """Return a source: a path to open, or a number to ask for the recorded text by."""
        shown: Body = {
            "name": clean(source.name),
            "path": self._session.who.path(source.file),
            "checksums": [
                {"algorithm": name, "checksum": _ALGORITHMS[name](source.text).hexdigest()}
                for name in CHECKSUMS
            ],
        }
        on_disk = self.on_disk(source)
        if on_disk != "same":
            shown["sourceReference"] = self.number(source)
            shown["origin"] = f"as it was recorded; the file {_now(on_disk)}"
        return shown

    def number(self, source: SourceText) -> int:
        """Return the number of a source, which stays the same."""
        return self._numbers.setdefault(source.name, len(self._numbers) + 1)

    def on_disk(self, source: SourceText) -> OnDisk:
        """Return how the file is now."""
        try:
            stat = source.file.stat()
            signature = (stat.st_mtime_ns, stat.st_size)
            kept = self._compared.get(source.file)
            if kept is None or kept[:2] != (signature, source.text):
                same = stat.st_size <= _MOST_FILE_BYTES and source.file.read_bytes() == source.text
                self._compared[source.file] = kept = (signature, source.text, same)
        except (OSError, ValueError):
            return "gone"
        return "same" if kept[2] else "changed"

    # From the client ---------------------------------------------------------------------

    def meant(self, args: Arguments) -> SourceText:
        """Return the source that an object of the client means.

        Raises:
            Refused: The session has no such source.
        """
        number = args.integer("sourceReference", 0)
        if number:
            for one in self.all():
                if self._numbers.get(one.name) == number:
                    return one
            raise Refused(f"there is no source of the number {number}", Code.STALE)
        path = args.text("path", "") or args.text("name", "")
        if not path:
            raise Refused(
                f"{args.command}: source has neither a path nor a sourceReference; use the "
                "script's own file",
                Code.ARGUMENTS,
            )
        file = self._session.who.our_path(path)
        real = os.path.realpath(file)
        for one in self.all():
            if real == os.path.realpath(one.file) or path == one.name:
                return one
        for one in self.all():
            # The session may have run elsewhere: on another machine, or before a move.
            if one.name.rpartition("/")[2] == file.name and _holds(file, one.text):
                return one
        names = ", ".join(clean(one.name) for one in self.all())
        raise Refused(f"the session has not run {clean(str(file))}; it ran {names}")

    def remark(self, source: SourceText) -> str:
        """Return what has to be said of lines of a source; empty for nothing."""
        on_disk = self.on_disk(source)
        if on_disk == "same":
            return ""
        return f"the file {_now(on_disk)}; lines are those of the recorded text"


def _now(on_disk: OnDisk) -> str:
    return "is gone" if on_disk == "gone" else "has changed since"


def _holds(file: Path, text: bytes) -> bool:
    try:
        return file.stat().st_size == len(text) and file.read_bytes() == text
    except (OSError, ValueError):
        return False
