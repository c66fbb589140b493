"""What is done to sessions from outside: ask, complete, fail, archive, delete."""

from __future__ import annotations

import pytest

from command_line import PATIENCE_S, CommandLine, next_line, session_of

WAITS = """
    print("waiting")
    while not State.get("global", "go") do Utils.sleep(0.02) end
    print("done")
"""
GO = 'State.set("global", "go", true)'


def status(respell: CommandLine, ident: str) -> str:
    """Return a session's status."""
    found: str = respell("show", ident, "--json").json["status"]
    return found


def test_a_running_session_is_suspended_from_outside(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        asked = respell("suspend", ident, "--wait", "30")
        assert "is suspended" in asked.err
        assert running.wait(PATIENCE_S) == 3
    again = respell("suspend", ident, code=2)
    assert "suspended already" in again.err
    assert f"respell resume {ident[:8]}" in again.err


def test_a_paused_session_waits_and_goes_on(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        assert "unpause" in respell("pause", ident).err

        def told(name: str) -> bool:
            return name in respell("events", ident, "--kind", "lifecycle").out

        while not told("lifecycle.pause"):
            assert running.poll() is None
        respell("run", respell.script(GO, "go.lua"))
        assert respell("show", ident, "--json").json["running"] is True
        shown = respell("show", ident).out
        assert "status     paused" in shown
        assert f"unpause {ident[:8]}" in shown
        for status, there in (("paused", True), ("running", False), ("active", True)):
            assert (ident in respell("list", "--status", status).out) is there
        assert "paused already" in respell("pause", ident, code=2).err
        assert "done" not in respell("show", ident, "--output").out
        respell("unpause", ident)
        assert next_line(running) == "done"
        assert running.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("verb", ["suspend", "pause", "unpause"])
def test_who_is_not_running_can_not_be_asked(respell: CommandLine, verb: str) -> None:
    done = session_of(respell("run", respell.script("print(1)")))
    assert "is completed" in respell(verb, done, code=2).err
    killed = respell.script("print('up') while true do end", "busy.lua")
    with respell.begun("run", killed) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "up"
        assert "is not paused" in respell("unpause", ident, code=2).err
        running.kill()
        running.wait(PATIENCE_S)
    assert ident in respell("list", "--status", "interrupted").out
    assert done not in respell("list", "--status", "interrupted").out
    refused = respell(verb, ident, code=2)
    assert "interrupted" in refused.err
    assert f"respell resume {ident[:8]}" in refused.err


def test_a_suspended_session_can_be_completed_and_archived(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script("Session.suspend()"), code=3))
    respell("complete", ident)
    session = respell("show", ident, "--json").json
    assert session["status"] == "completed"
    assert session["ended_at"] is not None
    assert session["waiting_for"] is None
    respell("archive", ident)
    assert status(respell, ident) == "archived"
    names = [event["name"] for event in respell("events", ident, "--json").json_lines]
    assert names[-2:] == ["lifecycle.complete", "lifecycle.archive"]


def test_a_suspended_session_can_be_failed_with_a_reason(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script("Session.suspend()"), code=3))
    respell("fail", ident, "--reason", "nobody answered")
    session = respell("show", ident, "--json").json
    assert session["status"] == "failed"
    assert session["error"]["message"] == "nobody answered"


def test_what_the_status_does_not_allow_changes_nothing(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script("Session.suspend()"), code=3))
    refused = respell("archive", ident, code=2)
    assert "suspended" in refused.err
    assert "archived" in refused.err
    assert status(respell, ident) == "suspended"
    respell("complete", ident)
    for verb in ("complete", "fail"):
        assert "completed" in respell(verb, ident, code=2).err
    assert status(respell, ident) == "completed"


def test_a_running_session_is_left_to_its_host(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        for words in (["complete"], ["fail"], ["archive"], ["delete", "--yes"]):
            refused = respell(words[0], ident, *words[1:], code=2)
            assert "is running" in refused.err
            assert "respell suspend" in refused.err
        assert running.poll() is None


def test_deleting_asks_first_on_a_terminal(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script("print(1)")))
    refused = respell("delete", ident, code=2)
    assert "--yes" in refused.err
    code, screen = respell.on_a_terminal("delete", ident, typed="n\n")
    assert code == 2
    assert "[y/N]" in screen
    assert status(respell, ident) == "completed"
    code, _ = respell.on_a_terminal("delete", ident, typed="y\n")
    assert code == 0
    respell("show", ident, code=2)


def test_deleting_takes_everything_along(respell: CommandLine) -> None:
    script = respell.script("Artifact.store(Session.getCurrent(), 'a', 'b') State.set('k', 1)")
    ident = session_of(respell("run", script))
    respell("delete", ident, "--yes")
    assert respell("list", "--json").json == []
    assert respell("artifacts", "list", "--json").json == []
