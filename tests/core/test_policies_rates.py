"""Rates: so many effects in a time, by session, by operation, and by store; they wait or stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.config import Config
from respell.engine import run as running
from respell.engine.doubt import in_doubt
from respell.engine.program import Program
from respell.errors import UsageError
from respell.policies.limits import check_limits, lower, merged, shown
from respell.policies.notices import Notice
from respell.policies.rates import Bucket, Buckets, Rate
from respell.settings import PolicySettings
from respell.store import Store
from stories import CountingServer, counting_server, write_script
from stories import respell as command


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A real server that counts."""
    with counting_server() as one:
        yield one


# How a rate is written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "per_minute", "burst", "shown"),
    [
        (60, 60, 1, "60/min"),
        (0.5, 0.5, 1, "30/h"),
        ("60/min", 60, 1, "60/min"),
        ("5/s", 300, 5, "300/min"),
        (" 90 / h ", 1.5, 1, "1.5/min"),
        ("60/min burst 10", 60, 10, "60/min burst 10"),
        ("1/h burst 3", 1 / 60, 3, "1/h burst 3"),
    ],
)
def test_a_rate_is_a_number_a_minute_or_a_text(
    written: Any, per_minute: float, burst: int, shown: str
) -> None:
    rate = Rate.parse(written)
    assert rate.per_minute == pytest.approx(per_minute)
    assert rate.burst == burst
    assert str(rate) == shown
    assert Rate.parse(shown) == rate or Rate.parse(shown).per_minute == pytest.approx(per_minute)


@pytest.mark.parametrize(
    "written", [0, -1, True, None, "", "fast", "5/day", "0/min", "5/s burst 0", float("nan"), [5]]
)
def test_what_is_no_rate_is_refused_with_examples(written: Any) -> None:
    with pytest.raises(UsageError, match=r"the limit rate must be a number above 0, e\.g\. 60 or"):
        check_limits({"rate": written})


@pytest.mark.parametrize("name", ["agent.requests", "no.effect", "output.line"])
def test_a_rate_of_an_effect_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no rate of"):
        check_limits({f"rate.{name}": 5})


def test_rates_are_put_together_by_name() -> None:
    limits = check_limits({"rate": "5/s", "rate.agent.request": 60, "tokens": 3})
    assert limits == {"tokens": 3, "rate": {"all": "300/min", "agent.request": "60/min"}}
    more = check_limits({"rate.agent.request": None, "rate.calculator": 1}, lift=True)
    assert merged(limits, more)["rate"] == {"all": "300/min", "calculator": "1/min"}
    none = check_limits({"rate.all": None, "rate.agent.request": "none"}, lift=True)
    assert "rate" not in merged(limits, none)
    assert shown(limits) == ["tokens=3", "rate=300/min", "rate.agent.request=60/min"]
    assert lower(limits, {"rate": {"all": "2/min"}, "tokens": 9}) == {
        "tokens": 3, "rate": {"all": "2/min", "agent.request": "60/min"},
    }  # fmt: skip


# The bucket -----------------------------------------------------------------------------------


def test_burst_capacity_lets_so_many_pass_at_once_and_then_the_rate() -> None:
    bucket = Bucket(Rate.parse("60/min burst 3"), 3.0, at=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0, 0, 0, 1.0, 2.0]  # the last two reserve
    assert bucket.take(2.0) == 1.0
    assert bucket.take(100.0) == 0.0
    assert bucket.left(1000.0) == 3.0


def test_in_the_long_run_no_more_pass_than_the_rate_says() -> None:
    bucket = Bucket(Rate.parse("120/min burst 10"), 10.0, at=0.0)
    now, passed = 0.0, 0
    while now < 60.0:
        now += bucket.take(now)
        passed += now < 60.0
    assert passed == 10 + 120 - 1


def test_a_bucket_that_gets_another_rate_keeps_what_was_taken() -> None:
    buckets = Buckets()
    ((_, bucket),) = buckets.of({"all": "1/h burst 5"}, ["all", "x"], 0.0)
    assert [bucket.take(0.0) > 0 for _ in range(5)] == [False] * 5
    ((_, bucket),) = buckets.of({"all": "1/h burst 6"}, ["all"], 0.0)
    assert [bucket.take(0.0) > 0 for _ in range(2)] == [False, True]


