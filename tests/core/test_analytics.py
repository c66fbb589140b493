"""The numbers of a session and of a store are what happened."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

import pytest

import respell
from respell.analytics import session_stats
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.values import encode

STORY = """
    print('one') io.write('two\\nthree\\n') Logger.info('logged')
    Hook.register('BeforeToolExecution', function() return 'continue' end)
    for i = 1, 3 do State.set('i', i) end
    Tool.invoke('hash_calculator', {operation = 'hash', input = 'a'})
    pcall(Tool.invoke, 'nothing', {})
    Artifact.store(nil, 'a.txt', string.rep('x', 50000), {tags = {'t'}})
    Artifact.store(nil, 'b.txt', string.rep('x', 50000))
    Artifact.store(nil, 'b.txt', 'short')
    Session.suspend()
    Utils.sleep(0.05)
"""


def test_a_sessions_numbers_are_what_it_did(script: Any, store: Store) -> None:
    waiting = script(STORY)
    now = session_stats(store, waiting.session)
    assert now.effects["session.suspend"].open == 1
    assert now.ended_at is None
    done = script.resume(waiting.session)
    session = respell.session(done.session, store=store)
    stats = session.stats()
    assert (stats.session_id, stats.status) == (session.id, "completed")
    assert (stats.events, stats.records) == (session.record.events, session.record.records)
    assert stats.runs == 2
    assert stats.effects["state.set"].count == 3
    tools = stats.effects["tool.invoke"]
    assert (tools.count, tools.failed, tools.open) == (2, 1, 0)
    assert 0 < tools.longest_s <= tools.total_s
    assert stats.effects["timer.sleep"].total_s >= 0.05
    assert stats.effects["session.suspend"].open == 0
    ended = sum(one.count for one in stats.effects.values())
    assert stats.success_rate == pytest.approx(1 - 1 / ended)
    assert stats.hooks.calls >= 1
    assert 0 < stats.hooks.total_s < 1
    assert 0 < stats.hooks.overhead < 1
    assert "hook.call" not in stats.effects
    assert (stats.output_lines, stats.log_lines) == (3, 1)
    assert stats.suspended_s > 0
    assert stats.elapsed_s >= stats.suspended_s + 0.05
    assert stats.active_s == session.usage["active_s"]
    json.dumps(stats.to_json())


def test_equal_and_compressible_content_is_seen_in_the_sizes(script: Any, store: Store) -> None:
    waiting = script(STORY.replace("Tool.invoke", "print"))
    stats = session_stats(store, waiting.session)
    sizes = stats.artifact_sizes
    assert (stats.artifacts, sizes.names) == (3, 2)
    assert (sizes.bytes, sizes.distinct_bytes) == (100_005, 50_005)
    assert sizes.stored_bytes < 5_000
    assert sizes.dedup_ratio == pytest.approx(100_005 / 50_005)
    assert sizes.compression_ratio > 10


def test_chunks_of_a_large_artifact_count_as_what_it_occupies(store: Store) -> None:
    session = respell.create(store=store)
    session.artifacts.store("zeros", bytes(10 * 1024 * 1024))
    noise = os.urandom(10 * 1024 * 1024)
    zeros = session.stats().artifact_sizes
    assert zeros.stored_bytes < 1024 * 1024
    session.artifacts.store("noise", noise)
    sizes = session.stats().artifact_sizes
    assert sizes.distinct_bytes == 20 * 1024 * 1024
    assert 10 * 1024 * 1024 <= sizes.stored_bytes < 11 * 1024 * 1024


def test_a_session_without_history_has_numbers_too(store: Store) -> None:
    stats = respell.create(store=store).stats()
    assert (stats.events, stats.runs, stats.success_rate, stats.effects) == (0, 0, None, {})
    assert stats.artifact_sizes.dedup_ratio == 1.0
    assert stats.hooks.overhead == 0.0


def test_a_stores_numbers_are_the_sums(script: Any, store: Store) -> None:
    script("Artifact.store(nil, 'a', 'same') State.set('x', 1)")
    script("Artifact.store(nil, 'a', 'same') error('no')")
    respell.create(store=store)
    stats = respell.stats(store=store)
    assert stats.sessions == {
        "active": 1, "suspended": 0, "completed": 1, "failed": 1, "archived": 0,
    }  # fmt: skip
    assert stats.artifacts == 2
    assert (stats.artifact_bytes, stats.distinct_bytes, stats.dedup_ratio) == (8, 4, 2.0)
    assert stats.operations == 3
    assert stats.events == sum(it.record.events for it in respell.list_sessions(store=store))
    assert stats.blobs >= 3
    assert stats.running == 0
    assert stats.disk["store.db"] + stats.disk["store.db-wal"] > 0
    files = sum(it.stat().st_size for it in store.path.rglob("*") if it.is_file())
    assert stats.disk_bytes == files
    json.dumps(stats.to_json())


def test_deleted_sessions_do_not_count(script: Any, store: Store) -> None:
    done = script("Artifact.store(nil, 'a', 'x')")
    respell.session(done.session, store=store).delete()
    stats = respell.stats(store=store)
    assert (sum(stats.sessions.values()), stats.artifacts, stats.artifact_bytes) == (0, 0, 0)


def long_history(store: Store, events: int) -> SessionRecord:
    """Return a session with so many events, most of them as cheap ones as scripts cause."""
    session = store.sessions.insert(SessionRecord(script="main.lua"))
    lease = store.leases.acquire(session.key)
    writer = store.history.writer(session.key, lease)
    args = encode({"key": "counter", "value": 12345})
    number = 0
    while number < events:
        batch = []
        for _ in range(min(10_000, events - number)):
            number += 1
            batch.append(
                Record(
                    Part.EFFECT, number, number, 0, Status.OK, "state.set", "main.lua", 7,
                    at=number, args=args,
                )
            )  # fmt: skip
        writer.append(batch)
    store.leases.release(session.key, lease)
    return store.sessions.get(session.key)


def _measured(store: Store, events: int) -> int:
    """Return by how many KB the most memory that was ever used grew."""
    session = long_history(store, events)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stats = session_stats(store, session)
    assert stats.effects["state.set"].count == events
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def test_a_long_history_is_added_up_in_little_memory(store: Store) -> None:
    assert _measured(store, 50_000) < 32 * 1024


@pytest.mark.slow
def test_a_million_events_take_little_memory(store: Store) -> None:
    assert _measured(store, 1_000_000) < 64 * 1024
