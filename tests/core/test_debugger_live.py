"""Sessions that run, under the debugger: followed, held, let through, launched, left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gate import Gate, gated_server
from live_processes import becomes, descendants
from respell.debug import Debugger, Live, Position
from respell.debug.breakpoint_table import Whose
from respell.errors import InvalidTransition, UsageError, WorkerFailed
from respell.store import Store
from stories import begin, event_lines, kill_group, respell, session_json, write_script

LIVE_CHILDREN = Path(__file__).parents[1] / "live_children.py"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ASKS = """\
local url, n = ...
local total = 0
for i = 1, tonumber(n) do
  local answer = Tool.invoke("http_request", { input = url .. "/" .. i })
  total = total + i
  State.set("total", total)
  print("total", total)
end
print("done")
"""


@pytest.fixture
def gate() -> Iterator[Gate]:
    with gated_server() as server:
        yield server


def end(process: subprocess.Popen[str]) -> None:
    """SIGKILL a process and all that it started, if that has not happened yet."""
    if process.stdout is not None and not process.stdout.closed:
        kill_group(process)


class Bench:
    """A store, sessions that the real command runs in it, and debuggers on them."""

    def __init__(self, folder: Path, store: Store, opened: ExitStack) -> None:
        self.folder, self.store, self._opened = folder, store, opened

    def run(self, text: str, *args: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Begin to run a script; the process is killed in the end if it still lives."""
        path = write_script(self.folder, text)
        process = begin("run", *options, path, "--", *args, store=self.store.path, cwd=self.folder)
        self._opened.callback(end, process)
        return process

    def attach(self, session: str = "@last") -> tuple[Debugger, Live]:
        debugger = self._opened.enter_context(Debugger.open(session, store=self.store))
        assert debugger.live is not None
        return debugger, debugger.live

    def launch(self, text: str, *args: str, **options: Any) -> tuple[Debugger, Live]:
        path = write_script(self.folder, text)
        debugger = Debugger.launch(path, store=self.store, args=args, **options)
        self._opened.enter_context(debugger)
        assert debugger.live is not None
        return debugger, debugger.live

    def child(self, what: str, target: str) -> tuple[subprocess.Popen[str], str]:
        """Start a debugger in a process of its own; returns it and the session's id."""
        child = subprocess.Popen(
            [sys.executable, str(LIVE_CHILDREN), what, str(self.store.path), target],
            stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=self.folder,
        )  # fmt: skip
        self._opened.callback(end, child)
        assert child.stdout is not None
        return child, child.stdout.readline().strip()


