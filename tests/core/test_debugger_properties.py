"""What holds for every script: positions and what is seen at them depend on nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import respell
from respell.debug import Debugger, Position
from respell.errors import UsageError
from respell.store import Store
from stories import CountingServer, counting_server

# Each has everything it needs; together they are a script.
_TEXT = """\
    local a@ = @
    for i = 1, 3 do a@ = a@ + i end
    print(a@)
    --
    local function f@(x)
      if x == 0 then return 'done' end
      return f@(x - 1)
    end
    print(f@(3))
    --
    local ok@, e@ = pcall(function()
      local inner = @
      error('bad' .. inner)
    end)
    print(e@)
    --
    local co@ = coroutine.wrap(function(x)
      local y = coroutine.yield(x)
      print(y)
      return y
    end)
    co@(@)
    local r@ = co@('again')
    --
    local co@ = coroutine.create(function()
      local deep = @
      error({ code = deep })
    end)
    print(coroutine.resume(co@))
    --
    local t@ = setmetatable({}, { __index = function(_, k)
      local made = k .. '@'
      return made
    end })
    print(t@.x)
    --
    do
      local i = 0
      ::again::
      i = i + 1
      if i < 3 then goto again end
    end
    --
    local s@ = { 3, 1, 2 }
    table.sort(s@, function(x, y)
      return x < y
    end)
    print(s@[1])
    --
    print((string.gsub('ab', '.', function(c)
      local up = c:upper()
      return up
    end)))
    --
    State.set('k@', @)
    local k@ = State.get('k@')
    --
    local v@ <close> = setmetatable({}, { __close = function()
      print('closed')
    end })
    --
    Hook.register('before_tool_execution', function(context)
      local seen = context
      return 'continue'
    end)
    pcall(Tool.invoke, 'calculator', { operation = 'evaluate', input = '@+1' })
    --
    g@ = os.time() > 0
    local m@ = setmetatable({ n = @ }, {
      __call = function(self, x)
        self.n = self.n + x
        return self.n
      end,
      __lt = function(x, y)
        return x.n < y.n
      end,
      __add = function(x, y)
        return { n = x.n + y }
      end,
    })
    m@(2)
    print(m@ < m@, (m@ + 1).n)
    --
    local gen@ = coroutine.wrap(function()
      for i = 1, 3 do
        pcall(function()
          coroutine.yield(i)
          if i == 2 then error('in the middle') end
        end)
      end
    end)
    for _ = 1, 3 do gen@() end
    --
    local lost@, why@ = pcall(function()
      local c@ <close> = setmetatable({}, { __close = function()
        local late = @
      end })
      local function deep(n)
        if n == 0 then error({ at = @ }) end
        return (deep(n - 1))
      end
      deep(3)
    end)
    --
    local up@ = @
    local function bump()
      up@ = up@ + 1
    end
    bump()
    --
    local done@ = Workflow.parallel({ name = 'side', branches = {
      function()
        Utils.sleep(0.01)
        local mine = 'one'
        print(mine)
        return mine
      end,
      function()
        local answer = Tool.invoke('calculator', { operation = 'evaluate', input = '2*@' })
        print(answer)
        return 2
      end,
    } }):execute()
