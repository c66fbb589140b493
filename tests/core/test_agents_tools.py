"""Agents with tools: the model asks for them, the script's session calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents.protocol import Message, Response, ToolCall
from respell.store import Store


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


def wants(*calls: tuple[str, Any], text: str = "") -> Response:
    """Return an answer that asks for tools by name and arguments."""
    made = tuple(ToolCall(f"id{i}", name, given) for i, (name, given) in enumerate(calls, 1))
    return Response(text, made, finish_reason="tool_calls")


def told(model: Model) -> list[Message]:
    """Return the results of tools that the model got with its last request."""
    return [one for one in model.asked[-1].messages if one.role == "tool"]


ADD = """
Tool.register("add", {description = "adds", parameters = {type = "object",
  properties = {a = {type = "number"}, b = {type = "number"}}, required = {"a", "b"},
  additionalProperties = false}}, function(p) return p.a + p.b end)
"""


def test_two_rounds_of_tools_lead_to_an_answer(
    script: Any, model: Model, store: Store, names: Callable[[Any], list[str]]
) -> None:
    model.answers = [
        wants(("add", {"a": 1, "b": 2}), ("hash_calculator", {"operation": "hash", "input": "x"})),
        wants(("add", {"a": 3, "b": 4}), text="one moment"),
        "seven",
    ]
    done = script(
        ADD
        + """
        local a = Agent.create{model = "test/m", tools = {"add", Tool.get("hash_calculator")}}
        local r = a:execute("sum it up")
        print(r.text, r.requests, #r.tool_calls)
        for _, call in ipairs(r.tool_calls) do
          print(call.id, call.name, type(call.result), call.error)
        end
        print(a:getMetrics().tool_calls, #a:getState().conversation)
        """
    )
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "seven\t3\t3",
        "id1\tadd\tnumber\tnil",
        "id2\thash_calculator\ttable\tnil",
        "id1\tadd\tnumber\tnil",
        "3\t7",
    ]
    assert [tool.name for tool in model.asked[0].tools] == ["add", "hash_calculator"]
    assert model.asked[0].tools[0].parameters["required"] == ["a", "b"]
    assert model.asked[0].tools[1].parameters["properties"]["operation"]
    assert [(one.tool_call_id, one.is_error) for one in told(model)] == [
        ("id1", False), ("id2", False), ("id1", False),
    ]  # fmt: skip
    assert [one.text for one in told(model)][::2] == ["3", "7"]
    assert [one.role for one in model.asked[-1].messages] == [
        "user", "assistant", "tool", "tool", "assistant", "tool",
    ]  # fmt: skip
    caused = [name for name in names(done) if name in ("agent.request", "tool.invoke")]
    assert caused == [
        "agent.request", "tool.invoke", "tool.invoke", "agent.request", "tool.invoke",
        "agent.request",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("add", {"a": 1}), "Tool 'add': parameter b is missing"),
        (("add", {"a": 1, "b": 2, "c": 3}), "parameter c is unknown"),
        (("add", {"a": "one", "b": 2}), "parameter a must be a number"),
        (("add", "a=1"), "the arguments must be a JSON object"),
        (("add", None), "the arguments must be a JSON object"),
        (("subtract", {"a": 1}), 'there is no tool "subtract"; there are: add, fail'),
        (("file_operations", {"operation": "read"}), "there is no tool"),
        (("fail", {}), "out of order"),
        (("", {}), 'there is no tool ""'),
    ],
)
def test_what_goes_wrong_with_a_tool_is_told_to_the_model(
    script: Any, model: Model, store: Store, call: tuple[str, Any], text: str
) -> None:
    model.answers = [wants(call), "I see"]
    done = script(
        ADD
        + """
        Tool.register("fail", {description = "fails"}, function() error("out of order") end)
        local r = Agent.create{model = "test/m", tools = {"add", "fail"}}:execute("try")
        print(r.text, r.tool_calls[1].error ~= nil)
        """
    )
    assert script.lines == ["I see\ttrue"], done.session.error
    (result,) = told(model)
    assert result.is_error
    assert text in result.text
    assert "main.lua" not in result.text
    assert respell.replay(done.session, store=store).identical


def test_an_agent_without_tools_has_none(script: Any, model: Model) -> None:
    model.answers = [wants(("process_executor", {"executable": "id"})), "fine"]
    script('print(Agent.create{model = "test/m"}:execute("x").text)')
    assert script.lines == ["fine"]
    assert told(model)[0].text == 'there is no tool "process_executor"; there are: none'


def test_a_model_that_never_has_enough_is_stopped(script: Any, model: Model) -> None:
    model.answer = lambda request: wants(("add", {"a": 1, "b": 1}))
    script(
        ADD
        + """
        local a = Agent.create{model = "test/m", tools = {"add"}, max_tool_rounds = 3}
        print(pcall(a.execute, a, "go on"))
        print(#a:getState().conversation, a:getMetrics().tool_calls)
        """
    )
    assert script.lines == [
        "false\tmain.lua:7: Agent.execute: the model of agent_1 still wants tools after 3 rounds "
        '(max_tool_rounds); the last is "add"',
        "0\t3",
    ]
    assert len(model.asked) == 4


def test_what_failed_is_not_a_part_of_the_conversation(script: Any, model: Model) -> None:
    model.answers = [wants(("add", {"a": 1, "b": 2})), Response("x" * 20, (), finish_reason=""), 5]
    script(
        ADD
        + """
        local a = Agent.create{model = "test/m", tools = {"add"}}
        a:execute("one")
        print(pcall(a.execute, a, "two"))
        a:execute("three")
        """
    )
    assert "it returned a int instead of a Response" in script.lines[0]
    assert [one.role for one in model.asked[-1].messages] == [
        "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip


def test_a_tool_may_ask_a_person(script: Any, model: Model, store: Store) -> None:
    model.answers = [wants(("approve", {"what": "lunch"})), "done"]
    text = """
        Tool.register("approve", {description = "asks"}, function(p)
          return Session.suspend{prompt = p.what .. "?"}
        end)
        print(Agent.create{model = "test/m", tools = {"approve"}}:execute("eat").text)
    """
    stopped = script(text)
    assert stopped.session.waiting_for["prompt"] == "lunch?"
    done = script.resume(stopped.session, value="granted")
    assert script.lines == ["done"]
    assert told(model)[0].text == "granted"
    assert len(model.asked) == 2
    assert respell.replay(done.session, store=store).identical


def test_hooks_of_tools_run_for_a_models_calls_too(script: Any, model: Model) -> None:
    model.answers = [wants(("add", {"a": 1, "b": 2})), "ok"]
    script(
        ADD
        + """
        Hook.register("BeforeToolExecution", function(context) return "not today" end)
        print(Agent.create{model = "test/m", tools = {"add"}}:execute("x").text)
        """
    )
    assert script.lines == ["ok"]
    assert "cancelled by" in told(model)[0].text


def test_a_long_result_is_cut_for_the_model_and_bytes_become_text(
    script: Any, model: Model
) -> None:
    model.answers = [wants(("long", {}), ("bytes", {})), "ok"]
    done = script("""
        Tool.register("long", {description = "long"}, function() return ("x"):rep(300000) end)
        Tool.register("bytes", {description = "bytes"}, function() return "\\xff\\0\\x80" end)
        local r = Agent.create{model = "test/m", tools = {"long", "bytes"}}:execute("x")
        print(r.text, #r.tool_calls[1].result, #r.tool_calls[2].result)
    """)
    assert script.lines == ["ok\t300000\t3"], done.session.error
    long, raw = told(model)
    assert long.text.endswith("x… (300000 bytes in all)")
    assert len(long.text) < 263_000
    assert raw.text == "�\0�"
