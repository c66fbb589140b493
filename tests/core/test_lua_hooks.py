"""Hooks written in Lua: what each result does, before, after and at an error of an effect."""

from __future__ import annotations

import os
from typing import Any

import pytest

import respell
from respell import values
from respell.engine.frames import Kind
from respell.engine.program import Program
from respell.engine.runtime import new_runtime
from respell.engine.wire import parse_caused
from respell.store import Store

TOOLS = """
Tool.register('first', {}, function(params) return 'first ' .. (params.n or '') end)
Tool.register('other', {}, function(params) return 'other ' .. (params.n or '') end)
local broken = 0
Tool.register('broken', {}, function(params)
  broken = broken + 1
  if broken <= (params.times or 99) then error('out of order ' .. broken, 0) end
  return 'works at last'
end)
local function call(name, params)
  local ok, r = pcall(Tool.invoke, name, params or {n = 1})
  print(ok and r.text or r)
end
"""


def told(script: Any, store: Store, text: str) -> list[str]:
    """Run a script with the tools above, and its replay; return what it printed."""
    done = script(TOOLS + text)
    assert done.session.status == "completed", done.session.error
    replayed = respell.replay(done.session, store=store)
    assert replayed.identical, replayed.divergence
    return list(script.lines)


def names_inside(store: Store, name: str) -> list[str]:
    """Return the names of what is inside of the last event of that name that is in no other."""
    session = store.sessions.find("@last")
    events = list(respell.events(session, store=store))
    outer = [one.number for one in events if one.name == name and not one.parent][-1]
    return [one.name for one in events if one.parent == outer]


# At a before-point ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("nil", "first 1"),
        ("'continue'", "first 1"),
        ("'skip'", "first 1"),
        ("{type = 'skipped', reason = 'nothing to say'}", "first 1"),
        ("{type = 'continue'}", "first 1"),
        ("{type = 'modified', data = {n = 7}}", "first 7"),
        ("{action = 'modified', data = {n = 7}}", "first 7"),
        ("{type = 'replace', data = {text = 'instead'}}", "instead"),
        ("{type = 'redirect', target = 'other'}", "other 1"),
        ("'no'", "main.lua:{line}: cancelled by guard: no"),
        ("{type = 'cancel', reason = 'no'}", "main.lua:{line}: cancelled by guard: no"),
        ("{type = 'cancel'}", "main.lua:{line}: cancelled by guard: no reason given"),
    ],
)
def test_a_result_before_an_effect(script: Any, store: Store, result: str, text: str) -> None:
    lines = told(
        script, store,
        f"Hook.register('BeforeToolExecution', function() return {result} end, {{name = 'guard'}})"
        "\ncall('first')",
    )  # fmt: skip
    line = 1 + TOOLS[: TOOLS.index("local ok, r")].count("\n")
    assert lines == [text.format(line=line)]


def test_a_chain_runs_by_priority_and_hands_on_what_it_modified(script: Any, store: Store) -> None:
    assert told(script, store, """
        local function add(text)
          return function(call)
            call.data.n = call.data.n .. text
            return {type = 'modified', data = call.data}
          end
        end
        Hook.register('BeforeToolExecution', add('-low'), 'low')
        Hook.register('before_tool_execution', add('-normal'))
        Hook.register('tool:before_execution', add('-highest'), 'highest')
        Hook.register('BeforeToolExecution', add('-five'), 5)
        Hook.register('BeforeToolExecution', add('-normal too'))
        call('first', {n = ''})
    """) == ["first -highest-normal-normal too-five-low"]  # fmt: skip


