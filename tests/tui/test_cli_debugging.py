"""The debugger in line mode, and `respell last`."""

from __future__ import annotations

import subprocess

from command_line import RESPELL, CommandLine

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


def test_a_script_is_run_first_and_debugged_then(respell: CommandLine) -> None:
    script = respell.script(SUMS, "sums.lua")
    ended = respell("debug", script, "--commands", commands(respell, "goto end", "output"))
    assert "1\n3\n6\n" in ended.out
    assert len(respell("list", "--json").json) == 1


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
