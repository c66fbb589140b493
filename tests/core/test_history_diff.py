"""Two sessions side by side: where they part, and what they differ in."""

from __future__ import annotations

from typing import Any

import respell
from respell.history.diff import ALIGNED_LINES
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
