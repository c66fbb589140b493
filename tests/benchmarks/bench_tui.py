"""The terminal UI on a real terminal: its start, its keys, and what is large."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import respell
from benchmarks.measure import Figure, best_s
from benchmarks.terminal import Terminal, p95
from respell.artifacts.storing import store_artifact
from respell.sessions.record import SessionRecord
from respell.store import Store

_RESPELL = str(Path(sys.executable).parent / "respell")
_SESSIONS = 10_000
_EVENTS = 1_000_000
_SOURCE_LINES = 20_000
_GIB = 1024**3
_STEPS_BACK = 1_000
_TURNS = 100  # there and back; of forty keys the 95th is that of two, mere chance
_HELD_S, _REPEAT_S = 3.0, 1 / 30

_DOWN, _UP, _END, _ENTER, _ESCAPE = "\x1b[B", "\x1b[A", "\x1b[F", "\r", "\x1b"
_POSITION = r"\d+\+\d+ .{0,40}of [\d,]+"
"""How the line of time says where one stands."""

# What a terminal UI of Textual takes at least: the same frame, and a key that paints one line.
_BARE = """\
from textual.app import App
from textual.widgets import Input, Static
class Bare(App):
    def compose(self):
        yield Input(compact=True)
        yield Static("ready")
Bare().run()
"""

_EVENTFUL = f"for i = 1, {_EVENTS} do local t = os.time() end\n"

_MANY_LINES = """\
local total = 0
for i = 1, 10000 do
  local t = os.time()
  for j = 1, 48 do
    total = total + j
    local x = j * 2
  end
