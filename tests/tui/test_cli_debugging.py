"""The debugger in line mode, and `respell last`."""

from __future__ import annotations

import re
import subprocess

from command_line import PATIENCE_S, RESPELL, CommandLine, next_line

SUMS = """\
    local function add(a, b)
      return a + b
    end
    local total = 0
    for i = 1, 3 do
      total = add(total, i)
      print(total)
    end
"""


def ran(respell: CommandLine) -> None:
    respell("run", respell.script(SUMS, "sums.lua"))


def commands(respell: CommandLine, *lines: str) -> str:
    file = respell.folder / "commands"
    file.write_text("\n".join(lines))
    return str(file)


def test_commands_go_both_ways_and_show_what_is_there(respell: CommandLine) -> None:
    ran(respell)
    file = commands(
        respell, "# a comment", "b 7 if total == 3", "c", "p total, i", "rn", "locals", "s", "bt",
        "finish", "when", "rc", "goto 3", "l", "e", "re",
    )  # fmt: skip
    shown = respell("debug", "@last", "--commands", file).out
    assert "1+1  sums.lua:3 in main chunk  (entry)" in shown
    assert "breakpoint 1: sums.lua:7 if total == 3" in shown
    assert "(breakpoint 1)" in shown
    assert "\n3, 2\n" in shown
    assert "total = 1\ni = 2" in shown
    assert "*#0  sums.lua:2 in add\n #1  sums.lua:6 in main chunk" in shown
    assert "after output.line (event 2)" in shown
    assert ">    7    print(total)" in shown


def test_each_command_is_answered_by_a_line_of_json(respell: CommandLine) -> None:
    ran(respell)
    file = commands(respell, "c", "p total * 2", "goto end", "bookmark here last place", "b")
    options = ("--at", "50%", "--break", "sums.lua:7:total > 3", "--commands", file, "--json")
    answers = respell("debug", "@last", *options).json_lines
    first, stopped, value, end, mark, points = answers
    assert (first["reason"], first["position"]) == ("goto", "2+0")
    assert (stopped["command"], stopped["line"], stopped["breakpoints"]) == ("c", 7, [1])
    assert [one["text"] for one in value["values"]] == ["12"]
    assert end["at_end"] is True
    assert mark["bookmark"] == {"name": "here", "position": "4+3", "note": "last place"}
    assert points["breakpoints"][0]["condition"] == "total > 3"


