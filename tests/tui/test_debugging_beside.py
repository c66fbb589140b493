"""`respell debug` beside what it debugs: never noticed, always left, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from command_line import RESPELL, CommandLine, next_line
from live_processes import descendants, gone
from stories import counting_server, event_lines

ADDS = """\
    local url, n = ...
    local total = 0
    for i = 1, tonumber(n) do
      local answer = Tool.invoke("http_request", { input = url .. "/double/" .. i })
      total = total + answer.result.body.double
      State.set("total", total)
    end
    print("total", total)
"""


def what_happened(respell: CommandLine, session: str) -> list[tuple[Any, ...]]:
    """Return all that a history says, but for times and ids."""
    kept = (
        "number", "kind", "name", "args", "error", "source", "line", "parent", "coroutine",
        "attempts", "caused_by",
    )  # fmt: skip
    events = event_lines(respell.store, session, "--full")
    for one in events[:1]:
        one["args"] = {}  # seed and script
    return [tuple(one[name] for name in kept) for one in events]


def test_someone_looks_at_a_session_that_runs_and_it_never_notices(respell: CommandLine) -> None:
    script = respell.script(ADDS, "adds.lua")
    with counting_server() as server:
        run = ("run", "--allow", "network", script, "--", server.url, "60")
        alone = respell(*run).err.splitlines()[0].split()[1]
        expected = what_happened(respell, alone)
        asked = list(server.asked)
        server.asked.clear()

        with ExitStack() as held, respell.begun(*run) as running:
            held.enter_context(server.lock)  # nobody is answered
            session = next_line(running, "stderr").split()[1]
            respell.wait_until(session, lambda one: one["events"] >= 2)
            # Attach, look, leave.
            looks = "live\ngoto end\nlocals\np total + i\nrs\nbt\nlast total\nq\n"
            once = respell("debug", session, stdin=looks).out
            assert "it runs (process" in once
            assert "total = 0" in once
            assert "\n1\n" in once
            # And again, while it goes on.
            with subprocess.Popen(
                [RESPELL, "debug", session, "--json"], env=respell.environment, cwd=respell.folder,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            ) as looking:  # fmt: skip
                assert looking.stdin is not None
                assert looking.stdout is not None
                assert '"position"' in looking.stdout.readline()
                held.close()
                for _ in range(10):
                    looking.stdin.write("wait 5\ngoto end\nre\nlocals\np total\nvalues total\n")
                answers, _ = looking.communicate("q\n")
                assert looking.returncode == 0
                assert '"refused"' not in answers
            out, _ = running.communicate()
            assert running.returncode == 0
        assert out == b"total\t3660\n"
        assert server.asked == asked
        assert what_happened(respell, session) == expected


SLOW = """\
    local n = 0
    for i = 1, 1e9 do
      n = n + 1
    end
    print(n)
"""


@pytest.mark.parametrize("attack", ["while true do end", "string.find(('a'):rep(9e4), '.-.-.-b')"])
def test_ctrl_c_ends_a_move_that_never_would_and_nothing_is_left(
    respell: CommandLine, attack: str
) -> None:
    script = respell.script(f"local seen = 7\nprint('before')\n{attack}\nprint('after')\n")
    with respell.terminal("debug", script) as terminal:
        terminal.wait_for("(respell 1+1) ")
        terminal.type("n\nn\nc\n")
        terminal.wait_for("executing for")
        terminal.type("\x03")
        terminal.wait_for("(cancelled)")
        terminal.type("p seen + 1\n")
        terminal.wait_for("\n8\n")
        terminal.type("q\n")
        terminal.end()
    (session,) = respell("list", "--json").json
    assert session["status"] == "suspended"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_debugger_that_is_killed_in_the_middle_of_a_move_leaves_no_process(
    respell: CommandLine,
) -> None:
    script = respell.script(SLOW)
    respell("run", "--limit", "max_duration=1", script, code=5)
    with subprocess.Popen(
        [RESPELL, "debug", "@last"], env=respell.environment, cwd=respell.folder,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as debugger:  # fmt: skip
        assert debugger.stdin is not None
        assert debugger.stdout is not None
        debugger.stdin.write("n 10\nrn\nb 3 if i < 0\nc\n")
        while "breakpoint 1" not in debugger.stdout.readline():
            pass
        workers = descendants(debugger.pid)
        assert workers
        os.kill(debugger.pid, signal.SIGKILL)
        debugger.communicate()
    gone(workers)
