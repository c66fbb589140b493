"""Agents: a script talks to a model, stops, goes on, and pays for no answer twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents import registry
from respell.errors import EffectFailed, UsageError
from respell.store import Store


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


def messages(model: Model, index: int = -1) -> list[tuple[str, str]]:
    """Return who said what in one request."""
    return [(one.role, one.text) for one in model.asked[index].messages]


# Asking --------------------------------------------------------------------------------------


def test_an_agent_answers_and_says_what_it_took(script: Any, model: Model) -> None:
    done = script("""
        local a = Agent.create{model = "test/large", name = "ann", system_prompt = "be brief"}
        local r = a:execute{prompt = "hello"}
        print(r.text, r.model, r.provider, r.finish_reason, #r.tool_calls)
        print(r.usage.input_tokens, r.usage.output_tokens, r.cost_usd)
        print(a, a.name, a.model, a.provider)
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "1: hello\tlarge\ttest\tstop\t0",
        "4\t2\tnil",
        "Agent: ann\tann\tlarge\ttest",
    ]
    assert messages(model) == [("system", "be brief"), ("user", "hello")]
    assert done.session.usage["tokens"] == 6


def test_what_was_said_before_is_told_again(script: Any, model: Model) -> None:
    script("""
        local a = Agent.create{model = "test/m"}
        a:execute("one")
        a:invoke{text = "two"}
        a:reset()
        a:execute("three")
    """)
    assert messages(model, 1) == [("user", "one"), ("assistant", "1: one"), ("user", "two")]
    assert messages(model, 2) == [("user", "three")]
    assert [one.turn for one in model.asked] == [1, 2, 3]


def test_a_conversation_is_kept_as_long_as_it_may_be(script: Any, model: Model) -> None:
    script("""
        local a = Agent.create{model = "test/m", max_conversation_length = 4}
        for i = 1, 4 do a:execute("q" .. i) end
        print(#a:getState().conversation, a:getState().conversation[1].text)
    """)
    assert script.lines == ["4\tq3"]
    assert messages(model) == [
        ("user", "q2"), ("assistant", "2: q2"), ("user", "q3"), ("assistant", "3: q3"),
        ("user", "q4"),
    ]  # fmt: skip


def test_settings_reach_the_model_and_a_call_may_have_others(script: Any, model: Model) -> None:
    script("""
        local a = Agent.create{provider_model = "test/m", temperature = 0.5, max_tokens = 100,
          stop = "END", seed = 7, options = {mode = "x"}, base_url = "http://here"}
        a:execute("one")
        a:execute{prompt = "two", temperature = 0, max_tokens = 5.0, stop = {"A", "B"}, seed = 8}
    """)
    one, two = model.asked
    assert (one.temperature, one.max_tokens, one.stop, one.seed) == (0.5, 100, ("END",), 7)
    assert (two.temperature, two.max_tokens, two.stop, two.seed) == (0.0, 5, ("A", "B"), 8)
    assert one.options == {"mode": "x", "base_url": "http://here"}


def test_a_request_that_fails_is_an_error_that_is_a_string(script: Any, model: Model) -> None:
    def fail(request: Any) -> str:
        raise EffectFailed("no more today")

    model.answer = fail
    done = script("""
        local a = Agent.create{model = "test/m"}
        local ok, message = pcall(a.execute, a, "hello")
        print(ok, type(message), message)
        print(#a:getState().conversation, a:getMetrics().errors)
        a:execute("again")
    """)
    assert script.lines == ["false\tstring\tmain.lua:3: test/m: no more today", "0\t1"]
    assert done.session.status == "failed"
    assert done.session.error["message"] == "main.lua:6: test/m: no more today"


def test_any_error_of_a_provider_becomes_a_sentence(script: Any, model: Model) -> None:
    def break_down(request: Any) -> str:
        raise ZeroDivisionError("division by zero")

    model.answer = break_down
    script('print(pcall(Agent.create{model = "test/m"}.execute, Agent.get("agent_1"), "x"))')
    assert script.lines == ["false\tmain.lua:1: test/m: ZeroDivisionError: division by zero"]


# Going on and looking back -------------------------------------------------------------------

TWO_DAYS = """
local a = Agent.create{model = "test/m", name = "ann"}
print(a:execute("first").text)
print(a:execute("second " .. Session.suspend{prompt = "what else?"}).text)
print(a:getMetrics().requests, #a:getState().conversation)
"""


