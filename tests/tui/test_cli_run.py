"""Running scripts: output, suspends, limits, signals, and going on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time

import pytest

from command_line import PATIENCE_S, RESPELL, CommandLine, next_line, session_of

SESSION_KEYS = {
    "id", "name", "description", "status", "running", "interrupted", "script", "script_hash",
    "args", "input", "tags", "metadata", "parent_session_id", "forked_from", "created_at",
    "updated_at", "ended_at", "events", "artifacts", "usage", "limits", "waiting_for", "error",
    "in_doubt",
}  # fmt: skip

ASKS = """
    print("before")
    local answer = Session.suspend {
      prompt = "really?",
      schema = {
        type = "object", properties = { yes = { type = "boolean" } }, required = { "yes" },
      },
    }
    print("after", answer.yes)
"""
WAITS = """
    print("waiting")
    while not State.get("global", "go") do Utils.sleep(0.02) end
    print("done")
"""
GO = 'State.set("global", "go", true)'


def test_output_is_data_and_everything_else_is_words(respell: CommandLine) -> None:
    script = respell.script("""
        print("one", 2)
        print(input.greeting, args[1], ...)
        Logger.info("noted", { count = 3 })
        return 7
    """)
    ran = respell("run", script, "--input", '{"greeting": "Moin"}', "--", "Ada", "--json")
    assert ran.out == "one\t2\nMoin\tAda\tAda\t--json\n"
    first, *others = ran.err.splitlines()
    assert first == f"session {session_of(ran)}"
    assert "info: noted count=3" in others
    assert others[-1].startswith("completed: ")


def test_with_json_the_sessions_object_is_all_there_is_on_standard_output(
    respell: CommandLine,
) -> None:
    script = respell.script('print("shown")')
    ran = respell("run", script, "--json", "--tag", "a", "--tag", "b", "--name", "first")
    session = ran.json
    assert set(session) == SESSION_KEYS
    assert session["id"] == session_of(ran)
    assert session["status"] == "completed"
    assert session["name"] == "first"
    assert session["tags"] == ["a", "b"]
    assert session["script"] == script
    assert session["running"] is False
    assert set(session["usage"]) == {
        "operations", "tokens", "cost_usd", "artifact_bytes", "active_s", "history_bytes",
    }  # fmt: skip
    assert "shown" in ran.err.splitlines()


def test_a_failed_script_ends_with_1_and_says_where(respell: CommandLine) -> None:
    script = respell.script("""
        local function inner() error("no luck") end
        inner()
    """)
    ran = respell("run", script, code=1)
    assert "failed: script.lua:1: no luck" in ran.err
    assert "traceback" in ran.err
    assert ran.out == ""
    shown = respell("show", session_of(ran), "--json").json
    assert shown["status"] == "failed"
    assert set(shown["error"]) == {"message", "traceback", "event"}
    assert shown["error"]["message"] == "script.lua:1: no luck"


def test_a_script_that_does_not_compile_fails_like_any_other(respell: CommandLine) -> None:
    ran = respell("run", respell.script("local = 1"), code=1)
    assert "script.lua:1:" in ran.err


def test_a_session_waits_for_a_value_and_another_process_gives_it(respell: CommandLine) -> None:
    ran = respell("run", respell.script(ASKS), code=3)
    ident = session_of(ran)
    assert ran.out == "before\n"
    how = f"respell resume {ident[:8]} --value JSON"
    assert f"suspended: really? - resume it with: {how}" in ran.err
    waiting = respell("show", ident, "--json").json
    assert waiting["status"] == "suspended"
    assert set(waiting["waiting_for"]) == {"prompt", "schema"}
    assert waiting["waiting_for"]["prompt"] == "really?"

    refused = respell("resume", ident, "--value", '{"yes": 1}', code=2)
    assert "does not fit" in refused.err
    assert respell("show", ident, "--json").json["status"] == "suspended"

    resumed = respell("resume", ident, "--value", '{"yes": true}')
    assert resumed.out == "after\ttrue\n"
    assert respell("show", ident, "--json").json["status"] == "completed"


def test_what_is_typed_as_json_has_to_be_json(respell: CommandLine) -> None:
    ran = respell("run", respell.script(ASKS), code=3)
    refused = respell("resume", session_of(ran), "--value", "yes", code=2)
    assert "--value is not JSON" in refused.err
    refused = respell("run", respell.script(ASKS), "--input", "{", code=2)
    assert "--input is not JSON" in refused.err


def test_a_value_nobody_waits_for_is_refused(respell: CommandLine) -> None:
    limited = respell.script("for i = 1, 9 do State.set('i', i) end")
    ran = respell("run", limited, "--limit", "operations=3", code=5)
    refused = respell("resume", session_of(ran), "--value", "1", code=2)
    assert "does not wait for a value" in refused.err


def test_an_ended_session_is_not_resumed(respell: CommandLine) -> None:
    ran = respell("run", respell.script("print(1)"))
    refused = respell("resume", session_of(ran), code=2)
    assert "completed" in refused.err
    assert "respell fork" in refused.err


def test_a_limit_stops_a_session_and_a_higher_one_lets_it_go_on(respell: CommandLine) -> None:
    script = respell.script("for i = 1, 6 do State.set('i', i) print(i) end")
    ran = respell("run", script, "--limit", "operations=4", code=5)
    assert ran.out == "1\n2\n3\n4\n"
    assert "operations" in ran.err
    assert "--limit operations=N" in ran.err
    resumed = respell("resume", session_of(ran), "--limit", "operations=100")
    assert resumed.out == "5\n6\n"


def test_an_endless_computation_is_stopped_by_its_duration(respell: CommandLine) -> None:
    ran = respell("run", respell.script("while true do end"), "--max-duration", "0.3", code=5)
    assert "max_duration" in ran.err


@pytest.mark.parametrize("limit", ["operations", "operations=0", "speed=3", "operations=x", "=3"])
def test_a_limit_that_makes_no_sense_starts_nothing(respell: CommandLine, limit: str) -> None:
    refused = respell("run", respell.script("print(1)"), "--limit", limit, code=2)
    assert refused.out == ""
    assert not respell.store.exists()


def test_a_refusal_names_the_flag_that_would_allow_it(respell: CommandLine) -> None:
    script = respell.script("print(assert(io.open('/etc/hostname')):read() ~= nil)")
    ran = respell("run", script, code=1)
    assert "--allow read=/etc/hostname" in ran.err
    allowed = respell("run", script, "--allow", "read=/etc/hostname")
    assert allowed.out == "true\n"
    denied = respell("run", script, "--allow", "reed=/etc", code=2)
    assert "reed" in denied.err


def test_no_rule_opens_the_store_to_a_script(respell: CommandLine) -> None:
    script = respell.script("print(io.open('store/store.db'))")
    ran = respell("run", script, "--allow", "read=store", "--allow", "read", code=1)
    assert "belongs to the session store" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_suspends_and_a_resume_prints_only_what_is_new(
    respell: CommandLine, number: signal.Signals
) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        running.send_signal(number)
        _, words = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 3
        assert f"respell resume {ident[:8]}" in words.decode()
    assert respell("show", ident, "--json").json["status"] == "suspended"
    respell("run", respell.script(GO, "go.lua"))
    assert respell("resume", ident).out == "done\n"


def test_a_computation_without_effects_is_stopped_too(respell: CommandLine) -> None:
    script = respell.script("print('busy') local n = 0 while true do n = n + 1 end")
    with respell.begun("run", script) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "busy"
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGINT)  # now, not in two seconds
        running.wait(PATIENCE_S)
        assert running.returncode == 3
    assert respell("show", ident, "--json").json["status"] == "suspended"


def test_a_second_resume_is_refused_and_says_who_holds_it(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        refused = respell("resume", ident, code=6)
        assert str(running.pid) in refused.err
        shown = respell("show", ident, "--json").json
        assert shown["running"] is True


def test_a_killed_host_leaves_an_interrupted_session_that_goes_on(respell: CommandLine) -> None:
    with respell.begun("run", respell.script(WAITS)) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "waiting"
        running.kill()
        running.wait(PATIENCE_S)
    shown = respell("show", ident, "--json").json
    assert shown["status"] == "active"
    assert shown["interrupted"] is True
    assert shown["running"] is False
    respell("run", respell.script(GO, "go.lua"))
    assert respell("resume", ident).out == "done\n"


def test_a_detached_run_outlives_the_command_that_started_it(respell: CommandLine) -> None:
    began = respell("run", respell.script(WAITS), "--detach", "--name", "behind")
    ident = began.out.strip()
    assert respell("show", "behind", "--json").json["id"] == ident
    assert respell("show", ident, "--json").json["running"] is True
    followed = f"respell events {ident[:8]} --follow"
    assert followed in began.err
    respell("run", respell.script(GO, "go.lua"))
    respell.wait_until(ident, lambda session: session["status"] == "completed")
    assert respell("show", ident, "--output").out == "waiting\ndone\n"


def test_a_detached_run_that_can_not_start_says_why(respell: CommandLine) -> None:
    script = respell.script("print(1)")
    refused = respell("run", script, "--detach", "--limit", "speed=1", code=2)
    assert "speed" in refused.err
    (respell.folder / "store").write_text("not a folder")
    refused = respell("run", script, "--detach", code=None)
    assert refused.code in (2, 6)
    assert refused.err.startswith("respell: ")
    assert refused.out == ""


def test_a_detached_run_gives_the_sessions_object_with_json(respell: CommandLine) -> None:
    began = respell("run", respell.script(WAITS), "--detach", "--json")
    assert set(began.json) == SESSION_KEYS
    respell("suspend", began.json["id"], "--wait", "30")


def test_a_timer_goes_on_where_it_was_and_due_resumes_it(respell: CommandLine) -> None:
    script = respell.script("print('asleep') Utils.sleep(1.5) print('awake')")
    with respell.begun("run", script) as running:
        ident = next_line(running, "stderr").split()[1]
        assert next_line(running) == "asleep"
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 3
    early = respell("resume", "--due")
    assert early.out in ("", "awake\n")  # the machine may have been slow
    if not early.out:
        assert "no session's timer has come" in early.err
        until = time.monotonic() + PATIENCE_S
        while not (due := respell("resume", "--due")).out:
            assert time.monotonic() < until
        assert due.out == "awake\n"
    assert respell("show", ident, "--json").json["status"] == "completed"
    assert respell("resume", "--due", "--json").json == []


def test_due_takes_no_session(respell: CommandLine) -> None:
    assert "no ID" in respell("resume", "@last", "--due", code=2).err


def test_another_script_goes_on_in_a_fork(respell: CommandLine) -> None:
    ran = respell("run", respell.script(ASKS), code=3)
    better = respell.script(ASKS.replace('print("after"', 'print("much later"'), "better.lua")
    resumed = respell("resume", session_of(ran), "--script", better, "--value", '{"yes": false}')
    assert resumed.out == "much later\tfalse\n"
    assert session_of_fork(resumed.err) != session_of(ran)
    assert respell("show", session_of(ran), "--json").json["status"] == "suspended"


def session_of_fork(words: str) -> str:
    """Return the id in the line `session ID`, which a remark about the fork precedes."""
    return next(line.split()[1] for line in words.splitlines() if line.startswith("session "))


def test_a_reader_that_goes_away_does_not_stop_the_session(respell: CommandLine) -> None:
    script = respell.script("for i = 1, 2000 do print(('line %d '):format(i):rep(20)) end")
    done = subprocess.run(
        f"{RESPELL} run {script} | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=respell.folder, env=respell.environment,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert respell("show", "@last", "--json").json["status"] == "completed"


def test_the_script_reads_what_is_piped_in(respell: CommandLine) -> None:
    script = respell.script("for line in io.lines() do print(line:upper()) end")
    assert respell("run", script, stdin="one\ntwo\n").out == "ONE\nTWO\n"


EVIL = "\\27]52;c;ZXZpbA==\\27\\\\ \\27[2J \\r \\xc2\\x9b31m \\u{202e}"


def test_escapes_of_a_script_never_reach_a_terminal(respell: CommandLine) -> None:
    script = respell.script(f"""
        local evil = "{EVIL}"
        print(evil)
        io.write(evil, "\\n")
        Logger.warn(evil)
        io.stderr:write(evil, "\\n")
        State.set(evil, evil)
        Session.suspend {{ prompt = evil }}
        error(evil)
    """)
    name = "\x1b]0;name\x07"
    code, screen = respell.on_a_terminal("run", script, "--name", name)
    assert code == 3
    respell("fork", "@last", "--at", "2")
    other = respell.script("print('\\27]0;other\\a')", "other.lua")
    for words, wanted in (
        (["list"], 0), (["show", name], 0), (["show", name, "--output"], 0), (["events", name], 0),
        (["events", name, "--full"], 0), (["show", name, "--json"], 0),
        (["events", name, "--json"], 0), (["list", "--json"], 0), (["diff", name, "@last"], 4),
        (["replay", name, "--script", other], 4), (["resume", name, "--value", "1"], 1),
        (["show", name], 0),
    ):  # fmt: skip
        code, more = respell.on_a_terminal(*words)
        assert code == wanted, (words, more)
        assert not any(bad in more for bad in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e"))
        screen += more
    assert not any(bad in screen for bad in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e"))
    assert screen.count("␛]52;c;ZXZpbA==") >= 10


def test_a_pipe_gets_what_the_script_wrote_byte_by_byte(respell: CommandLine) -> None:
    script = respell.script("io.write('\\27[1m\\255\\0')")
    done = subprocess.run(
        [RESPELL, "run", script], cwd=respell.folder, env=respell.environment,
        capture_output=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert done.stdout == b"\x1b[1m\xff\x00"


def test_colours_are_for_terminals_that_want_them(respell: CommandLine) -> None:
    script = respell.script("print('plain')")
    _, coloured = respell.on_a_terminal("run", script)
    assert "\x1b[32mcompleted\x1b[0m" in coloured
    _, plain = respell.on_a_terminal("run", script, NO_COLOR="1")
    assert "\x1b" not in plain
    assert "\x1b" not in respell("run", script).err


IN_DOUBT = """
    print("calling")
    print(select(2, os.execute(args[1])))
