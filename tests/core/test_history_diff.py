"""Two sessions side by side: where they part, and what they differ in."""

from __future__ import annotations

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
