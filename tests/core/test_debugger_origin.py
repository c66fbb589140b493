"""Asking where a value came from: back to the effect, or to the line that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import respell
from respell.debug import Debugger, Origin
from respell.debug.worker import Cancelled
from respell.errors import UsageError
from respell.store import Store

Open = Callable[..., Debugger]


@pytest.fixture
def debug(script: Any, store: Store) -> Iterator[Open]:
    """Run a text as a session and open it at its end."""
    with ExitStack() as opened:

        def open_(text: str, code: int = 0, **options: Any) -> Debugger:
            result = script(text, **options)
            assert result.exit_code == code, result.ended
            debugger = opened.enter_context(Debugger.open(result.session.id, store=store))
            debugger.end()
            return debugger

        yield open_


def lines(found: Origin) -> list[int]:
    """Return the lines of the steps, the last first."""
    return [one.line for one in found.steps]


SUMS = """\
local function fetch(n)
  local answer = Tool.invoke("calculator", { expression = n .. " * 2" })
  return answer.result.result
end
local function add(a, b)
  local sum = a + b
  return sum
end
local report = { items = {} }
local total = 0
for i = 1, 3 do
  local price = fetch(i)
  report.items[i] = { price = price, name = "item " .. i }
  total = add(total, price)
end
State.set("report", report)
local second = State.get("report").items[2].price
local text = "second: " .. tostring(second)
print(total, second, text)
"""


def test_a_value_is_followed_through_state_tables_and_functions(debug: Open) -> None:
    debugger = debug(SUMS)
    found = debugger.origin("second")
    assert (found.kind, found.event, found.effect) == ("effect", 3, "tool.invoke")
    assert (found.field, found.line) == ("result.result", 2)
    assert found.value is not None
    assert found.value.text == "4.0"
    assert found.artifact is not None
    assert found.artifact.name == "calculator_result_3.json"
    assert lines(found) == [17, 17, 16, 13, 12, 3, 2]
    assert found.steps[0].what == 'second = State.get("report").items[2].price'
    assert debugger.origin("text").event == 3
    assert debugger.stop.at_end, "asking leaves the debugger where it is"


def test_what_was_computed_has_all_it_was_computed_from(debug: Open) -> None:
    debugger = debug(SUMS)
    found = debugger.origin("total")
    assert found.kind == "computed"
    assert found.line == 6
    assert [one.kind for one in found.sources] == ["constant", "effect", "effect", "effect"]
    assert found.events == [2, 3, 4]
    json = found.to_json()
    assert json["events"] == [2, 3, 4]
    assert json["sources"][0]["line"] == 10


def test_what_can_not_be_asked_is_refused(debug: Open) -> None:
    debugger = debug("local a = 1\nprint(a)\n")
    for text in ("a +", "a = 2", "a, a", ""):
        with pytest.raises(UsageError, match="no Lua expression"):
            debugger.origin(text)


WRONG = "local two = Tool.invoke('calculator', { expression = '1 + 1' }).result.result\n"
"""Begins a script with an effect, event 2."""


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("local a, b = 1, two", "b"),
        ("local t = { x = { y = { 0, two } } }\nlocal k = 'y'", "t.x[k][2]"),
        ("local t = {}\ntable.insert(t, 1)\ntable.insert(t, 1, two)", "t[1]"),
        ("local t = {}\ntable.insert(t, two)\ntable.insert(t, 1, 'first')", "t[2]"),
        ("local t = { 5, two, 9 }\ntable.sort(t)", "t[1]"),
        ("local t = { 5, two, 9 }\ntable.remove(t, 1)", "t[1]"),
        ("local t = { 5, two }\nlocal last = table.remove(t)", "last"),
        ("local t = rawset({}, 'k', two)\nrawset(t, 'j', two)", "t.j"),
        ("local a, b = table.unpack({ 1, two })", "b"),
        ("local a = select(2, 1, two, 3)", "a"),
        ("local a = tostring(two):upper()", "a"),
        ("local a = 'is ' .. two .. '!'", "a"),
        ("local a = ('%s-%d'):format(two, 3)", "a"),
        ("local a = JSON.parse(JSON.stringify({ two })) ", "a[1]"),
        ("local a = #tostring(two)", "a"),
        ("local a = -two", "a"),
        ("local a = nil or two", "a"),
        ("local a = two > 1 and two or 0", "a"),
        ("local a\nif two > 1 then a = two else a = 0 end", "a"),
        ("local a = 1\na = two a = a", "a"),
        ("local a, b = 1, two\na, b = b, a", "a"),
        ("local a do local a = two glob = a end", "glob"),
        ("local m\nfor _, v in ipairs({ 1, two }) do m = v end", "m"),
        ("local m\nfor k, v in pairs({ a = two }) do m = v end", "m"),
        ("local m\nfor k, v in next, { a = two } do m = v end", "m"),
        ("local m\nfor w in ('a ' .. two):gmatch('%S+') do m = w end", "m"),
        ("local ok, a = pcall(function(v) return v end, two)", "a"),
        ("local ok, a = xpcall(function(v) return v end, print, two)", "a"),
        ("local ok, e = pcall(function() error('bad ' .. two) end)", "e"),
        ("local ok, e = pcall(error, two)", "e"),
        ("local a = assert(two, 'no')", "a"),
        ("local function f(...) return ... end\nlocal a, b = f(1, two)", "b"),
        ("local function f(...) local t = { ... } return t[2] end\nlocal b = f(1, two)", "b"),
        ("local function f(...) return (select(2, ...)) end\nlocal b = f(1, two)", "b"),
        ("local function g(x) return x end\nlocal function f(x) return g(x) end\nlocal a = f(two)",
         "a"),
        ("local function f(x, y) return y end\nlocal a = f(1, f(2, two))", "a"),
        ("local function f(x) if x == 0 then return two end return f(x - 1) end\nlocal a = f(3)",
         "a"),
        ("local function fill(t, v) t.x = v t.y = 1 end\nlocal t = {}\nfill(t, two)", "t.x"),
        ("local t = {}\nlocal u = t\nu.x = two", "t.x"),
        ("local t = {}\nt.self = t\nt[1] = two", "t.self.self[1]"),
        ("local up = 0\nlocal function set(v) up = v end\nset(two)", "up"),
        ("local function keep(n) return function() return n end end\nlocal k1, k2 = keep(1), "
         "keep(two)\nlocal a = k2()", "a"),
        ("local function count(n) return function() n = n + 1 return n end end\n"
         "local c = count(two)\nc()\nlocal a = c()", "a"),
        ("local C = {}\nC.__index = C\nfunction C.new(v) return setmetatable({ v = v }, C) end\n"
         "function C:get() return self.v end\nlocal a = C.new(two):get()", "a"),
        ("local C = { rate = two }\nC.__index = C\nlocal c = setmetatable({}, C)", "c.rate"),
        ("local t = setmetatable({}, { __index = function() return two end })\nlocal a = t.any",
         "a"),
        ("local mt = {}\nmt.__add = function(x, y) return x.v end\n"
         "local t = setmetatable({ v = two }, mt)\nlocal a = t + 1", "a"),
        ("local co = coroutine.wrap(function()\n  coroutine.yield(1)\n  coroutine.yield(two)\n"
         "end)\nco()\nlocal a = co()", "a"),
        ("local co = coroutine.create(function(x)\n  local y = coroutine.yield(x)\n  return y\n"
         "end)\ncoroutine.resume(co, 1)\nlocal _, a = coroutine.resume(co, two)", "a"),
        ("local co = coroutine.wrap(function(x) while true do x = coroutine.yield(x) end end)\n"
         "co(1)\nlocal a = co(two)", "a"),
        ("local m\nfor v in coroutine.wrap(function() coroutine.yield(two) end) do m = v end",
         "m"),
        ("local a = two\nlocal co = coroutine.wrap(function()\n  coroutine.yield(a)\nend)\n"
         "a = co()", "a"),
        ("local function each(t) local i = 0 return function()\n  i = i + 1\n  return t[i]\n"
         "end end\nlocal m\nfor v in each({ 1, two }) do m = v end", "m"),
        ("State.set('k', { v = two })\nlocal a = State.get('k').v", "a"),
        ("State.set('notes', 'k', two)\nlocal a = State.get('custom:notes', 'k')", "a"),
        ("State.set('k', two)", "state:k"),
        ("local id = Artifact.store(nil, 'a.txt', 'is ' .. two)\n"
         "local a = Artifact.getContent(nil, id)", "a"),
        ("local id = Artifact.store(nil, 'text', 'a.txt', 'is ' .. two, {})\n"
         "local a = Artifact.get(nil, id).content", "a"),
        ("local id = Artifact.store(nil, 'a.json', { n = two })\n"
         "local a = Artifact.getContent(nil, id).n", "a"),
        ("Tool.register('same', { description = 'x' }, function(p) return p.n end)\n"
         "local a = Tool.invoke('same', { n = two }).result", "a"),
        ("local a = 2.0\na = two", "a"),
        ("local a = {\n  x =\n    two,\n}", "a.x"),
        ("local function f(\n  x,\n  y\n)\n  return y\nend\nlocal a = f(\n  1,\n  two\n)", "a"),
    ],
)  # fmt: skip
def test_an_effect_is_found_behind_whatever_a_script_does(
    debug: Open, text: str, expression: str
) -> None:
    debugger = debug(f"{WRONG}{text}\nprint('done')\n")
    found = debugger.origin(expression)
    assert found.events == [2], found.lines(full=True)
    assert all(one.kind in ("effect", "constant") for one in found.leaves())
    (leaf,) = [one for one in found.leaves() if one.event == 2]
    assert (leaf.effect, leaf.about, leaf.field) == ("tool.invoke", "calculator", "result.result")


@pytest.mark.parametrize(
    ("text", "expression", "line"),
    [
        ("local a = 5", "a", 1),
        ("local t = { a = { 'x' } }", "t.a[1]", 1),
        ("local function f() return 7 end\nlocal a = f()", "a", 1),
        ("local a\nlocal b = a", "b", 1),
        ("local a\nfor i = 1, 3 do a = i end", "a", 2),
        ("local a = function() end", "a", 1),
        ("local a = ('x'):rep(3)", "a", 1),
    ],
)
def test_what_came_from_no_effect_stands_in_a_line(
    debug: Open, text: str, expression: str, line: int
) -> None:
    found = debug(f"{text}\nprint('done')\n").origin(expression)
    assert (found.kind, found.line, found.event, found.lost) == ("constant", line, None, None)
    assert f"it stands in the script at main.lua:{line}" in found.describe()


@pytest.mark.parametrize(
    ("text", "expression", "why"),
    [
        ("local a = 1", "b", "nothing was assigned to b before here"),
        ("local a = 1", "print", "print was there before anything that can be followed"),
        ("local t = {}", "t.x.y", "t.x.y"),
        ("local co = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) co()\n"
         "local a = co()", "a", "what co() gave is not known"),
        ("local t = setmetatable({}, { __index = string })\nlocal a = t.len", "a",
         "the metatable of t (__index) answers for t.len"),
        ("local t = { 2, 2, 1 }\ntable.sort(t)", "t[3]",
         "main.lua:2 changed it, by something other than an assignment"),
        ("local a = math.random()", "a", None),
    ],
)  # fmt: skip
def test_where_it_is_lost_is_said(debug: Open, text: str, expression: str, why: str | None) -> None:
    found = debug(f"{text}\nprint('done')\n").origin(expression)
    assert found.event is None
    if why is None:
        assert (found.kind, found.note) == ("computed", "what math.random() gave")
    else:
        assert found.kind == "lost"
        assert found.lost is not None
        assert why in found.lost
        assert found.to_json()["lost"] == found.lost


def test_a_value_that_depends_on_itself_ends(debug: Open) -> None:
    debugger = debug(
        "local a = { n = 1 }\nlocal b = { other = a }\na.other = b\n"
        "for i = 1, 5 do a.n = b.other.n + a.n end\nprint(a.n)\n"
    )
    found = debugger.origin("a.n")
    assert found.kind == "computed"
    assert {one.kind for one in found.leaves()} == {"constant"}


def test_no_more_steps_than_asked_for_are_followed(debug: Open) -> None:
    debugger = debug("local n = args[1]\nfor i = 1, 300 do\n  n = n + i\nend\nprint(n)\n",
                     args=["1"])  # fmt: skip
    found = debugger.origin("n", most=20)
    rest, *_ = [one for one in found.leaves() if one.kind == "lost"]
    assert rest.lost is not None
    assert "no more steps are followed at once; ask for n again at 1+" in rest.lost
    assert debugger.stop.at_end
    assert debugger.origin("n", most=3).kind == "computed"


def test_it_is_asked_of_any_frame_and_at_any_position(debug: Open) -> None:
    debugger = debug(SUMS)
    debugger.run_back_to_line(6)
    assert debugger.origin("b").event == 4
    assert debugger.origin("price", 1).event == 4
    assert [one.index for one in debugger.stack()] == [0, 1]
    frame = debugger.stack()[1]
    assert debugger.origin("total", frame).events == [2, 3]
    debugger.go_to("3+1")
    assert debugger.origin("answer.result").event == 3
    assert str(debugger.position) == "3+1"


def test_a_question_that_takes_long_tells_so_and_can_be_cancelled(debug: Open) -> None:
    debugger = debug(
        "local a = Tool.invoke('calculator', { expression = '1' }).result.result\n"
        "local n = 0\nfor i = 1, 400000 do n = n + i end\nprint(a, n)\n"
    )
    told: list[float] = []

    def cancel(seconds: float) -> None:
        told.append(seconds)
        debugger.cancel()

    debugger._execution.on_wait = cancel
    with pytest.raises(Cancelled):
        debugger.origin("a")
    assert told
    debugger._execution.on_wait = None
    assert debugger.stop.at_end
    assert debugger.origin("a").event == 2


def test_what_a_person_gave_is_said_to_be_that(script: Any, store: Store) -> None:
    result = script(
        "local who = args[1]\nlocal first, second = ...\nlocal city = input.city\n"
        "local given = Session.suspend { prompt = 'how many?' }\nlocal n = given.n + 1\nprint(n)\n",
        args=["ann", "bob"], input={"city": "Oslo"},
    )  # fmt: skip
    script.resume(result.session, value={"n": 41})
    with Debugger.open(result.session.id, store=store) as debugger:
        debugger.end()
        asked = debugger.origin("n")
        assert (asked.event, asked.effect, asked.field) == (2, "session.suspend", "n")
        assert "given when the session was resumed" in asked.describe()
        for expression, note in (
            ("who", "an argument of the script"), ("second", "argument 2 of the script"),
            ("city", "the session's input"),
        ):  # fmt: skip
            given = debugger.origin(expression)
            assert (given.kind, given.note) == ("given", note)
            assert given.describe().startswith("given when the session was begun")


def test_an_error_that_ended_the_session_is_followed(debug: Open) -> None:
    debugger = debug(
        "local answer = Tool.invoke('calculator', { expression = '40 + 2' })\n"
        "local wrong = answer.result.result\nlocal function check(v)\n"
        "  if v > 40 then error('too much: ' .. v) end\nend\ncheck(wrong)\n",
        code=1,
    )
    assert debugger.origin("v").event == 2
    assert debugger.origin("wrong", 1).event == 2


def test_parallel_branches_and_workers_are_told_apart(debug: Open) -> None:
    debugger = debug(
        "local results = {}\nlocal function worker(name, first)\n"
        "  return coroutine.create(function()\n    for i = first, first + 1 do\n"
        "      local got = Tool.invoke('calculator', { expression = i .. ' * 10' })\n"
        "      results[name .. i] = got.result.result\n      coroutine.yield()\n    end\n  end)\n"
        "end\nlocal all = { worker('a', 1), worker('b', 2) }\n"
        "for _ = 1, 2 do\n  for _, co in ipairs(all) do coroutine.resume(co) end\nend\n"
        "local mixed = results.a2 + results.b2\nprint(mixed)\n"
    )
    found = debugger.origin("mixed")
    assert found.value is not None
    assert found.value.text == "40.0"
    assert sorted(found.events) == [3, 4]
    assert debugger.origin("results.b3").event == 5


EDITED = """\
local r = Tool.invoke('calculator', { expression = '1 + 1' }).result.result
local a = 1
a = r
local b = a
print(a, b)
"""


def test_what_an_edit_made_is_said_to_be_that(debug: Open, store: Store) -> None:
    debugger = debug(EDITED)
    debugger.run_back_to_line(4)
    debugger.set_variable("a", "40 + 2")
    debugger.end()
    for expression in ("a", "b"):
        found = debugger.origin(expression)
        assert (found.kind, found.note) == ("edited", "a = 40 + 2")
        assert found.describe() == "set by an edit: a = 40 + 2"
        assert found.value is not None
        assert found.value.text == "42"
    forked = debugger.fork("edited")
    debugger.discard_edits()
    debugger.end()
    assert debugger.origin("b").event == 2
    debugger.set_outcome({"result": {"result": 7}}, event=2)
    debugger.end()
    assert "an outcome that an edit gave it" in debugger.origin("b").describe()
    respell.resume(forked, store=store)
    with Debugger.open(forked.id, store=store) as other:
        other.end()
        assert other.origin("b").describe() == "set by an edit: a = 40 + 2"


def test_a_callback_is_followed_to_what_it_was_called_with(debug: Open) -> None:
    debugger = debug(
        "local agent = Agent.create { name = 'w', model = 'mock/echo' }\nlocal pieces = {}\n"
        "agent:stream('one two', function(text)\n  pieces[#pieces + 1] = text\nend)\n"
        "local joined = table.concat(pieces)\n"
        "local upper = joined:gsub('%a+', function(word)\n  local big = word:upper()\n"
        "  last = big\n  return big\nend)\nprint(upper)\n"
    )
    found = debugger.origin("joined")
    assert (found.event, found.effect, found.field) == (4, "agent.chunks", "chunks[1]")
    assert debugger.origin("upper").event == 4
    assert debugger.origin("last").event == 4


def test_where_the_same_value_is_helps_where_it_is_lost(debug: Open) -> None:
    debugger = debug(
        "local said = Tool.invoke('calculator', { expression = '1200 + 34' }).result.result\n"
        "local co = coroutine.wrap(function(v) coroutine.yield(1) coroutine.yield(v) end) co(said)"
        "\nlocal a = co()\nprint(a)\n"
    )
    found = debugger.origin("a")
    assert found.kind == "lost"
    assert found.note == "the same value is in event 2 (tool.invoke, result.result)"


def test_a_value_is_followed_through_a_chunk_that_load_made(debug: Open) -> None:
    debugger = debug(
        "local said = Tool.invoke('calculator', { expression = '1200 + 34' }).result.result\n"
        "box = load('return function(v) kept = v end')()\nbox(said)\nlocal a = kept\nprint(a)\n"
    )
    found = debugger.origin("a")
    assert (found.kind, found.event) == ("effect", 2)
    assert any(step.source.startswith("[string") for step in found.steps)


def test_of_several_events_of_a_line_it_is_the_one_that_has_the_value(debug: Open) -> None:
    debugger = debug(
        "local function ask(e) return Tool.invoke('calculator', { expression = e }).result end\n"
        "local agent = Agent.create { name = 'r', model = 'mock/scripted',\n"
        "  tools = { 'calculator' }, options = { answers = { { tool_calls = {\n"
        "    { name = 'calculator', arguments = { expression = '6*7' } } } }, 'It is 42.' } } }\n"
        "local reply = agent:execute('What is six times seven?')\n"
        "local text, told = reply.text, reply.tool_calls[1].arguments.expression\n"
        "local a, b = ask('1 + 2').result, ask('3 + 4').result\n"
        "local c = ask('5').result + ask(ask('6').result .. ' * 1').result\n"
        "print(a, b, c, text, told)\n"
    )
    events = {one.number: one for one in debugger.events()}
    asked = {name: debugger.origin(name) for name in ("text", "a", "b", "c")}
    text = asked["text"].event
    assert text is not None
    assert events[text].name == "agent.request"
    assert events[text].outcome["text"] == "It is 42."
    for name, expression in (("a", "1 + 2"), ("b", "3 + 4")):
        number = asked[name].event
        assert number is not None
        assert events[number].args["params"]["expression"] == expression
    assert len(asked["c"].events) == 2
