"""Policies of time and resources really stop a session, in time, and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import respell
from hostile import HARD_LIMIT_S, LOOP_S, Attacker, attacker
from models import Model, model_in_hand
from respell import config as configuration
from respell.agents.protocol import Response, Usage
from respell.config import Config
from respell.errors import InvalidTransition
from respell.policies.meter import Meter
from respell.policies.notices import Notice
from respell.policies.timeout import Timeout
from respell.settings import LimitSettings, PolicySettings, SessionSettings
from respell.store import Store
from respell.tools import ToolContext
from respell.tools.decorator import tool_of


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    """One store for all scripts of this module, with a quiet session in it."""
    with attacker(tmp_path_factory.mktemp("arena")) as one:
        yield one


@pytest.fixture
def attack(arena: Attacker) -> Iterator[Attacker]:
    """Runs one script that won't end, and checks what it left behind."""
    arena.begin()
    yield arena
    arena.check_rest()


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`, whose every answer takes 30 tokens and a cent."""
    with model_in_hand() as made:
        made.answer = lambda request: Response("x", usage=Usage(10, 20), cost_usd=0.01)
        yield made


def policies(**settings: Any) -> Config:
    """Return a configuration with these settings of `[policies]`."""
    return Config(policies=PolicySettings(**settings))


def alerts_of(script: Any, text: str, **options: Any) -> tuple[Any, list[Notice]]:
    """Run a script; return how it ended and what was told meanwhile."""
    told: list[Notice] = []
    return script(text, on_alert=told.append, **options), told


# A runaway script against each limit -------------------------------------------------------

RUNAWAYS = {
    "computes": ("while true do end", {"max_duration": LOOP_S}),
    "says nothing": ("while true do end", {"max_idle_time": 0.3}),
    "says nothing, and is warned": (
        "while true do end", {"max_idle_time": 0.2, "idle_grace": 0.2},
    ),
    "allocates": ("local t = {} while true do t[#t + 1] = {} end", {"memory_bytes": 32 * 2**20}),
    "prints": ("while true do print(('x'):rep(1000)) end", {"history_bytes": 200_000}),
    "prints one huge line": ("while true do print(('x'):rep(2^22)) end", {"history_bytes": 2**20}),
    "logs": ("while true do Logger.info(('x'):rep(1000)) end", {"history_bytes": 200_000}),
    "asks the time": ("while true do os.time() end", {"history_bytes": 200_000}),
    "sleeps": ("while true do Utils.sleep(0.01) end", {"max_duration": LOOP_S}),
    "sleeps once": ("Utils.sleep(3600)", {"max_duration": LOOP_S}),
    "asks models": (
        "local a = Agent.create{model = 'test/m'} while true do pcall(a.execute, a, 'q') end",
        {"tokens": 90},
    ),
    "asks models for money": (
        "local a = Agent.create{model = 'test/m'} while true do pcall(a.execute, a, 'q') end",
        {"cost_usd": 0.03},
    ),
    "asks one long question": (
        "local a = Agent.create{model = 'test/m'} a:execute(('long '):rep(1000))",
        {"tokens_per_request": 100},
    ),
    "calls tools": (
        "while true do pcall(Tool.invoke, 'calculator', {input = '1 + 1'}) end",
        {"operations": 5},
    ),
    "stores artifacts": (
        "for i = 1, 1e9 do pcall(Artifact.store, nil, 'a' .. i, 'text') end", {"artifacts": 4},
    ),
    "stores large artifacts": (
        "for i = 1, 1e9 do pcall(Artifact.store, nil, 'a' .. i, ('x'):rep(1e6)) end",
        {"artifact_bytes": 3_500_000},
    ),
    "writes state": ("while true do pcall(State.set, 'k', ('x'):rep(1e4)) end",
                     {"history_bytes": 300_000}),
    "recurses through hooks": (
        "Hook.register('before_state_write', function() State.set('deeper', 1) end)"
        " while true do pcall(State.set, 'k', 1) end",
        {"operations": 50},
    ),
    "starts branches": (
        "while true do local b = {} for i = 1, 20 do b[i] = function() State.set('k', i) end end"
        " Workflow.parallel{branches = b}:execute() end",
        {"operations": 100},
    ),
    "suspends in pcall for ever": (
        "while true do pcall(coroutine.wrap(function() State.get('k') error() end)) end",
        {"operations": 30},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", RUNAWAYS)
def test_a_runaway_script_is_stopped_by_its_limit_and_can_be_looked_at_and_resumed(
    attack: Attacker, model: Model, kind: str
) -> None:
    """`stopped_by` checks exit code, words, the event and that the worker is gone."""
    text, limits = RUNAWAYS[kind]
    (limit,) = [name for name in limits if name != "idle_grace"]
    stopped = attack.stopped_by(limit, text, **limits)
    assert stopped.session.error is not None
    assert stopped.session.error["message"] == stopped.ended.message
    attack.replays(stopped)
    again = attack.check_stop(limit, attack.resume(stopped))
    attack.replays(again)


def test_what_is_stopped_by_its_history_goes_on_with_the_very_next_line(attack: Attacker) -> None:
    text = "for i = 1, 300 do print(('%03d '):format(i):rep(250)) end"
    stopped = attack.stopped_by("history_bytes", text, history_bytes=100_000)
    printed = len(attack.lines)
    assert 0 < printed < 300
    assert stopped.session.usage["history_bytes"] <= 100_000 + 1000  # its own notes come on top
    done = attack.resume(stopped, history_bytes=10_000_000)
    assert done.ended.status == "completed"
    assert [line[:3] for line in attack.lines] == [f"{i:03d}" for i in range(1, 301)]
    attack.replays(done)


# What becomes of it -------------------------------------------------------------------------


def test_by_policy_a_session_fails_instead_of_being_suspended(script: Any, store: Store) -> None:
    stopped = script(
        "print(1) while true do State.set('k', 1) end",
        limits={"operations": 3}, config=policies(on_limit="fail"),
    )  # fmt: skip
    assert (stopped.session.status, stopped.exit_code) == ("failed", 5)
    assert stopped.ended.limit == "operations"
    assert "stopped by the limit operations after event" in stopped.session.error["message"]
    assert "respell fork" in stopped.ended.message
    with pytest.raises(InvalidTransition):
        script.resume(stopped.session)
    assert respell.replay(stopped.session, store=store).identical
    fork = respell.fork(stopped.session, store=store, at=stopped.session.events - 2)
    assert script.resume(fork.id, limits={"operations": 5}).exit_code == 5


def test_the_program_can_decide_that_it_fails(script: Any) -> None:
    stopped = script(
        "while true do end", limits={"max_duration": LOOP_S},
        policies=respell.Policies(on_limit="fail"),
    )  # fmt: skip
    assert stopped.session.status == "failed"


def test_a_limit_that_is_taken_back_stops_nothing_any_more(script: Any, store: Store) -> None:
    stopped = script("for i = 1, 9 do State.set('i', i) end", limits={"operations": 3})
    done = script.resume(stopped.session, limits={"operations": None})
    assert done.session.status == "completed"
    assert done.session.limits == {}
    assert respell.replay(done.session, store=store).identical


def test_limits_of_the_configuration_can_be_taken_back_for_one_session(script: Any) -> None:
    config = Config(session=SessionSettings(limits=LimitSettings(operations=2, tokens=5)))
    assert script("State.set('a', 1)", config=config).session.limits == {
        "operations": 2, "tokens": 5,
    }  # fmt: skip
    free = script("for i = 1, 9 do State.set('a', i) end", config=config,
                  limits={"operations": "none"})  # fmt: skip
    assert free.session.status == "completed"
    assert free.session.limits == {"tokens": 5}


# Requests ------------------------------------------------------------------------------------


def test_an_answer_is_asked_to_be_no_longer_than_the_limit_leaves_room(
    script: Any, model: Model, store: Store
) -> None:
    text = """
    local a = Agent.create{model = "test/m"}
    local b = Agent.create{model = "test/m", max_tokens = 5}
    a:execute(("x"):rep(40)) b:execute("q")
    """
    done = script(text, limits={"tokens_per_request": 50})
    assert [one.max_tokens for one in model.asked] == [40, 5]
    assert respell.replay(done.session, store=store).identical


def test_a_request_that_is_too_large_is_not_sent_and_not_in_doubt(
    script: Any, model: Model
) -> None:
    text = "local a = Agent.create{model = 'test/m'} print(a:execute(('x'):rep(400)).text)"
    stopped = script(text, limits={"tokens_per_request": 50})
    assert (stopped.exit_code, stopped.ended.limit) == (5, "tokens_per_request")
    assert model.asked == []
    assert script.resume(stopped.session).exit_code == 5
    done = script.resume(stopped.session, limits={"tokens_per_request": 500})
    assert done.session.status == "completed"
    assert len(model.asked) == 1


# Alerts --------------------------------------------------------------------------------------


def test_alerts_tell_at_half_three_quarters_and_nine_tenths_once_each(
    script: Any, store: Store, names: Any
) -> None:
    text = "for i = 1, 20 do State.set('i', i) Session.suspend() end"
    done, told = alerts_of(script, text, limits={"operations": 20})
    while done.session.status == "suspended" and done.ended.reason == "script":
        done = script.resume(done.session, on_alert=told.append)
    assert [(one.limit, one.args["percent"], one.args["used"]) for one in told] == [
        ("operations", 50, 10), ("operations", 75, 15), ("operations", 90, 18),
    ]  # fmt: skip
    assert names(done).count("limit.alert") == 3
    assert "50 % of the limit operations is used: 10 of 20" in told[0].words


@pytest.mark.parametrize(
    ("text", "limits", "limit"),
    [
        ("for i = 1, 3 do Agent.create{model='test/m'}:execute('q') end", {"tokens": 100},
         "tokens"),
        ("for i = 1, 3 do Agent.create{model='test/m'}:execute('q') end", {"cost_usd": 0.03},
         "cost_usd"),
        ("for i = 1, 9 do Artifact.store(nil, 'a' .. i, 'x') end", {"artifacts": 9}, "artifacts"),
        ("for i = 1, 9 do Artifact.store(nil, 'a', ('x'):rep(100)) end", {"artifact_bytes": 900},
         "artifact_bytes"),
        ("for i = 1, 90 do print(('x'):rep(1000)) end", {"history_bytes": 110_000},
         "history_bytes"),
    ],
)  # fmt: skip
def test_every_limit_that_counts_tells_how_much_is_used(
    script: Any, model: Model, text: str, limits: dict[str, Any], limit: str
) -> None:
    _, told = alerts_of(script, text, limits=limits)
    assert {one.limit for one in told} == {limit}
    assert [one.args["percent"] for one in told] == sorted({one.args["percent"] for one in told})
    assert told[-1].args["percent"] >= 75


def test_memory_tells_how_much_is_used_where_the_system_says_it(script: Any) -> None:
    text = """
    local t = {}
    for i = 1, 40 do t[i] = ("x"):rep(10^6) .. i end
    local start = os.time()  -- it is looked at a few times in a second
    while os.time() < start + 2 do for j = 1, 10^6 do end end
    """
    done, told = alerts_of(script, text, limits={"memory_bytes": 64 * 2**20})
    assert done.session.status == "completed"
    assert {one.limit for one in told} == {"memory_bytes"}


def test_a_limit_with_another_value_tells_anew(script: Any) -> None:
    text = "for i = 1, 20 do State.set('i', i) end"
    stopped, told = alerts_of(script, text, limits={"operations": 10})
    told.clear()
    script.resume(stopped.session, limits={"operations": 100}, on_alert=told.append)
    assert told == []
    stopped, told = alerts_of(script, text, limits={"operations": 10})
    told.clear()
    script.resume(stopped.session, limits={"operations": 19}, on_alert=told.append)
    assert [one.args["percent"] for one in told] == [50, 75, 90]


def test_the_shares_are_those_that_are_configured(script: Any) -> None:
    text = "for i = 1, 10 do State.set('i', i) end"
    _, told = alerts_of(script, text, limits={"operations": 10}, config=policies(alerts=(0.2,)))
    assert [one.args["percent"] for one in told] == [20]
    _, told = alerts_of(script, text, limits={"operations": 11},
                        policies=respell.Policies(alerts=()))  # fmt: skip
    assert told == []


def test_alerts_change_nothing_that_is_executed_again(script: Any, store: Store) -> None:
    text = """
    for i = 1, 30 do print(i, State.get("i")) State.set("i", i) end
    if not Session.suspend() then print("more") State.set("end", 1) end
    """
    waiting = script(text, limits={"operations": 70, "history_bytes": 50_000})
    done = script.resume(waiting.session)
    assert script.lines == [f"{i}\t{i - 1 or 'nil'}" for i in range(1, 31)] + ["more"]
    assert respell.replay(done.session, store=store).identical


# Time ----------------------------------------------------------------------------------------


def test_the_end_of_the_time_is_announced_when_the_configured_seconds_are_left(
    attack: Attacker, script: Any
) -> None:
    told: list[Notice] = []
    stopped = script(
        "while true do end", limits={"max_duration": 2 * LOOP_S}, on_alert=told.append,
        policies=respell.Policies(warn_before=(LOOP_S, 600)),
    )  # fmt: skip
    assert stopped.ended.limit == "max_duration"
    assert [(one.name, one.args["left_s"]) for one in told] == [("limit.warning", LOOP_S)]


def test_five_minutes_and_one_minute_before_the_end_are_the_default() -> None:
    meter = Meter({}, 0.0)
    limits = {"max_duration": 600.0}
    said = []
    for now in range(0, 601, 10):
        meter.over_time(limits, float(now), busy=True, paused=False)
        said += [(now, one.args["left_s"]) for one in meter.notices(limits, now, 0, 0)]
    assert said == [(300, 300.0), (540, 60.0)]
    assert meter.over_time(limits, 601.0, busy=True, paused=False) is not None


def test_what_is_idle_is_warned_and_stopped_after_its_grace() -> None:
    limits = {"max_idle_time": 10.0, "idle_grace": 5.0}
    meter = Meter({}, 0.0)

    def at(now: float, *, busy: bool = False) -> tuple[list[str], bool]:
        over = meter.over_time(limits, now, busy=busy, paused=False)
        return [one.words for one in meter.notices(limits, now, 0, 0)], over is not None

    assert at(9.0) == ([], False)
    assert at(10.0) == (["it did nothing for 10 s and is stopped in 5 s"], False)
    assert at(14.9) == ([], False)
    meter.heard(14.9)
    assert at(25.0)[0] != []  # it is idle again, and told again
    assert at(26.0, busy=True) == ([], False)
    assert at(41.0) == (["it did nothing for 10 s and is stopped in 5 s"], True)


def test_the_grace_lets_a_script_go_on_that_does_something_in_time(script: Any) -> None:
    told: list[Notice] = []
    text = "print('a') local n = os.clock() while true do for i = 1, 1e6 do end print(n) end"
    stopped = script(
        text, limits={"max_idle_time": 5.0, "idle_grace": 5.0, "max_duration": LOOP_S},
        on_alert=told.append,
    )  # fmt: skip
    assert stopped.ended.limit == "max_duration"
    assert told == []


def test_time_that_a_pause_or_a_new_execution_takes_is_not_counted() -> None:
    clock = Timeout(100.0, 0.0, Meter({}, 0.0).told)
    clock.count(50.0, busy=False, paused=False)  # executing again
    assert clock.active_s == 100.0
    clock.heard(50.0)
    clock.count(60.0, busy=False, paused=True)
    assert clock.active_s == 100.0
    clock.count(65.0, busy=False, paused=False)
    assert clock.active_s == 105.0


def test_a_call_in_flight_that_does_not_end_does_not_keep_a_limit_of_time_waiting(
    attack: Attacker,
) -> None:
    def hang(ctx: ToolContext) -> str:
        ctx.cancel.wait(HARD_LIMIT_S)
        return "late"

    attack.tools.register(tool_of(hang))
    stopped = attack("Tool.invoke('hang', {})", max_duration=LOOP_S)
    assert (stopped.exit_code, stopped.ended.limit) == (5, "max_duration")


# Sessions without program ---------------------------------------------------------------------


def test_sessions_without_program_get_an_error_that_is_recorded(script: Any, store: Store) -> None:
    done = script("""
        local s = Session.create{name = "notes", limits = {operations = 3}}
        for i = 1, 4 do print(pcall(State.set, "session:" .. s, "k", i)) end
        print(pcall(Session.addTag, s, "late"))
        print(State.get("session:" .. s, "k"))
    """)
    assert done.session.status == "completed"
    assert [line.partition("\t")[0] for line in script.lines[:5]] == ["true"] * 3 + ["false"] * 2
    assert "State.set: the limit operations of session" in script.lines[3]
    assert script.lines[5] == "3"
    assert respell.replay(done.session, store=store).identical


def test_sessions_without_program_have_the_limits_of_the_configuration(script: Any) -> None:
    config = Config(session=SessionSettings(limits=LimitSettings(operations=2, rate=("5/min",))))
    script("print(JSON.stringify(Session.get(Session.create{limits = {tokens = 4}}).limits))",
           config=config)  # fmt: skip
    assert script.lines == ['{"operations":2,"rate":{"all":"5/min"},"tokens":4}']


# Imported sessions ----------------------------------------------------------------------------


def test_an_imported_session_has_the_stricter_of_its_limits_and_mine(
    script: Any, store: Store, tmp_path: Any
) -> None:
    text = "for i = 1, 50 do State.set('i', i) end"
    stopped = script(text, limits={"operations": 4, "tokens": 10, "rate.state.set": "900/s"})
    path = tmp_path / "it.export"
    respell.session(stopped.session, store=store).export(path)
    mine = configuration.Config(
        session=SessionSettings(
            limits=LimitSettings(operations=100, tokens=5, artifacts=7, rate=("state.set=500/s",))
        )
    )
    with Store(tmp_path / "other", durability="process") as other:
        there = respell.import_(path, store=other, config=mine)
        assert there.limits == {
            "operations": 4, "tokens": 5, "artifacts": 7, "rate": {"state.set": "30000/min"},
        }  # fmt: skip
        assert there.resume().ended.limit == "operations"
        assert there.resume(limits={"operations": 60}).session.status == "completed"


# What is written down -------------------------------------------------------------------------


def test_a_memory_limit_holds_at_a_replay_too(script: Any, store: Store) -> None:
    stopped = script("local t = {} while true do t[#t + 1] = {} end",
                     limits={"memory_bytes": 16 * 2**20})  # fmt: skip
    assert stopped.ended.limit == "memory_bytes"
    assert respell.replay(stopped.session, store=store).identical
