"""Streams: the callback hears an answer while it comes, and the same again ever after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents.protocol import Response, ToolCall, Usage
from respell.agents.streams import PIECE_BYTES, Stream
from respell.engine import run as running
from respell.engine.doubt import Settlements, in_doubt
from respell.engine.program import Program
from respell.errors import EffectFailed
from respell.store import Store


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


def test_the_callback_hears_every_piece_in_order(script: Any, model: Model, store: Store) -> None:
    model.answers = ["the quick brown fox"]
    done = script("""
        local a = Agent.create{model = "test/m"}
        local r = a:stream("go", function(text, info) print(info.index, info.restarted, text) end)
        print(r.text, r.finish_reason, #a:getState().conversation)
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [
        "1\tfalse\tthe ", "2\tfalse\tquick ", "3\tfalse\tbrown ", "4\tfalse\tfox ",
        "the quick brown fox \tstop\t2",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical
    assert respell.replay(done.session, store=store, mode="simulate").identical
    assert len(model.asked) == 1


def test_a_piece_is_heard_before_the_next_one_is_there(script: Any, model: Model) -> None:
    """The model goes on only once the script's own output of the first piece was seen."""
    heard = threading.Event()

    def answer(request: Any) -> Iterator[str]:
        yield "first"
        assert heard.wait(30)
        yield "second"

    model.answer = answer
    keep = script._keep

    def hear(name: str, text: bytes) -> None:
        keep(name, text)
        heard.set()

    script._keep = hear
    script('print(Agent.create{model = "test/m"}:stream("go", print).text)')
    assert [line.partition("\t")[0] for line in script.lines] == ["first", "second", "firstsecond"]


def test_the_form_of_older_scripts_works(script: Any, model: Model) -> None:
    model.answers = ["a b"]
    script("""
        local r = Agent.create{model = "test/m"}:invokeStream({text = "go"}, function(chunk)
          print(chunk.text, chunk.index)
        end)
        print(r.success, r.chunks_received, r.text)
    """)
    assert script.lines == ["a \t1", "b \t2", "true\t2\ta b "]


def test_what_happens_while_the_answer_comes_is_inside_of_the_request(
    script: Any, model: Model, store: Store, names: Callable[[Any], list[str]]
) -> None:
    done = script("""
        local function hear(text) State.set("last", text) print(text) end
        Agent.create{model = "test/m"}:stream("go", hear)
        print(State.get("last"))
    """)
    request = names(done).index("agent.request") + 1
    inside = {
        event.name for event in respell.events(done.session, store=store) if event.parent == request
    }
    assert inside == {"agent.chunks", "state.set", "output.line"}
    assert script.lines[-1] == "go "


def test_tools_are_called_between_the_streams(script: Any, model: Model, store: Store) -> None:
    call = ToolCall("1", "hash_calculator", {"operation": "hash", "input": "x"})
    model.answers = [Response("let me see", (call,)), "there it is"]
    done = script("""
        local a = Agent.create{model = "test/m", tools = {"hash_calculator"}}
        local r = a:stream("go", function(text, info) print(info.index, text) end)
        print(r.text, #r.tool_calls)
    """)
    assert script.lines == [
        "1\tlet", "2\tme", "3\tsee", "1\tthere ", "2\tit ", "3\tis ", "there it is \t1",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical


def test_false_ends_the_answer_early(script: Any, model: Model, store: Store) -> None:
    ended = threading.Event()

    def answer(request: Any) -> Iterator[str]:
        try:
            yield "one "
            while True:
                model.contexts[-1].wait(0.01)
                yield "more "
        finally:
            ended.set()

    model.answer = answer
    done = script("""
        local n = 0
        local r = Agent.create{model = "test/m"}:stream("go", function() n = n + 1 return n < 3 end)
        print(n, r.finish_reason, r.text:sub(1, 14), r.usage.output_tokens > 0)
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == ["3\tstopped\tone more more \ttrue"]
    assert ended.wait(30)
    assert respell.replay(done.session, store=store).identical


@pytest.mark.parametrize("delay", [0, 0.05])
def test_the_answer_ends_where_the_callback_said_however_far_the_model_was(
    script: Any, store: Store, delay: float
) -> None:
    done = script(f"""
        local a = Agent.create{{model = "mock/echo", options = {{
          chunk_size = 4, chunk_delay_s = {delay}, prices = {{output = 1e6}}}}}}
        local r = a:stream("one two three", function(_, info) return info.index < 2 end)
        print(r.text, r.finish_reason, a:getState().conversation[2].text, #r.tool_calls)
        print(r.usage.output_tokens >= 2, r.cost_usd == r.usage.output_tokens)
    """)
    assert script.lines == ["one two \tstopped\tone two \t0", "true\ttrue"], done.session.error
    assert done.session.usage["cost_usd"] >= 2
    assert respell.replay(done.session, store=store).identical


def test_streams_that_are_stopped_cost_what_they_took(script: Any) -> None:
    """Else a script could ask for ever by reading all but the end of each answer."""
    stopped = script("""
        local a = Agent.create{model = "mock/echo", options = {
          chunk_size = 4, chunk_delay_s = 0.05, prices = {input = 1e6, output = 1e6}}}
        for i = 1, 3 do a:stream("one two three", function() return false end) print(i) end
    """, limits={"cost_usd": 0.5})  # fmt: skip
    assert stopped.ended.limit == "cost_usd"
    assert script.lines == ["1"]


def test_a_provider_may_leave_a_stopped_stream_as_it_likes(script: Any, model: Model) -> None:
    def answer(request: Any) -> Iterator[str]:
        yield "one "
        assert model.contexts[-1].cancel.wait(30)
        raise ConnectionError("cancelled")

    model.answer = answer
    done = script("""
        local a = Agent.create{model = "test/m"}
        local r = a:stream("go", function() return false end)
        print(r.text, r.finish_reason)
    """)
    assert script.lines == ["one \tstopped"], done.session.error


def test_a_callback_that_fails_ends_the_answer_and_raises(
    script: Any, model: Model, store: Store
) -> None:
    done = script("""
        local a = Agent.create{model = "test/m"}
        print(pcall(a.stream, a, "go on", function(text) error("no " .. text) end))
        print(select(2, pcall(a.stream, a, "go on", function(text) error({code = 5}) end)).code)
        print(#a:getState().conversation)
    """)
    assert script.lines == ["false\tmain.lua:3: no 1: ", "5", "0"], done.session.error
    assert respell.replay(done.session, store=store).identical


def test_an_answer_that_breaks_off_is_an_error_after_its_pieces(
    script: Any, model: Model, store: Store
) -> None:
    def answer(request: Any) -> Iterator[str]:
        yield "half"
        raise EffectFailed("the line went dead")

    model.answer = answer
    done = script("""
        local a = Agent.create{model = "test/m"}
        print(pcall(a.stream, a, "go", print))
    """)
    assert script.lines[0].startswith("half")
    assert script.lines[1] == "false\tmain.lua:3: test/m: the line went dead"
    assert respell.replay(done.session, store=store).identical


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("Tool.invoke('hash_calculator', {})", "tool.invoke"),
        ("a:execute('again')", "agent.request"),
        ("a:stream('again', print)", "agent.request"),
        ("Utils.sleep(1)", "timer.sleep"),
        ("Session.suspend()", "session.suspend"),
        ("io.open('x', 'w')", "file.open"),
        ("coroutine.wrap(function() Utils.sleep(1) end)()", "timer.sleep"),
        ("sleeper()", "timer.sleep"),
        ("coroutine.wrap(function() sleeper() end)()", "timer.sleep"),
    ],
)
def test_a_callback_that_would_wait_for_the_world_is_refused(
    script: Any, model: Model, body: str, what: str
) -> None:
    script(f"""
        local sleeper = coroutine.wrap(function() Utils.sleep(1) end)
        local a = Agent.create{{model = "test/m"}}
        print(pcall(a.stream, a, "go", function() {body} end))
        Utils.sleep(0)
        print("afterwards it may")
    """)
    assert (
        f"the callback of a stream must be over at once: it can't cause {what}" in script.lines[0]
    )
    assert script.lines[0].startswith("false\tmain.lua:4: ")
    assert script.lines[1] == "afterwards it may"


def test_a_stream_can_be_an_iterator(script: Any, model: Model, store: Store) -> None:
    model.answers = ["a b c"]
    done = script("""
        local a = Agent.create{model = "test/m"}
        for text in coroutine.wrap(function() a:stream("go", coroutine.yield) end) do
          print(text, Tool.invoke("hash_calculator", {operation = "hash", input = text}).success)
        end
    """)
    assert script.lines == ["a \ttrue", "b \ttrue", "c \ttrue"], done.session.error
    assert respell.replay(done.session, store=store).identical


def test_streams_in_parallel_branches_go_on_side_by_side(
    script: Any, model: Model, store: Store
) -> None:
    turn = threading.Barrier(3, timeout=30)

    def answer(request: Any) -> Iterator[str]:
        for index in range(4):
            turn.wait()
            yield f"{request.messages[-1].text}{index}"

    model.answer = answer
    done = script("""
        local function branch(name)
          return function()
            local heard = {}
            local a = Agent.create{model = "test/m"}
            a:stream(name, function(text) heard[#heard + 1] = text end)
            return table.concat(heard, " ")
          end
        end
        local done = Workflow.parallel{branches = {branch("a"), branch("b"), branch("c")}}:execute()
        for _, one in ipairs(done.results) do print(one.result or one.error) end
    """)
    assert script.lines == ["a0 a1 a2 a3", "b0 b1 b2 b3", "c0 c1 c2 c3"], done.session.error
    assert respell.replay(done.session, store=store).identical


def test_a_suspend_in_the_middle_keeps_the_rest_for_later(
    script: Any, model: Model, store: Store, tmp_path: Any
) -> None:
    """The request ends although nobody reads along any more; the rest is in its outcome."""
    suspended = threading.Event()

    def answer(request: Any) -> Iterator[str | Response]:
        yield "one "
        assert suspended.wait(30)
        yield "two "
        yield "three"
        yield Response(usage=Usage(10, 20))

    model.answer = answer
    (tmp_path / "stream.lua").write_text("""
        local r = Agent.create{model = "test/m"}:stream("go", function(text, info)
          print(info.index, info.restarted, text)
        end)
        print(r.text, r.usage.input_tokens + r.usage.output_tokens)
    """)
    lines: list[str] = []

    def hear(name: str, text: bytes) -> None:
        lines.append(text.decode())
        run.suspend()
        suspended.set()

    program = Program.from_file(tmp_path / "stream.lua")
    run = running.start(store, program, script="stream.lua", on_output=hear)
    stopped = run.go()
    assert stopped.session.status == "suspended"
    done = script.resume(stopped.session)
    assert done.session.status == "completed", done.session.error
    assert [*lines, *script.lines] == [
        "1\tfalse\tone ", "2\tfalse\ttwo ", "3\tfalse\tthree", "one two three\t30",
    ]  # fmt: skip
    assert len(model.asked) == 1
    assert done.session.usage["tokens"] == 30
    assert respell.replay(done.session, store=store).identical


# The pieces themselves -----------------------------------------------------------------------


def test_pieces_that_nobody_reads_are_put_together() -> None:
    stream = Stream(threading.Event(), restarted=False)
    for _ in range(100_000):
        stream.put("0123456789")
    stream.put("")
    stream.end()
    assert len(stream.pieces) < 1100
    assert max(map(len, stream.pieces)) <= PIECE_BYTES
    heard: list[str] = []
    done = False
    while not done:
        batch = stream.take(threading.Event())
        assert len(batch["chunks"]) <= 1000
        heard += batch["chunks"]
        done = batch["done"]
    assert "".join(heard) == "0123456789" * 100_000


def test_a_reader_leaves_when_it_is_cancelled() -> None:
    stream, cancel = Stream(threading.Event(), restarted=True), threading.Event()
    cancel.set()
    with pytest.raises(EffectFailed):
        stream.take(cancel)


def test_another_answer_to_a_stream_is_heard_from_its_beginning(
    script: Any, model: Model, store: Store, names: Callable[[Any], list[str]]
) -> None:
    model.answers = ["yes please"]
    done = script("""
        local r = Agent.create{model = "test/m"}:stream("go", function(text, info)
          State.set(tostring(info.index), text)
        end)
        print(r.text)
    """)
    number = names(done).index("agent.request") + 1
    fork = respell.fork(done.session, store=store, at=number, outcome="no")
    forked = script.resume(fork.id)
    assert script.lines == ["yes please ", "no"], forked.session.error
    states = [e.args for e in respell.events(fork, store=store) if e.name == "state.set"]
    assert states[-1] == {"key": "1", "value": "no"}  # the first piece of another answer
    assert respell.replay(forked.session, store=store).identical
    edits = {number: "no"}
    found = respell.replay(done.session, store=store, mode="modified", edits=edits).divergence
    assert found is not None
    assert found["found"]["name"] == "state.set"
    assert "no" in str(found["found"])
    assert len(model.asked) == 1


def test_a_batch_that_is_none_is_a_clear_error(
    script: Any, model: Model, store: Store, names: Callable[[Any], list[str]]
) -> None:
    done = script('print(Agent.create{model = "test/m"}:stream("go", print).text)')
    number = names(done).index("agent.chunks") + 1
    for outcome in (5, {"chunks": [1], "done": True}):
        fork = respell.fork(done.session, store=store, at=number, outcome=outcome)
        failed = script.resume(fork.id, settlements=_settled(store, fork))
        message = failed.session.error["message"]
        assert message == (
            "main.lua:1: the outcome of agent.chunks must be {chunks = {texts}, done = …}"
        )


def _settled(store: Store, session: Any) -> Settlements:
    """Give every request in doubt an answer."""
    return Settlements(outcome={one.number: "x" for one in in_doubt(store, session)})


def test_a_coroutine_is_guarded_only_while_a_callback_resumes_it(
    script: Any, model: Model, store: Store
) -> None:
    done = script("""
        local hash = {operation = "hash", input = "x"}
        local function call()
          while true do coroutine.yield((pcall(Tool.invoke, "hash_calculator", hash))) end
        end
        local made, before = nil, coroutine.wrap(call)
        local a = Agent.create{model = "test/m"}
        local answer = coroutine.wrap(function()
          a:stream("go", function(text)
            made = made or coroutine.wrap(call)
            print("inside", (before()), (made()))
            coroutine.yield(text)
          end)
        end)
        answer()
        print("between", (before()), (made()))  -- the callback is not over, but left
        answer()
        print("after", (before()), (made()))
    """)
    assert script.lines[0] == "inside\tfalse\tfalse", done.session.error
    assert [line for line in script.lines if not line.startswith("inside")] == [
        "between\ttrue\ttrue", "after\ttrue\ttrue",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical
