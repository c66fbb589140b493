"""Two sessions side by side: where they part, and what they differ in."""

from __future__ import annotations

import time
from typing import Any

import pytest

import respell
from respell.debug import Debugger
from respell.history.diff import ALIGNED_LINES
from respell.history.record import Record
from respell.store import Store


def test_the_same_script_with_another_input_is_another_program(script: Any, store: Store) -> None:
    a = script("print('same')", input={"city": "Oslo"}, args=["x"])
    b = script("print('same')", input={"city": "Bergen"}, args=["x"])
    found = respell.diff(a.session, b.session, store=store)
    assert not found.identical
    assert found.first is None, "they did the same"
    assert found.program == {"input": ({"city": "Oslo"}, {"city": "Bergen"})}
    assert found.to_json("a", "b")["program"] == {"input": [{"city": "Oslo"}, {"city": "Bergen"}]}


def test_one_and_one_point_zero_are_different_in_lua(script: Any, store: Store) -> None:
    a = script("State.set('n', input)", input=1)
    b = script("State.set('n', input)", input=1.0)
    found = respell.diff(a.session, b.session, store=store)
    assert found.state == {"n": (1, 1.0)}


def test_output_is_compared_from_the_first_different_line_on(script: Any, store: Store) -> None:
    text = "for i = 1, 200 do print('line', i == 150 and input or i) end io.write('half', 'line')"
    a, b = script(text, input="a"), script(text, input="b")
    found = respell.diff(a.session, b.session, store=store)
    assert found.output[2:4] == ["@@ -147,7 +147,7 @@", " line\t147"]
    assert [line for line in found.output[2:] if line[0] in "+-"] == ["-line\ta", "+line\tb"]
    assert not found.truncated


def test_very_long_output_is_compared_up_to_a_bound(script: Any, store: Store) -> None:
    text = f"for i = 1, {ALIGNED_LINES + 10} do print(input, i) end"
    a, b = script(text, input="a"), script(text, input="b")
    found = respell.diff(a.session, b.session, store=store)
    assert found.truncated
    assert len(found.output) <= 2 * ALIGNED_LINES + 10


def test_a_line_written_in_pieces_is_one_line(script: Any, store: Store) -> None:
    a = script("io.write('a', 'b\\nc') print('d')")
    b = script("print('ab') print('cd')")
    assert respell.diff(a.session, b.session, store=store).output == []


def test_what_differs_in_an_outcome_is_told_by_its_place(script: Any, store: Store) -> None:
    original = script("Tool.invoke('calculator', { operation = 'evaluate', input = '1+1' })")
    a, b = (
        respell.fork(original.session, at="2", outcome=outcome, store=store)
        for outcome in ({"list": [1, 2, {"x": "old"}]}, {"list": [1, 2.0, {"x": "new"}, None]})
    )
    found = respell.diff(a, b, store=store)
    assert found.first is not None
    assert found.first.change == "changed"
    told = [one.describe() for one in found.first.details()]
    assert "outcome.result.list[2]: 2 -> 2.0" in told
    assert 'outcome.result.list[3].x: "old" -> "new"' in told


def test_what_a_fork_shares_is_not_read(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = script("for i = 1, 400 do print(i) end print(input)", input="old").session
    forked = respell.fork(a, at="300", store=store)
    script.resume(forked)
    read = 0
    unpack = Record.unpack

    def counting(data: bytes) -> Record:
        nonlocal read
        read += 1
        return unpack(data)

    monkeypatch.setattr(Record, "unpack", counting)
    assert respell.diff(a, forked, store=store).identical
    assert 0 < read < 300


def test_a_dry_run_is_compared_with_what_was_recorded(script: Any, store: Store) -> None:
    lua = """\
local n = 1
print("begin")
State.set("n", n)
Artifact.store(Session.getCurrent(), "n.txt", tostring(n))
print("end")
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to(2)
        debugger.set_variable("n", "n")
        assert debugger.compare().identical
        debugger.set_variable("n", "2")
        found = debugger.compare()
    assert [one.change for one in found.events] == ["changed", "changed", "same"]
    assert found.state == {"n": (1, 2)}
    assert list(found.artifacts) == ["n.txt v1"]
    assert found.output == []


# What differs between any two runs ---------------------------------------------------------

AGAIN = """\
Hook.register("AfterToolExecution", function() return "continue" end)
Tool.invoke("process_executor", { executable = "/bin/echo", arguments = { "hi" } })
Tool.invoke("slow_look_up", { word = "x" })
Tool.invoke("calculator", { operation = "evaluate", input = "1+2" })
local now, cpu, today = os.time(), os.clock(), os.date("%X")
local made = Session.create({ name = "made" })
Artifact.store(made, "a.txt", "text")
State.set("made", made)
print(made, Artifact.list(made)[1].created_at ~= nil)
"""


@pytest.fixture
def slow_look_up() -> None:
    """A tool of this program that says how long it took."""

    @respell.tool(measured=("took_ms",))
    def slow_look_up(word: str) -> dict[str, Any]:
        """Look a word up."""
        return {"found": [{"word": word, "took_ms": time.monotonic_ns()}]}


@pytest.mark.usefixtures("slow_look_up")
def test_two_runs_of_one_script_are_the_same_but_for_times_and_ids(
    script: Any, store: Store
) -> None:
    """A tool returns how long it took, and its result is collected as an artifact."""
    a, b = (script(AGAIN, allow=["process"]) for _ in range(2))
    found = respell.diff(a.session, b.session, store=store)
    assert found.identical, found.to_json("a", "b")
    assert found.incidental >= 8
    exact = respell.diff(a.session, b.session, store=store, exact=True)
    assert not exact.identical
    assert exact.incidental == 0
    paths = {one.path for pair in exact.events for one in pair.details()}
    assert {"outcome.result.found[1].took_ms", "outcome.session_id", "args.at"} <= paths
    assert any(name.startswith("slow_look_up_result") for name in exact.artifacts)
    assert list(exact.state) == ["made"]


@pytest.mark.usefixtures("slow_look_up")
def test_a_result_that_was_lost_is_a_difference(script: Any, store: Store) -> None:
    """Two damaged stores are compared as far as they go."""
    text = "Tool.invoke('slow_look_up', { word = 'owl' })"
    a, b = (script(text, allow=["process"]) for _ in range(2))
    assert respell.diff(a.session, b.session, store=store).identical
    (lost,) = respell.session(b.session, store=store).artifacts.list()
    store._database.execute("DELETE FROM blobs WHERE hash = ?", (lost.content_hash,))
    found = respell.diff(a.session, b.session, store=store)
    assert list(found.artifacts) == [f"{lost.name} v1"]


def test_what_a_script_makes_of_a_time_is_a_difference(script: Any, store: Store) -> None:
    text = "local t = os.clock() State.set('t', t) print(t)"
    a, b = (script(text) for _ in range(2))
    found = respell.diff(a.session, b.session, store=store)
    assert found.first is not None
    assert found.first.a is not None
    assert found.first.a.name == "state.set"
    assert found.incidental == 1
    assert list(found.state) == ["t"]
    assert [pair.change for pair in found.events] == ["changed", "changed"]


def test_other_ids_and_times_are_told_beside_those_that_do_not_count(
    script: Any, store: Store
) -> None:
    text = """\
    local other = Session.create({ name = "n" .. input })
    Session.get(input == 1 and other or Session.getCurrent())
    os.date("%Y", input)
    os.time({ year = 2000 + input, month = 1, day = 1 })
    Utils.uuid()
    """
    a, b = script(text, input=1), script(text, input=2)
    found = respell.diff(a.session, b.session, store=store)
    changed = {pair.a.name for pair in found.events if pair.a and pair.change != "same"}
    assert changed == {"session.create", "session.get", "clock.date", "clock.time", "random.uuid"}
    created = found.events[0].details()
    assert [one.path for one in created] == ["args.name"]


@pytest.mark.usefixtures("slow_look_up")
def test_a_tool_of_python_declares_what_it_measures(script: Any, store: Store) -> None:
    a, b = (script("Tool.invoke('slow_look_up', { word = 'x' })") for _ in range(2))
    assert respell.diff(a.session, b.session, store=store).identical
    c = script("Tool.invoke('slow_look_up', { word = 'y' })")
    found = respell.diff(a.session, c.session, store=store)
    assert [one.path for one in found.events[-1].details()][:2] == [
        "args.params.word", "outcome.result.found[1].word"
    ]  # fmt: skip


def test_an_edited_time_is_a_difference_of_a_dry_run(script: Any, store: Store) -> None:
    session = script("local t = os.time()\nlocal u = t\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.end()
        debugger.set_outcome(5, event=2)
        found = debugger.compare()
    assert [one.path for one in found.events[0].details()] == ["outcome"]
