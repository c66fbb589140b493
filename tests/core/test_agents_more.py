"""Agents: lifecycle, health, alerts, contexts, composites, templates; and Streaming."""

from __future__ import annotations

from typing import Any

import pytest

import respell
from respell.store import Store

MOCK = "model = 'mock/echo'"


@pytest.fixture
def shows(script: Any, store: Store) -> Any:
    """Run a script to its end, live and replayed as identical, and return its lines."""

    def run(text: str) -> list[str]:
        done = script(text)
        assert done.session.status == "completed", done.session.error
        result = respell.replay(done.session, store=store)
        assert result.identical, result.divergence
        lines: list[str] = script.lines
        return lines

    return run


# Lifecycle ------------------------------------------------------------------------------------


def test_an_agent_goes_through_its_states(shows: Any) -> None:
    assert shows("""
        local a = Agent.create{name = 'a', model = 'mock/echo'}
        print(a:getAgentState(), a:execute('asked at once').text)
        for _, call in ipairs{'initialize', 'start', 'pause', 'resume', 'stop', 'terminate'} do
          a[call](a)
          print(call, a:getAgentState())
        end
        for _, it in ipairs(a:getStateHistory()) do print(it.from, it.to, #it.at) end
    """) == [
        "Uninitialized\tasked at once",
        "initialize\tReady", "start\tRunning", "pause\tPaused", "resume\tRunning", "stop\tReady",
        "terminate\tTerminated",
        "Uninitialized\tReady\t27", "Ready\tRunning\t27", "Running\tPaused\t27",
        "Paused\tRunning\t27", "Running\tReady\t27", "Ready\tTerminated\t27",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("a:pause()", 'the agent "a" is paused: agent:resume() lets it go on'),
        ("a:terminate()", 'the agent "a" was terminated, and can\'t be asked any more'),
        (
            "a:setError('no key')",
            'the agent "a" has an error (no key): agent:recover() lets it go on',
        ),
    ],
)
def test_an_agent_that_is_stopped_refuses(shows: Any, before: str, message: str) -> None:
    """v0.6.0's agents answered in every state."""
    lines = shows(f"""
        local a = Agent.create{{name = 'a', {MOCK}}}
        {before}
        print(pcall(a.execute, a, 'x'))
        print(pcall(a.stream, a, 'x', print))
        print(a:getMetrics().requests, a:getHealth().executions)
    """)
    assert lines == [
        f"false\tmain.lua:4: Agent.execute: {message}",
        f"false\tmain.lua:5: Agent.stream: {message}",
        "0\t0",
    ]


def test_an_impossible_change_names_what_is_possible(shows: Any) -> None:
    assert shows(f"""
        local a = Agent.create{{name = 'a', {MOCK}}}
        print(pcall(a.resume, a))
        a:terminate()
        print(pcall(a.start, a))
    """) == [
        'false\tmain.lua:3: Agent.resume: the agent "a" is Uninitialized; what it can do now: '
        "initialize, start, pause, stop, terminate, setError",
        'false\tmain.lua:5: Agent.start: the agent "a" is Terminated; what it can do now: none',
    ]


def test_an_agent_recovers_from_an_error(shows: Any) -> None:
    assert shows(f"""
        local a = Agent.create{{name = 'a', {MOCK}}}
        a:start()
        a:set_error('lost its mind')
        print(a:isHealthy(), a:getLastError(), a:getHealth().status)
        a:recover()
        print(a:isHealthy(), a:getAgentState(), a:getRecoveryAttempts(), a:execute('x').text)
        local m = a:getStateMetrics()
        print(m.current_state, m.transitions, m.errors, m.recovery_attempts)
        print(m.seconds_in_state.Running >= 0, m.seconds_in_state.Error >= 0)
        print(a:getStateHistory()[2].reason)
    """) == [
        "false\tlost its mind\tunhealthy", "true\tReady\t1\tx", "Ready\t3\t1\t1", "true\ttrue",
        "lost its mind",
    ]  # fmt: skip


# Health ---------------------------------------------------------------------------------------


