"""The app at a real terminal, ended from outside while it follows a session that runs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

import tmux as terminals
from app_live import beside
from command_line import CommandLine
from live_processes import descendants, gone, living_with
from tmux import Tmux, tmux

pytestmark = terminals.needed


def app_of(it: Tmux) -> int:
    """Return the process of the app in the terminal: the one that has workers of its own."""
    pane = int(it("display", "-p", "#{pane_pid}"))
    return next(pid for pid in (pane, *sorted(descendants(pane))) if descendants(pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_an_app_that_is_ended_from_outside_leaves_what_runs_running(
    respell: CommandLine, number: signal.Signals
) -> None:
    with beside(respell.folder) as live, tmux(respell.folder, respell.environment) as it:
        live.store = respell.store
        process = live.run()
        live.asked(1)
        it.start(["respell"], columns=120, rows=40)
        it.shows("running", "story")
        it.press("Enter")
        it.shows("it is followed, and not touched", "for i = 1")
        it.press("p")
        it.shows("LIVE, HELD")
        app = app_of(it)
        below = descendants(app)
        assert below, "the debugger has processes"
        os.kill(app, number)
        gone({app, *below})
        live.gate.let_out(3)
        live.asked(4)  # nobody holds it any more
        assert process.poll() is None
    end = time.monotonic() + terminals.PATIENCE_S
    while left := living_with(f"RESPELL_STORE={respell.store}"):
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)


def test_an_app_whose_terminal_goes_without_a_word_ends(respell: CommandLine) -> None:
    ours, theirs = pty.openpty()
    app = subprocess.Popen(
        [sys.executable, "-m", "respell_tui"], stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=respell.folder, env={**respell.environment, "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    painted = b""
    while b"No sessions yet." not in painted:
        painted += os.read(ours, 1 << 16)
    os.close(ours)
    assert app.wait(terminals.PATIENCE_S) == 128 + signal.SIGHUP