def test_commands_come_through_a_pipe_and_a_wrong_one_ends_it(respell: CommandLine) -> None:
    ran(respell)
    ended = subprocess.run(
        [RESPELL, "debug", "@last"], input="n\nfoo\nn\n", env=respell.environment,
        cwd=respell.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "1+2" in ended.stdout
    assert "1+3" not in ended.stdout
    assert "foo: there is no command foo; `help` lists them" in ended.stderr


def test_a_script_is_launched_and_goes_on_as_one_moves(respell: CommandLine) -> None:
    script = respell.script(SUMS, "sums.lua")
    moves = ("live", "b 7 if total == 3", "c", "p total", "rs", "c", "delete 1", "c")
    file = commands(respell, *moves)
    ended = respell("debug", script, "--commands", file)
    assert "it is held by this debugger after event 1" in ended.out
    assert ended.out.count("| 1\n") == 1  # printed once, however often one goes there
    assert ended.out.index("| 1\n") < ended.out.index("(breakpoint 1)") < ended.out.index("| 3\n")
    assert "it is completed, with 5 events" in ended.err
    (session,) = respell("list", "--json").json
    assert (session["status"], session["events"]) == ("completed", 5)


def test_a_launched_script_that_is_left_is_suspended_and_can_be_resumed(
    respell: CommandLine,
) -> None:
    script = respell.script("local name = ...\nprint('hello', name)\nprint('again')\n")
    file = commands(respell, "n", "n", "q")
    ended = respell("debug", script, "--commands", file, "--json", "--", "ann")
    answers = ended.json_lines
    assert answers[2]["printed"] == ["hello\tann"]
    assert answers[2]["live"] == {"status": "paused", "held": True, "launched": True}
    assert "it was suspended after event" in ended.err
    assert respell("resume", "@last").out == "again\n"
    file = commands(respell, "live")
    refused = respell("debug", "@last", "--commands", file, code=2)
    assert "no process runs this session" in refused.err
    refused = respell("debug", "@last", "--allow", "process", code=2)
    assert "--allow: only a script that is launched takes that" in refused.err


def test_a_session_that_runs_is_held_let_through_and_left(respell: CommandLine) -> None:
    script = respell.script("local n = 0\nwhile true do n = n + 1 State.set('n', n) end")
    with respell.begun("run", script) as running:
        session = next_line(running, "stderr").split()[1]
        looks = ("goto end", "p n")
        file = commands(respell, "live", "pause", *looks, "let 2", *looks, "detach")
        shown = respell("debug", session, "--commands", file, "--json").json_lines[1:]
        respell("suspend", session)
        running.wait(PATIENCE_S)
        assert running.returncode == 3
    live, held, _, before, let, _, after, left = shown
    assert live["live"]["status"] == "running"
    assert held["live"] == {"status": "paused", "held": True, "launched": False}
    assert let["events"] == held["events"] + 2
    assert int(after["values"][0]["text"]) == int(before["values"][0]["text"]) + 2
    assert left["live"] == {"status": "running", "held": False, "launched": False}


def test_a_value_is_asked_when_it_last_changed(respell: CommandLine) -> None:
    ran(respell)
    last = respell("last", "@last", "total", "--json").json
    assert (last["line"], last["old"]["text"], last["new"]["text"]) == (6, "3", "6")
    assert (last["event"], last["event_name"]) == (3, "output.line")
    earlier = respell("last", "@last", "total", "--at", "3").out
    assert "total changed from 1 to 3 by sums.lua:6, after event 2 (output.line)" in earlier
    assert "has not changed" in respell("last", "@last", "missing").out
    assert "can't be followed" in respell("last", "@last", "1 + 1", code=2).err


def test_what_can_not_be_debugged_says_why(respell: CommandLine) -> None:
    ran(respell)
    assert "no position 9+9" in respell("debug", "@last", "--at", "9+9", code=2).err
    assert "FILE:LINE" in respell("debug", "@last", "--break", "x", code=2).err
    assert "no code" in respell("debug", "@last", "--break", "sums.lua:99", code=2).err
    assert "can't read" in respell("debug", "@last", "--commands", "nowhere", code=2).err


def test_what_if_is_tried_listed_compared_forked_and_discarded(respell: CommandLine) -> None:
    ran(respell)
    file = commands(
        respell, "until 7", "set total = 100", "goto end", "output", "edits", "diff", "goto 1+6",
        "fork other", "discard", "p total", "edits",
    )  # fmt: skip
    shown = respell("debug", "@last", "--commands", file).out
    assert "100\n102\n105\n" in shown
    assert "total = 100  (was 1)" in shown
    assert "it ends: finished" in shown
    assert "-     2  output.line  1\n+     2  output.line  100\n" in shown
    assert "it is suspended at 1+" in shown
    assert shown.rstrip().endswith("nothing is different from what was recorded")
    resumed = respell("resume", "other")
    assert resumed.out == "100\n102\n105\n"
    assert respell("replay", "other").code == 0
    different = respell("diff", "other", respell("list", "--json").json[-1]["id"], code=4)
    assert "output" in different.out


def test_edits_are_answered_in_json_and_what_is_wrong_ends_it(respell: CommandLine) -> None:
    ran(respell)
    file = commands(respell, "until 7", "set total = 100", "edits", "diff", "set nothing = 1")
    done = respell("debug", "@last", "--commands", file, "--json", code=2)
    _, _, edited, edits, found, wrong = done.json_lines
    assert wrong["command"] == "set nothing = 1"
    assert "there is no variable nothing" in wrong["refused"]
    assert edited["edits"][0]["expression"] == "100"
    assert edits["ends"]["why"] == "finished"
    assert [one["change"] for one in found["difference"]["events"]] == ["changed"] * 3
    assert found["difference"]["events"][0]["differences"] == [
        {"path": "args.text", "a": "1", "b": "100"}
    ]
    assert "there is no variable nothing" in done.err


def test_the_script_is_edited_in_the_editor(respell: CommandLine) -> None:
    ran(respell)
    editor = respell.folder / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i \'s/print(total)/print("sum", total)/\' "$1"\n')
    editor.chmod(0o755)
    file = commands(respell, "edit", "goto end", "output")
    done = respell("debug", "@last", "--commands", file, EDITOR=str(editor))
    assert 'print("sum", total)' in done.out or "sum" in done.out
    refused = respell("debug", "@last", "--commands", file, EDITOR="", VISUAL="", code=2)
    assert "set EDITOR to edit the script here" in refused.err


