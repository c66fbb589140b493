"""Events inside events: hooks around tools, suspends inside hooks, branches side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import respell
from respell.engine.doubt import in_doubt
from respell.history.record import Part, Record
from respell.sessions.record import new_id
from respell.store import Store

NESTED = """
Tool.register('greet', {description = 'greets'}, function(params)
  local hash = Tool.invoke('hash_calculator', {operation = 'hash', input = params.name}).result
  print('greeting', params.name)
  return 'hello ' .. params.name .. ' ' .. hash.hash:sub(1, 4)
end)
Hook.register('BeforeToolExecution', function(context)
  if context.component == 'greet' then
    local approved = Session.suspend{prompt = 'greet ' .. context.data.name .. '?'}
    return {type = 'modified', data = {name = approved}}
  end
end, 'high')
Hook.register('AfterToolExecution', function(context)
  if context.component == 'greet' then
    context.data.text = context.data.text .. '!'
    return {type = 'modified', data = context.data}
  end
end)
print(Tool.invoke('greet', {name = 'ann'}).text)
local done = Workflow.parallel{branches = {
  function()
    return Tool.invoke('hash_calculator', {operation = 'hash', input = 'a'}).result.hash
  end,
  function()
    print('second branch')
    local wrapped = coroutine.wrap(function()
      coroutine.yield(Tool.invoke('hash_calculator', {operation = 'hash', input = 'b'}).result.hash)
    end)
    return wrapped()
  end,
  {name = 'steps', steps = {
    {type = 'tool', tool = 'hash_calculator', input = {operation = 'hash', input = 'c'}},
  }},
}}:execute()
for i, one in ipairs(done.results) do print(i, one.success) end
print(done.results[1].result:sub(1, 4), done.results[2].result:sub(1, 4))
"""

OUTPUT = [
    "greeting\tbob",
    "hello bob 81b6!",
    "second branch",
    "1\ttrue",
    "2\ttrue",
    "3\ttrue",
    "ca97\t3e23",
]


@pytest.fixture
def nested(script: Any) -> Any:
    waiting = script(NESTED)
    assert waiting.session.waiting_for["prompt"] == "greet ann?"
    return script.resume(waiting.session, value="bob")


def parents(store: Store, session: Any) -> dict[str, list[str]]:
    """Return the chain of enclosing events' names of each event, by its own description."""
    events = {one.number: one for one in respell.events(session, store=store)}
    chains = {}
    for one in events.values():
        chain, parent = [], one.parent
        while parent:
            chain.append(events[parent].name)
            parent = events[parent].parent
        what = one.args.get("input") or one.args.get("params", {}).get("input") or one.name
        chains[f"{one.name} {what}"] = chain
    return chains


def test_hooks_suspends_tools_and_branches_nest(nested: Any, script: Any, store: Store) -> None:
    assert nested.session.status == "completed", nested.session.error
    assert script.lines == OUTPUT
    chains = parents(store, nested.session)
    assert chains["session.suspend session.suspend"] == ["hook.call", "tool.invoke"]
    assert chains["tool.invoke bob"] == ["tool.invoke"]
    assert chains["tool.invoke b"] == ["workflow.step", "workflow.branch", "workflow.parallel"]


def test_what_is_nested_replays_as_identical(nested: Any, store: Store) -> None:
    result = respell.replay(nested.session, store=store)
    assert result.identical, result.divergence
    assert result.hooks_replayed >= 2


def truncated(store: Store, session: Any, records: list[Record]) -> Any:
    """Return a session whose host died just after these records."""
    lost = store.sessions.insert(replace(session, id=new_id(), key=0, status="active"))
    lease = store.leases.acquire(lost.key)
    store.history.writer(lost.key, lease).append(records)
    store.leases.release(lost.key, lease)
    return store.sessions.get(lost.key)


def test_a_host_may_die_after_any_record(nested: Any, store: Store) -> None:
    bodies = [body for _, body in store.history.records(nested.session.key)]
    records = [Record.unpack(body) for body in bodies]
    outcomes = {one.number: one.value() for one in records if one.part is Part.OUTCOME}
    last = max(i for i, one in enumerate(records) if one.ordinal)
    for cut in range(1, last + 1):
        lost = truncated(store, nested.session, records[:cut])
        doubtful = [one.number for one in in_doubt(store, lost)]
        lines: list[str] = []
        done = respell.resume(
            lost.id,
            store=store,
            value="bob",
            settlements=respell.Settlements(outcome={n: outcomes[n] for n in doubtful}),
            on_output=lambda _, text, lines=lines: lines.append(text.decode()),
        )
        while done.session.status == "suspended":
            done = respell.resume(
                done.session.id,
                store=store,
                value="bob",
                on_output=lambda _, text, lines=lines: lines.append(text.decode()),
            )
        assert done.session.status == "completed", (cut, done.session.error)
        shown = sum(one.name.startswith("output.") for one in records[:cut])
        assert lines == OUTPUT[shown:], f"cut after record {cut}"