"""


def interrupted_call(respell: CommandLine) -> str:
    """Return the id of a session whose host died during a call."""
    script = respell.script(IN_DOUBT)
    began, stay = respell.folder / "began", respell.folder / "stay"
    os.mkfifo(began)
    os.mkfifo(stay)
    listening = os.open(began, os.O_RDONLY | os.O_NONBLOCK)
    call = f"echo > {began}; cat {stay}"
    with respell.begun("run", script, "--allow", "process", "--", call) as running:
        ident = next_line(running, "stderr").split()[1]
        assert select.select([listening], [], [], PATIENCE_S)[0]
        running.kill()
        running.wait(PATIENCE_S)
    os.close(listening)
    with contextlib.suppress(OSError):  # its guard may have ended the orphaned call already
        os.close(os.open(stay, os.O_WRONLY | os.O_NONBLOCK))
    began.unlink()
    stay.unlink()
    stay.write_text("done this time\n")
    return ident


def test_a_call_of_unknown_outcome_is_never_repeated_by_itself(respell: CommandLine) -> None:
    ident = interrupted_call(respell)
    refused = respell("resume", ident, code=3)
    doubtful = respell("show", ident, "--json").json["in_doubt"]
    assert [set(one) for one in doubtful] == [{"number", "name", "args"}]
    number = doubtful[0]["number"]
    assert f"event {number}: process.execute" in refused.err
    shown = respell("show", ident).out
    assert f"respell resume {ident[:8]} --retry {number}" in shown
    assert f"--outcome {number}=JSON" in shown
    assert "--retry" in refused.err
    wrong = respell("resume", ident, "--retry", str(number + 1), code=2)
    assert "not in doubt" in wrong.err
    twice = respell("resume", ident, "--retry", str(number), "--fail", "gone", code=2)
    assert "settled twice" in twice.err


def test_a_call_in_doubt_is_settled_by_its_outcome(respell: CommandLine) -> None:
    ident = interrupted_call(respell)
    number = respell("show", ident, "--json").json["in_doubt"][0]["number"]
    failed = respell("resume", ident, "--fail", f"{number}=the line was cut", code=1)
    assert "the line was cut" in failed.err


def test_a_call_in_doubt_is_repeated_when_somebody_says_so(respell: CommandLine) -> None:
    ident = interrupted_call(respell)
    resumed = respell("resume", ident, "--retry")
    assert resumed.out == "done this time\nexit\t0\n"
    assert (respell.folder / "began").exists()


def test_the_only_call_in_doubt_needs_no_number(respell: CommandLine) -> None:
    ident = interrupted_call(respell)
    failed = respell("resume", ident, "--fail", "nobody knows", code=1)
    assert "nobody knows" in failed.err
    again = respell("run", respell.script("print(1)"))
    nothing = respell("resume", session_of(again), "--retry", code=2)
    assert "nothing" in nothing.err


def test_names_and_arguments_that_are_no_utf_8_reach_the_script(respell: CommandLine) -> None:
    folder = respell.folder / "caf\udce9"
    folder.mkdir()
    (folder / "n\udcff.lua").write_text("""
        print(args[1] == "\\xff", args[2])
        Session.suspend()
        print((...) == "\\xff", args[2])
    """)
    words = ["run", "caf\udce9/n\udcff.lua", "--", "\udcff", "plain"]
    assert respell(*words, code=3).out == "true\tplain\n"
    shown = respell("show", "@last", "--json").json
    assert shown["name"] == "n\\xff"
    assert shown["args"] == [{"$bytes": "/w=="}, "plain"]
    assert respell("resume", "@last", "--value", "1").out == "true\tplain\n"
    respell("replay", "@last")
