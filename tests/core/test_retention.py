"""Retention: sessions that ended long ago are archived and deleted, and no others."""

from __future__ import annotations

from typing import Any

import pytest

import respell
from respell.config import Config, load
from respell.sessions import retention
from respell.sessions.record import SessionRecord
from respell.sessions.retention import DAY, apply_in_passing, apply_retention
from respell.store import Store
from respell.times import now_us

NOW = now_us()


def configured(archive: float | None = None, delete: float | None = None) -> Config:
    """Return a configuration with these days."""
    given = {"ARCHIVE": archive, "DELETE": delete}
    return load(
        environ={
            "RESPELL_CONFIG": "/dev/null",
            **{
                f"RESPELL_SESSION_RETENTION_{name}_AFTER_DAYS": str(days)
                for name, days in given.items()
                if days is not None
            },
        }
    )


def ended(store: Store, days: float, status: str = "completed", **fields: Any) -> SessionRecord:
    """Return a session that ended so many days ago."""
    at = NOW - int(days * DAY)
    fields = {"created_at": at, "updated_at": at, "script_hash": "00" * 32, **fields}
    return store.sessions.insert(SessionRecord(status=status, ended_at=at, **fields))


def status_of(store: Store, session: SessionRecord) -> str | None:
    found = [it.status for it in store.sessions.list() if it.key == session.key]
    return found[0] if found else None


def test_nothing_happens_unless_somebody_wants_it(store: Store) -> None:
    old = ended(store, 10_000)
    assert apply_retention(store, configured(), NOW).deleted == []
    assert apply_in_passing(store, configured(), NOW).archived == []
    assert status_of(store, old) == "completed"


def test_what_ended_long_ago_is_archived_then_deleted(store: Store) -> None:
    fresh = ended(store, 1)
    older = ended(store, 11, "failed")
    oldest = ended(store, 31)
    archived = ended(store, 31, "archived")
    report = apply_retention(store, configured(archive=10, delete=30), NOW)
    assert report.archived == [older.id]
    assert sorted(report.deleted) == sorted([oldest.id, archived.id])
    assert report.finished
    assert [status_of(store, it) for it in (fresh, older, oldest, archived)] == [
        "completed", "archived", None, None,
    ]  # fmt: skip
    again = apply_retention(store, configured(archive=10, delete=30), NOW)
    assert (again.archived, again.deleted) == ([], [])


def test_what_has_not_ended_is_left_alone(store: Store, script: Any) -> None:
    waiting = script("Session.suspend()").session
    at = NOW - 100 * DAY
    active = store.sessions.insert(SessionRecord(created_at=at, updated_at=at))
    report = apply_retention(store, configured(archive=1, delete=1), NOW + 1000 * DAY)
    assert (report.archived, report.deleted) == ([], [])
    assert status_of(store, waiting) == "suspended"
    assert status_of(store, active) == "active"


def test_a_session_that_somebody_holds_is_left_for_later(store: Store) -> None:
    old = ended(store, 40)
    lease = store.leases.acquire(old.key)
    assert apply_retention(store, configured(delete=30), NOW).deleted == []
    assert apply_retention(store, configured(archive=30), NOW).archived == []
    store.leases.release(old.key, lease)
    assert apply_retention(store, configured(delete=30), NOW).deleted == [old.id]


def test_what_a_waiting_script_created_stays_as_long_as_it_waits(store: Store, script: Any) -> None:
    text = (
        "local s = Session.create{name = 'made'}\n"
        "local id = Artifact.store(s, 'a', 'content')\n"
        "Session.complete(s)\nSession.suspend()\nprint(Artifact.getContent(s, id))"
    )
    waiting = script(text).session
    later = now_us() + 100 * DAY
    assert apply_retention(store, configured(delete=30), later).deleted == []
    done = script.resume(waiting)
    assert script.lines == ["content"]
    deleted = apply_retention(store, configured(delete=30), now_us() + 200 * DAY).deleted
    assert set(deleted) >= {done.session.id}
    rest = apply_retention(store, configured(delete=30), now_us() + 200 * DAY).deleted
    assert store.sessions.count() == 0, (deleted, rest)


