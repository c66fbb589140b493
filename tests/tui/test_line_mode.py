"""The debugger in line mode, as somebody uses it who knows gdb and rr."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from command_line import RESPELL, CommandLine, Ended
from live_processes import descendants, gone
from respell_tui.line_mode.habits import INSTEAD
from respell_tui.line_mode.kept_lines import KeptLines
from respell_tui.line_mode.vocabulary import GROUPS

DOCS = Path(__file__).parents[2] / "docs" / "debugging.md"

ORDERS = """\
    local orders = {
      { customer = "ann", lines = { { "tea", 3 }, { "milk", 1 } } },
      { customer = "bob", lines = { { "coffee", 2 } } },
    }
    local function price_of(name)
      return State.get("price:" .. name) or #name
    end
    local function total_of(order)
      local total = 0
      for _, line in ipairs(order.lines) do
        total = total + price_of(line[1]) * line[2]
      end
      return total
    end
    State.set("price:tea", 2.5)
    local sum = 0
    for number, order in ipairs(orders) do
      local total = total_of(order)
      sum = sum + total
      print(number, order.customer, total)
    end
    local numbers = coroutine.wrap(function()
      for i = 1, 2 do
        coroutine.yield(i * sum)
      end
    end)
    for value in numbers do
      print(value)
    end
    Artifact.store(nil, "sums.txt", "sum " .. sum)