def test_after_a_replace_the_later_hooks_of_the_point_do_not_run(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('BeforeToolExecution', function()
          return {type = 'replace', data = {text = 'instead'}}
        end)
        Hook.register('BeforeToolExecution', function() print('never') end)
        Hook.register('AfterToolExecution', function(call) print('after', call.data.text) end)
        call('first')
    """) == ["after\tinstead", "instead"]  # fmt: skip


def test_a_retry_before_an_effect_waits_and_asks_all_hooks_again(script: Any, store: Store) -> None:
    assert told(script, store, """
        local asked = 0
        Hook.register('BeforeToolExecution', function(call)
          print('first of all', call.data.n)
          call.data.n = call.data.n + 1
          return {type = 'modified', data = call.data}
        end, 'high')
        Hook.register('BeforeToolExecution', function()
          asked = asked + 1
          if asked < 3 then return {type = 'retry', delay_ms = 1, max_attempts = 5} end
        end)
        call('first')
    """) == ["first of all\t1", "first of all\t1", "first of all\t1", "first 2"]  # fmt: skip
    assert names_inside(store, "tool.invoke").count("timer.sleep") == 2


def test_a_retry_before_an_effect_is_given_up_after_its_attempts(script: Any, store: Store) -> None:
    (line,) = told(script, store, """
        Hook.register('BeforeToolExecution', function()
          return {type = 'retry', delay_ms = 0, max_attempts = 2}
        end, {name = 'busy'})
        call('first')
    """)  # fmt: skip
    assert line.endswith("cancelled by busy: it wants another try after 2")


def test_a_fork_performs_operations_beside_the_effect(script: Any, store: Store) -> None:
    lines = told(script, store, """
        Agent.create{model = 'mock/echo', name = 'joe'}
        Hook.register('BeforeToolExecution', function(call)
          if call.component == 'first' then
            return {type = 'fork', operations = {
              {tool = 'other', params = {n = 2}}, {state = 'seen', value = {call.data.n}},
              {artifact = 'note.txt', content = 'kept', tags = {'hook'}},
              {agent = 'joe', prompt = 'hello'}, {tool = 'nowhere'},
            }}
          end
        end, {name = 'forking'})
        call('first')
        print(State.get('seen')[1], Artifact.list(nil, {name = 'note.txt'})[1].tags[1])
    """)  # fmt: skip
    assert lines[0].startswith("tool nowhere, forked by hook forking, failed: main.lua:")
    assert lines[1:] == ["first 1", "1\thook"]
    inside = names_inside(store, "tool.invoke")
    assert {"state.set", "artifact.store", "agent.request"} <= set(inside)


def test_a_cached_outcome_is_used_until_its_time_is_over(script: Any, store: Store) -> None:
    assert told(script, store, """
        local calls = 0
        Tool.register('counting', {}, function() calls = calls + 1 return calls end)
        Hook.register('BeforeToolExecution', function(call)
          return {type = 'cache', key = 'n=' .. call.data.n, ttl = call.data.ttl}
        end)
        call('counting', {n = 1}) call('counting', {n = 1}) call('counting', {n = 2})
        call('counting', {n = 1}) call('counting', {n = 3, ttl = 0}) call('counting', {n = 3})
        print(calls)
    """) == ["1", "1", "2", "1", "3", "4", "4"]  # fmt: skip


# At an after-point ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("nil", "first 1"),
        ("'skipped'", "first 1"),
        ("{type = 'modified', data = {text = call.data.text .. '!'}}", "first 1!?"),
        ("{type = 'replace', data = {text = 'other'}}", "other"),
        ("{type = 'cancel', reason = 'no'}", "main.lua:{line}: cancelled by guard: no"),
        ("{type = 'cache', key = 'x'}", "first 1"),
    ],
)
def test_a_result_after_an_effect(script: Any, store: Store, result: str, text: str) -> None:
    lines = told(
        script, store,
        f"Hook.register('AfterToolExecution', function(call) return {result} end,"
        " {name = 'guard'})\n"
        "Hook.register('AfterToolExecution', function(call)\n"
        "  if call.data.text:find('!') then\n"
        "    return {type = 'modified', data = {text = call.data.text .. '?'}}\n"
        "  end\n"
        "end)\ncall('first')",
    )  # fmt: skip
    line = 1 + TOOLS[: TOOLS.index("local ok, r")].count("\n")
    assert lines == [text.format(line=line)]


def test_what_was_done_stays_done_when_it_is_cancelled_after(script: Any, store: Store) -> None:
    told(script, store, """
        Hook.register('AfterStateWrite', function() return 'too late' end)
        print(pcall(State.set, 'k', 1))
        print(State.get('k'))
    """)  # fmt: skip
    assert script.lines[0].startswith("false\tmain.lua:")
    assert script.lines[1] == "1"


def test_a_redirect_after_an_effect_is_refused(script: Any, store: Store) -> None:
    lines = told(script, store, """
        Hook.register('AfterToolExecution', function()
          return {type = 'redirect', target = 'other'}
        end, {name = 'late'})
        call('first')
    """)  # fmt: skip
    assert lines == [
        "hook late failed: a hook can't return redirect after what was performed; it can return "
        "cache, cancel, continue, fork, modified, replace, retry, skipped",
        "first 1",
    ]


def test_a_retry_after_an_effect_performs_it_again_inside_the_same_event(
    script: Any, store: Store
) -> None:
    lines = told(script, store, """
        Hook.register('AfterToolExecution', function(call)
          print(call.metadata.attempt, call.data.result.result)
          return {type = 'retry', delay_ms = 1, max_attempts = 3}
        end)
        call('calculator', {input = '1 + 1'})
    """)  # fmt: skip
    assert lines[:3] == ["1\t2.0", "2\t2.0", "3\t2.0"]
    assert names_inside(store, "tool.invoke").count("tool.invoke") == 2
    events = list(respell.events(store.sessions.find("@last"), store=store))
    calls = [one for one in events if one.name == "tool.invoke"]
    assert [one.parent for one in calls] == [0, calls[0].number, calls[0].number]


def test_a_fork_after_an_effect_can_use_its_outcome(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('AfterToolExecution', function(call)
          return {type = 'fork', operations = {{state = 'last', value = call.data.text}}}
        end)
        call('first')
        print(State.get('last'))
    """) == ["first 1", "first 1"]  # fmt: skip


