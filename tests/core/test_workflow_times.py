"""Deadlines of workflows: steps that are left, what the history says of it, and resuming."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

import respell
from respell import values
from respell.agents import registry
from respell.agents.protocol import Provider, ProviderContext, Request, Response, Usage
from respell.engine.deadlines import Deadlines, duration_us, remaining_us
from respell.history.record import Part, Record, Status
from respell.hooks import HookContext, HookRegistry
from respell.sessions.record import new_id
from respell.store import Store
from respell.times import SECOND

SLOW = """
local w = Workflow.sequential{name = 'report', timeout_ms = 1500, steps = {
  {name = 'quick', fn = function() return 'first' end},
  {name = 'slow', fn = function() Utils.sleep(3600) print('never said') end},
  {name = 'never', fn = function() print('never said either') end},
}}
local r = w:execute()
print(r.success, r.timed_out, r.error)
for _, step in ipairs(r.steps) do print(step.name, step.success, step.timed_out, step.error) end
"""
SLOW_OUTPUT = [
    "false\ttrue\tthe workflow report timed out after 1500 ms",
    "quick\ttrue\tnil\tnil",
    "slow\tfalse\ttrue\tleft: the time was over",
]

STORY = """
local function sleeper(seconds, text)
  return function() Utils.sleep(seconds) print(text) return text end
