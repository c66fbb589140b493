"""Scripts replay, compare, fork, export and import sessions: their own, and those they made."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.program import Program
from respell.engine.run import RunResult
from respell.history.record import Part, Record
from respell.sessions.record import new_id
from respell.store import Store
from respell.values import encode
from stories import begin, kill_group, write_script

HASH = "local h = Tool.invoke('hash_calculator', {operation = 'hash', input = 'abc'}).result.hash "


def ended(result: RunResult) -> RunResult:
    assert result.session.status == "completed", result.session.error
    return result


# Replay ----------------------------------------------------------------------------------


def test_a_script_replays_itself_up_to_the_call(script: Any, store: Store) -> None:
    done = ended(script(f"""
        print('a') {HASH}
        local me = Session.getCurrent()
        local r = me:replay()
        assert(r.identical and r.divergence == nil and #r.differences == 0)
        assert(r.session_id == me and r.correlation_id == me)
        assert(r.failed_replays == 0 and r.successful_replays == r.events_replayed)
        assert(type(r.total_duration) == 'number' and r.start_time:sub(-1) == 'Z')
        print(r.events_replayed)
        print(Session.replay(me).events_replayed)
    """))  # fmt: skip
    # print, tool and the save before the call; then also both events of it, print and save.
    assert script.lines == ["a", "3", "6"]
    assert respell.replay(done.session, store=store).identical


def test_of_a_session_without_program_its_creator_is_replayed(script: Any) -> None:
    ended(script("""
        local child = Session.create{name = 'child'}
        print('something else')
        State.set('session:' .. child, 'k', 1)
        local r = child:replay()
        print(r.identical, r.events_replayed, r.session_id == child)
        local about = child:getReplayMetadata()
        print(about.can_replay, about.total_events, about.total_hooks)
    """))  # fmt: skip
    # Created, set; then the replay itself is about it, too.
    assert script.lines[1:] == ["true\t2\ttrue", "true\t3\t0"]


def test_filters_and_ranges_say_which_events_count(script: Any) -> None:
    ended(script(f"""
        {HASH}
        State.set('a', 1) State.set('b', 2) pcall(Tool.invoke, 'nothing')
        local me = Session.getCurrent()
        local function count(options) return Session.replay(me, options).events_replayed end
        print(count{{filter = 'state.*'}}, count{{filter = {{'state.set', 'tool.invoke'}}}})
        print(count{{filter = 'output'}}, count{{from = 3, to = 4}})
        print(count{{start_from = 3, end_at = 4}})
        print(count{{filter = 'tool.invoke', include_failed = false}})
    """))  # fmt: skip
    assert script.lines == ["2\t4", "1\t2", "2", "1"]


def test_hook_calls_are_counted_and_filtered_by_their_point(script: Any) -> None:
    ended(script(f"""
        Hook.register('BeforeToolExecution', function() return 'continue' end)
        {HASH}
        local me = Session.getCurrent()
        print(me:replay().hooks_replayed)
        print(me:replay{{filter = 'hook', hook_filter = 'nothing:*'}}.hooks_replayed)
        local about = me:getReplayMetadata()
        print(about.total_hooks, about.first_hook_timestamp == about.last_hook_timestamp)
    """))  # fmt: skip
    assert script.lines == ["1", "0", "1\ttrue"]


CHANGED = HASH + "State.set('h', h) local me = Session.getCurrent() "


@pytest.mark.parametrize(
    "options",
    [
        "{modifications = {{event = 2, outcome = {result = {hash = 'x'}}}}}",
        "{mode = 'modified', modifications = {{path = '2.result.hash', value = 'x'}}}",
        "{modifications = {{path = '2.outcome.result.hash', value = 'x'}}}",
        "config",
    ],
)
def test_a_modified_answer_shows_what_it_changes(script: Any, options: str) -> None:
    ended(script(CHANGED + f"""
        local config = Replay.create_config(Replay.modes.modified)
        config:add_modification('2.result.hash', 'x')
        local r = Session.replay(me, {options})
        print(r.identical, r.divergence.event, r.divergence.found.args.value, r.failed_replays)
        assert(r.differences[1].path == 'events.3' and r.differences[1].description:find('x'))
    """))  # fmt: skip
    assert script.lines == ["false\t3\tx\t1"]


def test_a_modification_that_is_off_changes_nothing(script: Any) -> None:
    ended(script(CHANGED + """
        local one = Replay.create_modification('2.result.hash', 'x', false)
        print(Session.replay(me, {modifications = {one}}).identical)
        one:set_enabled(true)
        print(Session.replay(me, {modifications = {one}}).identical)
        local quiet = Session.replay(me, {modifications = {one}, compare_results = false})
        print(quiet.identical, #quiet.differences, quiet.failed_replays)
    """))  # fmt: skip
    assert script.lines == ["true", "false", "nil\t0\t1"]


def test_past_a_difference_it_can_go_on(script: Any) -> None:
    ended(script(CHANGED + """
        for i = 1, 3 do State.set('i', i) end
        local r = Session.replay(me, {
            modifications = {{path = '2.result.hash', value = 'x'}}, stop_on_error = false,
        })
        print(r.identical, r.differences[1].event)
        Session.replay(me, {progress_callback = function(n, of) print(n == of, n > 0) end})
    """))  # fmt: skip
    assert script.lines == ["false\t3", "true\ttrue"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("{moode = 'exact'}", "there is no option 'moode'; did you mean mode"),
        ("{mode = 'fast'}", "mode must be one of exact, modified, simulate, debug"),
        ("{from = 5, to = 2}", "there is nothing from event 5 to event 2"),
        ("{from = 'noon'}", "from: 'noon' is not a time"),
        ("{timeout_seconds = 0}", "timeout_seconds must be a number above 0"),
        ("{timeout_seconds = 1e-6}", "the replay was stopped by its timeout"),
        ("{modifications = {{event = 2}}, mode = 'exact'}", "go with the mode modified"),
        ("{modifications = {{path = 'x', value = 1}}}", "must begin with an event's number"),
        ("{modifications = {{}}}", "give event and outcome, or path and value"),
        ("{modifications = {{event = 999, outcome = 1}}}", "999"),
        ("{progress_callback = 5}", "progress_callback must be a function"),
        ("5", "options must be a table, not a number"),
    ],
)
def test_a_wrong_option_of_replay_is_named(script: Any, options: str, problem: str) -> None:
    ended(script(f"print(select(2, pcall(Session.replay, Session.getCurrent(), {options})))"))
    assert "main.lua:1: Session.replay: " in script.lines[0]
    assert problem in script.lines[0]


def test_somebody_elses_session_is_not_replayed(script: Any) -> None:
    other = script("print(1)")
    ended(script("print(select(2, pcall(Session.replay, args[1])))", args=[other.session.id]))
    assert "does not act as session" in script.lines[-1]


def test_a_replay_is_given_up_at_a_suspend_and_begun_again(
    store: Store, tmp_path: Path, script: Any
) -> None:
    path = tmp_path / "slow.lua"
    path.write_text("""
        print('go')
        local n = 0
        for i = 1, 2e7 do n = n + i % 7 end
        print('replaying')
        print(Session.replay(Session.getCurrent()).identical)
    """)
    seen = threading.Event()
    run = running.start(
        store, Program.from_file(path), script=str(path),
        on_output=lambda _, text: seen.set() if text == b"replaying" else None,
    )  # fmt: skip
    thread = threading.Thread(target=lambda: (seen.wait(60), run.suspend()))
    thread.start()
    stopped = run.go()
    thread.join()
    session = respell.session(stopped.session, store=store)
    if session.status == "suspended":  # else it was faster than the suspend
        assert session.in_doubt == [], "what only reads is never in doubt"
        assert session.resume().session.status == "completed"
    assert session.output().splitlines()[-1] == "true"


# Fork ------------------------------------------------------------------------------------


def test_a_script_forks_itself(script: Any, store: Store) -> None:
    done = ended(script(f"""
        {HASH}
        local me = Session.getCurrent()
        local f = Session.fork(me, {{at = 2, outcome = {{hash = 'other'}}, name = 'what if'}})
        print(f.status, f.name, f.forked_from == me)
        local d = Session.diff(me, f)
        print(d.identical, d.first_divergence.a.number)
        print('end', h)
    """))  # fmt: skip
    assert script.lines[0] == "suspended\twhat if\ttrue"
    (fork,) = respell.session(done.session, store=store).forks()
    assert fork.created_by == done.session.id
    script.lines.clear()
    ended(script.resume(fork.record))
    assert "end\tother" in script.lines


def test_a_forks_variable_and_script_can_be_others(script: Any, store: Store) -> None:
    (Path.cwd() / "other.lua").write_text("local n = 1\nprint(n)\nprint('other', n)")
    done = ended(script("""local n = 1
print(n)
local f = Session.fork(Session.getCurrent(), {at = 2, var = {n = 5}})
local g = Session.fork(Session.getCurrent(), {at = 2, script = 'other.lua'})
print(pcall(Session.fork, Session.getCurrent(), {at = 2, script = 'nothing.lua'}))
print(select(2, pcall(Session.fork, Session.getCurrent(), {at = 2, script = '/etc/passwd'})))
print('end', n)"""))  # fmt: skip
    assert "can't read the script" in script.lines[1]
    assert "--allow read" in script.lines[2]
    f, g = respell.session(done.session, store=store).forks()
    g.resume()
    assert g.output() == "1\nother\t1\n"
    f.resume()
    assert f.output().splitlines()[-1] == "end\t5"


def test_a_script_that_does_something_else_before_is_not_forked_with(
    script: Any, store: Store
) -> None:
    (Path.cwd() / "other.lua").write_text("State.set('x', 1)")
    done = ended(script("""
        print('hello')
        print(select(2, pcall(Session.fork, Session.getCurrent(), {at = 2, script = 'other.lua'})))
    """))  # fmt: skip
    assert "does not do what is recorded up to event 2" in script.lines[1]
    assert respell.session(done.session, store=store).forks() == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("{}", "at is missing"),
        ("{at = 99}", "has no event 99"),
        ("{at = 'x'}", "is not a position"),
        ("{at = 1, att = 2}", "there is no option 'att'; did you mean at"),
        ("{at = 2, outcome = 5}", "has no outcome"),
        ("{at = 2, var = {['a b'] = 1}}", "is no variable"),
        ("{at = 2, var = {nothing = 1}}", "there is no variable nothing after event 2"),
        ("{at = 2, source = 'x'}", "there is no option source"),
        ("{at = 2, name = string.rep('x', 300)}", "name may have 255 bytes"),
    ],
)
def test_a_wrong_fork_is_refused_and_makes_nothing(
    script: Any, store: Store, options: str, problem: str
) -> None:
    done = ended(script(f"""
        print('two')
        print(select(2, pcall(Session.fork, Session.getCurrent(), {options})))
    """))  # fmt: skip
    assert "main.lua:3: Session.fork: " in script.lines[1]
    assert problem in script.lines[1]
    assert respell.session(done.session, store=store).forks() == []


def test_a_fork_of_what_forked_has_a_copy_of_that_fork_and_makes_no_other(
    script: Any, store: Store
) -> None:
    done = ended(script("print(1) Session.fork(Session.getCurrent(), {at = 2}) print(2)"))
    session = respell.session(done.session, store=store)
    last = [it.number for it in session.events()][-2]
    again = session.fork(last)
    assert len(respell.list_sessions(store=store)) == 4
    ended(again.resume())
    assert len(respell.list_sessions(store=store)) == 4


def test_a_host_that_is_killed_among_forks_leaves_none_out_and_makes_none_twice(
    tmp_path: Path,
) -> None:
    text = """
        for i = 1, 40 do
            Session.fork(Session.getCurrent(), {at = 2, name = 'fork ' .. i})
            print(i)
            Utils.sleep(0.02)
        end
    """
    folder = tmp_path / "store"
    host = begin("run", write_script(tmp_path, "print('one')" + text), store=folder)
    assert host.stdout is not None
    while host.stdout.readline().strip() != "4":
        assert host.poll() is None
    kill_group(host)
    with respell.open(folder, durability="process") as opened:
        (session,) = (it for it in respell.list_sessions(store=opened) if it.name == "main")
        assert session.in_doubt == []
        ended(session.resume())
        assert sorted(it.name for it in session.forks()) == sorted(
            f"fork {i}" for i in range(1, 41)
        )


# Export and import -----------------------------------------------------------------------


def test_a_session_is_exported_and_imported_by_scripts(
    script: Any, store: Store, tmp_path: Path
) -> None:
    ended(script("""
        local child = Session.create{name = 'notes'}
        Artifact.store(child, 'a.txt', 'content')
        State.set('session:' .. child, 'k', 5)
        local report = Session.export(child, 'notes.respell')
        print(report.session_id == child, report.artifacts, report.redacted)
        child:delete()
        local back = Session.import('notes.respell')
        print(back == child, back.name, Artifact.getContent(back, 'x'))
    """.replace("Artifact.getContent(back, 'x')", "Artifact.list(back)[1].name")))  # fmt: skip
    assert script.lines == ["true\t1\tfalse", "true\tnotes\ta.txt"]


def test_what_was_deleted_by_others_is_acted_as_once_it_is_imported(
    script: Any, store: Store
) -> None:
    other = respell.create(store=store, name="theirs")
    other.artifacts.store("a.txt", "abc")
    other.export("theirs.respell")
    other.delete()
    done = ended(script("""
        local s = Session.import('theirs.respell')
        print(s.name, #Artifact.list(s))
        print(select(2, pcall(Session.import, 'theirs.respell')))
        print(select(2, pcall(Session.import, 'nothing.respell')))
        print(select(2, pcall(Session.import, '/etc/passwd')))
    """))  # fmt: skip
    assert script.lines[0] == "theirs\t1"
    assert "already" in script.lines[1]
    assert "nothing.respell" in script.lines[2]
    assert "--allow read" in script.lines[3]
    assert respell.replay(done.session, store=store).identical


def test_an_export_goes_where_the_script_may_write_only(script: Any) -> None:
    ended(script("""
        print(select(2, pcall(Session.export, Session.getCurrent(), '/etc/out.respell')))
        print(select(2, pcall(Session.export, Session.getCurrent())))
        print(select(2, pcall(Session.export, Session.getCurrent(), 'x', {readact = 1})))
        print(select(2, pcall(Session.export, Session.getCurrent(), 'x', {redact = '('})))
    """))  # fmt: skip
    assert "--allow write" in script.lines[0]
    assert "path must be a string, not nil" in script.lines[1]
    assert "did you mean redact" in script.lines[2]
    assert not Path("x").exists()


def test_an_import_that_was_cut_off_is_taken_up_and_not_made_twice(
    script: Any, store: Store
) -> None:
    """The host dies after the import and before its outcome is recorded."""
    other = respell.create(store=store, name="theirs")
    other.export("theirs.respell")
    other.delete()
    text = "print('a') local s = Session.import('theirs.respell') print(s.name)"
    done = ended(script(text))
    records = [Record.unpack(body) for _, body in store.history.records(done.session.key)]
    cut = next(i for i, it in enumerate(records) if it.part is Part.OUTCOME)
    number = records[cut].number
    # The same session again, as it was on disk before that outcome.
    lost = store.sessions.insert(replace(done.session, id=new_id(), key=0, status="active"))
    lease = store.leases.acquire(lost.key)
    store.history.writer(lost.key, lease).append(records[:cut])
    store.leases.release(lost.key, lease)
    store.state.set(f"respell:loaded:{lost.id}", other.id, encode(number))
    session = respell.session(lost, store=store)
    assert session.in_doubt == []
    ended(session.resume())
    assert session.output() == "a\ntheirs\n"
    assert len(respell.list_sessions(store=store)) == 3


# Numbers ---------------------------------------------------------------------------------


def test_a_script_reads_its_numbers(script: Any) -> None:
    ended(script(f"""
        {HASH} print('x')
        Artifact.store(nil, 'a', 'abc') Artifact.store(nil, 'b', 'abc')
        local s = Session.stats(Session.getCurrent())
        print(s.artifacts >= 2, s.artifact_sizes.dedup_ratio > 1, s.output_lines)
        print(s.effects['tool.invoke'].count, s.effects['artifact.store'].count, s.success_rate)
    """))  # fmt: skip
    assert script.lines[1:] == ["true\ttrue\t1", "1\t2\t1.0"]


def test_replays_in_parallel_branches_all_come_to_an_end(script: Any, store: Store) -> None:
    done = ended(script("""
        print('something')
        local me = Session.getCurrent()
        local branches = {}
        for i = 1, 4 do
            branches[i] = function() return Session.replay(me, {to = 2}).events_replayed end
        end
        local all = Workflow.parallel{branches = branches}:execute()
        for i = 1, 4 do assert(all.results[i].result == 1, all.error) end
    """))  # fmt: skip
    assert respell.replay(done.session, store=store).identical
