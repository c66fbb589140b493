"""Scripts tell each other what happens: the `Event` global."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import respell
from respell.config import load
from respell.engine.run import RunResult
from respell.store import Store
from stories import begin, kill_group, session_json, write_script
from stories import respell as command


def test_a_script_hears_itself_and_what_it_acts_as(script: Any) -> None:
    done = script("""
        local sub = Event.subscribe("*")
        local options = { correlation_id = "trip-1", ttl_seconds = 60 }
        Event.publish("trip.planned", { city = "Oslo" }, options)
        local notes = Session.create { name = "notes" }
        State.set("a", 1)
        Artifact.store(notes, "x.txt", "hello")
        Session.complete(notes)
        local event = Event.receive(sub)
        print(event.type, event.event_type, event.data.city, event.correlation_id, event.ttl)
        print(event.language, event.serialization_version, event.metadata.source,
          event.target_language)
        print(event.session_id == Session.getCurrent(), event.caused_by, #event.id,
          #event.timestamp)
        while true do
          local next = Event.receive(sub, 0)
          if not next then break end
          print(next.type, next.session_id == notes, next.correlation_id == next.session_id,
            next.caused_by)
        end
    """)
    assert done.exit_code == 0, done.session.error
    assert script.lines == [
        "trip.planned\ttrip.planned\tOslo\ttrip-1\t60.0",
        "lua\t1.0\tscript\tnil",
        "true\t3\t36\t27",
        "session.created\ttrue\ttrue\t4",
        "session.started\ttrue\ttrue\t4",
        "state.changed\tfalse\ttrue\t5",
        "artifact.stored\ttrue\ttrue\t6",
        "session.completed\ttrue\ttrue\t7",
    ]


def test_hooks_stand_around_publishing(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("news")
        local hook = Hook.register("BeforeEventEmit", function(call)
          if call.data.text == "secret" then return "not for all" end
          return { type = "modified", data = { text = call.data.text:upper() } }
        end, { name = "editor" })
        Hook.register("AfterEventEmit", function(call) print(call.component, call.data) end)
        print(Event.publish("news", { text = "hello" }))
        print(pcall(Event.publish, "news", { text = "secret" }))
        print(pcall(Event.publish, "news*", { text = "never asked" }))
        print(Event.receive(sub, 0).data.text, Event.receive(sub, 0))
        print(hook:metrics().calls)
    """)
    assert script.lines == [
        "news\ttrue", "true",
        "false\tmain.lua:9: cancelled by editor: not for all",
        "false\tmain.lua:10: Event.publish: type has no star; only patterns of subscriptions do: "
        '"news*"',
        "HELLO\tnil", "2",
    ]  # fmt: skip
    assert respell.replay(done.session, store=store).identical


def test_that_a_hook_ran_is_told(script: Any, store: Store) -> None:
    with store.bus.subscribe("hook.executed") as subscription:
        done = script("""
            local function quiet() end
            local function loud()
              print("x")
              return { type = "modified", data = { operation = "hash", input = "b" } }
            end
            Hook.register("BeforeToolExecution", quiet, { name = "quiet" })
            Hook.register("BeforeToolExecution", loud, { name = "loud" })
            Tool.invoke("hash_calculator", { operation = "hash", input = "a" })
        """)
        told = list(subscription)
    assert [(it.data["hook"], it.data["point"], it.data["result"]) for it in told] == [
        ("quiet", "BeforeToolExecution", "continue"), ("loud", "BeforeToolExecution", "modified"),
    ]  # fmt: skip
    calls = [it for it in respell.events(done.session, store=store) if it.name == "hook.call"]
    assert [it.cause for it in told] == [(done.session.id, call.number) for call in calls]


def test_that_a_hook_written_in_python_ran_is_told(script: Any, store: Store) -> None:
    hooks = respell.HookRegistry()
    hooks.register("BeforeToolExecution", lambda _: None, name="watcher")
    with store.bus.subscribe("hook.executed") as subscription:
        done = script(
            'Tool.invoke("hash_calculator", { operation = "hash", input = "a" })', hooks=hooks
        )
        (told,) = subscription
    assert told.data == {"hook": "watcher", "point": "BeforeToolExecution", "result": "continue"}
    call = next(it for it in respell.events(done.session, store=store) if it.name == "hook.call")
    assert told.cause == (done.session.id, call.number)


