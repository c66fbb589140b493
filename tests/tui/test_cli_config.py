"""`respell config`, and commands that obey it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command_line import CommandLine, session_of
from respell.config import describe
from respell.store import Store
from respell.times import SECOND, now_us


def project_file(respell: CommandLine, text: str) -> Path:
    """Write the `respell.toml` of the folder that commands run in."""
    path = respell.folder / "respell.toml"
    path.write_text(text)
    return path


def user_file(respell: CommandLine, text: str) -> Path:
    """Write the user's own `respell.toml`."""
    path = respell.folder / ".config" / "respell" / "respell.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def rows_of(respell: CommandLine, **environment: str) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in respell("config", "show", "--json", **environment).json}


def test_every_setting_is_shown_with_where_it_comes_from(respell: CommandLine) -> None:
    mine = user_file(respell, "[session.limits]\noperations = 50\n")
    theirs = project_file(respell, "# ours\n[artifacts]\ncollect_min_bytes = 9\n")
    rows = rows_of(respell, RESPELL_SESSION_DURABILITY="process")
    assert list(rows) == [setting.key for setting in describe()]
    assert rows["session.enabled"]["source"] == "default"
    limit = rows["session.limits.operations"]
    assert (limit["value"], limit["file"], limit["line"]) == (50, str(mine), 2)
    size = rows["artifacts.collect_min_bytes"]
    assert (size["value"], size["default"], size["file"], size["line"]) == (9, 0, str(theirs), 3)
    durability = rows["session.durability"]
    assert (durability["source"], durability["variable"]) == (
        "environment", "RESPELL_SESSION_DURABILITY",
    )  # fmt: skip
    assert rows["session.storage_path"]["value"] == str(respell.store)
    lines = respell("config", "show").out.splitlines()
    assert f"session.limits.operations\t50\t{mine}:2" in lines
    assert "session.limits.tokens\tnone\tdefault" in lines


def test_an_option_wins_over_all_else(respell: CommandLine) -> None:
    project_file(respell, "[session]\nstorage_path = 'sessions'\n")
    shown = respell("--store", "other", "config", "show", "--json").json
    row = next(row for row in shown if row["key"] == "session.storage_path")
    assert row["value"] == str(respell.folder / "other")
    assert (row["source"], row["variable"]) == ("option", "--store")


def test_secrets_are_masked(respell: CommandLine) -> None:
    user_file(respell, "[vars]\ncity = 'Oslo'\napi_key = 'hunter2'\nnested.token = 'hunter2'\n")
    rows = rows_of(respell)
    assert rows["vars.city"]["value"] == "Oslo"
    assert rows["vars.api_key"]["value"] == "********"
    assert rows["vars.nested"]["value"] == {"token": "********"}
    assert "hunter2" not in respell("config", "show").out


def test_a_value_can_not_steer_a_terminal(respell: CommandLine) -> None:
    user_file(respell, '[vars]\nevil = "\\u001b]0;title\\u0007 \\u202e"\n')
    _, screen = respell.on_a_terminal("config", "show", columns=200)
    assert "\x1b]0" not in screen
    assert "\u202e" not in screen


def test_a_valid_configuration_is_said_to_be_valid(respell: CommandLine) -> None:
    assert respell("config", "validate").out == "valid: there is no file\n"
    path = project_file(respell, "[session]\nenabled = true\n")
    assert respell("config", "validate").out == f"valid: {path}\n"
    assert respell("config", "validate", "--json").json == {
        "valid": True, "problems": [], "warnings": [],
    }  # fmt: skip


def test_mistakes_are_told_with_file_line_and_nearest_key(respell: CommandLine) -> None:
    path = project_file(respell, "[session]\nenabeld = true\n[artifacts]\ncollect_min_bytes = -1\n")
    told = respell("config", "validate", code=2)
    assert told.out == ""
    assert f"{path}:2: there is no setting 'session.enabeld'; did you mean" in told.err
    assert f"{path}:4: artifacts.collect_min_bytes must be an integer, 0 or more" in told.err
    asked = respell("config", "validate", "--json", code=2)
    assert not asked.json["valid"]
    assert len(asked.json["problems"]) == 2
    for words in (["list"], ["run", respell.script("print(1)")], ["config", "show"]):
        refused = respell(*words, code=2)
        assert refused.out == ""
        assert f"{path}:2: " in refused.err
    assert not respell.store.exists()


def test_a_tool_that_is_switched_off_and_not_there_is_told(respell: CommandLine) -> None:
    path = project_file(respell, "[tools]\ndisabled = ['hash_calculater']\n")
    said = respell("config", "validate")
    assert f"{path}:2: tools.disabled names 'hash_calculater', which is no tool here" in said.err


def test_the_places_are_shown(respell: CommandLine) -> None:
    project = project_file(respell, "")
    user = respell.folder / ".config" / "respell" / "respell.toml"
    assert respell("config", "path", "--json").json == [
        {"role": "user", "path": str(user), "counts": False, "trusted": True},
        {"role": "project", "path": str(project), "counts": True, "trusted": False},
    ]
    assert respell("config", "path").out.splitlines()[0] == f"user\t{user}\tnot there"
    chosen = respell("config", "path", "--json", RESPELL_CONFIG=str(project)).json
    assert chosen == [{"role": "chosen", "path": str(project), "counts": True, "trusted": True}]


