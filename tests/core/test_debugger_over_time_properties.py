"""What a worker finds out by itself is what one sees who looks at every line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from respell.debug import Change, Debugger, Frame, Position
from respell.store import Store

# `total` is a local of the script that closures write too, `seen` a global, `t` a table, and
# `mine` a local of a function that is called again and again.
HEAD = """\
local total = 0
local t = { a = { b = { 1 } } }
local function add(n)
  total = total + n
  return n
end
local function grow(n)
  t.a.b[1] = n
  t.a.b[2] = (t.a.b[2] or 0) + n
end
local function call(n)
  local mine = n
  if n > 2 then
    mine = mine + call(n - 2)
  end
  mine = add(mine)
  return mine
end
local function same(n) local m = n return m end
local function fails(n)
  total = n
  error("no")
end
"""
PIECES = [
    "add(@)",
    "total = same(total + @)",
    "total = add(@) + total",
    "total = @ add(1) total = total + 1",
    "seen = same(@)",
    "seen = add(@)",
    "seen = total os.time() seen = seen + 1",
    "grow(@)",
    "t.a = { b = { @ } }",
    "t.a.b[1] = same(@)",
    "call(@)",
    "call(@) call(3)",
    "pcall(fails, @)",
    "total = pcall(fails, @) and 1 or 2",
    "for i = 1, 3 do total = total + i end",
    "do\n  local total = 'other'\n  seen = total\nend",
    "coroutine.wrap(function()\n  total = @\n  coroutine.yield()\nend)()",
    "local co@ = coroutine.wrap(function(n)\n  total = coroutine.yield(n)\n  seen = total\nend)\n"
    "co@(1)\nco@(@)",
    "table.sort({ 3, 1, 2 }, function(x, y)\n  total = total + 1\n  return x < y\nend)",
    "State.set('total', total)",
    "State.delete('total')",
    "t = setmetatable({}, { __index = t })\nt.a = { b = { total } }",
    "seen = nil",
]
scripts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map(
    lambda pieces: (
        HEAD
        + "".join(piece.replace("@", str(n + 2)) + "\n" for n, piece in enumerate(pieces))
        + "print(total)\n"
    )
)
some = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Look = Callable[[Debugger], dict[Any, str]]
Seen = list[tuple[str, str]]
"""Position and new value of every change."""


def at_every_line(debugger: Debugger, look: Look) -> Seen:
    """Step through everything, and return what changed: of each key that `look` returns."""
    debugger.start()
    found: Seen = []
    known = look(debugger)
    while not debugger.step_in().at_end:
        now = look(debugger)
        found += [
            (str(debugger.position), text) for key, text in now.items() if known.get(key) != text
        ]
        known = now
    return found


def as_seen(changes: list[Change]) -> Seen:
    """Return changes in the same form."""
    return [(str(one.position), one.new.text) for one in changes]


def in_main(expression: str) -> Look:
    """Return what looks at an expression of the script's own lines."""

    def look(debugger: Debugger) -> dict[Any, str]:
        frame = debugger.stack(0)[-1]
        variables = debugger.variables(frame).locals
        if expression in ("total", "seen"):
            first = next((one for one in variables if one.name == expression), None)
            found = first.value.text if first else debugger.evaluate(expression).values[0].text
            return {0: found} if first or expression == "seen" else {}
        # A field is looked at as it is: what `__index` would give is not of this table.
        raw = f"rawget(rawget(rawget(t, 'a') or {{}}, 'b') or {{}}, {expression[-2]})"
        value = debugger.evaluate(raw, frame)
        return {0: value.values[0].text if value.values else "nil"}

    return look


def mains(debugger: Debugger) -> Frame:
    """Return the frame of the script's own lines."""
    return debugger.stack(0)[-1]


def agree(debugger: Debugger, expression: str, expected: Seen, chance: random.Random) -> None:
    """Check that all questions about an expression come to what was seen."""
    found = debugger.values(expression, mains(debugger))
    assert not found.more
    assert as_seen(found) == expected
    places = [Position.parse(place) for place, _ in expected] or [Position(1, 3)]
    for place in chance.sample(places, min(3, len(places))):
        stop = debugger.go_to(place)
        assert stop.position == place
        last = debugger.last_change(expression, mains(debugger))
        after = debugger.next_change(expression, mains(debugger))
        assert debugger.position == place
        before = [one for one in expected if Position.parse(one[0]) <= place]
        behind = [one for one in expected if Position.parse(one[0]) > place]
        assert (as_seen([last]) if last else []) == before[-1:]
        assert (as_seen([after]) if after else []) == behind[:1]


@given(scripts, st.sampled_from(["total", "seen", "t.a.b[1]", "t.a.b[2]"]), st.randoms())
@some
def test_all_values_are_those_that_one_sees_who_looks_at_every_line(
    script: Any, store: Store, text: str, expression: str, chance: random.Random
) -> None:
    session = script(text).session
    with Debugger.open(session.id, store=store) as debugger:
        expected = at_every_line(debugger, in_main(expression))
        debugger.end()
        debugger.run_back_to_line(text.count("\n"))
        agree(debugger, expression, expected, chance)


@given(scripts)
@some
def test_the_values_of_a_functions_local_are_those_of_each_of_its_calls(
    script: Any, store: Store, text: str
) -> None:
    session = script("call(5)\n".join((HEAD, text.removeprefix(HEAD)))).session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.run_to_line(14)
        frame = debugger.stack()[0]

        def mine(debugger: Debugger) -> dict[Any, str]:
            return {
                one.depth: local.value.text
                for one in debugger.stack(0)
                if one.defined == frame.defined
                for local in debugger.variables(one).locals
                if local.name == "mine"
            }

        debugger.go_to(debugger.position)
        found = debugger.values("mine")
        # Calls of the same depth follow each other only with a line in between.
        expected = at_every_line(debugger, mine)
        assert as_seen(found) == expected
        firsts = [one.activation for one in found if one.is_first]
        assert firsts == sorted(set(firsts))


@given(scripts)
@some
def test_the_counts_of_lines_are_those_of_a_walk(script: Any, store: Store, text: str) -> None:
    session = script(text).session
    with Debugger.open(session.id, store=store) as debugger:
        walked = [debugger.stop]
        while not debugger.step_in().at_end:
            walked.append(debugger.stop)
        assert debugger.hit_counts("main.lua") == Counter(one.line for one in walked)
        half = walked[len(walked) // 2]
        assert debugger.hit_counts("main.lua", until=half.position) == Counter(
            one.line for one in walked if one.position <= half.position
        )
        line = walked[-1].line
        assert debugger.executions(line, "main.lua") == [
            one.position for one in walked if one.line == line
        ]