def test_an_outcome_cached_after_an_effect_is_found_before_the_next(
    script: Any, store: Store
) -> None:
    assert told(script, store, """
        Hook.register('AfterToolExecution', function(call)
          if call.component == 'first' then return {type = 'cache', key = 'shared'} end
        end)
        Hook.register('BeforeToolExecution', function(call)
          if call.component == 'other' then return {type = 'cache', key = 'shared'} end
        end)
        call('first') call('other')
    """) == ["first 1", "first 1"]  # fmt: skip


# At an error ---------------------------------------------------------------------------------


def test_hooks_at_an_error_may_have_an_outcome_for_it(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('ToolError', function(call)
          return {type = 'replace', data = {text = 'saved from ' .. call.data.error}}
        end)
        Hook.register('AfterToolExecution', function(call) print('after', call.data.text) end)
        call('broken') call('first')
    """) == [
        "after\tsaved from out of order 1", "saved from out of order 1", "after\tfirst 1",
        "first 1",
    ]  # fmt: skip


def test_hooks_at_an_error_may_have_it_performed_again(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('ToolError', function(call)
          print(call.data.error, call.metadata.attempt, call.data.input.times)
          return {type = 'retry', delay_ms = 0, max_attempts = 3}
        end)
        call('broken', {times = 2})
        broken = 0
        call('broken', {times = 9})
    """) == [
        "out of order 1\t1\t2", "out of order 2\t2\t2", "works at last",
        "out of order 1\t1\t9", "out of order 2\t2\t9", "out of order 3\t3\t9", "out of order 3",
    ]  # fmt: skip


def test_an_error_that_no_hook_minds_is_raised_on(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('ToolError', function(call) print('saw', call.data.error) end)
        call('broken')
    """) == ["saw\tout of order 1", "out of order 1"]  # fmt: skip


# What goes wrong in hooks --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ("42", "a hook must return nothing, a string or a table, not a number"),
        ("{type = 'retri'}", "a hook can't return the result retri; it can return cache, cancel"),
        ("{type = 'modified'}", "a modified result needs data"),
        ("{type = 'redirect'}", "target must be a text, not nothing"),
        ("{type = 'retry', delay_ms = -1}", "delay_ms must be a number from 0 to 86400000, not -1"),
        ("{type = 'retry', max_attempts = 1.5}", "max_attempts must be a whole number"),
        ("{type = 'cache'}", "key must be a text, not nothing"),
        ("{type = 'cache', key = 'k', ttl = 'long'}", "ttl must be a number from 0 to"),
        ("{type = 'fork'}", "operations must be a list of at least one, not nothing"),
        ("{type = 'fork', operations = {{tol = 'x'}}}", "each operation of a fork is a table with"),
        ("{type = 'fork', operations = {{tool = 'x', data = 1}}}", "an operation with tool can't"),
        ("{type = 'modified', data = print}", "can't"),
    ],
)
def test_a_result_that_makes_no_sense_is_the_failure_of_the_hook(
    script: Any, store: Store, result: str, what: str
) -> None:
    lines = told(
        script, store,
        f"Hook.register('BeforeToolExecution', function() return {result} end, {{name = 'odd'}})"
        "\ncall('first')",
    )  # fmt: skip
    assert lines[0].startswith("hook odd failed: ")
    assert what in lines[0]
    assert lines[1:] == ["first 1"]


def test_arguments_of_another_type_cancel_the_call(script: Any, store: Store) -> None:
    (line,) = told(script, store, """
        Hook.register('BeforeToolExecution', function()
          return {type = 'modified', data = 'text'}
        end, {name = 'odd'})
        call('first')
    """)  # fmt: skip
    assert "cancelled by odd: the arguments of tool.invoke must be a table" in line


def test_a_hook_gets_copies_and_what_it_does_to_them_stays_with_it(
    script: Any, store: Store
) -> None:
    assert told(script, store, """
        Hook.register('BeforeToolExecution', function(call) call.data.n = 'mine' end)
        Hook.register('BeforeToolExecution', function(call) print(call.data.n) end)
        local params = {n = 1}
        call('first', params)
        print(params.n)
    """) == ["1", "first 1", "1"]  # fmt: skip


def test_a_hook_never_runs_inside_of_itself(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('BeforeToolExecution', function(call)
          print('hook of', call.component)
          if call.component == 'first' then call_inside() end
        end)
        function call_inside() print('inside', Tool.invoke('other', {n = 3}).text) end
        call('first')
    """) == ["hook of\tfirst", "inside\tother 3", "first 1"]  # fmt: skip