def test_someone_who_knows_gdb_is_at_home(respell: CommandLine) -> None:
    ran(respell)
    file = commands(
        respell, "tbreak 7", "cont", "watch total", "c 2", "rc", "info b", "display total * 2",
        "rever", "delete", "info br", "b effect output.* nth 2", "c", "help watch",
    )  # fmt: skip
    ended = subprocess.run(
        [RESPELL, "debug", "@last", "--commands", file], env=respell.environment,
        cwd=respell.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "breakpoint 1: sums.lua:7, once" in ended.stdout
    assert "breakpoint 1: this call's local total changes" in ended.stdout
    assert "(data breakpoint 1)" in ended.stdout
    assert "total: 3 → 6" in ended.stdout
    assert "total: 1 → 3" in ended.stdout
    assert ended.returncode == 2
    assert "rever may be reverse-next, reverse-step" in ended.stderr
    file = commands(
        respell, "d", "info br", "b effect output.* nth 2", "c", "help watch", "b state"
    )
    shown = respell("debug", "@last", "--commands", file).out
    assert "there are no breakpoints" in shown
    assert "3+0  sums.lua:7 in main chunk  (breakpoint 1)" in shown
    assert "stop where its value changes" in shown
    assert "breakpoint 2: state * set" in shown


def test_a_chunk_that_load_made_is_shown_and_stopped_in(respell: CommandLine) -> None:
    text = """\
    local function render(text, data)
      return load(text, "=template\\27[31m")(data)
    end
    print(render("local d = ...\\nreturn d .. '!'", "one"))
    print(render("local d = ...\\nreturn d .. '?'", "two"))
    """
    respell("run", respell.script(text, "chunks.lua"))
    file = commands(respell, "until 5", "s", "s", "l", "s", "bt", "info sources", "hits")
    shown = respell("debug", "@last", "--commands", file).out
    first, second = re.findall(r"template\\x1b\[31m(#[0-9a-f]{12})  \(made by load", shown)
    assert "\x1b" not in shown
    assert f"template\\x1b[31m{second}:1 in main chunk\n    local d = ...\n" in shown
    assert ">    1  local d = ...\n     2  return d .. '?'\n" in shown
    assert f"*#0  template\\x1b[31m{second}:2 in main chunk" in shown
    assert "        1      2  return d .. '?'" in shown
    file = commands(respell, f"b {first}:2", "c", "b 1", "c", "info sources")
    said = respell("debug", "@last", "--json", "--commands", file).json_lines
    assert [one["line"] for one in said[2:5:2]] == [2, None]
    assert said[3]["breakpoint"]["source"] == said[2]["source"]
    assert [one["name"].split("#")[1] for one in said[-1]["chunks"]] == [first[1:], second[1:]]


def test_a_breakpoint_that_can_not_be_is_refused_in_words(respell: CommandLine) -> None:
    ran(respell)
    for text, said in (
        ("b 7 if x ==", "is no Lua expression"),
        ("b gone.lua:3", "the session has no source gone.lua"),
        ("b effect one two", "is no pattern of an effect's name"),
        ("rwatch total", "reads are not followed"),
        ("delete 9", "there is no breakpoint 9"),
    ):
        ended = respell("debug", "@last", "--commands", commands(respell, text), code=2)
        assert said in ended.err