"""


@pytest.fixture
def orders(respell: CommandLine) -> CommandLine:
    """A recorded session, never meant to be debugged."""
    respell("run", respell.script(ORDERS, "orders.lua"))
    return respell


def typed(respell: CommandLine, *lines: str, code: int = 0, at: str = "start") -> Ended:
    """Give the debugger commands through a pipe."""
    return respell("debug", "@last", "--at", at, stdin="\n".join(lines), code=code)


def answers(respell: CommandLine, *lines: str, code: int = 0, at: str = "start") -> list[Any]:
    """The same in JSON; the answers, without that to the beginning."""
    shown = respell("debug", "@last", "--at", at, "--json", stdin="\n".join(lines), code=code)
    return shown.json_lines[1:]


def test_values_are_shown_with_what_is_inside_of_them(orders: CommandLine) -> None:
    shown = typed(
        orders, "b total_of", "c", "p order", "p order.customer, #order.lines", "x order",
        "x order.customer", "whatis order", "ptype total_of", "info args", "p total = 5",
        "p/x 3", code=2,
    )  # fmt: skip
    assert '\n{customer = "ann", lines = {{"tea", 3}, {"milk", 1}}}\n' in shown.out
    assert '\n"ann", 2\n' in shown.out
    assert 'table, 2 inside\n  customer = "ann"\n  lines = {{"tea", 3}, {"milk", 1}}\n' in shown.out
    assert "string, 3 bytes\n       0  61 6e 6e " in shown.out
    assert "table, 2 entries\n" in shown.out
    assert '\norder = {customer = "ann", lines = {{"tea", 3}, {"milk", 1}}}\n' in shown.out
    assert "that was in a copy, which is gone; `set NAME = EXPR`" in shown.out
    assert "there are no formats such as /x" in shown.err


def test_what_can_not_be_evaluated_says_where_it_breaks_off(orders: CommandLine) -> None:
    said = answers(orders, "p 1 +", "p 1 2", "p local x =", "p #nil", "p Tool.invoke('x')")
    assert [one["error"] for one in said[:3]] == [
        "unexpected symbol near <eof>", "unexpected symbol near '1'",
        "unexpected symbol near <eof>",
    ]  # fmt: skip
    assert "attempt to get length of a nil value" in said[3]["error"]
    assert "evaluating performs no effects" in said[4]["error"]


def test_frames_are_chosen_and_their_ends_are_said(orders: CommandLine) -> None:
    shown = typed(
        orders, "b price_of", "c", "bt", "bt 1", "bt -1", "bt full", "up", "p order.customer",
        "list", "up 5", "p sum", "down", "frame function price_of", "info frame", "up", "delete",
        "finish",
        "rf", "down", code=2,
    ).out  # fmt: skip
    assert "*#0  orders.lua:6 in price_of\n #1  orders.lua:11 in total_of\n #2  " in shown
    assert "*#0  orders.lua:6 in price_of\n(2 more)\n #2  orders.lua:18 in main chunk\n" in shown
    assert '\n      name = "tea"\n' in shown
    assert "*#1  orders.lua:11 in total_of\n    total = total + price_of" in shown
    assert ">   11      total = total" in shown
    assert "*#2  orders.lua:18 in main chunk" in shown
    assert "\n0\n" in shown
    assert "called by total_of, at orders.lua:11" in shown
    # `finish` leaves the function that was chosen, not only the innermost.
    assert "orders.lua:19 in main chunk" in shown.partition("called by")[2]
    shown = typed(orders, "down", code=2).err
    assert "down: this is the innermost function" in shown
    assert "up: this is the outermost function" in typed(orders, "up", code=2).err
    assert "there is no frame 9" in typed(orders, "frame 9", code=2).err


def test_what_a_function_returned_is_said_where_it_has(orders: CommandLine) -> None:
    shown = typed(orders, "delete", "b price_of", "c", "finish", "c", "up", "finish", "delete").out
    found = re.findall(r"\n    returned (\S+)\n", shown)
    assert len(found) == 2
    assert all(float(one) > 0 for one in found)
    told = answers(orders, "b price_of", "c", "finish", "c", "up", "finish", "rf", "delete")
    assert [one["text"] for one in told[2]["returned"]] == found[:1]
    assert [one["text"] for one in told[5]["returned"]] == found[1:]
    assert "returned" not in told[6]


def test_a_deep_stack_is_shown_from_both_ends(respell: CommandLine) -> None:
    respell("run", respell.script("""
        local function down(n)
          if n == 0 then
            return 0
          end
          return 1 + down(n - 1)
        end
        print(down(5000))
    """, "deep.lua"))  # fmt: skip
    shown = typed(
        respell, "b 3", "c", "bt 2", "bt -2", "up 4000", "p n", "bookmark deep", "up 2000", "bt",
        "b deep.lua:down",
    ).out  # fmt: skip
    assert "*#0  deep.lua:3 in down\n #1  deep.lua:5 in down\n(5,000 more)\n" in shown
    assert " #5001  deep.lua:7 in main chunk\n(5,000 more)\n" in shown
    assert "*#4000  deep.lua:5 in down\n" in shown
    assert "\n4000\n" in shown
    assert "*#5001  deep.lua:7 in main chunk\n" in shown
    assert "(4,902 more)" in shown
    assert "breakpoint 2: function deep.lua:1 at deep.lua:1" in shown
    again = typed(respell, "b 99", code=2, at="deep")
    assert "deep.lua:3 in down" in again.out
    assert "breakpoints are set: 1, 2; `b` lists them" in again.out


def test_sources_are_listed_as_gdb_does(orders: CommandLine) -> None:
    shown = typed(
        orders, "list 10", "list", "list -", "list 1,2", "list total_of", "info line 4",
        "info functions pri", "info source", "search coroutine", "list 99", code=2,
    )  # fmt: skip
    assert "    5  local function price_of(name)" in shown.out
    assert "   16  local sum = 0" in shown.out
    assert "    1  local orders = {\n     2    { customer" in shown.out
    assert "orders.lua:4 has no code; the next one that has is 5\n" in shown.out.replace(
        "orders.lua:4 has code\n", "orders.lua:4 has no code; the next one that has is 5\n"
    )
    assert "orders.lua:5  price_of\norders.lua\n" in shown.out
    assert "    22  local numbers = coroutine.wrap(function()" in shown.out
    assert "orders.lua has 30 lines" in shown.err


def test_moves_that_gdb_and_rr_have(orders: CommandLine) -> None:
    said = answers(
        orders, "advance total_of", "until", "delete", "tb 20", "c", "u", "until", "back",
        "forward", "start", "rc", "goto end", "c", "run 3", "event 2", "re 2", "goto 9", "tb 9",
        "run",
    )  # fmt: skip
    by = {one["command"]: one for one in said}
    assert (by["advance total_of"]["function"], by["advance total_of"]["line"]) == ("total_of", 9)
    assert said[1]["line"] == 10
    assert by["u"]["line"] == 21
    assert said[6]["line"] == 22  # out of the loop, not around it
    assert by["back"]["position"] == by["u"]["position"]
    assert by["forward"]["position"] == said[6]["position"]
    assert by["goto end"]["at_end"] is True
    assert "nothing comes after this" in said[12]["note"]
    assert "nothing comes before this" in by["rc"]["note"]
    assert (by["run 3"]["position"], by["re 2"]["position"]) == ("3+0", "3+0")
    assert (by["run"]["line"], by["run"]["function"]) == (9, "total_of")


def test_breakpoints_are_changed_as_gdb_does(orders: CommandLine) -> None:
    said = answers(
        orders, "b 11", "condition 1 line[2] > 1", "info b 1", "ignore 1 1", "c", "condition 1",
        "ignore 1 0", "info b 1", "b 20", "disable 2", "clear 11", "info b", "watch sum",
        "info watchpoints", "enable", "delete", "b if 1 == 1", "b +2",
    )  # fmt: skip
    by = {one["command"]: one for one in said}
    assert by["condition 1 line[2] > 1"]["breakpoint"]["condition"] == "line[2] > 1"
    assert by["info b 1"]["breakpoints"][0]["stops"] == 3
    assert said[2]["breakpoints"][0] | {"stops": 2, "stops_by_here": 0} == said[2]["breakpoints"][0]
    assert by["ignore 1 1"]["breakpoint"]["hits"] == "> 1"
    assert by["c"]["line"] == 11
    assert "hits" not in by["ignore 1 0"]["breakpoint"]
    assert by["clear 11"]["deleted"] == [1]
    assert [one["id"] for one in by["info b"]["breakpoints"]] == [2]
    assert by["info watchpoints"]["breakpoints"][0]["kind"] == "data"
    assert by["b if 1 == 1"]["breakpoint"]["line"] == 11
    assert by["b +2"]["breakpoint"]["line"] == 13
    assert "takes no condition" in typed(
        orders, "delete", "b error", "condition 1 x", code=2
    ).err  # fmt: skip


def test_events_are_shown_where_one_stops_for_them(orders: CommandLine) -> None:
    shown = typed(
        orders, "b effect state.get nth 1", "c", "info event", "info events", "info event 2",
        "info event 99", code=2,
    )  # fmt: skip
    assert (
        '(breakpoint 1)\n    return State.get("price:" .. name) or #name\n    3  sta' in shown.out
    )
    assert '\n    3  state.get  key = "price:tea"  = 2.5\n' in shown.out
    assert "event 3: state.get, effect\n    by orders.lua:6\n" in shown.out
    assert '\n    key = "price:tea"\n    ended with 2.5\n' in shown.out
    assert "\n      2  state.set  " in shown.out
    assert "\n>     3  state.get  " in shown.out
    assert "there is no event 99; the last one is " in shown.err
    said = answers(orders, "info event 3", "info events 2")
    assert said[0]["event"]["outcome"] == 2.5
    assert [one["number"] for one in said[1]["events"]][:3] == [1, 2, 3]


def test_a_name_that_is_taken_for_a_global_is_said_to_be(orders: CommandLine) -> None:
    inside = answers(orders, "advance total_of", "watch sum", "p sum", "p print")
    assert inside[1]["breakpoint"]["scope"] == "global"
    there = "sum is no variable of total_of, so it is taken for a global; `frame 1` chooses main"
    assert there in inside[1]["note"]
    assert there in inside[2]["note"]
    assert inside[3]["note"] is None
    after = answers(orders, "watch total", "watch sum if total", at="end")
    assert "no function runs here, so total is taken for a global" in after[0]["note"]
    shown = typed(orders, "watch sum", "p missing").out
    assert "global sum changes\n    sum is no variable here yet, so it is taken for a glob" in shown
    assert "`until 17` goes on to where line 16 has made a local of that name" in shown
    assert "missing is no variable here: it is taken for a global, which is nil" in shown


def test_coroutines_are_looked_at_like_threads(orders: CommandLine) -> None:
    shown = typed(
        orders, "b 24", "c", "info threads", "p sum", "n", "n", "n", "bt all", "thread 0", "p sum",
        "info locals", "up", "thread 9", code=2,
    )  # fmt: skip
    assert "0  normal  orders.lua:27\n" in shown.out
    assert "main thread (normal)\n #0  orders.lua:27 in main chunk\ncoroutine" in shown.out
    assert "*#0  orders.lua:27 in main chunk\n    for value in numbers do\n" in shown.out
    assert "numbers = function" in shown.out
    assert "up: this is the outermost function" in shown.err
    refused = typed(orders, "b 24", "c", "thread 0", "finish", code=2)
    assert "that coroutine waits here" in refused.err


def test_what_gdb_has_and_this_has_not_is_answered_in_one_line(orders: CommandLine) -> None:
    for word, instead in INSTEAD.items():
        assert "\n" not in instead
        assert len(instead) < 110, word
    refused = typed(orders, "stepi", code=2)
    assert "lines are the smallest steps here" in refused.err
    words = ("!ls", "set pagination off", "p $1", "checkpoint", "layout src", "catch throw")
    said = [answers(orders, word, code=2)[0]["refused"] for word in words[:3]]
    assert "runs no other programs" in said[0]
    assert "there is nothing to set up" in said[1]
    assert "values are not numbered" in said[2]
    shown = typed(orders, *(f"help {word}" for word in words[3:])).out
    assert "`bookmark NAME` keeps this position" in shown
    assert "opens the terminal UI" in shown
    assert "stop at errors" in shown
    assert "did you mean continue" in typed(orders, "contineu", code=2).err


def test_help_names_every_command_and_finds_them(orders: CommandLine) -> None:
    shown = typed(
        orders, "help", "help n", "help info loc", "help breakpoints", "apropos coroutine"
    )
    for title, words in GROUPS:
        assert title in shown.out
        for word in words:
            assert f"  {', '.join(word.names)} {word.takes}"[:30].rstrip() in shown.out
    assert "n, next [N]                   next line of this function" in shown.out
    assert "info locals" in shown.out
    assert "coroutine, thread [N]" in shown.out.rpartition("stop at")[2]


def test_what_tab_makes_of_a_line(orders: CommandLine) -> None:
    makes = {
        "p order.cus": ["customer"],
        "p #order.lines + order.lines[": ["[1]", "[2]"],
        "b tot": ["b total_of"],
        "b effect st": ["state.*", "state.get", "state.set"],
        "b orders.lua:3": [":3", ":30"],
        "watch or": ["order", "or"],
        "goto mar": ["mark"],
        "unbookmark m": ["mark"],
        "b state pr": ["price:coffee", "price:milk", "price:tea"],
        "b artifact s": ["sums.txt"],
        "conti": ["continue"],
        "help unt": ["until"],
        "info loc": ["locals"],
        "b 11 i": ["if"],
        "b 11 if order.l": ["order.lines"],
        "b error u": ["uncaught"],
        "detach r": ["running"],
        "last state:price:t": ["state:price:tea"],
        "undisplay ord": ["order"],
        "list pri": ["price_of"],
        "source orders.l": ["orders.lua"],
        "nothing a": [],
        "p nothing.a": [],
    }
    setting = ("b total_of", "c", "bookmark mark", "display order")
    said = answers(orders, *setting, *(f"complete {line}" for line in makes))[len(setting) :]
    for one, (line, ends) in zip(said, makes.items(), strict=True):
        made = one["completions"]
        assert len(made) == len(ends), (line, made)
        for whole, end in zip(made, ends, strict=True):
            assert whole.endswith(end), (line, made)
            assert whole.startswith(line), (line, made)


def test_every_answer_is_one_object_and_says_what_it_answers(orders: CommandLine) -> None:
    lines = (
        "n", "s", "b total_of", "tb 20", "c", "bt", "up", "locals", "x order", "whatis order",
        "display number", "undisplay", "list", "info program", "when", "state", "output",
        "artifacts", "globals", "coroutines", "breakpoints", "bookmark here", "info bookmarks",
        "last sum", "values sum", "hits", "executions 20", "origin sum", "set number = 7", "edits",
        "diff", "discard", "help n", "complete li", "disable 1", "delete", "unbookmark here", "q",
    )  # fmt: skip
    shown = orders("debug", "@last", "--json", stdin="\n".join(lines))
    said = [json.loads(line) for line in shown.out.splitlines()]
    assert [one["command"] for one in said] == ["", *lines]
    assert shown.err == ""
    documented = DOCS.read_text().partition("## For programs")[2]
    keys = {key for one in said for key in one}
    assert [key for key in sorted(keys) if f"`{key}" not in documented] == []


def test_the_documented_session_is_what_one_sees(respell: CommandLine) -> None:
    text = DOCS.read_text()
    script, screen = re.findall(
        r"```lua\n-- report.lua\n(.*?)```.*?```console\n(.*?)```", text, re.S
    )[0]
    begun, *lines = re.split(r"^\(respell [^)]*\) ", screen, flags=re.M)
    respell("run", respell.script(script, "report.lua"))
    shown = typed(respell, *(line.partition("\n")[0] for line in lines))
    expected = begun.partition("\n")[2] + "".join(line.partition("\n")[2] for line in lines)
    assert shown.out.replace("\t", " ") == expected
    prompts = re.findall(r"^\(respell ([\d+]+)", screen, re.M)
    places = re.findall(r"^(\d+\+\d+)  report|^(\d+\+\d+)  no", screen, re.M)
    assert set(prompts) >= {one or other for one, other in places}


def test_what_is_wrong_in_a_file_is_said_with_its_line(orders: CommandLine) -> None:
    checks = orders.folder / "checks.txt"
    checks.write_text("# what holds\nb total_of\nc\np order.customer\n\nfoo bar\nn\n")
    ended = orders("debug", "@last", "--commands", "checks.txt", code=2)
    assert (
        ended.err == "respell: checks.txt:6: foo bar: there is no command foo; `help` lists them\n"
    )
    assert '"ann"' in ended.out
    ended = typed(orders, "n", "source checks.txt", "n", code=2)
    assert (
        "respell: standard input:2: source checks.txt: checks.txt:6: foo bar: there is" in ended.err
    )
    checks.write_text("source checks.txt\n")
    assert "endlessly" in typed(orders, "source checks.txt", code=2).err
    said = answers(orders, "n", "goto 99+1", "n", code=2)
    assert [one["command"] for one in said] == ["n", "goto 99+1"]
    assert "no position 99+1" in said[1]["refused"]


def test_each_kind_of_mistake_has_its_exit_code(orders: CommandLine) -> None:
    other = orders.script(ORDERS.replace("price:tea", "price:coffee"), "other.lua")
    diverged = typed(orders, f"edit {other}", code=4, at="end")
    assert "does something else before" in diverged.err
    assert typed(orders, "goto " + "9" * 5000, code=2).err.count("9") < 200
    assert typed(orders, "q", "foo").code == 0
    assert orders("debug", "nowhere", code=2).err
    (orders.store / "store.db").write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    assert orders("debug", "@last", stdin="n", code=6).err


def test_an_answer_that_nobody_reads_ends_it(orders: CommandLine) -> None:
    debug = subprocess.Popen(
        [RESPELL, "debug", "@last"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=orders.folder, env=orders.environment, text=True,
    )  # fmt: skip
    assert debug.stdin is not None
    assert debug.stdout is not None
    debug.stdout.readline()
    debug.stdout.close()
    debug.stdin.write("n\n" * 200)
    debug.stdin.close()
    assert debug.wait(60) == 0


def test_ctrl_c_ends_a_file_of_commands(orders: CommandLine) -> None:
    debug = subprocess.Popen(
        [RESPELL, "debug", "@last"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=orders.folder, env=orders.environment, text=True, bufsize=1,
    )  # fmt: skip
    assert debug.stdin is not None
    assert debug.stdout is not None
    debug.stdout.readline()
    debug.stdout.readline()
    below = descendants(debug.pid)
    debug.send_signal(signal.SIGINT)
    debug.communicate()
    assert debug.returncode == -signal.SIGINT
    gone(below)


# A dry run says that it is one ------------------------------------------------------------------


def test_a_dry_run_says_so_at_each_stop(orders: CommandLine) -> None:
    said = answers(orders, "advance total_of", "n", "set total = 100", "n", "goto end", "discard")
    assert [one["dry_run"] for one in said] == [False, False, True, True, True, False]
    shown = typed(orders, "until 20", "set total = 100", "info program", "goto end", "diff").out
    assert "orders.lua:20 in main chunk  [dry run]\n" in shown
    assert "you are in a dry run" in shown
    assert "no function runs  (end)  [dry run]" in shown


def test_what_a_dry_run_collected_is_not_lost(respell: CommandLine) -> None:
    respell("run", respell.script("""
        local factor = 1
        print(factor)
        for i = 1, 3 do
          Tool.invoke("calculator", { input = i .. "+1" })
        end
        print("done")
    """, "tools.lua"))  # fmt: skip
    changed = answers(respell, "n", "set factor = 2", "goto end", "artifacts", "diff")
    names = [f"calculator_result_{event}.json" for event in (3, 4, 5)]
    assert [one["name"] for one in changed[3]["artifacts"]] == names
    found = changed[4]["difference"]
    assert found["artifacts"] == {}
    assert [one["change"] for one in found["events"]].count("same") == 4
    # Another outcome is collected as it is.
    other = answers(respell, "goto 4", 'outcome {"result": {"n": 1}, "success": true}', "diff")
    artifacts = other[2]["difference"]["artifacts"]
    assert [name for name, (a, b) in artifacts.items() if a and b] == [f"{names[1]} v1"]
    failed = answers(respell, "goto 4", "outcome error it is off", "artifacts", "diff")
    assert failed[3]["difference"]["artifacts"][f"{names[1]} v1"][1] is None
    shown = typed(respell, "n", "set factor = 2", "diff").out
    same = [line for line in shown.splitlines() if line.startswith(" ") and "tool.invoke" in line]
    assert len(same) == 3
    assert all(len(line) < 140 and "…" in line for line in same)


def test_a_dry_run_that_ends_early_says_where(respell: CommandLine) -> None:
    respell("run", respell.script("""
        local n = 1
        Tool.invoke("calculator", { input = n .. "+1" })
    """, "tools.lua"))  # fmt: skip
    shown = typed(respell, "n", "set n = 5", "goto end", "diff").out
    assert "(unrecorded)  [dry run]" in shown
    assert "so far: the dry run ends where tool.invoke" in shown


# Sessions of every kind -------------------------------------------------------------------------


def test_a_suspended_session_says_what_it_waits_for(respell: CommandLine) -> None:
    respell("run", respell.script("""
        local answer = Session.suspend { prompt = "go on?" }
        print(answer)
    """, "ask.lua"), code=3)  # fmt: skip
    shown = typed(respell, "goto end", 'outcome "yes"', "c", "output").out
    assert "it waits for a value: go on?; `outcome JSON` tries one" in shown
    assert shown.endswith("\nyes\n")


def test_a_failed_and_an_archived_one_are_gone_through_like_any(respell: CommandLine) -> None:
    respell("run", respell.script("local n = 1\nerror('no')", "no.lua"), code=1)
    respell("archive", "@last")
    shown = typed(respell, "goto end", "rs", "p n", "info program").out
    assert "(exception)\n    error('no')\n    no.lua:2: no" in shown
    assert "archived" in shown
    refused = respell("debug", "@last", "--limit", "tokens=1", code=2)
    assert "only a script that is launched" in refused.err


def test_what_a_live_dry_run_prints_is_not_taken_for_the_sessions(respell: CommandLine) -> None:
    script = respell.script("local n = 1\nprint('n', n)\nprint('again', n)\n")
    lines = ("n", "n", "rs", "set n = 5", "goto end", "discard", "q")
    ended = respell("debug", script, "--json", stdin="\n".join(lines))
    said = {one["command"]: one for one in ended.json_lines}
    assert ended.json_lines[2]["printed"] == ["n\t1"]
    assert said["set n = 5"]["printed"] == []
    assert said["goto end"]["printed"] == []
    assert said["discard"]["dry_run"] is False


def test_hostile_values_are_shown_inert_and_short(respell: CommandLine) -> None:
    respell("run", respell.script(r"""
        local esc = "\27[31mred\27]0;title\7"
        local bidi, bad = "abc\u{202e}def", "\xff\xfe\0"
        local big = string.rep("xyz", 1000000)
        local wide = string.rep("漢", 500)
        local t = { [esc] = bidi, big = big }
        t.self = t
        State.set(esc, { [bidi] = big })
        print(esc)
        print(big)
        error(esc)
    """, "hostile.lua"), code=1)  # fmt: skip
    looks = (
        "locals", "p t", "x t", "p esc, bidi, bad", "p wide", "x bad", "state", "output",
        "display big", "rs", "info program", "bt full", "last esc", "b 3 log {esc}", "start", "c",
        "watch esc", "b effect where args.text == '\\27[31m'", "p error(esc)", "q",
    )  # fmt: skip
    typed_in = "".join(f"{line}\n" for line in looks)
    code, screen = respell.on_a_terminal(
        "debug", "@last", "--at", "end", typed=typed_in, columns=80, NO_COLOR="1", TERM="dumb"
    )
    assert code == 0
    text = screen.replace("\x1b[K", "").replace("\x1b[?2004h", "").replace("\x1b[?2004l", "")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert '"\\xff\\xfe\\u{0}"' in text
    assert len(text) < 40_000


# The lines that were typed ------------------------------------------------------------------------


def test_the_lines_that_were_typed_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "state" / "debug_history"
    kept = KeptLines(path, 3, told.append)
    assert kept.read() == []
    assert kept.add("p total")
    assert not kept.add("p total")  # the same again
    assert not kept.add(" p secret")  # what begins with a blank is not kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for number in range(10):
        kept.add(f"b {number}")
    assert KeptLines(path, 3, told.append).read() == ["b 7", "b 8", "b 9"]
    assert path.read_text() == "b 7\nb 8\nb 9\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    path.write_bytes(b"fine\n\x1b[31mnot\nalso fine\n")
    assert KeptLines(path, 3, told.append).read() == ["fine", "also fine"]
    assert not KeptLines(path, 0, told.append).add("c")
    assert told == []
    folder = tmp_path / "folder"
    folder.mkdir()
    wrong = KeptLines(folder, 3, told.append)
    assert wrong.read() == []
    wrong.add("c")
    wrong.add("n")
    assert ["can't keep the lines that are typed" in one for one in told] == [True]


def test_a_pipe_leaves_no_lines_behind(orders: CommandLine) -> None:
    typed(orders, "n", "p 1")
    assert not list(orders.folder.rglob("debug_history"))
    orders.on_a_terminal("debug", "@last", typed="n\nq\n", RESPELL_DEBUG_KEEP_LINES="0")
    assert not list(orders.folder.rglob("debug_history"))
    orders.on_a_terminal("debug", "@last", typed="n\n p 1\nq\n")
    (file,) = orders.folder.rglob("debug_history")
    assert file.read_text() == "n\nq\n"
    assert os.stat(file).st_mode & 0o077 == 0
