"""The debugger, told as stories: moves both ways, breakpoints, looking, asking when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

import respell
from respell.debug import AsyncDebugger, Debugger, Position, Stop
from respell.debug.execution import Execution
from respell.errors import NotFound, UsageError
from respell.store import Store

Open = Callable[..., Debugger]

SUMS = """\
local function add(a, b)
  local sum = a + b
  return sum
end
local total = 0
for i = 1, 3 do
  total = add(total, i)
  print("total", total)
end
State.set("total", total)
print("done")
"""


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


def lines(debugger: Debugger, move: Callable[[Debugger], object], times: int) -> list[int]:
    """Make a move some times and return the lines it led to."""
    found = []
    for _ in range(times):
        move(debugger)
        found.append(debugger.stop.line)
    return found


def shown(debugger: Debugger, frame: int = 0) -> dict[str, str]:
    """Return the locals of a frame as text."""
    return {one.name: one.value.text for one in debugger.variables(frame).locals}


# Moves -----------------------------------------------------------------------------------


def test_a_session_opens_before_its_first_line(debug: Open) -> None:
    debugger = debug(SUMS)
    assert (debugger.stop.reason, debugger.stop.line) == ("entry", 4)
    assert str(debugger.position) == "1+1"


def test_steps_go_into_over_and_out_of_functions(debug: Open) -> None:
    debugger = debug(SUMS)
    assert lines(debugger, Debugger.step_over, 4) == [5, 6, 7, 8]
    assert lines(debugger, Debugger.step_over, 2) == [6, 7]
    assert lines(debugger, Debugger.step_in, 2) == [2, 3]
    assert [frame.name for frame in debugger.stack()] == ["add", "main chunk"]
    assert shown(debugger) == {"a": "1", "b": "2", "sum": "3"}
    assert lines(debugger, Debugger.step_out, 1) == [8]
    assert shown(debugger)["total"] == "3"


def test_steps_go_back_over_and_into_what_ran_before(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.end()
    assert lines(debugger, Debugger.step_back_over, 4) == [11, 10, 6, 8]
    assert lines(debugger, Debugger.step_back, 2) == [3, 2]
    assert shown(debugger) == {"a": "3", "b": "3"}
    assert lines(debugger, Debugger.step_back_out, 1) == [7]
    assert lines(debugger, Debugger.step_back_out, 1) == [4]
    assert debugger.stop.reason == "entry"


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (Debugger.step_in, Debugger.step_back),
        (Debugger.step_over, Debugger.step_back_over),
        (Debugger.step_out, Debugger.step_back_out),
        (Debugger.continue_, Debugger.reverse_continue),
        (Debugger.next_event, Debugger.previous_event),
    ],
    ids=["into", "over", "out", "continue", "event"],
)
def test_a_move_and_its_reverse_lead_back(
    debug: Open, there: Callable[[Debugger], object], back: Callable[[Debugger], object]
) -> None:
    debugger = debug(SUMS)
    debugger.breakpoints.add_line("main.lua", 8)
    for origin in ("1+1", "2+3", "3+2"):
        debugger.go_to(origin)
        begun = debugger.position
        passed = []
        for _ in range(3):
            passed.append(debugger.position)
            there(debugger)
            if debugger.stop.at_end:
                break
        for expected in reversed(passed):
            back(debugger)
            assert debugger.position == expected
        assert debugger.position == begun


def test_events_are_stops_too(debug: Open) -> None:
    debugger = debug(SUMS)
    places = [str(debugger.next_event().position) for _ in range(5)]
    assert places == ["2+0", "3+0", "4+0", "5+0", "6+0"]
    assert debugger.next_event().at_end
    assert str(debugger.go_to(3).position) == "3+0"
    assert (debugger.stop.reason, debugger.stop.line) == ("goto", 8)
    event = debugger.event()
    assert event is not None
    assert event.args == {"text": "total\t3"}
    assert str(debugger.previous_event().position) == "2+0"
    assert debugger.previous_event().reason == "entry"


def test_one_goes_to_any_position_event_or_percentage(debug: Open) -> None:
    debugger = debug(SUMS)
    for text in ("2+3", "5+1", "1+1", "4+0"):
        assert str(debugger.go_to(text).position) == text
    assert str(debugger.go_to(Position(3, 2)).position) == "3+2"
    assert str(debugger.go_to("50%").position) == "3+0"
    assert debugger.go_to("100%").position.event == 6


def test_a_position_that_there_is_not_is_refused_and_one_stays_where_one_was(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.go_to("3+2")
    with pytest.raises(UsageError, match=r"no position 3\+99: after 5 line steps comes event 4"):
        debugger.go_to("3+99")
    with pytest.raises(UsageError, match="no event 99"):
        debugger.go_to(99)
    assert str(debugger.position) == "3+2"
    assert shown(debugger)["total"] == "3"


def test_a_line_can_be_run_to_in_both_directions(debug: Open) -> None:
    debugger = debug(SUMS)
    assert debugger.run_to_line(10).line == 10
    assert debugger.run_back_to_line(2).line == 2
    assert shown(debugger)["b"] == "3"
    assert debugger.run_to_line(9).line == 10


def test_a_line_that_was_run_to_is_told_from_a_breakpoint(debug: Open) -> None:
    debugger = debug(SUMS)
    assert debugger.run_to_line(10).reason == "goto"
    assert debugger.run_back_to_line(2).reason == "goto"
    point = debugger.breakpoints.add_line("main.lua", 10)
    for move in (debugger.run_to_line, debugger.run_back_to_line):
        stop = move(10)
        assert (stop.reason, stop.breakpoints) == ("breakpoint", (point.id,))
        debugger.end()
    assert debugger.run_back_to_line(2).breakpoints == (point.id,)  # which comes first
    assert debugger.run_back_to_line(2).reason == "goto"


def test_the_end_of_a_failed_session_is_where_its_error_was_raised(debug: Open) -> None:
    debugger = debug("local function f(x)\n  return x.y.z\nend\nf({})\n", code=1)
    stop = debugger.end()
    assert stop.at_end
    assert stop.reason == "exception"
    assert stop.error == "main.lua:2: attempt to index a nil value (field 'y')"
    assert stop.line == 2
    assert shown(debugger) == {"x": "table {}"}
    assert debugger.step_in().at_end
    assert debugger.step_back().line == 2


def test_a_suspended_session_ends_where_it_waits(debug: Open) -> None:
    debugger = debug("local x = 1\nlocal y = Session.suspend()\nprint(x, y)\n", code=3)
    stop = debugger.end()
    assert stop.at_end
    assert (stop.reason, stop.line) == ("end", 2)
    assert shown(debugger)["x"] == "1"


def test_steps_stay_in_their_coroutine_until_it_ends(debug: Open) -> None:
    debugger = debug(
        """\