def test_tokens_in_the_store_are_shared_by_all_that_have_it_open(store: Store) -> None:
    rate = {"store:all": Rate.parse("60/min burst 2")}
    with Store(store.path, durability="process") as other:
        assert store.rates.take(rate, 0, reserve=False) is None
        assert other.rates.take(rate, 0, reserve=False) is None
        short = store.rates.take(rate, 0, reserve=False)
        assert short is not None
        assert (short.name, short.wait_s) == ("store:all", 1.0)
        reserved = other.rates.take(rate, 0, reserve=True)
        assert reserved is not None
        assert reserved.wait_s == 1.0
        assert store.rates.take(rate, 2_000_000, reserve=False) is None


# Waiting --------------------------------------------------------------------------------------


def test_an_operation_rate_spaces_requests_as_the_server_sees_them(
    script: Any, server: CountingServer, store: Store
) -> None:
    """Between the first and the last at least (n - burst) / rate passes, however slow we are."""
    text = f"""
    for i = 1, 5 do Tool.invoke("http_request", {{input = "{server.url}/double/" .. i}}) end
    """
    script(text, limits={"rate.http_request": "600/min"})  # ten may pass at once
    assert server.asked == [1, 2, 3, 4, 5]
    slow = script(text, limits={"rate.http_request": "600/min burst 1"})
    waits = [e for e in respell.events(slow.session, store=store) if e.name == "limit.wait"]
    assert [one.args["limit"] for one in waits] == ["rate.http_request"]
    assert server.asked == [1, 2, 3, 4, 5] * 2
    calls = [e.at for e in respell.events(slow.session, store=store) if e.name == "tool.invoke"]
    ends = [
        e.at + round((e.duration_s or 0) * 1e6)
        for e in respell.events(slow.session, store=store)
        if e.name == "tool.invoke"
    ]
    assert ends[-1] - calls[0] >= 4 * 100_000 - 1000
    assert respell.replay(slow.session, store=store).identical


def test_a_rate_of_one_operation_leaves_the_others_alone(script: Any, store: Store) -> None:
    text = """
    for i = 1, 50 do State.set("i", i) State.get("i") end
    Tool.invoke("calculator", {input = "1 + 1"})
    """
    limits = {"rate.agent.request": "1/h", "rate.base64_encoder": "1/h"}
    done = script(text, limits=limits)
    assert done.session.status == "completed"
    assert not [e for e in respell.events(done.session, store=store) if e.kind == "limit"]


def test_a_session_rate_counts_every_effect_but_what_sleeps(script: Any, store: Store) -> None:
    text = """
    for i = 1, 3 do State.set("i", i) end
    for i = 1, 20 do Utils.sleep(0) end
    for i = 1, 3 do print(pcall(Event.receive, "none", 0)) end
    """
    done = script(text, limits={"rate": "1/h burst 3"})
    assert done.session.status == "completed"
    assert len(script.lines) == 3


def test_re_execution_waits_for_no_rate(script: Any, store: Store) -> None:
    text = """
    for i = 1, 4 do State.set("i", i) print(i) end
    Session.suspend()
    print("end")
    """
    waiting = script(text, limits={"rate.state.set": "300/min burst 1"})
    assert waiting.session.status == "suspended"
    # With a rate like this one a wait would be an hour: neither of the two asks for a token.
    store.sessions.update(waiting.session.key, limits={"rate": {"state.set": "1/h"}})
    assert respell.replay(waiting.session, store=store).identical
    done = script.resume(waiting.session)
    assert done.session.status == "completed"
    assert script.lines == ["1", "2", "3", "4", "end"]


