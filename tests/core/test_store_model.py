"""Whatever is done to a store in whatever order, and wherever it crashes: it is as it was told."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from respell import values
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import HistoryWriter, Store
from store_children import effect

KEYS = st.sampled_from(["a", "b", "ä"])
DATA = st.one_of(
    st.binary(max_size=20),
    st.builds(lambda seed, size: bytes([seed]) * size, st.integers(0, 3), st.just(70_000)),
)


class Model:
    """What a session should be."""

    def __init__(self, name: str, writer: HistoryWriter) -> None:
        self.name = name
        self.writer = writer
        self.token = writer.lease
        self.records: list[Record] = []

    @property
    def numbers(self) -> int:
        return max((record.number for record in self.records), default=0)

    def open_numbers(self) -> list[int]:
        found: set[int] = set()
        for record in self.records:
            if record.part is Part.INTENT:
                found.add(record.number)
            elif record.part is Part.OUTCOME:
                found.discard(record.number)
        return sorted(found)


class StoreMachine(RuleBasedStateMachine):
    """Keeps a model in memory beside a real store, and compares."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="respell-model-"))
        self.generation = 0
        self.store = self.opened()
        self.models: dict[int, Model] = {}
        self.state: dict[str, bytes] = {}
        self.blobs: dict[bytes, bytes] = {}

    def opened(self) -> Store:
        return Store(self.folder / str(self.generation), durability="process")

    def pick(self, number: int) -> tuple[int, Model]:
        keys = sorted(self.models)
        key = keys[number % len(keys)]
        return key, self.models[key]

    @rule(name=st.text(max_size=5))
    def create(self, name: str) -> None:
        key = self.store.sessions.insert(SessionRecord(name=name, tags=[name])).key
        assert key not in self.models
        self.models[key] = Model(name, self.new_writer(key))

    def new_writer(self, key: int) -> HistoryWriter:
        return self.store.history.writer(key, self.store.leases.acquire(key))

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), name=st.text(max_size=5))
    def rename(self, which: int, name: str) -> None:
        key, model = self.pick(which)
        self.store.sessions.update(key, name=name)
        model.name = name

    def batch(self, model: Model, parts: list[int], data: bytes) -> list[Record]:
        records: list[Record] = []
        number, opened = model.numbers, model.open_numbers()
        for part in parts:
            if part == 0 and opened:
                outcome = values.encode(data)
                records.append(
                    Record(Part.OUTCOME, opened.pop(), status=Status.OK, outcome=outcome)
                )
                continue
            number += 1
            if part == 1:
                records.append(Record(Part.INTENT, number, name="tool.invoke"))
                opened.append(number)
            else:
                records.append(effect(number, outcome=values.encode(data)))
        return records

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), parts=st.lists(st.integers(0, 2), max_size=6), data=DATA)
    def append(self, which: int, parts: list[int], data: bytes) -> None:
        _, model = self.pick(which)
        records = self.batch(model, parts, data)
        model.writer.append(records)
        model.records += records

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), parts=st.lists(st.integers(0, 2), max_size=6), key=KEYS)
    def fail_in_a_transaction(self, which: int, parts: list[int], key: str) -> None:
        _, model = self.pick(which)
        with suppress(RuntimeError), self.store.transaction():
            self.store.state.set("global", key, b"never")
            model.writer.append(self.batch(model, parts, b"never"))
            self.store.sessions.insert(SessionRecord(name="never"))
            raise RuntimeError

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), at=st.floats(0, 1))
    def fork(self, which: int, at: float) -> None:
        source, model = self.pick(which)
        seq = round(at * len(model.records))
        record = SessionRecord(name="fork", tags=["fork"], fork_of=source, fork_seq=seq)
        key = self.store.sessions.insert(record).key
        self.models[key] = Model("fork", self.new_writer(key))
        self.models[key].records = model.records[:seq]

    @precondition(lambda self: len(self.models) > 1)
    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        key, model = self.pick(which)
        self.store.leases.release(key, model.token)
        self.store.sessions.delete(key)
        del self.models[key]

    @rule(key=KEYS, data=DATA)
    def set_state(self, key: str, data: bytes) -> None:
        self.store.state.set("global", key, data)
        self.state[key] = data

    @rule(key=KEYS)
    def delete_state(self, key: str) -> None:
        assert self.store.state.delete("global", key) == (key in self.state)
        self.state.pop(key, None)

    @rule(data=st.one_of(DATA, st.builds(lambda seed: seed * 300_000, st.binary(min_size=1))))
    def put(self, data: bytes) -> None:
        self.blobs[self.store.blobs.put(data)] = data

    @rule()
    def crash(self) -> None:
        """Go on with the files as they are now, as after a power cut that lost nothing."""
        old = self.folder / str(self.generation)
        self.generation += 1
        new = self.folder / str(self.generation)
        new.mkdir()
        kept = [old / name for name in ("store.db", "store.db-wal", "objects")]
        # By another process: if this one closed the database's file, its locks were gone.
        subprocess.run(["cp", "-r", *(it for it in kept if it.exists()), new], check=True)
        self.store.close()
        self.reopen()

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.reopen()

    def reopen(self) -> None:
        self.store = self.opened()
        for key, model in self.models.items():
            model.writer = self.store.history.writer(key, model.token)
        for address, data in self.blobs.items():
            assert self.store.blobs.get(address) == data
        assert self.store._database.value("PRAGMA integrity_check") == "ok"
        for key in self.models:
            self.store.history.verify(key)

    @invariant()
    def is_as_told(self) -> None:
        store = self.store
        assert dict(store.state.items("global")) == self.state
        assert {it.key for it in store.sessions.list()} == self.models.keys()
        for key, model in self.models.items():
            session = store.sessions.get(key)
            assert session.name == model.name
            assert (session.records, session.events) == (len(model.records), model.numbers)
            bodies = [body for _, body in store.history.records(key)]
            assert bodies == [record.pack() for record in model.records]
            assert [it.number for it in store.history.open_effects(key)] == model.open_numbers()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
