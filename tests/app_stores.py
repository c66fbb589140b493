"""Stores that look the same on every machine: still clocks, chosen ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from respell.sessions.record import SessionRecord
from respell.sessions.session import Session
from respell.store import Store

NOW = 1_793_000_000_000_000
"""The time in all of them, µs since 1970 UTC."""

_MINUTE = 60_000_000

REPORT = """\
# Report

Three files were **read**, one by one.

| file | lines | words |
| --- | ---: | ---: |
| a.txt | 12 | 80 |
| b.txt | 7 | 31 |

- ask before `anything` is changed
- see [the guide](docs/guide.md)

```lua
print("done")
```
"""


class Clock:
    """Gives a time that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOW - 600 * _MINUTE

    def __call__(self) -> int:
        return self.at


def _id(number: int) -> str:
    return f"{number:04x}{number * 7919 % 65536:04x}-0000-4000-8000-{number:012x}"


@contextmanager
def varied(path: Path) -> Iterator[Store]:
    """Make a store with a session in every state, while the block runs: one of them runs."""
    clock = Clock()
    with Store(path, clock=clock) as store:

        def add(number: int, name: str, status: str, **more: object) -> SessionRecord:
            clock.at += 7 * _MINUTE
            fields = {"id": _id(number), "name": name, "status": status, **more}
            return store.sessions.insert(SessionRecord(**fields), told=False)  # type: ignore[arg-type]

        notes = add(1, "notebook", "active", tags=["home"])
        with_artifacts(store, notes)
        add(2, "nightly", "failed", script="nightly.lua", ended_at=clock.at, events=45,
            error={"message": "nightly.lua:12: no such file: /data/in.csv", "event": 44,
                   "traceback": "stack traceback:\n\tnightly.lua:12: in function 'read'\n"
                                "\tnightly.lua:30: in main chunk"},
            limits={"operations": 60, "cost_usd": 2.0, "max_duration": 30.0},
            usage={"operations": 57, "tokens": 4100, "cost_usd": 0.31, "artifact_bytes": 0,
                   "active_s": 12.5, "history_bytes": 9000})  # fmt: skip
        plan = add(3, "plan a trip", "completed", script="trip.lua", events=120,
                   ended_at=clock.at, tags=["travel", "agents"])  # fmt: skip
        add(4, "plan a trip (fork)", "suspended", script="trip.lua", events=80,
            forked_from=plan.id, forked_at="40",
            waiting_for={"prompt": "book the hotel?", "schema": {"type": "boolean"}})  # fmt: skip
        add(5, "old import", "archived", script="import.lua", ended_at=clock.at, events=9)
        add(6, "crawler", "active", script="crawl.lua", events=5012)
        running = add(7, "watcher", "active", script="watch.lua", events=77, args=["--fast", "a b"],
                      input={"city": "Oslo"}, description="looks at a folder")  # fmt: skip
        store.leases.acquire(running.key)
        yield store


def with_artifacts(store: Store, session: SessionRecord) -> None:
    """Store one artifact of each kind."""
    artifacts = Session(store, session).artifacts
    artifacts.store("picture.bin", bytes(range(256)) * 3)
    artifacts.store("table.csv", "name,age,city\nAda,36,London\nGrace,85,New York\n",
                    mime_type="text/csv")  # fmt: skip
    artifacts.store("answer.json", '{"approved": true, "by": ["Ada", 2.5, null]}',
                    mime_type="application/json")  # fmt: skip
    artifacts.store("main.lua", "-- greets\nlocal function hi(name)\n  print('hi ' .. name, 42)\n"
                    "end\nreturn hi\n", mime_type="text/x-lua")  # fmt: skip
    artifacts.store("report.md", REPORT.replace("Three", "Two"), mime_type="text/markdown")
    artifacts.store("report.md", REPORT, mime_type="text/markdown")
