"""An editor goes through a session that ran, over the Debug Adapter Protocol."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import respell
from dap_client import Dap, adapter
from respell.store import Store

SUMS = """\
local function add(a, b, ...)
  local sum = a + b
  return sum
end
local total = 0
for i = 1, 3 do
  total = add(total, add(i, 0))
  print("total", total)
end

local t = {10, 20, 30, name = "n", ["odd key"] = true}
t.self = t
setmetatable(t, {__index = {inherited = 1}})
local long = ("x"):rep(3000)
State.set("total", total)
io.stderr:write("careful\\n")
print(t.name, #long, string.format("%d", total))
"""

FAILS = """\
local function risky(n)
  error({ code = n })
end
print(pcall(risky, 1))
local ok = pcall(function() Tool.invoke("no_such_tool", {}) end)
risky(2)
"""

CHUNKS = """\
local function render(text, data)
  return load(text, "=template")(data)
end
print(render("local d = ...\\nlocal s = d .. '!'\\nreturn s", "one"))
print(render("local d = ...\\nlocal t = d .. '?'\\nreturn t", "two"))
"""

COROUTINES = """\
local function gen(n)
  for i = 1, n do
    coroutine.yield(i * 10)
  end
end
local a = coroutine.create(gen)
print(coroutine.resume(a, 2))
print(coroutine.resume(a))
print(coroutine.resume(a))
print("over")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Some sessions, recorded once: their ids, and the folder of their scripts."""
    folder = tmp_path_factory.mktemp("ran")
    found = {}
    with Store(folder / "store", durability="process") as store:
        for name, text in (("sums", SUMS), ("fails", FAILS), ("coroutines", COROUTINES),
                           ("chunks", CHUNKS)):  # fmt: skip
            script = folder / f"{name}.lua"
            script.write_text(text)
            found[name] = respell.run(script, store=store).session.id
    return SimpleNamespace(folder=folder, store=folder / "store", **found)


@pytest.fixture
def dap(ran: Any) -> Iterator[Dap]:
    with adapter(ran.store) as client:
        yield client


def source(ran: Any, name: str = "sums") -> dict[str, str]:
    return {"path": str(ran.folder / f"{name}.lua")}


# Beginning and ending ----------------------------------------------------------------------


def test_it_begins_before_the_first_line_and_ends_with_disconnect(dap: Dap, ran: Any) -> None:
    capabilities = dap.begin()
    assert capabilities["supportsStepBack"] is True
    dap.ask("launch", session=ran.sums)
    process = dap.event("process")
    assert process["startMethod"] == "launch"
    assert ran.sums[:8] in process["name"]
    dap.event("initialized")
    stop = dap.configured()
    assert (stop["reason"], stop["threadId"], stop["allThreadsStopped"]) == ("entry", 1, True)
    assert dap.line() == 4
    dap.ask("disconnect")
    dap.until_it_ends()


def test_it_can_begin_at_the_end_at_a_position_and_at_a_percentage(ran: Any) -> None:
    for at, reason, position in (("end", "entry", 17), ("2+3", "entry", 2), ("100%", "entry", 17)):
        with adapter(ran.store) as dap:
            stop = dap.launch(ran.sums, at=at)
            assert stop["reason"] == reason
            line = dap.stack()[0]["line"]
            assert line in (position, 0), at


def test_without_stop_on_entry_it_goes_to_the_first_breakpoint(dap: Dap, ran: Any) -> None:
    dap.begin()
    dap.ask("launch", session=ran.sums, stopOnEntry=False)
    dap.event("initialized")
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    assert dap.configured()["reason"] == "breakpoint"
    assert dap.line() == 8


def test_at_the_end_it_stands_still_and_one_goes_back(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    stop = dap.move("continue")
    assert stop["reason"] == "end"
    assert "completed" in stop["description"]
    (label,) = dap.stack()
    assert label["presentationHint"] == "subtle"
    assert "Session state" in [
        one["name"] for one in dap.ask("scopes", frameId=label["id"])["scopes"]
    ]
    dap.move("stepBack")
    assert dap.line() == 17


def test_where_it_is_not_to_stand_still_it_says_how_the_session_ended(ran: Any) -> None:
    for session, code in ((ran.sums, 0), (ran.fails, 1)):
        with adapter(ran.store) as dap:
            dap.begin()
            dap.ask("launch", session=session, noDebug=True)
            dap.event("initialized")
            dap.ask("configurationDone")
            assert dap.event("exited") == {"exitCode": code}
            dap.event("terminated")


def test_restart_begins_anew_with_the_same_breakpoints(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    dap.move("continue")
    first = dap.output()
    dap.ask("restart")
    assert dap.stopped()["reason"] == "entry"
    assert dap.seen("breakpoint")[0]["breakpoint"]["verified"] is True
    dap.move("continue")
    assert dap.line() == 8
    assert dap.output() == first


def test_terminate_tells_that_it_is_over_and_leaves_the_session(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("terminate")
    dap.event("terminated")


def test_attach_opens_a_session_as_well(dap: Dap, ran: Any) -> None:
    dap.begin()
    dap.ask("attach", session=ran.sums)
    dap.event("initialized")
    assert dap.configured()["reason"] == "entry"


def test_a_field_that_nobody_knows_is_told(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums, stopOnEnty=True, __sessionId="1", type="respell")
    assert "does not know stopOnEnty;" in dap.output("important")


def test_a_session_that_there_is_not_is_refused_and_another_one_can_be_launched(
    dap: Dap, ran: Any
) -> None:
    dap.begin()
    assert "no session" in dap.refused("launch", session="ffffffff")
    assert "needs `session`" in dap.refused("launch")
    dap.ask("launch", session=ran.sums)
    assert "open already" in dap.refused("launch", session=ran.sums)


# Moves --------------------------------------------------------------------------------------


def test_steps_go_both_ways(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    lines = []
    for command in ("next",) * 3 + ("stepIn", "stepOut", "next", "stepBack", "stepBack"):
        dap.move(command)
        lines.append(dap.line())
    assert lines == [5, 6, 7, 2, 8, 6, 8, 7]


def test_the_smallest_step_goes_into_functions_whichever_way(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    dap.move("continue")
    dap.move("stepBack", granularity="instruction")
    assert dap.line() == 3
    dap.move("next", granularity="instruction")
    assert dap.line() == 8


def test_continuing_goes_back_as_well(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    (point,) = dap.ask(
        "setBreakpoints", source=source(ran), breakpoints=[{"line": 8, "condition": "total > 1"}]
    )["breakpoints"]
    assert dap.move("continue")["hitBreakpointIds"] == [point["id"]]
    assert dap.values()["total"] == "3"
    dap.move("continue")
    assert dap.values()["total"] == "6"
    dap.move("reverseContinue")
    assert dap.values()["total"] == "3"
    assert dap.move("reverseContinue")["reason"] == "entry"


def test_one_steps_into_the_call_that_one_means(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 7}])
    dap.move("continue")
    inner, outer = dap.ask("stepInTargets", frameId=dap.frame())["targets"]
    assert inner["label"] == outer["label"] == "add (sums.lua:1)"
    dap.move("stepIn", targetId=outer["id"])
    assert (dap.line(), dap.values()["a"], dap.values()["b"]) == (2, "0", "1")
    assert "none of this place" in dap.refused("stepIn", threadId=1, targetId=inner["id"])


def test_one_goes_to_a_time_of_a_line_and_to_an_event(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    targets = dap.ask("gotoTargets", source=source(ran), line=8)["targets"]
    assert [one["label"] for one in targets[:3]] == [
        "line 8, the next time, or the end", "line 8, the last time before, or the start",
        "event 2 output.line",
    ]  # fmt: skip
    assert dap.move("goto", targetId=targets[0]["id"])["reason"] == "goto"
    assert (dap.line(), dap.values()["total"]) == (8, "1")
    targets = dap.ask("gotoTargets", source=source(ran), line=8)["targets"]
    dap.move("goto", targetId=targets[3]["id"])
    assert dap.scope("Event")["number"]["value"] == "3"


def test_a_frame_is_restarted_by_going_back_to_its_first_line(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 3}])
    dap.move("continue")
    dap.ask("restartFrame", frameId=dap.frame())
    assert dap.stopped()["reason"] == "restart"
    assert dap.line() == 2
    dap.ask("restartFrame", frameId=dap.frame(1))
    dap.stopped()
    assert dap.line() == 4


def test_a_thread_that_does_not_run_is_not_stepped(dap: Dap, ran: Any) -> None:
    dap.launch(ran.coroutines)
    dap.ask("setBreakpoints", source=source(ran, "coroutines"), breakpoints=[{"line": 8}])
    dap.move("continue")
    (started,) = dap.seen("thread")
    assert started["reason"] == "started"
    other = started["threadId"]
    names = {one["id"]: one["name"] for one in dap.ask("threads")["threads"]}
    assert names == {1: "main", other: f"coroutine {other - 1}"}
    assert "does not run here" in dap.refused("next", threadId=other)
    assert "no thread 99" in dap.refused("continue", threadId=99)
    assert dap.stack(threadId=other)[0]["line"] == 3


def test_coroutines_are_threads_that_start_and_exit_with_time(dap: Dap, ran: Any) -> None:
    dap.launch(ran.coroutines)
    dap.ask("setBreakpoints", source=source(ran, "coroutines"), breakpoints=[{"line": 3}])
    stop = dap.move("continue")
    assert stop["threadId"] != 1
    assert dap.values() == {"n": "2", "i": "1"}
    assert len(dap.stack(threadId=1)) == 1
    dap.seen("thread")
    dap.move("reverseContinue")
    assert dap.event("thread", reason="exited")["threadId"] == stop["threadId"]


# Breakpoints --------------------------------------------------------------------------------


def test_breakpoints_are_verified_moved_or_refused_each_with_its_reason(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    points = dap.ask(
        "setBreakpoints", source=source(ran),
        breakpoints=[
            {"line": 8}, {"line": 10}, {"line": 999}, {"line": 8, "condition": "total >"},
            {"line": 8, "hitCondition": "often"}, {"line": 8, "logMessage": "{total"},
        ],
    )["breakpoints"]  # fmt: skip
    assert [one["verified"] for one in points] == [True, True, False, False, False, False]
    assert (points[1]["line"], points[1]["message"]) == (
        11, "moved to line 11, the next one with code",
    )  # fmt: skip
    for one, words in zip(points[2:], ("no code at or after", "no Lua expression", "hits count",
                                       "without its }"), strict=True):  # fmt: skip
        assert words in one["message"]
    other = dap.ask("setBreakpoints", source={"path": "/nowhere/x.lua"}, breakpoints=[{"line": 1}])
    assert "has no source" in other["breakpoints"][0]["message"]


def test_what_is_set_replaces_what_was_set_and_the_same_keeps_its_number(
    dap: Dap, ran: Any
) -> None:
    dap.launch(ran.sums)
    first = dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 7}, {"line": 8}])[
        "breakpoints"
    ]
    second = dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    assert second["breakpoints"][0]["id"] == first[1]["id"]
    dap.move("continue")
    assert dap.line() == 8
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[])
    assert dap.move("continue")["reason"] == "end"


def test_hit_conditions_and_log_points(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask(
        "setBreakpoints", source=source(ran),
        breakpoints=[
            {"line": 8, "hitCondition": "3"}, {"line": 7, "logMessage": "i={i} of {total}"},
        ],
    )  # fmt: skip
    dap.move("continue")
    assert dap.values()["i"] == "3"
    assert dap.output("console") == "i=1 of 0\ni=2 of 1\ni=3 of 3\n"


def test_functions_and_effects_are_breakpoints_by_name(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    points = dap.ask(
        "setFunctionBreakpoints",
        breakpoints=[
            {"name": "add", "condition": "a == 3"}, {"name": "effect state.*"},
            {"name": "nobody"}, {"name": "artifact x", "condition": "true"},
        ],
    )["breakpoints"]  # fmt: skip
    assert [one["verified"] for one in points] == [True, True, False, False]
    assert points[0]["line"] == 1
    assert dap.move("continue")["reason"] == "function breakpoint"
    assert dap.values()["a"] == "3"
    dap.move("continue")
    assert dap.move("continue")["hitBreakpointIds"] == [points[1]["id"]]
    assert dap.scope("Event")["name"]["value"] == '"state.set"'


def test_changes_of_a_variable_stop_it_both_ways(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 7}])
    dap.move("continue")
    scopes = dap.ask("scopes", frameId=dap.frame())["scopes"]
    info = dap.ask(
        "dataBreakpointInfo", variablesReference=scopes[0]["variablesReference"], name="total"
    )
    assert (info["accessTypes"], info["description"]) == (["write"], "total (local)")
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[])
    points = dap.ask(
        "setDataBreakpoints",
        breakpoints=[{"dataId": info["dataId"], "accessType": "write"}, {"dataId": "other"}],
    )["breakpoints"]
    assert [one["verified"] for one in points] == [True, False]
    stop = dap.move("continue")
    assert (stop["reason"], stop["text"]) == ("data breakpoint", "total: 0 → 1")
    assert stop["hitBreakpointIds"] == [points[0]["id"]]
    dap.move("continue")
    assert dap.values()["total"] == "3"
    dap.move("reverseContinue")
    assert dap.values()["total"] == "1"
    dap.ask(
        "setDataBreakpoints", breakpoints=[{"dataId": info["dataId"], "condition": "total > 5"}]
    )
    dap.move("continue")
    assert dap.values()["total"] == "6"
    nothing = dap.ask("dataBreakpointInfo", name="total + 1", frameId=dap.frame())
    assert (nothing["dataId"], "can't be followed" in nothing["description"]) == (None, True)


def test_only_lines_with_code_are_places_for_breakpoints(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    found = dap.ask("breakpointLocations", source=source(ran), line=7, endLine=12)
    assert [one["line"] for one in found["breakpoints"]] == [7, 8, 11, 12]
    nothing = dap.ask("breakpointLocations", source={"path": "/nowhere/x.lua"}, line=1)
    assert nothing["breakpoints"] == []


def test_errors_stop_it_caught_or_not_and_tell_what_they_are(dap: Dap, ran: Any) -> None:
    dap.launch(ran.fails)
    dap.ask("setExceptionBreakpoints", filters=["caught"])
    stop = dap.move("continue")
    assert (stop["reason"], dap.line()) == ("exception", 2)
    info = dap.ask("exceptionInfo", threadId=1)
    assert info["breakMode"] == "always"
    assert "fails.lua:2: in function <fails.lua:1>" in info["details"]["stackTrace"]
    dap.ask("setExceptionBreakpoints", filters=["uncaught"])
    dap.move("continue")
    assert dap.line() == 2
    assert dap.ask("exceptionInfo", threadId=1)["breakMode"] == "unhandled"
    assert len(dap.stack()) == 2
    dap.move("stepOut")
    dap.move("reverseContinue")
    assert "no filter 'all'" in dap.refused("setExceptionBreakpoints", filters=["all"])


def test_a_filter_stops_at_effects_that_failed_by_name(dap: Dap, ran: Any) -> None:
    dap.launch(ran.fails)
    dap.ask(
        "setExceptionBreakpoints", filters=[],
        filterOptions=[{"filterId": "effect", "condition": "name == 'tool.invoke'"}],
    )  # fmt: skip
    dap.move("continue")
    assert dap.scope("Event")["name"]["value"] == '"tool.invoke"'
    dap.ask(
        "setExceptionBreakpoints", filters=[],
        filterOptions=[{"filterId": "effect", "condition": "name == 'agent.request'"}],
    )  # fmt: skip
    assert dap.move("reverseContinue")["reason"] == "entry"


def test_without_a_stop_at_an_error_there_is_no_information(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    assert "has not stopped at an error" in dap.refused("exceptionInfo", threadId=1)


# Looking ------------------------------------------------------------------------------------


@pytest.fixture
def late(dap: Dap, ran: Any) -> Dap:
    """Before the last line of the sums, where all variables are."""
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 17}])
    dap.move("continue")
    return dap


def test_frames_tell_their_parameters_where_that_is_asked_for(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "add"}])
    dap.move("continue")
    plain, main = dap.stack()
    assert (plain["name"], main["name"]) == ("add", "main chunk")
    assert plain["source"]["path"] == str(ran.folder / "sums.lua")
    shape = {"parameters": True, "parameterNames": True, "parameterValues": True,
             "parameterTypes": True, "line": True, "module": True, "hex": True}  # fmt: skip
    assert dap.stack(format=shape)[0]["name"] == (
        "sums.lua!add(a integer = 0x1, b integer = 0x0, ...) line 2"
    )


def test_stacks_come_in_pages(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "add"}])
    dap.move("continue")
    first = dap.ask("stackTrace", threadId=1, startFrame=0, levels=1)
    assert [one["name"] for one in first["stackFrames"]] == ["add"]
    assert "totalFrames" not in first
    rest = dap.ask("stackTrace", threadId=1, startFrame=1, levels=20)
    assert ([one["name"] for one in rest["stackFrames"]], rest["totalFrames"]) == (
        ["main chunk"], 2,
    )  # fmt: skip


def test_tables_come_in_pages_and_may_hold_themselves(late: Dap) -> None:
    table = late.scope("Locals")["t"]
    assert (table["indexedVariables"], table["namedVariables"]) == (3, 4)
    reference = table["variablesReference"]
    items = late.inside(reference, filter="indexed", start=1, count=1)
    assert {name: one["value"] for name, one in items.items()} == {"[2]": "20"}
    named = late.inside(reference, filter="named")
    assert list(named) == ["name", '["odd key"]', "self", "(metatable)"]
    assert named['["odd key"]']["evaluateName"] == 't["odd key"]'
    again = late.inside(named["self"]["variablesReference"])
    assert list(again) == ["[1]", "[2]", "[3]", "name", '["odd key"]', "self", "(metatable)"]
    assert late.evaluate(again["[1]"]["evaluateName"])["result"] == "10"


def test_integers_are_shown_in_base_16_where_that_is_asked_for(late: Dap) -> None:
    table = late.scope("Locals")["t"]["variablesReference"]
    items = late.inside(table, filter="indexed", format={"hex": True})
    assert items["[3]"]["value"] == "0x1e"
    assert late.evaluate("-17", format={"hex": True})["result"] == "-0x11"


def test_the_session_is_looked_at_as_it_was_then(late: Dap) -> None:
    (state,) = late.scope("Session state").values()
    assert late.inside(state["variablesReference"])["total"]["value"] == "6"
    event = late.scope("Event")
    assert event["name"]["value"] == '"output.error"'
    late.ask("setBreakpoints", source={"path": "sums.lua"}, breakpoints=[])
    late.move("reverseContinue")
    assert list(late.scope("Session state")) == ["(none)"]


def test_a_string_is_read_as_bytes(late: Dap) -> None:
    reference = late.scope("Locals")["long"]["memoryReference"]
    read = late.ask("readMemory", memoryReference=reference, offset=2990, count=20)
    assert base64.b64decode(read["data"]) == b"x" * 10
    assert (read["address"], read["unreadableBytes"]) == ("2990", 10)


def test_a_function_tells_where_it_begins(late: Dap, ran: Any) -> None:
    reference = late.scope("Locals")["add"]["valueLocationReference"]
    place = late.ask("locations", locationReference=reference)
    assert (place["line"], place["source"]["path"]) == (1, source(ran)["path"])


def test_expressions_are_evaluated_without_a_trace(late: Dap) -> None:
    assert late.evaluate("total * 2")["result"] == "12"
    made = late.evaluate("{add(1, 2), t}")
    inside = late.inside(made["variablesReference"])
    assert inside["[1]"]["value"] == "3"
    assert late.inside(inside["[2]"]["variablesReference"])["name"]["value"] == '"n"'
    late.evaluate("total = 99", "repl")
    assert late.evaluate("total")["result"] == "6"
    late.output()
    assert late.evaluate("print('hello') return 1, nil", "repl")["result"] == "1, nil"
    assert late.output() == "hello\n"


def test_what_would_be_an_effect_or_is_wrong_is_refused(late: Dap) -> None:
    frame = late.frame()
    for text, words in (
        ("State.set('x', 1)", "performs no effects"), ("nothing.x", "nil value"),
        ("total +", "near <eof>"),
    ):  # fmt: skip
        assert words in late.refused("evaluate", expression=text, frameId=frame, context="hover")


def test_the_clipboard_gets_all_of_a_value(late: Dap) -> None:
    assert late.evaluate("long", "clipboard")["result"] == "x" * 3000
    assert late.evaluate("long")["result"].endswith("… (3000 bytes)")
    assert '["odd key"] = true' in late.evaluate("t", "clipboard")["result"]


def test_names_are_completed(late: Dap) -> None:
    def labels(text: str) -> list[str]:
        found = late.ask("completions", text=text, column=len(text) + 1, frameId=late.frame())
        return [one["label"] for one in found["targets"]]

    assert labels("x = to")[0] == "total"
    assert "tostring" in labels("to")
    assert labels("string.re") == ["rep", "reverse"]
    assert "inherited" in labels("t.")
    assert labels("t.self.na") == ["name"]
    assert labels("nothing.here.") == []
    assert "return" in labels("ret")
    found = late.ask("completions", text="'\U0001f600' .. lo", column=10, frameId=late.frame())
    (only,) = (one for one in found["targets"] if one["label"] == "long")
    assert (only["start"], only["length"]) == (9, 1)


def test_numbers_of_an_earlier_place_are_recognized(late: Dap) -> None:
    frame = late.frame()
    reference = late.scope("Locals")["t"]["variablesReference"]
    late.move("stepBack")
    assert "none of this place" in late.refused("scopes", frameId=frame)
    assert "none of this place" in late.refused("variables", variablesReference=reference)
    assert "none of this place" in late.refused(
        "evaluate", expression="1", frameId=frame, context="watch"
    )


# Setting --------------------------------------------------------------------------------------


def test_a_variable_that_is_set_begins_a_dry_run_that_can_be_taken_back(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    dap.move("continue")
    frame = dap.frame()
    locals_ = dap.ask("scopes", frameId=frame)["scopes"][0]["variablesReference"]
    answer = dap.ask("setVariable", variablesReference=locals_, name="total", value="100 + 1")
    assert (answer["value"], answer["type"]) == ("101", "integer")
    assert "dry run" in dap.event("output", category="console")["output"]
    assert dap.event("invalidated")["areas"] == ["stacks", "variables"]
    assert dap.ask("evaluate", expression="total", frameId=frame)["result"] == "101"
    dap.move("continue")
    assert dap.values()["total"] == "103"
    answer = dap.ask("setExpression", expression="total", value="{1, 2}", frameId=dap.frame())
    assert list(dap.inside(answer["variablesReference"])) == ["[1]", "[2]"]
    assert dap.travel("respell/discardEdits")["line"] == 8
    assert dap.values()["total"] == "1"
    assert "no edits" in dap.refused("respell/discardEdits")


def test_what_can_not_be_set_is_refused(late: Dap) -> None:
    frame = late.frame()
    event = late.ask("scopes", frameId=frame)["scopes"][-1]["variablesReference"]
    assert "can't be set" in late.refused(
        "setVariable", variablesReference=event, name="number", value="1"
    )
    assert "no other in there" in late.refused(
        "setVariable", variablesReference=event, name="other", value="1"
    )
    assert late.refused("setExpression", expression="total", value="+", frameId=frame)
    assert late.evaluate("total")["result"] == "6"


# Sources and output ---------------------------------------------------------------------------


def test_output_is_shown_once_as_it_is_passed(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 17}])
    dap.move("continue")
    assert dap.output() == "total\t1\ntotal\t3\ntotal\t6\n"
    assert "careful" in str(dap.all)
    dap.move("reverseContinue")
    dap.move("continue")
    assert dap.output() == ""


def test_sources_come_with_checksums_and_as_modules(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    (only,) = dap.ask("loadedSources")["sources"]
    digests = {one["algorithm"]: one["checksum"] for one in only["checksums"]}
    assert digests["SHA256"] == hashlib.sha256(SUMS.encode()).hexdigest()
    (module,) = dap.ask("modules")["modules"]
    assert (module["name"], module["event"]) == ("sums.lua", 1)
    assert len(module["hash"]) == 64


def test_a_file_that_has_changed_or_is_gone_is_shown_as_it_was(tmp_path: Path) -> None:
    script = tmp_path / "s.lua"
    script.write_text("local x = 1\nprint(x)\n")
    with Store(tmp_path / "store", durability="process") as store:
        ident = respell.run(script, store=store).session.id
    for change, words in ((lambda: script.write_text("-- other\n"), "has changed"),
                          (script.unlink, "is gone")):  # fmt: skip
        change()
        with adapter(tmp_path / "store") as dap:
            dap.launch(ident)
            shown = dap.stack()[0]["source"]
            assert words in shown["origin"]
            text = dap.ask("source", source=shown, sourceReference=shown["sourceReference"])
            assert text["content"] == "local x = 1\nprint(x)\n"
            (point,) = dap.ask("setBreakpoints", source=shown, breakpoints=[{"line": 2}])[
                "breakpoints"
            ]
            assert point["verified"] is True
            assert words in point["message"]


def test_a_chunk_that_load_made_is_a_source_by_number(dap: Dap, ran: Any) -> None:
    dap.launch(ran.chunks)
    dap.ask("setBreakpoints", source=source(ran, "chunks"), breakpoints=[{"line": 5}])
    dap.move("continue")
    dap.move("stepIn")
    dap.move("stepIn")
    frame, caller, *_ = dap.stack()
    shown = frame["source"]
    assert "path" not in shown
    assert shown["origin"] == "made by load"
    assert caller["source"]["path"] == source(ran, "chunks")["path"]
    text = dap.ask("source", source=shown, sourceReference=shown["sourceReference"])
    assert text["content"] == "local d = ...\nlocal t = d .. '?'\nreturn t"
    dap.move("next")
    assert dap.line() == 2
    dap.move("stepBack")
    assert dap.line() == 1
    assert [one["name"] for one in dap.ask("loadedSources")["sources"]] == [
        "chunks.lua", shown["name"]
    ]  # fmt: skip
    assert len(dap.ask("modules")["modules"]) == 1
    places = dap.ask("breakpointLocations", source=shown, line=1, endLine=9)["breakpoints"]
    assert [one["line"] for one in places] == [1, 2, 3]
    dap.ask("setBreakpoints", source=source(ran, "chunks"), breakpoints=[])
    (point,) = dap.ask("setBreakpoints", source=shown, breakpoints=[{"line": 3}])["breakpoints"]
    assert point["verified"] is True
    assert point["source"]["sourceReference"]
    dap.move("continue")
    assert (dap.line(), dap.stop["hitBreakpointIds"]) == (3, [point["id"]])
    with adapter(ran.store) as again:
        # An editor that keeps the breakpoint has a number of the adapter before.
        again.begin()
        again.ask("launch", session=ran.chunks)
        again.event("initialized")
        (point,) = again.ask(
            "setBreakpoints", source={**shown, "sourceReference": 77}, breakpoints=[{"line": 2}]
        )["breakpoints"]
        assert point["verified"] is True
        again.configured()
        again.move("continue")
        assert (again.line(), again.stack()[0]["source"]["name"]) == (2, shown["name"])


def test_lines_from_0_and_paths_as_uris(ran: Any) -> None:
    with adapter(
        ran.store, lines_start_at1=False, columns_start_at1=False, path_format="uri"
    ) as dap:
        dap.launch(ran.sums)
        (frame,) = dap.stack()
        assert (frame["line"], frame["column"]) == (3, 0)
        uri = (ran.folder / "sums.lua").as_uri()
        assert frame["source"]["path"] == uri
        (point,) = dap.ask("setBreakpoints", source={"path": uri}, breakpoints=[{"line": 7}])[
            "breakpoints"
        ]
        assert (point["verified"], point["line"]) == (True, 7)
        dap.move("continue")
        assert dap.line() == 7


# Our own --------------------------------------------------------------------------------------


def test_one_travels_by_event_percentage_position_and_bookmark(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    assert dap.travel("respell/goTo", event=3)["position"] == "3+0"
    dap.ask("respell/setBookmark", name="here", note="why")
    assert dap.travel("respell/goTo", percent=0)["line"] == 4
    assert dap.travel("respell/goTo", position="2+3")["position"] == "2+3"
    assert dap.travel("respell/goTo", bookmark="here")["position"] == "3+0"
    assert dap.ask("respell/bookmarks")["bookmarks"] == [
        {"name": "here", "position": "3+0", "note": "why"}
    ]
    dap.ask("respell/deleteBookmark", name="here")
    assert "no bookmark" in dap.refused("respell/goTo", bookmark="here")
    assert "takes one of" in dap.refused("respell/goTo")
    assert dap.travel("respell/nextEvent")["position"] == "4+0"
    assert dap.travel("respell/previousEvent")["position"] == "3+0"


def test_steps_back_go_in_and_out(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)
    dap.ask("setBreakpoints", source=source(ran), breakpoints=[{"line": 8}])
    dap.move("continue")
    assert dap.travel("respell/stepBackIn")["line"] == 3
    assert dap.travel("respell/stepBackOut")["line"] == 7


def test_the_timeline_and_when_a_value_changed(late: Dap) -> None:
    line = late.ask("respell/timeline")
    assert line["events"][1]["name"] == "output.line"
    assert (line["position"].split("+")[0], line["at_end"]) == ("6", False)
    assert len(late.ask("respell/timeline", **{"from": 2, "to": 3})["events"]) == 2
    change = late.ask("respell/lastChange", expression="total", frameId=late.frame())["change"]
    assert (change["old"]["text"], change["new"]["text"], change["line"]) == ("3", "6", 7)
    assert late.event("invalidated") == {"areas": ["variables"]}
    late.travel("respell/lastChange", expression="total", frameId=late.frame(), go=True)
    assert late.line() == 8


def test_all_values_of_a_variable_and_all_times_of_a_line(late: Dap, ran: Any) -> None:
    found = late.ask("respell/values", expression="total", frameId=late.frame())
    assert [one["new"]["text"] for one in found["changes"]][-3:] == ["1", "3", "6"]
    assert found["more"] is False
    times = late.ask("respell/hits", source=source(ran), line=8)
    assert len(times["positions"]) == 3
    late.travel("respell/goTo", position=times["positions"][0])
    assert (late.line(), late.values()["total"]) == (8, "1")
    change = late.ask("respell/nextChange", expression="total", frameId=late.frame())["change"]
    assert (change["old"]["text"], change["new"]["text"]) == ("1", "3")
    counts = {
        one["line"]: one["times"] for one in late.ask("respell/hits", source=source(ran))["lines"]
    }
    assert (counts[8], counts[2]) == (3, 6)


def test_a_value_is_followed_back_to_where_it_came_from(late: Dap) -> None:
    found = late.ask("respell/origin", expression="total", frameId=late.frame())["origin"]
    assert (found["kind"], found["value"]["text"], found["line"]) == ("computed", "6", 2)
    assert [one["what"] for one in found["steps"]][:2] == [
        "total = add(total, add(i, 0))", "return sum",
    ]  # fmt: skip
    assert found["lost"] is None
    assert late.event("invalidated") == {"areas": ["variables"]}
    assert "no Lua expression" in late.refused("respell/origin", expression="total +")
    said = late.ask("evaluate", expression=":origin total", context="repl")["result"]
    assert "total = add(total, add(i, 0))  → 6" in said


def test_a_fork_is_made_from_here_and_compared(tmp_path: Path) -> None:
    script = tmp_path / "s.lua"
    script.write_text("local x = 1\nprint(x)\nprint(x + 1)\n")
    with Store(tmp_path / "store", durability="process") as store:
        ident = respell.run(script, store=store).session.id
    with adapter(tmp_path / "store") as dap:
        dap.launch(ident)
        dap.travel("respell/goTo", event=2)
        made = dap.ask("respell/fork", name="other")
        assert made["at"] == "2+0"
        assert dap.ask("respell/diff", **{"with": made["session"]})["identical"] is False
    with Store(tmp_path / "store", durability="process") as store:
        assert store.sessions.get(made["session"]).name == "other"


def test_the_console_has_commands_for_what_has_no_button(dap: Dap, ran: Any) -> None:
    dap.launch(ran.sums)

    def say(text: str) -> str:
        return str(dap.ask("evaluate", expression=text, context="repl")["result"])

    assert say(":goto 2+3").startswith("2+3  sums.lua:2")
    assert dap.stopped()["reason"] == "goto"
    assert say(":event").startswith("3+0")
    dap.stopped()
    assert "after event 3 (output.line)" in say(":when")
    assert ">     3  output.line  sums.lua:8" in say(":timeline")
    assert "changed from 1 to 3 by sums.lua:7" in say(":last total")
    say(":bookmark here a note")
    assert "here  3+0  a note" in say(":bookmark")
    assert say(":back-event").startswith("2+3")
    dap.stopped()
    assert say(":output") == "total\t1"
    assert ":goto PLACE" in say(":help")
    assert "no command :nothing" in dap.refused("evaluate", expression=":nothing", context="repl")
    targets = dap.ask("completions", text=":back-", column=7)["targets"]
    assert [one["label"] for one in targets] == [":back-in", ":back-out", ":back-event"]