"""
PIECES = [dedent(piece) for piece in _TEXT.split("    --\n")]

scripts = st.lists(st.sampled_from(PIECES), min_size=2, max_size=5).map(
    lambda pieces: "".join(piece.replace("@", str(n)) for n, piece in enumerate(pieces))
)
some = settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Seen = tuple[Any, ...]


def seen(debugger: Debugger) -> Seen:
    """Return all that is to be seen at a place."""
    stop = debugger.stop
    frames = debugger.stack()
    return (
        str(stop.position), stop.source, stop.line, stop.coroutine,
        tuple((one.name, one.line) for one in frames),
        tuple(
            (one.name, one.value.text)
            for frame in frames
            for one in debugger.variables(frame).locals
        ),
    )  # fmt: skip


def walk(debugger: Debugger, move: Callable[[Debugger], Any]) -> list[Seen]:
    """Move to where no move leads any further."""
    places = [seen(debugger)]
    while True:
        before = debugger.position
        move(debugger)
        if debugger.position == before:
            return places
        places.append(seen(debugger))


@given(scripts, st.randoms(use_true_random=False))
@some
def test_every_place_is_the_same_whichever_way_one_comes(
    script: Any, store: Store, text: str, chance: random.Random
) -> None:
    session = script(text).session
    with Debugger.open(session.id, store=store) as debugger:
        forward = walk(debugger, Debugger.step_in)
        debugger._trail.clear()
        assert list(reversed(walk(debugger, Debugger.step_back))) == forward
    places = {place[0]: place for place in forward[:-1]}
    for checkpoints in (True, False):
        with Debugger.open(session.id, store=store, checkpoints=checkpoints) as debugger:
            for position in chance.sample(sorted(places), min(6, len(places))):
                debugger.go_to(position)
                assert seen(debugger) == places[position]
            debugger.end()
            assert seen(debugger) == forward[-1]


@pytest.mark.parametrize("checkpoints", [True, False])
@pytest.mark.parametrize(
    "end",
    [
        "Session.suspend()",
        "Workflow.parallel { name = 'p', branches = { function() Session.suspend() end, "
        "function() Session.suspend() end } }:execute()",
    ],
)
def test_where_one_waits_for_an_answer_is_the_same_place_whichever_way_one_comes(
    script: Any, store: Store, end: str, checkpoints: bool
) -> None:
    """Its lines are counted though the event that it waits for never comes."""
    session = script(f"local a = os.time()\nlocal b = a\nlocal c = b\n{end}\nprint(c)").session
    assert session.status == "suspended"
    with Debugger.open(session, store=store, checkpoints=checkpoints) as debugger:
        walked = walk(debugger, Debugger.step_in)[-1]
        assert debugger.stop.line == 4
        for ways in (
            [Debugger.start, Debugger.end],
            [Debugger.start, Debugger.continue_],
            [Debugger.start] + [Debugger.next_event] * 9,
        ):
            for way in ways:
                way(debugger)
            assert seen(debugger) == walked
    with Debugger.open(session, store=store, checkpoints=checkpoints) as fresh:
        fresh.end()
        assert seen(fresh) == walked


MOVES = {
    "into": (Debugger.step_in, Debugger.step_back),
    "over": (Debugger.step_over, Debugger.step_back_over),
    "out": (Debugger.step_out, Debugger.step_back_out),
    "continue": (Debugger.continue_, Debugger.reverse_continue),
}


@pytest.mark.parametrize("kind", MOVES)
@given(scripts, st.randoms(use_true_random=False))
@settings(some, max_examples=3)
def test_n_moves_and_n_back_lead_to_where_they_began(
    script: Any, store: Store, kind: str, text: str, chance: random.Random
) -> None:
    session = script(text).session
    there, back = MOVES[kind]
    with (
        Debugger.open(session.id, store=store, keep_breakpoints=False) as debugger,
        Debugger.open(session.id, store=store, keep_breakpoints=False, checkpoints=False) as plain,
    ):
        for one in (debugger, plain):
            one.breakpoints.add_line("main.lua", 3)
        last = debugger.end().position
        origin = debugger.go_to(chance.randint(1, last.event)).position
        plain.go_to(origin)
        passed = []
        for _ in range(4):
            passed.append(debugger.position)
            there(debugger)
            there(plain)
            assert plain.stop == debugger.stop
            if debugger.stop.at_end:
                break
        for expected in reversed(passed):
            assert back(debugger).position == expected
        assert debugger.position == origin


@given(scripts, st.data())
@settings(some, max_examples=4)
def test_n_changes_and_n_back_lead_to_where_they_began(
    script: Any, store: Store, text: str, data: st.DataObject
) -> None:
    session = script(text).session
    with (
        Debugger.open(session.id, store=store, keep_breakpoints=False) as debugger,
        Debugger.open(session.id, store=store, keep_breakpoints=False, checkpoints=False) as plain,
    ):
        last = debugger.end().position
        debugger.go_to(data.draw(st.integers(1, last.event)))
        names = [one.name for one in debugger.variables().locals] if debugger.stop.line else []
        name = data.draw(st.sampled_from([*names, "g0", "g1", "g2"]))
        whose = debugger.breakpoints.whose(name)
        origin = debugger.go_to(data.draw(st.integers(1, last.event))).position
        plain.go_to(origin)
        for one in (debugger, plain):
            one.breakpoints.add_data(name, whose=whose)
        passed = [origin]
        while not debugger.continue_().at_end and len(passed) < 6:
            passed.append(debugger.position)
            assert plain.continue_() == debugger.stop
            assert debugger.stop.changes
        debugger.go_to(passed[-1])
        for one in (debugger, plain):
            # Undone move by move, and found again where nothing is known of the way.
            for forget in (False, True):
                one.go_to(origin)
                for expected in passed[1:]:
                    assert one.continue_().position == expected
                for expected in reversed(passed[1 if forget else 0 : -1]):
                    if forget:
                        one._trail.clear()
                    assert one.reverse_continue().position == expected


@given(scripts)
@settings(some, max_examples=3)
def test_a_step_back_over_lands_where_the_function_was_before(
    script: Any, store: Store, text: str
) -> None:
    session = script(text).session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.end()
        before = debugger.position
        for _ in range(8):
            stop = debugger.step_back_over()
            assert stop.position < before or stop.reason == "entry"
            before = stop.position
            with_step = debugger.go_to(before)
            assert with_step.line == stop.line


def stops_of(debugger: Debugger) -> list[Any]:
    """Return all stops at breakpoints: on the way forward, and on the way back."""
    found = []
    for go_on in (Debugger.continue_, Debugger.reverse_continue):
        while True:
            before = debugger.position
            stop = go_on(debugger)
            debugger._trail.clear()
            if debugger.position == before:
                break
            found.append((stop.position, stop.reason, stop.line, stop.breakpoints, stop.error))
        found.append("turn")
    return found


@given(scripts, st.data())
@settings(some, max_examples=5)
def test_breakpoints_are_found_alike_whether_or_not_lines_are_counted(
    script: Any, store: Store, text: str, data: st.DataObject
) -> None:
    session = script(text).session
    count = text.count("\n")
    wanted = data.draw(st.lists(st.integers(1, count), min_size=1, max_size=3, unique=True))
    functions = data.draw(st.booleans())
    errors = data.draw(st.sampled_from((None, True, False)))
    seen_by = []
    for counted in (0, 3, 1_000_000):
        with (
            pytest.MonkeyPatch.context() as patch,
            Debugger.open(session.id, store=store, keep_breakpoints=False) as debugger,
        ):
            patch.setattr("respell.debug.going_on.COUNTED", counted)
            set_some(debugger, wanted, functions, errors)
            seen_by.append(stops_of(debugger))
    assert seen_by[0] == seen_by[2]
    assert seen_by[1] == seen_by[2]
    with Debugger.open(
        session.id, store=store, keep_breakpoints=False, checkpoints=False
    ) as debugger:
        set_some(debugger, wanted, functions, errors)
        assert stops_of(debugger) == seen_by[2]
    turn = seen_by[2].index("turn")
    there, back = seen_by[2][: turn - 1], seen_by[2][turn + 1 : -2]
    assert [one[:2] for one in back] == [one[:2] for one in reversed(there)]


def set_some(debugger: Debugger, lines: list[int], functions: bool, errors: bool | None) -> None:
    """Set breakpoints: at lines, on a function, on errors."""
    last = debugger.breakpoints.lines_of("main.lua")[1][-1]
    for line in lines:
        debugger.breakpoints.add_line("main.lua", min(line, last))
    if functions:
        for name in ("f0", "f1", "bump"):
            with suppress(UsageError):  # not each script has each of them
                debugger.breakpoints.add_function(name)
    if errors is not None:
        debugger.breakpoints.add_error(caught=errors)


@given(scripts, st.data())
@settings(some, max_examples=4)
def test_changes_are_the_same_both_ways_and_each_shows_what_there_is(
    script: Any, store: Store, text: str, data: st.DataObject
) -> None:
    session = script(text).session
    with Debugger.open(session.id, store=store, keep_breakpoints=False) as debugger:
        last = debugger.end().position
        debugger.go_to(data.draw(st.integers(1, last.event)))
        names = [one.name for one in debugger.variables().locals] if debugger.stop.line else []
        name = data.draw(st.sampled_from([*names, "g0", "g1", "g2"]))
        point = debugger.breakpoints.add_data(name)
        debugger.start()
        there = stops_of(debugger)
        turn = there.index("turn")
        forward, back = there[:turn], there[turn + 1 : -1]
        hits = [one for one in forward if point.id in one[3]]
        assert [one for one in back if point.id in one[3]] == list(reversed(hits))
        debugger.start()
        before: str | None = None
        for _ in hits:
            change = debugger.continue_().changes[0]
            if before is not None:
                assert change.old.text == before
            before = change.new.text
            if point.scope["scope"] == "global":
                assert debugger.evaluate(name).values[0].text == before


def test_nothing_outside_is_touched_and_the_session_stays_as_it_is(
    script: Any, store: Store
) -> None:
    with counting_server() as server:
        result = script(CALLS.replace("URL", server.url), allow=("network",))
        assert result.exit_code == 0
        asked = list(server.asked)
        assert asked == [1, 2, 3]
        before = everything(store, result.session)
        for checkpoints in (True, False):
            with Debugger.open(result.session.id, store=store, checkpoints=checkpoints) as debugger:
                use(debugger)
        check_untouched(server, asked)
        assert everything(store, result.session) == before


CALLS = """\
local sum = 0
for i = 1, 3 do
  local answer = Tool.invoke("http_request", { method = "GET", input = "URL/double/" .. i })
  sum = sum + i
  State.set("sum", sum)