local co = coroutine.wrap(function()
  coroutine.yield(1)
  local inside = 2
  return inside
end)
local a = co()
local b = co()
print(a, b)
"""
    )
    debugger.run_to_line(2)
    assert debugger.stop.coroutine != 0
    assert [one.status for one in debugger.coroutines()] == ["normal", "running"]
    assert debugger.step_over().line == 3
    assert debugger.step_back_over().line == 2
    assert debugger.go_to(debugger.position).line == 2
    assert debugger.step_back_over().line == 6
    debugger.run_to_line(4)
    assert debugger.step_over().line == 8


OVERFLOWS = {
    "metamethod": """\
x = setmetatable({}, {__index = function(t, k)
  n = n + 1
  return t[k]
end})
function go()
  return x.y
end""",
    "callback": """\
function go()
  n = n + 1
  return (string.gsub('a', '.', go))
end""",
    "pcall": """\
function go()
  n = n + 1
  return select(-1, pcall(go))
end""",
    "handler": """\
function go()
  xpcall(error, function(e)
    n = n + 1
    error('again')
  end)
end""",
}


@pytest.mark.parametrize("kind", OVERFLOWS)
def test_where_c_s_stack_overflows_one_steps_as_far_as_there_is_room(
    debug: Open, kind: str
) -> None:
    debugger = debug(f"n = 0\n{OVERFLOWS[kind]}\nprint(pcall(go))\nprint(n)\n")
    printed = respell.session(debugger.session, store=debugger.store).output().split("\n")[:-1]
    forward = [debugger.position]
    while not debugger.step_in().at_end:
        forward.append(debugger.position)
    assert debugger.stop.reason == "end", "it does what was recorded"
    assert len(forward) > 250
    assert debugger.output() == printed
    for expected in forward[:-20:-1]:
        assert debugger.step_back().position == expected
    debugger.go_to(forward[250])
    assert len(debugger.stack()) > 100
    assert 100 < int(debugger.evaluate("n").values[0].text) <= int(printed[-1])
    assert sum(debugger.hit_counts().values()) == len(forward)


def test_what_nobody_catches_is_told_where_c_s_stack_overflows_too(debug: Open) -> None:
    text = f"n = 0\n{OVERFLOWS['metamethod']}\nprint('x')\ngo()\n"
    debugger = debug(text, code=1)
    assert (debugger.session.error or {})["message"] == "main.lua:4: C stack overflow"
    stop = debugger.end()
    assert (stop.reason, stop.error) == ("exception", "main.lua:4: C stack overflow")
    assert debugger.step_back().line in (3, 4)
    assert int(debugger.evaluate("n").values[0].text) > 100
    assert debugger.step_out().at_end
    assert debugger.reverse_continue().reason == "entry"


# Breakpoints -----------------------------------------------------------------------------


def test_a_line_without_code_has_its_breakpoint_at_the_next_with_code(debug: Open) -> None:
    debugger = debug("-- one\n\nlocal x = 1\nprint(x)\n")
    point = debugger.breakpoints.add_line("main.lua", 1)
    assert (point.line, point.asked_line) == (3, 1)
    assert "line 1 has no code" in point.describe()
    with pytest.raises(
        UsageError, match="no code at or after line 9; its last line with code is 4"
    ):
        debugger.breakpoints.add_line("main.lua", 9)
    with pytest.raises(UsageError, match=r"no source other.lua; it ran main.lua"):
        debugger.breakpoints.add_line("other.lua", 1)


def test_a_breakpoint_stops_in_both_directions(debug: Open) -> None:
    debugger = debug(SUMS)
    point = debugger.breakpoints.add_line("main.lua", 3)
    forward = [str(debugger.continue_().position) for _ in range(3)]
    assert debugger.stop.breakpoints == (point.id,)
    assert debugger.continue_().at_end
    debugger.go_to("6+1")
    backward = [str(debugger.reverse_continue().position) for _ in range(3)]
    assert backward == list(reversed(forward))
    assert debugger.reverse_continue().reason == "entry"


@pytest.mark.parametrize("condition", ["b == 2", "string.format('%d', b) == '2'", "twice(b) == 4"])
def test_a_condition_decides_and_leaves_no_trace(debug: Open, condition: str) -> None:
    text = "calls = 0\nfunction twice(x) calls = calls + 1 return 2 * x end\n" + SUMS
    debugger = debug(text + "print(calls)\n")
    debugger.breakpoints.add_line("main.lua", 5, condition=condition)
    assert shown_after(debugger.continue_, debugger)["b"] == "2"
    assert debugger.continue_().at_end
    assert debugger.output()[-1] == "0"
    debugger.go_to("5+1")
    assert shown_after(debugger.reverse_continue, debugger)["b"] == "2"


def shown_after(move: Callable[[], object], debugger: Debugger) -> dict[str, str]:
    """Return the locals after a move."""
    move()
    return shown(debugger)


def test_hits_are_counted_from_the_start_whichever_way_one_comes(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.breakpoints.add_line("main.lua", 2, hits="2")
    assert shown_after(debugger.continue_, debugger)["b"] == "2"
    assert debugger.continue_().at_end
    debugger.go_to("5+1")
    assert shown_after(debugger.reverse_continue, debugger)["b"] == "2"
    with pytest.raises(UsageError, match="which hits count"):
        debugger.breakpoints.add_line("main.lua", 2, hits="often")


def test_a_log_point_writes_and_goes_on(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.breakpoints.add_line("main.lua", 8, log="now {total} of {add(1, 1)}")
    stop = debugger.continue_()
    assert stop.at_end
    assert [one.text for one in stop.logs] == ["now 1 of 2", "now 3 of 2", "now 6 of 2"]
    assert str(stop.logs[0].position) == "1+7"


def test_functions_errors_and_effects_have_breakpoints(debug: Open) -> None:
    debugger = debug(SUMS + "pcall(error, 'caught')\nerror('not caught')\n", code=1)
    function = debugger.breakpoints.add_function("add")
    stop = debugger.continue_()
    assert (stop.reason, stop.line, stop.breakpoints) == ("function breakpoint", 2, (function.id,))
    debugger.breakpoints.remove(function.id)
    effect = debugger.breakpoints.add_effect("state.*")
    stop = debugger.continue_()
    assert (stop.reason, stop.line, stop.breakpoints) == ("breakpoint", 10, (effect.id,))
    debugger.breakpoints.add_error(caught=True)
    stop = debugger.continue_()
    assert (stop.reason, stop.line, stop.error) == ("exception", 12, "caught")
    stop = debugger.continue_()
    assert (stop.line, stop.error) == (13, "main.lua:13: not caught")
    debugger.end()
    assert [debugger.reverse_continue().line for _ in range(3)] == [13, 12, 10]


def test_modules_have_breakpoints_too(debug: Open, tmp_path: Path) -> None:
    (tmp_path / "double.lua").write_text(
        "local M = {}\nfunction M.f(a)\n  return a * 2\nend\nreturn M"
    )
    debugger = debug('local double = require("double")\nprint(double.f(2))\n')
    line = debugger.breakpoints.add_line("double.lua", 3)
    function = debugger.breakpoints.add_function("f")
    stop = debugger.continue_()
    assert (stop.source, stop.line) == ("double.lua", 3)
    assert stop.breakpoints == (function.id, line.id)
    assert debugger.continue_().at_end
    with pytest.raises(UsageError, match="no function of the script runs here"):
        debugger.variables()
    with pytest.raises(UsageError, match=r"no function g; those it gives a name to are M\.f"):
        debugger.breakpoints.add_function("g")


def test_an_answer_that_comes_late_has_its_place_where_it_comes(debug: Open) -> None:
    debugger = debug(
        """\
