"""The first use, by a person at a real terminal: nobody has read a manual."""

from __future__ import annotations

import re
import time

import pytest

import tmux as terminals
from command_line import CommandLine
from live_processes import living_with
from tmux import Tmux, tmux

SIZES = pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
pytestmark = terminals.needed


def start(it: Tmux, respell: CommandLine, size: tuple[int, int], *words: str) -> None:
    it.start(["respell", *words], columns=size[0], rows=size[1])


def listed(it: Tmux, state: str, name: str) -> None:
    """Wait until a session is in the list in some state."""
    row = re.compile(rf"[0-9a-f]{{8}} {state} +(└ )?{name}")
    it.until(row.search, f"{name} {state} in the list")


def leaves_nothing_behind(respell: CommandLine) -> None:
    """Wait until no process of the story lives, and have the store checked."""
    mark = f"RESPELL_STORE={respell.store}"
    end = time.monotonic() + terminals.PATIENCE_S
    while left := living_with(mark):
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)
    respell("check")


@SIZES
def test_the_first_use(respell: CommandLine, size: tuple[int, int]) -> None:
    with tmux(respell.folder, respell.environment) as it:
        start(it, respell, size)
        it.shows("No sessions yet.", "D  runs the built-in example", "? help")

        it.press("D")
        listed(it, "suspended", "demo")
        it.shows("publish the", "report.md" if size[0] > 80 else "r answers")
        it.press("r")
        it.shows("Answer demo", "publish the report about 8 files", "approved*", "[ ] no")
        it.press("Space")
        it.shows("[x] yes")
        it.press("Enter")
        it.cursor_in_line_of("  by  ")  # keys typed before would go to the field before
        it.type("Ada")
        it.shows("Ada")
        it.press("Enter")
        listed(it, "completed", "demo")

        it.press("Enter")
        it.shows("REPLAY", "nothing outside is touched", "68+1 of 69", "N back")
        it.press("N")
        it.shows("67+1 of 69", '▶ print("as artifact')
        it.press("n")
        it.shows("68+1 of 69")
        it.press("N")
        it.shows("67+1 of 69")
        it.press("3")
        it.shows("locals of main chunk", "lines = ")
        it.press("?")
        it.shows("Help", "In this pane (variables)")
        it.press("Escape")
        it.hides("In this pane")
        it.press("Home", "Down", "Down", "Down", "l")
        it.shows("lines: ", " → ")
        it.shows('▶   State.set("files_read", i)', "57+")

        it.press("F")
        it.shows("Fork at 5", "demo (fork)")
        it.type("refused")
        it.press("Enter")
        it.shows("FORK", "refused", "forked to", "r resumes it")
        it.press("r")
        it.shows("waits for: publish the report")
        it.press("r")
        it.shows("Answer refused", "[ ] no")
        it.press("C-o")
        it.shows("FORK", "refused", "touched", "65+2 of 66")
        it.press("d")
        it.shows("not published", "1 Difference")
        it.press("Escape")
        it.shows("2 Source")
        it.press("q")
        assert it.ended() == 0
    leaves_nothing_behind(respell)


IN_COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


def test_without_colours_all_is_said_by_signs_words_and_frames(respell: CommandLine) -> None:
    script = respell.script('print("hi")\nerror("no luck")')
    respell("run", script, code=1)
    painted = respell.folder / "painted"
    respell.environment["NO_COLOR"] = "1"
    with tmux(respell.folder, respell.environment) as it:
        it.record(["respell"], painted, columns=100, rows=30)
        it.shows("┏━ 1 Sessions", "✗", "failed", "error     script.lua:2: no luck")
        row = it.painted_line(lambda text: "failed" in text)
        assert "\x1b[1;7m" in row or "\x1b[7;1m" in row or "\x1b[7m" in row, "the cursor is there"
        it.press("2")
        it.shows("┏━ 2 Session", "╭─ 1 Sessions")
        it.press("1", "Enter")
        it.shows("REPLAY", "▶", "exception", "━")
        it.press("N")
        it.shows("2+1 of 3 ")
        it.press("q")
        assert it.ended() == 0
    written = painted.read_bytes()
    assert b"no luck" in written
    assert IN_COLOUR.search(written) is None


@pytest.mark.parametrize("term", ["xterm", "xterm-256color", "xterm-16color", "screen", "vt220"])
def test_any_terminal_that_moves_its_cursor_will_do(respell: CommandLine, term: str) -> None:
    (respell.folder / "respell.toml").write_text('[ui]\nicons = "ascii"\n')
    respell("run", respell.script("error('no luck')"), code=1)
    with tmux(respell.folder, respell.environment) as it:
        it.start(["env", f"TERM={term}", "respell"], columns=100, rows=30)
        it.shows(" x ", "failed", "no luck")
        it.press("Enter")
        it.shows("REPLAY", "> error(", "exception")
        it.press("q")
        assert it.ended() == 0


def test_a_terminal_that_can_only_write_lines_gets_the_help(respell: CommandLine) -> None:
    code, screen = respell.on_a_terminal(TERM="dumb")
    assert code == 0
    assert "usage: respell" in screen
