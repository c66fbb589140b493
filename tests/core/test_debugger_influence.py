"""Debugging has no influence: nothing is performed, and the session stays what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.debug import Debugger
from respell.errors import RespellError
from respell.store import Store
from stories import counting_server, write_script

ALL_KINDS = """\
local url = ...
local function ask(n)
  local got = Tool.invoke("http_request", { input = url .. "/double/" .. n })
  State.set("last", n)
  return got.success
end
local co = coroutine.wrap(function(n) while true do n = coroutine.yield(ask(n)) end end)
for i = 1, 3 do
  local fine = co(i)
  print(i, fine)
end
Artifact.store(nil, "notes.txt", "three")
local file = io.open("written.txt", "w")
file:write("once")
file:close()
pcall(error, "caught")
print("done", os.time())
"""


def everything(store: Store, session: str) -> dict[str, Any]:
    """Return what can be told of a session: row, history, artifacts, state, audit."""
    now = store.sessions.get(session)
    return {
        "row": now,
        "head": store.history.hash_at(now.key, now.records),
        "verified": store.history.verify(now.key),
        "artifacts": [one.id for one in respell.session(session, store=store).artifacts.list()],
        "state": {
            key: store.state.get(f"session:{session}", key)
            for key in store.state.list(f"session:{session}")
        },
        "sessions": store.sessions.count(),
        "inbox": store.inbox.waiting(now.key),
    }


def of_a_run(store: Store, session: str) -> dict[str, Any]:
    """Return the same of one that runs, but for what its host adds up now and then, and when."""
    told = everything(store, session)
    return told | {"row": replace(told["row"], usage={}, updated_at=0)}


def use_all_of_it(debugger: Debugger, url: str) -> None:
    """Make every move, ask every question, and evaluate what would do harm."""
    points = debugger.breakpoints
    harm = f"Tool.invoke('http_request', {{ input = '{url}/double/9' }})"
    points.add_line("main.lua", 4, condition=harm)
    points.add_line("main.lua", 10, log="{State.set('x', 1)} {i}")
    points.add_line("main.lua", 5, hits=">= 2")
    points.add_function("ask", condition="n > 5")
    points.add_error(caught=True)
    points.add_effect("tool.*", where=lambda event: event.error is not None)
    forward = (
        Debugger.step_in, Debugger.step_over, Debugger.step_out, Debugger.continue_,
        Debugger.next_event,
    )  # fmt: skip
    back = (
        Debugger.step_back, Debugger.step_back_over, Debugger.step_back_out,
        Debugger.reverse_continue, Debugger.previous_event,
    )  # fmt: skip
    debugger.start()
    for move in (*forward, *back, *forward, *forward):
        move(debugger)
    for where in ("50%", "start", 3):
        debugger.start() if where == "start" else debugger.go_to(where)
    debugger.run_to_line(5)
    debugger.run_back_to_line(4)
    debugger.run_to_line(5)
    for text in (
        harm, "State.set('last', 99)", "Artifact.store(nil, 'evil.txt', 'x')", "print('said')",
        "Session.create({ name = 'evil' })", "io.open('evil.txt', 'w'):write('x')", "os.time()",
        "n + 1", "n = 77", "os.exit(1)", "Event.publish('evil', {})", "Session.suspend()",
    ):  # fmt: skip
        debugger.evaluate(text)
    debugger.coroutines()
    for frame in debugger.stack():
        for one in debugger.variables(frame).locals:
            if one.value.ref:
                debugger.children(one.value)
    debugger.globals()
    debugger.event()
    debugger.output()
    debugger.state()
    debugger.artifacts()
    debugger.last_change("n")
    for text in ("n", "got.success", "ask(7)", f"({harm}).result", "state:last"):
        debugger.origin(text)
    debugger.bookmark("here")
    debugger.delete_bookmark("here")
    for point in points.list():
        points.remove(point.id)
    debugger.end()
    debugger.step_back()
    debugger.reverse_continue()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_script(tmp_path, ALL_KINDS)


@pytest.mark.parametrize("checkpoints", [True, False])
def test_nothing_that_is_done_to_a_recorded_session_is_seen(
    run: str, store: Store, tmp_path: Path, checkpoints: bool
) -> None:
    with counting_server() as server:
        result = respell.run(run, store=store, args=[server.url])
        assert result.ended.status == "completed", result.ended
        session = result.session.id
        before, asked = everything(store, session), list(server.asked)
        files = {one: one.read_bytes() for one in tmp_path.glob("*.txt")}
        with Debugger.open(session, store=store, checkpoints=checkpoints) as debugger:
            use_all_of_it(debugger, server.url)
        assert server.asked == asked == [1, 2, 3]
        assert everything(store, session) == before
        assert {one: one.read_bytes() for one in tmp_path.glob("*.txt")} == files


def test_nothing_that_is_done_to_a_session_that_runs_is_seen(
    run: str, store: Store, tmp_path: Path
) -> None:
    with counting_server() as server, Debugger.launch(run, store=store, args=[server.url]) as host:
        host.breakpoints.add_line("main.lua", 10, condition="i == 2")
        assert host.continue_().line == 10
        session = host.session.id
        host.breakpoints.remove(1)
        before, asked = of_a_run(store, session), list(server.asked)
        assert asked == [1, 2]
        with Debugger.open(session, store=store) as other:  # it does not hold it
            use_all_of_it(other, server.url)
            assert other.live is not None
            assert other.live.refresh() == 0
        assert server.asked == asked
        assert of_a_run(store, session) == before
        # Nor does looking back, by the one that holds it.
        for _ in range(5):
            host.step_back()
            host.evaluate(f"Tool.invoke('http_request', {{ input = '{server.url}/double/9' }})")
        host.go_to("50%")
        host.reverse_continue()
        assert server.asked == asked
        assert of_a_run(store, session) == before
        while not host.continue_().at_end:
            pass
        assert server.asked == [1, 2, 3]
        assert host.live is not None
        assert host.live.status == "completed"


def test_what_fails_on_the_way_changes_nothing_either(run: str, store: Store) -> None:
    with counting_server() as server:
        session = respell.run(run, store=store, args=[server.url]).session.id
        before = everything(store, session)
        with Debugger.open(session, store=store) as debugger:
            for wrong in ("9+9", "999", "no position"):
                with pytest.raises(RespellError):
                    debugger.go_to(wrong)
            with pytest.raises(RespellError):
                debugger.run_to_line(999)
        assert everything(store, session) == before
        assert len(server.asked) == 3