end
local inner = Workflow.sequential{name = 'inner', timeout_ms = 1500, steps = {
  {name = 'a', fn = sleeper(0.01, 'inner a')}, {name = 'b', fn = sleeper(600, 'inner b')},
}}
local w = Workflow.parallel{name = 'outer', timeout_ms = 20000, branches = {
  {name = 'one', timeout_ms = 80, steps = {{name = 'x', fn = sleeper(500, 'one')}}},
  {name = 'two', steps = {inner, {name = 'after', fn = sleeper(0, 'after inner')}}},
  {name = 'three', steps = {
    {name = 'tool', timeout_ms = 9000, tool = 'hash_calculator',
     input = {operation = 'hash', input = 'a'}},
    {name = 'wait', error_strategy = {type = 'retry', max_attempts = 2, backoff_ms = 10},
     timeout_ms = 30, fn = sleeper(700, 'three')},
  }},
}}
local r = w:execute()
for _, branch in ipairs(r.branches) do print(branch.name, branch.success, branch.error) end
local fast = Workflow.parallel{name = 'race', fail_fast = true, branches = {
  function() Utils.sleep(900) end,
  function()
    local co = coroutine.wrap(function() Utils.sleep(0.02) coroutine.yield('from inside') end)
    error(co(), 0)
  end,
}}
print(fast:execute().error)
"""
STORY_OUTPUT = [
    "inner a",
    "one\tfalse\ttimed out after 80 ms",
    "two\tfalse\tstep inner: the workflow inner timed out after 1500 ms",
    "three\tfalse\tstep wait: timed out after 30 ms",
    "branch branch_2: step step_2: from inside",
]


def test_a_workflow_is_left_when_its_time_is_over(script: Any, store: Store) -> None:
    done = script(SLOW)
    assert done.session.status == "completed", done.session.error
    assert script.lines == SLOW_OUTPUT
    assert respell.replay(done.session, store=store).identical
    assert respell.replay(done.session, store=store, mode="simulate").identical


def test_the_history_says_which_effects_were_left(script: Any, store: Store) -> None:
    done = script(SLOW)
    events = {one.name: one for one in respell.events(done.session, store=store)}
    slept = events["timer.sleep"]
    assert slept.args == {"seconds": 3600}
    assert (slept.error_class, slept.ended) == ("Left", True)
    assert slept.error == "the script went on without it; whether it was done is not known"
    assert all(one.ended for one in events.values())
    assert store.history.open_effects(done.session.key) == []


def test_what_is_left_is_the_same_at_every_re_execution(script: Any, store: Store) -> None:
    done = script(STORY)
    assert done.session.status == "completed", done.session.error
    assert script.lines == STORY_OUTPUT
    for mode in ("exact", "simulate"):
        result = respell.replay(done.session, store=store, mode=mode)
        assert result.identical, (mode, result.divergence)


def truncated(store: Store, session: Any, records: list[Record]) -> Any:
    """Return a session whose host died just after these records."""
    lost = store.sessions.insert(replace(session, id=new_id(), key=0, status="active"))
    lease = store.leases.acquire(lost.key)
    store.history.writer(lost.key, lease).append(records)
    store.leases.release(lost.key, lease)
    return store.sessions.get(lost.key)


def test_a_host_may_die_after_any_record_of_a_race(script: Any, store: Store) -> None:
    done = script(STORY)
    bodies = [body for _, body in store.history.records(done.session.key)]
    records = [Record.unpack(body) for body in bodies]
    last = max(i for i, one in enumerate(records) if one.ordinal)
    for cut in range(1, last + 1, 5):
        lost = truncated(store, done.session, records[:cut])
        lines: list[str] = []
        again = respell.resume(
            lost.id, store=store,
            on_output=lambda _, text, lines=lines: lines.append(text.decode()),
        )  # fmt: skip
        assert again.session.status == "completed", (cut, again.session.error)
        shown = sum(one.name.startswith("output.") for one in records[:cut])
        assert lines == STORY_OUTPUT[shown:], f"cut after record {cut}"
        assert respell.replay(again.session, store=store).identical


def test_the_time_a_session_is_suspended_does_not_count(script: Any, store: Store) -> None:
    waiting = script("""
        local w = Workflow.sequential{name = 'ask', timeout_ms = 60000, steps = {
          {name = 'person', fn = function() return Session.suspend{prompt = 'ok?'} end},
          {name = 'then', fn = function(answer) return 'they said ' .. answer end},
        }}
        print(w:execute().output)
    """)
    assert waiting.session.waiting_for["prompt"] == "ok?"
    (deadline,) = [
        one for one in store.history.open_effects(waiting.session.key)
        if one.name == "timer.deadline"
    ]  # fmt: skip
    assert deadline.due is None  # so that `resume --due` does not wake it
    done = script.resume(waiting.session, value="yes")
    assert script.lines == ["they said yes"]
    assert respell.replay(done.session, store=store).identical


def test_how_much_time_is_left_is_known_from_the_history(store: Store, script: Any) -> None:
    """A minute ran, an hour it was suspended, another minute ran: eight of ten are left."""
    minute = 60 * SECOND
    session = store.sessions.insert(replace(script("").session, id=new_id(), key=0))
    args = values.encode({"seconds": 600})
    intent = Record(Part.INTENT, 1, ordinal=1, name="timer.deadline", args=args, at=minute)
    lease = store.leases.acquire(session.key)
    writer = store.history.writer(session.key, lease)
    writer.append([
        intent,
        Record(Part.EFFECT, 2, ordinal=2, name="output.line", status=Status.OK, at=2 * minute),
        Record(Part.NOTE, 3, name="lifecycle.resume", status=Status.OK, at=62 * minute),
        Record(Part.EFFECT, 4, ordinal=3, name="output.line", status=Status.OK, at=63 * minute),
    ])  # fmt: skip
    store.leases.release(session.key, lease)
    assert remaining_us(store, session.key, intent) == 8 * minute


def test_a_step_out_of_time_is_tried_again_after_a_durable_pause(script: Any, store: Store) -> None:
    done = script("""
        local tries = 0
        local w = Workflow.sequential{steps = {{
          name = 'flaky', timeout_ms = 100,
          error_strategy = {type = 'retry', max_attempts = 4, backoff_ms = 10},
          fn = function(_, context)
            tries = tries + 1
            if context.attempt < 3 then Utils.sleep(100) end
            return 'at last'
          end,
        }}}
        local r = w:execute()
        print(r.output, r.steps[1].attempts, tries)
    """)
    assert script.lines == ["at last\t3\t3"]
    pauses = [
        one.args["seconds"] for one in respell.events(done.session, store=store)
        if one.name == "timer.sleep" and one.error is None
    ]  # fmt: skip
    assert pauses == [0.01, 0.02]
    assert respell.replay(done.session, store=store).identical


def test_a_call_that_is_left_is_cancelled_and_asked_about_by_nobody(
    script: Any, store: Store
) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    @respell.tool(name="endless")
    def endless(ctx: respell.ToolContext) -> str:
        """Wait until nobody wants the result any more."""
        begun.set()
        if ctx.cancel.wait(30):
            cancelled.set()
        return "too late"

    done = script("""
        local w = Workflow.sequential{steps = {{name = 'e', tool = 'endless', timeout_ms = 2000}}}
        print(w:execute().error)
        Session.suspend()
    """)
    assert script.lines == ["step e: timed out after 2000 ms"]
    assert begun.is_set()
    assert cancelled.wait(30)
    done = script.resume(done.session)
    assert done.session.status == "completed"
    assert respell.replay(done.session, store=store).identical


def test_a_request_that_is_left_is_paid_for(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Billing(Provider):
        """Answers, and bills, only once nobody wants the answer any more."""

        def complete(self, request: Request, ctx: ProviderContext) -> Response:
            assert ctx.cancel.wait(30)
            return Response(text="late", usage=Usage(4, 0), cost_usd=1.0)

    monkeypatch.setitem(registry._registered, "billing", Billing())
    done = script("""
        local agent = Agent.create{name = 'slow', model = 'billing/x'}
        local w = Workflow.sequential{steps = {
          {name = 'ask', agent = agent, input = 'four', timeout_ms = 50},
        }}
        print(w:execute().success)
    """)
    assert script.lines == ["false"]
    assert (done.session.usage["cost_usd"], done.session.usage["tokens"]) == (1.0, 4)
    assert respell.replay(done.session, store=store).identical


def test_the_next_step_does_not_begin_after_the_time(script: Any, store: Store) -> None:
    """A computation can't be interrupted; what comes after it can be left out."""
    done = script("""
        local w = Workflow.sequential{name = 'busy', timeout_ms = 1, steps = {
          {name = 'compute', fn = function()
            local began, x = os.clock(), 0
            while os.clock() - began < 0.05 do x = x + 1 end
            return 'computed'
          end},
          {name = 'next', fn = function() print('must not be said') end},
        }}
        local r = w:execute()
        print(r.timed_out, #r.steps, r.steps[1].output)
    """)
    assert script.lines == ["true\t1\tcomputed"]
    assert respell.replay(done.session, store=store).identical