@pytest.fixture
def bench(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as opened:
        yield Bench(tmp_path, store, opened)


def until(live: Live, done: Callable[[], bool]) -> None:
    """Take in what a session records until something is so."""
    while not done():
        before = live.status
        live.wait(30)
        assert done() or live.runs or live.status != before, live.describe()
    live.refresh()


def what_happened(store: Path, session: str) -> list[tuple[Any, ...]]:
    """Return what a history says, without times and ids."""
    kept = ("number", "name", "args", "error", "source", "line", "parent", "attempts")
    events = event_lines(store, session, "--full")
    for one in events[:1]:
        one["args"] = {}  # seed and script
    return [tuple(one[name] for name in kept) for one in events]


@LINUX
def test_a_process_that_a_signal_has_stopped_is_named(bench: Bench, gate: Gate) -> None:
    process = bench.run(ASKS, gate.url, "2")
    gate.wait_for(1)
    _, live = bench.attach()
    assert "stopped" not in live.describe()
    worker = live.host and min(descendants(live.host.pid))
    assert worker
    for pid, named in ((worker, f"its process {worker}"), (process.pid, "it")):
        os.kill(pid, signal.SIGSTOP)
        becomes(pid, "T")
        assert f"; {named} is stopped by a signal" in live.describe()
        assert live.describe().endswith(f"`kill -CONT {pid}`")
        if pid == process.pid:
            with pytest.raises(WorkerFailed, match=f"has not heard .* `kill -CONT {pid}`"):
                live.pause(timeout_s=0.1)
        os.kill(pid, signal.SIGCONT)
        becomes(pid, "SRD")
    until(live, lambda: live.is_held)  # it has heard now
    assert "is held by this debugger" in live.describe()


# Following -------------------------------------------------------------------------------


def test_a_debugger_follows_a_session_whose_end_moves(bench: Bench, gate: Gate) -> None:
    bench.run(ASKS, gate.url, "3")
    gate.wait_for(1)
    debugger, live = bench.attach()
    assert live.status == "running"
    until(live, lambda: debugger.session.records >= 2)  # it has begun to ask
    stop = debugger.continue_()
    assert (stop.at_end, stop.reason, stop.line) == (True, "end", 4)
    assert {one.name: one.value.text for one in debugger.variables().locals}["total"] == "0"
    middle = debugger.step_back_over()
    gate.let_out()
    gate.wait_for(2)
    until(live, lambda: debugger.session.events >= 5)
    assert debugger.position == middle.position  # looking does not move it
    assert debugger.go_to(middle.position).line == middle.line
    stop = debugger.continue_()
    assert (stop.at_end, stop.line) == (True, 4)
    assert {one.name: one.value.text for one in debugger.variables().locals}["total"] == "1"
    assert debugger.reverse_continue().position == middle.position  # it undoes the move
    assert debugger.reverse_continue().position == Position(1, 1)
    gate.let_out(2)
    until(live, lambda: not live.runs)
    assert live.status == "completed"
    stop = debugger.end()
    assert (stop.at_end, stop.reason, stop.line) == (True, "end", 0)
    assert debugger.output()[-1] == "done"
    with Debugger.open(debugger.session.id, store=bench.store) as fresh:
        assert fresh.end().position == stop.position
        assert fresh.live is None


def test_a_session_that_is_looked_at_has_the_same_history(bench: Bench, gate: Gate) -> None:
    gate.let_out(100)
    bench.run(ASKS, gate.url, "5").communicate()
    alone = what_happened(bench.store.path, "@last")
    session = bench.store.sessions.find("@last").id
    gate.free = threading.Semaphore(0)
    process = bench.run(ASKS, gate.url, "5")
    gate.wait_for(6)
    debugger, live = bench.attach()
    assert debugger.session.id != session
    for count in range(7, 11):
        debugger.end()
        debugger.step_back()
        debugger.evaluate("total + 1")
        gate.let_out()
        gate.wait_for(count)
        live.refresh()
    gate.let_out()
    process.communicate()
    assert what_happened(bench.store.path, debugger.session.id) == alone


def test_a_session_that_is_held_and_stepped_has_the_same_history(bench: Bench, gate: Gate) -> None:
    gate.let_out(100)
    bench.run(ASKS, gate.url, "5").communicate()
    alone = what_happened(bench.store.path, "@last")
    debugger, live = bench.launch(ASKS, gate.url, "5")
    for _ in range(4):
        live.step()
    debugger.breakpoints.add_line("main.lua", 7, condition="i == 4")
    assert debugger.continue_().line == 7
    assert gate.asked[-1] == "/4"
    live.go_on()
    until(live, lambda: not live.runs)
    assert what_happened(bench.store.path, debugger.session.id) == alone


WATCHED = """\
local total = 0
for i = 1, 12 do
  local square = i * i
  total = total + square
  State.set("total", total)
  if i % 3 == 0 then
    for j = 1, 2 do State.set("n" .. j, i) end
  end
end
print(total)
"""


@pytest.mark.parametrize("checkpoints", [True, False])
def test_what_breakpoints_have_found_stays_found_as_the_end_moves(
    bench: Bench, checkpoints: bool
) -> None:
    """They go on where they stopped; what they come to is the same as all at once."""

    def set_all(debugger: Debugger, total: Whose) -> None:
        table = debugger.breakpoints
        table.add_data("total", whose=total)
        table.add_line("main.lua", 4, hits="% 4")
        table.add_line("main.lua", 7, condition="j == 2", hits=">= 2")
        table.add_state("n*", changes=True)
        table.add_state("total", hits="% 5")
        table.add_effect("state.set", where="args.value == 12")

    debugger, live = bench.launch(WATCHED, checkpoints=checkpoints)
    debugger.run_to_line(2)
    total = debugger.breakpoints.whose("total")
    debugger.start()
    set_all(debugger, total)
    scans: set[int] = set()
    stops = []
    while not debugger.continue_().at_end or live.runs:
        stops.append((debugger.position, debugger.stop.breakpoints, debugger.stop.changes))
        scans |= {worker.pid for worker, _ in debugger._execution._scans.values()}
    assert live.status == "completed", live.describe()
    assert len(scans) == 3  # one process for each of those that have to run it, all the time
    assert not debugger._execution._scans
    with Debugger.open(debugger.session.id, store=bench.store, keep_breakpoints=False) as fresh:
        set_all(fresh, total)
        again = []
        while not fresh.continue_().at_end:
            again.append((fresh.position, fresh.stop.breakpoints, fresh.stop.changes))
    assert stops == again


# Holding ---------------------------------------------------------------------------------


def test_nothing_is_performed_while_it_is_held_and_a_step_lets_one_effect_through(
    bench: Bench, gate: Gate
) -> None:
    process = bench.run(ASKS, gate.url, "3")
    gate.wait_for(1)
    debugger, live = bench.attach()
    live.pause()
    assert live.status == "paused"
    assert "this debugger" in live.describe()
    assert session_json(bench.store.path, "@last")["status"] == "active"
    gate.let_out()
    until(live, lambda: debugger.go_to(debugger.session.events).position.event == 2)
    names = []
    for _ in range(2):  # what was begun has its outcome; the next ones are let through
        live.step()
        names.append(event_lines(bench.store.path, "@last")[-1]["name"])
    assert names == ["state.set", "output.line"]
    assert len(gate.asked) == 1
    gate.let_out()
    live.step()
    assert (len(gate.asked), live.status) == (2, "paused")
    gate.let_out(5)
    live.go_on()
    until(live, lambda: not live.runs)
    assert process.wait(60) == 0
    assert gate.asked == ["/1", "/2", "/3"]


def test_an_answer_that_comes_while_one_stands_before_it_is_taken_in(
    bench: Bench, gate: Gate
) -> None:
    bench.run(ASKS, gate.url, "1")
    gate.wait_for(1)
    debugger, live = bench.attach()
    live.pause()
    asked = debugger.session.records
    assert debugger.go_to(2).position.event == 1  # it was asked, and is not answered
    gate.let_out()
    until(live, lambda: debugger.session.records > asked)
    assert debugger.go_to(2).position.event == 2
    live.go_on()
    until(live, lambda: not live.runs)


def test_what_is_unpaused_by_hand_goes_on(bench: Bench, gate: Gate) -> None:
    gate.let_out(3)
    debugger, live = bench.launch(ASKS, gate.url, "3")
    assert live.is_held
    assert respell("unpause", debugger.session.id, store=bench.store.path).returncode == 0
    until(live, lambda: not live.runs)
    assert live.status == "completed"


def test_one_that_was_paused_by_hand_can_be_stepped_and_let_go(bench: Bench, gate: Gate) -> None:
    process = bench.run(ASKS, gate.url, "2")
    gate.wait_for(1)
    assert respell("pause", "@last", store=bench.store.path).returncode == 0
    _debugger, live = bench.attach()
    until(live, lambda: live.status == "paused")
    assert "respell pause" in live.describe()
    assert not live.is_held
    gate.let_out(5)
    live.step()
    assert live.is_held
    live.go_on()
    assert process.wait(60) == 0


@LINUX
def test_one_that_computes_is_stopped_where_it_is_and_goes_on_there(bench: Bench) -> None:
    process = bench.run("print('begun') local n = 0 while n < 1e15 do n = n + 1 end print(n)")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    _debugger, live = bench.attach()
    live.pause()
    (worker,) = descendants(process.pid)
    becomes(worker, "T")
    live.go_on()
    becomes(worker, "RS")
    live.pause()
    assert respell("suspend", "@last", store=bench.store.path).returncode == 0
    assert process.wait(60) == 3


def test_a_branch_that_waits_for_another_does_not_keep_steps_from_ending(bench: Bench) -> None:
    text = """\
    local id = Event.subscribe("go")
    local function hears() return Event.receive(id, 60000) end
    local function tells() return Event.publish("go", { n = 1 }) end
    local done = Workflow.parallel({ name = "both", branches = {
      { name = "hears", steps = { { name = "a", type = "function", ["function"] = hears } } },
      { name = "tells", steps = { { name = "b", type = "function", ["function"] = tells } } },
    } })
    local ok = pcall(function() done:execute() end)
    print("over", ok)
    """
    debugger, live = bench.launch(text)
    while live.runs:
        live.step()
    assert live.status == "completed", live.describe()
    assert debugger.end().at_end
    assert [one for one in debugger.output() if one.startswith("over")]


# Debuggers that die, and two of them -------------------------------------------------------


def test_a_debugger_that_is_killed_leaves_nothing_paused(bench: Bench, gate: Gate) -> None:
    process = bench.run(ASKS, gate.url, "2")
    gate.wait_for(1)
    child, session = bench.child("attach", "@last")
    _debugger, live = bench.attach(session)
    hold = live.hold
    assert hold is not None
    assert hold.pid == child.pid
    assert f"process {child.pid}" in live.describe()
    kill_group(child)
    gate.let_out(5)
    assert process.wait(60) == 0


def test_a_launched_session_is_suspended_when_its_debugger_is_killed(
    bench: Bench, gate: Gate
) -> None:
    gate.let_out(100)
    text = ASKS.replace("local url, n = ...", f'local url, n = "{gate.url}", 2')
    child, session = bench.child("launch", write_script(bench.folder, text))
    _debugger, live = bench.attach(session)
    kill_group(child)
    until(live, lambda: not live.runs)
    assert live.status == "suspended"
    assert respell("resume", session, store=bench.store.path).returncode == 0
    assert gate.asked == ["/1", "/2"]


def test_two_debuggers_hold_one_session_by_turns(bench: Bench, gate: Gate) -> None:
    gate.let_out(100)
    child, session = bench.child(
        "launch", write_script(bench.folder, ASKS.replace("...", f'"{gate.url}", 3'))
    )
    debugger, live = bench.attach(session)
    assert live.status == "paused"
    assert not live.is_held
    before = len(gate.asked)
    assert debugger.continue_().at_end  # only looks: it is not ours to let go
    assert (len(gate.asked), live.status) == (before, "paused")
    live.pause()
    assert live.is_held
    live.step()
    debugger.breakpoints.add_line("main.lua", 9)
    assert debugger.continue_().line == 9
    assert len(gate.asked) == 3
    kill_group(child)  # it was launched by that one
    until(live, lambda: not live.runs)
    assert live.status == "suspended"


# Ends while attached -----------------------------------------------------------------------


def test_when_the_host_is_killed_what_was_recorded_can_still_be_looked_at(
    bench: Bench, gate: Gate
) -> None:
    process = bench.run(ASKS, gate.url, "3")
    gate.wait_for(1)
    gate.let_out()
    gate.wait_for(2)
    debugger, live = bench.attach()
    until(live, lambda: debugger.session.events >= 5)
    os.killpg(process.pid, signal.SIGKILL)
    until(live, lambda: not live.runs)
    assert live.status == "interrupted"
    assert "its process died after event" in live.describe()
    with pytest.raises(InvalidTransition, match="no process runs the session any more"):
        live.pause()
    with pytest.raises(InvalidTransition):
        live.step()
    debugger.end()
    stop = debugger.continue_()
    assert (stop.at_end, stop.line) == (True, 4)
    assert debugger.evaluate("total").values[0].text == "1"
    assert debugger.start().line == 1


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("print(1) error('no good')", "failed", "no good"),
        ("print(1) Session.suspend({ prompt = 'which one?' }) print(2)", "suspended", "which one?"),
        ("print(1) local t = {} print(#t)", "completed", "completed"),
    ],
)
def test_however_it_ends_while_it_is_stepped_that_is_said(
    bench: Bench, text: str, status: str, words: str
) -> None:
    debugger, live = bench.launch(text)
    stop = debugger.continue_()
    assert stop.at_end
    assert live.status == status
    assert words in live.describe()
    assert debugger.output()[0] == "1"
    assert debugger.continue_().at_end
    assert debugger.step_back().position < stop.position
    if status == "failed":
        assert "no good" in (stop.error or "")
    if status == "suspended":
        assert stop.line == 1


