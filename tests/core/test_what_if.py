"""What if: a variable, an outcome or the script is another one, in a dry run and in a fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.debug import Debugger
from respell.errors import Divergence, EventNotFound, UsageError
from respell.store import Store
from stories import counting_server

SUMS = """\
local total = 1
local config = { retries = 3, names = { "a", "b" } }
local function add(n)
  local sum = total + n
  total = sum
  return sum
end
for i = 1, 3 do
  local r = Tool.invoke("calculator", { operation = "evaluate", input = i .. "*2" })
  add(i)
  print("round", i, total)
end
State.set("total", total)
Artifact.store(Session.getCurrent(), "sum.txt", tostring(total))
print(State.get("total"), config.retries)
"""


def everything(store: Store, session: respell.SessionRecord) -> tuple[Any, ...]:
    """Return all of a session that an edit could have changed."""
    now = store.sessions.get(session.id)
    return (
        now, store.history.hash_at(session.key, now.records),
        list(store.history.records(session.key)), store.state.items(f"session:{session.id}"),
        respell.session(session, store=store).artifacts.list(),
        len(store.sessions.list()),
    )  # fmt: skip


def text(debugger: Debugger, expression: str) -> str:
    """Return what an expression comes to."""
    found = debugger.evaluate(expression)
    return found.error or ", ".join(one.text for one in found.values)


def test_edits_are_made_again_in_another_debugger(script: Any, store: Store) -> None:
    """Of one that broke off, nothing that was tried is lost."""
    session = script(SUMS).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(11)
        debugger.set_variable("total", "70")
        debugger.go_to("4+0")
        debugger.set_outcome({"result": 1})
        made = debugger.edits
        debugger.end()
        output = debugger.output()
    with Debugger.open(session, store=store) as debugger:
        debugger.edit(made)
        assert debugger.edits == made
        debugger.end()
        assert debugger.output() == output
        with pytest.raises(UsageError, match="no edits were given"):
            debugger.edit(())


@pytest.mark.parametrize("checkpoints", [True, False])
def test_setting_a_variable_shows_what_would_have_come_of_it(
    script: Any, store: Store, checkpoints: bool
) -> None:
    session = script(SUMS).session
    before = everything(store, session)
    with Debugger.open(session, store=store, checkpoints=checkpoints) as debugger:
        debugger.run_to_line(11)
        where = debugger.position
        stop = debugger.set_variable("total", "40 + 2")
        assert stop.position == where
        assert text(debugger, "total") == "42"
        assert [one.describe() for one in debugger.edits] == [f"{where}  total = 40 + 2  (was 2)"]
        assert debugger.end().reason == "end"
        assert debugger.output() == [
            "round\t1\t42", "round\t2\t44", "round\t3\t47", "47\t3",
        ]  # fmt: skip
        assert debugger.state() == {f"session:{session.id}": {"total": 47}}
        assert "sum.txt" in [one["name"] for one in debugger.artifacts()]
        debugger.breakpoints.add_line("main.lua", 4)
        assert debugger.reverse_continue().line == 4
        assert text(debugger, "total, n") == "44, 3"
        debugger.go_to(where)
        assert debugger.step_back().line == 8 or debugger.position < where
        assert text(debugger, "total") != "42"
        assert debugger.discard_edits().position == where
        assert (text(debugger, "total"), debugger.edits, debugger.dry_run) == ("2", (), None)
    assert everything(store, session) == before


def test_upvalues_globals_fields_and_callers_can_be_set(script: Any, store: Store) -> None:
    lua = """\
shared = "old"
local config = { retries = 3, names = { "a", "b" } }
local total = 1
local function add(n)
  total = total + n
  return total
