"""Artifacts that a dry run's outcomes become by themselves, as the session's did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from blake3 import blake3

from respell.artifacts.collector import TAG, Collected, Collection, collected
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.debug.rehearsal import Rehearsed
from respell.history.events import Event, events
from respell.history.record import Record
from respell.sessions.record import SessionRecord
from respell.store import Store

_KINDS = {"tool.invoke": "tool_result", "agent.request": "agent_output"}


def collected_again(
    store: Store, view: Store, session: SessionRecord, made: Rehearsed
) -> tuple[list[ArtifactRecord], set[int]]:
    """Return what is collected in a dry run, and the events whose recorded artifacts those replace.

    An outcome that was taken from a recorded event is collected where that one's was. Another
    one is collected where the session collects such outcomes at all.

    Args:
        store: Where the session is as it was recorded.
        view: The same, with the dry run's history.
        session: The session.
        made: How the dry run came about.
    """
    found = _Again(store, view, session, made)
    return found.artifacts()


class _Again:
    def __init__(self, store: Store, view: Store, session: SessionRecord, made: Rehearsed) -> None:
        self._store, self._view, self._session, self._made = store, view, session, made
        own = [Record.unpack(body) for body in made.own]
        self._replaced = {
            Record.unpack(body).number for body in made.replaced.values()
        }  # fmt: skip
        self._numbers = self._replaced | {one.number for one in own}
        self._sequence = max(
            [store.artifacts.place(session.key, "").sequence]
            + [one.sequence for one in view.artifacts.list(ArtifactQuery(session_id=session.id))]
        )
        self._collects: dict[str, bool] = {}

    def artifacts(self) -> tuple[list[ArtifactRecord], set[int]]:
        """Return them, and the events that are not as they were recorded."""
        made: list[ArtifactRecord] = []
        about: set[int] = set()
        for event in self._changed():
            if event.number in self._replaced:
                about.add(event.number)
            if not event.ended or event.error is not None:
                continue
            before = self._recorded(self._made.taken.get(event.number, event.number), event.name)
            is_taken = event.number in self._made.taken
            if (before is None) if is_taken else not self._collects_such(event.name):
                continue
            found = collected(
                Collection(), self._session.id, event.number, event.name, event.args, event.outcome
            )
            if found is not None:
                about.add(event.number)
                made.append(self._record(event, found, before))
        return made, about

    def _changed(self) -> Iterator[Event]:
        for number in sorted(self._numbers):
            for event in events(self._view, self._session.key, number, number):
                if event.name in _KINDS:
                    yield event

    def _recorded(self, number: int, name: str) -> ArtifactRecord | None:
        made = self._store.artifacts.of_event(self._session.key, number)
        return next((one for one in made if one.artifact_type == _KINDS[name]), None)

    def _collects_such(self, name: str) -> bool:
        """Whether the session collects outcomes of an effect; where it had none, that it does."""
        if name not in self._collects:
            query = ArtifactQuery(session_id=self._session.id, artifact_type=_KINDS[name])
            self._collects[name] = bool(self._store.artifacts.list(query)) or not any(
                one.name == name and one.ended and one.error is None
                for one in events(self._store, self._session.key)
            )
        return self._collects[name]

    def _record(
        self, event: Event, found: Collected, before: ArtifactRecord | None
    ) -> ArtifactRecord:
        address = blake3(found.content).digest()
        if before is not None and (before.event, before.content_hash) == (event.number, address):
            return before
        self._sequence += 1
        made = ArtifactRecord(
            session_key=self._session.key, name=found.name, content_hash=address,
            size=len(found.content), artifact_type=found.kind, mime_type=found.mime,
            tags=list(before.tags) if before is not None else [TAG], custom=found.custom,
            is_value=found.is_value, created_by=self._session.id, event=event.number,
        )  # fmt: skip
        return replace(
            made, session_id=self._session.id, sequence=self._sequence, version=1,
            stored_size=made.size, created_at=event.at,
        )  # fmt: skip
