"""Asking over time: changes both ways, all values, and which lines ran when and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from respell.debug import Change, Debugger, Position
from respell.debug.worker import Cancelled
from respell.errors import UsageError
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

        def open_(text: str, code: int = 0) -> Debugger:
            result = script(text)
            assert result.exit_code == code, result.ended
            debugger = Debugger.open(result.session.id, store=store, checkpoints=request.param)
            return opened.enter_context(debugger)

        yield open_


def told(changes: list[Change]) -> list[tuple[str, int, str, str]]:
    """Return position, line, old and new of changes."""
    return [(str(one.position), one.line, one.old.text, one.new.text) for one in changes]


def test_changes_are_found_in_both_directions(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.go_to("3+2")
    before, after = debugger.last_change("total"), debugger.next_change("total")
    assert before is not None
    assert after is not None
    assert told([before, after]) == [("2+5", 7, "1", "3"), ("3+5", 7, "3", "6")]
    assert str(debugger.position) == "3+2"
    debugger.end()
    assert debugger.next_change("total") is None
    debugger.start()
    first = debugger.next_change("total")
    assert first is not None
    assert (first.line, first.new.text, first.is_first) == (5, "0", True)


def test_all_values_of_a_variable_are_listed(debug: Open) -> None:
    debugger = debug(SUMS)
    assert told(debugger.values("total")) == [
        ("1+3", 5, "nothing", "0"), ("1+7", 7, "0", "1"), ("2+5", 7, "1", "3"),
        ("3+5", 7, "3", "6"),
    ]  # fmt: skip
    some = debugger.values("total", limit=2)
    assert (len(some), some.more) == (2, True)
    between = debugger.values("total", first=Position(2), last=Position(3))
    assert (told(between), between.more) == ([("2+5", 7, "1", "3")], False)
    with pytest.raises(UsageError, match="the limit has to be 1 to 10000, not 0"):
        debugger.values("total", limit=0)


def test_a_local_of_a_function_is_told_apart_by_its_calls(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.run_to_line(3)
    found = debugger.values("sum")
    assert [(one.activation, one.is_first, one.new.text) for one in found] == [
        (1, True, "1"), (2, True, "3"), (3, True, "6"),
    ]  # fmt: skip
    assert "sum (call 2) set to 3 by main.lua:2" in found[1].describe("sum")
    only = debugger.last_change("sum")
    assert only is not None
    assert (only.new.text, only.is_first) == ("1", True)
    assert debugger.next_change("sum") is None, "in this call it does not change any more"


def test_fields_upvalues_and_keys_of_the_state_have_values_too(debug: Open) -> None:
    debugger = debug(
        "local t = { a = { b = { 1, 2, 3 } } }\n"
        "local n = 0\n"
        "local function bump()\n  n = n + 1\n  t.a.b[3] = n\n  State.set('n', n)\nend\n"
        "bump()\nbump()\nState.delete('n')\nprint(n)\n"
    )
    assert [one.new.text for one in debugger.values("t.a.b[3]")] == ["3", "1", "2"]
    state = debugger.values("state:n")
    assert told(state) == [
        ("2+0", 6, "nothing", "1"), ("3+0", 6, "1", "2"), ("4+0", 10, "2", "nil"),
    ]  # fmt: skip
    debugger.run_to_line(6)
    inside = debugger.values("n")
    assert [(one.new.text, one.line) for one in inside] == [("1", 4), ("2", 4)]
    last = debugger.last_change("n")
    assert last is not None
    assert (last.old.text, last.new.text, last.line) == ("0", "1", 4)
    assert debugger.last_change("state:n") is None
    coming = debugger.next_change("state:n")
    assert coming is not None
    assert (str(coming.position), coming.event and coming.event.name) == ("2+0", "state.set")


@pytest.mark.parametrize("name", ["g", "up", "own"])
def test_a_change_is_of_the_line_that_assigns_what_a_call_returns(debug: Open, name: str) -> None:
    debugger = debug(
        "local up, own = 0, 0\n"
        "local function answer()\n  local n = 41\n  return n + 1\nend\n"
        "local function ask()\n  up = answer()\nend\n"
        "g = answer()\nown = answer()\nask()\nprint(g, up, own)\n"
    )
    debugger.end()
    change = debugger.last_change(name)
    assert change is not None
    assert (change.line, change.new.text) == ({"g": 9, "up": 7, "own": 10}[name], "42")


def test_a_change_is_of_the_line_that_goes_on_after_an_error_was_caught(debug: Open) -> None:
    debugger = debug(
        "local function fails()\n  local n = 1\n  error('no')\nend\ng = pcall(fails)\nprint(g)\n"
    )
    debugger.end()
    change = debugger.last_change("g")
    assert change is not None
    assert (change.line, change.new.text) == (5, "false")


def test_a_variable_that_hides_another_is_not_that_one(debug: Open) -> None:
    debugger = debug("local n = 1\ndo\n  local n = 'inner'\n  print(n)\nend\nprint(n)\nprint(1)\n")
    debugger.run_to_line(7)
    assert [one.new.text for one in debugger.values("n")] == ["1"]
    debugger.run_back_to_line(4)
    assert [one.new.text for one in debugger.values("n")] == ['"inner"']


def test_a_closures_variable_is_its_own(debug: Open) -> None:
    debugger = debug(
        "local function counter(n)\n  return function()\n    n = n + 1\n    return n\n  end\nend\n"
        "local a, b = counter(0), counter(10)\na()\nb()\na()\nb()\nprint('x')\n"
    )
    debugger.run_to_line(10)
    debugger.run_to_line(4)
    values = debugger.values("n")
    assert [(one.activation, one.new.text) for one in values] == [
        (1, "1"), (2, "11"), (1, "2"), (2, "12"),
    ]  # fmt: skip
    last = debugger.last_change("n")
    assert last is not None
    assert (last.old.text, last.new.text) == ("1", "2")
    after = debugger.next_change("n")
    assert after is None, "the other counter's is another variable"


def test_what_a_function_does_not_see_is_refused_with_where_it_is_seen(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.run_to_line(2)
    with pytest.raises(UsageError, match=r"add sees no total here; frame 1 \(main chunk\) does"):
        debugger.values("total")
    assert len(debugger.values("total", 1)) == 4


def test_lines_are_counted_and_found(debug: Open) -> None:
    debugger = debug(SUMS)
    assert debugger.hit_counts() == {2: 3, 3: 3, 4: 1, 5: 1, 6: 4, 7: 3, 8: 3, 10: 1, 11: 1}
    assert debugger.hit_counts("main.lua", until=Position(2, 2)) == {
        2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 1,
    }  # fmt: skip
    assert [str(one) for one in debugger.executions(8)] == ["1+7", "2+5", "3+5"]
    first = debugger.executions(8, limit=1)
    assert (len(first), first.more) == (1, True)
    assert debugger.executions(9, "main.lua") == [debugger.go_to("4+2").position]
    with pytest.raises(UsageError, match="has no code at or after line 12"):
        debugger.executions(12)
    with pytest.raises(UsageError, match=r"the session has no source other\.lua"):
        debugger.hit_counts("other.lua")


def test_a_question_can_be_cancelled_and_another_one_asked(debug: Open) -> None:
    debugger = debug("local n = 0\nfor i = 1, 400000 do n = n + i end\nprint(n)\n")
    told: list[float] = []

    def cancel(seconds: float) -> None:
        told.append(seconds)
        debugger.cancel()

    debugger._execution.on_wait = cancel
    for ask in (
        lambda: debugger.values("n", limit=10000, first=Position(9)),
        lambda: debugger.next_change("nothing"),
        lambda: debugger.hit_counts(),
    ):
        with pytest.raises(Cancelled):
            ask()
    assert told
    debugger._execution.on_wait = None
    assert debugger.next_change("n") is not None
    assert debugger.step_over().line == 2
