"""Breakpoints of all kinds, told as stories: each stops at the same places in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models import model_in_hand
from respell.agents.protocol import Response, Usage
from respell.debug import AsyncDebugger, Debugger, Stop
from respell.errors import UsageError
from respell.store import Store
from respell.store.edited import edited_store

Open = Callable[..., Debugger]


@pytest.fixture(params=[True, False], ids=["checkpoints", "plain"])
def debug(request: pytest.FixtureRequest, script: Any, store: Store) -> Iterator[Open]:
    """Run a text as a session and open it; with checkpoints, and without."""
    with ExitStack() as opened:

        def open_(text: str, code: int = 0, **options: object) -> Debugger:
            result = script(text, **options)
            assert result.exit_code == code, result.ended
            debugger = Debugger.open(result.session.id, store=store, checkpoints=request.param)
            return opened.enter_context(debugger)

        yield open_


def both_ways(debugger: Debugger) -> list[Stop]:
    """Go from one stop to the next to the end; make sure that the way back is the same one."""
    debugger.start()
    forward = []
    while not debugger.continue_().at_end:
        forward.append(debugger.stop)
    debugger._trail.clear()
    back = []
    while debugger.reverse_continue().reason != "entry":
        back.append(debugger.stop)
        debugger._trail.clear()
    assert [(one.position, one.reason, one.breakpoints, one.changes) for one in reversed(back)] == [
        (one.position, one.reason, one.breakpoints, one.changes) for one in forward
    ]
    return forward


def changes(stops: list[Stop]) -> list[tuple[int, str]]:
    """Return line and change of data breakpoints' stops."""
    return [(stop.line, stop.changes[0].describe()) for stop in stops]


# Data ------------------------------------------------------------------------------------

COUNTS = """\
local function add(list, n)
  local sum = 0
  for _, one in ipairs(list) do
    sum = sum + one
  end
  list.last = sum
  return sum + n
end
local list = { 1, 2 }
local a = add(list, 10)
local b = add(list, 20)
counter = 0
local function count()
  counter = counter + 1
end
count()
count()
print(a, b)
"""


def test_a_local_is_that_of_one_call_alone(debug: Open) -> None:
    debugger = debug(COUNTS)
    debugger.run_to_line(4)
    point = debugger.breakpoints.add_data("sum")
    assert point.describe() == "this call's local sum changes"
    stops = both_ways(debugger)
    assert {stop.reason for stop in stops} == {"data breakpoint"}
    assert stops[0].breakpoints == (point.id,)
    assert changes(stops) == [(3, "sum: nil → 0"), (3, "sum: 0 → 1"), (3, "sum: 1 → 3")]
    debugger.breakpoints.remove(point.id)
    debugger.start()
    debugger.breakpoints.add_line("main.lua", 7)
    debugger.continue_()
    debugger.continue_()
    for one in debugger.breakpoints.list():
        debugger.breakpoints.remove(one.id)
    debugger.breakpoints.add_data("n")
    assert both_ways(debugger) == [], "what is given to a function is no change"


def test_a_global_is_followed_wherever_it_changes(debug: Open) -> None:
    debugger = debug(COUNTS)
    debugger.breakpoints.add_data("counter")
    assert changes(both_ways(debugger)) == [
        (15, "counter: nil → 0"), (15, "counter: 0 → 1"), (15, "counter: 1 → 2"),
    ]  # fmt: skip


def test_a_field_is_seen_to_change_in_the_function_that_changes_it(debug: Open) -> None:
    debugger = debug(COUNTS)
    debugger.run_to_line(10)
    debugger.breakpoints.add_data("list.last")
    assert changes(both_ways(debugger)) == [(7, "list.last: nil → 3")]


