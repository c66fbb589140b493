"""One session, one host: leases between real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from respell.errors import LeaseLost, SessionBusy, SessionNotFound
from respell.sessions.record import SessionRecord
from respell.store import Holder, Store
from store_children import append_after_takeover, begin, effect, hold, race_for_lease

SECOND = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "store", clock=clock) as store:
        yield store


def elsewhere(**fields: object) -> Holder:
    """A host on another machine, which can be judged by its heartbeat only."""
    return replace(Holder.current(), boot_id="another", host="lena", **fields)  # type: ignore[arg-type]


def test_a_second_resume_is_refused_and_says_who_holds_it(store: Store) -> None:
    session = store.sessions.insert(SessionRecord())
    store.leases.acquire(session.key, elsewhere(pid=812))
    with pytest.raises(SessionBusy) as refusal:
        store.leases.acquire(session.key)
    assert refusal.value.holder == "process 812 on lena since 2023-11-14T22:13:20Z"
    assert str(refusal.value) == (
        f"session {session.id} is held by {refusal.value.holder}; "
        f"`respell suspend {session.id}` asks it to let go"
    )


def test_the_same_process_can_not_take_a_session_twice(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    token = store.leases.acquire(key)
    with pytest.raises(SessionBusy, match=f"process {os.getpid()} on"):
        store.leases.acquire(key)
    store.leases.release(key, token)
    assert store.leases.holder(key) is None
    assert store.leases.acquire(key) > token


def test_a_killed_host_loses_its_session_at_once(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        key = store.sessions.insert(SessionRecord()).key
        process, pipe = begin(hold, store.path, key)
        assert isinstance(pipe.recv(), int)
        holder = store.leases.holder(key)
        assert holder is not None
        assert holder.pid == process.pid
        assert store.leases.live() == {key: holder}
        with pytest.raises(SessionBusy):
            store.leases.acquire(key)
        os.kill(holder.pid, signal.SIGSTOP)  # stopped is not dead
        with pytest.raises(SessionBusy):
            store.leases.acquire(key)
        process.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet reaped
        assert store.leases.holder(key) is None
        assert store.leases.live() == {}
        assert isinstance(store.leases.acquire(key), int)
        process.join()


def test_a_process_that_got_the_pid_of_a_dead_host_is_not_the_host(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    here = Holder.current()
    store.leases.acquire(key, replace(here, start_time=here.start_time - 1))
    assert store.leases.holder(key) is None
    store.leases.acquire(key)


def test_a_host_elsewhere_lives_by_its_heartbeat(store: Store, clock: Clock) -> None:
    key = store.sessions.insert(SessionRecord()).key
    token = store.leases.acquire(key, elsewhere())
    clock.now += 7 * SECOND
    store.leases.renew(key, token)
    clock.now += 8 * SECOND
    assert store.leases.holder(key) is not None
    with pytest.raises(SessionBusy):
        store.leases.acquire(key)
    clock.now += 1
    assert store.leases.holder(key) is None
    store.leases.acquire(key)
    with pytest.raises(LeaseLost, match=f"process {os.getpid()} .* has taken it over"):
        store.leases.renew(key, token)
    store.leases.release(key, token)  # does nothing: it is not ours any more
    assert store.leases.holder(key) is not None


def test_a_clock_set_back_does_not_keep_a_dead_host_for_ever(store: Store, clock: Clock) -> None:
    key = store.sessions.insert(SessionRecord()).key
    store.leases.acquire(key, elsewhere())
    clock.now -= 3600 * SECOND
    assert store.leases.holder(key) is None


def test_tokens_never_come_again_even_for_another_session(store: Store) -> None:
    key = store.sessions.insert(SessionRecord()).key
    tokens = []
    for _ in range(3):  # the clock stands still
        tokens.append(store.leases.acquire(key))
        store.leases.release(key, tokens[-1])
    assert tokens == sorted(set(tokens))
    with pytest.raises(SessionNotFound):
        store.leases.acquire(99)
    with pytest.raises(LeaseLost, match=r"not held by this process any more$"):
        store.leases.renew(key, tokens[-1])


def test_of_several_processes_exactly_one_gets_the_session(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        for _ in range(3):
            key = store.sessions.insert(SessionRecord()).key
            children = [begin(race_for_lease, store.path, key) for _ in range(3)]
            for _, pipe in children:
                assert pipe.recv() == "ready"
            for _, pipe in children:
                pipe.send("go")
            assert sorted(pipe.recv() for _, pipe in children) == ["refused", "refused", "won"]
            for process, pipe in children:
                pipe.send("end")
                process.join()


def test_a_woken_laptop_appends_nothing_more(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        key = store.sessions.insert(SessionRecord()).key
        process, pipe = begin(append_after_takeover, store.path, key)
        assert pipe.recv() == "holding"
        # Another machine saw no heartbeat for a while and went on.
        with store.transaction():
            store._database.write("UPDATE leases SET boot_id = 'other', heartbeat = 0")
        writer = store.history.writer(key, store.leases.acquire(key))
        writer.append([effect(2)])
        pipe.send("wake up")
        answer = json.loads(pipe.recv())
        assert "has taken it over" in answer["error"]
        assert answer["seq"] == 1
        assert store.history.verify(key) == 2
        process.join()
