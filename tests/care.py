"""What the tests of the store's health share: a store with some of everything, and its damage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from respell import values
from respell.artifacts.record import ArtifactRecord
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import HistoryWriter, Store
from respell.store.care.findings import CheckReport
from respell.times import SECOND, now_us
from store_children import effect

DAY = 86_400 * SECOND


class Clock:
    """The time, which can be moved on."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_us() + self.ahead

    def pass_days(self, days: float) -> None:
        """Let days pass."""
        self.ahead += int(days * DAY)


def session_of(store: Store, name: str, **fields: Any) -> SessionRecord:
    """Add a session."""
    return store.sessions.insert(SessionRecord(name=name, **fields))


def writer_of(store: Store, key: int) -> HistoryWriter:
    """Take a session and return what appends to it."""
    return store.history.writer(key, store.leases.acquire(key))


def append(store: Store, key: int, count: int, **fields: Any) -> None:
    """Append effects to a session, and let it go."""
    writer = writer_of(store, key)
    writer.append([effect(writer.number + n, **fields) for n in range(1, count + 1)])
    store.leases.release(key, writer.lease)
    store.sync()


def artifact_of(store: Store, key: int, name: str, content: bytes, **fields: Any) -> ArtifactRecord:
    """Store an artifact."""
    address = store.blobs.put(content)
    return store.artifacts.insert(
        ArtifactRecord(session_key=key, name=name, content_hash=address, size=0, **fields)
    )


def fill(store: Store, *, large: int = 300_000) -> dict[str, int]:
    """Put some of everything into a store; return the sessions' keys by name."""
    one = session_of(
        store, "one", tags=["a", "b"], metadata={"m": 1}, input={"x": [1, 2]}, description="d"
    )
    append(store, one.key, 5)
    append(store, one.key, 1, outcome=values.encode(os.urandom(70_000)))
    writer = writer_of(store, one.key)
    writer.append([Record(Part.INTENT, writer.number + 1, name="tool.invoke")])
    store.leases.release(one.key, writer.lease)
    two = session_of(
        store, "two", script="main.lua", script_hash=store.blobs.put(b"return 1").hex()
    )
    append(store, two.key, 3)
    fork = session_of(store, "fork", fork_of=one.key, fork_seq=4)
    append(store, fork.key, 2)
    artifact_of(store, one.key, "small.txt", b"small", tags=["t", "u"], description="words")
    artifact_of(store, one.key, "file.bin", os.urandom(large), custom={"k": "v"})
    for scope in ("global", f"session:{one.id}"):
        store.state.set(scope, "count", values.encode(7))
    store.inbox.post(two.key, "suspend", {"message": "please"})
    store.audit.note("session.create", session=one.id)
    store.sync()
    return {"one": one.key, "two": two.key, "fork": fork.key}


def kinds(report: CheckReport) -> list[str]:
    """Return the kinds of what was found, each once."""
    return sorted({it.kind for it in report.findings})


def without_log(folder: Path, damage: Callable[[Path], None]) -> None:
    """Damage the database of a store that nobody has open."""
    assert not (folder / "store.db-wal").exists()
    damage(folder / "store.db")


def flip(path: Path, at: int, mask: int = 1) -> None:
    """Change one byte of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ mask,)))


def place_of(path: Path, data: bytes) -> int:
    """Return where in a file these bytes are; they are there once."""
    whole = path.read_bytes()
    assert whole.count(data) == 1, whole.count(data)
    return whole.index(data)
