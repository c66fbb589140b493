"""Whatever is done to stores in whatever order, and wherever they crash: they are as told.

A model in memory is changed along with two real stores, between which sessions move. After
every step each store has to be just like its model; after a power cut, like the model was at
some moment since the store was told to be durable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from blake3 import blake3
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from respell import values
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.errors import UsageError
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionQuery, SessionRecord, new_id
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session
from store_children import effect

SHARED_MEMORY = Path("/dev/shm")  # where a wait for the disk costs nothing
PREFIX = f"respell-stateful-{os.getpid()}-"
HOUR = 3600
STATUSES = st.sampled_from(["active", "suspended", "completed", "failed", "archived"])

KEYS = st.sampled_from(["a", "b", "ä"])
NAMES = st.text(max_size=5)
WHICH = st.integers(0, 9)
WHERE = st.integers(0, 1)
DATA = st.one_of(
    st.binary(max_size=20),
    st.builds(lambda seed, size: bytes([seed]) * size, st.integers(0, 3), st.just(70_000)),
)
CONTENT = st.one_of(
    st.sampled_from([b"", b"same", b"other"]),
    st.builds(lambda seed: blake3(bytes([seed])).digest(length=300_000), st.integers(0, 2)),
    st.builds(lambda seed: bytes([seed]) * (9 << 20), st.integers(0, 1)),
)


@dataclass
class Artifact:
    """What an artifact should be."""

    name: str
    version: int
    content: bytes
    tags: tuple[str, ...]


@dataclass
class Session:
    """What a session should be."""

    name: str
    tags: tuple[str, ...] = ()
    status: str = "active"
    created_by: str | None = None
    records: list[bytes] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    events: int = 0
    state: dict[str, bytes] = field(default_factory=dict)
    artifacts: dict[int, Artifact] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    sequence: int = 0

    def seen(self) -> tuple[Any, ...]:
        """What can be seen of it in a store."""
        return (
            self.sequence,  # after a deletion it alone tells what was there
            self.name, self.tags, self.status, self.created_by, tuple(self.records),
            tuple(self.opened), self.events, tuple(sorted(self.state.items())),
            tuple(sorted(
                (number, it.name, it.version, it.content, it.tags)
                for number, it in self.artifacts.items()
            )),
        )  # fmt: skip


@dataclass
class World:
    """What a store should hold."""

    sessions: dict[str, Session] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)

    def seen(self) -> tuple[Any, ...]:
        """What can be seen of it in a store."""
        return {key: it.seen() for key, it in self.sessions.items()}, dict(self.state)

    def tree(self, session_id: str) -> list[str]:
        """A session and those it created, and so on."""
        found = [session_id]
        for one in found:
            found += [key for key, it in self.sessions.items() if it.created_by == one]
        return found


def seen_in(store: Store, contents: dict[bytes, bytes]) -> tuple[Any, ...]:
    """Return what a store holds, in the form of `World.seen`."""
    sessions = {}
    for one in store.sessions.list():
        found = store.artifacts.list(ArtifactQuery(session_id=one.id))
        opened = tuple(it.number for it in store.history.open_effects(one.key))
        sequence = store._database.value("SELECT sequence FROM sessions WHERE key = ?", (one.key,))
        sessions[one.id] = (
            sequence, one.name, tuple(one.tags), one.status, one.created_by,
            tuple(body for _, body in store.history.records(one.key)), opened, one.events,
            tuple(sorted(store.state.items(f"session:{one.id}"))),
            tuple(sorted(
                (it.sequence, it.name, it.version, contents[it.content_hash], tuple(it.tags))
                for it in found
            )),
        )  # fmt: skip
        assert one.artifacts == len(found)
    return sessions, dict(store.state.items("global"))


class Place:
    """One store with its model."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.folder = folder
        self.clock = clock
        self.generation = 0
        self.world = World()
        self.store = self.opened()
        self.store.sync()
        self.durable()

    @property
    def path(self) -> Path:
        return self.folder / str(self.generation)

    def opened(self) -> Store:
        return Store(self.path, clock=self.clock)

    def durable(self) -> None:
        """Note that what there is now must survive."""
        self.possible = [deepcopy(self.world)]
        self.synced = self.log()

    def changed(self) -> None:
        """Note that a power cut may lead to what there is now."""
        self.possible.append(deepcopy(self.world))

    def log(self) -> tuple[bytes, int]:
        """Return what tells one run of the WAL from the next, and its length."""
        path = self.path / "store.db-wal"
        with suppress(FileNotFoundError):
            return path.read_bytes()[:32], path.stat().st_size
        return b"", 0

    def copied(self) -> Path:
        """Copy the files as they are now, and go on with the copy."""
        old = self.path
        self.generation += 1
        new = self.path
        new.mkdir()
        kept = [old / name for name in ("store.db", "store.db-wal", "objects", "heads")]
        # By another process: if this one closed the database's file, its locks were gone.
        subprocess.run(["cp", "-r", *(it for it in kept if it.exists()), new], check=True)
        self.store.close()
        shutil.rmtree(old)
        return new

    def close(self) -> None:
        self.store.close()