end
Artifact.store(Session.getCurrent(), "sum.txt", tostring(sum))
print(sum)
"""


def everything(store: Store, session: respell.SessionRecord) -> tuple[Any, ...]:
    """Return all that a debugger could have changed."""
    now = store.sessions.get(session.id)
    return (
        now, store.history.hash_at(session.key, now.records),
        store.state.items(f"session:{session.id}"),
        respell.session(session, store=store).artifacts.list(),
    )  # fmt: skip


def use(debugger: Debugger) -> None:
    """Do everything there is to do."""
    debugger.breakpoints.add_line("main.lua", 4, condition="State.get('sum') == 1 or i == 2")
    for move in (
        Debugger.continue_, Debugger.step_in, Debugger.step_over, Debugger.step_out,
        Debugger.next_event, Debugger.end, Debugger.step_back, Debugger.step_back_over,
        Debugger.step_back_out, Debugger.reverse_continue, Debugger.previous_event, Debugger.start,
    ):  # fmt: skip
        move(debugger)
    debugger.go_to(Position(2, 1))
    refused = debugger.evaluate('Tool.invoke("http_request", { input = "http://127.0.0.1" })')
    assert "evaluating performs no effects" in (refused.error or "")
    assert "evaluating performs no effects" in (debugger.evaluate("State.set('x', 1)").error or "")
    debugger.last_change("sum")
    debugger.state()
    debugger.artifacts()
    debugger.output()


def check_untouched(server: CountingServer, asked: list[int]) -> None:
    """Make sure that nobody asked the server for anything more."""
    with server.lock:
        assert server.asked == asked
