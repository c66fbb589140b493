"""An editor launches a script, or attaches to one that runs, over the Debug Adapter Protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dap_client import Dap, adapter
from respell.store import Store
from stories import CountingServer, begin, counting_server, kill_group, session_json

ASKS = """\
local url, n = ...
local total = 0
for i = 1, tonumber(n) do
  local answer = Tool.invoke("http_request", { input = url .. "/double/" .. i })
  total = total + i
  print("total", total)
end
print(input and input.word, os.getenv("GREETING"))
"""

NEVER_ENDS = """\
local n = 0
while true do
  n = n + 1
  State.set("n", n)
end
"""

LOADS = """\
print("before")
local tools = require("tools")
print(tools.double(21))
"""

TOOLS = """\
local tools = {}
function tools.double(n)
  return n * 2
end
return tools
"""


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with counting_server() as served:
        yield served


@pytest.fixture
def dap(tmp_path: Path) -> Iterator[Dap]:
    with adapter(tmp_path / "store", cwd=tmp_path) as client:
        client.begin()
        yield client


def script(folder: Path, text: str, name: str = "main.lua") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def launched(dap: Dap, program: str, **fields: Any) -> None:
    """Launch, up to where breakpoints are set."""
    dap.ask("launch", program=program, **fields)
    dap.event("initialized")


def sessions(folder: Path) -> list[dict[str, Any]]:
    """Return the sessions that there are."""
    with Store(folder / "store", create=False) as store:
        return [{"id": one.id, "status": one.status, "name": one.name, "tags": one.tags}
                for one in store.sessions.list()]  # fmt: skip


def test_a_script_runs_under_the_debugger_and_each_effect_happens_once(
    dap: Dap, tmp_path: Path, server: CountingServer
) -> None:
    path = script(tmp_path, ASKS)
    launched(
        dap, path, args=[server.url, "3"], input={"word": "hi"}, env={"GREETING": "hello"},
        sessionName="asks", tags=["debugged"], allow=["env=GREETING"],
        stopOnEntry=True,
    )  # fmt: skip
    assert dap.event("process")["systemProcessId"] > 0
    assert dap.configured()["reason"] == "entry"
    assert dap.line() == 1
    dap.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 6}])
    assert dap.move("continue")["reason"] == "breakpoint"
    assert (dap.values()["total"], server.asked) == ("1", [1])
    dap.move("stepBack")
    dap.move("stepBack")
    assert (dap.line(), server.asked) == (4, [1])
    dap.move("continue")
    dap.move("continue")
    assert (dap.values()["total"], server.asked) == ("3", [1, 2])
    assert dap.output() == "total\t1\n"
    dap.ask("setBreakpoints", source={"path": path}, breakpoints=[])
    stop = dap.move("continue")
    assert stop["reason"] == "end"
    assert "completed" in stop["description"]
    assert server.asked == [1, 2, 3]
    assert dap.output().endswith("total\t6\nhi\thello\n")
    (session,) = sessions(tmp_path)
    assert (session["status"], session["name"], session["tags"]) == (
        "completed", "asks", ["debugged"],
    )  # fmt: skip


def test_without_stops_it_runs_to_its_end_and_says_how_it_ended(dap: Dap, tmp_path: Path) -> None:
    launched(dap, script(tmp_path, "print('a')\nerror('no')\n"), stopAtEnd=False)
    dap.ask("configurationDone")
    assert dap.event("exited") == {"exitCode": 1}
    dap.event("terminated")
    assert dap.output() == "a\n"
    assert "it failed" in dap.output("console") or "it failed" in str(dap.all)


def test_pause_stops_it_where_it_is_by_then(dap: Dap, tmp_path: Path) -> None:
    launched(dap, script(tmp_path, NEVER_ENDS), stopOnEntry=True)
    dap.configured()
    dap.ask("continue", threadId=1)
    dap.event("progressStart")
    # An editor that asks meanwhile is answered before the move ends, which is never.
    assert dap.ask("threads")["threads"] == [{"id": 1, "name": "main"}]
    assert len(dap.ask("loadedSources")["sources"]) == len(dap.ask("modules")["modules"]) == 1
    assert dap.seen("stopped") == []
    dap.ask("pause", threadId=1)
    assert dap.stopped()["reason"] == "pause"
    assert dap.output("important") == ""
    first = int(dap.values()["n"])
    assert first > 1
    dap.move("next")
    dap.move("next")
    dap.move("next")
    assert int(dap.values()["n"]) > first
    dap.move("stepBack")


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, "suspended"), ({"terminateDebuggee": True}, "suspended"),
     ({"suspendDebuggee": True}, "suspended"), ({"terminateDebuggee": False}, "completed")],
)  # fmt: skip
def test_disconnecting_suspends_what_was_launched_or_lets_it_run_on(
    dap: Dap, tmp_path: Path, fields: dict[str, bool], status: str
) -> None:
    launched(dap, script(tmp_path, "for i = 1, 3 do print(i) end\n"), stopOnEntry=True)
    dap.configured()
    dap.move("next")
    dap.ask("disconnect", **fields)
    dap.until_it_ends()
    with Store(tmp_path / "store", create=False) as store:
        (session,) = store.sessions.list()
        while store.leases.holder(session.key) is not None:
            pass
        assert store.sessions.get(session.key).status == status


def test_an_editor_that_is_gone_leaves_a_suspended_session(tmp_path: Path) -> None:
    with adapter(tmp_path / "store", cwd=tmp_path) as dap:
        dap.begin()
        launched(dap, script(tmp_path, NEVER_ENDS), stopOnEntry=True)
        dap.configured()
        dap.ask("continue", threadId=1)
        dap.event("progressStart")
    assert [one["status"] for one in sessions(tmp_path)] == ["suspended"]


def test_terminate_suspends_it_and_says_how_to_go_on(dap: Dap, tmp_path: Path) -> None:
    launched(dap, script(tmp_path, NEVER_ENDS), stopOnEntry=True)
    dap.configured()
    dap.ask("terminate")
    assert dap.event("exited") == {"exitCode": 3}
    dap.event("terminated")
    assert "suspended" in dap.output("console")


def test_restart_runs_the_script_once_more_as_a_new_session(dap: Dap, tmp_path: Path) -> None:
    path = script(tmp_path, "local x = 1\nprint(x)\nprint(x + 1)\n")
    launched(dap, path)
    dap.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}])
    dap.configured()
    assert dap.line() == 3
    dap.ask("restart")
    assert dap.stopped()["reason"] == "breakpoint"
    assert (dap.line(), dap.output()) == (3, "1\n1\n")
    assert len(sessions(tmp_path)) == 2


def test_a_breakpoint_waits_for_its_file_and_new_sources_are_told(dap: Dap, tmp_path: Path) -> None:
    script(tmp_path, TOOLS, "tools.lua")
    launched(dap, script(tmp_path, LOADS), stopOnEntry=True)
    dap.configured()
    (point,) = dap.ask(
        "setBreakpoints", source={"path": str(tmp_path / "tools.lua")}, breakpoints=[{"line": 3}]
    )["breakpoints"]
    assert (point["verified"], point["reason"]) == (False, "pending")
    stop = dap.move("continue")
    assert (stop["reason"], dap.line(), dap.values()["n"]) == ("breakpoint", 3, "21")
    assert stop["hitBreakpointIds"] == [point["id"]]
    (told,) = dap.seen("breakpoint")
    assert (told["breakpoint"]["id"], told["breakpoint"]["verified"]) == (point["id"], True)
    assert dap.seen("loadedSource")[0]["source"]["path"] == str(tmp_path / "tools.lua")
    assert dap.seen("module")[0]["module"]["name"] == "tools.lua"


def test_a_script_that_can_not_run_is_refused(dap: Dap, tmp_path: Path) -> None:
    said = dap.refused("launch", program=str(tmp_path / "none.lua"))
    assert "none.lua" in said
    assert "unexpected symbol" in dap.refused("launch", program=script(tmp_path, "x = = 1"))
    assert "session` or `program" in dap.refused("launch", program="x", session="y")
    assert "no text" in dap.refused("launch", program="x", env={"A": 1})


def running(folder: Path, text: str, *args: str) -> Any:
    """Run a script in a process of its own, and return that once it has begun."""
    path = script(folder, text)
    process = begin("run", path, "--", *args, store=folder / "store", cwd=folder)
    assert process.stderr is not None
    process.stderr.readline()
    return process


def test_attaching_holds_what_runs_and_leaving_lets_it_go_on(
    tmp_path: Path,
) -> None:
    process = running(tmp_path, NEVER_ENDS)
    try:
        with adapter(tmp_path / "store", cwd=tmp_path) as dap:
            dap.begin()
            dap.ask("attach", session="@last")
            dap.event("initialized")
            assert dap.configured()["reason"] == "entry"
            if not dap.values():
                dap.move("stepBack")
            first = int(dap.values()["n"])
            for _ in range(5):
                dap.move("next")
            assert int(dap.values()["n"]) >= first
            dap.ask("disconnect")
            dap.until_it_ends()
        with Store(tmp_path / "store", create=False) as store:
            (session,) = store.sessions.list()
            events = session.events
            while store.sessions.get(session.key).events <= events + 1:
                assert process.poll() is None
        assert session_json(tmp_path / "store", "@last")["status"] == "active"
    finally:
        kill_group(process)


def test_stopping_what_was_only_gone_through_leaves_it_to_who_runs_it(tmp_path: Path) -> None:
    process = running(tmp_path, NEVER_ENDS)
    try:
        with adapter(tmp_path / "store", cwd=tmp_path) as dap:
            dap.launch("@last")
            dap.ask("terminate")
            dap.event("terminated")
            assert dap.seen("exited") == []
            dap.ask("disconnect")
            dap.until_it_ends()
        with Store(tmp_path / "store", create=False) as store:
            (session,) = store.sessions.list()
            while store.sessions.get(session.key).events <= session.events + 1:
                assert process.poll() is None
    finally:
        kill_group(process)


def test_run_without_debugging_stops_nowhere(dap: Dap, tmp_path: Path) -> None:
    path = script(tmp_path, "print('a')\nprint('b')\n")
    launched(dap, path, stopOnEntry=True, stopAtEnd=True, noDebug=True)
    dap.ask("configurationDone")
    assert dap.event("exited") == {"exitCode": 0}
    dap.event("terminated")
    assert dap.seen("stopped") == []
    assert dap.output() == "a\nb\n"


def test_attaching_without_holding_follows_what_it_writes(tmp_path: Path) -> None:
    process = running(tmp_path, "while true do print('line') for i = 1, 1e6 do end end\n")
    try:
        with adapter(tmp_path / "store", cwd=tmp_path) as dap:
            dap.begin()
            dap.ask("attach", session="@last", hold=False)
            dap.event("initialized")
            dap.configured()
            dap.seen("output")
            assert dap.event("output", category="stdout")["output"] == "line\n"
            dap.ask("pause", threadId=1)
            assert dap.stopped()["reason"] == "pause"
            dap.ask("disconnect")
            dap.until_it_ends()
        assert process.poll() is None
    finally:
        kill_group(process)