class StoreMachine(RuleBasedStateMachine):
    """Two stores, two models, and all that can be done to them."""

    @initialize()
    def open(self) -> None:
        base = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self.now = 1_000_000_000_000_000
        self.contents: dict[bytes, bytes] = {}
        self.places = [Place(self.folder / name, lambda: self.now) for name in ("one", "two")]
        # One of everything, so that every rule has something to do from the start.
        self.add(self.places[0], "first", None)
        self.append(0, 0, [2, 1, 1, 0], b"x" * 70_000, fails=False)
        self.set_state(0, 0, "a", b"1", own=True)
        self.store_artifact(0, 0, "x", b"same", ["t"])

    def pick(self, where: int, which: int) -> tuple[Place, str]:
        """Return a store and one of its sessions."""
        place = self.places[where]
        if not place.world.sessions:
            self.add(place, "another", None)
        ids = list(place.world.sessions)
        return place, ids[which % len(ids)]

    # ── sessions ─────────────────────────────────────────────────────────────────────────

    @rule(where=WHERE, which=WHICH, name=NAMES, belongs=st.booleans())
    def create(self, where: int, which: int, name: str, belongs: bool) -> None:
        place, creator = self.pick(where, which)
        self.add(place, name, creator if belongs else None)

    def add(self, place: Place, name: str, creator: str | None) -> None:
        record = SessionRecord(name=name, tags=[name], created_by=creator)
        place.store.sessions.insert(record)
        place.world.sessions[record.id] = Session(name, (name,), created_by=creator)
        place.changed()

    @rule(where=WHERE, which=WHICH, name=NAMES, tags=st.lists(NAMES, max_size=2, unique=True),
          status=STATUSES)  # fmt: skip
    def update(self, where: int, which: int, name: str, tags: list[str], status: str) -> None:
        place, session_id = self.pick(where, which)
        key = place.store.sessions.get(session_id).key
        place.store.sessions.update(key, name=name, tags=tags, status=status)
        model = place.world.sessions[session_id]
        model.name, model.tags, model.status = name, tuple(tags), status
        place.changed()

    @rule(where=WHERE, which=WHICH)
    def delete(self, where: int, which: int) -> None:
        place, session_id = self.pick(where, which)
        place.store.sessions.delete(place.store.sessions.get(session_id).key)
        del place.world.sessions[session_id]
        place.changed()

    @rule(where=WHERE, which=WHICH, at=st.floats(0, 1))
    def fork(self, where: int, which: int, at: float) -> None:
        place, session_id = self.pick(where, which)
        source = place.store.sessions.get(session_id)
        model = place.world.sessions[session_id]
        seq = round(at * len(model.records))
        record = SessionRecord(
            id=new_id(), name="fork", forked_from=session_id, forked_at="1+0",
            fork_of=source.key, fork_seq=seq,
        )  # fmt: skip
        made = place.store.sessions.insert(record)
        opened: list[int] = []
        for body in model.records[:seq]:
            self.note(opened, Record.unpack(body))
        place.world.sessions[record.id] = Session(
            "fork", records=model.records[:seq], opened=opened, events=made.events
        )
        place.changed()

    def note(self, opened: list[int], record: Record) -> None:
        if record.part is Part.INTENT:
            opened.append(record.number)
        elif record.part is Part.OUTCOME and record.number in opened:
            opened.remove(record.number)

    # ── what belongs to sessions ─────────────────────────────────────────────────────────

    def batch(self, model: Session, parts: list[int], data: bytes) -> list[Record]:
        records: list[Record] = []
        number, opened = model.events, list(model.opened)
        for part in parts:
            if part == 0 and opened:
                outcome = values.encode(data)
                record = Record(Part.OUTCOME, opened.pop(), status=Status.OK, outcome=outcome)
                records.append(record)
                continue
            number += 1
            if part == 1:
                records.append(Record(Part.INTENT, number, name="tool.invoke"))
                opened.append(number)
            else:
                records.append(effect(number, outcome=values.encode(data)))
        return records

    @rule(where=WHERE, which=WHICH, parts=st.lists(st.integers(0, 2), max_size=6), data=DATA,
          fails=st.booleans())  # fmt: skip
    def append(self, where: int, which: int, parts: list[int], data: bytes, fails: bool) -> None:
        place, session_id = self.pick(where, which)
        store, model = place.store, place.world.sessions[session_id]
        records = self.batch(model, parts, data)
        key = store.sessions.get(session_id).key
        with suppress(RuntimeError), store.transaction():
            lease = store.leases.acquire(key)
            store.history.writer(key, lease).append(records)
            store.leases.release(key, lease)
            store.state.set("global", "a", b"never" if fails else place.world.state.get("a", b""))
            if fails:
                raise RuntimeError
        if fails:
            return
        place.world.state.setdefault("a", b"")
        for record in records:
            self.note(model.opened, record)
            model.events = max(model.events, record.number)
        model.opened.sort()
        model.records += [record.pack() for record in records]
        place.changed()

    @rule(where=WHERE, which=WHICH, key=KEYS, data=DATA, own=st.booleans())
    def set_state(self, where: int, which: int, key: str, data: bytes, own: bool) -> None:
        place, session_id = self.pick(where, which)
        value = values.encode(data)
        if own:
            place.store.state.set(f"session:{session_id}", key, value)
            place.world.sessions[session_id].state[key] = value
        else:
            place.store.state.set("global", key, value)
            place.world.state[key] = value
        place.changed()

    @rule(where=WHERE, key=KEYS)
    def delete_state(self, where: int, key: str) -> None:
        place = self.places[where]
        assert place.store.state.delete("global", key) == (key in place.world.state)
        place.world.state.pop(key, None)
        place.changed()

    @rule(where=WHERE, which=WHICH, name=st.sampled_from(["x", "ÿ"]), content=CONTENT,
          tags=st.lists(st.sampled_from(["t", "u"]), max_size=2, unique=True))  # fmt: skip
    def store_artifact(
        self, where: int, which: int, name: str, content: bytes, tags: list[str]
    ) -> None:
        place, session_id = self.pick(where, which)
        store, model = place.store, place.world.sessions[session_id]
        address = store.blobs.put(content)
        self.contents[address] = content
        key = store.sessions.get(session_id).key
        made = store.artifacts.insert(
            ArtifactRecord(key, name, address, len(content), tags=list(tags))
        )
        model.sequence += 1
        model.versions[name] = model.versions.get(name, 0) + 1
        model.artifacts[model.sequence] = Artifact(name, model.versions[name], content, tuple(tags))
        assert (made.sequence, made.version) == (model.sequence, model.versions[name])
        place.changed()

    @rule(where=WHERE, which=WHICH, number=WHICH)
    def delete_artifact(self, where: int, which: int, number: int) -> None:
        place, session_id = self.pick(where, which)
        model = place.world.sessions[session_id]
        if not model.artifacts:
            return
        sequence = list(model.artifacts)[number % len(model.artifacts)]
        digits = blake3(model.artifacts[sequence].content).hexdigest()[:8]
        place.store.artifacts.delete(f"{session_id}/{sequence}/{digits}")
        del model.artifacts[sequence]
        place.changed()

    @rule(where=WHERE, tags=st.lists(st.sampled_from(["t", "u"]), max_size=2, unique=True))
    def search(self, where: int, tags: list[str]) -> None:
        place = self.places[where]
        found = place.store.artifacts.list(ArtifactQuery(tags=tags))
        wanted = [
            (session_id, number)
            for session_id, model in place.world.sessions.items()
            for number, it in model.artifacts.items()
            if set(tags) <= set(it.tags)
        ]
        assert sorted((it.session_id, it.sequence) for it in found) == sorted(wanted)
        assert {it.id for it in place.store.sessions.list(SessionQuery(tags=tags))} == {
            key for key, it in place.world.sessions.items() if set(tags) <= set(it.tags)
        }

    # ── moving, collecting ───────────────────────────────────────────────────────────────

    @rule(where=WHERE, which=WHICH)
    def move(self, where: int, which: int) -> None:
        place, session_id = self.pick(where, which)
        other = self.places[1 - where]
        file = self.folder / "moved"
        record = place.store.sessions.get(session_id)
        export_session(place.store, record, file)
        moving = place.world.tree(session_id)
        before = seen_in(other.store, self.contents)
        try:
            there = import_session(other.store, file)
        except UsageError:
            # There already, or needed by a fork of it although it is deleted.
            assert seen_in(other.store, self.contents) == before
            hidden = other.store._database.rows("SELECT id FROM sessions WHERE deleted")
            taken = {*other.world.sessions, *(it for (it,) in hidden)}
            assert taken & set(moving)
            return
        assert replace(there, key=0, fork_of=None, fork_seq=0) == replace(
            record, key=0, fork_of=None, fork_seq=0
        )
        for one in moving:
            other.world.sessions[one] = deepcopy(place.world.sessions[one])
        other.durable()  # what is imported is durable at once

    @rule(where=WHERE, hours=st.integers(0, 30))
    def collect(self, where: int, hours: int) -> None:
        self.now += hours * HOUR * 1_000_000
        place = self.places[where]
        collect(place.store, grace_s=float(HOUR))
        self.read_all(place)
        place.durable()

    def read_all(self, place: Place) -> None:
        for model in place.world.sessions.values():
            for artifact in model.artifacts.values():
                address = blake3(artifact.content).digest()
                assert place.store.blobs.get(address) == artifact.content
        for one in place.store.sessions.list():
            place.store.history.verify(one.key)

    # ── crashes ──────────────────────────────────────────────────────────────────────────

    @rule(where=WHERE)
    def sync(self, where: int) -> None:
        self.places[where].store.sync()
        self.places[where].durable()

    @rule(where=WHERE)
    def kill(self, where: int) -> None:
        """What a process that is killed has committed is all there."""
        place = self.places[where]
        place.copied()
        place.store = place.opened()
        assert seen_in(place.store, self.contents) == place.world.seen()
        self.read_all(place)
        assert check(place.store, read_data=True).findings == []
        place.durable()

    @rule(where=WHERE, lost=st.floats(0, 1))
    def cut_the_power(self, where: int, lost: float) -> None:
        """What was not waited for may be gone, but only from the end."""
        place = self.places[where]
        (run, synced), (same, length) = place.synced, place.log()
        new = place.copied()
        if run == same and length > synced:
            # The log goes on where it was durable: any part of the rest may be lost.
            os.truncate(new / "store.db-wal", length - round(lost * (length - synced)))
        place.store = place.opened()
        found = seen_in(place.store, self.contents)
        matching = [it for it in place.possible if it.seen() == found]
        assert matching, "the store is as it never was"
        place.world = matching[-1]
        self.read_all(place)
        assert place.store._database.value("PRAGMA integrity_check") == "ok"
        place.store.sync()
        place.durable()

    @rule(where=WHERE)
    def close_and_open(self, where: int) -> None:
        place = self.places[where]
        place.store.close()
        place.store = place.opened()
        place.durable()

    @precondition(lambda self: self.places)
    @invariant()
    def is_as_told(self) -> None:
        for place in self.places:
            assert seen_in(place.store, self.contents) == place.world.seen()

    def teardown(self) -> None:
        for place in self.places:
            place.close()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Remove what a failing example leaves in memory."""
    yield
    for path in SHARED_MEMORY.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def test_two_stores_are_always_as_told() -> None:
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )


@pytest.mark.slow
def test_two_stores_are_always_as_told_for_long() -> None:
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=300, stateful_step_count=60, deadline=None)
    )