end
"""


def figures(folder: Path) -> list[Figure]:
    """Measure what is promised of the terminal UI."""
    found = []
    for part in (_start, _many_sessions, _large_artifact, _long_source, _steps, _long_history):
        name = part.__name__.strip("_")
        (folder / name).mkdir()
        found += part(folder / name)
    return found


def _opened(folder: Path, **more: object) -> Terminal:
    """Open the app over the store of a folder."""
    return Terminal([_RESPELL, "--store", str(folder / "store")], folder)


# Start -----------------------------------------------------------------------------------


def _start(folder: Path) -> list[Figure]:
    """Start over a small store, in turns with the floors."""
    for _ in range(2):  # what is compiled and cached once is not what a start takes
        _first_paint(folder)
    imports, bare, ours = [], [], []
    for _ in range(5):
        imports.append(_seconds(lambda: _python("-c", "import textual.app")))
        bare.append(_bare_paint(folder))
        ours.append(_first_paint(folder))
    imported, started = sorted(imports)[2], sorted(bare)[2]
    note = f"`import textual.app` alone: {imported:.2f} s; an app with one line: {started:.2f} s"
    return [Figure("tui: from start to first paint", sorted(ours)[2], "s", 0.8, note=note)]


def _first_paint(folder: Path) -> float:
    with _opened(folder) as it:
        return it.until("Sessions", since=it.begun)


def _bare_paint(folder: Path) -> float:
    with Terminal([sys.executable, "-c", _BARE], folder) as it:
        return it.until("ready", since=it.begun)


def _python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True)


# Keys ------------------------------------------------------------------------------------


def _many_sessions(folder: Path) -> list[Figure]:
    with Store(folder / "store", durability="process") as store, store.transaction():
        for number in range(_SESSIONS):
            store.sessions.insert(SessionRecord(
                name=f"session {number}", script=f"jobs/task{number % 50}.lua", events=number,
                status=("completed", "failed", "suspended")[number % 3],
                tags=[f"t{number % 7}"]), told=False)  # fmt: skip
    floor = _bare_keys(folder)
    with _opened(folder) as it:
        it.until("Sessions", since=it.begun)
        opened = it.until(f"session {_SESSIONS - 1}")
        it.rest()
        moves = [it.answered_s(_DOWN)[0] for _ in range(60)]
        it.rest()
        it.write("/")
        it.rest()
        first, all_ = zip(*(it.answered_s(key) for key in _TYPED), strict=True)
        memory = it.peak_mb()
    note = f"a bare Textual app's Input: {floor * 1000:.1f} ms"
    return [
        Figure("tui: 10,000 sessions, from the first frame to the list", opened, "s", 0.5),
        Figure("tui: a move of the cursor in them, 95th of 60", p95(moves) * 1000, "ms", 50.0,
               note=note),
        Figure("tui: a key of a search in them, 95th", p95(first) * 1000, "ms", 50.0,
               note=f"{note}; all panes with it: {p95(all_) * 1000:.0f} ms"),
        Figure("tui: memory with 10,000 sessions", memory, "MB", 200.0),
    ]  # fmt: skip


_TYPED = "session 12\b\b34 #t3\b\b\b\b task7\b\b\b\b\b =failed\b\b\b\b\b\b!9\b".replace(
    "\b", "\x7f"
)


def _bare_keys(folder: Path) -> float:
    with Terminal([sys.executable, "-c", _BARE], folder) as it:
        it.until("ready")
        it.rest()
        return p95([it.answered_s(key)[0] for key in _TYPED])


# What is large ---------------------------------------------------------------------------


def _large_artifact(folder: Path) -> list[Figure]:
    with Store(folder / "store", durability="process") as store:
        session = store.sessions.insert(SessionRecord(name="large"))
        store_artifact(store, session, "large.log", cast("BinaryIO", _Lines(_GIB)))
        store_artifact(store, session, "small.txt", b"a small one\n")
    with _opened(folder) as it:
        it.until("a small one")
        it.rest()
        it.write("3")
        it.rest()
        begun = time.perf_counter()
        it.write(_DOWN)
        opened = it.until("line 000000000000", since=begun)
        it.rest()
        it.write("4")
        it.rest()
        moves = [it.answered_s(_DOWN)[0] for _ in range(60)]
        memory = it.peak_mb()
    return [
        Figure("tui: show an artifact of 1 GiB", opened, "s", 0.5),
        Figure("tui: a move in its content, 95th of 60", p95(moves) * 1000, "ms", 50.0),
        Figure("tui: memory with it", memory, "MB", 200.0),
    ]


class _Lines(io.RawIOBase):
    """Text of many lines, made as it is read."""

    def __init__(self, size: int) -> None:
        self._left, self._at = size, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = min(self._left, 1 << 20 if size < 0 else size)
        rows = [b"line %012d  what was seen, and what was not" % (self._at + i)
                for i in range(wanted // 52 + 1)]  # fmt: skip
        self._at += len(rows)
        piece = b"\n".join(rows)[:wanted]
        self._left -= len(piece)
        return piece


def _long_source(folder: Path) -> list[Figure]:
    parts = [
        f"local function step{n % 100}(x)\n  local y = x * {n}  -- line {n}\n"
        f"  if y > 9 then return y end\n  return 'n' .. y\nend"
        for n in range(_SOURCE_LINES // 5)
    ]  # fmt: skip
    nested = "\n".join("do\n" + "\n".join(parts[n : n + 100]) + "\nend"
                       for n in range(0, len(parts), 100))  # fmt: skip
    script = folder / "long.lua"
    script.write_text(
        f"{nested}\nlocal sum = 0\nfor i = 1, 50 do\n  sum = sum + i\nend\nprint('over')\n"
    )
    _run(script, folder)
    opened, moves, _, memory = _session(folder, "lifecycle.complete")
    return [
        Figure("tui: open a session whose source has 20,000 lines", opened, "s", 0.5),
        Figure("tui: a step in it, 95th of 200", p95(moves) * 1000, "ms", 50.0),
        Figure("tui: memory with it", memory, "MB", 200.0),
    ]


def _steps(folder: Path) -> list[Figure]:
    """Go back step by step in a recording of a million lines, and hold a key down."""
    script = folder / "lines.lua"
    script.write_text(_MANY_LINES)
    _run(script, folder)
    with _opened(folder) as it:
        it.until("lines", since=it.begun)
        it.rest()
        it.write(_ENTER)
        it.until(_POSITION)
        it.rest(1.0)
        it.write(":")
        it.rest()  # what is typed before the line is there goes elsewhere
        it.write("9000+60" + _ENTER)
        it.until(r"9000\+60")
        it.rest(1.0)
        begun = time.perf_counter()
        for _ in range(_STEPS_BACK):
            it.write("S")
            it.until(_POSITION)
        back = time.perf_counter() - begun
        it.rest(1.0)
        stale, painted = _held(it, "S")
        memory = it.peak_mb()
    return [
        Figure("tui: 1,000 steps back in 1,000,000 lines, one after the other", back, "s", 30.0),
        Figure("tui: a key held down for 3 s: what it goes on after that", stale * 1000, "ms",
               150.0, note=f"{painted / _HELD_S:.0f} positions a second were painted meanwhile"),
        Figure("tui: memory with it, but for the debugger's workers", memory, "MB", 200.0),
    ]  # fmt: skip


def _held(it: Terminal, key: str) -> tuple[float, int]:
    """Hold a key; return for how long there are moves after it, and how many were painted."""
    seen, end = "", time.perf_counter() + _HELD_S
    while time.perf_counter() < end:
        it.write(key)
        until = time.perf_counter() + _REPEAT_S
        while (left := until - time.perf_counter()) > 0:
            seen += it._read(left)
    released = time.perf_counter()
    last = released
    after = ""
    while piece := it._read(0.5):
        after += piece
        last = time.perf_counter()
    return last - released, len(re.findall(_POSITION, seen + after))


def _long_history(folder: Path) -> list[Figure]:
    script = folder / "eventful.lua"
    script.write_text(_EVENTFUL)
    _run(script, folder)
    opened, moves, stands, memory = _session(folder, "clock.time", keys=("E", "e"))
    return [
        Figure("tui: open a session of 1,000,000 events", opened, "s", 0.5,
               note=f"where it stands is known after {stands:.1f} s: it is executed again"),
        Figure("tui: an event on or back in it, 95th of 200", p95(moves) * 1000, "ms", 50.0),
        Figure("tui: memory with it", memory, "MB", 200.0),
    ]  # fmt: skip


def _session(
    folder: Path, shown: str, keys: tuple[str, str] = ("S", "s")
) -> tuple[float, list[float], float, float]:
    """Open the only session; return seconds until shown, of keys, until it stands, and MB."""
    with _opened(folder) as it:
        it.until("Sessions", since=it.begun)
        it.rest(1.0)
        it.painted = ""
        begun = time.perf_counter()
        it.write(_ENTER)
        opened = it.until(shown, since=begun)
        if re.search(_POSITION, it.painted) is None:
            it.until(_POSITION, since=begun)
        stands = time.perf_counter() - begun
        it.rest(1.0)
        moves = []
        for _ in range(_TURNS):
            for key in keys:
                pressed = time.perf_counter()
                it.write(key)
                moves.append(it.until(_POSITION, since=pressed))
        return opened, moves, stands, it.peak_mb()


def _run(script: Path, folder: Path) -> None:
    with Store(folder / "store", durability="process") as store:
        respell.run(script, store=store, name=script.stem)


def _seconds(action: Callable[[], object]) -> float:
    return best_s(action, count=1)