def test_health_performance_and_alerts_are_counted(shows: Any) -> None:
    assert shows("""
        local a = Agent.create{name = 'a', model = 'mock/scripted', options = {
          answers = {'one', {fail = 'server_error'}, {fail = 'server_error'}, {fail = 'timeout'},
            'x'},
          prices = {input = 1000000, output = 1000000}}}
        a:configureAlerts{max_errors_in_a_row = 1, max_requests = 4, on_alert = function(alert)
          print('alert', alert.name, alert.value, alert.execution)
        end}
        for i = 1, 5 do
          local ok = pcall(a.execute, a, 'four')
          print(ok, a:getHealth().status, a:getHealth().errors_in_a_row)
        end
        local p = a:getPerformance()
        print(p.total_executions, p.failed_executions, p.success_rate, p.tokens_per_execution)
        for _, alert in ipairs(a:getAlerts()) do print(alert.name, alert.limit, alert.message) end
        print(a:getLastError())
    """) == [
        "true\thealthy\t0",
        "false\thealthy\t1",
        "agent a: max_errors_in_a_row is 2, above 1",
        "alert\tmax_errors_in_a_row\t2\t3",
        "false\thealthy\t2",
        "false\tdegraded\t3",
        "true\thealthy\t0",
        "5\t3\t0.4\t1.2",
        "max_errors_in_a_row\t1\tagent a: max_errors_in_a_row is 2, above 1",
        "main.lua:10: mock/scripted: the model did not answer in time",
    ]


def test_the_metrics_of_all_agents_count_no_answer_twice(shows: Any) -> None:
    assert shows(f"""
        local a = Agent.create{{name = 'a', {MOCK}}}
        local b = Agent.create{{name = 'b', {MOCK}}}
        Agent.register('alias', a)
        local both = Agent.createComposite('both', {{'a', b}}, {{routing_strategy = 'parallel'}})
        both:execute('four')
        local m = a:getBridgeMetrics()
        print(m.agents, m.executions, m.requests, m.input_tokens, both:getMetrics().requests)
    """) == ["3\t3\t2\t2\t2"]


def test_what_an_agent_logs_is_in_the_log(shows: Any) -> None:
    assert shows(f"""
        local a = Agent.create{{name = 'a', {MOCK}}}
        a:logEvent('ready', 'to go')
        a:log_event('facts', {{n = 1}})
        print(pcall(a.logEvent, a))
    """) == [
        "agent a: ready to go",
        'agent a: facts {"n":1}',
        "false\tmain.lua:5: Agent.logEvent: the event's type must be a string, not nil",
    ]


# Contexts -------------------------------------------------------------------------------------


def test_a_child_has_its_parents_values_as_it_was_told(shows: Any) -> None:
    assert shows("""
        local root = Agent.createContext{name = 'root', data = {a = 1, b = {2}}}
        local ids = {}
        for _, how in ipairs{'inherit', 'copy', 'share', 'isolate'} do
          ids[how] = Agent.createChildContext(root, {data = {own = how ~= 'share' or nil}}, how)
        end
        Agent.updateContext(root, 'a', 10)
        Agent.updateContext(ids.share, 'from_share', true)
        Agent.updateContext(ids.inherit, 'mine', true)
        for _, how in ipairs{'inherit', 'copy', 'share', 'isolate'} do
          print(how, JSON.stringify(Agent.getContextData(ids[how])))
        end
        print(JSON.stringify(Agent.getContextData(root)), Agent.getContextData(root, 'mine'))
        local child = Agent.getHierarchy(root).children[2]
        print(#Agent.getHierarchy(root).children, child.parent, child.inheritance)
        Agent.removeContext(root)
        print(pcall(Agent.getContextData, ids.copy))
    """) == [
        'inherit\t{"a":10,"b":[2],"from_share":true,"mine":true,"own":true}',
        'copy\t{"a":1,"b":[2],"own":true}',
        'share\t{"a":10,"b":[2],"from_share":true}',
        'isolate\t{"own":true}',
        '{"a":10,"b":[2],"from_share":true}\tnil',
        "4\tcontext-1\tcopy",
        'false\tmain.lua:17: Agent.getContextData: there is no context "context-3"',
    ]


