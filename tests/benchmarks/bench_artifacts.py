"""Artifacts: durable stores, large content, long lists and searches, against doing it by hand."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import apsw
import lz4.frame
from blake3 import blake3

from benchmarks.measure import Figure, best_s, interleaved_us, median_us
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.artifacts.storing import store_artifact
from respell.sessions.record import SessionRecord
from respell.store import Store

_MIB = 1024 * 1024
_LARGE_MIB = 1024
_ROOM = 4 * 1024**3
_MANY = 100_000
_SESSION = 10_000
_WORDS = ("report", "summary", "draft", "final", "table", "notes", "answer", "plan", "review")


def figures(folder: Path) -> list[Figure]:
    """Measure what is promised of artifacts."""
    return [
        _durable_store(folder),
        *_large(folder),
        *_growing(folder),
        *_searches(folder),
    ]


# One small artifact ----------------------------------------------------------------------


def _contents() -> Callable[[], bytes]:
    turn = itertools.count()
    line = b'{"city": "Oslo", "reading": 12.5, "unit": "C", "station": "Blindern"}\n'
    return lambda: (b"%012d\n" % next(turn) + line * 160)[:10_000]


def _durable_store(folder: Path) -> Figure:
    content = _contents()
    with Store(folder / "one") as store:
        session = store.sessions.insert(SessionRecord(name="bench"))
        by_hand = _ByHand(store, folder / "hand")
        value, floor = interleaved_us(
            lambda: store_artifact(store, session, "data.jsonl", content(), tags=("a", "b")),
            lambda: by_hand.store(content()),
            count=1000,
        )
        by_hand.close()
    return Figure(
        "artifact store, 10 KB, durable", value, "us", 1.5, floor,
        "the same rows, indexes and bytes by hand: apsw, one commit, fdatasync of the WAL",
        "bar besides: below 1000 us where the disk allows",
    )  # fmt: skip


class _ByHand:
    """The same tables and indexes, and nothing but the statements that one artifact takes."""

    def __init__(self, store: Store, folder: Path) -> None:
        folder.mkdir()
        self._connection = apsw.Connection(str(folder / "store.db"))
        for pragma in ("page_size=4096", "journal_mode=WAL", "synchronous=NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        model = apsw.Connection(str(store.path / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
        for (sql,) in model.execute(
            "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL"
            " AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            self._connection.execute(sql)
        model.close()
        self._connection.execute(
            "INSERT INTO sessions (key, id, name, description, status, fork_seq, created_at,"
            " updated_at, events, records, head_hash, artifacts)"
            " VALUES (1, 'id', 'bench', '', 'active', 0, 1, 1, 0, 0, x'00', 0)"
        )
        self._wal = os.open(folder / "store.db-wal", os.O_RDONLY)
        self._turn = 0
        self._last: bytes | None = None

    def store(self, content: bytes) -> None:
        self._turn += 1
        address = blake3(content).digest()
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        run("INSERT INTO blobs (hash, size, stored_size, codec, place, touched)"
            " VALUES (?, ?, ?, 0, 0, 1)", (address, len(content), len(content)))  # fmt: skip
        run("INSERT INTO blob_data (id, data) VALUES (?, ?)",
            (self._connection.last_insert_rowid(), content))  # fmt: skip
        run("UPDATE sessions SET artifacts = ?, sequence = ?, updated_at = ?, usage = ?, sum = ?"
            " WHERE key = 1", (self._turn, self._turn, self._turn,
                               json.dumps({"artifact_bytes": 10_000 * self._turn}), 1))  # fmt: skip
        run("INSERT INTO artifacts (session, sequence, name, version, content_hash, previous_hash,"
            " artifact_type, mime_type, size, description, tags, is_value, created_at, sum,"
            " folded_name, folded_text) VALUES (1, ?, 'data.jsonl', ?, ?, ?, 'user_input',"
            " 'application/jsonl', ?, '', '[\"a\", \"b\"]', 0, ?, 1, 'data.jsonl', '\na\nb')",
            (self._turn, self._turn, address, self._last, len(content), self._turn))  # fmt: skip
        for tag in ("a", "b"):
            run("INSERT INTO artifact_tags VALUES (?, 1, ?, ?)", (tag, self._turn, self._turn))
        run("COMMIT")
        os.fdatasync(self._wal)
        self._last = address

    def close(self) -> None:
        os.close(self._wal)
        self._connection.close()


# Large content ---------------------------------------------------------------------------


class _Half(io.RawIOBase):
    """Gives MiBs of which half can be compressed; no two are the same."""

    def __init__(self, count: int) -> None:
        source = random.Random(7)
        self._left = count
        self._blocks = [
            source.randbytes(_MIB // 2) + (b"a line that repeats\n" * _MIB)[: _MIB // 2 - 8]
            for _ in range(8)
        ]
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._rest and self._left:
            self._left -= 1
            self._rest = self._left.to_bytes(8, "big") + self._blocks[self._left % 8]
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _large(folder: Path) -> list[Figure]:
    if shutil.disk_usage(folder).free < _ROOM:
        print("less than 4 GB are free: 1 GB in and out is left out")
        return []
    rounds = [_large_round(folder) for _ in range(3)]
    hand_in, hand_out, ours_in, ours_out = map(statistics.median, zip(*rounds, strict=True))
    return [
        Figure(
            f"1 GB {way}", ours * 1000, "ms", 2.0, hand * 1000, f"one thread, {how}",
            f"{_LARGE_MIB / ours:.0f} MiB/s, half of it compressible",
        )
        for way, ours, hand, how in (
            ("in", ours_in, hand_in, "one file: blake3, lz4.frame per MiB, write, one fsync"),
            ("out", ours_out, hand_out, "the same file: read, lz4.frame per MiB, blake3"),
        )
    ]  # fmt: skip


def _large_round(folder: Path) -> tuple[float, float, float, float]:
    """Return seconds: in and out by hand, in and out here."""
    path = folder / "large"
    by_hand = _timed(lambda: _write_by_hand(path)), _timed(lambda: _read_by_hand(path))
    path.unlink()
    with Store(path) as store:
        session = store.sessions.insert(SessionRecord())
        reader = cast(BinaryIO, _Half(_LARGE_MIB))
        ours_in = _timed(lambda: store_artifact(store, session, "large.bin", reader))
        (record,) = store.artifacts.list()
        ours_out = _timed(lambda: sum(map(len, store.blobs.stream(record.content_hash))))
    shutil.rmtree(path)
    return *by_hand, ours_in, ours_out


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _write_by_hand(path: Path) -> None:
    reader, hasher = _Half(_LARGE_MIB), blake3()
    with path.open("wb") as file:
        while chunk := reader.read(_MIB):
            hasher.update(chunk)
            packed = lz4.frame.compress(chunk)
            file.write(len(packed).to_bytes(8, "big"))
            file.write(packed)
        file.flush()
        os.fsync(file.fileno())


def _read_by_hand(path: Path) -> None:
    hasher = blake3()
    with path.open("rb") as file:
        while size := file.read(8):
            hasher.update(lz4.frame.decompress(file.read(int.from_bytes(size, "big"))))


# Many artifacts --------------------------------------------------------------------------


def _growing(folder: Path) -> list[Figure]:
    took = []
    content = _contents()
    with Store(folder / "growing", durability="process") as store:
        session = store.sessions.insert(SessionRecord())
        for number in range(_SESSION):
            begun = time.perf_counter_ns()
            store_artifact(store, session, f"part-{number}.jsonl", content()[:200], tags=("part",))
            took.append((time.perf_counter_ns() - begun) / 1000)
        query = ArtifactQuery(session_id=session.id, limit=100)
        page = median_us(lambda: store.artifacts.list(query), count=100) / 1000
    first, last = statistics.median(took[20:520]), statistics.median(took[-500:])
    return [
        Figure(
            f"artifact store, the last of {_SESSION:,}", last, "us", 1.2, first, "the first",
            "medians of 500, durable against kill -9",
        ),
        Figure(f"list, a page of 100 of {_SESSION:,}", page, "ms", 5.0),
    ]  # fmt: skip


def _searches(folder: Path) -> list[Figure]:
    with Store(folder / "many", durability="process") as store:
        _fill(store)
        queries = {
            "tag, one in ten": ArtifactQuery(tags=("tenth",), limit=100),
            "tag, one in two": ArtifactQuery(tags=("half",), limit=100),
            "tag, one in a thousand": ArtifactQuery(tags=("rare",), limit=100),
            "name pattern, many": ArtifactQuery(name_pattern="report-*", limit=100),
            "name pattern, one": ArtifactQuery(name_pattern=f"*-{_MANY - 1}.*", limit=100),
            "text, many": ArtifactQuery(text="REPORT", limit=100),
            "text, none": ArtifactQuery(text="nowhere", limit=100),
            "text, by name": ArtifactQuery(text="summary", sort="name", limit=100),
            "tag, by size": ArtifactQuery(tags=("tenth",), sort="size", limit=100),
        }
        return [
            Figure(
                f"search over {_MANY:,}: {name}",
                best_s(lambda: store.artifacts.list(query), count=15) * 1000,  # noqa: B023
                "ms",
                50.0,
                note=f"{store.artifacts.count(query)} match",
            )
            for name, query in queries.items()
        ]


def _fill(store: Store) -> None:
    source = random.Random(3)
    with store.transaction():
        keys = [store.sessions.insert(SessionRecord(name=f"s{n}")).key for n in range(100)]
        addresses = [store.blobs.put(b"%d" % n) for n in range(100)]
    for begin in range(0, _MANY, 1000):
        with store.transaction():
            for number in range(begin, begin + 1000):
                tags = [
                    tag
                    for tag, each in (("half", 2), ("tenth", 10), ("rare", 1000))
                    if number % each == 0
                ]
                store.artifacts.insert(
                    ArtifactRecord(
                        source.choice(keys),
                        f"{source.choice(_WORDS)}-{source.choice(_WORDS)}-{number}.md",
                        addresses[number % 100],
                        0,
                        tags=tags,
                        description=" ".join(source.choices(_WORDS, k=8)),
                        custom={"number": number},
                    )
                )
