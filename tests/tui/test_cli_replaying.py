"""Re-executing: replay, fork and diff from the command line."""

from __future__ import annotations

from command_line import CommandLine, session_of

REPLAY_KEYS = {
    "identical", "events_replayed", "hooks_replayed", "external_effects", "divergence",
    "output_identical", "trace_hash", "total_duration_s",
}  # fmt: skip
DIVERGENCE_KEYS = {"event", "source", "line", "expected", "found", "diff"}

PICKS = """
    math.randomseed(os.time())
    local n = math.random(1, 1000000)
    State.set("n", n)
    print("picked", n)
"""
DECIDES = """
    local mood = State.get("mood") or "calm"
    print(mood)
    if mood == "angry" then State.set("shouted", true) end
    Artifact.store(Session.getCurrent(), "mood.txt", mood)
"""


def test_a_replay_is_identical_and_says_so(respell: CommandLine) -> None:
    respell("run", respell.script(PICKS))
    first = respell("replay", "@last", "--json").json
    assert set(first) == REPLAY_KEYS
    assert first["identical"] is True
    assert first["output_identical"] is True
    assert first["divergence"] is None
    assert first["external_effects"] == 0
    assert respell("replay", "@last", "--json").json["trace_hash"] == first["trace_hash"]
    assert respell("replay", "@last").out.startswith("identical: ")
    assert respell("replay", "@last", "--mode", "simulate", "--json").json["identical"] is True


def test_two_runs_compare_equal_and_times_are_shown_where_they_are_asked_for(
    respell: CommandLine,
) -> None:
    script = respell.script("os.time() Session.create({ name = 'other' }) print('same')")
    ids = [session_of(respell("run", script)) for _ in range(2)]
    same = respell("diff", *ids).out
    assert "identical: events, output, artifacts and state" in same
    assert "in measured times or the sessions' own ids alone; --exact shows it" in same
    assert respell("diff", *ids, "--json").json["incidental"] >= 1
    assert "session.create" in respell("diff", *ids, "--exact", code=4).out


def test_another_script_diverges_and_the_diff_shows_where(respell: CommandLine) -> None:
    ran = respell("run", respell.script(PICKS))
    other = respell.script(PICKS.replace('"n", n', '"n", n + 1'), "other.lua")
    result = respell("replay", "@last", "--script", other, "--json", code=4).json
    assert result["identical"] is False
    assert set(result["divergence"]) == DIVERGENCE_KEYS
    assert result["divergence"]["line"] == 3
    shown = respell("replay", "@last", "--script", other, code=4)
    assert "divergence at event" in shown.out
    assert any(line.startswith("-") for line in shown.out.splitlines())
    assert f"respell fork {session_of(ran)[:8]} --at" in shown.err


def test_another_answer_shows_what_would_have_changed(respell: CommandLine) -> None:
    respell("run", respell.script(DECIDES))
    result = respell("replay", "@last", "--set", '2="angry"', "--json", code=4).json
    assert result["divergence"]["event"] == 3
    same = respell("replay", "@last", "--mode", "modified", "--set", '2="calm"')
    assert same.out.startswith("identical")


def test_replay_refuses_what_makes_no_sense(respell: CommandLine) -> None:
    respell("run", respell.script(DECIDES))
    for words, said in (
        (["--mode", "modified"], "--set"),
        (["--mode", "exact", "--set", "2=1"], "modified"),
        (["--set", "2"], "N=JSON"),
        (["--set", "x=1"], "number"),
        (["--set", "2=nope"], "not JSON"),
        (["--set", "99=1"], "has no event 99; its last one is"),
        (["--to", "99"], "99"),
        (["--script", "nowhere.lua"], "nowhere.lua"),
    ):
        refused = respell("replay", "@last", *words, code=2)
        assert said in refused.err, words
        assert refused.out == ""


def test_a_fork_with_another_answer_goes_its_own_way(respell: CommandLine) -> None:
    ran = respell("run", respell.script(DECIDES))
    made = respell("fork", "@last", "--at", "2", "--outcome", '"angry"', "--name", "other")
    ident = made.out.strip()
    assert "not rolled back" in made.err
    session = respell("show", ident, "--json").json
    assert session["status"] == "suspended"
    assert session["forked_from"] == session_of(ran)
    assert session["name"] == "other"
    assert respell("resume", ident).out == "angry\n"
    assert respell("replay", ident, "--json").json["identical"] is True
    assert respell("replay", session_of(ran), "--json").json["identical"] is True

    result = respell("diff", session_of(ran), ident, "--json", code=4).json
    assert result["identical"] is False
    shown = respell("diff", session_of(ran), ident, code=4).out
    assert "+angry" in shown
    assert "-calm" in shown
    assert "+shouted = true" in shown
    assert "mood.txt" in shown


def test_a_fork_can_run_at_once(respell: CommandLine) -> None:
    respell("run", respell.script(DECIDES))
    ran = respell("fork", "@last", "--at", "2", "--outcome", '"angry"', "--run")
    assert ran.out == "angry\n"
    with_json = respell("fork", "@last", "--at", "2", "--run", "--json").json
    assert with_json["status"] == "completed"
    only_made = respell("fork", "@last", "--at", "2", "--json").json
    assert only_made["status"] == "suspended"


def test_a_session_is_the_same_as_itself(respell: CommandLine) -> None:
    respell("run", respell.script(DECIDES))
    assert respell("diff", "@last", "@last", "--json").json["identical"] is True
    assert respell("diff", "@last", "@last").out.startswith("identical")


def test_fork_refuses_what_makes_no_sense(respell: CommandLine) -> None:
    respell("run", respell.script(DECIDES))
    for words, said in (
        (["--at", "soon"], "not a position"),
        (["--at", "99"], "99"),
        (["--at", "2", "--var", "x"], "NAME=JSON"),
        (["--at", "2", "--outcome", "{"], "not JSON"),
        (["--at", "3+5"], "--var"),
        ([], "--at"),
    ):
        assert said in respell("fork", "@last", *words, code=2).err, words


def test_the_text_of_an_artifact_is_compared_on_request(respell: CommandLine) -> None:
    lua = "Artifact.store(Session.getCurrent(), 'a.txt', 'one\\n' .. (args[1] or 'x') .. '\\n')"
    path = respell.script(lua, "made.lua")
    respell("run", path, "--name", "first")
    respell("run", path, "--name", "second", "--", "y")
    shown = respell("diff", "first", "second", "--artifact", "a.txt", code=4).out
    assert "-x\n+y\n" in shown
    assert respell("diff", "first", "first", "--artifact", "a.txt").out == ""
    refused = respell("diff", "first", "second", "--artifact", "b.txt", code=2)
    assert "has no artifact b.txt" in refused.err