end
print(add(1), shared, config.retries, config.names[2])
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(5)
        debugger.set_variable("total", "10")
        debugger.set_variable("n", "total * 2")
        debugger.set_variable("shared", "'new'")
        debugger.set_variable("config.retries", "config.retries + 1", frame=1)
        debugger.set_variable("config.names[2]", "config.names", frame=1)
        debugger.set_variable("config.names[2]", "{ 'x' }", frame=1)
        assert text(debugger, "total, n") == "10, 20"
        assert len(debugger.edits) == 6
        debugger.end()
        assert debugger.output()[0].startswith("30\tnew\t4\ttable: ")
        debugger.go_to(debugger.edits[-1].position)
        forked = debugger.fork("all of it")
    assert script.resume(forked).exit_code == 0
    assert script.lines[-1].startswith("30\tnew\t4\ttable: ")
    assert respell.replay(forked, store=store).identical


@pytest.mark.parametrize(
    ("name", "expression", "why"),
    [
        ("totl", "1", "there is no variable totl at 2\\+5; is it total\\? In scope: add, config"),
        ("total", "1 +", "1 \\+ is no expression: unexpected symbol near <eof>"),
        ("total", "1; total = 2", "is no expression"),
        ("total", "nil + 1", "attempt to perform arithmetic on a nil value"),
        ("total", "print(2)", "this would cause output.line; an edit performs no effects"),
        ("total", "Tool.invoke('x', {})", "this would cause tool.invoke"),
        ("total", "os.time()", "this would cause clock.time"),
        ("total", "coroutine.yield()", "it yields"),
        ("total", "  ", "is set to a Lua expression"),
        ("total, config", "1", "is no variable"),
        ("config.no.way", "1", "attempt to index a nil value"),
        ("nowhere.x", "1", "there is no variable nowhere"),
    ],
)
def test_what_cant_be_set_is_refused_and_changes_nothing(
    script: Any, store: Store, name: str, expression: str, why: str
) -> None:
    session = script(SUMS).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(11)
        with pytest.raises(UsageError, match=why):
            debugger.set_variable(name, expression)
        assert (debugger.edits, text(debugger, "total")) == ((), "2")


def test_nothing_can_be_set_where_the_execution_ends(script: Any, store: Store) -> None:
    session = script(SUMS).session
    with Debugger.open(session, store=store) as debugger:
        debugger.end()
        with pytest.raises(UsageError, match="nothing can be set where the execution ends"):
            debugger.set_variable("total", "1")


def test_variables_can_be_set_before_the_first_event(script: Any, store: Store) -> None:
    session = script("local a = 1\nlocal b = a + 1\nprint(a, b)\n").session
    with Debugger.open(session, store=store) as debugger:
        debugger.step_over()
        debugger.set_variable("a", "5")
        assert str(debugger.position) == "1+2"
        debugger.end()
        assert debugger.output() == ["5\t6"]
        forked = debugger.discard_edits() and debugger.what_if({"a": "7"}).fork("from the start")
    assert script.resume(forked).exit_code == 0
    assert script.lines[-1] == "7\t8"


def test_a_variable_can_be_set_in_a_coroutine_and_waits_for_its_line_in_another(
    script: Any, store: Store
) -> None:
    lua = """\
local co = coroutine.wrap(function(x)
  print("in", x)
  local y = coroutine.yield(x)
  print("again", y)
end)
local a = co(1)
local b = a
co(b)
print("end", a, b)
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(8)
        assert debugger.position.event == 2, "its event was in the coroutine"
        debugger.set_variable("b", "b + 10")
        debugger.end()
        assert debugger.output() == ["in\t1", "again\t11", "end\t1\t11"]
        debugger.go_to(debugger.edits[0].position)
        forked = debugger.fork()
    assert script.resume(forked).exit_code == 0
    assert script.lines[-2:] == ["again\t11", "end\t1\t11"]


def test_what_asks_for_something_never_recorded_ends_there_and_goes_on_with_an_outcome(
    script: Any, store: Store
) -> None:
    with counting_server() as server:
        lua = f"""\
local n = 2
local function get(i)
  local r = Tool.invoke("http_request", {{ method = "GET", input = "{server.url}/double/" .. i }})
  return r
