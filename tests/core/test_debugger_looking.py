"""Looking deeper with the debugger: calls of a line, parts of tables, bytes, copies that stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import respell
from respell.debug import Debugger
from respell.errors import UsageError
from respell.store import Store

SCRIPT = """\
local function g(x)
  return x + 1
end
local function f(a, b, ...)
  local s = g(a) + g(b)
  return s
end
local t = {1, 2, 3, name = "n", [0.5] = true}
t.self = t
local big = ("x"):rep(5000)
local r = f(g(1), g(2), 7)
print(r)
local co = coroutine.wrap(function(n)
  local m = f(n, n)
  return m
end)
print(co(4), t, #big)
"""


@pytest.fixture(params=[True, False], ids=["checkpoints", "plain"])
def debugger(request: pytest.FixtureRequest, script: Any, store: Store) -> Iterator[Debugger]:
    with ExitStack() as opened:
        result = script(SCRIPT)
        assert result.exit_code == 0, result.ended
        yield opened.enter_context(
            Debugger.open(result.session.id, store=store, checkpoints=request.param)
        )


def test_a_line_tells_what_it_calls_and_one_can_go_there(debugger: Debugger) -> None:
    debugger.run_to_line(11)
    before = debugger.position
    calls = debugger.calls()
    assert [(call.name, call.line) for call in calls] == [("g", 1), ("g", 1), ("f", 4)]
    assert debugger.position == before
    debugger.go_to(calls[1].position)
    assert debugger.stop.line == 2
    assert debugger.evaluate("x").values[0].text == "2"
    debugger.end()
    assert debugger.calls() == []


def test_one_goes_back_to_where_the_function_of_any_frame_was_entered(debugger: Debugger) -> None:
    debugger.run_to_line(6)
    entry = debugger.go_to_entry()
    assert (entry.line, entry.function) == (5, "f")
    assert debugger.go_to_entry().position == entry.position
    debugger.step_in()
    assert debugger.go_to_entry(1).position == entry.position
    debugger.step_in()
    assert str(debugger.go_to_entry(2).position) == "1+1"


def test_entries_in_a_coroutine_are_its_own(debugger: Debugger) -> None:
    debugger.run_to_line(15)
    assert debugger.stop.coroutine
    assert debugger.go_to_entry().line == 14
    debugger.step_in()
    assert [frame.params for frame in debugger.stack()] == [2, 1]
    assert debugger.go_to_entry(1).line == 14


def test_items_of_a_list_are_told_apart_from_other_entries(debugger: Debugger) -> None:
    debugger.run_to_line(12)
    table = debugger.look("t")
    assert table is not None
    assert (table.size, table.length) == (6, 3)
    items, total, _ = debugger.children(table, first=1, count=5, only="indexed")
    assert ([one.name for one in items], total) == (["[2]", "[3]"], 3)
    named, total, _ = debugger.children(table, only="named")
    assert ([one.name for one in named], total) == (["[0.5]", "name", "self"], 3)


def test_a_float_is_told_apart_from_an_integer(script: Any, store: Store) -> None:
    result = script("""\
        local list = {2^53, 1.0, -0.0, 1e15, 1e100, 0.1, 1/0, 1}
        for _, one in ipairs(list) do State.set("n", one) end
        print(table.unpack(list))""")
    printed = respell.session(result.session, store=store).output().split()
    with Debugger.open(result.session, store=store) as debugger:
        debugger.run_to_line(3)
        shown = debugger.evaluate("table.unpack(list)").values
        assert [one.text for one in shown] == printed
        assert [one.new.text for one in debugger.values("state:n")] == printed
        found = debugger.look("list")
        assert found is not None
        assert [one.value.text for one in debugger.children(found)[0]] == printed
        assert debugger.evaluate("error(1.0)").error == "1.0"


def test_a_long_string_can_be_read_in_parts(debugger: Debugger) -> None:
    debugger.run_to_line(12)
    big = debugger.look("big")
    assert big is not None
    assert big.size == 5000
    assert debugger.bytes(big) == b"x" * 5000
    assert debugger.bytes(big, first=4990, count=100) == b"x" * 10


def test_looking_leaves_alone_what_would_call_functions_or_never_end(debugger: Debugger) -> None:
    debugger.run_to_line(12)
    for text in ("f(1, 2)", "while true do end", "nothing.x", "t.new == nil and print(1)", "="):
        assert debugger.look(text) is None, text
    number = debugger.look("#t + 1")
    assert number is not None
    assert number.text == "4"


def test_what_an_expression_made_can_be_looked_into_until_the_next_move(
    debugger: Debugger,
) -> None:
    debugger.run_to_line(12)
    assert debugger.evaluate("{f(1, 2)}").values[0].ref == 0
    made = debugger.evaluate("{f(1, 2), t, ('y'):rep(9)}", keep=True).values[0]
    first, table, text = (one.value for one in debugger.children(made)[0])
    assert first.text == "5"
    assert debugger.children(table)[1] == 6
    assert debugger.bytes(text) == b"y" * 9
    debugger.step_over()
    with pytest.raises(UsageError, match="evaluate it again"):
        debugger.children(made)


def test_only_so_many_copies_are_kept(debugger: Debugger) -> None:
    kept = [debugger.evaluate(f"{{{n}}}", keep=True).values[0] for n in range(9)]
    with pytest.raises(UsageError, match="evaluate it again"):
        debugger.children(kept[0])
    assert debugger.children(kept[8])[1] == 1


def test_breakpoints_need_not_be_kept_with_the_session(debugger: Debugger, store: Store) -> None:
    ident = debugger.session.id
    debugger.breakpoints.add_line("main.lua", 12)
    with Debugger.open(ident, store=store, keep_breakpoints=False) as other:
        assert other.breakpoints.list() == []
        other.breakpoints.add_line("main.lua", 17)
        assert other.continue_().line == 17
    with Debugger.open(ident, store=store) as again:
        assert [one.line for one in again.breakpoints.list()] == [12]


def test_a_string_of_another_time_has_no_number_to_ask_for_its_bytes_by(
    script: Any, store: Store
) -> None:
    text = "local a = 'another'\nlocal s = 'one'\ns = 'two'\ns = (function() return a end)()\n"
    session = script(text + "print(s)\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.run_to_line(3)
        changed = debugger.breakpoints.add_data("s")
        debugger.end()
        while not debugger.reverse_continue().changes:
            assert debugger.stop.reason != "entry"
        assert debugger.stop.changes[0].breakpoint == changed.id
        found = [debugger.stop.changes[0].old, *(one.new for one in debugger.values("s"))]
        last = debugger.last_change("s")
        assert last is not None
        assert [one.bytes_ref for one in (*found, last.new)] == [0] * (len(found) + 1)


RETURNS = """\
local function many(...)
  return "a", nil, ... end
local function none()
  local x = 1 end
local function tail(...)
  return many(...) end
local function fails()
  error("no") end
local function other()
  return 99 end
print(many(1), none(), tail(2), pcall(fails) and 1 or other())
local co = coroutine.wrap(function(x)
  local y = coroutine.yield(x)
  return y * 2 end)
print(co(1), co(os.time()))
"""


@pytest.mark.parametrize("checkpoints", [True, False])
def test_what_a_function_returns_is_known_before_it_does(
    script: Any, store: Store, checkpoints: bool
) -> None:
    session = script(RETURNS).session
    seen: dict[int, list[str] | None] = {}
    with Debugger.open(session.id, store=store, checkpoints=checkpoints) as debugger:
        while not debugger.step_in().at_end:
            if debugger.stop.function != "main chunk":
                found = debugger.returns()
                seen[debugger.stop.line] = None if found is None else [it.text for it in found]
        time = str(debugger.event() and next(debugger.events(3)).outcome)
    assert seen == {
        2: ['"a"', "nil", "2"], 4: [], 6: ['"a"', "nil", "2"], 8: None, 10: ["99"],
        13: [str(int(time) * 2)], 14: [str(int(time) * 2)],
    }  # fmt: skip


def test_of_many_values_that_are_returned_the_first_ones_are_shown(
    script: Any, store: Store
) -> None:
    session = script("local function f()\n  return table.unpack({}, 1, 40) end\nf()\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.run_to_line(2)
        found = debugger.returns()
        assert found is not None
        assert (len(found), found.more) == (16, True)
        main = debugger.returns(1)
        assert main == []