def test_v060_the_buses_of_scripts_and_sessions_never_met(script: Any) -> None:
    """Its sessions published to a bus that no script could subscribe to."""
    script("""
        local sub = Event.subscribe("session.*")
        local child = Session.create { name = "child" }
        Session.suspend(child)
        Session.resume(child)
        for _ = 1, 4 do print(Event.receive(sub, 1000).type) end
    """)
    assert script.lines == [
        "session.created", "session.started", "session.suspended", "session.resumed",
    ]  # fmt: skip


def test_names_have_a_form_with_underscores(script: Any) -> None:
    script("""
        local sub = Event.subscribe("a.*", { language = "python" })
        Event.publish("a.1") Event.publish("a.2") Event.receive(sub)
        local list, stats = Event.list_subscriptions(), Event.getStats()
        local one, bus, bridge = list[1], stats.event_bus_stats, stats.bridge_stats
        print(#list, one.id == sub, one.pattern, one.language, one.waiting, one.received)
        print(bus.events_processed, bus.buffer_size, bridge.active_subscriptions,
          bridge.subscriptions_by_language.python)
        print(Event.listSubscriptions == Event.list_subscriptions)
        print(Event.unsubscribe(sub), Event.unsubscribe(sub), #Event.list_subscriptions())
    """)
    assert script.lines == ["1\ttrue\ta.*\tpython\t1\t1", "2\t1\t1\t1",
                            "true", "true\tfalse\t0"]  # fmt: skip


def test_what_is_wrong_is_said(script: Any) -> None:
    script("""
        local function told(...) print((select(2, pcall(...)))) end
        told(Event.subscribe, "a*b")
        told(Event.subscribe)
        told(Event.publish, "a.*")
        told(Event.publish, "")
        told(Event.publish, "a", print)
        told(Event.publish, "a", nil, { ttl = 5 })
        told(Event.publish, "a", nil, { ttl_seconds = 0 })
        told(Event.receive, "subscription-99")
        told(Event.receive, Event.subscribe("a"), -1)
        told(Event.receive, Event.subscribe("a"), "soon")
        told(Event.unsubscribe)
    """)
    assert [line.partition(": ")[2] for line in script.lines] == [
        "Event.subscribe: pattern is a type ('session.completed'), '*' for all, or the beginning "
        "of types and one star at its end ('session.*'), not 'a*b'",
        "Event.subscribe: pattern must be a string, not nil",
        'Event.publish: type has no star; only patterns of subscriptions do: "a.*"',
        "Event.publish: type has 1 to 255 bytes, not 0",
        "Event.publish: a function can't be passed; strings, numbers, booleans and tables of them "
        "can",
        "Event.publish: there is no option 'ttl'; did you mean ttl_seconds? There are "
        "correlation_id, ttl_seconds, language, target_language",
        "Event.publish: ttl_seconds must be a number above 0, not 0",
        "Event.receive: No active subscription found: 'subscription-99'; Event.subscribe returns "
        "the id of one, and Event.unsubscribe ends it",
        "Event.receive: timeout_ms must be a number of milliseconds, 0 to 2592000000, not -1",
        "Event.receive: timeout_ms must be a number of milliseconds, not a string",
        "Event.unsubscribe: subscription must be a string, not nil",
    ]


def test_a_session_has_at_most_a_hundred_subscriptions(script: Any) -> None:
    script("""
        for i = 1, 100 do Event.subscribe("a." .. i) end
        print(select(2, pcall(Event.subscribe, "one.more")))
    """)
    assert "this session has 100 subscriptions already" in script.lines[0]


def test_a_script_does_not_hear_a_stranger(script: Any, store: Store) -> None:
    stranger = respell.create(store=store, name="stranger")
    done = script(f"""
        local sub = Event.subscribe("state.*")
        Session.suspend()
        Session.load("{stranger.id}")
        Session.suspend()
        print(Event.receive(sub, 0).data.key, Event.receive(sub, 0))
    """)
    stranger.state["secret"] = 1
    script.resume(done.session)
    stranger.state["shared"] = 2
    script.resume(done.session)
    assert script.lines == ["shared\tnil"]


