"""A throw-away store for what a dry run does to its session's state and artifacts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from respell import values
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.effect import Kind
from respell.engine import effects
from respell.engine.effects import EffectContext
from respell.engine.hooked import WrittenApart
from respell.engine.performing import Outcome, attempt
from respell.engine.program import Program
from respell.history.record import Part, Record, Status
from respell.sessions.inheritance import aliases_of
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolRegistry

_FAMILIES = ("state", "artifact")
_ELSEWHERE = ("ArtifactNotFound", "SessionNotFound", "PermissionDenied")


class Overlay:
    """What the script sets and stores, as it stood at some record and goes on from there.

    Args:
        store: Where the session is; only read.
        session: The session.
        program: What it runs.
        before: The records up to there.
    """

    def __init__(
        self, store: Store, session: SessionRecord, program: Program, before: Iterable[Record]
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="respell-dry-run-")
        self._store = Store(self._folder.name, durability="process")
        self._aliases = aliases_of(store, session)
        self._program = program
        self._scopes = {f"session:{one}" for one in (session.id, *self._aliases)}
        self._known: set[tuple[str, str]] = set()  # values set in scopes that others share
        self._session = self._store.sessions.insert(
            replace(session, key=0, fork_of=None, fork_seq=0, status="active")
        )
        # What is stored anew gets numbers that nothing recorded has.
        self._sequence = store.artifacts.place(session.key, "").sequence
        apart = WrittenApart()
        for record in before:
            written = apart.next(record)
            for one in (written, record if record.part is Part.EFFECT else None):
                if one is not None and one.status is Status.OK and self._is_ours(one.name):
                    self._do_again(one)

    @staticmethod
    def _is_ours(name: str) -> bool:
        return name.partition(".")[0] in _FAMILIES

    def _do_again(self, record: Record) -> None:
        args = record.arguments()
        ctx = self._context(record.number, record.value())
        effect = effects.lookup(record.name)
        if effect.manner(ctx, args).kind is not Kind.STORED or not self._knows(record.name, args):
            return
        attempt(lambda: effect.perform(ctx, args))  # what fails was about what is elsewhere

    def _context(self, number: int, before: Any) -> EffectContext:
        return EffectContext(
            session=self._session, store=self._store, permissions=self._program.permissions,
            script_dir=self._program.script_dir, cwd=self._program.cwd, tools=ToolRegistry(),
            number=number, aliases=self._aliases, again=True, before=before,
        )  # fmt: skip

    def perform(
        self, name: str, encoded: bytes, number: int, recorded: Outcome | None = None
    ) -> Outcome | None:
        """Do it here; None where only the real store would know what comes of it.

        Args:
            name: The effect's name.
            encoded: Canonical bytes of its arguments.
            number: Of its event.
            recorded: What came of the same call when it was recorded.
        """
        args = values.decode(encoded) or {}
        if name.startswith("state.") and not self._knows(name, args):
            return None
        before = None if recorded is None else values.decode(recorded.value)
        if before is None:
            before = {"sequence": self._sequence + 1}
        ctx = self._context(number, before)
        effect = effects.lookup(name)
        done = attempt(lambda: effect.perform(ctx, args))
        if name.startswith("artifact.") and done.status is Status.OK and recorded is None:
            self._sequence += effect.manner(ctx, args).kind is Kind.STORED
        return None if done.error_class in _ELSEWHERE else done

    def _knows(self, name: str, args: dict[str, Any]) -> bool:
        scope = args.get("scope")
        if not name.startswith("state.") or scope is None or scope in self._scopes:
            return True
        place = (str(scope), str(args.get("key")))
        if name == "state.set":
            self._known.add(place)
        return name == "state.set" or place in self._known

    def artifacts(self, after: int) -> list[ArtifactRecord]:
        """Return the artifacts that events after a number made, oldest first."""
        found = self._store.artifacts.list(ArtifactQuery(session_id=self._session.id))
        made = [one for one in found if one.event is not None and one.event > after]
        return sorted(made, key=lambda one: one.sequence)

    def read(self, one: ArtifactRecord) -> bytes:
        """Return the content of one of them."""
        return self._store.blobs.get(one.content_hash)

    def close(self) -> None:
        """Throw it away."""
        self._store.close()
        self._folder.cleanup()