def test_a_session_that_is_deleted_meanwhile_says_so(bench: Bench) -> None:
    debugger, live = bench.launch("print(1) print(2)")
    debugger.continue_()
    assert respell("delete", debugger.session.id, "--yes", store=bench.store.path).returncode == 0
    assert live.status == "deleted"
    assert "deleted" in live.describe()
    assert live.wait(1) == 0


# Launching ---------------------------------------------------------------------------------


def test_a_launched_session_stands_before_its_first_line_and_nothing_has_happened(
    bench: Bench, gate: Gate
) -> None:
    debugger, live = bench.launch(ASKS, gate.url, "2", name="mine", tags=["a"])
    assert (debugger.stop.reason, debugger.stop.line) == ("entry", 1)
    assert (live.launched, live.status, debugger.session.events) == (True, "paused", 1)
    assert (debugger.session.name, debugger.session.tags) == ("mine", ["a"])
    for line in (2, 3, 4):
        assert debugger.step_over().line == line  # computed by the shadow alone
    assert gate.asked == []
    gate.let_out()
    assert debugger.step_over().line == 5
    assert gate.asked == ["/1"]
    assert debugger.step_back_over().line == 4
    assert debugger.step_over().line == 5
    assert gate.asked == ["/1"]
    live.detach()
    assert live.status == "suspended"
    gate.let_out()
    assert respell("resume", debugger.session.id, store=bench.store.path).returncode == 0
    assert gate.asked == ["/1", "/2"]