def test_the_context_says_where_it_is_and_what_it_is_about(script: Any, store: Store) -> None:
    lines = told(script, store, """
        Hook.register('BeforeToolExecution', function(c)
          print(c.point, c.component, c.component_id.type, c.component_id.name, c.language)
          print(c.session_id == Session.getCurrent(), c.correlation_id == c.session_id)
          print(c.metadata.operation, c.metadata.attempt, #c.timestamp, c.timestamp <= Utils.now())
        end)
        call('first')
    """)  # fmt: skip
    assert lines == [
        "BeforeToolExecution\tfirst\ttool\tfirst\tlua", "true\ttrue",
        "tool.invoke\t1\t27\ttrue", "first 1",
    ]  # fmt: skip


# Handles, lists, switches, figures -----------------------------------------------------------


def test_lua_hook_callbacks_are_called(script: Any, store: Store) -> None:
    """In v0.6.0 the function that was registered never ran."""
    assert told(script, store, """
        local handle = Hook.register('before_tool_execution', function(context)
          print('called for', context.data.n)
          return 'continue'
        end, 'normal')
        call('first')
        print(handle:id(), handle:hook_point(), handle:unregister(), handle:unregister())
        call('first')
    """) == [
        "called for\t1", "first 1", "1\tBeforeToolExecution\ttrue\tfalse", "first 1",
    ]  # fmt: skip


def test_hooks_are_found_by_what_they_are(script: Any, store: Store) -> None:
    assert told(script, store, """
        Hook.register('BeforeToolExecution', print, {name = 'a', tags = {'x'}, priority = 'high'})
        Hook.register('AfterToolExecution', print, {name = 'b', tags = {'x', 'y'}})
        Hook.register('SessionEnd', function() end, {name = 'c', priority = 3})
        local function names(filter)
          local found = {}
          for i, one in ipairs(Hook.list(filter)) do found[i] = one.name end
          return table.concat(found, ' ')
        end
        print(names(), '|', names('tool:after_execution'), '|', names{tag = 'x'})
        print(names{priority = 'high'}, '|', names{priority = 3}, '|', names{point = 'SessionEnd'})
        print(names{language = 'lua', tag = 'y'}, '|', names{language = 'python'})
        print(pcall(Hook.list, {tags = 'x'}))
        local first = Hook.list()[1]
        print(first.priority, first.language, first.enabled, first.circuit, first.tags[1])
    """) == [
        "a b c\t|\tb\t|\ta b", "a\t|\tc\t|\tc", "b\t|\t",
        "false\tmain.lua:{}: Hook.list: unknown filter tags; there are hook_point, language, "
        "priority, tag, name".format(1 + TOOLS.count("\n") + 12),
        "-100\tlua\ttrue\tclosed\tx",
    ]  # fmt: skip


def test_a_name_is_there_once_at_a_point(script: Any, store: Store) -> None:
    lines = told(script, store, """
        local one = Hook.register('BeforeToolExecution', print, {name = 'guard'})
        Hook.register('AfterToolExecution', function() end, {name = 'guard'})
        print(pcall(Hook.register, 'BeforeToolExecution', print, {name = 'guard'}))
        one:unregister()
        print((pcall(Hook.register, 'BeforeToolExecution', print, {name = 'guard'})))
    """)  # fmt: skip
    assert 'there is a hook named "guard" at BeforeToolExecution already' in lines[0]
    assert lines[1] == "true"


def test_hooks_can_be_switched_off_one_by_one_and_together(script: Any, store: Store) -> None:
    assert told(script, store, """
        local hook = Hook.register('BeforeToolExecution', function() print('hook') end)
        hook:disable() call('first') print(hook:enabled(), Hook.list()[1].enabled)
        Hook.enable(hook) call('first')
        Hook.disable_all() call('first') print(hook:enabled())
        Hook.enableAll() call('first')
    """) == [
        "first 1", "false\tfalse", "hook", "first 1", "first 1", "false", "hook", "first 1",
    ]  # fmt: skip


