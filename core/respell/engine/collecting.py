"""Artifacts that the host stores by itself: what tools return and what agents answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from blake3 import blake3

from respell import values
from respell.artifacts.collector import Collected, Collection, collected, is_collected
from respell.artifacts.record import ArtifactRecord
from respell.artifacts.storing import over_limits
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store

_LARGE = 256 * 1024  # is written outside of the transaction, because it waits for the disk


class Collecting:
    """Turns outcomes of one session's effects into artifacts.

    Args:
        store: Where they go.
        session: The session that runs.
        settings: What is collected.
    """

    def __init__(self, store: Store, session: SessionRecord, settings: Collection) -> None:
        self._store = store
        self._begun_before = session.events  # up to here events were begun by earlier hosts
        self._key = session.key
        self._id = session.id
        self._settings = settings
        self._begun: dict[int, bytes] = {}  # arguments of calls with events inside, by number
        self._seen: set[int] = set()  # those of them whose outcome was collected

    def heard(self, record: Record) -> Callable[[], bool] | None:
        """Take in what the worker recorded of itself: a tool written in Lua has no outcome.

        Returns:
            What stores the artifact, as `of_outcome` does; None where nothing is collected.
        """
        if not is_collected(self._settings, record.name):
            return None
        if record.part is Part.BEGIN:
            self._begun[record.number] = record.args
        elif record.part is Part.END:
            args = self._begun.pop(record.number, None)
            known = record.number in self._seen
            self._seen.discard(record.number)
            if not known and record.status is Status.OK:
                if args is None:  # it was begun by an earlier host, which may have collected it
                    if self._store.artifacts.of_event(self._key, record.number):
                        return None
                    args = self._recorded_arguments(record.number)
                return self.of_outcome(replace(record, args=args), record.outcome)
        return None

    def of_outcome(self, effect: Record, outcome: bytes) -> Callable[[], bool] | None:
        """Return what stores an outcome as an artifact; None where it is not collected.

        Args:
            effect: The effect, with its number, name and arguments.
            outcome: Canonical bytes of what it came to.

        Returns:
            A function to be called in the transaction that records the outcome. It tells
            whether it stored something: a session at its limits collects nothing more.
        """
        if not is_collected(self._settings, effect.name):
            return None
        if effect.number in self._begun or effect.number <= self._begun_before:
            self._seen.add(effect.number)
        found = collected(
            self._settings, self._id, effect.number, effect.name,
            values.decode(effect.args), values.decode(outcome),
        )  # fmt: skip
        if found is None:
            return None
        if len(found.content) > _LARGE:
            self._store.blobs.put(found.content)
        return lambda: self._keep(found, effect.number)

    def _recorded_arguments(self, number: int) -> bytes:
        for _, record in self._store.history.events(self._key, number, number):
            return record.args
        return b""

    def _keep(self, found: Collected, number: int) -> bool:
        content, artifacts = found.content, self._store.artifacts
        address = blake3(content).digest()
        place = artifacts.place(self._key, found.name, address)
        if over_limits(place, len(content)) is not None:
            return False
        is_new = not place.knows_content
        artifacts.insert(
            ArtifactRecord(
                session_key=self._key,
                name=found.name,
                content_hash=address,
                size=len(content),
                artifact_type=found.kind,
                mime_type=found.mime,
                tags=list(self._settings.tags),
                custom=found.custom,
                is_value=found.is_value,
                created_by=self._id,
                event=number,
            ),
            blob=self._store.blobs.add_at(address, content, is_new=is_new),
            place=place,
        )
        return True