def test_a_stranger_is_heard_where_that_was_granted(script: Any, store: Store) -> None:
    listener = """
        local sub = Event.subscribe("*")
        Session.suspend()
        Session.suspend()
        while true do
          local event = Event.receive(sub, 0)
          if not event then break end
          print(event.type)
        end
    """
    done = script(listener)
    speaker = f"""
        Event.grant("news.*", "{done.session.id}")
        Event.publish("news.heard")
        Event.publish("other")
        State.set("a", 1)
        Event.revoke("news.*", "{done.session.id}")
        Event.publish("news.late")
        Event.grant("state.changed", "{done.session.id}")
        State.set("b", 1)
    """
    spoken = script(speaker)
    assert spoken.exit_code == 0, spoken.session.error
    script.resume(done.session)
    script.resume(done.session)
    # What waits is asked about again when it is received: this was revoked meanwhile.
    assert script.lines == ["session.suspended", "state.changed", "session.resumed",
                            "session.suspended", "session.resumed"]  # fmt: skip


def test_other_branches_go_on_while_one_waits(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("ready")
        local log = {}
        Workflow.parallel { branches = {
          function()
              local event = Event.receive(sub, 60000)
              log[#log + 1] = event.data
            end,
          function()
            log[#log + 1] = "working"
            Utils.sleep(0.01)
            Event.publish("ready", "told")
          end,
        } }:execute()
        print(table.concat(log, " "))
    """)
    assert script.lines == ["working told"]
    assert respell.replay(done.session, store=store).identical


def test_two_branches_never_get_the_same_event(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("n")
        local got = {}
        local function take()
          local event = Event.receive(sub, 60000)
          got[#got + 1] = event.data
        end
        local branches = {}
        for i = 1, 8 do branches[i] = take end
        branches[9] = function() for i = 1, 8 do Event.publish("n", i) end end
        Workflow.parallel { branches = branches }:execute()
        table.sort(got)
        print(table.concat(got, " "), #Event.list_subscriptions(), Event.receive(sub, 0))
    """)
    assert script.lines == ["1 2 3 4 5 6 7 8\t1\tnil"]
    assert respell.replay(done.session, store=store).identical


def test_a_receive_that_is_over_its_time_gets_nil(script: Any, store: Store) -> None:
    done = script('print(Event.receive(Event.subscribe("never"), 20))')
    assert script.lines == ["nil"]
    receive = [it for it in respell.events(done.session, store=store) if it.name == "event.receive"]
    assert receive[0].duration_s is not None
    assert receive[0].duration_s >= 0.02


def test_a_receive_that_was_left_takes_no_event(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("late")
        local function wait() return Event.receive(sub, 600000) end
        local step = { name = "wait", type = "custom", timeout_ms = 50, execute = wait }
        print(Workflow.sequential { name = "w", steps = { step } }:execute().success)
        Event.publish("late", "for the next")
        print(Event.receive(sub, 0).data)
    """)
    assert script.lines == ["false", "for the next"]
    assert respell.replay(done.session, store=store).identical


def test_replay_gets_the_recorded_events(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("*")
        for i = 1, 5 do Event.publish("n." .. i, i) end
        for i = 1, 6 do local e = Event.receive(sub, 0) print(e and e.type, e and e.id) end
        print(pcall(Event.receive, "none"))
    """)
    for mode in ("exact", "simulate"):
        result = respell.replay(done.session, store=store, mode=mode)  # type: ignore[arg-type]
        assert result.identical, (mode, result.divergence)


def test_a_session_goes_on_where_its_subscription_stood(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("letter")
        Event.publish("letter", 1) Event.publish("letter", 2)
        print(Event.receive(sub).data)
        Session.suspend()
        print(Event.receive(sub).data, Event.receive(sub).data, Event.receive(sub, 0))
    """)
    store.bus.publish("letter", 3, session=done.session.id)
    done = script.resume(done.session)
    assert script.lines == ["1", "2\t3\tnil"]
    assert respell.replay(done.session, store=store).identical


def test_an_event_of_no_session_is_for_every_script(script: Any, store: Store) -> None:
    done = script("""
        local sub = Event.subscribe("deploy.*")
        Session.suspend()
        print(Event.receive(sub).data.of, Event.receive(sub, 0))
    """)
    store.bus.publish("deploy.done", {"of": "site"})
    script.resume(done.session)
    assert script.lines == ["site\tnil"]


WAITS = """
print("listening")
local sub = Event.subscribe("go")
print("got", Event.receive(sub, 600000).data)
"""


def test_a_suspend_leaves_a_receive_at_once_and_another_process_goes_on(
    store: Store, tmp_path: Path
) -> None:
    process = begin("run", write_script(tmp_path, WAITS), store=store.path)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "listening\n"
        session = respell.session("@last", store=store)
        asked = command("suspend", session.id, store=store.path)
        assert asked.returncode == 0, asked.stderr
        assert process.wait(60) == 3
    finally:
        kill_group(process)
    assert session_json(store.path, session.id)["in_doubt"] == []
    store.bus.publish("go", 7, session=session.id)
    resumed = command("resume", session.id, store=store.path)
    assert (resumed.stdout, resumed.returncode) == ("got\t7\n", 0)
    assert respell.replay(session.record, store=store).identical


def test_a_running_script_hears_another_process(store: Store, tmp_path: Path) -> None:
    process = begin("run", write_script(tmp_path, WAITS), store=store.path)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "listening\n"
        heard = threading.Event()

        def publish() -> None:
            # Until the script has subscribed nobody hears it.
            while not store.bus.publish("go", "now"):
                heard.wait(0.01)

        thread = threading.Thread(target=publish)
        thread.start()
        out, err = process.communicate(timeout=60)
        thread.join(60)
        assert (out, process.returncode) == ("got\tnow\n", 0), err
    finally:
        kill_group(process)


def test_a_program_hears_a_script(script: Any, store: Store) -> None:
    with store.bus.subscribe("session.*") as sessions, store.bus.subscribe("mine") as own:
        done = script('Event.publish("mine", { n = 1 })')
        told = list(sessions)
        assert [event.type for event in told] == [
            "session.created", "session.started", "session.completed",
        ]  # fmt: skip
        assert {event.session_id for event in told} == {done.session.id}
        (mine,) = own
        assert (mine.data, mine.source, mine.language) == ({"n": 1}, "script", "lua")
        assert mine.cause == (done.session.id, 2)
        assert mine.correlation_id == done.session.id


def test_failing_and_suspending_are_told(script: Any, store: Store) -> None:
    with store.bus.subscribe("session.*") as subscription:
        done = script('Session.suspend() error("no")')
        script.resume(done.session)
        respell.session(done.session, store=store).archive()
        assert [event.type for event in subscription] == [
            "session.created", "session.started", "session.suspended", "session.resumed",
            "session.failed", "session.archived",
        ]  # fmt: skip


def test_saving_is_told_when_the_script_saves(script: Any, store: Store) -> None:
    with store.bus.subscribe("session.saved") as subscription:
        script("Session.save(Session.getCurrent()) Session.getTimeline(Session.getCurrent())")
        assert len(list(subscription)) == 1


def test_what_was_published_is_taken_back_with_a_failed_effect(script: Any, store: Store) -> None:
    with store.bus.subscribe("state.*") as subscription:
        script('pcall(State.set, "sesion:x", "k", 1) State.set("k", 1)')
        assert len(list(subscription)) == 1


def test_a_session_publishes_as_the_current_one(script: Any) -> None:
    script("""
        local sub = Event.subscribe("mine")
        local child = Session.create { name = "child" }
        Session.setCurrent(child)
        Event.publish("mine")
        local event = Event.receive(sub)
        print(event.session_id == child, event.correlation_id == child, event.caused_by)
        Session.setCurrent(nil)
        print(#Event.list_subscriptions())
    """)
    assert script.lines == ["true\ttrue\t5", "1"]


def test_an_order_of_names(names: Callable[[RunResult], list[str]], script: Any) -> None:
    done = script(
        'local s = Event.subscribe("a") Event.publish("a") Event.receive(s) Event.unsubscribe(s)'
    )
    assert [name for name in names(done) if name.startswith("event.")] == [
        "event.subscribe", "event.publish", "event.receive", "event.unsubscribe",
    ]  # fmt: skip


def test_events_reach_a_script_that_was_killed(store: Store, tmp_path: Path) -> None:
    process = begin("run", write_script(tmp_path, WAITS), store=store.path)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "listening\n"
        while not store.bus.wanted("go"):
            pass
    finally:
        kill_group(process)
    session = respell.session("@last", store=store)
    store.bus.publish("go", "after the crash", session=session.id)
    resumed = command("resume", session.id, store=store.path)
    assert (resumed.stdout, resumed.returncode) == ("got\tafter the crash\n", 0), resumed.stderr


def test_a_session_that_was_loaded_is_heard(script: Any, store: Store) -> None:
    shared = respell.create(store=store, name="shared")
    done = script(f"""
        Session.load("{shared.id}")
        local sub = Event.subscribe("state.*")
        Session.suspend()
        print(Event.receive(sub, 0).data.key)
    """)
    shared.state["key"] = 1
    script.resume(done.session)
    assert script.lines == ["key"]


def test_a_session_that_was_loaded_is_not_heard_where_that_is_forbidden(
    script: Any, store: Store
) -> None:
    shared = respell.create(store=store, name="shared")
    config = load(environ={"RESPELL_SECURITY_SESSIONS": "own"})
    done = script(
        f"""
        Session.load("{shared.id}")
        local sub = Event.subscribe("state.*")
        Session.suspend()
        print(Event.receive(sub, 0))
        """,
        config=config,
    )
    shared.state["key"] = 1
    script.resume(done.session, config=config)
    assert script.lines == ["nil"]


LETTERS = """
local sub = Event.subscribe("letter")
local gone = Event.subscribe("*")
Event.unsubscribe(gone)
Event.publish("letter", 1)
State.set("a", 1)
Event.publish("letter", 2)
print(Event.receive(sub, 0).data)
Event.publish("letter", 3)
Session.suspend()
while true do
  local event = Event.receive(sub, 0)
  if not event then break end
  print(event.data, event.session_id == Session.getCurrent())
end
print(#Event.list_subscriptions())
"""


def test_a_fork_has_subscriptions_of_its_own(script: Any, store: Store) -> None:
    original = script(LETTERS)
    store.bus.publish("letter", "to the original", session=original.session.id)
    with store.bus.subscribe("*") as everybody:
        fork = respell.fork(original.session, store=store, at=original.session.events - 1)
        told = [event.type for event in everybody]
        assert told == ["session.created", "session.suspended"]
    store.bus.publish("letter", "to the fork", session=fork.id)
    script.resume(fork)
    assert script.lines == ["1", "2\ttrue", "3\ttrue", "to the fork\ttrue", "1"]
    script.resume(original.session)
    assert script.lines[5:] == ["2\ttrue", "3\ttrue", "to the original\ttrue", "1"]
    for session in (fork, original.session):
        assert respell.replay(session, store=store).identical


def test_a_session_that_was_imported_listens_anew(
    script: Any, store: Store, tmp_path: Path
) -> None:
    done = script(LETTERS)
    respell.session(done.session, store=store).export(tmp_path / "letters.respell")
    with (
        Store(tmp_path / "elsewhere", durability="process") as there,
        there.bus.subscribe("session.*") as subscription,
    ):
        moved = respell.import_(tmp_path / "letters.respell", store=there)
        (told,) = subscription
        assert (told.type, told.data["imported"]) == ("session.created", True)
        assert [it.pattern for it in there.bus.list(moved.record.key)] == ["letter"]
        there.bus.publish("letter", "here", session=moved.id)
        lines: list[bytes] = []
        ended = moved.resume(on_output=lambda _, text: lines.append(text))
        assert ended.exit_code == 0, moved.error
        assert lines == [b"here\ttrue", b"1"]
        assert moved.replay().identical