def test_a_resumed_session_asks_nothing_twice(script: Any, model: Model) -> None:
    stopped = script(TWO_DAYS)
    assert len(model.asked) == 1
    done = script.resume(stopped.session, value="time")
    assert script.lines == ["1: first", "2: second time", "2\t4"]
    assert messages(model) == [
        ("user", "first"),
        ("assistant", "1: first"),
        ("user", "second time"),
    ]
    assert done.session.usage["tokens"] == (2 + 2) + (2 + 2 + 3 + 4)


def test_a_replay_asks_no_model(script: Any, model: Model, store: Store) -> None:
    done = script.resume(script(TWO_DAYS).session, value="time")
    registry.unregister("test")
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence
    assert respell.replay(done.session, store=store, mode="simulate").identical
    assert len(model.asked) == 2


def test_another_answer_leads_a_fork_elsewhere(
    script: Any, model: Model, store: Store, names: Callable[[Any], list[str]]
) -> None:
    done = script("""
        local a = Agent.create{model = "test/m"}
        if a:execute("sell?").text == "yes" then print("sold") else print("kept") end
    """)
    number = names(done).index("agent.request") + 1
    fork = respell.fork(done.session, store=store, at=number, outcome="yes")
    script.resume(fork.id)
    assert script.lines == ["kept", "sold"]
    assert len(model.asked) == 1
    with pytest.raises(UsageError, match=r"agent\.request ends with a text, or a table with text"):
        respell.fork(done.session, store=store, at=number, outcome={"said": "yes"})


def test_agents_in_parallel_branches_are_asked_at_the_same_time(
    script: Any, model: Model, store: Store
) -> None:
    import threading

    together = threading.Barrier(3, timeout=30)

    def wait(request: Any) -> str:
        together.wait()
        return request.messages[-1].text.upper()

    model.answer = wait
    done = script("""
        local one = Agent.create{model = "test/m"}
        local function ask(text) return function() return one:execute(text).text end end
        local done = Workflow.parallel{branches = {ask("a"), ask("b"), function()
          local function inner() return select(2, pcall(one.execute, one, "c")).text end
          return coroutine.wrap(inner)()
        end}}:execute()
        for i, branch in ipairs(done.results) do print(i, branch.success, branch.result) end
        local said = {}
        for i, message in ipairs(one:getState().conversation) do said[i] = message.text end
        print(#said, said[1]:upper() == said[2], said[3]:upper() == said[4])
    """)
    assert script.lines == ["1\ttrue\tA", "2\ttrue\tB", "3\ttrue\tC", "6\ttrue\ttrue"]
    assert respell.replay(done.session, store=store).identical


# Making agents -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("{}", 'model is missing, e.g. model = "mock/echo"'),
        ('{model = "gpt-4"}', 'model must be "provider/model"'),
        ('{model = "mock/"}', 'model must be "provider/model"'),
        ('{model = "mock/eco"}', "the provider mock has no model 'eco'; there are echo, scripted"),
        ('{model = "mokc/echo"}', "there is no provider 'mokc'; did you mean mock? There are mock"),
        ('{model = "openai/gpt"}', "entry point in the group respell.providers"),
        ('{modle = "mock/echo"}', "there is no option 'modle'; did you mean model?"),
        ('{model = "mock/echo", temperature = 3}', "temperature must be a number from 0 to 2"),
        ('{model = "mock/echo", max_tokens = 0}', "max_tokens must be an integer, 1 or more"),
        ('{model = "mock/echo", stop = {1}}', "stop must be a string"),
        ('{model = "mock/echo", name = "a\\nb"}', "name must not have control characters"),
        ('{model = "mock/echo", name = ""}', "name must not be empty"),
        ('{model = "mock/echo", options = {1}}', "options must be a table with names"),
        ('{model = "mock/echo", options = {dely_s = 1}}', "did you mean delay_s?"),
        ('{model = "mock/echo", base_url = "x"}', "base_url is unknown"),
        ('{model = "mock/echo", tools = "calculator"}', "tools must be a list of names"),
        ('{model = "mock/echo", tools = {"calculater"}}', 'there is no tool "calculater"'),
        ('{model = "mock/echo", api_key = "sk-1"}', "a key can't be given in a script"),
        ('{model = "mock/scripted"}', "from options.answers or options.file"),
        ('{model = "mock/scripted", options = {answers = {{txt = "x"}}}}', "did you mean text?"),
        ('{model = "mock/scripted", options = {file = "no.json"}}', "No such file"),
        ("5", "a table with options is expected, not a number"),
    ],
)
def test_a_wrong_option_is_one_clear_error(script: Any, options: str, error: str) -> None:
    script(f"print(pcall(Agent.create, {options}))")
    (line,) = script.lines
    assert line.startswith("false\tmain.lua:1: ")
    assert error in line


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("a.execute('x')", "call it with a colon on an agent"),
        ("a:execute()", "the prompt must be a string or {prompt = …}, not nil"),
        ("a:execute{promt = 'x'}", "there is no option promt; there are prompt"),
        ("a:execute{}", "prompt must be a string, not nil"),
        ("a:execute('\\xff')", "prompt must be UTF-8 text"),
        ("a:execute{prompt = 'x', max_tokens = 'many'}", "max_tokens must be a number"),
        ("a:stream('x')", "the callback must be a function, not nil"),
        ("a:setState{}", "must be {conversation = {…}}"),
        ("a:setState{conversation = {{role = 'king'}}}", "message 1 must be"),
        ("Agent.getInfo('nobody')", 'there is no agent named "nobody"'),
        ("Agent.register('x', 5)", "an agent is expected, not a number"),
        ("Agent.register('ann', Agent.create{model = 'mock/echo'})", "named \"ann\" already"),
        ("Agent.register{model = 'mock/echo', name = 'ann'}", "named \"ann\" already"),
        ("a:destroy() a:execute('x')", 'Agent.execute: the agent "ann" was destroyed'),
        ("a:destroy() Agent.register('x', a)", 'Agent.register: the agent "ann" was destroyed'),
        ("a:destroy() Agent.wrapAsTool(a)", 'Agent.wrapAsTool: the agent "ann" was destroyed'),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_clear_error(script: Any, call: str, error: str) -> None:
    script(f"""
        local a = Agent.create{{model = "mock/echo", name = "ann"}}
        print(pcall(function() {call} end))
    """)
    (line,) = script.lines
    assert line.startswith("false\tmain.lua:3: ")
    assert error in line


