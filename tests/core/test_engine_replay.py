"""Replay, fork and diff: the past again, and another future."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine.replay import MODES, replay
from respell.errors import Divergence, EventNotFound, UsageError
from respell.store import Store

STORY = """
print('start', os.time(), math.random(1000000))
State.set('count', 1)
local r = Tool.invoke('hash_calculator', {operation = 'hash', input = 'abc'})
print(r.result.hash)
local answer = Session.suspend{prompt = 'value?'}
State.set('count', State.get('count') + answer)
Artifact.store(nil, 'note.txt', 'count is ' .. State.get('count'))
print('end', State.get('count'))
"""


@pytest.fixture
def story(script: Any) -> Any:
    """A session that was suspended, resumed with 41 and completed."""
    return script.resume(script(STORY).session, value=41)


def number_of(store: Store, session: Any, name: str) -> int:
    return next(one.number for one in respell.events(session, store=store) if one.name == name)


def output_of(store: Store, session: Any) -> list[str]:
    return [
        one.args["text"]
        for one in respell.events(session, store=store)
        if one.name == "output.line"
    ]


def test_a_session_replays_as_identical(story: Any, store: Store) -> None:
    result = respell.replay(story.session, store=store)
    assert result.identical
    assert result.output_identical
    assert result.external_effects == 0
    assert result.divergence is None
    assert result.events_replayed > 8
    assert set(result.to_json()) == {
        "identical", "events_replayed", "hooks_replayed", "external_effects", "divergence",
        "output_identical", "trace_hash", "total_duration_s",
    }  # fmt: skip


def test_replaying_changes_nothing(story: Any, store: Store) -> None:
    before = store.sessions.get(story.session.key)
    respell.replay(story.session, store=store)
    assert store.sessions.get(story.session.key) == before


@pytest.mark.parametrize("text", ["error('boom')", "Session.suspend()", "os.exit(2)", "print(1"])
def test_sessions_that_did_not_complete_replay_as_well(
    script: Any, store: Store, text: str
) -> None:
    ended = script(text)
    assert respell.replay(ended.session, store=store).identical


def test_the_trace_is_the_same_with_a_line_hook(story: Any, store: Store) -> None:
    plain = replay(store, story.session)
    hooked = replay(store, story.session, count_lines=True)
    assert plain.trace_hash == hooked.trace_hash != ""
    assert hooked.lines > 5
    assert plain.lines == 0


def test_replay_stops_after_the_event_it_is_told(story: Any, store: Store) -> None:
    number = number_of(store, story.session, "tool.invoke")
    part = respell.replay(story.session, store=store, last=number)
    assert part.identical
    assert part.events_replayed < respell.replay(story.session, store=store).events_replayed


def test_a_part_counts_what_is_compared_in_it(story: Any, store: Store) -> None:
    assert respell.replay(story.session, store=store, first=3, last=4).events_replayed == 2
    whole = respell.replay(story.session, store=store)
    later = respell.replay(story.session, store=store, first=4)
    assert later.events_replayed == whole.events_replayed - 2  # event 1 is none of the script's
    same = respell.replay(story.session, store=store, mode="simulate")
    assert same.events_replayed == whole.events_replayed


@pytest.mark.parametrize("wanted", ["suspended", "completed", "failed", "archived"])
def test_a_script_that_had_not_ended_is_replayed_to_its_last_event(
    script: Any, store: Store, wanted: str
) -> None:
    stopped = script("print(1) while true do end", limits={"max_duration": 1})
    handle = respell.session(stopped.session, store=store)
    # Nothing but the last event ends the replay.
    store.sessions.update(stopped.session.key, limits={})
    if wanted == "failed":
        handle.fail("it hung")
    elif wanted != "suspended":
        handle.complete()
    if wanted == "archived":
        handle.archive()
    session = store.sessions.get(stopped.session.key)
    assert session.status == wanted
    for mode in MODES:
        again = replay(store, session, mode=mode, timeout_s=20)
        assert again.identical, again.divergence
        assert again.events_replayed == 1


def test_what_comes_after_a_recorded_end_diverges(
    script: Any, store: Store, tmp_path: Path
) -> None:
    done = script("print(1)")
    other = tmp_path / "other.lua"
    other.write_text("print(1) print(2)")
    result = respell.replay(done.session, store=store, script=other)
    assert not result.identical
    assert result.divergence is not None
    assert result.divergence["found"]["args"] == {"text": "2"}
    assert result.divergence["expected"] is None
    respell.session(done.session, store=store).archive()
    assert not respell.replay(done.session.id, store=store, script=other).identical


def test_another_script_is_followed_to_the_first_divergence(
    story: Any, store: Store, tmp_path: Path
) -> None:
    other = tmp_path / "other.lua"
    other.write_text(STORY.replace("'abc'", "'abd'"))
    result = respell.replay(story.session, store=store, script=other)
    assert not result.identical
    found = result.divergence
    assert found is not None
    assert found["event"] == number_of(store, story.session, "tool.invoke")
    assert found["expected"]["args"]["params"]["input"] == "abc"
    assert found["found"]["args"]["params"]["input"] == "abd"
    assert '-  params = {"input": "abc"' in found["diff"]
    assert (found["source"], found["line"]) == ("other.lua", 4)


def test_a_comment_added_to_the_script_does_not_diverge(
    story: Any, store: Store, tmp_path: Path
) -> None:
    other = tmp_path / "main.lua"
    other.write_text("-- a comment\n" + STORY)
    assert respell.replay(story.session, store=store, script=other).identical


def test_an_edited_outcome_shows_what_it_changes(story: Any, store: Store) -> None:
    number = number_of(store, story.session, "tool.invoke")
    edited = respell.replay(
        story.session, store=store, mode="modified", edits={number: {"result": {"hash": "x"}}}
    )
    assert not edited.identical
    assert edited.divergence is not None
    assert edited.divergence["found"]["args"] == {"text": "x"}
    same = respell.replay(story.session, store=store, mode="modified", edits={})
    assert same.identical


def test_an_edit_needs_an_event_with_an_outcome(story: Any, store: Store) -> None:
    with pytest.raises(UsageError, match="no outcome"):
        respell.replay(story.session, store=store, mode="modified", edits={1: 2})
    with pytest.raises(UsageError, match="mode modified"):
        respell.replay(story.session, store=store, edits={3: 2})


def test_a_simulation_answers_a_reordered_script(story: Any, store: Store, tmp_path: Path) -> None:
    result = respell.replay(story.session, store=store, mode="simulate")
    assert result.identical, result.divergence
    assert result.external_effects == 0
    other = tmp_path / "other.lua"
    other.write_text(STORY + "\nTool.invoke('hash_calculator', {operation='hash', input='new'})")
    stopped = respell.replay(story.session, store=store, mode="simulate", script=other)
    assert stopped.divergence is not None
    assert stopped.divergence["found"]["args"]["params"]["input"] == "new"


def test_a_fork_goes_on_from_an_event_with_another_outcome(
    story: Any, script: Any, store: Store
) -> None:
    original = story.session
    events = list(respell.events(original, store=store))
    number = number_of(store, original, "session.suspend")
    fork = respell.fork(original, store=store, at=number, outcome=9)
    assert (fork.status, fork.forked_from) == ("suspended", original.id)
    done = script.resume(fork)
    assert done.session.status == "completed"
    assert output_of(store, done.session)[-1] == "end\t10"
    assert output_of(store, original)[-1] == "end\t42"
    assert list(respell.events(original, store=store)) == events
    assert store.state.get(f"session:{original.id}", "count") != store.state.get(
        f"session:{done.session.id}", "count"
    )
    assert respell.replay(done.session, store=store).identical


def test_a_fork_of_a_fork_shares_both_histories(story: Any, script: Any, store: Store) -> None:
    number = number_of(store, story.session, "session.suspend")
    first = script.resume(respell.fork(story.session, store=store, at=number, outcome=1))
    tool = number_of(store, first.session, "tool.invoke")
    second = script.resume(
        respell.fork(first.session, store=store, at=tool, outcome={"result": {"hash": "h"}})
    )
    assert second.session.status == "suspended"
    done = script.resume(second.session, value=5)
    assert output_of(store, done.session)[-2:] == ["h", "end\t6"]
    for one in (story, first, done):
        assert respell.replay(one.session, store=store).identical


def test_a_fork_sets_a_variable_in_the_middle_of_a_line(script: Any, store: Store) -> None:
    done = script("local n = 1\nos.time()\nfor i = 1, 3 do\n  n = n * 2\nend\nprint(n)")
    clock = number_of(store, done.session, "clock.time")
    at_once = respell.fork(done.session, store=store, at=clock, variables={"n": 10})
    assert output_of(store, script.resume(at_once).session) == ["80"]
    # After the answer: line 3, line 4 (n = 2), line 3, line 4 …
    later = respell.fork(done.session, store=store, at=f"{clock}+4", variables={"n": 100})
    resumed = script.resume(later)
    assert output_of(store, resumed.session) == ["400"]
    assert respell.replay(resumed.session, store=store).identical


CITY = """
count = 0
local function ask(city)
    local street = 'none'
    print(city, street)
    local at = os.time()
    local later = 1
    return city .. ' ' .. street
