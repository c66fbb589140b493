"""A program listens to what happens in its store: the event bus, from Python."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import respell
from respell import values
from respell.errors import SessionNotFound, SubscriptionNotFound, UsageError
from respell.sessions.changes import activate_without_program, delete_session, end_session
from respell.sessions.record import SessionRecord
from respell.store import Store, bus_rows
from respell.store import bus as bus_module
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.store.listening import Subscription
from respell.times import SECOND


def types(subscription: Subscription) -> list[str]:
    return [event.type for event in subscription]


def test_what_is_published_is_heard_in_order_and_once(store: Store) -> None:
    with store.bus.subscribe("deploy.*") as subscription:
        assert store.bus.publish("deploy.begun", {"of": "site"}) == 1
        assert store.bus.publish("backup.begun") == 0
        store.bus.publish("deploy.done", [1, 2.5, b"\xff"], correlation_id="run-7", ttl_seconds=60)
        begun, done = subscription
        assert (begun.type, begun.data, begun.source) == ("deploy.begun", {"of": "site"}, "python")
        assert (done.data, done.correlation_id) == ([1, 2.5, b"\xff"], "run-7")
        assert done.sequence > begun.sequence
        assert done.expires == done.at + 60 * SECOND
        assert subscription.receive(0) is None
    with pytest.raises(SubscriptionNotFound, match="has ended"):
        subscription.receive(0)


def test_a_pattern_is_a_type_or_a_star_or_a_beginning_with_a_star(store: Store) -> None:
    heard = {}
    for pattern in ("a.b", "a.*", "*", "a.b*", "A.b"):
        with store.bus.subscribe(pattern) as subscription:
            for kind in ("a.b", "a.bc", "a", "b.a"):
                store.bus.publish(kind)
            heard[pattern] = types(subscription)
    assert heard == {
        "a.b": ["a.b"], "a.*": ["a.b", "a.bc"], "*": ["a.b", "a.bc", "a", "b.a"],
        "a.b*": ["a.b", "a.bc"], "A.b": [],
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "a b", "a\n", "\ud800", "x" * 256, None, 5])
def test_what_is_no_pattern_is_refused(store: Store, pattern: str) -> None:
    with pytest.raises(UsageError, match="subscribe: pattern"):
        store.bus.subscribe(pattern)
    with pytest.raises(UsageError, match="publish: type"):
        store.bus.publish(pattern)


def test_what_is_no_event_is_refused_also_where_nobody_listens(store: Store) -> None:
    with pytest.raises(UsageError, match="no star"):
        store.bus.publish("a.*")
    with pytest.raises(UsageError, match=r"at most 262144 bytes of data.* store an artifact"):
        store.bus.publish("a", "x" * 300_000)
    for ttl in (0, -1, float("nan"), float("inf"), True, "1"):
        with pytest.raises(UsageError, match="ttl_seconds must be"):
            store.bus.publish("a", ttl_seconds=ttl)  # type: ignore[arg-type]
    with pytest.raises(SessionNotFound):
        store.bus.publish("a", session="nobody")
    with pytest.raises(SessionNotFound):
        store.bus.subscribe("a", session="nobody")


def test_where_nobody_listens_nothing_is_written(store: Store) -> None:
    with store.bus.subscribe("elsewhere.*"):
        session = respell.create(store=store, name="quiet")
        session.state["a"] = 1
        session.artifacts.store("x.txt", "x")
        assert store._database.value("SELECT count(*) FROM bus_events") == 0


def test_where_nobody_listens_it_costs_one_look_at_most_for_each_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = respell.create(store=store, name="quiet")
    looks: list[str] = []
    wanted = store.bus.wanted

    def counted(type: str) -> bool:
        looks.append(type)
        return wanted(type)

    monkeypatch.setattr(store.bus, "wanted", counted)
    session.state["a"] = 1
    session.artifacts.store("x.txt", "x")
    assert looks == ["state.changed"]  # an artifact's place tells whether anybody listens


def test_every_change_of_a_session_is_told_wherever_it_comes_from(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        session = respell.create(store=store, name="notes", tags=["a"])
        created, started = subscription
        assert (created.type, started.type) == ("session.created", "session.started")
        assert created.data == {"session_id": session.id, "name": "notes", "status": "active",
                                "tags": ["a"], "created_by": "python"}  # fmt: skip
        assert created.session_id == created.correlation_id == session.id
        assert created.source == "respell"
        session.state["key"] = "value"
        del session.state["key"]
        kept = session.artifacts.store("x.txt", "content")
        session.artifacts.delete(kept.id)
        session.suspend()
        activate_without_program(store, session.record, by="python")
        session.complete()
        session.archive()
        session.delete()
        told = list(subscription)
    assert [event.type for event in told] == [
        "state.changed", "state.changed", "artifact.stored", "artifact.deleted",
        "session.suspended", "session.resumed", "session.completed", "session.archived",
        "session.deleted",
    ]  # fmt: skip
    assert told[0].data == {"scope": f"session:{session.id}", "key": "key", "operation": "set",
                            "session_id": session.id}  # fmt: skip
    assert told[1].data["operation"] == "deleted"
    assert told[2].data == {"artifact_id": kept.id, "artifact_type": "user_input", "name": "x.txt",
                            "version": 1, "size": 7, "session_id": session.id}  # fmt: skip
    assert told[4].data["previous_status"] == "active"
    assert {event.correlation_id for event in told} == {session.id}


def test_an_event_is_in_the_transaction_of_what_it_tells(store: Store) -> None:
    session = respell.create(store=store)
    with store.bus.subscribe("*") as subscription:
        with suppress(ZeroDivisionError), store.transaction():
            session.state["a"] = 1
            store.bus.publish("seen", session=session.id)
            raise ZeroDivisionError
        assert types(subscription) == []
        with store.transaction():
            store.state.set("global", "a", values.encode(1))
            store.bus.publish("seen")
        assert types(subscription) == ["seen"]


def test_receiving_is_undone_with_the_transaction_it_was_in(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        store.bus.publish("a")
        with suppress(ZeroDivisionError), store.transaction():
            assert subscription.receive(0) is not None
            raise ZeroDivisionError
        with store.transaction(), pytest.raises(UsageError, match="within a transaction"):
            subscription.receive(5)
        assert types(subscription) == ["a"]


def test_a_receive_waits_for_what_another_thread_publishes(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        got: list[str] = []

        def listen() -> None:
            event = subscription.receive(timeout=60)
            assert event is not None
            got.append(event.type)

        thread = threading.Thread(target=listen)
        thread.start()
        store.bus.publish("at.last")
        thread.join(60)
        assert got == ["at.last"]


def test_a_receive_ends_when_its_subscription_does(store: Store) -> None:
    subscription = store.bus.subscribe("*")
    raised: list[str] = []

    def listen() -> None:
        with pytest.raises(SubscriptionNotFound) as error:
            subscription.receive(timeout=3600)
        raised.append(str(error.value))

    thread = threading.Thread(target=listen)
    thread.start()
    subscription.unsubscribe()
    thread.join(60)
    assert len(raised) == 1


def test_only_one_of_many_threads_gets_an_event(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        got: list[int] = []

        def listen() -> None:
            got.extend(event.data for event in subscription.events(timeout=0.5))

        threads = [threading.Thread(target=listen) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(100):
            store.bus.publish("n", number)
        for thread in threads:
            thread.join(60)
        assert sorted(got) == list(range(100))


def test_a_subscription_with_a_name_collects_while_nobody_listens(tmp_path: Path) -> None:
    with Store(tmp_path, durability="process") as store:
        with store.bus.subscribe("a.*", name="audit") as subscription:
            store.bus.publish("a.1")
            store.bus.publish("a.2")
            assert subscription.receive(0).type == "a.1"  # type: ignore[union-attr]
        store.bus.publish("a.3")
    with Store(tmp_path, durability="process") as store:
        with store.bus.subscribe("a.*", name="audit") as subscription:
            assert types(subscription) == ["a.2", "a.3"]
            with pytest.raises(UsageError, match=r"'audit' to 'a\.\*' already"):
                store.bus.subscribe("b.*", name="audit")
            subscription.unsubscribe()
        assert store.bus.list() == []


def test_only_the_events_of_one_session(store: Store) -> None:
    mine, other = respell.create(store=store), respell.create(store=store)
    with store.bus.subscribe("*", session=mine.id) as subscription:
        other.state["a"] = 1
        mine.state["b"] = 2
        store.bus.publish("of.nobody")
        store.bus.publish("of.mine", session=mine.id)
        assert types(subscription) == ["state.changed", "of.mine"]


def test_what_has_expired_is_not_heard(tmp_path: Path) -> None:
    now = [1_000_000 * SECOND]
    with (
        Store(tmp_path, durability="process", clock=lambda: now[0]) as store,
        store.bus.subscribe("*") as subscription,
    ):
        store.bus.publish("short", ttl_seconds=1)
        store.bus.publish("long", ttl_seconds=100)
        store.bus.publish("ever")
        now[0] += 10 * SECOND
        assert types(subscription) == ["long", "ever"]
        store.bus.publish("short", ttl_seconds=1)
        now[0] += 10 * SECOND
        assert collect(store, dry_run=True).bus_events == 1
        assert collect(store).bus_events == 1
        assert store._database.value("SELECT count(*) FROM bus_events") == 0


def test_v060_after_ten_thousand_events_publish_failed_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffer was never drained; here the oldest are dropped, and that is told."""
    monkeypatch.setattr(bus_module, "MAX_WAITING", 100)
    with store.bus.subscribe("*") as lazy, store.bus.subscribe("*") as eager:
        for number in range(250):
            store.bus.publish("n", number)
            assert eager.receive(0).data == number  # type: ignore[union-attr]
        assert (lazy.record.waiting, lazy.record.dropped) == (100, 150)
        first = lazy.receive(0)
        assert first is not None
        assert (first.data, first.dropped) == (150, 150)
        assert [event.data for event in lazy] == list(range(151, 250))
        assert eager.record.dropped == 0
        store.bus.publish("n", 250)
        assert [event.data for event in lazy] == [250]