@pytest.mark.parametrize(
    ("hook", "outcome"),
    [
        ("return nil", "true\tsha"),
        ("return 'continue'", "true\tsha"),
        ("return 'skipped'", "true\tsha"),
        ("return 'not today'", "false\tmain.lua:2: cancelled by guard: not today"),
        ("return {type = 'cancel', reason = 'no'}", "false\tmain.lua:2: cancelled by guard: no"),
        ("return {action = 'replace', data = {text = 'instead'}}", "true\tinstead"),
        ("return {type = 'redirect', target = 'other'}", "true\tother"),
        ("error('broken')", "true\tsha"),
        ("return {type = 'retri'}", "true\tsha"),
        ("return 42", "true\tsha"),
        ("Tool.invoke('sha', {}) return nil", "true\tsha"),
    ],
)
def test_what_a_before_hook_returns_decides(
    script: Any, store: Store, hook: str, outcome: str
) -> None:
    done = script(
        "Tool.register('sha', {}, function() return 'sha' end)"
        " Tool.register('other', {}, function() return 'other' end)"
        " Hook.register('BeforeToolExecution', function(context)"
        f" if context.component == 'sha' then {hook} end end, {{name = 'guard'}})\n"
        "local ok, r = pcall(Tool.invoke, 'sha', {}) print(ok, ok and r.text or r)"
    )
    assert done.session.status == "completed", done.session.error
    assert outcome in script.lines
    assert respell.replay(done.session, store=store).identical


def test_a_failing_hook_is_left_out_after_three_failures(script: Any, store: Store) -> None:
    done = script("""
        Tool.register('t', {}, function() return 1 end)
        Hook.register('before_tool_execution', function() error('x') end)
        for i = 1, 6 do Tool.invoke('t', {}) end
    """)
    calls = [one for one in respell.events(done.session, store=store) if one.name == "hook.call"]
    assert len(calls) == 3
    assert calls[0].error == "main.lua:3: x"
    assert script.lines[-1] == (
        "hook BeforeToolExecution#1 failed: main.lua:3: x; it is left out for 15 s"
    )
    assert respell.replay(done.session, store=store).identical


def test_a_point_that_nothing_fires_is_refused_by_name(script: Any) -> None:
    done = script("print(pcall(Hook.register, 'BeforeBreakfast', print))")
    assert "'BeforeBreakfast'" in script.lines[0] or '"BeforeBreakfast"' in script.lines[0]
    assert "BeforeToolExecution" in script.lines[0]
    assert done.session.status == "completed"


def test_hooks_are_listed_in_the_order_they_run(script: Any) -> None:
    script("""
        local first = Hook.register('BeforeToolExecution', print, 'low')
        Hook.register('tool:before_execution', print, {priority = 'highest', name = 'early'})
        print(first:id(), first:hook_point(), #Hook.list(), #Hook.list('AfterToolExecution'))
        print(first:unregister(), first:unregister(), #Hook.list())
    """)
    assert script.lines == ["1\tBeforeToolExecution\t2\t0", "true\tfalse\t1"]


def test_branches_go_on_while_others_wait(script: Any, store: Store) -> None:
    @respell.tool(name="slow_echo")
    def slow_echo(text: str, wait_s: float) -> str:
        """Answer after a while."""
        import time

        time.sleep(wait_s)
        return text

    done = script("""
        local function branch(text, wait)
          return function()
            local r = Tool.invoke('slow_echo', {text = text, wait_s = wait})
            print(r.result)
            return r.result
          end
        end
        local r = Workflow.parallel{branches = {
          branch('slow', 0.4), branch('quick', 0.05), branch('middle', 0.2),
        }}:execute()
        print(r.results[1].result, r.results[2].result, r.results[3].result)
    """)
    assert script.lines == ["quick", "middle", "slow", "slow\tquick\tmiddle"]
    tools = [one for one in respell.events(done.session, store=store) if one.name == "tool.invoke"]
    assert max(one.at for one in tools) < min(one.at + one.duration_s * 1e6 for one in tools)
    assert respell.replay(done.session, store=store).identical


def test_at_most_as_many_branches_run_as_allowed(script: Any, store: Store) -> None:
    done = script("""
        local w = Workflow.parallel{max_concurrency = 1, branches = {
          function() Utils.sleep(0.1) print(1) end, function() print(2) end,
        }}
        w:execute()
    """)
    assert script.lines == ["1", "2"]
    assert respell.replay(done.session, store=store).identical