end
print(ask('Oslo'))
"""


@pytest.mark.parametrize(
    ("at", "name", "says"),
    [
        (
            "2",
            "ctiy",
            r"no variable ctiy after event 2; is it city\? In scope: city, count, street",
        ),
        ("2", "later", "no variable later"),
        ("3+1", "later", "no variable later after event 3 and 1 line steps"),
        ("3+400", "city", "comes after [0-9]+ line steps"),
        ("4", "street", "no variable street"),
    ],
)
def test_a_fork_refuses_variables_that_are_not_there(
    script: Any, store: Store, at: str, name: str, says: str
) -> None:
    done = script(CITY)
    with pytest.raises(UsageError, match=says):
        respell.fork(done.session, store=store, at=at, variables={name: "Rome"})
    assert len(store.sessions.list()) == 1


@pytest.mark.parametrize(
    ("at", "name", "text"),
    [("2", "city", "Rome none"), ("3", "street", "Oslo Rome"), ("3+2", "city", "Rome none")],
)
def test_a_fork_sets_variables_that_are_there(
    script: Any, store: Store, at: str, name: str, text: str
) -> None:
    done = script(CITY)
    fork = respell.fork(done.session, store=store, at=at, variables={name: "Rome", "count": 1})
    assert script.resume(fork).exit_code == 0
    assert script.lines[-1] == text


def test_variables_are_checked_where_a_script_waits_and_where_it_never_ends(
    script: Any, store: Store
) -> None:
    waits = script("local city = 'Oslo' local got = Session.suspend() print(city, got)")
    at = number_of(store, waits.session, "session.suspend")
    with pytest.raises(UsageError, match="In scope: city"):
        respell.fork(waits.session, store=store, at=at, variables={"got": 1})
    with pytest.raises(UsageError, match="has no answer yet"):
        respell.fork(waits.session, store=store, at=f"{at}+1", variables={"city": 1})
    fork = respell.fork(waits.session, store=store, at=at, variables={"city": "Rome"})
    script.resume(fork, value=2)
    assert script.lines[-1] == "Rome\t2"
    went_on = script.resume(waits.session, value=1)
    answered = respell.fork(
        went_on.session, store=store, at=at, outcome=7, variables={"city": "Bonn"}
    )
    script.resume(answered)
    assert script.lines[-1] == "Bonn\t7"
    spins = script("local n = 1 print(n) while n == 1 do end", limits={"max_duration": 1})
    with pytest.raises(UsageError, match="no variable m"):
        respell.fork(spins.session, store=store, at=2, variables={"m": 1})
    script.resume(respell.fork(spins.session, store=store, at=2, variables={"n": 2}))


def test_a_fork_goes_on_with_another_script(
    script: Any, story: Any, store: Store, tmp_path: Path
) -> None:
    other = tmp_path / "better.lua"
    other.write_text(STORY.replace("print('end'", "print('END'"))
    number = number_of(store, story.session, "artifact.store")
    fork = respell.fork(story.session, store=store, at=number, script=other)
    done = script.resume(fork)
    assert output_of(store, done.session)[-1] == "END\t42"
    assert respell.replay(done.session, store=store).identical


def test_a_script_that_differs_before_the_position_makes_no_fork(
    story: Any, store: Store, tmp_path: Path
) -> None:
    other = tmp_path / "other.lua"
    other.write_text(STORY.replace("'abc'", "'abd'"))
    with pytest.raises(Divergence, match="Fork before that event"):
        respell.fork(story.session, store=store, at=story.session.events, script=other)
    assert store.sessions.count() == 1


def test_a_fork_at_no_event_is_refused(story: Any, store: Store) -> None:
    with pytest.raises(EventNotFound, match="its last is"):
        respell.fork(story.session, store=store, at=999)
    for position in ("0", "x", "12+", "-1"):
        with pytest.raises(UsageError, match="not a position"):
            respell.fork(story.session, store=store, at=position)


def test_the_difference_of_two_sessions_is_aligned(story: Any, script: Any, store: Store) -> None:
    assert respell.diff(story.session, story.session, store=store).identical
    number = number_of(store, story.session, "session.suspend")
    fork = script.resume(respell.fork(story.session, store=store, at=number, outcome=9))
    found = respell.diff(story.session, fork.session, store=store)
    assert not found.identical
    assert found.first is not None
    assert found.first.a is not None
    assert found.first.a.number == number
    assert "-end\t42" in found.output
    assert "+end\t10" in found.output
    assert found.state == {"count": (42, 10)}
    assert "note.txt v1" in found.artifacts


def test_a_fork_owns_copies_of_what_its_original_created(script: Any, store: Store) -> None:
    waiting = script("""
        local me = Session.getCurrent()
        print(me)
        local helper = Session.create{name = 'helper'}
        State.set('session:' .. helper, 'n', 1)
        Artifact.store(helper, 'note.txt', 'first')
        State.set('mine', 1)
        Session.suspend()
        State.set('session:' .. helper, 'n', State.get('session:' .. helper, 'n') + 1)
        Artifact.store(helper, 'note.txt', 'second')
        print(me, helper, State.get('mine'), State.get('session:' .. helper, 'n'))
        print(#Artifact.list(helper), #Artifact.list(me))
    """)
    number = number_of(store, waiting.session, "session.suspend")
    forks = [respell.fork(waiting.session, store=store, at=number) for _ in range(2)]
    original = script.resume(waiting.session)
    endings = [output_of(store, script.resume(one).session) for one in forks]
    # Each has the helper at 1 and makes it 2, wherever the others have got to.
    assert endings == [output_of(store, original.session)] * 2
    assert endings[0][-1] == "2\t0"
    third = respell.fork(forks[0], store=store, at=number)
    assert output_of(store, script.resume(third).session) == endings[0]
    assert respell.replay(third.id, store=store).identical


def test_a_fork_leaves_sessions_alone_that_were_only_loaded(script: Any, store: Store) -> None:
    shared = store.sessions.insert(respell.SessionRecord(name="shared"))
    waiting = script(
        "local s = Session.load(input) Session.suspend(s) Session.suspend() Session.resume(s)"
        " print(s.status)",
        input=shared.id,
    )
    number = number_of(store, waiting.session, "session.suspend")
    fork = respell.fork(waiting.session, store=store, at=number)
    assert store.sessions.get(shared.key).status == "suspended"
    assert script.resume(fork).session.status == "completed"


def test_a_fork_acts_as_what_its_original_had_imported_and_resumed(
    script: Any, store: Store, tmp_path: Path
) -> None:
    with Store(tmp_path / "other", durability="process") as other:
        (tmp_path / "there.lua").write_text("Artifact.store(nil, 'a.txt', 'A')")
        there = respell.run(tmp_path / "there.lua", store=other)
        respell.session(there.session, store=other).export(tmp_path / "there.respell")
    shared = store.sessions.insert(respell.SessionRecord(name="shared", status="suspended"))
    waiting = script(
        "local id = Session.import('there.respell') Session.resume(input)"
        " Session.suspend() print(#Artifact.list(id)) State.set('session:' .. input, 'k', 5)",
        input=shared.id,
    )
    number = number_of(store, waiting.session, "session.suspend")
    fork = respell.fork(waiting.session, store=store, at=number)
    second = respell.fork(fork, store=store, at=number)
    for session in (waiting.session, fork, second):
        ended = script.resume(session)
        assert ended.session.status == "completed", ended.session.error
        assert script.lines[-1] == "1"


FORKING = """
State.set('k', 1)
local me = Session.getCurrent()
local f = Session.fork(me, {at = 2, name = 'twin'})
Session.addTag(f, 'mine')
local g = Session.fork(f, {at = 2, name = 'twin of the twin'})
Session.suspend()
State.set('session:' .. f, 'seen', input or 'nobody')
print(Session.get(f).name, #Session.getTags(f), #Artifact.list(g))
"""


def test_a_fork_has_copies_of_the_forks_that_its_original_had_made(
    script: Any, store: Store
) -> None:
    waiting = script(FORKING)
    number = number_of(store, waiting.session, "session.suspend")
    fork = respell.fork(waiting.session, store=store, at=number)
    second = respell.fork(fork, store=store, at=number)
    made = {}
    for session in (waiting.session, fork, second):
        twins = [it for it in store.sessions.list() if it.created_by == session.id]
        assert sorted(it.name for it in twins) == ["twin", "twin of the twin"]
        twin = next(it for it in twins if it.name == "twin")
        assert twin.tags == ["mine"]
        ended = script.resume(session)
        assert ended.session.status == "completed", ended.session.error
        assert script.lines[-1] == "twin\t1\t0"
        assert respell.replay(ended.session, store=store).identical
        made[session.id] = twin
    assert len({it.id for it in made.values()}) == 3
    # Each of them is a session that can go on.
    for twin in made.values():
        assert script.resume(twin).session.status == "suspended"


def test_a_fork_can_do_without_what_others_deleted(script: Any, store: Store) -> None:
    shared = store.sessions.insert(respell.SessionRecord(name="shared"))
    waiting = script("Session.load(input) Session.suspend() print('on')", input=shared.id)
    store.sessions.delete(shared.key)
    number = number_of(store, waiting.session, "session.suspend")
    assert script.resume(respell.fork(waiting.session, store=store, at=number)).exit_code == 0
    assert script.lines[-1] == "on"