def test_branches_side_by_side_wait_in_turn_and_replay_alike(
    script: Any, model: Model, store: Store
) -> None:
    done = script(
        """
        local branches = {}
        for i = 1, 6 do
          branches[i] = function()
            local said = Agent.create{model = "test/m"}:execute("q" .. i).text
            State.set("done", i)
            return said
          end
        end
        print(Workflow.parallel{branches = branches}:execute().success)
        """,
        limits={"rate.agent.request": "1200/min burst 2"},
    )
    assert script.lines == ["true"]
    assert len(model.asked) == 6
    assert in_doubt(store, done.session) == []
    assert respell.replay(done.session, store=store).identical
    counted = done.session.usage["operations"]
    assert counted == len(
        [e for e in respell.events(done.session, store=store) if e.kind == "effect" and e.ordinal]
    ) - len([e for e in respell.events(done.session, store=store) if e.name.startswith("workflow")])


WAITS = """
local branches = {}
for i = 1, 3 do
  branches[i] = function() return Agent.create{model = "test/m"}:execute("q" .. i).text end
end
local found = Workflow.parallel{branches = branches}:execute()
print(found.success)
"""


@pytest.mark.parametrize("how", ["suspend", "kill"])
def test_what_waits_for_a_rate_is_not_in_doubt_and_is_done_once(
    script: Any, model: Model, store: Store, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "main.lua"
    path.write_text(WAITS)
    waits = threading.Event()
    run = running.start(
        store, Program.from_file(path), script="main.lua",
        limits={"rate.agent.request": "1/h burst 1"}, on_alert=lambda notice: waits.set(),
    )  # fmt: skip
    thread = threading.Thread(target=run.go)
    thread.start()
    assert waits.wait(30)
    getattr(run, how)()
    thread.join(30)
    assert not thread.is_alive()
    assert in_doubt(store, run.session) == []
    assert len(model.asked) <= 1
    done = script.resume(run.session.id, limits={"rate.agent.request": None})
    assert done.session.status == "completed"
    assert script.lines == ["true"]
    assert sorted(one.messages[-1].text for one in model.asked) == ["q1", "q2", "q3"]
    assert respell.replay(done.session, store=store).identical


def test_a_limit_that_is_reached_meanwhile_stops_what_waited(
    script: Any, model: Model, store: Store
) -> None:
    from respell.agents.protocol import Usage

    model.answer = lambda request: respell_response(Usage(10, 20))
    limits = {"rate.agent.request": "1200/min burst 1", "tokens": 30}
    stopped = script(WAITS, limits=limits)
    assert (stopped.exit_code, stopped.ended.limit) == (5, "tokens")
    assert len(model.asked) == 1
    again = script.resume(stopped.session)
    assert (again.exit_code, again.ended.limit) == (5, "tokens")
    assert len(model.asked) == 1
    done = script.resume(stopped.session, limits={"tokens": 1000})
    assert done.session.status == "completed"
    assert len(model.asked) == 3
    assert respell.replay(done.session, store=store).identical


def respell_response(usage: Any) -> Any:
    """Return an answer that took these tokens."""
    from respell.agents.protocol import Response

    return Response("x", usage=usage)


def test_waiting_is_not_idle(script: Any) -> None:
    text = "for i = 1, 2 do State.set('i', i) end"
    done = script(text, limits={"rate": "20/min burst 1", "max_idle_time": 2.0})
    assert done.session.status == "completed"


def test_the_first_wait_of_a_run_is_told(script: Any) -> None:
    told: list[Notice] = []
    script(
        "for i = 1, 5 do State.set('i', i) end",
        limits={"rate.state.set": "1200/min burst 1"}, on_alert=told.append,
    )  # fmt: skip
    assert [(one.name, one.limit) for one in told] == [("limit.wait", "rate.state.set")]
    assert "waits 0.0 s" not in told[0].words  # it is shorter than a tenth of a second
    assert "state.set waits" in told[0].words


# Stopping -------------------------------------------------------------------------------------


def test_by_policy_a_rate_stops_the_session_instead(
    script: Any, model: Model, store: Store
) -> None:
    text = (
        "local a = Agent.create{model='test/m'} for i = 1, 3 do print(pcall(a.execute, a, 'q')) end"
    )
    stop = Config(policies=PolicySettings(on_rate="stop"))
    stopped = script(text, limits={"rate.agent.request": "1/h burst 2"}, config=stop)
    assert (stopped.exit_code, stopped.ended.limit) == (5, "rate.agent.request")
    assert "--limit rate.agent.request=N" in stopped.ended.message
    assert len(script.lines) == len(model.asked) == 2
    done = script.resume(stopped.session, limits={"rate.agent.request": "5/s"}, config=stop)
    assert done.session.status == "completed"
    assert respell.replay(done.session, store=store).identical


# Everybody together ---------------------------------------------------------------------------


def test_a_global_rate_counts_the_effects_of_all_processes(
    tmp_path: Path, server: CountingServer
) -> None:
    """Two commands, one rate: the server sees no more than the burst and the rate allow."""
    path = write_script(
        tmp_path,
        f"""
        for i = 1, 9 do Tool.invoke("http_request", {{input = "{server.url}/double/" .. i}}) end
        """,
    )
    settings = {
        "RESPELL_POLICIES_RATE": "http_request=1/h burst 5",
        "RESPELL_POLICIES_ON_RATE": "stop",
    }
    codes = [
        command("run", path, store=tmp_path / "store", cwd=tmp_path, **settings).returncode
        for _ in range(2)
    ]
    assert codes == [5, 5]
    assert server.asked == [1, 2, 3, 4, 5]
    ran = command("run", path, store=tmp_path / "store", cwd=tmp_path, **settings)
    assert "all sessions of this store may do 1/h burst 5 together" in ran.stderr
    other = command("run", path, store=tmp_path / "other", cwd=tmp_path)
    assert other.returncode == 0


# Sessions without program ---------------------------------------------------------------------


def test_a_rate_of_a_session_without_program_is_an_error_that_is_recorded(
    script: Any, store: Store
) -> None:
    done = script("""
        local s = Session.create{rate = {["state.set"] = "1/h burst 2"}}
        for i = 1, 3 do print(pcall(State.set, "session:" .. s, "k", i)) end
        print(pcall(Session.addTag, s, "fine"))
    """)
    assert done.session.status == "completed"
    assert [line.partition("\t")[0] for line in script.lines] == ["true", "true", "false", "true"]
    assert "the limit rate.state.set of session" in script.lines[2]
    assert "it takes 1/h burst 2, and the next in" in script.lines[2]
    assert respell.replay(done.session, store=store).identical


def test_a_rate_of_a_session_without_program_counts_what_all_scripts_change(
    script: Any, store: Store
) -> None:
    notes = respell.create(store=store, name="notes", rate="1/h burst 2")
    text = f"""
    Session.load("{notes.id}") print((pcall(State.set, "session:{notes.id}", "k", 1)))
    """
    for _ in range(3):
        script(text)
    assert script.lines == ["true", "true", "false"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('rate = 60', {"all": "60/min"}),
        ('rate = "5/s"', {"all": "300/min"}),
        ('rate = {all = 60, calculator = "1/s"}', {"all": "60/min", "calculator": "60/min"}),
        ('limits = {rate = {["state.set"] = 5}}', {"state.set": "5/min"}),
    ],
)  # fmt: skip
def test_scripts_write_rates_in_every_form(
    script: Any, store: Store, written: str, kept: dict[str, str]
) -> None:
    script(f"print(Session.create{{{written}}})")
    assert store.sessions.get(script.lines[0]).limits == {"rate": kept}


def test_a_builder_takes_rates(store: Store) -> None:
    made = respell.builder(store=store).rate("5/min").rate(1, of="state.set").build()
    assert made.limits == {"rate": {"all": "5/min", "state.set": "1/min"}}


# The command line ------------------------------------------------------------------------------


def test_the_command_line_sets_and_takes_back_rates(tmp_path: Path) -> None:
    store = tmp_path / "store"
    path = write_script(tmp_path, "for i = 1, 4 do State.set('i', i) end print('done')")
    ran = command(
        "run", path, "--limit", "rate.state.set=1200/min burst 1", "--limit", "rate=900/s",
        store=store, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "limit: state.set waits" in ran.stderr
    shown = command("show", "@last", store=store).stdout
    assert "rate.state.set=1200/min burst 1, rate=54000/min" in shown
    refused = command("run", path, "--limit", "rate.state.sett=5", store=store, cwd=tmp_path)
    assert refused.returncode == 2
    assert "the nearest is state.set" in refused.stderr
