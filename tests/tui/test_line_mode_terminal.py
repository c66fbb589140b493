"""The debugger in line mode, used by a person at a real terminal."""

from __future__ import annotations

import time

import tmux as terminals
from command_line import CommandLine
from live_processes import living_with
from tmux import Tmux, tmux

pytestmark = terminals.needed

SCRIPT = """\
    local order = { customer = "ann", lines = { 3, 1 } }
    local function total_of(lines)
      local total = 0
      for _, price in ipairs(lines) do
        total = total + price
      end
      return total
    end
    print(order.customer, total_of(order.lines))
    local n = 0
    for i = 1, 30000000 do
      n = n + 1
    end
    print(n)
"""


def leaves_nothing_behind(respell: CommandLine) -> None:
    """Wait until no process of the story lives."""
    mark = f"RESPELL_STORE={respell.store}"
    end = time.monotonic() + terminals.PATIENCE_S
    while left := living_with(mark):
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)


def enter(it: Tmux, line: str) -> None:
    it.type(line)
    it.press("Enter")


def test_a_person_debugs_at_a_terminal(respell: CommandLine) -> None:
    respell("run", respell.script(SCRIPT, "order.lua"))
    with tmux(respell.folder, respell.environment) as it:
        it.start(["respell", "debug", "@last"], columns=100, rows=40)
        it.shows("1+1  order.lua:1 in main chunk  (entry)", "(respell 1+1)")
        enter(it, "n")
        it.shows("1+2  order.lua:8 in main chunk", "(respell 1+2)")
        it.press("Enter")  # the same again
        it.shows("(respell 1+3)")

        it.type("p ord")
        it.press("Tab")
        it.shows("p order")
        it.type(".cus")
        it.press("Tab")
        it.shows("p order.customer")
        it.press("Enter")
        it.shows('"ann"')
        it.type("b tot")
        it.press("Tab")
        it.press("Enter")
        it.shows("breakpoint 1: function total_of at order.lua:2")
        it.type("info th")
        it.press("Tab", "Enter")
        it.shows("(respell 1+3) info threads", "0  running")
        it.type("b effect ")
        it.press("Tab", "Tab")
        it.shows("output.line")
        it.press("C-c")  # drops what is typed
        it.until(lambda screen: screen.rstrip().endswith("(respell 1+3)"), "an empty line")

        enter(it, "c")
        it.shows("order.lua:3 in total_of  (function breakpoint 1)")
        enter(it, "rc")
        it.until(lambda screen: screen.rstrip().endswith("(respell 1+3)"), "where it began")

        # A move that takes long is given up; the next one goes where it should.
        enter(it, "delete")
        enter(it, "b 12 if n < 0")
        it.shows("breakpoint 1: order.lua:12 if n < 0")
        enter(it, "c")
        it.shows("executing for")
        it.press("C-c")
        it.shows("(cancelled)")
        it.hides("executing for")
        enter(it, "delete")
        enter(it, "until 10")
        it.shows("order.lua:10 in main chunk")
        enter(it, "set order.customer = 'bob'")
        it.shows("[dry run]", "(respell 2+1 dry run)")
        it.press("C-d")
        assert it.ended() == 0
    leaves_nothing_behind(respell)


def test_lines_come_back_with_the_up_arrow(respell: CommandLine) -> None:
    respell("run", respell.script("local total = 5\nprint(total)\n", "sums.lua"))
    with tmux(respell.folder, respell.environment) as it:
        it.start(["respell", "debug", "@last"], columns=100, rows=20)
        it.shows("(respell 1+1)")
        enter(it, "n")
        it.shows("(respell 1+2)")
        enter(it, "p total * 1000")
        it.shows("5000")
        enter(it, " p 'secret'")
        it.shows('"secret"')
        enter(it, "q")
        assert it.ended() == 0
        it("respawn-pane", "-k", "respell", "debug", "@last")
        it.shows("(respell 1+1)")
        it.press("Up")
        it.shows("(respell 1+1) q")
        it.press("Up")
        it.shows("(respell 1+1) p total * 1000")
        it.press("Up")
        it.shows("(respell 1+1) n")
        it.press("Enter")
        it.shows("(respell 1+2)")
        it.press("C-d")
        assert it.ended() == 0
    assert "secret" not in (respell.folder / ".local/state/respell/debug_history").read_text()
    leaves_nothing_behind(respell)


def test_a_session_in_another_pane_is_attached_held_and_left(respell: CommandLine) -> None:
    script = respell.script("""
        local n = 0
        while true do
          n = n + 1
          State.set("n", n)
          Utils.sleep(0.02)
        end
    """, "loop.lua")  # fmt: skip
    with tmux(respell.folder, respell.environment) as it:
        it.start(["respell", "run", script, "--name", "loop"], columns=100, rows=40)
        it.shows("session ")
        respell.wait_until("loop", lambda session: session["events"] > 5)
        it("split-window", "respell", "debug", "loop")
        it.shows("(respell 1+1)")
        enter(it, "pause")
        it.shows("it is held by this debugger")
        enter(it, "goto end")
        it.shows("(the end so far)")
        enter(it, "b 5 if n % 10 == 0")
        enter(it, "c")
        it.shows("(breakpoint 1)")
        enter(it, "p n % 10")
        it.shows("\n0\n")
        enter(it, "detach")
        it.shows("it runs (")
        enter(it, "q")
        before = respell("show", "loop", "--json").json
        assert before["running"]
        respell.wait_until("loop", lambda session: session["events"] > before["events"])
        respell("suspend", "loop", "--wait", "60")
    leaves_nothing_behind(respell)


def test_a_script_is_begun_under_the_debugger_and_left_suspended(respell: CommandLine) -> None:
    script = respell.script("print('first')\nprint('second')\n", "two.lua")
    with tmux(respell.folder, respell.environment) as it:
        it.start(["respell", "debug", script], columns=100, rows=20)
        it.shows("(respell 1+1)")
        enter(it, "n")
        it.shows("| first", "(respell 2+1)")
        it.press("C-d")
        it.shows("it was suspended after event")
        assert it.ended() == 0
    leaves_nothing_behind(respell)