end
print(get(n).success)
n = 1
print(get(n).success)
"""
        session = script(lua, allow=("network",)).session
        assert server.asked == [2, 1]
        with Debugger.open(session, store=store) as debugger:
            debugger.step_over()
            debugger.step_over()
            debugger.set_variable("n", "9")
            stop = debugger.end()
            assert (stop.reason, stop.at_end, stop.line) == ("unrecorded", True, 3)
            assert "/double/9" in (stop.error or "")
            assert "was never recorded; give it an outcome to go on" in (stop.error or "")
            assert text(debugger, "i") == "9", "it can be looked at"
            debugger.step_back()
            assert debugger.end().reason == "unrecorded"
            debugger.set_outcome({"success": False, "error": "offline"})
            assert debugger.end().reason == "end"
            assert debugger.output() == ["false", "true"], "the other call is as recorded"
            assert debugger.position.event > debugger.edits[-1].position.event
            forked = debugger.fork()
        assert script.resume(forked).exit_code == 0
        assert server.asked == [2, 1], "what the dry run took is not asked again"
        assert respell.replay(forked, store=store).identical


def test_an_outcome_can_be_another_or_an_error(script: Any, store: Store) -> None:
    lua = """\
local ok, r = pcall(Tool.invoke, "calculator", { operation = "evaluate", input = "1+1" })
print(ok, ok and r.result or r)
print("end")
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.end()
        stop = debugger.set_outcome(5, event=2)
        assert (stop.position.event, stop.line) == (2, 1)
        debugger.end()
        assert debugger.output() == ["true\t5", "end"]
        debugger.discard_edits()
        debugger.set_outcome(event=2, error="no such luck")
        debugger.end()
        assert debugger.output()[0].startswith("false\tmain.lua:1: no such luck")
        forked = debugger.fork()
    assert [e.error for e in respell.events(forked, store=store)][1] == "no such luck"


def test_a_later_outcome_of_an_event_takes_the_place_of_an_earlier_one(
    script: Any, store: Store
) -> None:
    lua = """\
local t = os.time()
local n = Session.suspend { prompt = "how many?" }
print(t, n)
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.end()
        debugger.set_outcome(6, event=2)
        was = debugger.edits[0]
        debugger.set_outcome(7, event=2)
        debugger.end()
        debugger.set_outcome("few")
        debugger.set_outcome("many", event=3)
        debugger.end()
        assert debugger.output() == ["7\tmany"]
        assert [(one.ordinal, one.outcome) for one in debugger.edits] == [(1, 7), (2, "many")]
        assert debugger.edits[0].old == was.old
        forked = debugger.fork()
        with debugger.what_if(outcomes={2: 8}).dry_run() as other:
            other.end()
            assert other.output() == ["8\tmany"]
    assert [e.outcome for e in respell.events(forked, store=store)][1:3] == [7, "many"]


def test_outcomes_that_cant_be_are_refused(script: Any, store: Store) -> None:
    lua = """\