def test_a_local_is_seen_to_change_in_a_function_inside_of_it(debug: Open) -> None:
    debugger = debug(
        """\
local total = 0
local function inside()
  local n = 1
  total = total + n
  return n
end
local function twice()
  inside()
  inside()
end
twice()
local co = coroutine.wrap(function()
  total = 10
  coroutine.yield()
end)
co()
print(total)
"""
    )
    debugger.run_to_line(11)
    debugger.breakpoints.add_data("total")
    assert changes(both_ways(debugger)) == [
        (6, "total: nil → 0"), (5, "total: 0 → 1"), (5, "total: 1 → 2"), (14, "total: 2 → 10"),
    ]  # fmt: skip


def test_an_upvalue_is_that_of_one_closure(debug: Open) -> None:
    debugger = debug(
        """\
local function counter()
  local n = 0
  return function()
    n = n + 1
    return n
  end
end
local one, two = counter(), counter()
one() two() two()
one()
print(one(), two())
"""
    )
    debugger.breakpoints.add_line("main.lua", 10)
    debugger.continue_()
    debugger.run_to_line(4)
    for point in debugger.breakpoints.list():
        debugger.breakpoints.remove(point.id)
    debugger.breakpoints.add_data("n")
    assert [text for _, text in changes(both_ways(debugger))] == [
        "n: 0 → 1", "n: 1 → 2", "n: 2 → 3",
    ]  # fmt: skip


def test_recursion_has_a_variable_per_call(debug: Open) -> None:
    debugger = debug(
        """\
local function down(n)
  local mine = n
  if n > 0 then down(n - 1) end
  mine = mine * 10
  return mine
end
down(2)
"""
    )
    debugger.breakpoints.add_line("main.lua", 3, condition="n == 1")
    debugger.continue_()
    for point in debugger.breakpoints.list():
        debugger.breakpoints.remove(point.id)
    debugger.breakpoints.add_data("mine")
    assert changes(both_ways(debugger)) == [(3, "mine: nil → 1"), (5, "mine: 1 → 10")]


def test_a_change_has_conditions_and_hits_too(debug: Open) -> None:
    debugger = debug("total = 0\nfor i = 1, 6 do\n  total = total + i\nend\nprint(total)\n")
    point = debugger.breakpoints.add_data("total", condition="total % 2 == 0")
    assert [text for _, text in changes(both_ways(debugger))] == [
        "total: nil → 0", "total: 3 → 6", "total: 6 → 10",
    ]  # fmt: skip
    debugger.breakpoints.remove(point.id)
    debugger.breakpoints.add_data("total", hits="% 3")
    assert [text for _, text in changes(both_ways(debugger))] == [
        "total: 1 → 3", "total: 10 → 15",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="can't be followed through time"):
        debugger.breakpoints.add_data("total + 1")


def test_data_breakpoints_are_kept_in_the_store(debug: Open, store: Store) -> None:
    debugger = debug(COUNTS)
    debugger.run_to_line(4)
    debugger.breakpoints.add_data("sum")
    with Debugger.open(debugger.session.id, store=store) as again:
        assert changes(both_ways(again))[0] == (3, "sum: nil → 0")


# What was recorded ------------------------------------------------------------------------

STORES = """\
local id = Session.getCurrent()
State.set("count", 1)
State.set("count", 1)
State.set("other", 2)
State.set("count", 3)
Artifact.store(id, "notes.txt", "some")
Artifact.store(id, "table.csv", "a,b")
pcall(Tool.invoke, "calculator", { operation = "evaluate", input = "1/" })
Tool.invoke("calculator", { operation = "evaluate", input = "6*7" })
print("done")
"""


def lines_of(stops: list[Stop]) -> list[int]:
    """Return the lines of stops."""
    return [stop.line for stop in stops]


def test_state_and_artifacts_have_breakpoints(debug: Open) -> None:
    debugger = debug(STORES)
    table = debugger.breakpoints
    for add, expected in (
        (lambda: table.add_state("count"), [2, 3, 5]),
        (lambda: table.add_state("c*", changes=True), [2, 5]),
        (lambda: table.add_state(), [2, 3, 4, 5]),
        (lambda: table.add_artifact("*.csv"), [7]),
        (lambda: table.add_artifact(), [6, 7, 9]),  # the tool left one too
        (lambda: table.add_effect("state.set", nth=3), [4]),
    ):
        point = add()
        assert lines_of(both_ways(debugger)) == expected, point.describe()
        table.remove(point.id)


