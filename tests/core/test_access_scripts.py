"""Grants in whole scripts: between programs, after restarts, at re-execution and in forks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine.run import RunResult
from respell.sessions.record import SessionQuery
from respell.store import Store


def ended(result: RunResult) -> RunResult:
    assert result.session.status == "completed", result.session.error
    return result


# Publishes one artifact and one value for a reader, and waits to be asked for more.
OWNER = """
local plan = Artifact.store(nil, "plan.txt", "to Oslo")
State.set("city", "Oslo")
Artifact.grant(nil, plan, input.reader, input.level or "read")
State.grant("session:" .. Session.getCurrent(), input.reader, "read")
print(plan.id)
"""


@pytest.fixture
def reader(script: Any) -> respell.SessionRecord:
    """A program that waits for the id of an artifact, and tells what is in it."""
    waiting: RunResult = script("""
        while true do
          local id = Session.suspend{prompt = "which?"}
          if id == "" then break end
          local owner = id:match("^[^/]+")
          print(pcall(Artifact.getContent, nil, id))
          print(pcall(State.get, "session:" .. owner, "city"))
        end
    """)  # fmt: skip
    assert waiting.session.status == "suspended"
    return waiting.session


def test_one_program_reads_what_another_granted_it_after_a_restart(
    script: Any, store: Store, reader: respell.SessionRecord, tmp_path: Path
) -> None:
    """rs-llmspell v0.6.0 kept access lists in memory: after a restart all was denied."""
    ended(script(OWNER, input={"reader": reader.id}))
    plan = script.lines.pop()
    store.close()
    with Store(tmp_path / "store", durability="process") as again:
        lines: list[str] = []

        def keep(name: str, text: bytes) -> None:
            lines.append(text.decode())

        respell.resume(reader, store=again, value=plan, on_output=keep)
        assert lines == ["true\tto Oslo", "true\tOslo"]
        record = again.artifacts.get(plan)
        owner = again.sessions.get(record.session_id)
        assert [(it.action, it.actor, it.allowed) for it in again.audit.list(session=owner.id)
                if it.actor == reader.id] == [
            ("artifact.get_content", reader.id, True), ("state.get", reader.id, True),
        ]  # fmt: skip


def test_a_refusal_is_in_the_log_with_the_one_that_asked(
    script: Any, store: Store, reader: respell.SessionRecord
) -> None:
    done = ended(script("print(Artifact.store(nil, 'plan.txt', 'x').id)"))
    plan = script.lines.pop()
    script.resume(reader, value=plan)
    assert [line.startswith("false\tmain.lua") for line in script.lines] == [True, True]
    refused = store.audit.list(session=done.session.id, refused=True)
    assert [(it.action, it.actor, it.target) for it in refused] == [
        ("artifact.get_content", reader.id, plan),
        ("state.get", reader.id, f"session:{done.session.id}"),
    ]


def test_a_replay_is_identical_after_the_grant_was_revoked(
    script: Any, store: Store, reader: respell.SessionRecord
) -> None:
    ended(script(OWNER, input={"reader": reader.id}))
    plan = script.lines.pop()
    script.resume(reader, value=plan)
    logged = len(store.audit.list())
    for one in store.grants.list():
        store.grants.remove(one.owner_key, one.kind, one.target, one.grantee)
    result = respell.replay(reader.id, store=store)
    assert result.identical
    assert len(store.audit.list(refused=True)) == 0
    assert [it.action for it in store.audit.list()[logged:]
            if it.action != "session.replay"] == []  # fmt: skip
    script.resume(reader, value=plan)  # re-executes what was read, and asks anew
    assert script.lines[:2] == ["true\tto Oslo", "true\tOslo"]
    assert [line.partition("\t")[0] for line in script.lines[2:]] == ["false", "false"]


def test_a_fork_has_nothing_of_what_others_granted_its_original(
    script: Any, store: Store, reader: respell.SessionRecord
) -> None:
    ended(script(OWNER, input={"reader": reader.id}))
    plan = script.lines.pop()
    script.resume(reader, value=plan)
    del script.lines[:]
    last = max(it.number for it in respell.events(reader.id, store=store)
               if it.name == "session.suspend")  # fmt: skip
    fork = respell.fork(reader.id, store=store, at=last)
    script.resume(fork, value=plan)
    # What was read before is in its history; what it reads itself is refused.
    assert [line.partition("\t")[0] for line in script.lines] == ["false", "false"]
    script.resume(store.sessions.get(reader.key), value=plan)
    assert script.lines[2:] == ["true\tto Oslo", "true\tOslo"]


def test_what_a_fork_made_of_something_granted_is_there(
    script: Any, store: Store, reader: respell.SessionRecord
) -> None:
    taker = script("""
        local id = Session.suspend()
        local mine = Artifact.derive(nil, id, "mine.txt", Artifact.getContent(nil, id) .. "!")
        Session.suspend()
        local from = Artifact.get(nil, mine).metadata.parent_artifact
        print(Artifact.getContent(nil, mine), from == id)
    """).session
    ended(script(OWNER, input={"reader": taker.id}))
    plan = script.lines.pop()
    script.resume(taker, value=plan)
    store.artifacts.delete(plan)
    last = max(it.number for it in respell.events(taker.id, store=store)
               if it.name == "session.suspend")  # fmt: skip
    fork = respell.fork(taker.id, store=store, at=last)
    ended(script.resume(fork))
    assert script.lines == ["to Oslo!\ttrue"]
    assert respell.replay(fork.id, store=store).identical


def test_what_the_original_granted_is_granted_of_the_forks_copies(
    script: Any, store: Store, reader: respell.SessionRecord
) -> None:
    owner = script("""
        local me = Session.getCurrent()
        local helper = Session.create{name = "helper"}
        local plan = Artifact.store(nil, "plan.txt", "first")
        local gone = Artifact.store(nil, "gone.txt", "x")
        Artifact.grant(nil, plan, input, "read")
        Artifact.grant(nil, plan, helper, "read")
        Artifact.grant(nil, gone, input, "read")
        Artifact.delete(nil, gone)
        Session.suspend()
        for _, one in ipairs(Artifact.acl(nil, plan)) do
          print(one.session_id == me, one.session_id == helper, one.session_id == input)
        end
        Artifact.revoke(nil, plan, input)
    """, input=reader.id).session  # fmt: skip
    at = max(it.number for it in respell.events(owner.id, store=store))
    at = max(it.number for it in respell.events(owner.id, store=store)
             if it.name == "session.suspend" and it.number <= at)  # fmt: skip
    fork = respell.fork(owner.id, store=store, at=at)
    given = {(it.owner, it.grantee) for it in store.grants.list()}
    (made,) = [it.id for it in store.sessions.list(SessionQuery(created_by=fork.id))]
    (helper,) = [it.id for it in store.sessions.list(SessionQuery(created_by=owner.id))
                 if it.name == "helper"]  # fmt: skip
    assert given == {
        (owner.id, reader.id), (owner.id, helper), (fork.id, reader.id), (fork.id, made),
    }  # fmt: skip
    ended(script.resume(fork))
    assert script.lines == ["true\tfalse\tfalse", "false\tfalse\ttrue", "false\ttrue\tfalse"]
    # The original's own are as they were.
    assert (owner.id, reader.id) in {(it.owner, it.grantee) for it in store.grants.list()}
    assert (fork.id, reader.id) not in {(it.owner, it.grantee) for it in store.grants.list()}


def test_a_loop_fills_the_log_only_so_far(script: Any, store: Store) -> None:
    ended(script("""
        local a, b = Session.create{}, Session.create{}
        local id = Artifact.store(a, "x", "x")
        Artifact.grant(a, id, b)
        for _ = 1, 1010 do Artifact.verify(b, id) end
    """))  # fmt: skip
    noted = [it for it in store.audit.list(limit=5000) if it.action == "artifact.verify"]
    assert len(noted) == 1001
    assert noted[-1].reason == "it used grants more than 1000 times; what follows is not noted"


# Events ----------------------------------------------------------------------------------


def test_events_are_heard_by_whom_they_were_granted(script: Any, store: Store) -> None:
    teller = respell.create(store=store, name="teller")
    listener = script("""
        local all = Event.subscribe("*")
        Session.suspend()
        while true do
          local event = Event.receive(all, 0)
          if not event then break end
          if event.data.key then print(event.data.key) end
        end
    """).session
    teller.state["before"] = 1
    teller.grant_events("state.*", listener)
    teller.state["granted"] = 2
    teller.artifacts.store("a.txt", "artifact.stored is not granted")
    teller.revoke_events("state.*", listener)
    teller.state["revoked"] = 3
    teller.grant_events("state.changed", listener, expires_at="2300-01-01T00:00:00Z")
    teller.state["again"] = 4
    ended(script.resume(listener))
    # Not what was told before, of another type, or while nothing was granted.
    assert script.lines == ["granted", "again"]
    assert teller.grants()[0].target == "state.changed"


def test_a_script_grants_its_events(script: Any, store: Store) -> None:
    listener = script("""
        local sub = Event.subscribe("letter.*")
        Session.suspend()
        print(Event.receive(sub, 0).data, Event.receive(sub, 0))
    """).session
    ended(script("""
        Event.publish("letter.sent", "too early")
        Event.grant("letter.*", input)
        local acl = Event.acl()
        print(acl[1].pattern, acl[1].level, acl[1].session_id == input)
        print(pcall(Event.grant, "letter.*", input, "write"))
        print((pcall(Event.grant, "letter.*", Session.getCurrent())))
        Event.publish("letter.sent", "hello")
        Event.publish("parcel.sent", "not granted")
    """, input=listener.id))  # fmt: skip
    assert script.lines[0] == "letter.*\tread\ttrue"
    assert "nobody publishes in another session's name" in script.lines[1]
    assert script.lines[2] == "false"
    del script.lines[:]
    ended(script.resume(listener))
    assert script.lines == ["hello\tnil"]
