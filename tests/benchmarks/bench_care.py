"""The check of a store of 1 GB, against reading and hashing its files by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from benchmarks.measure import Figure
from respell.artifacts.record import ArtifactRecord
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect

_FILE_MB = 100
_FILES = 10
_READ_MB = 1


def figures(folder: Path) -> list[Figure]:
    """Measure `check --read-data`, a check without, and a collection that finds nothing."""
    with Store(folder / "store", durability="process") as store:
        session = store.sessions.insert(SessionRecord(name="large")).key
        for number in range(_FILES):
            source = folder / "source"
            with source.open("wb") as file:
                for _ in range(_FILE_MB):
                    file.write(os.urandom(1_000_000))
            with source.open("rb") as file:
                address, size = store.blobs.put_stream(file)
            store.artifacts.insert(
                ArtifactRecord(
                    session_key=session, name=f"f{number}", content_hash=address, size=size
                )
            )
            source.unlink()
        by_hand, checked = [], []
        for _ in range(3):
            by_hand.append(_seconds(lambda: _hash_all(store.path / "objects")))
            checked.append(_seconds(lambda: _check(store, read_data=True)))
        quick = _seconds(lambda: _check(store, read_data=False))
        collected = _seconds(lambda: collect(store))
    return [
        Figure(
            "check --read-data of 1 GB",
            sorted(checked)[1],
            "s",
            1 / 0.3,
            sorted(by_hand)[1],
            "reading all files and hashing them with blake3, one after the other",
            "every piece is hashed, and every whole file again",
        ),
        Figure("check of 1 GB without reading data", quick, "s", 1.0),
        Figure("gc of 1 GB that is all in use", collected, "s", 1.0),
    ]


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _check(store: Store, *, read_data: bool) -> None:
    assert check(store, read_data=read_data).ok


def _hash_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            hasher = blake3()
            with path.open("rb") as file:
                while part := file.read(_READ_MB * 1024 * 1024):
                    hasher.update(part)
            hasher.digest()