def test_figures_of_hooks_are_those_that_were_recorded(script: Any, store: Store) -> None:
    lines = told(script, store, """
        local hook = Hook.register('BeforeToolExecution', function(c)
          if c.data.n == 3 then error('three') end
          if c.data.n == 4 then return 'skip' end
        end, {name = 'measured'})
        for i = 1, 6 do pcall(Tool.invoke, 'first', {n = i}) end
        local m = hook:metrics()
        print(m.name, m.calls, m.failures, m.skipped, m.circuit, #Hook.metrics())
        print(m.p50_ms, m.p95_ms, m.p99_ms)
        print(m.p50_ms <= m.p95_ms and m.p95_ms <= m.p99_ms)
    """)  # fmt: skip
    assert lines[1] == "measured\t5\t1\t1\tclosed\t1"
    assert lines[3] == "true"  # and the replay printed the very same, or it would differ


# Time: a runtime without a host, and with a clock that the test sets ---------------------------


class Ended(BaseException):
    """The script ended."""


def lines_at(text: str, seconds: list[float]) -> list[str]:
    """Run a script whose every `tick()` sets the clock on; return what it printed."""
    clock = [1_700_000_000.0]
    waits = iter(seconds)
    lines: list[str] = []

    def send(frame: bytes) -> None:
        payload = frame[5:]
        caused = parse_caused(payload) if frame[4] in (Kind.RECORD, Kind.CALL) else None
        if caused is not None and caused.name == "output.line":
            line = values.decode(caused.args)["text"]
            lines.append(line)
            if line == "tick":
                clock[0] += next(waits)

    def finish(payload: bytes) -> None:
        raise Ended(payload)

    program = Program("main.lua", text.encode())
    frames = [b"\x81" + program.init(session_id="s"), b"\x83\x01"]
    start, _ = new_runtime(
        {
            "send": send, "receive": lambda: frames.pop(0), "receive_answer": lambda: b"",
            "finish": finish, "die": finish, "trace": send, "entropy": os.urandom,
            "now": lambda: int(clock[0] * 1e6),
        }
    )  # fmt: skip
    with pytest.raises(Ended):
        start()
    return [line for line in lines if line != "tick"]


def test_the_circuit_opens_is_tried_again_after_15_seconds_and_closes() -> None:
    lines = lines_at(
        """
        local failing, runs = true, 0
        local hook = Hook.register('custom:x', function()
          runs = runs + 1
          if failing then error('x', 0) end
        end, {name = 'shaky'})
        for i = 1, 5 do Hook.trigger('custom:x', i) end
        print(runs, hook:metrics().circuit)
        print('tick')
        Hook.trigger('custom:x') Hook.trigger('custom:x')
        print(runs, hook:metrics().circuit)
        print('tick')
        Hook.trigger('custom:x')
        print(runs, hook:metrics().circuit)
        failing = false
        print('tick')
        Hook.trigger('custom:x') Hook.trigger('custom:x')
        print(runs, hook:metrics().circuit)
        """,
        [15.1, 14.0, 1.2],
    )
    assert lines == ["3\topen", "4\topen", "4\topen", "6\tclosed"]


def test_each_call_is_timed_from_its_own_beginning() -> None:
    lines = lines_at(
        """
        local outer = Hook.register('custom:outer', function() end, {name = 'before it'})
        outer = Hook.register('custom:outer', function()
          print('tick')
          Hook.trigger('custom:inner', 1)
        end, {name = 'outer'})
        local inner = Hook.register('custom:inner', function() print('tick') end)
        Hook.trigger('custom:outer', 1)
        print(outer:metrics().p50_ms, inner:metrics().p50_ms)
        """,
        [0.25, 0.5],
    )
    assert lines == ["750.0\t500.0"]


def test_what_is_kept_of_outcomes_is_bounded_and_grows_old() -> None:
    lines = lines_at(
        """
        local key, ttl = '1', 10
        Hook.register('custom:x', function() return {type = 'cache', key = key, ttl = ttl} end)
        print(Hook.trigger('custom:x', 'one'), Hook.trigger('custom:x', 'two'))
        print('tick')
        print(Hook.trigger('custom:x', 'three'), Hook.trigger('custom:x', 'four'))
        ttl = 1000
        for i = 1, 1001 do key = 'k' .. i Hook.trigger('custom:x', i) end
        key = 'k1' print(Hook.trigger('custom:x', 'gone'))
        key = 'k1001' print(Hook.trigger('custom:x', 'gone'))
        """,
        [10.5],
    )
    assert lines == ["one\tone", "three\tthree", "gone", "1001"]
