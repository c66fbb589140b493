"""Numbers over time are those of a history that was added up by hand."""

from __future__ import annotations

import json
import resource
from hashlib import sha256
from typing import Any

import pytest

import respell
from respell.analytics import Pseudonyms, over_time
from respell.analytics.over_time import Bucket
from respell.errors import UsageError
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import SECOND, parse_rfc3339
from respell.values import encode
from stories import respell as command

HOUR = 3600 * SECOND
MONDAY = parse_rfc3339("2026-11-23T00:00:00Z")  # it was one
NINE = MONDAY + 9 * HOUR


def appended(store: Store, session: SessionRecord, records: list[Record]) -> SessionRecord:
    lease = store.leases.acquire(session.key)
    store.history.writer(session.key, lease).append(records)
    store.leases.release(session.key, lease)
    return store.sessions.get(session.key)


def note(number: int, name: str, at: int) -> Record:
    return Record(Part.NOTE, number, status=Status.OK, name=name, at=at)


def whole(number: int, name: str, at: int, status: Status = Status.OK, **more: Any) -> Record:
    return Record(Part.EFFECT, number, number, status=status, name=name, at=at, **more)


def part(
    kind: Part, number: int, name: str, at: int, outcome: Any = None, ok: bool = True
) -> Record:
    status = Status.NONE if kind in (Part.BEGIN, Part.INTENT) else Status.OK if ok else Status.ERROR
    return Record(kind, number, number, status=status, name=name, at=at, outcome=encode(outcome))