def test_breakpoints_stop_the_live_process_before_the_next_effect(bench: Bench, gate: Gate) -> None:
    gate.let_out(100)
    debugger, live = bench.launch(ASKS, gate.url, "4")
    debugger.breakpoints.add_line("main.lua", 6, condition="i == 2")
    stop = debugger.continue_()
    assert (stop.reason, stop.line, live.status) == ("breakpoint", 6, "paused")
    assert gate.asked == ["/1", "/2"]
    assert debugger.state()[f"session:{debugger.session.id}"] == {"total": 1}
    debugger.breakpoints.add_effect("tool.invoke", text="/4")
    stop = debugger.continue_()
    assert (stop.reason, stop.breakpoints) == ("breakpoint", (2,))
    assert gate.asked[-1] == "/4"
    assert debugger.output()[-1] == "total\t6"
    assert debugger.reverse_continue().breakpoints == (1,)
    debugger.breakpoints.remove(1)
    stop = debugger.continue_()
    assert stop.breakpoints == (2,)
    stop = debugger.continue_()
    assert (stop.at_end, live.status) == (True, "completed")


def test_one_that_shall_run_on_when_it_is_left_does(bench: Bench, gate: Gate) -> None:
    _debugger, live = bench.launch(ASKS, gate.url, "2")
    gate.let_out(5)
    live.step()
    live.detach(suspend=False)
    until(live, lambda: not live.runs)
    assert live.status == "completed"