local function branch(delay, word)
  Utils.sleep(delay)
  local said = word
  print(said)
end
Workflow.parallel({ name = "both", branches = {
  function() branch(0.05, "slow") end,
  function() branch(0.01, "quick") end,
} }):execute()
"""
    )
    debugger.breakpoints.add_effect("timer.sleep")
    forward = []
    while not debugger.continue_().at_end:
        forward.append((str(debugger.position), debugger.evaluate("word").values[0].text))
    assert [word for _, word in forward] == ['"quick"', '"slow"']
    back = []
    while debugger._trail.clear() or debugger.reverse_continue().reason != "entry":
        back.append((str(debugger.position), debugger.evaluate("word").values[0].text))
    assert back == list(reversed(forward))


def test_an_effect_is_chosen_by_what_was_recorded(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.breakpoints.add_effect("output.*", where=lambda event: "6" in event.args["text"])
    stop = debugger.continue_()
    assert str(stop.position) == "4+0"
    assert debugger.continue_().at_end
    assert str(debugger.reverse_continue().position) == "4+0"


def test_breakpoints_and_bookmarks_are_kept_in_the_store(debug: Open, store: Store) -> None:
    debugger = debug(SUMS)
    debugger.breakpoints.add_line("main.lua", 3, condition="b > 1")
    debugger.breakpoints.add_effect("state.*", text="total")
    debugger.go_to("3+2")
    debugger.bookmark("here", "odd")
    with Debugger.open(debugger.session.id, store=store) as again:
        assert [point.describe() for point in again.breakpoints.list()] == [
            "main.lua:3 if b > 1", "effect state.* with 'total'",
        ]  # fmt: skip
        assert again.bookmarks()[0].to_json() == {
            "name": "here", "position": "3+2", "note": "odd",
        }  # fmt: skip
        again.delete_bookmark("here")
        with pytest.raises(NotFound, match="no bookmark 'here'"):
            again.delete_bookmark("here")
        kept = again.breakpoints.add_line("main.lua", 3, condition="b > 1")
        assert (kept.id, len(again.breakpoints.list())) == (1, 2)
    assert store.history.verify(debugger.session.key) == debugger.session.records


@pytest.mark.parametrize("name", ["", " ", " a", "a\nb", "\x1b[2J", "x" * 256])
def test_a_bookmark_needs_a_name_that_can_be_typed(debug: Open, name: str) -> None:
    debugger = debug(SUMS)
    with pytest.raises(UsageError, match="1 to 255 characters in one line"):
        debugger.bookmark(name)
    assert debugger.bookmarks() == []


@pytest.mark.parametrize("name", ["start", "end", "12", "12+340", "50%", "1.5 %"])
def test_a_bookmark_hides_no_position(debug: Open, name: str) -> None:
    debugger = debug(SUMS)
    with pytest.raises(UsageError, match="is a position already"):
        debugger.bookmark(name)
    assert debugger.bookmarks() == []


def test_frames_are_counted_from_0(debug: Open) -> None:
    debugger = debug(SUMS)
    for wrong in ({"first": -1}, {"count": -1}):
        with pytest.raises(UsageError, match="frames are counted from 0, not -1"):
            debugger.stack(**wrong)
    assert debugger.stack(count=0) == []


def test_a_debugger_that_was_closed_says_so(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.close()
    for use in (
        Debugger.step_in, Debugger.end, Debugger.step_back, Debugger.stack, Debugger.globals,
        Debugger.hit_counts, lambda one: one.evaluate("1"), lambda one: one.last_change("total"),
        lambda one: one.set_variable("total", "1"), lambda one: list(one.play()),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="the debugger is closed"):
            use(debugger)
    debugger.cancel()
    assert debugger.stop.reason == "entry"


def test_a_computation_that_is_cancelled_keeps_nobody_from_looking(debug: Open) -> None:
    debugger = debug(SUMS)
    begun = Timer(0.05, debugger.cancel)
    begun.start()
    assert debugger.evaluate("(function() while true do end end)()").error == "it was cancelled"
    begun.join()
    assert debugger.variables().locals is not None
    assert debugger.step_in().reason == "step"


def test_cancelled_before_it_begins_to_compute_it_is_cancelled_as_well(
    debug: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    debugger = debug(SUMS)
    throw_away = Execution.throw_away

    def cancelled_meanwhile(execution: Execution, worker: Any) -> Any:
        debugger.cancel()
        return throw_away(execution, worker)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Execution, "throw_away", cancelled_meanwhile)
        assert debugger.evaluate("1 + 1").error == "it was cancelled"
    assert debugger.evaluate("1 + 1").error is None
    assert debugger.step_in().reason == "step"


# Looking ---------------------------------------------------------------------------------


def test_values_are_shown_as_they_are_cycles_and_metatables_too(debug: Open) -> None:
    debugger = debug(
        """\
