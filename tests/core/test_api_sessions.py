"""A Python developer holds sessions as objects: looks at them, asks, changes and goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.program import Program
from respell.errors import (
    InvalidTransition,
    SessionBusy,
    SessionNotFound,
    UsageError,
)
from respell.store import Store

ASKS = "print('before') State.set('n', 1) local v = Session.suspend{prompt = 'go on?'} print(v)"


@pytest.fixture
def waiting(script: Any, store: Store) -> respell.Session:
    """A session that waits for a value."""
    return respell.session(script(ASKS, tags=["ask"]).session, store=store)


@pytest.fixture
def live(store: Store, tmp_path: Path) -> Iterator[respell.Session]:
    """A session that a thread of this process runs, until it is suspended."""
    path = tmp_path / "live.lua"
    path.write_text("""
        local i = 0
        while true do
            i = i + 1
            State.set('i', i)
            if i == 1 then print('begun') end
            Utils.sleep(0.01)
        end
    """)
    began = threading.Event()
    run = running.start(
        store, Program.from_file(path), script=str(path), on_output=lambda *_: began.set()
    )
    thread = threading.Thread(target=run.go)
    thread.start()
    assert began.wait(30)
    yield respell.session(run.session, store=store)
    run.suspend()
    thread.join(30)
    assert not thread.is_alive()


# Finding ---------------------------------------------------------------------------------


def test_a_session_is_found_by_id_prefix_name_and_record(
    waiting: respell.Session, store: Store
) -> None:
    waiting.update(name="question")
    for by in (waiting.id, waiting.id[:8], "question", "@last", waiting.record, waiting):
        assert respell.session(by, store=store) == waiting
    with pytest.raises(SessionNotFound, match="no session has the id or the name 'nobody'"):
        respell.session("nobody", store=store)


def test_sessions_are_listed_by_what_is_known_of_them(store: Store) -> None:
    top = respell.create(store=store, name="top")
    below = respell.create(store=store, name="below", parent=top, tags=["a", "b"])
    assert respell.list_sessions(store=store, tags="a") == [below]
    assert respell.list_sessions(store=store, parent=top) == top.children() == [below]
    assert respell.list_sessions(store=store, sort="name") == [below, top]
    assert respell.list_sessions(store=store, status="suspended") == []
    hour = timedelta(hours=1)
    assert len(respell.list_sessions(store=store, created_after=datetime.now(UTC) - hour)) == 2
    assert respell.list_sessions(store=store, created_before="2001-01-01") == []
    with pytest.raises(UsageError, match="'done' is not a status"):
        respell.list_sessions(store=store, status="done")
    assert below.parent == top
    assert top.parent is None


def test_two_handles_of_one_session_are_equal_and_always_fresh(
    waiting: respell.Session, store: Store
) -> None:
    same = respell.Session(store, waiting.id)
    assert {same, waiting} == {waiting}
    same.add_tag("new")
    assert waiting.tags == ["ask", "new"]
    assert waiting != "something else"


# Looking ---------------------------------------------------------------------------------


def test_a_session_says_how_it_is(waiting: respell.Session) -> None:
    assert (waiting.status, waiting.running, waiting.interrupted) == ("suspended", False, False)
    assert waiting.waiting_for == {"prompt": "go on?"}
    assert waiting.output() == "before\n"
    assert [it.name for it in waiting.events(kind="effect")] == ["state.set", "session.suspend"]
    assert [it.number for it in waiting.events(2, 3)] == [2, 3]
    assert waiting.usage["operations"] == 2
    assert waiting.created_at <= waiting.updated_at
    assert waiting.ended_at is None
    assert waiting.in_doubt == []
    assert waiting.to_json()["waiting_for"]["prompt"] == "go on?"
    with pytest.raises(UsageError, match="'efect' is no kind of event"):
        waiting.events(kind="efect")


def test_a_session_goes_on_where_it_stood(waiting: respell.Session) -> None:
    seen: list[bytes] = []
    done = waiting.resume("yes", on_output=lambda _, text: seen.append(text))
    assert done.exit_code == 0
    assert seen == [b"yes"]
    assert waiting.status == "completed"
    assert waiting.ended_at is not None
    assert waiting.output() == "before\nyes\n"
    assert waiting.replay().identical


def test_a_fork_goes_another_way(waiting: respell.Session) -> None:
    waiting.resume("yes")
    (asked,) = (it for it in waiting.events() if it.name == "session.suspend")
    fork = waiting.fork(asked.number, outcome="no", name="other")
    assert (fork.status, fork.name, fork.forked_from) == ("suspended", "other", waiting)
    assert waiting.forks() == [fork]
    fork.resume()
    assert fork.output() == "before\nno\n"
    found = waiting.diff(fork)
    assert found.first is not None
    assert found.first.a is not None
    assert found.first.a.number == asked.number
    assert waiting.diff(fork.id).output[-2:] == ["-yes", "+no"]


def test_a_replay_can_be_short_of_time(script: Any, store: Store) -> None:
    done = script("local n = 0 for i = 1, 3e7 do n = n + i end print(n)")
    session = respell.session(done.session, store=store)
    with pytest.raises(respell.RespellError, match=r"stopped by its timeout: 0\.05 s"):
        session.replay(timeout=0.05)
    with pytest.raises(UsageError, match="above 0"):
        session.replay(timeout=0)


# Asking its host -------------------------------------------------------------------------


def test_a_running_session_is_paused_and_goes_on_and_is_suspended(live: respell.Session) -> None:
    assert live.running
    with pytest.raises(InvalidTransition, match="is not paused"):
        live.unpause()
    assert live.pause()
    with pytest.raises(InvalidTransition, match="paused already"):
        live.pause()
    assert live.paused
    paused = live.state["i"]
    assert not live.wait(0.3)
    assert live.state["i"] <= paused + 1
    assert live.unpause()
    assert live.running
    with pytest.raises(SessionBusy, match="process"):
        live.complete()
    assert live.suspend()
    assert live.status == "suspended"
    assert not live.running
    with pytest.raises(InvalidTransition, match="is suspended: there is no process to pause"):
        live.pause()
    live.complete()
    assert live.status == "completed"


def test_only_asking_returns_at_once(live: respell.Session) -> None:
    live.suspend(timeout=0)
    assert live.wait(30)


# Sessions without program ----------------------------------------------------------------


def test_a_session_without_program_goes_through_its_life(store: Store) -> None:
    session = respell.create(store=store, name="notes", metadata={"team": "red"}, max_duration=60)
    assert (session.script, session.status, session.created_by) == (None, "active", "python")
    assert session.limits == {"max_duration": 60.0}
    assert session.suspend()
    assert session.resume().ended.status == "active"
    with pytest.raises(UsageError, match="no program that could take a value"):
        session.resume(5)
    session.fail("no data")
    assert session.error is not None
    assert session.error["message"] == "no data"
    session.archive()
    assert session.status == "archived"
    assert [it.name for it in session.events()] == [
        "lifecycle.suspend", "lifecycle.resume", "lifecycle.fail", "lifecycle.archive",
    ]  # fmt: skip
    with pytest.raises(InvalidTransition, match="is archived and can't become completed"):
        session.complete()
    session.delete()
    with pytest.raises(SessionNotFound):
        session.status  # noqa: B018 - it is the looking that fails


def test_a_builder_says_the_same_in_a_chain(store: Store) -> None:
    top = respell.create(store=store)
    begun = respell.builder(store=store).name("research").description("what we know")
    begun.tag("weekly", "red").tag("new").metadata(team="red").metadata(size=3).parent(top)
    begun.max_duration(60).max_idle_time(5).limit("artifacts", 10).created_by("ada")
    made = begun.build()
    record = made.record
    assert (record.name, record.description) == ("research", "what we know")
    assert record.tags == ["weekly", "red", "new"]
    assert record.metadata == {"team": "red", "size": 3}
    assert record.parent_session_id == top.id
    assert record.limits == {"max_duration": 60.0, "max_idle_time": 5.0, "artifacts": 10}
    assert record.created_by == "ada"
    assert begun.build() != made, "a builder can be used again"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": 7}, "name must be a string, not 7"),
        ({"tags": "x"}, "tags must be a list of strings"),
        ({"limits": {"token": 5}}, "there is no limit 'token'; did you mean tokens"),
        ({"max_duration": 0}, "max_duration must be a number above 0"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_made(
    store: Store, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=rf"^respell\.create: {problem}"):
        respell.create(store=store, **options)
    assert respell.list_sessions(store=store) == []


def test_a_script_finds_what_python_made(script: Any, store: Store) -> None:
    session = respell.create(store=store, name="shared", created_by="ada")
    session.state["greeting"] = "hello"
    done = script("""
        local s = Session.load(args[1])
        print(s.name, s.created_by, State.get('session:' .. s, 'greeting'))
        Artifact.store(s, 'answer.txt', 'hi')
    """, args=[session.id])  # fmt: skip
    assert done.session.status == "completed"
    assert script.lines == ["shared\tada\thello"]
    assert session.artifacts.read("answer.txt") == b"hi"


def test_what_a_script_made_tells_its_story(script: Any, store: Store) -> None:
    script("local s = Session.create{name = 'child'} State.set('session:' .. s, 'a', 1) print(1)")
    (child,) = (it for it in respell.list_sessions(store=store) if it.name == "child")
    assert [it.name for it in child.events()] == ["session.create", "state.set"]


# Changing --------------------------------------------------------------------------------


def test_what_is_given_changes_and_the_rest_stays(store: Store) -> None:
    session = respell.create(store=store, name="a", tags=["x"], metadata={"keep": 1, "drop": 2})
    session.update(description="d", metadata={"drop": None, "new": [1, 2]})
    assert (session.name, session.description, session.tags) == ("a", "d", ["x"])
    assert session.metadata == {"keep": 1, "new": [1, 2]}
    session.add_tag("y")
    session.add_tag("y")
    assert session.tags == ["x", "y"]
    assert session.remove_tag("x")
    assert not session.remove_tag("x")
    for wrong in ({"tags": "abc"}, {"name": 5}, {"metadata": [1]}):
        with pytest.raises(UsageError, match=r"^Session\.update: "):
            session.update(**wrong)
    with pytest.raises(UsageError, match="control characters"):
        session.add_tag("a\nb")
    assert session.tags == ["y"]


def test_a_deleted_originals_fork_still_replays(waiting: respell.Session) -> None:
    fork = waiting.fork(2)
    waiting.delete()
    assert fork.forked_from is None
    assert fork.replay().identical


# Moving ----------------------------------------------------------------------------------


def test_a_session_moves_to_another_store(
    waiting: respell.Session, store: Store, tmp_path: Path
) -> None:
    report = waiting.export(tmp_path / "story.respell")
    assert report.session_id == waiting.id
    with respell.open(tmp_path / "elsewhere", durability="process") as other:
        moved = respell.import_(tmp_path / "story.respell", store=other)
        assert moved.id == waiting.id
        assert moved != waiting, "they are in different stores"
        assert moved.resume("there").session.status == "completed"
        assert waiting.status == "suspended"
        with pytest.raises(UsageError, match="already"):
            respell.import_(tmp_path / "story.respell", store=other)


def test_the_store_is_looked_after(waiting: respell.Session, store: Store) -> None:
    assert respell.check(store=store, read_data=True).ok
    gone = respell.create(store=store)
    gone.delete()
    assert respell.gc(store=store, dry_run=True).dry_run
    respell.gc(store=store)
    assert waiting.resume(1).session.status == "completed"
    stats = respell.stats(store=store)
    assert stats.sessions["completed"] == 1
    assert stats.disk_bytes > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "n" * 300}, "name may have 255 bytes; this one has 300"),
        ({"name": 5}, "name must be a string, not 5"),
        ({"tags": [""]}, "tags[1] must not be empty"),
        ({"tags": ["t" * 400]}, "tags[1] may have 255 bytes"),
        ({"tags": "abc"}, "tags must be a list of strings, not the string 'abc'"),
        ({"args": "abc"}, "args must be a list of strings, not the string 'abc'"),
        ({"args": [1]}, "args[1] must be a string, not 1"),
        ({"allow": "network"}, "allow must be a list of strings"),
    ],
)
def test_a_run_checks_what_it_is_given_as_scripts_are_checked(
    store: Store, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "script.lua").write_text("print(1)")
    with pytest.raises(UsageError) as refused:
        respell.run(tmp_path / "script.lua", store=store, **options)
    assert said in str(refused.value)
    assert respell.list_sessions(store=store) == []


def test_a_fork_is_named_by_the_same_rules(waiting: respell.Session) -> None:
    with pytest.raises(UsageError, match="255 bytes"):
        waiting.fork(1, name="n" * 300)
    waiting.update(name="ä" * 127)
    assert len(waiting.fork(1).name.encode()) <= 255


def test_a_store_has_one_of_two_durabilities(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="full, process"):
        respell.open(tmp_path / "new", durability="x")  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_the_events_of_a_session_are_found_by_whatever_finds_it(
    waiting: respell.Session, store: Store
) -> None:
    numbers = [event.number for event in waiting.events(2, 4)]
    assert numbers == [2, 3, 4]
    for which in (waiting, waiting.record, waiting.id, waiting.id[:8], "@last"):
        found = respell.events(which, store=store, first=2, last=4)
        assert [event.number for event in found] == numbers
    kinds = {event.kind for event in respell.events(waiting, store=store, kind="output")}
    assert kinds == {"output"}
    with pytest.raises(UsageError, match="no kind of event"):
        respell.events(waiting, store=store, kind="sound")


def test_what_is_printed_of_a_store_says_where_it_is(store: Store) -> None:
    assert repr(store) == f"<Store {store.path}>"