def test_an_answer_that_came_first_counts(script: Any, store: Store) -> None:
    done = script("""
        local w = Workflow.sequential{timeout_ms = 60000, steps = {
          {name = 'hash', timeout_ms = 60000, tool = 'hash_calculator',
           input = {operation = 'hash', input = 'abc'}},
        }}
        for i = 1, 3 do print(w:execute().output:sub(1, 8)) end
    """)
    assert script.lines == ["ba7816bf"] * 3
    assert store.history.open_effects(done.session.key) == []
    assert respell.replay(done.session, store=store).identical


def test_a_fork_from_the_middle_of_a_race_has_the_time_that_was_left(
    script: Any, store: Store
) -> None:
    done = script("""
        local w = Workflow.sequential{timeout_ms = 60000, steps = {
          {name = 'a', fn = function() Utils.sleep(0.01) return State.get('word') end},
          {name = 'b', fn = function(word)
            Utils.sleep(0.01)
            return 'the word is ' .. tostring(word)
          end},
        }}
        print(w:execute().output)
    """)
    asked = [one for one in respell.events(done.session, store=store) if one.name == "state.get"]
    made = respell.fork(done.session, store=store, at=str(asked[0].number), outcome="hello")
    again = script.resume(made)
    assert script.lines == ["the word is nil", "the word is hello"]
    assert respell.replay(again.session, store=store).identical