def test_a_fork_keeps_the_history_of_a_deleted_session(store: Store, script: Any) -> None:
    done = script("print('one')\nState.set('k', 1)\nprint('two')").session
    fork = respell.fork(done, store=store, at=2)
    later = now_us() + 100 * DAY
    assert apply_retention(store, configured(delete=30), later).deleted == [done.id]
    assert status_of(store, done) is None
    assert script.resume(fork).session.status == "completed"
    assert respell.replay(fork.id, store=store).identical


def test_artifacts_and_state_go_with_a_session(store: Store, script: Any) -> None:
    done = script("Artifact.store(nil, 'a', 'x')\nState.set('k', 1)").session
    apply_retention(store, configured(delete=1), now_us() + 2 * DAY)
    assert store.artifacts.list() == []
    assert store.state.list(f"session:{done.id}") == []


def test_the_audit_log_and_the_history_tell_who_did_it(store: Store) -> None:
    older, oldest = ended(store, 11, name="older"), ended(store, 31, name="oldest")
    apply_retention(store, configured(archive=10, delete=30), NOW)
    told = {it.session: it for it in store.audit.list()}
    assert (told[older.id].action, told[oldest.id].action) == (
        "session.archive", "session.delete",
    )  # fmt: skip
    assert {it.actor for it in told.values()} == {"retention"}
    assert "more than 30 days ago" in told[oldest.id].reason
    assert told[oldest.id].target == "oldest"
    last = list(respell.events(older, store=store))[-1]
    assert (last.name, last.args["by"]) == ("lifecycle.archive", "retention")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(store: Store) -> None:
    older, oldest = ended(store, 11), ended(store, 31)
    report = apply_retention(store, configured(archive=10, delete=30), NOW, dry_run=True)
    assert (report.archived, report.deleted) == ([older.id], [oldest.id])
    assert [status_of(store, it) for it in (older, oldest)] == ["completed", "completed"]
    assert store.audit.list() == []


def test_more_than_a_page_of_them_is_no_problem(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 10)
    made = [ended(store, 31 if number % 3 else 11, name=f"s{number}") for number in range(50)]
    held = [made[0], made[1], made[25], made[49]]
    leases = [(it, store.leases.acquire(it.key)) for it in held]
    config = configured(archive=10, delete=30)
    would = apply_retention(store, config, NOW, dry_run=True)
    assert len(would.archived) + len(would.deleted) == 50
    apply_retention(store, config, NOW)
    assert store.sessions.count(respell.SessionQuery(status="completed")) == 4
    for session, lease in leases:
        store.leases.release(session.key, lease)
    apply_retention(store, config, NOW)
    assert {it.status for it in store.sessions.list()} == {"archived"}
    assert store.sessions.count() == len([n for n in range(50) if not n % 3])


def test_in_passing_it_is_done_once_a_day(store: Store) -> None:
    config = configured(delete=30)
    first = ended(store, 31)
    assert apply_in_passing(store, config, NOW).deleted == [first.id]
    second = ended(store, 31)
    assert apply_in_passing(store, config, NOW + DAY - 1).deleted == []
    assert apply_in_passing(store, config, NOW + DAY).deleted == [second.id]
    third = ended(store, 31)  # and a clock that was set back does not stop it for ever
    assert apply_in_passing(store, config, NOW).deleted == [third.id]


def test_in_passing_it_stops_when_its_moment_is_over_and_goes_on_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(delete=30)
    made = {ended(store, 31).id for _ in range(3)}
    monkeypatch.setattr(retention, "IN_PASSING_S", 0.0)
    report = apply_in_passing(store, config, NOW)
    assert (report.deleted, report.finished) == ([], False)
    monkeypatch.undo()
    assert set(apply_in_passing(store, config, NOW).deleted) == made


def test_in_passing_long_histories_are_left_to_gc(
    store: Store, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LONG", 5)
    long = script("for i = 1, 10 do State.set('k', i) end").session
    later = now_us() + 2 * DAY
    report = apply_in_passing(store, configured(delete=1), later)
    assert (report.deleted, report.finished) == ([], True)
    assert apply_retention(store, configured(delete=1), later).deleted == [long.id]


def test_it_touches_nothing_where_nothing_is_wanted(store: Store) -> None:
    before = store.data_version()
    apply_in_passing(store, configured())
    assert store.notes.get("retention.last") is None
    assert store.data_version() == before