def test_what_of_a_projects_file_does_not_count_is_told(respell: CommandLine) -> None:
    path = project_file(respell, "[security]\nallow = ['process']\n")
    script = respell.script("print(pcall(os.execute, 'true'))")
    ran = respell("run", script)
    assert f"respell: {path}:2: security.allow does not count: scripts could do more" in ran.err
    assert ran.out.startswith("false\t")
    user_file(respell, f"[security]\ntrusted = ['{respell.folder}']\n")
    ran = respell("run", script)
    assert "does not count" not in ran.err
    assert ran.out.startswith("true\t")


def test_a_projects_store_is_used_and_its_sessions_go_on(respell: CommandLine) -> None:
    project_file(respell, "[session]\nstorage_path = 'sessions'\nmax_active_sessions = 2\n")
    script = respell.script("print(Session.suspend())")
    ident = session_of(respell("run", script, code=3, RESPELL_STORE=""))
    assert (respell.folder / "sessions" / "store.db").exists()
    assert respell("resume", ident[:8], "--value", "5", RESPELL_STORE="").out == "5\n"
    ident = session_of(respell("run", script, "--allow", "process", code=3, RESPELL_STORE=""))
    refused = respell("resume", ident[:8], code=2, RESPELL_STORE="")
    assert "may do more than scripts may by default (allow process)" in refused.err
    assert respell("--store", "sessions", "resume", ident[:8]).out == "nil\n"


def test_limits_and_the_number_of_sessions_hold(respell: CommandLine) -> None:
    user_file(respell, "[session]\nmax_active_sessions = 1\n[session.limits]\noperations = 3\n")
    script = respell.script("for i = 1, 9 do State.set('k', i) end")
    respell("run", script, code=5)
    respell("run", script, "--limit", "operations=50")
    waits = respell.script("print('here')\nUtils.sleep(60)", "waits.lua")
    before = len(respell("list", "--json").json)
    with respell.begun("run", waits) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"here\n"
        refused = respell("run", script, code=5)
        assert "no more than 1 may" in refused.err
        assert len(respell("list", "--json").json) == before + 1


def test_old_sessions_go_at_the_end_of_a_run(respell: CommandLine) -> None:
    user_file(respell, "[session.retention]\ndelete_after_days = 3\n")
    script = respell.script("print('x')")
    old = session_of(respell("run", script))
    with Store(respell.store) as store:
        store.sessions.update(store.sessions.find(old).key, ended_at=now_us() - 4 * 86_400 * SECOND)
        store.notes.set("retention.last", None)
    fresh = session_of(respell("run", script))
    assert [it["id"] for it in respell("list", "--json").json] == [fresh]
    entries = respell("audit", "--json").json
    assert ("session.delete", "retention") in [(it["action"], it["actor"]) for it in entries]


def test_an_imported_session_may_do_what_is_configured_here(respell: CommandLine) -> None:
    script = respell.script("Session.suspend()\nprint(pcall(os.getenv, 'HOME'))")
    ident = session_of(respell("run", script, code=3))
    respell("export", ident, "session.respell")
    user_file(respell, "[security]\ndeny = ['env']\n")
    respell("--store", "other", "import", "session.respell")
    told = respell("--store", "other", "resume", ident)
    assert told.out.startswith("false\t")
    assert "--deny env forbids it" in told.out


def test_a_broken_file_is_found_and_explained(respell: CommandLine) -> None:
    path = project_file(respell, "[session\n")
    shown = respell("config", "path")
    assert f"project\t{path}\t" in shown.out
    assert "has 1 mistake; see: respell config validate" in shown.err
    known = respell("info", "--json").json
    assert known["paths"]["settings"] == [str(path)]
    assert known["paths"]["store"] == str(respell.store)
    assert known["problems"][0].startswith(f"{path}:1")
    assert f"{path}:1" in respell("info").out
    assert f"{path}:1" in respell("config", "validate", code=2).err


def test_of_two_broken_files_both_are_told(respell: CommandLine) -> None:
    paths = [user_file(respell, "x"), project_file(respell, "[session\n")]
    problems = respell("config", "validate", "--json", code=2).json["problems"]
    assert [one.startswith(f"{path}:1") for one, path in zip(problems, paths, strict=True)] == [
        True, True,
    ]  # fmt: skip
    roles = [row["role"] for row in respell("config", "path", "--json").json]
    assert roles == ["user", "project"]


def test_only_those_whom_it_concerns_are_told_what_does_not_count(respell: CommandLine) -> None:
    script = respell.script("Session.suspend()")
    respell("run", script, code=3)
    project_file(respell, "[security]\nallow = ['process']\n")
    for words in (["list"], ["show", "@last"], ["events", "@last"], ["artifacts", "list"]):
        assert "does not count" not in respell(*words).err
    assert "does not count" in respell("gc").err
    assert "does not count" in respell("config", "path").err
    assert "does not count" in respell("resume", "@last").err


def test_info_tells_what_confines_scripts_and_tools(respell: CommandLine) -> None:
    known = respell("info", "--json").json
    assert "rlimits" in known["tool_layers"]
    assert "confinement of what tools compute" in respell("info").out