def test_an_effect_is_chosen_by_an_expression(debug: Open, store: Store) -> None:
    debugger = debug(STORES)
    table = debugger.breakpoints
    for where, expected in (
        ("args.name == 'calculator' and failed", [8]),
        ("args.name == 'calculator' and not failed", [9]),
        ("args.key == 'count' and args.value > 2", [5]),
        ("outcome.nothing.there", []),
        ("cost > 0 or tokens > 0", []),
        ("line == 4 and duration < 3600", [4]),
    ):
        point = table.add_effect("*", where=where)
        assert where in point.describe()
        assert lines_of(both_ways(debugger)) == expected, where
        with Debugger.open(debugger.session.id, store=store) as again:
            assert [one.where for one in again.breakpoints.list()] == [where]
        table.remove(point.id)
    with pytest.raises(UsageError, match="is no Lua expression"):
        table.add_effect("*", where="args.name ==")
    with pytest.raises(UsageError, match="not both"):
        table.add_effect("*", nth=1, hits="2")


def test_an_effect_is_chosen_by_cost_and_time(debug: Open) -> None:
    debugger = debug("Utils.sleep(0.05)\nUtils.sleep(0)\nprint('done')\n")
    debugger.breakpoints.add_effect("timer.sleep", longer_than=0.04)
    assert lines_of(both_ways(debugger)) == [1]
    debugger.breakpoints.add_effect("*", cost_above=0.0)
    assert lines_of(both_ways(debugger)) == [1]


def test_requests_that_cost_more_are_chosen_and_their_n_th(debug: Open) -> None:
    costs = [0.01, 0.2, 0.05, 0.3, 0.02]
    with model_in_hand() as model:
        model.answer = lambda _: Response(
            "x", usage=Usage(1, 1), cost_usd=costs[len(model.asked) - 1]
        )
        debugger = debug(
            "local a = Agent.create { model = 'test/m' }\n"
            "for i = 1, 5 do\n"
            "  print(i, a:execute('q').text)\n"
            "end\n"
        )
    table = debugger.breakpoints
    for options, expected in (
        ({"cost_above": 0.04}, [2, 3, 4]),
        ({"cost_above": 0.2}, [4]),  # not one that costs just as much
        ({"cost_above": 1.0}, []),
        ({"cost_above": 0.04, "nth": 2}, [3]),
        ({"where": "cost > 0.04", "hits": ">= 2"}, [3, 4]),
    ):
        point = table.add_effect("agent.request", **options)
        stops = both_ways(debugger)
        assert {stop.line for stop in stops} <= {3}
        rounds = []
        for stop in stops:
            debugger.go_to(stop.position)
            event = debugger.event()
            assert event is not None
            assert event.name == "agent.request"
            rounds.append(costs.index(event.outcome["cost_usd"]) + 1)
        assert rounds == expected, point.describe()
        table.remove(point.id)


DIVERGES = """\
State.set("a", 1)
local between = 2
State.set("b", between)
print("never")
"""


