"""Looking at what ran: list, show, events, artifacts, info."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess

import pytest

from command_line import PATIENCE_S, RESPELL, CommandLine, next_line, session_of
from respell_tui.text import width

EVENT_KEYS = {
    "number", "kind", "name", "args", "outcome", "error", "source", "line", "parent", "coroutine",
    "at", "duration_s", "attempts", "correlation_id", "caused_by",
}  # fmt: skip
ARTIFACT_KEYS = {
    "id", "session_id", "name", "version", "content_hash", "previous_hash", "artifact_type",
    "mime_type", "size", "stored_size", "is_compressed", "tags", "metadata", "created_at", "event",
}  # fmt: skip

STORES = """
    local me = Session.getCurrent()
    Artifact.store(me, "notes.md", "first", { mime_type = "text/markdown", tags = { "draft" } })
    Artifact.store(me, "notes.md", "second")
    Artifact.store(me, "data.bin", "\\0\\255" .. ("x"):rep(20000), { origin = "test" })
    print("stored")
"""


# list ------------------------------------------------------------------------------------


def test_a_fresh_machine_has_no_sessions_and_says_how_to_start_one(respell: CommandLine) -> None:
    del respell.environment["RESPELL_STORE"]
    listed = respell("list")
    assert listed.out == ""
    assert "respell run SCRIPT" in listed.err
    assert respell("list", "--json").json == []
    assert respell("artifacts", "list", "--json").json == []
    respell("run", respell.script("print(1)"))
    assert len(respell("list", "--json").json) == 1
    assert (respell.folder / ".local" / "share" / "respell").is_dir()


def test_a_store_that_was_named_and_is_not_there_is_an_error(respell: CommandLine) -> None:
    for words in (["list"], ["show", "abcd"], ["artifacts", "list"]):
        assert "no store" in respell(*words, code=2).err


def test_the_store_may_be_named_before_and_behind_the_command(respell: CommandLine) -> None:
    script = respell.script("print(1)")
    respell("run", script, "--store", "here")
    assert len(respell("--store", "here", "list", "--json").json) == 1
    assert len(respell("list", "--store", "here", "--json").json) == 1
    assert not respell.store.exists()


def test_sessions_are_listed_newest_first_and_by_what_they_are(respell: CommandLine) -> None:
    one = respell.script("print(1)", "one.lua")
    two = respell.script("error('bad')", "two.lua")
    respell("run", one, "--tag", "red", "--tag", "big")
    respell("run", two, "--tag", "red", code=1)
    respell("run", one, "--name", "named")

    def names(*words: str) -> list[str]:
        return [session["name"] for session in respell("list", "--json", *words).json]

    assert names() == ["named", "two", "one"]
    assert names("--status", "failed") == ["two"]
    assert names("--status", "Completed") == ["named", "one"]
    assert names("--tag", "red") == ["two", "one"]
    assert names("--tag", "red", "--tag", "big") == ["one"]
    assert names("--text", "AME") == ["named"]
    assert names("--sort", "name") == ["named", "one", "two"]
    assert names("--limit", "2") == ["named", "two"]
    assert names("--text", "nothing") == []


def test_a_pipe_gets_one_line_per_session_with_tabs(respell: CommandLine) -> None:
    ran = respell("run", respell.script("print(1)"), "--name", "two\nlines\tand a tab")
    line, *others = respell("list").out.splitlines()
    assert others == []
    fields = line.split("\t")
    assert fields[:4] == [session_of(ran), "two␊lines and a tab", "completed", "3"]


def test_a_terminal_gets_a_table_that_fits_its_width(respell: CommandLine) -> None:
    question = "Session.suspend { prompt = ('long '):rep(50) }"
    respell("run", respell.script(question), code=3)
    code, screen = respell.on_a_terminal("list", columns=70, NO_COLOR="1")
    head, row = screen.splitlines()
    assert code == 0
    assert head.split() == ["id", "name", "status", "events", "artifacts", "changed"]
    assert "suspended" in row
    assert "waits: long" in row
    assert row.endswith("…")
    assert len(row) <= 70


# show ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["full id", "prefix", "name", "@last"])
def test_a_session_answers_to_many_names(respell: CommandLine, form: str) -> None:
    ran = respell("run", respell.script("print(1)"), "--name", "mine")
    ident = session_of(ran)
    words = {"full id": ident, "prefix": ident[:4], "name": "mine", "@last": "@last"}
    assert respell("show", words[form], "--json").json["id"] == ident


def test_a_session_that_is_not_there_is_refused(respell: CommandLine) -> None:
    respell("run", respell.script("print(1)"))
    for ident in ("ffffffff", "nobody", "ab"):
        refused = respell("show", ident, code=2)
        assert refused.out == ""
        assert refused.err.startswith("respell: ")


def test_show_tells_a_person_what_matters_and_what_to_do_next(respell: CommandLine) -> None:
    script = respell.script("Session.suspend { prompt = 'go on?' }")
    ran = respell("run", script, "--tag", "t", "--limit", "operations=50", "--", "a b", code=3)
    shown = respell("show", "@last").out
    for text in (session_of(ran), "suspended", "script.lua", "a b", "go on?", "operations=50"):
        assert text in shown
    assert f"respell resume {session_of(ran)[:8]} --value JSON" in shown


def test_show_names_the_session_that_created_one(respell: CommandLine) -> None:
    made = respell("run", respell.script("print(Session.create{name = 'child'})", "maker.lua"))
    ident = session_of(made)
    assert f"session {ident}  (maker)" in respell("show", "child").out
    respell("delete", ident, "--yes")
    assert f"created by  {ident}" in respell("show", "child").out


def test_all_output_can_be_shown_again(respell: CommandLine) -> None:
    script = respell.script("print('a') io.write('b\\n') Logger.info('c') io.stderr:write('d\\n')")
    ran = respell("run", script)
    shown = respell("show", "@last", "--output")
    assert shown.out == ran.out == "a\nb\n"
    assert shown.err == "info: c\nd\n"
    assert "text" in respell("show", "@last", "--output", "--json", code=2).err


# events ----------------------------------------------------------------------------------


def test_events_are_json_lines_with_exactly_these_keys(respell: CommandLine) -> None:
    ran = respell("run", respell.script("State.set('k', { 1, 2.0 })\nprint('x')"))
    events = respell("events", "@last", "--json").json_lines
    assert all(set(event) == EVENT_KEYS for event in events)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert [event["name"] for event in events] == [
        "lifecycle.start", "state.set", "output.line", "lifecycle.complete",
    ]  # fmt: skip
    assert [event["kind"] for event in events] == ["lifecycle", "effect", "output", "lifecycle"]
    stored = events[1]
    assert stored["args"] == {"key": "k", "value": [1, 2.0]}
    assert stored["source"], stored["line"] == ("script.lua", 1)
    assert stored["correlation_id"] == session_of(ran)
    assert '"value": [1, 2.0]' in respell("events", "@last", "--json").out


def test_events_can_be_chosen(respell: CommandLine) -> None:
    script = respell.script("""
        for i = 1, 3 do print("line " .. i) end
        pcall(Tool.invoke, "no_such_tool", {})
        State.set("needle", "in a Haystack")
    """)
    respell("run", script)

    def numbers(*words: str) -> list[int]:
        return [
            event["number"] for event in respell("events", "@last", "--json", *words).json_lines
        ]

    assert numbers("--kind", "output") == [2, 3, 4]
    assert numbers("--from", "3", "--to", "4") == [3, 4]
    assert numbers("--grep", "haystack") == [6]
    assert numbers("--failed") == [5]
    assert numbers("--failed", "--kind", "output") == []
    assert "comes before" in respell("events", "@last", "--from", "3", "--to", "2", code=2).err
    assert "--from" in respell("events", "@last", "--from", "0", code=2).err


def test_large_values_are_shown_by_hash_unless_in_full(respell: CommandLine) -> None:
    respell("run", respell.script("State.set('big', ('x'):rep(5000))"))
    words = ("events", "@last", "--json", "--grep", "big")
    short = respell(*words).json_lines[0]["args"]["value"]
    assert short["size"] == 5000
    assert len(short["$blob"]) == 64
    assert respell(*words, "--full").json_lines[0]["args"]["value"] == "x" * 5000


def test_events_read_well_for_people(respell: CommandLine) -> None:
    respell("run", respell.script("print('two\\nlines')\nState.set('k', 'v')"))
    lines = respell("events", "@last").out.splitlines()
    assert len(lines) == 4
    assert lines[1].split()[0] == "2"
    assert "output.line  two␊lines" in lines[1]
    assert 'state.set  key = "k", value = "v"' in lines[2]
    assert lines[2].endswith("script.lua:2")


def test_events_are_followed_until_nobody_runs_the_session(respell: CommandLine) -> None:
    script = respell.script("""
        print("one")
        while not State.get("global", "go") do Utils.sleep(0.02) end
        print("two")
    """)
    ident = respell("run", script, "--detach").out.strip()
    words = ("events", ident, "--follow", "--json", "--kind", "output")
    with respell.begun(*words) as following:
        assert json.loads(next_line(following))["args"] == {"text": "one"}
        respell("run", respell.script('State.set("global", "go", true)', "go.lua"))
        assert json.loads(next_line(following))["args"] == {"text": "two"}
        rest, words_ = following.communicate(timeout=PATIENCE_S)
    assert rest == b""
    assert "is completed" in words_.decode()
    assert following.returncode == 0


def test_ctrl_c_ends_a_look_as_it_ends_any_program(respell: CommandLine) -> None:
    with respell.begun("run", respell.script("print('up') Utils.sleep(600)")) as running:
        ident = next_line(running, "stderr").split()[1]
        with respell.begun("events", ident, "--json", "--follow") as following:
            assert next_line(following)
            following.send_signal(signal.SIGINT)
            _, words = following.communicate(timeout=PATIENCE_S)
        assert following.returncode == -signal.SIGINT
        assert words == b""
        assert running.poll() is None


def test_following_tells_every_event_once(respell: CommandLine) -> None:
    ident = respell("run", respell.script("for i = 1, 50 do State.set('i', i) end"), "--detach")
    followed = respell("events", ident.out.strip(), "--follow", "--json").json_lines
    assert [event["number"] for event in followed] == list(range(1, 53))


# artifacts -------------------------------------------------------------------------------


def test_artifacts_are_listed_with_exactly_these_keys(respell: CommandLine) -> None:
    ran = respell("run", respell.script(STORES))
    found = respell("artifacts", "list", "@last", "--json").json
    assert all(set(one) == ARTIFACT_KEYS for one in found)
    assert {(one["name"], one["version"]) for one in found} == {
        ("notes.md", 1), ("notes.md", 2), ("data.bin", 1),
    }  # fmt: skip
    first, second, data = sorted(found, key=lambda one: one["event"])
    assert first["mime_type"] == "text/markdown"
    assert first["tags"] == ["draft"]
    assert second["previous_hash"] == first["content_hash"]
    assert data["metadata"] == {"origin": "test"}
    assert data["is_compressed"] is True
    assert data["stored_size"] < data["size"] == 20002
    assert data["session_id"] == session_of(ran)
    assert respell("artifacts", "list", "--json").json == found


def test_an_artifact_can_be_named_in_many_ways(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script(STORES)))
    versions = respell("artifacts", "versions", ident, "notes.md", "--json").json
    assert [one["version"] for one in versions] == [1, 2]
    newest = versions[1]["id"]
    for words in (
        [newest], [ident, "notes.md"], [ident[:6], "notes.md"], ["@last", "notes.md"],
        [f"{ident[:6]}/notes.md"], [f"{ident[:6]}/2"], [ident, newest],
    ):  # fmt: skip
        assert respell("artifacts", "show", *words, "--json").json["id"] == newest
    words = ("artifacts", "show", ident, "notes.md", "--version", "1", "--json")
    assert respell(*words).json["id"] == versions[0]["id"]


def test_an_artifacts_bytes_come_out_as_they_went_in(respell: CommandLine) -> None:
    respell("run", respell.script(STORES))
    assert respell("artifacts", "get", "@last", "notes.md").out == "second"
    assert respell("artifacts", "get", "@last", "notes.md", "--version", "1").out == "first"
    respell("artifacts", "get", "@last", "data.bin", "-o", "out.bin")
    assert (respell.folder / "out.bin").read_bytes() == b"\0\xff" + b"x" * 20000
    _, screen = respell.on_a_terminal("artifacts", "get", "@last", "data.bin")
    assert screen.startswith("␀�xxx")


def test_an_artifact_that_is_not_there_is_refused_with_those_that_are(respell: CommandLine) -> None:
    respell("run", respell.script(STORES))
    refused = respell("artifacts", "get", "@last", "nothing", code=2)
    assert "notes.md" in refused.err
    assert refused.out == ""
    assert "version 9" in respell("artifacts", "show", "@last", "notes.md", "--version", "9",
                                  code=2).err  # fmt: skip
    assert "artifact as well" in respell("artifacts", "show", "@last", code=2).err
    assert "can't write" in respell("artifacts", "get", "@last", "notes.md", "-o", "no/where",
                                    code=2).err  # fmt: skip


# the store and this installation ---------------------------------------------------------


def test_info_names_versions_paths_and_sandbox_layers(respell: CommandLine) -> None:
    known = respell("info", "--json").json
    assert known["paths"]["store"] == str(respell.store)
    assert known["versions"]["lua"] == "5.4"
    assert "landlock" in known["sandbox"]["layers"]
    assert str(respell.store) in respell("info").out


def test_a_damaged_store_ends_with_6_and_names_the_file(respell: CommandLine) -> None:
    respell("run", respell.script("print(1)"))
    (respell.store / "store.db").write_bytes(b"not a database" * 1000)
    for name in ("store.db-wal", "store.db-shm"):
        (respell.store / name).unlink(missing_ok=True)
    refused = respell("list", code=6)
    assert "store.db" in refused.err
    assert "Traceback" not in refused.err


def test_a_store_of_a_newer_respell_is_left_alone(respell: CommandLine) -> None:
    respell("run", respell.script("print(1)"))
    database = sqlite3.connect(respell.store / "store.db")
    database.execute("PRAGMA user_version = 999")
    database.commit()
    database.close()
    assert respell("list", code=6).err.startswith("respell: ")


def test_debugging_adds_a_traceback_to_the_message(respell: CommandLine) -> None:
    respell("run", respell.script("print(1)"))
    assert "Traceback" not in respell("show", "nobody", code=2).err
    assert "Traceback" in respell("show", "nobody", code=2, RESPELL_DEBUG="1").err


WIDE = """
    print("x")
    State.set("key", string.rep("long ", 60))
    for i = 1, 3 do
        Artifact.store(nil, string.rep("name", 20) .. i .. ".md", "# 1", {tags = {"one", "two"}})
    end
    pcall(Tool.invoke, "file_search", {path = "/etc", pattern = "*"})
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_every_table_fits_the_terminal(respell: CommandLine, columns: int) -> None:
    script = respell.script(WIDE)
    respell("run", script, "--name", "n" * 250, "--tag", "t" * 200, "--", *["word"] * 60)
    respell("run", script, "--name", "short")
    for words in (
        ["list"], ["show", "n" * 250], ["events", "@last"], ["artifacts", "list"], ["audit"],
        ["artifacts", "versions", "@last", "name" * 20 + "1.md"], ["stats"], ["stats", "@last"],
        ["config", "show"],
    ):  # fmt: skip
        code, screen = respell.on_a_terminal(*words, columns=columns, NO_COLOR="1")
        assert code == 0, screen
        too_wide = [line for line in screen.splitlines() if width(line) > columns]
        # What has to be copied as a whole is never cut: the next command, and paths.
        wrong = [it for it in too_wide if not it.startswith(("next", "session.storage_path"))]
        assert wrong == []