local function f(...)
  local t = setmetatable({ 1, 2, name = "x" }, { __index = function() error("run") end })
  t.self = t
  local big = {}
  for i = 1, 250 do big[i] = i * i end
  local s = "tab\\t\\0"
  made = true
  return t, big, s
end
f("a", nil)
"""
    )
    debugger.run_to_line(8)
    seen = debugger.variables()
    values = {one.name: one.value for one in seen.locals}
    assert [one.value.text for one in seen.varargs] == ['"a"', "nil"]
    assert values["s"].text == '"tab\\t\\u{0}"'
    assert values["t"].has_metatable
    entries, count, meta = debugger.children(values["t"])
    assert [one.name for one in entries] == ["[1]", "[2]", "name", "self"]
    assert count == 4
    assert meta is not None
    assert [one.name for one in debugger.children(meta)[0]] == ["__index"]
    assert debugger.children(entries[3].value)[1] == 4
    page, count, _ = debugger.children(values["big"], first=240, count=100)
    assert (count, page[-1].value.text) == (250, "62500")
    changed, gone = debugger.globals()
    assert ([one.name for one in changed], gone) == (["made"], [])


def test_evaluating_leaves_no_trace(debug: Open, store: Store) -> None:
    debugger = debug(SUMS)
    debugger.go_to("3+3")
    before = store.history.hash_at(debugger.session.key, debugger.session.records)
    assert [one.text for one in debugger.evaluate("a + b, a").values] == ["6", "3"]
    assert debugger.evaluate("a = 100 print(a)").output == ["100"]
    assert debugger.evaluate("total * 2", 1).values[0].text == "6"
    assert debugger.evaluate("nothing.x").error == "attempt to index a nil value (global 'nothing')"
    refused = debugger.evaluate("State.set('x', 1)").error
    assert refused is not None
    assert "would cause state.set" in refused
    assert debugger.evaluate("while true do end", timeout_s=0.2).error == (
        "it did not end within 0.2 s"
    )
    assert debugger.evaluate("a b").error is not None
    assert shown(debugger) == {"a": "3", "b": "3"}
    assert debugger.step_over().line == 3
    assert shown(debugger)["sum"] == "6"
    assert store.history.hash_at(debugger.session.key, debugger.session.records) == before


def test_output_state_and_artifacts_are_those_of_then(debug: Open) -> None:
    debugger = debug(SUMS + "Artifact.store(Session.getCurrent(), 'n.txt', 'x')\nprint('end')\n")
    debugger.go_to(4)
    assert debugger.output() == ["total\t1", "total\t3", "total\t6"]
    assert debugger.state() == {}
    debugger.go_to(6)
    assert list(debugger.state().values()) == [{"total": 6}]
    assert debugger.artifacts() == []
    debugger.end()
    assert [one["name"] for one in debugger.artifacts()] == ["n.txt"]


def test_an_artifact_that_was_deleted_by_then_is_told_from_those_that_were_there(
    debug: Open, store: Store
) -> None:
    text = """\
