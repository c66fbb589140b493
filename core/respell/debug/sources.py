"""The sources of a session: its script and what that loaded, files and chunks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from respell.debug.chunks import Chunks
from respell.debug.execution import Execution
from respell.debug.worker import as_text
from respell.errors import UsageError
from respell.history.events import events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.values import unicode


@dataclass(frozen=True, slots=True)
class SourceText:
    """One source.

    Attributes:
        name: Chunk name, as stops show it.
        text: Its bytes.
        file: The file it was read from; what is there now may be something else. None for a
            chunk that `load` made.
        event: The event that loaded it; 1 for the script itself, 0 for a chunk.
    """

    name: str
    text: bytes
    file: Path | None
    event: int


class Sources:
    """Those of one session, by chunk name.

    Attributes:
        chunks: Those that `load` made.
    """

    def __init__(self, store: Store, session: SessionRecord, execution: Execution) -> None:
        self._store, self._session, self._execution = store, session, execution
        self.chunks = Chunks(execution)
        self._found: dict[str, SourceText] = {}
        self._up_to = 0
        self._open: set[int] = set()  # events that may still bring one

    def all(self) -> dict[str, SourceText]:
        """Return the files, and after them those chunks whose texts were asked for."""
        found = dict(self._files())
        for name, text in self.chunks.known().items():
            found.setdefault(name, _of_chunk(name, text))
        return found

    def _files(self) -> dict[str, SourceText]:
        """Return all files that were loaded by what is recorded, the script first."""
        last = self._execution.last_event
        if self._up_to < last:
            program = self._execution.program
            if not self._found:
                name = unicode(program.name)
                file = program.script_dir / name
                self._found[name] = SourceText(name, program.source, file, 1)
            first, self._up_to = self._up_to + 1, last
            self._read(first, last)
        for number in sorted(self._open):
            self._open.discard(number)
            self._read(number, number)
        return self._found

    def _read(self, first: int, last: int) -> None:
        program = self._execution.program
        for event in events(self._store, self._session.key, first, last):
            outcome = event.outcome
            if not event.ended and event.name in ("module.load", "file.open"):
                self._open.add(event.number)
            if not isinstance(outcome, dict) or outcome.get("error"):
                continue
            if event.name == "module.load":
                name, text = as_text(outcome["path"]), _as_bytes(outcome["source"])
                folder = program.script_dir
            elif event.name == "file.open" and event.args.get("mode") == "r":
                name = as_text(event.args.get("path"))
                if not name.endswith(".lua") or not outcome.get("hash"):
                    continue
                text, folder = self._store.blobs.get(outcome["hash"]), program.cwd
            else:
                continue
            self._found.setdefault(name, SourceText(name, text, folder / name, event.number))

    def named(self, name: str, *, chunks: bool = True) -> SourceText:
        """Return a source by its name, path, or the end of one.

        Args:
            name: The name; of a chunk also what the script called it, or # and digits.
            chunks: Also those that `load` made: to find one the session may have to be executed.

        Raises:
            UsageError: The session has no such source, or several chunks have that name.
            Cancelled: It was cancelled.
        """
        found = self._files()
        for known in found.values():
            if name in (known.name, str(known.file)):
                return known
        for known in found.values():
            if name.endswith("/" + known.name) or known.name.endswith("/" + name):
                return known
        # A path is no name that one gives a chunk by: nothing has to be executed to find that out.
        chunk = self.chunks.named(name) if chunks and not Path(name).is_absolute() else None
        if chunk is not None:
            return _of_chunk(*chunk)
        raise UsageError(f"the session has no source {name}; it ran {', '.join(found)}")


def _of_chunk(name: str, text: bytes) -> SourceText:
    return SourceText(name, text, None, 0)


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
