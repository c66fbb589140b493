"""Text from outside on a real terminal: not one of its bytes that could steer it gets there."""

from __future__ import annotations

import re

import pytest

import respell
import tmux as terminals
from command_line import CommandLine
from respell.debug import Debugger
from respell.sessions.record import SessionRecord
from respell.sessions.session import Session
from respell.store import Store
from tmux import Tmux, tmux

PAYLOADS = (
    "\x1b]52;c;ZXZpbA==\x07", "\x1b]0;OWNED\x1b\\", "\x1b[6;66r", "\x1b[?1049l", "\x1bPevil\x1b\\",
    "\x1bc", "\x9b66;6H", "\x9d0;OWNED\x9c", "\x08\x08", "\x7f",
)  # fmt: skip
EVIL = (
    "[bold]b[/] [/nope] [@click=app.quit]q[/] "
    + " ".join(PAYLOADS)
    + " \u202egnp.exe\u2066 日本語 e\u0301"
)
NAMED = EVIL.replace("/", "|")
"""As files are called."""

_IN_LUA = '"' + "".join(f"\\{byte:03}" for byte in EVIL.encode()) + '"'
SCRIPT = """\
local evil = EVIL
local function called(first, ...)
  local inner = { [evil] = evil, list = { evil, evil:rep(400) } }
  State.set(evil:sub(1, 200), inner)
  return first
end
Hook.register("custom:seen", function() return { action = "continue" } end, { name = "h" .. evil })
Hook.trigger("custom:seen", { text = evil })
local agent = Agent.create { model = "mock/echo", name = "says [/]" }
local said = agent:invoke { text = evil }
pcall(Tool.invoke, "file_operations", { operation = "read", path = evil })
Artifact.store(nil, "note.txt", evil:rep(20), { description = evil, tags = { "evil" } })
print(evil)
print(called(evil, evil))
error(evil)
""".replace("EVIL", _IN_LUA)

HARMFUL = re.compile(
    rb"\x1b\][^\x1b]*(?:52;c|OWNED)|\x1b\[6;66r|\x1bP|\x1bc|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]"
    rb"|\xe2\x81[\xa6-\xa9]|[\x00\x07\x08\x7f]"
)
"""What may not come out: the payloads, C1 controls, and what turns the reading direction."""


POINTER = b"\x1b]22;default\x07"
"""How Textual sets the shape of the mouse pointer."""

pytestmark = terminals.needed


def hostile_store(respell_: CommandLine) -> None:
    """Make a store with a hostile session in each state, one of which has really run."""
    script = respell_.folder / f"{NAMED[:80]}.lua"
    script.write_text(SCRIPT)
    with Store(respell_.store) as store:
        ran = respell.run(script, store=store, name="ran " + EVIL, tags=["t [/]"])
        assert ran.session.status == "failed"
        with Debugger.open(ran.session.id, store=store) as debugger:
            debugger.end()
            debugger.bookmark("mark [/nope]", "note " + EVIL)
        respell.fork(ran.session.id, at=4, store=store, name="fork " + EVIL)
        store.sessions.insert(SessionRecord(
            name="asks " + EVIL, script=NAMED, status="suspended", tags=[EVIL],
            waiting_for={"prompt": EVIL, "schema": {"type": "object", "properties": {
                EVIL: {"description": EVIL, "enum": [EVIL, "b"]}}}}), told=False)  # fmt: skip
        made = store.sessions.insert(
            SessionRecord(name="holds " + EVIL, status="active"), told=False
        )
        artifacts = Session(store, made).artifacts
        for suffix in ("bin", "csv", "json", "md", "lua", "txt"):
            body = EVIL * 3 + "\n" + "x" * 100_000 + f"\n| {EVIL} |\n|---|\n| a |\n"
            tail = b"\x00\xff" if suffix == "bin" else b""
            plain = "".join(one for one in NAMED if one.isprintable() and one != "\\")
            name = f"{suffix} {plain}.{suffix}"
            artifacts.store(name, body.encode() + tail, mime_type="text/plain")


def looks_at_the_first_screen(it: Tmux) -> None:
    it.shows("holds [bold]b[/]", "artifacts 6")
    it.press("3")
    for suffix in ("lua", "md", "json", "csv", "bin"):
        it.press("Down")
        it.shows(f"4 Content  {suffix} [bold]")
        it.press("v")
    it.press("1", "End", "Up")
    it.until(re.compile(r"2 Session +[0-9a-f]{8} ran \[bold\]").search, "the session that ran")
    it.press("t")
    it.shows("esc cancels")
    it.press("Escape")
    it.hides("esc cancels")


_PANES = {"1": "Events", "2": "Source", "3": "Var", "4": "Event", "5": "Output", "6": "State"}


def _beside(screen: str) -> bool:
    return "╮╭" in screen


def goes_through_the_session(it: Tmux) -> None:
    it.press("Enter")
    it.shows("REPLAY", "3 Variables", "of 11 ", "exception")
    for pane in ("1", "2", "3", "4", "5", "6"):
        it.press(pane, "z")
        zoomed = re.compile(rf"^╭─.*{pane} {_PANES[pane]}", re.MULTILINE)
        it.until(lambda screen, wanted=zoomed: wanted.search(screen) and not _beside(screen), pane)
        it.press("z")
        it.until(_beside, "all panes")
    it.press("1", "Home")
    it.shows("lifecycle.start")
    it.press("3", "g")
    it.shows("1+1")
    for _ in range(3):
        it.press("n")
    it.press("G")
    it.shows("of 11 ", "exception", "evil = ")
    it.press("'")
    it.shows("Bookmarks", "mark ")
    it.press("Escape")
    it.hides("Bookmarks")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
def test_no_hostile_byte_reaches_the_terminal(respell: CommandLine, size: tuple[int, int]) -> None:
    hostile_store(respell)
    painted = respell.folder / "painted"
    with tmux(respell.folder, respell.environment) as it:
        it.record(["respell"], painted, columns=size[0], rows=size[1])
        looks_at_the_first_screen(it)
        goes_through_the_session(it)
        it.press("q")
        assert it.ended() == 0
    written = painted.read_bytes().replace(POINTER, b"")
    assert len(written) > 10_000
    assert "␛]52".encode() in written, "it was shown, and did nothing"
    found = HARMFUL.search(written)
    assert found is None, written[found.start() - 80 : found.end() + 20]