local first = Artifact.store(nil, 'n.txt', 'x')
local second = Artifact.store(nil, 'n.txt', 'y')
Artifact.delete(nil, first)
pcall(Artifact.delete, nil, first)
print(#Artifact.list())
"""

    def told(debugger: Debugger) -> list[tuple[int, int | None]]:
        return [(one["version"], one["deleted"]) for one in debugger.artifacts()]

    debugger = debug(text)
    for event, expected in ((3, [(1, None), (2, None)]), (4, [(1, 4), (2, None)])):
        debugger.go_to(event)
        assert told(debugger) == expected
    debugger.end()
    assert told(debugger) == [(1, 4), (2, None)]
    debugger.go_to(3)
    forked = debugger.fork()
    with Debugger.open(respell.resume(forked, store=store).session, store=store) as other:
        assert other.end().at_end
        assert told(other)[0] == (1, 5)


def test_the_last_change_of_a_value_is_found_and_what_came_before_it(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.go_to("5+1")
    change = debugger.last_change("total")
    assert change is not None
    assert (change.old.text, change.new.text, str(change.position)) == ("3", "6", "3+5")
    assert change.event is not None
    assert (change.event.number, change.event.name) == (3, "output.line")
    debugger.go_to("3+4")
    earlier = debugger.last_change("total", 1)
    assert earlier is not None
    assert (earlier.old.text, earlier.new.text) == ("1", "3")
    assert str(debugger.position) == "3+4"
    debugger.start()
    assert debugger.last_change("total") is None
    with pytest.raises(UsageError, match="can't be followed"):
        debugger.last_change("total + 1")


def test_a_change_is_of_the_line_that_made_it_not_of_what_that_line_called(debug: Open) -> None:
    debugger = debug(
        "local function same(n)\n  local m = n\n  return m\nend\n"
        "local sum, calls = 0, 0\n"
        "local function count()\n  calls = calls + 1\nend\n"
        "for i = 1, 3 do\n  sum = sum + same(i)\nend\n"
        "count()\nprint(sum, calls)\n"
    )
    debugger.run_to_line(13)
    sum_changed, calls_changed = debugger.last_change("sum"), debugger.last_change("calls")
    assert sum_changed is not None
    assert (sum_changed.line, sum_changed.old.text, sum_changed.new.text) == (10, "3", "6")
    assert calls_changed is not None
    assert calls_changed.line in (7, 8), "what a function inside of it did is of that one's lines"


def test_fields_and_globals_have_last_changes_too(debug: Open) -> None:
    debugger = debug("t = { list = { 1 } }\nlocal u = t\nu.list[1] = 5\nprint(1)\nprint(2)\n")
    debugger.end()
    change = debugger.last_change("t.list[1]")
    assert change is not None
    assert (change.line, change.old.text, change.new.text) == (3, "1", "5")


# Around it -------------------------------------------------------------------------------


def test_a_move_can_be_cancelled_and_leaves_one_where_one_was(debug: Open) -> None:
    debugger = debug("local n = 0\nfor i = 1, 300000 do n = n + i end\nprint(n)\n")
    debugger.step_over()
    told: list[float] = []

    def cancel(seconds: float) -> None:
        told.append(seconds)
        debugger.cancel()

    debugger._execution.on_wait = cancel
    debugger.breakpoints.add_line("main.lua", 2, condition="tostring(n) == 'never'")
    stop = debugger.continue_()
    assert (stop.reason, str(stop.position)) == ("cancelled", "1+2")
    assert told
    assert debugger.step_over().line == 2


def test_the_debugger_is_usable_from_asyncio(script: Any, store: Store) -> None:
    session = script(SUMS).session

    async def story() -> list[int]:
        async with await AsyncDebugger.open(session.id, store=store) as debugger:
            found = [(await debugger.call(Debugger.step_over)).line for _ in range(3)]
            await debugger.call(Debugger.go_to, "3+2")
            assert str(debugger.position) == "3+2"
            with pytest.raises(UsageError, match="takes a method of Debugger"):
                await debugger.call(len)  # type: ignore[arg-type]
            return found

    assert asyncio.run(story()) == [5, 6, 7]


# Far out in the stack ----------------------------------------------------------------------

DIVES = """\
local function fails(n)
  if n == 0 then
    error("up")
  end
  return fails(n - 1) + 1
end
local gate = coroutine.wrap(function(v)
  while true do
    v = coroutine.yield(v)
  end
end)
local function dive(k)
  if k == 20 or k == 0 then
    error("from " .. k)
  end
  if k == 90 or k == 91 then
    local ok = pcall(dive, k - 1)
    return gate(ok and 1 or 2)
  end
  local below = dive(k - 1)
  pcall(fails, 3)
  return below + 1
end
print(dive(220))
"""


@pytest.mark.parametrize("depth", [100, 92, 91, 90, 80])
@pytest.mark.parametrize("move", [Debugger.step_out, Debugger.step_over])
def test_a_step_from_far_in_ends_where_single_steps_say(
    debug: Open, depth: int, move: Callable[[Debugger], Stop]
) -> None:
    """Errors end many functions at once there, caught by some further out."""
    debugger = debug(DIVES)
    debugger.breakpoints.add_line("main.lua", 16, condition=f"k == {depth}")
    debugger.continue_()
    debugger.step_over()  # to the line that goes further in
    before, frames = debugger.position, len(debugger.stack())
    assert frames > 64
    stop = move(debugger)
    debugger.go_to(before)
    wanted = frames - 1 if move is Debugger.step_out else frames
    while True:
        one = debugger.step_in()
        if one.at_end or (not one.coroutine and len(debugger.stack()) <= wanted):
            break
    assert (stop.position, stop.line) == (one.position, one.line)