def test_pausing_a_session_stops_its_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000]
    monkeypatch.setattr("respell.engine.deadlines.now_us", lambda: clock[0])
    deadlines = Deadlines()
    deadlines.begin(7, 50)
    deadlines.begin(8, 500)
    clock[0] = 1040
    deadlines.pause()
    clock[0] = 9040
    assert (deadlines.next_due, deadlines.take_due(clock[0])) == (None, [])
    deadlines.go_on()
    assert deadlines.next_due == 9050
    assert deadlines.take_due(9049) == []
    assert deadlines.take_due(9050) == [(9050, 7)]
    deadlines.drop(8)
    assert deadlines.next_due is None


def test_a_step_is_left_while_a_hook_written_in_python_thinks(script: Any, store: Store) -> None:
    """Nothing is performed then, and nothing is left open."""
    performed: list[str] = []
    thinks, done_thinking = threading.Event(), threading.Event()

    @respell.tool(name="act")
    def act() -> str:
        """Do something that counts."""
        performed.append("act")
        return "done"

    hooks = HookRegistry()

    def think(context: HookContext) -> None:
        thinks.set()
        done_thinking.wait(30)

    hooks.register("BeforeToolExecution", think, name="think")

    done = script(
        """
        local w = Workflow.sequential{steps = {{name = 'act', tool = 'act', timeout_ms = 1500}}}
        print(w:execute().error)
        """,
        hooks=hooks,
    )
    done_thinking.set()
    assert thinks.is_set()
    assert script.lines == ["step act: timed out after 1500 ms"]
    assert performed == []
    assert store.history.open_effects(done.session.key) == []
    assert respell.replay(done.session, store=store).identical


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, True, "1", None, 1e18])
def test_what_is_no_time_is_no_deadline(seconds: object) -> None:
    assert duration_us(seconds) is None


def test_many_deadlines_leave_nothing_behind(script: Any, store: Store) -> None:
    done = script("""
        local w = Workflow.loop{iterator = {range = {['end'] = 50}},
          error_strategy = 'continue', body = {
          {name = 'in time', timeout_ms = 60000, fn = function() Utils.sleep(0) end},
          {name = 'late', timeout_ms = 1, fn = function() Utils.sleep(60) end},
        }}
        local r = w:execute()
        print(r.steps_executed, r.steps_failed)
    """)
    assert script.lines == ["100\t50"]
    assert store.history.open_effects(done.session.key) == []
    assert respell.replay(done.session, store=store).identical
    assert respell.check(store=store).findings == []


def test_a_call_that_was_left_before_its_turn_is_never_made(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread performs calls here: the second call waits for the first, and is left."""
    monkeypatch.setattr("respell.engine.performing.MAX_THREADS", 1)
    made: list[str] = []
    second_left = threading.Event()

    @respell.tool(name="hold")
    def hold() -> str:
        """Hold the only thread until the other call was left."""
        second_left.wait(30)
        return "held"

    @respell.tool(name="note")
    def note(what: str) -> str:
        """Note that it was called."""
        made.append(what)
        return what

    hooks = HookRegistry()
    hooks.register("BeforeStateWrite", lambda _: second_left.set(), name="second was left")
    done = script(
        """
            local w = Workflow.parallel{branches = {
              function() return Tool.invoke('hold', {}).result end,
              {name = 'late', steps = {
                {name = 'note', tool = 'note', input = {what = 'late'}, timeout_ms = 50,
                 error_strategy = 'continue'},
                function() State.set('left', true) end,
              }},
            }}
            local r = w:execute()
            print(r.branches[1].output, r.branches[2].steps[1].error)
            print(Tool.invoke('note', {what = 'again'}).result)
        """,
        hooks=hooks,
    )
    assert script.lines == ["held\ttimed out after 50 ms", "again"]
    assert made == ["again"]
    assert respell.replay(done.session, store=store).identical
