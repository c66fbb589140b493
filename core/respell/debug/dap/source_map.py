"""Sources as clients know them: by path where the file is as it was recorded, else by number."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from respell.debug.chunks import is_chunk
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.shown import clean
from respell.debug.sources import SourceText

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

CHECKSUMS = ("MD5", "SHA1", "SHA256")
"""Algorithms that checksums of sources are given by."""

_ALGORITHMS = {"MD5": hashlib.md5, "SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
_MADE = "made by load"
_MOST_FILE_BYTES = 64 * 1024 * 1024

OnDisk = Literal["same", "changed", "gone"]


class SourceMap:
    """The sources of the session that is debugged."""

    def __init__(self, session: DapSession) -> None:
        self._session = session
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._compared: dict[Path, tuple[tuple[int, int], bytes, bool]] = {}

    # To the client -----------------------------------------------------------------------

    def all(self) -> list[SourceText]:
        """Return all sources."""
        return self._session.debugger.sources()

    def is_known(self, name: str) -> bool:
        """Whether a name is that of a source, so that its text can be asked for."""
        return is_chunk(name) or any(one.name == name for one in self.all())

    def source_of(self, name: str) -> Body | None:
        """Return a source by its name; None for no name."""
        if not name:
            return None
        found = next((one for one in self.all() if one.name == name), None)
        if found is not None:
            return self.shown(found)
        shown: Body = {"name": clean(name), "origin": _MADE}
        if is_chunk(name):  # its text is looked for when it is asked for
            return shown | {"sourceReference": self.number(name)}
        return shown | {"presentationHint": "deemphasize"}

    def shown(self, source: SourceText) -> Body:
        """Return a source: a path to open, or a number to ask for the recorded text by."""
        if source.file is None:
            return {
                "name": clean(source.name), "origin": _MADE,
                "sourceReference": self.number(source.name),
            }  # fmt: skip
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
            shown["sourceReference"] = self.number(source.name)
            shown["origin"] = f"as it was recorded; the file {_now(on_disk)}"
        return shown

    def number(self, name: str) -> int:
        """Return the number of a source, which stays the same."""
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        self._names[number] = name
        return number

    def on_disk(self, source: SourceText) -> OnDisk:
        """Return how the file is now; a chunk that `load` made has none to differ from."""
        if source.file is None:
            return "same"
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
        name = args.text("name", "")
        if number in self._names or (number and is_chunk(name)):
            # Numbers of another run of the adapter mean nothing here; names of chunks do.
            return self._session.debugger.source(self._names.get(number, name))
        if number:
            raise Refused(f"there is no source of the number {number}", Code.STALE)
        path = args.text("path", "") or name
        if not path:
            raise Refused(
                f"{args.command}: source has neither a path nor a sourceReference; use the "
                "script's own file",
                Code.ARGUMENTS,
            )
        file = self._session.who.our_path(path)
        real = os.path.realpath(file)
        files = [(one, one.file) for one in self.all() if one.file is not None]
        for one, recorded in files:
            if real == os.path.realpath(recorded) or path == one.name:
                return one
        if is_chunk(path):
            return self._session.debugger.source(path)
        for one, _ in files:
            # The session may have run elsewhere: on another machine, or before a move.
            if one.name.rpartition("/")[2] == file.name and _holds(file, one.text):
                return one
        names = ", ".join(clean(one.name) for one, _ in files)
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