local now = os.time()
print(now > 0)
Session.suspend { prompt = "how many?", schema = { type = "integer", minimum = 1 } }
"""
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to(2)
        for event, outcome, why in (
            (None, "noon", "clock.time ends with a number"),
            (2, "noon", "can't be the outcome of event 2"),
            (3, 1, "event 3 is in the future of 2\\+0: go there first"),
            (1, 1, "event 1 \\(lifecycle.start\\) has no outcome from outside"),
        ):
            with pytest.raises(UsageError, match=why):
                debugger.set_outcome(outcome, event=event)
        with pytest.raises(
            EventNotFound, match="there is no event 99; the session has events 1 to"
        ):
            debugger.set_outcome(1, event=99)
        debugger.end()
        with pytest.raises(UsageError, match="does not fit what the script waits for"):
            debugger.set_outcome(0)
        assert debugger.set_outcome(3).position.event == 4
        assert debugger.end().reason == "end"
        assert debugger.dry_run is not None
        assert debugger.dry_run.why == "finished"


def test_another_script_goes_on_from_here(script: Any, store: Store, tmp_path: Path) -> None:
    session = script('print("a")\nprint("b")\nprint("c")\n').session
    before = everything(store, session)
    other = tmp_path / "other.lua"
    other.write_text('print("a")\nprint("b")\nlocal z = 5\nprint("new", z)\nprint("c")\n')
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to(3)
        why = r"does something else before 3\+0: it differs at event 3 \(main.lua:2\)"
        with pytest.raises(Divergence, match=why) as found:
            debugger.set_script(b'print("a")\nprint("B")\n')
        assert 'text = "B"' in str(found.value)
        with pytest.raises(UsageError, match="does not compile: line 3: "):
            debugger.set_script(b'print("a")\nprint(\n')
        with pytest.raises(UsageError, match="nothing would be different"):
            debugger.set_script(tmp_path / "main.lua")
        debugger.set_script(other)
        assert debugger.position.event == 3
        debugger.run_to_line(4)
        debugger.set_variable("z", "z + 1")
        debugger.end()
        assert debugger.output() == ["a", "b", "new\t6", "c"]
        debugger.go_to(debugger.edits[-1].position)
        forked = debugger.fork()
    assert everything(store, session)[:-1] == before[:-1]
    assert script.resume(forked).exit_code == 0
    assert script.lines[-2:] == ["new\t6", "c"]
    assert respell.replay(forked, store=store).identical
    with Debugger.open(forked, store=store) as debugger:
        debugger.end()
        assert debugger.output() == ["a", "b", "new\t6", "c"]


def test_an_edit_whose_place_never_comes_any_more_is_refused(script: Any, store: Store) -> None:
    session = script(SUMS).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(10)
        debugger.set_variable("i", "7")
        debugger.go_to(2)
        with pytest.raises(UsageError, match="does not come there any more with the other edits"):
            debugger.set_outcome(error="broken", event=2)
        assert len(debugger.edits) == 1


def test_what_if_leaves_the_debugger_and_the_original_alone(script: Any, store: Store) -> None:
    session = script(SUMS).session
    before = everything(store, session)
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(11)
        tried = debugger.what_if({"total": "100"}, {4: 1}, errors={6: "too late"})
        assert len(tried.edits) == 3
        with tried.dry_run() as dry:
            stop = dry.end()
            assert stop.reason == "exception"
            assert "too late" in (stop.error or "")
            assert dry.output() == ["round\t1\t100", "round\t2\t102"]
        with pytest.raises(UsageError, match="say what is different"):
            debugger.what_if()
        assert (debugger.edits, text(debugger, "total")) == ((), "2")
    assert everything(store, session) == before


def test_a_fork_takes_what_was_stored_between_its_edits_along(script: Any, store: Store) -> None:
    session = script(SUMS).session
    with Debugger.open(session, store=store) as debugger:
        debugger.run_to_line(11)
        debugger.set_variable("total", "10")
        debugger.run_to_line(15)
        debugger.set_variable("config.retries", "8")
        forked = debugger.fork()
    assert (
        store.state.items(f"session:{session.id}")[0][1]
        != store.state.items(f"session:{forked.id}")[0][1]
    )
    assert script.resume(forked).exit_code == 0
    assert script.lines[-1] == "15\t8"
    made = respell.session(forked, store=store).artifacts.list(name="sum.txt")
    assert [one.size for one in made] == [2]


def test_a_script_that_computes_for_ever_is_given_up(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("respell.debug.rehearsal._QUIET_S", 0.3)
    monkeypatch.setattr("respell.debug.rehearsal.MOST_RECORDS", 100)
    lua = "local n = 1\nprint('a')\nwhile n == 0 do end\nwhile n == 2 do print('x') end\n"
    session = script(lua).session
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to(2)
        debugger.set_variable("n", "0")
        assert debugger.dry_run is not None
        assert "computed and asked for nothing" in debugger.dry_run.message
        assert debugger.end().at_end
        debugger.discard_edits()
        debugger.set_variable("n", "2")
        assert "records of its own" in debugger.dry_run.message
        assert len(debugger.dry_run.own) > 100


def test_a_dry_run_can_be_cancelled(script: Any, store: Store) -> None:
    session = script("local n = 1\nprint('a')\nwhile n == 0 do end\n").session
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to(2)
        debugger._on_progress = lambda _seconds: debugger.cancel()
        assert debugger.set_variable("n", "0").reason == "cancelled"
        assert (debugger.edits, text(debugger, "n")) == ((), "1")
