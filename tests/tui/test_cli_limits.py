"""`respell limits`: what a session may use, before, while and after it runs."""

from __future__ import annotations

from command_line import PATIENCE_S, CommandLine, next_line, session_of

TICKS = "print('up') while true do State.set('k', 1) Utils.sleep(0.01) end"


def test_limits_are_shown_beside_what_is_used(respell: CommandLine) -> None:
    script = respell.script("for i = 1, 3 do State.set('i', i) end")
    ran = respell("run", script, "--limit", "operations=10", "--limit", "rate.state.set=900/s")
    rows = [line.split("\t") for line in respell("limits", session_of(ran)).out.splitlines()]
    assert rows[0] == ["operations", "3", "10"]
    assert rows[-1] == ["rate.state.set", "", "54000/min"]
    told = respell("limits", session_of(ran), "--json").json
    assert told["limits"] == {"operations": 10, "rate": {"state.set": "54000/min"}}
    assert told["used"]["operations"] == 3


def test_a_running_session_is_stopped_by_a_limit_it_gets(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(TICKS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "up"
        memory = respell("limits", ident, "--limit", "memory_bytes=10000000", code=2)
        assert "its Lua process has its memory from its start" in memory.err
        asked = respell("limits", ident, "--limit", "operations=1")
        assert f"session {ident[:8]}: asked its host for operations=1" in asked.err
        assert running.wait(PATIENCE_S) == 5
    shown = respell("show", ident).out
    assert "because    it reached the limit operations" in shown
    assert "stopped by the limit operations after event" in shown
    set_ = respell("limits", ident, "--limit", "operations=none", "--limit", "tokens=5")
    assert "set operations=none, tokens=5" in set_.err
    assert respell("limits", ident, "--json").json["limits"] == {"tokens": 5}


def test_alerts_are_told_on_standard_error_and_kept(respell: CommandLine) -> None:
    script = respell.script("for i = 1, 9 do State.set('i', i) end print('data')")
    ran = respell("run", script, "--limit", "operations=10")
    assert ran.out == "data\n"
    told = [line for line in ran.err.splitlines() if line.startswith("limit: ")]
    assert [line.split()[1] for line in told] == ["50", "75", "90"]
    kept = respell("events", session_of(ran), "--kind", "limit").out.splitlines()
    assert len(kept) == 3


def test_a_session_that_fails_by_a_limit_says_so(respell: CommandLine) -> None:
    script = respell.script("while true do State.set('k', 1) end")
    ran = respell(
        "run", script, "--limit", "operations=3", code=5, RESPELL_POLICIES_ON_LIMIT="fail"
    )
    assert "failed: stopped by the limit operations after event" in ran.err
    assert respell("show", session_of(ran), "--json").json["status"] == "failed"


def test_what_is_no_limit_is_refused_and_changes_nothing(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script("Session.suspend()"), code=3))
    assert "did you mean tokens" in respell("limits", ident, "--limit", "token=5", code=2).err
    assert respell("limits", ident, "--json").json["limits"] == {}