def test_agents_are_found_by_name(script: Any) -> None:
    done = script("""
        local ann = Agent.create{model = "mock/echo", name = "ann", description = "first"}
        local bob = Agent.create{model = "mock/seeded"}
        print(Agent.get("ann") == ann, Agent.get("agent_1") == bob, Agent.get("carl"))
        print(Agent.register("annie", ann), Agent.get("annie") == ann)
        print(Agent.register{model = "mock/echo", name = "dora"})
        for _, one in ipairs(Agent.list()) do print(one.name, one.provider, one.model) end
        bob:destroy()
        print(#Agent.list(), Agent.get("agent_1"), bob)
        print(Agent.get_info("ann").description, Agent.get("dora"):execute("x").text)
        local newer = Agent.create{model = "mock/echo", name = "ann"}
        print(Agent.get("ann") == newer, #Agent.list())
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "true\ttrue\tnil",
        "annie\ttrue",
        "dora",
        "ann\tmock\techo",
        "agent_1\tmock\tseeded",
        "annie\tmock\techo",
        "dora\tmock\techo",
        "3\tnil\tAgent (destroyed)",
        "first\tx",
        "true\t3",
    ]


def test_an_agent_keeps_its_conversation_in_state(script: Any, store: Store) -> None:
    done = script("""
        local a = Agent.create{model = "mock/echo", name = "ann"}
        print(a:loadState())
        a:execute("one")
        a:saveState()
        a:execute("two")
        print(a:load_state(), #a:getState().conversation, a:getState().conversation[1].text)
        print(State.get("agent:ann", "conversation")[2].role)
        print(a:deleteState(), a:loadState())
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == ["false", "true\t2\tone", "assistant", "true\tfalse"]
    assert respell.replay(done.session, store=store).identical


def test_an_agent_is_a_tool_for_others(script: Any, store: Store) -> None:
    done = script("""
        Agent.create{model = "mock/echo", name = "expert", description = "knows all"}
        print(Agent.wrapAsTool("expert", {tool_name = "ask_expert"}))
        local answers = {
          {tool_calls = {{name = "ask_expert", arguments = {prompt = "why?"}}}}, "because"}
        local boss = Agent.create{
          model = "mock/scripted", tools = {"ask_expert"}, options = {answers = answers}}
        local r = boss:execute("find out")
        print(r.text, r.tool_calls[1].result)
        print(boss:hasTool("ask_expert"), boss:getToolMetadata("ask_expert").description)
        print(boss:invokeTool("ask_expert", {prompt = "how?"}).text)
        print(Tool.invoke("ask_expert", {topic = "moss", depth = 2}).text)
        print((pcall(Tool.invoke, "ask_expert", {})))
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "ask_expert", "because\twhy?", "true\tknows all", "how?",
        '{"depth":2,"topic":"moss"}', "false",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical


# The mock ------------------------------------------------------------------------------------


def test_scripted_answers_come_in_order_or_by_what_is_asked(script: Any, tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(
        json.dumps(["one", {"text": "two", "finish_reason": "tired"}, {"fail": "refused"}])
    )
    script("""
        local function agent(options)
          return Agent.create{model = "mock/scripted", options = options} end
        local a = agent{file = "answers.json"}
        print(a:execute("x").text, a:execute("x").finish_reason, pcall(a.execute, a, "x"))
        print(pcall(a.execute, a, "x"))
        local answers = {"odd", "even", {match = "weather", text = "sunny"}}
        local b = agent{cycle = true, answers = answers}
        for _, asked in ipairs{"a", "the weather?", "c", "d"} do print(b:execute(asked).text) end
    """)
    assert script.lines == [
        "one\ttired\tfalse\tmain.lua:5: mock/scripted: the model refused to answer",
        "false\tmain.lua:6: mock/scripted: there is no answer for request 4: 3 are given in order, "
        "and none that matches what was asked. Give more, or cycle = true",
        "odd", "sunny", "odd", "even",
    ]  # fmt: skip


def test_seeded_text_depends_on_seed_and_conversation_only(script: Any) -> None:
    script("""
        local function say(seed, prompt)
          local options = {seed = seed, words = 5}
          return Agent.create{model = "mock/seeded", options = options}:execute(prompt).text
        end
        print(say(1, "a") == say(1, "a"), say(1, "a") == say(2, "a"), say(1, "a") == say(1, "b"))
        print(select(2, say(1, "a"):gsub("%a+", "")))
    """)
    assert script.lines == ["true\tfalse\tfalse", "5"]


def test_the_mock_counts_tokens_and_costs_what_it_is_told(script: Any) -> None:
    done = script("""
        local prices = {input = 1000000, output = 2e6}
        local a = Agent.create{model = "mock/echo", options = {prices = prices}}
        local r = a:execute("12345")
        print(r.usage.input_tokens, r.usage.output_tokens, r.cost_usd)
        local cut = a:execute{prompt = "a long answer", max_tokens = 1}
        print(cut.text, cut.finish_reason, a:execute{prompt = "left|right", stop = "|"}.text)
    """)
    assert script.lines == ["2\t2\t6.0", "a lo\tlength\tleft"]
    assert done.session.usage["cost_usd"] > 6.0


def test_the_mock_fails_when_it_is_told_to(script: Any) -> None:
    script("""
        local fail = {kind = "rate_limit", after = 1, times = 2}
        local a = Agent.create{model = "mock/echo", options = {fail = fail}}
        for i = 1, 4 do print(pcall(a.execute, a, "x") or select(2, pcall(error, "failed", 0))) end
    """)
    assert script.lines == ["true", "failed", "failed", "true"]


def test_of_several_wrong_keys_each_process_names_the_same(script: Any, store: Store) -> None:
    done = script("""
        local wrong = {prompt = "x", branches = {}, foo = 1, bar = 2, baz = 3, qux = 4}
        local a = Agent.create{model = "mock/echo"}
        print(pcall(a.execute, a, wrong))
        print(pcall(Workflow.parallel, wrong))
        local point = "BeforeToolExecution"
        print(pcall(Hook.register, point, print, {foo = 1, bar = 2, baz = 3, [{}] = 4}))
        print(pcall(Hook.register, point, print, {[{}] = 1}))
        print(pcall(JSON.stringify, {}, wrong))
        local odd = {[{}] = 1, [print] = 2, [coroutine.create(print)] = 3, [io.stdout] = 4}
        print(pcall(Tool.invoke, "calculator", odd))
        print(pcall(JSON.stringify, odd))
        Session.suspend()
    """)
    assert [line.split(": ", 1)[1] for line in script.lines[:2]] == [
        "Agent.execute: there is no option bar; there are prompt (or text), temperature, "
        "max_tokens, stop, seed",
        "Workflow.parallel: unknown option bar; there are branches, steps, max_concurrency, "
        "fail_fast, on_branch_complete, name, description, error_strategy, timeout_ms, "
        "aggregation_strategy, on_start, on_complete, on_error",
    ]
    assert "unknown option table: 0x000000000000" in script.lines[3]  # a number, no address
    for _ in range(4):  # each in a process of its own
        found = respell.replay(done.session, store=store)
        assert found.identical, found.divergence
    assert script.resume(done.session).session.status == "completed"


def test_a_destroyed_agent_is_off_the_list_under_all_its_names(script: Any) -> None:
    done = script("""
        local a = Agent.create{model = "mock/echo", name = "ann"}
        Agent.register("poly", a)
        Agent.create{model = "mock/echo", name = "bob"}
        a:destroy()
        for _, one in ipairs(Agent.list()) do print(one.name) end
        print(Agent.get("ann"), Agent.get("poly"), a)
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == ["bob", "nil\tnil\tAgent (destroyed)"]
