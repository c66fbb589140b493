"""Why did that happen? Events belong together, and each knows what caused it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import EventNotFound
from respell.store import Store

AGENT = """
Tool.register("look_up", { description = "Looks up" }, function(params)
  return Tool.invoke("hash_calculator", { operation = "hash", input = params.what }).result.hash
end)
local call = { id = "1", name = "look_up", arguments = { what = "Oslo" } }
local agent = Agent.create {
  model = "mock/scripted", name = "planner", tools = { "look_up" },
  options = { answers = { { tool_calls = { call, call } }, "done" } },
}
print(agent:execute("plan").text)
Tool.invoke("look_up", { what = "Oslo" })
"""


def chain(session: Any, number: int, store: Store) -> list[str]:
    return [cause.event.name for cause in respell.causes(session, number, store=store)]


def test_a_nested_call_reads_from_tool_to_agent_to_script_line(script: Any, store: Store) -> None:
    done = script(AGENT)
    assert done.exit_code == 0, done.session.error
    events = list(respell.events(done.session, store=store))
    inner = [it for it in events if it.args.get("name") == "hash_calculator"]
    chains = [chain(done.session, it.number, store) for it in inner]
    assert chains == [
        ["tool.invoke", "tool.invoke", "agent.request"],
        ["tool.invoke", "tool.invoke", "agent.request"],
        ["tool.invoke", "tool.invoke"],  # the script's own call: no model asked for that
    ]
    first = respell.causes(done.session, inner[0].number, store=store)[-1]
    assert (first.event.source, first.event.line) == ("main.lua", 10)
    assert first.session_id == done.session.id
    assert respell.replay(done.session, store=store).identical


def test_it_is_known_after_a_suspend_between_request_and_call(script: Any, store: Store) -> None:
    done = script(AGENT.replace(
        'print(agent', 'Hook.register("AfterAgentExecution", function() end)\nprint(agent'
    ).replace("return Tool.invoke", "Session.suspend()\n  return Tool.invoke"))  # fmt: skip
    for _ in range(3):
        done = script.resume(done.session)
    assert done.exit_code == 0, done.session.error
    events = list(respell.events(done.session, store=store))
    calls = [it for it in events if it.name == "tool.invoke"]
    asked = [it.asked_by for it in calls if it.args["name"] == "look_up"]
    request = next(it.number for it in events if it.name == "agent.request")
    assert asked == [request, request, 0]


def test_what_was_received_was_caused_by_what_was_published(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("a")
        Event.publish("a")
        Event.receive(sub)
    """)
    numbers = {it.name: it.number for it in respell.events(done.session, store=store)}
    assert chain(done.session, numbers["event.receive"], store) == ["event.receive",
                                                                    "event.publish"]  # fmt: skip


def test_a_cause_may_be_in_another_session(script: Any, store: Store) -> None:
    listener = script("""
        local sub = Event.subscribe("news")
        Session.suspend()
        print(Event.receive(sub, 0).caused_by)
    """)
    speaker = script(f"""
        Event.grant("news", "{listener.session.id}")
        Event.publish("news")
    """)
    done = script.resume(listener.session)
    receive = next(
        it.number for it in respell.events(done.session, store=store) if it.name == "event.receive"
    )
    found = respell.session(done.session, store=store).causes(receive)
    assert [(it.session_id, it.event.name) for it in found] == [
        (listener.session.id, "event.receive"), (speaker.session.id, "event.publish"),
    ]  # fmt: skip
    publish = found[-1].event.number
    assert script.lines == [f"{speaker.session.id}/{publish}"]
    shown = found[0].to_json()
    assert shown["caused_by"] == f"{speaker.session.id}/{publish}"
    store.sessions.delete(speaker.session.key)
    assert chain(done.session, receive, store) == ["event.receive"]


def test_a_script_asks_for_causes_and_for_what_belongs_together(script: Any, store: Store) -> None:
    done = script("""
        local me = Session.getCurrent()
        Event.publish("trip.begun", nil, { correlation_id = "trip-7" })
        State.set("a", 1)
        Event.publish("trip.done", nil, { correlation_id = "trip-7" })
        for _, event in ipairs(Session.getTimeline(me, { correlation_id = "trip-7" })) do
          print(event.number, event.name, event.correlation_id)
        end
        print(#Session.getTimeline(me, { correlation_id = me, kind = "effect", to = 4 }))
        local causes = Session.getCauses(me, 2)
        print(#causes, causes[1].name, causes[1].line, causes[1].session_id == me)
        print(pcall(Session.getCauses, me, 999))
    """)
    assert script.lines == [
        "2\tevent.publish\ttrip-7", "4\tevent.publish\ttrip-7", "1",
        "1\tevent.publish\t3\ttrue",
        "false\tmain.lua:12: Session.getCauses: event 999 is not over yet; this call is 16",
    ]  # fmt: skip
    found = respell.timeline(done.session, store=store, correlation_id="trip-7")
    assert [event.number for event in found] == [2, 4]
    assert len(respell.timeline(done.session, store=store, limit=3)) == 3
    with pytest.raises(EventNotFound, match="has no event 999"):
        respell.causes(done.session, 999, store=store)


def test_v060_the_timeline_was_empty(script: Any, store: Store) -> None:
    """Its timeline read a store that nobody wrote; here it is the history."""
    done = script('print("x") State.set("a", 1)')
    told = [event.name for event in respell.timeline(done.session, store=store)]
    assert told == ["lifecycle.start", "output.line", "state.set", "lifecycle.complete"]


def test_two_sessions_never_mix(script: Any, store: Store) -> None:
    """All events of a session share its correlation id, its child has its own, linked."""
    with store.bus.subscribe("*") as subscription:
        runs = [script('Session.create { name = "child" } State.set("a", 1)') for _ in range(2)]
        told = list(subscription)
    for run in runs:
        session = run.session
        child = next(
            it.data["session_id"] for it in told if it.data.get("created_by") == session.id
        )
        own = [it for it in told if it.correlation_id == session.id]
        assert {it.session_id for it in own} == {session.id}
        assert [it.type for it in own] == [
            "session.created", "session.started", "state.changed", "session.completed",
        ]  # fmt: skip
        of_child = [it for it in told if it.correlation_id == child]
        assert {it.cause for it in of_child} == {(session.id, 2)}
        shown = {it.to_json(session.id)["correlation_id"] for it in
                 respell.events(session, store=store)}  # fmt: skip
        assert shown == {session.id}


def test_an_artifact_is_caused_by_its_effect(script: Any, store: Store) -> None:
    done = script('Tool.invoke("hash_calculator", { operation = "hash", input = "a" })')
    kept = respell.session(done.session, store=store).artifacts.list()[0]
    assert kept.event is not None
    assert chain(done.session, kept.event, store) == ["tool.invoke"]


def test_what_an_imported_history_says_of_causes_can_not_lead_in_circles(
    script: Any, store: Store, tmp_path: Path
) -> None:
    done = script("""
        local sub = Event.subscribe("a")
        Event.publish("a", nil)
        Event.receive(sub)
    """)
    other = respell.fork(
        done.session, store=store, at=4, outcome={"type": "a", "caused_by": 4, "id": "x"}
    )
    assert chain(other, 4, store) == ["event.receive"]