@pytest.mark.parametrize("checkpoints", [True, False])
def test_where_it_does_something_else_than_what_is_recorded_a_breakpoint_says_so(
    script: Any, store: Store, checkpoints: bool
) -> None:
    session = script(DIVERGES).session
    wrong = {
        seq: replace(record, args=record.args.replace(b"b", b"c")).pack()
        for seq, record in store.history.events(session.key)
        if b"\xa1b" in record.args
    }
    assert len(wrong) == 1
    other = edited_store(
        store, session.key, shared=session.records, replaced=wrong, own=()
    )  # as if another version of Respell had recorded it
    with Debugger(other, session, checkpoints=checkpoints) as debugger:
        plain = debugger.continue_()
        assert (plain.reason, plain.line, plain.at_end) == ("exception", 3, True)
        assert plain.breakpoints == ()
        debugger.start()
        point = debugger.breakpoints.add_divergence()
        assert point.describe() == "divergence"
        line = debugger.breakpoints.add_line("main.lua", 2)
        assert debugger.continue_().breakpoints == (line.id,)
        for move in (Debugger.continue_, Debugger.step_over, Debugger.next_event, Debugger.end):
            debugger.go_to("2+1")
            debugger.run_to_line(3)
            stop = move(debugger)
            assert (stop.position, stop.reason, stop.at_end) == (plain.position, "exception", True)
            assert stop.breakpoints == (point.id,), move
            assert "diverges here: other arguments" in (stop.error or "")
        debugger._trail.clear()
        assert debugger.reverse_continue().breakpoints == (line.id,)
        assert debugger.output() == []
        debugger.breakpoints.enable(point.id, False)
        assert debugger.end().breakpoints == ()
    with Debugger(other, session) as again:  # it is kept with the session
        again.breakpoints.enable(point.id, True)
        assert again.end().breakpoints == (point.id,)


def test_a_session_that_follows_its_history_has_no_divergence_to_stop_at(debug: Open) -> None:
    debugger = debug(STORES)
    debugger.breakpoints.add_divergence()
    assert both_ways(debugger) == []
    assert debugger.end().breakpoints == ()


# Setting ---------------------------------------------------------------------------------


def test_what_can_not_be_is_said_when_it_is_set(debug: Open) -> None:
    debugger = debug(COUNTS)
    table = debugger.breakpoints
    for wrong in ("x ==", "local y = 1", "return"):
        with pytest.raises(UsageError, match="is no Lua expression"):
            table.add_line("main.lua", 2, condition=wrong)
    with pytest.raises(UsageError, match="is no Lua expression"):
        table.add_line("main.lua", 2, log="it is {x +}")
    with pytest.raises(UsageError, match=r"no function of main.lua begins at line 2; .* 1, 13"):
        table.add_function("main.lua:2")
    with pytest.raises(UsageError, match=r"the session has no source gone\.lua"):
        table.add_function("gone.lua:2")
    for line in (0, -1):
        with pytest.raises(UsageError, match=f"main.lua has no line {line}; its first one is 1"):
            table.add_line("main.lua", line)
    for wrong in ("0", ">= 0", "% 0", "x", "²"):
        with pytest.raises(UsageError, match="does not say which hits count"):
            table.add_line("main.lua", 2, hits=wrong)
    for add in (table.add_effect, table.add_state, table.add_artifact):
        with pytest.raises(UsageError, match="a name, or a pattern"):
            add("")
    with pytest.raises(UsageError, match=r"state:total is no variable; .* `b state total`"):
        table.add_data("state:total")
    assert table.list() == []


def test_a_function_is_found_by_field_and_by_place(debug: Open, tmp_path: Path) -> None:
    (tmp_path / "tools.lua").write_text(
        "local M = {}\nfunction M.fetch(a)\n  return a\nend\nM.put = function(b)\n  return b\nend\n"
        "return M\n"
    )
    debugger = debug('local tools = require("tools")\nprint(tools.fetch(1), tools.put(2))\n')
    for name, line in (
        ("tools.fetch", 3), ("M.fetch", 3), ("fetch", 3), ("tools.lua:2", 3), ("tools.put", 6),
        ("tools.lua:5", 6),
    ):  # fmt: skip
        point = debugger.breakpoints.add_function(name)
        stops = both_ways(debugger)
        assert [(stop.reason, stop.line) for stop in stops] == [("function breakpoint", line)], name
        debugger.breakpoints.remove(point.id)


def test_a_breakpoint_waits_for_a_file_that_a_session_may_still_load(
    script: Any, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "later.lua").write_text("local M = {}\nM.x = 1\nreturn M\n")
    session = script('Session.suspend()\nlocal later = require("later")\nprint(later.x)\n').session
    with Debugger.open(session.id, store=store) as debugger:
        point = debugger.breakpoints.add_line("later.lua", 2)
        assert not point.verified
        assert "waits for this file" in point.describe()
        assert debugger.continue_().at_end
    assert script.resume(session.id).exit_code == 0
    with Debugger.open(session.id, store=store) as debugger:
        assert debugger.breakpoints.get(point.id).verified
        stop = debugger.continue_()
        assert (stop.source, stop.line, stop.breakpoints) == ("later.lua", 2, (point.id,))
        with pytest.raises(UsageError, match=r"the session has no source never\.lua"):
            debugger.breakpoints.add_line("never.lua", 1)


