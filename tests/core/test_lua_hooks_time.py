"""Hooks written in Lua and time: those that wait, those that never end, hosts that die."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import respell
from respell import config as configuration
from respell.engine.doubt import in_doubt
from respell.engine.hook_watch import HookWatch
from respell.history.record import Part, Record
from respell.sessions.record import new_id
from respell.store import Store


@pytest.fixture
def impatient(tmp_path: Path) -> configuration.Config:
    """A configuration in which hooks may compute for a third of a second."""
    file = tmp_path / "respell.toml"
    file.write_text("[hooks]\ntimeout_seconds = 0.33\n")
    return configuration.load(file)


ENDLESS = """
local entered = 0
Tool.register('quick', {}, function(params) return params.n end)
Hook.register('BeforeToolExecution', function(call)
  if call.data.n == 2 then
    entered = entered + 1
    while true do end
  end
end, {name = 'endless'})
for n = 1, 3 do print(Tool.invoke('quick', {n = n}).result) end
print(entered)
"""


def test_a_hook_that_never_ends_is_stopped_and_the_session_goes_on(
    script: Any, store: Store, impatient: configuration.Config
) -> None:
    done = script(ENDLESS, config=impatient)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "1", "hook endless failed: it took longer than 0.33 s and was stopped", "2", "3", "0",
    ]  # fmt: skip
    events = list(respell.events(done.session, store=store))
    (note,) = [one for one in events if one.name == "hook.timed_out"]
    assert note.args["seconds"] == 0.33
    (call,) = [one for one in events if one.name == "hook.call" and one.error]
    assert call.ordinal == note.args["ordinal"]
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence
    simulated = respell.replay(done.session, store=store, mode="simulate", timeout=60)
    assert simulated.divergence is None
    assert simulated.output_identical


TALKING = """
Tool.register('quick', {}, function(params) return params.n end)
Hook.register('BeforeToolExecution', function(call)
  if call.component == 'quick' then
    local sum = Tool.invoke('calculator', {input = '1 + 2'}).result.result
    print('inside', sum)
    local ok = pcall(function()
      local co = coroutine.wrap(function()
        local guard <close> = setmetatable({}, {__close = function() print('never said') end})
        State.set('reached', true)
        while true do end
      end)
      xpcall(co, function(e) print('never handled', e) end)
    end)
    print('never here', ok)
  end
end, {name = 'talking'})
print(Tool.invoke('quick', {n = 1}).result, State.get('reached'))
print(#Hook.list(), Hook.metrics()[1].failures)
"""


def test_a_hook_that_did_something_is_left_where_it_hung(
    script: Any, store: Store, impatient: configuration.Config
) -> None:
    done = script(TALKING, config=impatient)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "inside\t3.0", "hook talking failed: it took longer than 0.33 s and was stopped",
        "1\ttrue", "1\t1",
    ]  # fmt: skip
    events = {one.number: one for one in respell.events(done.session, store=store)}
    (write,) = [one for one in events.values() if one.name == "state.set"]
    assert events[write.parent].name == "hook.call"
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence


def test_a_branch_whose_hook_never_ends_holds_the_others_up_no_longer_than_that(
    script: Any, store: Store, impatient: configuration.Config
) -> None:
    done = script(
        """
        Hook.register('BeforeToolExecution', function(call)
          if call.data.input == '1' then
            Tool.invoke('base64_encoder', {operation = 'encode', input = 'x'})
            while true do end
          end
        end, {name = 'stuck'})
        local function branch(text)
          return function() return Tool.invoke('calculator', {input = text}).result.result end
        end
        local w = Workflow.parallel{branches = {branch('1'), branch('2'), branch('3')}}
        for i, one in ipairs(w:execute().results) do print(i, one.result) end
        """,
        config=impatient,
    )
    assert done.session.status == "completed", done.session.error
    assert sorted(script.lines)[:3] == ["1\t1.0", "2\t2.0", "3\t3.0"]
    assert "hook stuck failed: it took longer than 0.33 s and was stopped" in script.lines
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence


def test_three_endless_calls_open_the_circuit(
    script: Any, store: Store, impatient: configuration.Config
) -> None:
    script(
        """
        Hook.register('custom:x', function() while true do end end, {name = 'endless'})
        for i = 1, 5 do print(Hook.trigger('custom:x', i)) end
        """,
        config=impatient,
    )
    assert [line for line in script.lines if line.isdigit()] == ["1", "2", "3", "4", "5"]
    assert len([line for line in script.lines if "was stopped" in line]) == 3


def test_what_a_hook_waits_for_does_not_count(
    script: Any, store: Store, impatient: configuration.Config
) -> None:
    asked = threading.Event()

    @respell.tool(name="slow_answer")
    def slow_answer() -> str:
        """Answer after longer than a hook may compute."""
        asked.wait(0.8)
        return "at last"

    done = script(
        """
        Hook.register('custom:x', function(call)
          return {type = 'modified', data = Tool.invoke('slow_answer', {}).result}
        end)
        print(Hook.trigger('custom:x', 'x'))
        """,
        config=impatient,
    )
    assert script.lines == ["at last"]
    assert "hook.timed_out" not in [one.name for one in respell.events(done.session, store=store)]


def test_a_hook_may_ask_a_person_and_wait_for_days(script: Any, store: Store) -> None:
    waiting = script("""
        Tool.register('delete', {}, function() return 'deleted' end)
        Hook.register('BeforeToolExecution', function(call)
          local ok = Session.suspend{prompt = call.component .. '?', schema = {type = 'boolean'}}
          if not ok then return 'you said no' end
        end, {name = 'approval'})
        print(pcall(Tool.invoke, 'delete', {}))
    """)
    assert waiting.session.waiting_for["prompt"] == "delete?"
    done = script.resume(waiting.session, value=False)
    assert script.lines[0].endswith("cancelled by approval: you said no")
    assert respell.replay(done.session, store=store).identical


def test_the_watch_counts_only_what_is_computed() -> None:
    watch = HookWatch(5.0)
    assert watch.due is None
    watch.computes_in(7, 100.0)
    watch.waits(102.0)
    assert watch.due is None  # it waits
    watch.goes_on(200.0)
    assert watch.due == 203.0
    watch.computes_in(9, 201.0)  # a hook inside of it has time of its own
    assert watch.due == 206.0
    watch.recorded(b"hook.call", 9, 202.0)  # … which ended; the next one begins
    assert (watch.ordinal, watch.due) == (10, 207.0)
    watch.computes_in(7, 203.0)
    assert watch.due == 205.0
    assert not watch.over(204.9)
    assert watch.over(205.0)
    watch.computes_in(0, 205.0)
    assert watch.due is None


# Hosts that die ------------------------------------------------------------------------------

STORY = """
Tool.register('step', {}, function(params)
  if params.n == 2 and not params.again then error('bad', 0) end
  return 'step ' .. params.n
end)
Hook.register('BeforeToolExecution', function(call)
  if call.data.n == 1 then return {type = 'retry', delay_ms = 0, max_attempts = 2} end
end, {name = 'early', priority = 'high'})
Hook.register('BeforeToolExecution', function(call)
  if call.data.n == 3 then
    local name = Session.suspend{prompt = 'name?'}
    return {type = 'modified', data = {n = 3, name = name}}
  end
  if call.data.n == 4 then
    return {type = 'fork', operations = {{state = 'forked', scope = 'global', value = 4}}}
  end
  if call.data.n == 5 then return {type = 'cache', key = 'five'} end
end, {name = 'main'})
Hook.register('AfterToolExecution', function(call)
  if call.component == 'calculator' then return {type = 'retry', delay_ms = 0, max_attempts = 2} end
  if call.component == 'step' then
    call.data.text = call.data.text .. '!'
    return {type = 'modified', data = call.data}
  end
end)
Hook.register('ToolError', function(call)
  return {type = 'replace', data = {text = 'mended'}}
end)
Hook.register('AfterStateWrite', function(call) print('written') end)
for _, n in ipairs{1, 2, 3, 4, 5, 5} do
  local ok, r = pcall(Tool.invoke, 'step', {n = n})
  print(n, ok and r.text or r)
end
print(Tool.invoke('calculator', {input = '6 * 7'}).result.result, State.get('global', 'forked'))
Workflow.parallel{branches = {
  function() Hook.trigger('custom:a', 1) return Tool.invoke('step', {n = 6}) end,
  function() return Tool.invoke('calculator', {input = '1'}) end,
}}:execute()
print('over')
"""


@pytest.fixture
def story(script: Any, store: Store) -> Any:
    waiting = script(STORY)
    assert waiting.session.status == "suspended"
    done = script.resume(waiting.session, value="Ann")
    assert done.session.status == "completed", done.session.error
    return done


def test_all_results_together_replay_as_identical(story: Any, store: Store) -> None:
    result = respell.replay(story.session, store=store)
    assert result.identical, result.divergence
    assert result.hooks_replayed > 20
    simulated = respell.replay(story.session, store=store, mode="simulate")
    assert simulated.divergence is None
    assert simulated.hooks_replayed == result.hooks_replayed


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        ("text .. '!'", "text .. '?'", '+  data = {"text": "mended?"}'),
        ("'retry', delay_ms = 0", "'retry', delay_ms = 1", "-  delay_ms = 0\n+  delay_ms = 1\n"),
        ("name = 'early'", "name = 'others'", '-  hook = "early"\n+  hook = "others"'),
        ("print('written')", "local x = 1", "something else happens inside"),
    ],
)
def test_a_hook_that_decides_otherwise_is_a_divergence(
    story: Any, store: Store, tmp_path: Path, was: str, now: str, what: str
) -> None:
    other = tmp_path / "other" / "main.lua"
    other.parent.mkdir()
    assert was in STORY
    other.write_text(STORY.replace(was, now))
    result = respell.replay(story.session, store=store, script=other)
    assert not result.identical
    assert result.divergence is not None
    assert what in result.divergence["diff"]


def test_a_host_may_die_after_any_record_of_hooks(story: Any, script: Any, store: Store) -> None:
    output = list(script.lines)
    bodies = [body for _, body in store.history.records(story.session.key)]
    records = [Record.unpack(body) for body in bodies]
    outcomes = {one.ordinal: one.value() for one in records if one.part is Part.OUTCOME}
    last = max(i for i, one in enumerate(records) if one.ordinal)
    for cut in range(1, last + 1):
        lost = store.sessions.insert(replace(story.session, id=new_id(), key=0, status="active"))
        lease = store.leases.acquire(lost.key)
        store.history.writer(lost.key, lease).append(records[:cut])
        store.leases.release(lost.key, lease)
        lost = store.sessions.get(lost.key)
        doubtful = {one.number: one.record.ordinal for one in in_doubt(store, lost)}
        lines: list[str] = []
        answers = {
            "store": store, "value": "Ann",
            "on_output": lambda _, text, lines=lines: lines.append(text.decode()),
        }  # fmt: skip
        settled = {number: outcomes[ordinal] for number, ordinal in doubtful.items()}
        done = respell.resume(lost.id, settlements=respell.Settlements(outcome=settled), **answers)
        while done.session.status == "suspended":
            done = respell.resume(done.session.id, **answers)
        assert done.session.status == "completed", (cut, done.session.error)
        shown = sum(one.name.startswith(("output.", "log.")) for one in records[:cut])
        assert lines == output[shown:], f"cut after record {cut}"
        assert cut % 5 or respell.replay(done.session, store=store).identical
