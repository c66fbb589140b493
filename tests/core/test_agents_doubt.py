"""A host that dies while a model is asked leaves a request in doubt, and a person decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents import registry
from respell.engine import run as running
from respell.engine.doubt import Settlements, in_doubt
from respell.engine.program import Program
from respell.engine.run import Run
from respell.errors import InDoubt
from respell.history.record import Part, Record
from respell.sessions.record import new_id, no_usage
from respell.store import Store
from stories import begin, kill_group, write_script
from stories import respell as command

ASK = """
local a = Agent.create{model = "test/m", name = "ann"}
print(a:execute("hello").text)
print(#a:getState().conversation)
"""
STREAM = """
local r = Agent.create{model = "test/m"}:stream("go", function(text, info)
  print(info.index, info.restarted, text)
end)
print(r.text)
"""


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


def start(store: Store, folder: Path, text: str, on_output: Any = None) -> Run:
    path = folder / "main.lua"
    path.write_text(text)
    return running.start(store, Program.from_file(path), script="main.lua", on_output=on_output)


def killed_while_asked(store: Store, folder: Path, model: Model) -> Any:
    """Return a session whose host was killed while the model was thinking."""

    def think(request: Any) -> str:
        model.contexts[-1].wait(60)
        return "too late"

    usual, model.answer = model.answer, think
    model.begun.clear()
    run = start(store, folder, ASK)
    killer = threading.Thread(target=lambda: (model.begun.wait(30), run.kill()))
    killer.start()
    result = run.go()
    killer.join()
    model.answer = usual
    return result.session


def test_a_request_that_was_cut_off_is_in_doubt_until_it_is_settled(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session = killed_while_asked(store, tmp_path, model)
    (doubtful,) = in_doubt(store, session)
    assert doubtful.name == "agent.request"
    with pytest.raises(InDoubt, match=r"agent\.request .*hello"):
        script.resume(session)
    assert len(model.asked) == 1
    done = script.resume(session, settlements=Settlements(retry=frozenset([doubtful.number])))
    assert script.lines == ["2: hello", "2"]
    assert [ctx.attempt for ctx in model.contexts] == [1, 2]
    event = next(e for e in respell.events(session, store=store) if e.name == "agent.request")
    assert event.attempts == 2
    assert settlements_of(store, session, doubtful.number) == [("retry", "python")]
    assert respell.replay(done.session, store=store).identical


def test_a_person_may_give_the_answer_or_the_failure(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session = killed_while_asked(store, tmp_path, model)
    (doubtful,) = in_doubt(store, session)
    number = doubtful.number
    done = script.resume(session, settlements=Settlements(outcome={number: "I say so"}))
    assert script.lines == ["I say so", "2"]
    assert respell.replay(done.session, store=store).identical
    assert settlements_of(store, session, number) == [("outcome", "python")]
    session = killed_while_asked(store, tmp_path, model)
    failed = script.resume(session, settlements=Settlements(fail={number: "nobody answered"}))
    assert failed.session.error["message"] == "main.lua:3: nobody answered"
    assert settlements_of(store, session, number) == [("fail", "python")]


def settlements_of(store: Store, session: Any, number: int) -> list[tuple[str, str]]:
    """Return how and by whom an event was settled, as history and audit log agree on."""
    notes = [it for it in respell.events(session, store=store) if it.name == "note.settled"]
    assert {it.args["number"] for it in notes} == {number}
    told = [(it.args["how"], it.args["by"]) for it in notes]
    audited = [it for it in store.audit.list(session=session.id) if it.action == "session.settle"]
    assert [(it.target, it.actor) for it in audited] == [
        (f"event {number}: {how}", by) for how, by in told
    ]
    given = [
        record.metadata().get("settled")
        for _, record in store.history.events(session.key, number, number)
        if record.part is Part.OUTCOME
    ]
    assert given == [by if how != "retry" else None for how, by in told]
    return told


def test_a_provider_may_say_that_asking_twice_does_no_harm(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session = killed_while_asked(store, tmp_path, model)
    model.idempotent = True
    assert in_doubt(store, session) == []
    script.resume(session)
    assert script.lines == ["2: hello", "2"]


def test_without_its_provider_a_request_stays_in_doubt(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session = killed_while_asked(store, tmp_path, model)
    model.idempotent = True
    registry.unregister("test")
    assert len(in_doubt(store, session)) == 1


def broken_off_stream(store: Store, folder: Path, model: Model) -> tuple[Any, list[str]]:
    """Return a session whose host was killed after the second piece, and its output."""

    def answer(request: Any) -> Iterator[str]:
        yield "one "
        yield "two "
        model.contexts[-1].wait(60)

    lines: list[str] = []

    def hear(name: str, text: bytes) -> None:
        lines.append(text.decode())
        if len(lines) == 2:
            run.kill()

    usual, model.answer = model.answer, answer
    run = start(store, folder, STREAM, hear)
    result = run.go()
    model.answer = usual
    return result.session, lines


def test_a_stream_that_broke_off_starts_again(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session, lines = broken_off_stream(store, tmp_path, model)
    assert lines == ["1\tfalse\tone ", "2\tfalse\ttwo "]
    (doubtful,) = in_doubt(store, session)
    assert doubtful.name == "agent.request"
    model.answers = ["another answer"]
    done = script.resume(session, settlements=Settlements(retry=frozenset([doubtful.number])))
    assert done.session.status == "completed", done.session.error
    assert script.lines == ["1\ttrue\tanother ", "2\tfalse\tanswer ", "another answer "]
    assert respell.replay(done.session, store=store).identical


def test_a_stream_whose_outcome_a_person_gives_is_heard_whole(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session, _ = broken_off_stream(store, tmp_path, model)
    (doubtful,) = in_doubt(store, session)
    given = Settlements(outcome={doubtful.number: "my own words"})
    done = script.resume(session, settlements=given)
    assert script.lines == ["1\ttrue\tmy own words", "my own words"]
    assert respell.replay(done.session, store=store).identical


def test_a_stream_that_a_person_lets_fail_is_an_error(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session, _ = broken_off_stream(store, tmp_path, model)
    (doubtful,) = in_doubt(store, session)
    failed = script.resume(session, settlements=Settlements(fail={doubtful.number: "enough"}))
    assert failed.session.error["message"] == "main.lua:2: enough"


def test_a_replay_of_a_broken_off_stream_ends_where_it_broke_off(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    session, _ = broken_off_stream(store, tmp_path, model)
    result = respell.replay(session, store=store)
    assert result.identical, result.divergence


EVERYTHING = """
Tool.register("add", {description = "adds"}, function(p) return p.a + p.b end)
local call = {name = "add", arguments = {a = 1, b = 2}}
local answers = {{text = "let me see", tool_calls = {call}}, "it is three"}
local a = Agent.create{
  model = "mock/scripted", tools = {"add"}, options = {answers = answers, chunk_size = 4}}
local heard = {}
local r = a:stream("add", function(text, info)
  if info.index == 1 then heard = {} end  -- an answer begins, maybe again
  heard[#heard + 1] = text
  State.set("heard", #heard)
end)
local function ask(text)
  return function() return Agent.create{model = "mock/echo"}:execute(text).text end
end
local done = Workflow.parallel{branches = {ask("left"), ask("right")}}:execute()
print(r.text, table.concat(heard), done.results[1].result, done.results[2].result)
"""


def test_a_host_may_die_after_any_record(script: Any, store: Store) -> None:
    """Each time the requests that are in doubt are made again, and the end is the same."""
    whole = script(EVERYTHING)
    assert whole.session.status == "completed", whole.session.error
    bodies = [body for _, body in store.history.records(whole.session.key)]
    records = [Record.unpack(body) for body in bodies]
    last = max(i for i, one in enumerate(records) if one.ordinal)
    asked_again = 0
    for cut in range(1, last + 1):
        lost = store.sessions.insert(
            replace(whole.session, id=new_id(), key=0, status="active", usage=no_usage())
        )
        lease = store.leases.acquire(lost.key)
        store.history.writer(lost.key, lease).append(records[:cut])
        store.leases.release(lost.key, lease)
        doubtful = frozenset(one.number for one in in_doubt(store, lost))
        asked_again += len(doubtful)
        script.lines.clear()
        done = script.resume(lost.id, settlements=Settlements(retry=doubtful))
        assert done.session.status == "completed", (cut, done.session.error)
        printed = any(one.name == "output.line" for one in records[:cut])
        assert script.lines == ([] if printed else ["it is three\tit is three\tleft\tright"]), cut
        found = respell.replay(done.session, store=store)
        assert found.identical, (cut, found.divergence)
    assert asked_again >= 4  # each of the four requests at least once


def test_a_killed_process_leaves_the_same_as_a_killed_host(tmp_path: Path) -> None:
    """The real command, killed with SIGKILL while the answer comes, then resumed by hand."""
    store = tmp_path / "store"
    path = write_script(
        tmp_path,
        """
        local a = Agent.create{model = "mock/echo", options = {chunk_size = 4, chunk_delay_s = 1}}
        print(a:stream("abcdefgh", function(text, info) print(info.restarted, text) end).text)
        """,
    )
    process = begin("run", path, store=store, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "false\tabcd\n"
    kill_group(process)
    refused = command("resume", "@last", store=store)
    assert refused.returncode == 3
    assert "agent.request" in refused.stderr
    shown = json.loads(command("show", "@last", "--json", store=store).stdout)
    (doubtful,) = shown["in_doubt"]
    done = command("resume", "@last", "--retry", str(doubtful["number"]), store=store)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "true\tabcd\nfalse\tefgh\nabcdefgh\n"
    assert command("replay", "@last", store=store).returncode == 0