def test_what_a_context_holds_is_told_to_the_model_this_once(script: Any, store: Store) -> None:
    done = script("""
        local a = Agent.create{model = 'mock/echo', system_prompt = 'Be kind.'}
        local id = Agent.createContext{data = {user = 'Ada'}}
        a:executeWithContext('hello', id)
        a:executeWithContext({prompt = 'again'}, {mood = 'good'})
        a:execute('and now?')
    """)
    asked = [
        one.args["messages"][0]["text"]
        for one in respell.events(done.session, store=store)
        if one.name == "agent.request"
    ]
    assert asked == [
        'Be kind.\n\nContext: {"user":"Ada"}', 'Be kind.\n\nContext: {"mood":"good"}', "Be kind.",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical


def test_memory_is_shared_by_scope(shows: Any) -> None:
    assert shows("""
        Agent.setSharedMemory('team', 'plan', {step = 1})
        local plan = Agent.getSharedMemory('team', 'plan')
        plan.step = 2
        print(Agent.get_shared_memory('team', 'plan').step, Agent.getSharedMemory('other', 'plan'))
        Agent.setSharedMemory('team', 'plan', nil)
        print(Agent.getSharedMemory('team', 'plan'))
    """) == ["1\tnil", "nil"]


# Several agents -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "asked", "outcome"),
    [
        ("round_robin", 3, "one / two / three"),
        ("sequential", 1, "three"),
        ("parallel", 1, "one\\ntwo\\nthree"),
        ("fallback", 2, "one / one"),
        ("vote", 1, "one"),
        ("capability_based", 1, "one"),
    ],
)
def test_a_composite_hands_on_what_it_is_asked(
    shows: Any, strategy: str, asked: int, outcome: str
) -> None:
    (line,) = shows(f"""
        local members = {{}}
        for i, text in ipairs{{'one', 'two', 'three'}} do
          members[i] = Agent.create{{name = text, model = 'mock/scripted',
            options = {{answers = {{text}}, cycle = true}}}}
        end
        local all = Agent.createComposite('all', members, {{routing_strategy = '{strategy}'}})
        local texts = {{}}
        for i = 1, {asked} do texts[i] = all:execute('go').text end
        print((table.concat(texts, ' / '):gsub('\\n', '\\\\n')))
    """)
    assert line == outcome


def test_a_composite_is_an_agent_like_others(shows: Any) -> None:
    assert shows(f"""
        Tool.register('weigh', {{}}, function() return 5 end)
        local plain = Agent.create{{name = 'plain', {MOCK}}}
        local able = Agent.create{{name = 'able', {MOCK}, tools = {{'weigh'}}}}
        local broken = Agent.create{{name = 'broken', {MOCK}, options = {{fail = 'refused'}}}}
        local c = Agent.createComposite('c', {{broken, plain}}, {{routing_strategy = 'fallback',
          description = 'never gives up'}})
        local tool = Agent.wrapAsTool('c', {{tool_name = 'ask_c'}})
        print(tool, Tool.invoke(tool, {{prompt = 'hi'}}).result, c:getMetrics().requests)
        local by_tool = Agent.createComposite('by tool', {{plain, able}},
          {{routing_strategy = 'capability_based'}})
        print(by_tool:execute('please weigh it').results[1].name)
        local names = {{broken, 'plain'}}
        local all = Agent.createComposite('every', names, {{strategy = 'vote'}})
        print(all:execute('hm').text, #all:execute('hm').results)
        local details = Agent.getDetails('c')
        print(Agent.getInfo('c').type, details.members[1], details.model)
        print(table.concat(Agent.discoverByCapability('composite'), ' '),
          table.concat(Agent.discoverByCapability('weigh'), ' '))
        print(#Agent.discover{{type = 'llm', capability = 'tools'}}, #Agent.discover())
        print(pcall(c.stream, c, 'x', print))
    """) == [
        "ask_c\thi\t1", "able", "hm\t1", "composite\tbroken\tfallback",
        "c by tool every\table", "1\t6",
        "false\tmain.lua:21: Agent.stream: a composite has no stream of its own; ask its members",
    ]  # fmt: skip


def test_the_hierarchy_has_composites_over_their_members(shows: Any) -> None:
    assert shows(f"""
        for _, name in ipairs{{'a', 'b', 'c'}} do Agent.create{{name = name, {MOCK}}} end
        Agent.createComposite('inner', {{'a', 'b'}})
        Agent.createComposite('outer', {{'inner'}})
        local function show(it)
          local below = {{}}
          for i, member in ipairs(it.members) do below[i] = show(member) end
          return it.name .. (#below > 0 and '(' .. table.concat(below, ' ') .. ')' or '')
        end
        for _, root in ipairs(Agent.getHierarchy()) do print(show(root)) end
        print(show(Agent.getHierarchy('inner')), table.concat(Agent.listInstances(), ' '))
    """) == ["c", "outer(inner(a b))", "inner(a b)\ta b c inner outer"]


def test_templates_make_agents(shows: Any) -> None:
    assert shows("""
        for _, it in ipairs(Agent.listTemplates()) do
          print(it.name, table.concat(it.parameters, ' '))
        end
        local a = Agent.createFromTemplate('reviewer', 'critic',
          {model = 'mock/echo', criteria = {'style', '100%'}, temperature = 0})
        print(a.name, a:getConfig().system_prompt, a:getConfig().temperature)
        local plain = Agent.createFromTemplate('assistant', 'x', {model = 'mock/echo'})
        print(plain:getConfig().system_prompt)
        print(pcall(Agent.createFromTemplate, 'poet', 'y', {model = 'mock/echo'}))
    """) == [
        "assistant\ttopic", "summarizer\tsentences", "extractor\tfields", "reviewer\tcriteria",
        "critic\tReview the text you are given by these criteria: style, 100%. "
        "List what to change, the worst first.\t0",
        "You are a helpful assistant. Answer briefly and to the point.",
        "false\tmain.lua:10: Agent.createFromTemplate: there is no template poet; there are "
        "assistant, summarizer, extractor, reviewer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Agent.createComposite('x', {})", "the agents must be a list of at least one"),
        ("Agent.createComposite('x', {'nobody'})", 'there is no agent named "nobody"'),
        ("Agent.createComposite('a', {'a'})", 'there is an agent named "a" already'),
        (
            "Agent.createComposite('x', {'a'}, {routing_strategy = 'any'})",
            "there is no routing_strategy any; there are round_robin, sequential",
        ),
        ("Agent.createContext{colour = 1}", "there is no option colour; there are name"),
        ("Agent.createChildContext('context-9')", 'there is no context "context-9"'),
        (
            "Agent.createChildContext(Agent.createContext(), {}, 'steal')",
            "inheritance must be inherit, copy, share or isolate, not steal",
        ),
        ("Agent.updateContext(Agent.createContext(), '', 1)", "the key must be a string that is"),
        ("Agent.setSharedMemory(nil, 'k', 1)", "the scope must be a string that is not empty"),
        ("Agent.get('a'):configureAlerts{max_cats = 1}", "there is no limit max_cats; there are"),
        ("Agent.get('a'):configureAlerts{max_tokens = -1}", "must be a number of at least 0"),
        ("Agent.get('a'):setError()", "the message must be a string that is not empty, not nil"),
        ("Agent.get('a'):executeWithContext('x', 'context-9')", 'there is no context "context-9"'),
        ("Agent.discoverByCapability(5)", "the capability must be a string, not a number"),
        ("Agent.discover{colour = 'red'}", "there is no filter colour; there are capability"),
        ("Agent.getDetails('nobody')", 'there is no agent named "nobody"'),
        ("Streaming.create(5)", "Streaming.create: a function is expected, not a number"),
    ],
)
def test_mistakes_are_told(script: Any, call: str, message: str) -> None:
    script(f"Agent.create{{name = 'a', {MOCK}}}\nprint(pcall(function()\n{call}\nend))")
    assert script.lines[-1].startswith("false\tmain.lua:3: "), script.lines
    assert message in script.lines[-1]


# Streaming ------------------------------------------------------------------------------------


def test_a_stream_hands_out_what_its_function_yields(shows: Any) -> None:
    """v0.6.0's yield did nothing."""
    assert shows("""
        local log = {}
        local s = Streaming.create(function(yield)
          for i = 1, 3 do log[#log + 1] = 'made ' .. i yield(i) end
          Streaming.yield('four')
          coroutine.yield('five')
        end)
        print(#log, s:next(), #log, s:isDone(), #log)
        print(JSON.stringify(s:collect()), s:isDone(), s:next())
        local none = Streaming.create(function() end)
        print(none:is_done(), #none:collect())
        local bad = Streaming.create(function(yield) yield(1) error('broken') end)
        print(bad:next(), pcall(bad.next, bad))
    """) == [
        "0\t1\t1\tfalse\t2", '[2,3,"four","five"]\ttrue\tnil', "true\t0",
        "1\tfalse\tmain.lua:12: broken",
    ]  # fmt: skip


def test_a_stream_may_wait_for_the_world_between_its_values(shows: Any) -> None:
    assert shows("""
        local agent = Agent.create{model = 'mock/echo', options = {chunk_size = 4}}
        local s = Streaming.create(function(yield)
          agent:stream('one two three', function(text) coroutine.yield(text) end)
          Utils.sleep(0.01)
          yield(Tool.invoke('calculator', {input = '1 + 1'}).result.result)
        end)
        while not s:isDone() do print(s:next()) end
    """) == ["one ", "two ", "thre", "e", "2.0"]
