"""Sessions in the store, against one bare prepared statement of the same kind."""

from __future__ import annotations

import itertools
import json
import uuid
from pathlib import Path

import apsw

from benchmarks.measure import Figure, interleaved_us
from respell.sessions.record import SessionRecord
from respell.store import Store

_COUNT = 2_000


def figures(folder: Path) -> list[Figure]:
    """Measure create, save and load of sessions, durable against kill -9."""
    store = Store(folder / "store", durability="process")
    bare = apsw.Connection(str(folder / "bare.db"))
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        bare.execute(f"PRAGMA {pragma}").fetchall()
    bare.execute(
        "CREATE TABLE sessions"
        " (key INTEGER PRIMARY KEY, id TEXT UNIQUE, name TEXT, doc TEXT, at INTEGER)"
    )
    doc = json.dumps({"tags": ["a", "b"], "metadata": {}, "limits": {}, "usage": {}})
    made: list[SessionRecord] = []
    ids: list[str] = []

    def create() -> None:
        made.append(store.sessions.insert(SessionRecord(name="bench", tags=["a", "b"])))

    def bare_create() -> None:
        ids.append(str(uuid.uuid4()))
        bare.execute(
            "INSERT INTO sessions (id, name, doc, at) VALUES (?, ?, ?, ?)",
            (ids[-1], "bench", doc, 1),
        )

    created = interleaved_us(create, bare_create, count=_COUNT)
    turn = itertools.count()

    def save() -> None:
        store.sessions.update(made[0].key, description=f"turn {next(turn)}")

    def bare_save() -> None:
        bare.execute(
            "UPDATE sessions SET name = ?, at = ? WHERE id = ?",
            (f"turn {next(turn)}", next(turn), ids[0]),
        )

    saved = interleaved_us(save, bare_save, count=_COUNT)
    loaded = interleaved_us(
        lambda: store.sessions.get(made[7].id),
        lambda: bare.execute("SELECT * FROM sessions WHERE id = ?", (ids[7],)).fetchall(),
        count=_COUNT,
    )
    store.close()
    bare.close()
    floor = "one prepared {} in autocommit, WAL, synchronous=NORMAL"
    return [
        Figure(f"session {verb}", value, "us", 3.0, base, floor.format(statement), note)
        for verb, (value, base), statement, note in (
            ("create", created, "INSERT", "seed's figure: 24.5 us in memory, one sample"),
            ("save", saved, "UPDATE", "seed's figure: 15.3 us in memory, one sample"),
            ("load", loaded, "SELECT", "seed's figure: 3.4 us in memory, one sample"),
        )
    ]
