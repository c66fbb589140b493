"""The bus keeps what it promises: nothing lost below the bound, in order, and once."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bus_children
from respell import values
from respell.store import Store
from respell.store import bus as bus_module
from respell.store.care.checking import check

PUBLISHED, RECEIVERS, PUBLISHERS = 40, ("left", "right"), ("one", "two", "three")


def child(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, bus_children.__file__, *args])


def kept(store: Store, name: str) -> list[Any]:
    return [values.decode(data) for _, data in store.state.items(f"custom:received:{name}")]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_doubled_when_any_process_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder, total = str(tmp_path), PUBLISHED * len(PUBLISHERS)
    with Store(tmp_path, durability="process") as store:
        for name in RECEIVERS:
            store.bus.subscribe("number", name=name)
        words = [("publish", folder, who, str(PUBLISHED)) for who in PUBLISHERS]
        words += [("receive", folder, name, str(total)) for name in RECEIVERS]
        running = {one: child(*one) for one in words}
        kills = [chance.choice(words) for _ in range(6)]
        progress = 0
        while running:
            for one, process in list(running.items()):
                try:
                    assert process.wait(0.05) == 0
                    del running[one]
                except subprocess.TimeoutExpired:
                    continue
            now = sum(len(kept(store, name)) for name in RECEIVERS)
            if kills and now > progress and (one := kills.pop()) in running:
                progress = now
                running[one].kill()
                running[one].wait()
                running[one] = child(*one)
        for name in RECEIVERS:
            received = kept(store, name)
            sequences = [sequence for sequence, _, _ in received]
            assert sequences == sorted(set(sequences))
            for who in PUBLISHERS:
                numbers = [number for _, of, number in received if of == who]
                assert numbers == list(range(PUBLISHED)), (name, who)
        assert check(store, read_data=True).findings == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(["a", "a.b", "b"])),
        st.tuples(st.just("receive"), st.sampled_from(["*", "a*", "b"])),
        st.tuples(st.just("reopen"), st.just("")),
        st.tuples(st.just("undone"), st.sampled_from(["a", "b"])),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_queue_is_what_its_pattern_heard_less_what_was_too_much(
    steps: list[tuple[str, str]],
) -> None:
    most, was = 4, bus_module.MAX_WAITING
    queues: dict[str, deque[int]] = {pattern: deque(maxlen=most) for pattern in ("*", "a*", "b")}
    dropped = dict.fromkeys(queues, 0)
    with tempfile.TemporaryDirectory() as folder:
        bus_module.MAX_WAITING = most
        store = Store(folder, durability="process")
        try:
            listening = {it: store.bus.subscribe(it, name=f"of-{ord(it[0])}") for it in queues}
            for number, (what, which) in enumerate(steps):
                if what == "publish":
                    store.bus.publish(which, number)
                    for pattern, queue in queues.items():
                        if pattern == which or (
                            pattern.endswith("*") and which.startswith(pattern[:-1])
                        ):
                            dropped[pattern] += len(queue) == most
                            queue.append(number)
                elif what == "receive":
                    event = listening[which].receive(0)
                    wanted = queues[which].popleft() if queues[which] else None
                    assert (None if event is None else event.data) == wanted
                elif what == "reopen":
                    store.close()
                    store = Store(folder, durability="process")
                    listening = {
                        it: store.bus.subscribe(it, name=f"of-{ord(it[0])}") for it in queues
                    }
                else:
                    _publish_and_undo(store, which)
            for pattern, queue in queues.items():
                record = listening[pattern].record
                assert (record.waiting, record.dropped) == (len(queue), dropped[pattern])
                assert [event.data for event in listening[pattern]] == list(queue)
            assert store._database.value("SELECT count(*) FROM bus_events") == 0
        finally:
            bus_module.MAX_WAITING = was
            store.close()


def _publish_and_undo(store: Store, which: str) -> None:
    with suppress(LookupError), store.transaction():
        store.bus.publish(which, "never")
        raise LookupError
