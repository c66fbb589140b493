"""Tokens and cost are counted with the answers that took them, and stop a session in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents.protocol import Response, Usage
from respell.engine import run as running
from respell.engine.doubt import in_doubt
from respell.engine.program import Program
from respell.policies.limits import Reached
from respell.policies.meter import Meter
from respell.store import Store
from stories import respell as command
from stories import session_json, write_script

ASK = """
local a = Agent.create{model = "test/m"}
for i = 1, 5 do print(i, pcall(a.execute, a, "q")) end
"""


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`, whose every answer takes 30 tokens and a cent."""
    with model_in_hand() as made:
        made.answer = lambda request: Response("x", usage=Usage(10, 20), cost_usd=0.01)
        yield made


@pytest.mark.parametrize(
    ("limit", "value", "asked", "said"),
    [("tokens", 60, 2, "took 60 tokens"), ("cost_usd", 0.025, 3, "cost 0.03 USD")],
)
def test_a_limit_stops_the_next_request_and_a_higher_one_lets_it_pass(
    script: Any, model: Model, store: Store, limit: str, value: float, asked: int, said: str
) -> None:
    stopped = script(ASK, limits={limit: value})
    assert stopped.exit_code == 5
    assert stopped.session.status == "suspended"
    assert stopped.ended.limit == limit
    assert said in stopped.ended.message
    assert f"--limit {limit}=N" in stopped.ended.message
    assert len(model.asked) == len(script.lines) == asked  # no pcall of the script saw a thing
    assert in_doubt(store, stopped.session) == []
    again = script.resume(stopped.session)
    assert again.exit_code == 5
    assert len(model.asked) == asked
    done = script.resume(stopped.session, limits={limit: 1000})
    assert done.session.status == "completed"
    assert len(model.asked) == 5
    assert done.session.usage["tokens"] == 150
    assert done.session.usage["cost_usd"] == pytest.approx(0.05)
    assert respell.replay(done.session, store=store).identical


def test_a_limit_stops_a_stream_before_it_begins(script: Any, model: Model, store: Store) -> None:
    stopped = script(
        """
        local a = Agent.create{model = "test/m"}
        for i = 1, 2 do a:stream("q", function(text) print(i, text) end) end
        """,
        limits={"tokens": 1},
    )
    assert stopped.exit_code == 5
    assert script.lines == ["1\tx"]
    done = script.resume(stopped.session, limits={"tokens": 100})
    assert script.lines == ["1\tx", "2\tx"]
    assert respell.replay(done.session, store=store).identical


def test_a_limit_stops_parallel_branches_too(script: Any, model: Model, store: Store) -> None:
    stopped = script(
        """
        local function ask() return Agent.create{model = "test/m"}:execute("q").text end
        local work = Workflow.parallel{branches = {ask, ask, ask, ask}, max_concurrency = 1}
        print(work:execute().success)
        """,
        limits={"tokens": 60},
    )
    assert stopped.exit_code == 5
    assert len(model.asked) == 2
    done = script.resume(stopped.session, limits={"tokens": 1000})
    assert script.lines == ["true"]
    assert len(model.asked) == 4
    assert respell.replay(done.session, store=store).identical


def test_what_was_used_before_a_kill_is_not_given_away(
    script: Any, model: Model, store: Store, tmp_path: Path
) -> None:
    """The usage is committed with the outcome: whoever has one has the other."""
    path = tmp_path / "main.lua"
    path.write_text(ASK)
    lines: list[str] = []
    seen: list[Any] = []

    def hear(name: str, text: bytes) -> None:
        lines.append(text.decode())
        if len(lines) == 2:
            seen.append(store.sessions.get(run.session.key).usage)
            run.kill()

    program = Program.from_file(path)
    run = running.start(store, program, script="main.lua", on_output=hear, limits={"tokens": 90})
    run.go()
    assert seen[0]["tokens"] == 60
    assert script.resume(run.session.id).exit_code == 5
    assert len(model.asked) == 3


def test_usage_is_that_of_the_outcomes_at_every_moment(
    script: Any, model: Model, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read by somebody else, while the session runs, in one transaction."""
    monkeypatch.setattr("respell.engine.host.HEARTBEAT_S", 0.0)
    go_on, stop = threading.Event(), threading.Event()
    differing: list[Any] = []

    def answer(request: Any) -> Response:
        go_on.wait(0.002)
        return Response("x", usage=Usage(1, 0))

    model.answer = answer

    def watch() -> None:
        with Store(store.path, durability="process") as other:
            while not stop.is_set():
                with other.transaction():
                    for session in other.sessions.list():
                        done = [
                            one
                            for one in respell.events(session, store=other)
                            if one.name == "agent.request" and one.ended
                        ]
                        if session.usage["tokens"] != len(done):
                            differing.append((session.usage["tokens"], len(done)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = script(ASK.replace("1, 5", "1, 60"))
    finally:
        stop.set()
        watcher.join()
    assert done.session.usage["tokens"] == 60
    assert differing == []


def test_a_fork_pays_only_for_what_it_asks_itself(script: Any, model: Model, store: Store) -> None:
    done = script(ASK)
    events = [e for e in respell.events(done.session, store=store) if e.name == "agent.request"]
    fork = respell.fork(done.session, store=store, at=events[2].number)
    assert fork.usage["tokens"] == 0
    assert script.resume(fork.id).session.usage["tokens"] == 60


def test_where_nobody_counts_tokens_they_are_estimated(script: Any, model: Model) -> None:
    model.answer = lambda request: "12345678"
    done = script("""
        local r = Agent.create{model = "test/m"}:execute("1234")
        print(r.usage.input_tokens, r.usage.output_tokens, r.cost_usd)
    """)
    assert script.lines == ["1\t2\tnil"]
    assert done.session.usage["tokens"] == 3


def test_the_command_line_shows_and_raises_the_limits(tmp_path: Path) -> None:
    store = tmp_path / "store"
    path = write_script(
        tmp_path,
        """
        local prices = {input = 1e6, output = 1e6}
        local a = Agent.create{model = "mock/echo", options = {prices = prices}}
        for i = 1, 3 do print(a:execute("four").text) end
        """,
    )
    stopped = command("run", path, "--limit", "cost_usd=2", store=store, cwd=tmp_path)
    assert stopped.returncode == 5
    assert "cost_usd" in stopped.stderr
    session = session_json(store, "@last")
    assert session["usage"]["tokens"] == 2
    assert session["usage"]["cost_usd"] == 2.0
    done = command("resume", "@last", "--limit", "cost_usd=50", store=store)
    assert done.returncode == 0, done.stderr
    assert stopped.stdout + done.stdout == "four\nfour\nfour\n"


def test_the_meter_counts_on_from_what_was_used() -> None:
    meter = Meter({"operations": 3, "tokens": 5, "cost_usd": 0.5}, 0.0)
    assert meter.over("agent.request", {"tokens": 6, "cost_usd": 1}) is None
    assert meter.over("agent.request", {"tokens": 5}) == Reached(
        "tokens", "its agents took 5 tokens"
    )
    assert meter.over("tool.invoke", {"tokens": 5}) is None
    assert meter.over("tool.invoke", {"operations": 3}) is not None
    assert meter.usage()["cost_usd"] == 0.5