@pytest.mark.slow
def test_ten_thousand_events_and_more_with_the_real_bound(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        for number in range(bus_module.MAX_WAITING + 500):
            store.bus.publish("n", number)
        assert [event.data for event in subscription] == list(range(500, 10_500))


def test_what_waits_is_bounded_in_bytes_as_well(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "MAX_WAITING_BYTES", 100_000)
    with store.bus.subscribe("*") as subscription:
        for number in range(10):
            store.bus.publish("large", [number, "x" * 30_000])
        assert [event.data[0] for event in subscription] == [7, 8, 9]
        assert subscription.record.dropped == 7


def test_v060_unsubscribing_leaked(store: Store) -> None:
    """Its receivers stayed in the bus; here nothing is left of a subscription."""
    for _ in range(20):
        with store.bus.subscribe("*"):
            store.bus.publish("a", {"some": "data"})
    for table in ("subscriptions", "deliveries", "bus_events"):
        assert store._database.value(f"SELECT count(*) FROM {table}") == 0, table


def test_v060_later_events_got_a_new_root_id(store: Store) -> None:
    """Each event of a session looked for its correlation in the wrong place."""
    with store.bus.subscribe("session.*") as subscription:
        one, two = respell.create(store=store), respell.create(store=store)
        for session in (one, two, one, two):
            status = "suspended" if session.status == "active" else "active"
            store.sessions.update(session.record.key, status=status)
        heard = list(subscription)
    for session in (one, two):
        assert [event.type for event in heard if event.correlation_id == session.id] == [
            "session.created", "session.started", "session.suspended", "session.resumed",
        ]  # fmt: skip


def test_deleting_a_session_leaves_nothing_of_its_subscriptions(store: Store) -> None:
    record = store.sessions.insert(SessionRecord(name="listener"))
    store.bus.add("*", name="subscription-1", session=record.key, language="lua")
    store.bus.publish("a", session=record.id)
    assert store.bus.list(record.key)[0].waiting == 1
    delete_session(store, record)
    for table in ("subscriptions", "deliveries", "bus_events"):
        assert store._database.value(f"SELECT count(*) FROM {table}") == 0, table


def test_a_session_that_has_ended_listens_no_more(store: Store) -> None:
    record = store.sessions.insert(SessionRecord(name="listener"))
    store.bus.add("*", name="subscription-1", session=record.key, language="lua")
    end_session(store, record, "completed")
    assert store.bus.list(record.key) == []


_DIES = """
import os, sys
from respell.store import Store
store = Store(sys.argv[1], durability="process")
store.bus.subscribe("*")
os._exit(0)
"""


@pytest.fixture
def orphan(store: Store) -> Callable[[], None]:
    """Leave a subscription behind whose process is gone."""

    def leave() -> None:
        subprocess.run([sys.executable, "-c", _DIES, str(store.path)], check=True)

    return leave


def test_a_subscription_goes_with_its_process(store: Store, orphan: Callable[[], None]) -> None:
    orphan()
    assert len(store.bus.list()) == 1
    assert collect(store, dry_run=True).subscriptions == 1
    assert collect(store).subscriptions == 1
    assert store.bus.list() == []
    orphan()
    with store.bus.subscribe("*"):
        assert len(store.bus.list()) == 1


def test_a_dead_process_holds_up_no_more_than_the_bound(
    store: Store, orphan: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "MAX_WAITING", 10)
    orphan()
    for number in range(11):
        store.bus.publish("n", number)
    assert store.bus.list() == []
    assert store._database.value("SELECT count(*) FROM bus_events") == 0


def test_the_check_finds_what_is_wrong_with_the_bus_and_puts_it_right(store: Store) -> None:
    with store.bus.subscribe("*") as subscription:
        for number in range(4):
            store.bus.publish("n", number)
        assert check(store, read_data=True).findings == []
        database = store._database
        database.write("UPDATE subscriptions SET waiting = 17")
        database.write("INSERT INTO deliveries (subscription, sequence, bytes) VALUES (99, 1, 1)")
        database.write("UPDATE bus_events SET data = x'c1' WHERE sequence = 2")
        found = check(store, read_data=True).findings
        assert {it.kind for it in found} >= {"bus.counters", "bus.lost"}
        assert any("event 2 of the bus" in it.what for it in found)
        check(store, read_data=True, repair=True)
        check(store, read_data=True, repair=True)
        assert check(store, read_data=True).findings == []
        assert [event.data for event in subscription] == [0, 2, 3]


def test_types_say_what_is_allowed() -> None:
    assert bus_rows.check_type("a.b") == "a.b"
    assert bus_rows.check_pattern("a.*") == "a."
    assert bus_rows.check_pattern("a") is None