HISTORY = [
    # 09:00 to 09:30: a run that is suspended.
    note(1, "lifecycle.start", NINE),
    whole(2, "state.set", NINE + SECOND),
    whole(3, "file.open", NINE + 2 * SECOND, Status.ERROR),
    whole(4, "output.line", NINE + 3 * SECOND),
    whole(5, "output.text", NINE + 3 * SECOND, args=encode({"text": "two\nlines\nand a half"})),
    whole(6, "log.info", NINE + 3 * SECOND),
    # An effect that hooks surround: two seconds, of which one is the effect's own.
    part(Part.BEGIN, 7, "tool.invoke", NINE + 10 * SECOND),
    whole(8, "hook.call", NINE + 10 * SECOND, outcome=encode({"type": "continue", "us": 250_000})),
    part(Part.BEGIN, 9, "hook.call", NINE + 10 * SECOND),
    part(Part.END, 9, "hook.call", NINE + 11 * SECOND, {"type": "continue", "us": 50_000}),
    part(Part.INTENT, 7, "tool.invoke", NINE + 11 * SECOND),
    part(Part.OUTCOME, 7, "tool.invoke", NINE + 12 * SECOND, {"success": True}),
    Record(Part.NOTE, 10, parent=7, status=Status.OK, name="hook.call", at=NINE + 12 * SECOND,
           outcome=encode({"type": "continue", "us": 700_000})),
    Record(Part.NOTE, 11, parent=7, status=Status.ERROR, name="hook.call", at=NINE + 12 * SECOND,
           outcome=encode("it failed")),
    part(Part.END, 7, "tool.invoke", NINE + 12 * SECOND),
    part(Part.INTENT, 12, "agent.request", NINE + 20 * SECOND),
    part(Part.OUTCOME, 12, "agent.request", NINE + 24 * SECOND,
         {"text": "hi", "usage": {"input_tokens": 30, "output_tokens": 12}, "cost_usd": 0.25}),
    note(13, "lifecycle.suspend", NINE + HOUR // 2),
    # 10:45 to 11:15 on the next day: a run across two hours; its request fails.
    note(14, "lifecycle.resume", NINE + 25 * HOUR + 3 * HOUR // 4),
    part(Part.INTENT, 15, "agent.request", NINE + 26 * HOUR),
    part(Part.OUTCOME, 15, "agent.request", NINE + 26 * HOUR + SECOND, "no answer", ok=False),
    part(Part.INTENT, 16, "timer.sleep", NINE + 26 * HOUR + 2 * SECOND),
    note(17, "lifecycle.complete", NINE + 26 * HOUR + HOUR // 4),
]  # fmt: skip


@pytest.fixture
def session(store: Store) -> SessionRecord:
    made = store.sessions.insert(
        SessionRecord(script="main.lua", created_at=NINE, updated_at=NINE, name="secret plan")
    )
    made = appended(store, made, HISTORY)
    store.sessions.update(made.key, status="completed", ended_at=NINE + 26 * HOUR + HOUR // 4)
    return store.sessions.get(made.key)


FIRST = Bucket(
    start="2026-11-23T09:00:00.000000Z", sessions=1, created=1, runs=1, active_s=1800.0, events=13,
    effects=4, failed=1, success_rate=0.75, busy_s=6.0, tokens=42, cost_usd=0.25, hook_calls=4,
    hook_failed=1, hook_s=1.0, hook_overhead=1 / 1800, output_lines=3,
)  # fmt: skip
SECOND_HOUR = Bucket(
    start="2026-11-24T10:00:00.000000Z", sessions=1, runs=1, active_s=900.0, events=1,
)  # fmt: skip
THIRD = Bucket(
    start="2026-11-24T11:00:00.000000Z", sessions=1, ended=1, active_s=900.0, events=3, effects=1,
    failed=1, success_rate=0.0, busy_s=1.0,
)  # fmt: skip


def test_hours_are_what_was_added_up_by_hand(store: Store, session: SessionRecord) -> None:
    found = over_time(store, session, by="hour")
    assert found.buckets == [FIRST, SECOND_HOUR, THIRD]
    assert (found.session_id, found.by, found.since, found.until) == (
        session.id, "hour", None, None,
    )  # fmt: skip
    assert found.totals == Bucket(
        sessions=1, created=1, ended=1, runs=2, active_s=3600.0, events=17, effects=5, failed=2,
        success_rate=0.6, busy_s=7.0, tokens=42, cost_usd=0.25, hook_calls=4, hook_failed=1,
        hook_s=1.0, hook_overhead=1 / 3600, output_lines=3,
    )  # fmt: skip
    json.dumps(found.to_json())


def test_days_and_weeks_hold_their_hours(store: Store, session: SessionRecord) -> None:
    days = over_time(store, session, by="day").buckets
    assert [(it.start[:10], it.events, it.active_s) for it in days] == [
        ("2026-11-23", 13, 1800.0), ("2026-11-24", 4, 1800.0),
    ]  # fmt: skip
    (week,) = over_time(store, session, by="week").buckets
    assert (week.start[:10], week.events, week.runs) == ("2026-11-23", 17, 2)
    appended(store, session, [note(18, "note.later", MONDAY - 1), note(19, "note.x", MONDAY)])
    weeks = over_time(store, store.sessions.get(session.key), by="week").buckets
    assert [it.start[:10] for it in weeks] == ["2026-11-16", "2026-11-23"]


def test_only_a_part_of_the_time_counts(store: Store, session: SessionRecord) -> None:
    handle = respell.Session(store, session)
    late = handle.stats_over_time("hour", since="2026-11-24T10:50:00Z")
    assert [(it.start, it.active_s, it.events) for it in late.buckets] == [
        (SECOND_HOUR.start, 600.0, 0), (THIRD.start, 900.0, 3),
    ]  # fmt: skip
    early = handle.stats_over_time("hour", until="2026-11-23T09:00:11Z")
    # The effect that ends at 09:00:12 had begun.
    assert [(it.events, it.effects, it.hook_calls, it.active_s) for it in early.buckets] == [
        (9, 2, 1, 11.0)
    ]
    none = handle.stats_over_time(since="2030-01-01T00:00:00Z")
    assert (none.buckets, none.totals) == ([], Bucket())


def test_the_numbers_of_a_session_are_the_same(store: Store, session: SessionRecord) -> None:
    stats = respell.Session(store, session).stats()
    hooks = stats.hooks
    assert (hooks.calls, hooks.failed, hooks.total_s, hooks.longest_s) == (4, 1, 1.0, 0.7)
    assert stats.effects["tool.invoke"].total_s == 2.0
    assert stats.effects["agent.request"].failed == 1
    assert stats.effects["timer.sleep"].open == 1
    assert (stats.output_lines, stats.log_lines, stats.runs) == (3, 1, 2)
    assert stats.suspended_s == 25.25 * 3600
    assert stats.success_rate == 0.6


OVER_A_NIGHT = [
    note(1, "lifecycle.start", NINE),
    part(Part.BEGIN, 2, "tool.invoke", NINE),
    # A hook of the tool asks whether that may be; the answer comes the next day.
    part(Part.BEGIN, 3, "hook.call", NINE),
    part(Part.INTENT, 4, "session.suspend", NINE + SECOND),
    note(5, "lifecycle.suspend", NINE + SECOND),
    note(6, "lifecycle.resume", NINE + 24 * HOUR),
    part(Part.OUTCOME, 4, "session.suspend", NINE + 24 * HOUR, {"approved": True}),
    part(Part.END, 3, "hook.call", NINE + 24 * HOUR + SECOND,
         {"type": "continue", "us": 24 * HOUR + SECOND}),
    part(Part.END, 2, "tool.invoke", NINE + 24 * HOUR + 4 * SECOND),
    note(7, "lifecycle.complete", NINE + 24 * HOUR + 4 * SECOND),
]  # fmt: skip


def test_a_hook_that_waits_for_a_person_over_night_took_no_night(store: Store) -> None:
    made = store.sessions.insert(SessionRecord(script="main.lua", created_at=NINE))
    session = respell.Session(store, appended(store, made, OVER_A_NIGHT))
    stats = session.stats()
    assert (stats.hooks.total_s, stats.hooks.longest_s) == (2.0, 2.0)
    assert stats.effects["tool.invoke"].total_s == 5.0
    # Whoever asked did wait.
    assert stats.effects["session.suspend"].total_s == 24 * 3600 - 1
    whole_time = session.stats_over_time("week").totals
    assert whole_time.hook_s == 2.0
    assert whole_time.busy_s == 5.0 + 24 * 3600 - 1


def test_a_store_counts_what_a_fork_shares_once(script: Any, store: Store) -> None:
    done = script("State.set('a', 1) State.set('b', 2) Artifact.store(nil, 'a', 'five!')")
    fork = respell.fork(done.session, store=store, at=2)
    script.resume(fork)
    of_all = respell.stats_over_time(store=store, by="hour").totals
    one, other = (
        respell.session(it, store=store).stats_over_time("hour").totals
        for it in (done.session, fork.id)
    )
    assert (one.effects, other.effects, of_all.effects) == (3, 3, 5)
    assert (of_all.sessions, of_all.created, of_all.ended) == (2, 2, 2)
    assert (of_all.artifacts, of_all.artifact_bytes) == (2, 10)
    assert (one.artifacts, one.artifact_bytes) == (1, 5)


def test_hooks_of_scripts_and_of_python_are_counted(script: Any, store: Store) -> None:
    hooks = respell.HookRegistry()

    def look(context: respell.HookContext) -> None:
        sha256(bytes(1 << 20))  # it takes its time

    hooks.register("before_tool_execution", look)
    done = script("""
        Hook.register('BeforeToolExecution', function() Logger.info('seen') end)
        Tool.invoke('hash_calculator', {operation = 'hash', input = 'a'})
    """, hooks=hooks)  # fmt: skip
    assert done.session.status == "completed", done.session.error
    found = respell.Session(store, done.session).stats_over_time("week").totals
    hooks_of = respell.Session(store, done.session).stats().hooks
    assert (found.hook_calls, hooks_of.calls) == (2, 2)
    assert found.hook_s == pytest.approx(hooks_of.total_s)
    assert found.hook_s > 0
    assert 0 < found.hook_overhead < 1


def test_a_script_gets_them_too(script: Any) -> None:
    done = script("""
        State.set("a", 1)
        local stats = Session.stats(Session.getCurrent(), {by = "day"})
        print(#stats.buckets, stats.totals.effects, stats.buckets[1].runs)
        print(select(2, pcall(Session.stats, Session.getCurrent(), {by = "year"})))
        print(Session.stats(Session.getCurrent()).buckets)
    """)
    assert done.session.status == "completed", done.session.error
    # What happened so far: the state, and the save that comes before.
    assert script.lines[0] == "1\t2\t1"
    assert "by must be one of hour, day, week, not 'year'" in script.lines[1]
    assert script.lines[2] == "nil"


def test_what_makes_no_sense_is_refused(store: Store, session: SessionRecord) -> None:
    for args, problem in (
        ({"by": "year"}, "choose one of hour, day, week"),
        ({"since": NINE, "until": NINE}, "there is no time since"),
    ):
        with pytest.raises(UsageError, match=problem):
            over_time(store, session, **args)
    many = [note(18 + n, "note.x", NINE + n * HOUR) for n in range(20_001)]
    made = appended(store, session, many)
    with pytest.raises(UsageError, match="there are more than 20000 of these"):
        over_time(store, made, by="hour")


# Privacy ---------------------------------------------------------------------------------


def test_nothing_that_names_anything_leaves_in_privacy(script: Any, store: Store) -> None:
    done = script("State.set('my key', 'my value') Artifact.store(nil, 'my artifact', 'my text')",
                  name="my session")  # fmt: skip
    last = done.session.events
    more = [whole(last + 1, "my.invention", NINE), whole(last + 2, "x", NINE)]
    appended(store, done.session, more)
    handle = respell.session(done.session, store=store)
    shown = json.dumps([
        handle.stats(privacy=True).to_json(), handle.stats_over_time(privacy=True).to_json(),
        respell.stats(store=store, privacy=True).to_json(),
    ])  # fmt: skip
    assert not [it for it in ("my", handle.id, handle.id[:8], str(store.path)) if it in shown]
    stats = handle.stats(privacy=True)
    assert {"state.set", "artifact.store"} < stats.effects.keys()
    assert stats.session_id == handle.stats_over_time(privacy=True).session_id
    assert len([it for it in stats.effects if it.startswith("effect-")]) == 2


def test_what_scripts_can_cause_is_called_as_it_is_in_privacy(script: Any, store: Store) -> None:
    done = script("""
        os.time() math.random() os.getenv("HOME") Utils.sleep(0.001)
        local agent = Agent.create{model = "mock/echo", name = "a"}
        agent:execute{prompt = "hi"}
        Workflow.sequential{name = "w", steps = {{name = "s", type = "tool", tool = "calculator",
          input = {input = "1 + 1"}}}}:execute()
        Event.receive(Event.subscribe("x"), 0)
    """)
    assert done.session.status == "completed", done.session.error
    stats = respell.Session(store, done.session).stats(privacy=True)
    assert stats.effects.keys() > {"agent.request", "timer.sleep", "tool.invoke"}
    assert [it for it in stats.effects if it.startswith("effect-")] == []


def test_pseudonyms_are_the_same_in_one_store_and_others_in_another(
    store: Store, tmp_path: Any
) -> None:
    first = Pseudonyms(store).of("session", "a")
    assert Pseudonyms(store).of("session", "a") == first
    assert Pseudonyms(store).of("session", "b") != first
    assert Pseudonyms(store).of("store", "a") != first
    with Store(tmp_path / "other") as other:
        assert Pseudonyms(other).of("session", "a") != first


def test_the_terminal_shows_them(store: Store, session: SessionRecord, tmp_path: Any) -> None:
    store.close()

    def shown(*args: str, **env: str) -> str:
        done = command("stats", *args, store=tmp_path / "store", **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    hours = json.loads(shown(session.id, "--by", "hour", "--json"))
    assert [it["start"] for it in hours["buckets"]] == [
        FIRST.start, SECOND_HOUR.start, THIRD.start,
    ]  # fmt: skip
    days = shown("--since", "2026-11-24", "--until", "2026-11-25")
    assert [line.split()[0] for line in days.splitlines()] == ["2026-11-24", "all"]
    for args, env in (((session.id, "--privacy"), {}),
                      ((session.id,), {"RESPELL_ANALYTICS_PRIVACY": "true"})):  # fmt: skip
        assert session.id not in shown(*args, **env)
    wrong = command("stats", "--since", "yesterday", store=tmp_path / "store")
    assert wrong.returncode == 2
    assert wrong.stderr.count("write it as 2026-11-22T10:00:00Z or 2026-11-22") == 1


# Size ------------------------------------------------------------------------------------


def _long(store: Store, events: int) -> SessionRecord:
    """Return a session with so many events in a hundred days, most of them cheap ones."""
    session = store.sessions.insert(SessionRecord(script="main.lua", created_at=NINE))
    step = 100 * 24 * HOUR // events
    args = encode({"key": "counter", "value": 12345})
    lease = store.leases.acquire(session.key)
    writer = store.history.writer(session.key, lease)
    for start in range(0, events, 10_000):
        writer.append([
            Record(Part.EFFECT, n + 1, n + 1, 0, Status.OK, "state.set", "main.lua", 7,
                   at=NINE + n * step, args=args)
            for n in range(start, min(start + 10_000, events))
        ])  # fmt: skip
    store.leases.release(session.key, lease)
    return store.sessions.get(session.key)


def _added_up(store: Store, events: int) -> int:
    """Return by how many KB the most memory that was ever used grew."""
    session = _long(store, events)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for one in (session, None):
        found = over_time(store, one, by="day")
        assert (found.totals.effects, len(found.buckets)) == (events, 101)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def test_a_long_history_is_told_of_in_little_memory(store: Store) -> None:
    assert _added_up(store, 50_000) < 32 * 1024


@pytest.mark.slow
def test_a_million_events_are_told_of_in_little_memory(store: Store) -> None:
    assert _added_up(store, 1_000_000) < 64 * 1024