def test_a_long_name_takes_nothing_from_the_other_sessions(respell: CommandLine) -> None:
    script = respell.script("print(1)")
    respell("run", script, "--name", "n" * 250)
    respell("run", script, "--name", "short")
    _, screen = respell.on_a_terminal("list", columns=80, NO_COLOR="1")
    lines = screen.splitlines()
    assert "short" in lines[1]
    assert "completed" in lines[1]
    assert "nnn…" in lines[2]
    assert "completed" in lines[2]


def test_the_audit_says_why_even_on_a_narrow_terminal(respell: CommandLine) -> None:
    respell("run", respell.script("pcall(io.open, '/etc/shadow')"))
    _, screen = respell.on_a_terminal("audit", columns=80, NO_COLOR="1")
    assert "reading /etc/" in screen


@pytest.mark.parametrize(
    "words", [["list"], ["events", "@last"], ["show", "@last"], ["artifacts", "get", "@last", "a"]]
)
def test_a_full_disk_behind_standard_output_is_one_clear_error(
    respell: CommandLine, words: list[str]
) -> None:
    respell("run", respell.script("Artifact.store(nil, 'a', 'text')"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [RESPELL, *words], stdout=full, stderr=subprocess.PIPE, cwd=respell.folder,
            env=respell.environment, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "respell: can't write to standard output: No space left on device\n"
    )


def test_a_session_goes_on_when_its_output_can_not_be_written(respell: CommandLine) -> None:
    script = respell.script("print(1) print(2) State.set('done', true)")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [RESPELL, "run", script], stdout=full, stderr=subprocess.PIPE, cwd=respell.folder,
            env=respell.environment, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    said = done.stderr.decode()
    assert said.count("No space left on device") == 1
    assert "the session goes on" in said
    assert respell("show", "@last", "--json").json["status"] == "completed"
    assert respell("show", "@last", "--output").out == "1\n2\n"


def test_a_version_that_is_not_there_is_answered_with_those_that_are(
    respell: CommandLine,
) -> None:
    respell("run", respell.script(STORES))
    refused = respell("artifacts", "show", "@last", "notes.md", "--version", "9", code=2)
    assert "has no version 9; it has: 1, 2" in refused.err


def test_a_dash_stands_for_standard_output(respell: CommandLine) -> None:
    respell("run", respell.script(STORES))
    assert respell("artifacts", "get", "@last", "notes.md", "-o", "-").out == "second"
    assert not (respell.folder / "-").exists()


def test_equal_artifacts_are_called_identical(respell: CommandLine) -> None:
    respell("run", respell.script("Artifact.store(nil, 'a', 'x') Artifact.store(nil, 'b', 'x')"))
    assert respell("artifacts", "diff", "@last/a", "@last/b").out == "identical: 1 B\n"


def test_arguments_and_costs_are_shown_as_they_are_typed(respell: CommandLine) -> None:
    respell("run", respell.script("print(...)"), "--", "a", "b c")
    shown = respell("show", "@last").out
    assert "arguments  a 'b c'" in shown
    assert "0 tokens, $0" in shown