def test_waiting_for_an_effect_can_be_given_up_and_it_stands_still_behind_it(
    bench: Bench, gate: Gate
) -> None:
    debugger, live = bench.launch(ASKS, gate.url, "2")
    threading.Thread(target=lambda: (gate.wait_for(1), debugger.cancel())).start()
    stop = debugger.continue_()
    assert (stop.reason, stop.at_end, stop.line) == ("pause", True, 4)
    assert [one.number for one in debugger.coroutines()] == [0]  # the pause was the move's alone
    assert [one.name for one in debugger.variables().locals][:2] == ["url", "n"]
    gate.let_out(10)
    until(live, lambda: debugger.session.records >= 3)  # start, intent, outcome
    assert gate.asked == ["/1"]
    assert debugger.step_over().line == 5


def test_what_can_not_be_launched_is_refused_as_run_would(bench: Bench) -> None:
    with pytest.raises(UsageError, match="can't read the script"):
        Debugger.launch(bench.folder / "none.lua", store=bench.store)
    with pytest.raises(UsageError, match="nothing to debug: main"):
        bench.launch("local = 1")
    with pytest.raises(UsageError, match="no_such"):
        bench.launch("print(1)", limits={"no_such": 1})
    assert not bench.store.leases.live()


# What if ---------------------------------------------------------------------------------

SETS = """\
local n = 0
n = n + 1
State.set("n", n)
n = n + 1
State.set("n", n)
print(n)
local kept = Tool.invoke("calculator", { input = "1 + " .. n })
print("over", kept.result)
"""


@pytest.mark.parametrize("line", [2, 4, 6])
def test_a_variable_is_set_where_nothing_is_recorded_yet(bench: Bench, line: int) -> None:
    debugger, live = bench.launch(SETS)
    while debugger.step_over().line != line:
        assert not debugger.stop.at_end
    where, records = debugger.position, debugger.session.records
    stop = debugger.set_variable("n", "40")
    assert (stop.position, stop.line, stop.at_end) == (where, line, False)
    assert debugger.end().reason == "unrecorded"
    printed = {2: "42", 4: "41", 6: "40"}[line]
    assert debugger.output() == [printed]
    assert debugger.stop.line == 7
    assert debugger.step_back().position > where
    assert debugger.discard_edits().position == where
    assert live.refresh() == 0
    assert debugger.session.records == records  # nothing of it has happened
    assert debugger.evaluate("n").values[0].text == {2: "0", 4: "1", 6: "2"}[line]
    debugger.end()
    while not debugger.step_over().at_end:
        pass
    assert debugger.output()[0] == "2"