def test_a_breakpoint_that_stops_once_is_gone_then(debug: Open) -> None:
    debugger = debug(COUNTS)
    debugger.breakpoints.add_line("main.lua", 4, temporary=True)
    assert debugger.continue_().line == 4
    assert debugger.breakpoints.list() == []
    assert debugger.continue_().at_end


def test_a_stop_names_all_that_is_there_whichever_way_one_comes(debug: Open) -> None:
    debugger = debug("x = 0\nfor i = 1, 3 do\n  x = x + 1\nend\nprint(x)\n")
    line = debugger.breakpoints.add_line("main.lua", 2)
    data = debugger.breakpoints.add_data("x")
    stops = both_ways(debugger)
    assert [stop.breakpoints for stop in stops] == [(line.id, data.id)] * 4
    assert {stop.reason for stop in stops} == {"data breakpoint"}


def test_a_log_point_speaks_at_the_hits_that_count_and_only_going_forward(debug: Open) -> None:
    debugger = debug("for i = 1, 5 do\n  local x = i\nend\nprint('done')\n")
    debugger.breakpoints.add_line("main.lua", 2, log="i is {i}", hits="% 2")
    assert [one.text for one in debugger.continue_().logs] == ["i is 2", "i is 4"]
    assert debugger.reverse_continue().logs == ()


def test_the_line_of_an_error_in_a_coroutine_is_that_of_the_coroutine(debug: Open) -> None:
    debugger = debug(
        """\
local co = coroutine.create(function()
  local deep = 1
  error({ code = deep })
end)
print(coroutine.resume(co))
"""
    )
    debugger.breakpoints.add_error()
    assert [(stop.line, stop.coroutine > 0) for stop in both_ways(debugger)] == [(3, True)]


def test_a_session_is_played_to_its_breakpoint_and_to_its_end(debug: Open, store: Store) -> None:
    debugger = debug("local x = 1\nx = 2\nprint(x)\nprint('end')\n")
    point = debugger.breakpoints.add_line("main.lua", 3)
    played = [(stop.reason, stop.line) for stop in debugger.play(10)]
    assert played == [("step", 2), ("breakpoint", 3)]
    stops = debugger.play(10)
    assert next(stops).line == 4
    debugger.cancel()
    assert [(stop.reason, stop.line) for stop in stops] == [("cancelled", 4)]
    with pytest.raises(UsageError, match=r"the speed is from 0\.1 to 10, not 20"):
        next(debugger.play(20))

    async def story() -> list[int]:
        async with await AsyncDebugger.open(debugger.session.id, store=store) as again:
            return [one.line async for one in again.play(10)]

    debugger.breakpoints.remove(point.id)
    assert asyncio.run(story())[:3] == [2, 3, 4]


@pytest.mark.parametrize("counted", [0, 1, 2, 3, 2000])
def test_a_function_is_entered_with_the_line_after_which_none_is_counted(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch, counted: int
) -> None:
    """Its breakpoint is found whichever line is the first that runs without being counted."""
    monkeypatch.setattr("respell.debug.going_on.COUNTED", counted)
    session = script(
        "local function f(x)\n  if x == 0 then return 'done' end\n  return f(x - 1)\nend\n"
        "print(f(3))\n"
    ).session
    with Debugger.open(session, store=store, keep_breakpoints=False) as debugger:
        debugger.breakpoints.add_function("f")
        debugger.breakpoints.add_line("main.lua", 3)
        lines = []
        while not debugger.continue_().at_end:
            lines.append(debugger.stop.line)
        assert lines == [2, 3, 2, 3, 2, 3, 2]
