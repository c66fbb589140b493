"""The debugger, in a recording of 10,000 effects and about 1,000,000 lines."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

import lupa.lua54

import respell
from benchmarks.measure import Figure
from respell.debug import Debugger
from respell.store import Store

_SCRIPT = """\
local total, unchanged = 0, 1
for i = 1, 10000 do
  local t = os.time()
  for j = 1, 48 do
    total = total + j
    local x = j * 2
  end
end
"""


def figures(folder: Path) -> list[Figure]:
    """Measure moves, looking, and checkpoints."""
    script = folder / "long.lua"
    script.write_text(_SCRIPT)
    with Store(folder / "store", durability="process") as store:
        session = respell.run(script, store=store).session.id
        opened = [*_opening(store, session), *_moving(store, session)]
        return [*opened, *_passing(folder, store), *_living(folder, store)]


def _opening(store: Store, session: str) -> list[Figure]:
    def at_end() -> None:
        with Debugger.open(session, store=store) as debugger:
            debugger.end()

    def cold() -> None:
        with Debugger.open(session, store=store) as debugger:
            debugger.go_to("7000+60")

    return [
        Figure("debugger: open a session at its end", _seconds(at_end), "s", 0.5),
        Figure("debugger: open, and go to a position", _seconds(cold), "s", 1.0),
    ]


def _moving(store: Store, session: str) -> list[Figure]:
    with Debugger.open(session, store=store) as debugger:
        debugger.go_to("9000+60")
        reverse = sorted(_seconds(debugger.step_back_over, 1) for _ in range(100))
        reverse_p50, reverse_p95 = reverse[50] * 1000, reverse[95] * 1000
        places = ("4000+9", "8000+70", "2000", "9500+50", "6000+1")
        warm = sorted(_seconds(lambda p=place: debugger.go_to(p), 1) for place in places)[2]  # type: ignore[misc]

        def panes() -> None:
            debugger.stack()
            debugger.variables()
            debugger.globals()
            debugger.coroutines()
            debugger.event()

        looked = _seconds(panes, 20) * 1000
        debugger.go_to("9000+60")
        change = _seconds(lambda: debugger.last_change("total"))
        memory = debugger.checkpoint_bytes / 1e6
        debugger.go_to("1100+1")
        # They have never changed since: a hundred thousand lines are looked through.
        never = _seconds(lambda: debugger.last_change("nothing"), 1) / 1.1
        local = _seconds(lambda: debugger.last_change("unchanged"), 1) / 1.1
        debugger.go_to("9000+60")
        values = _seconds(lambda: debugger.values("t", limit=10000), 1) / 10
        counts = _seconds(lambda: debugger.hit_counts(), 1) / 10
    return [
        Figure("debugger: one move back, median", reverse_p50, "ms", 16.0),
        Figure("debugger: one move back, 95th of 100", reverse_p95, "ms", 100.0),
        Figure("debugger: go to any position, warm", warm, "s", 0.2),
        Figure("debugger: stacks, variables, globals and event of a stop", looked, "ms", 10.0),
        Figure("debugger: last change, a moment ago", change, "s", 0.5),
        Figure("debugger: last change of a global, per 100,000 lines", never, "s", 0.5),
        Figure("debugger: last change of a local, per 100,000 lines", local, "s", 0.5),
        Figure("debugger: all values of a local, per 100,000 lines", values, "s", 1.0),
        Figure("debugger: how often lines run, per 100,000 lines", counts, "s", 0.2),
        Figure("debugger: memory of the checkpoints", memory, "MB", 256.0),
    ]


_HOT = """\
local function elsewhere(x)
  return x + 1
end
local function hot(n)
  local total, list = 0, {}
  for i = 1, n do
    total = total + i % 7
    if total < 0 then
      total = elsewhere(total)
    end
    list[i % 10 + 1] = total
    if i % 16 == 0 then
      total = total // 2
    end
  end
  return total
end
"""
_LOOPS = "for _ = 1, 20000 do hot(500) end\n"
_PLACES = {
    "none set": (None, 1.05),
    "set elsewhere": (2, 3.0),
    "set in the hot function": (9, 25.0),
}


def _passing(folder: Path, store: Store) -> list[Figure]:
    """Go past breakpoints that are never hit, and compare with Lua without us.

    Where none is set the floor is the same loop as a session that nobody debugs: what a worker
    takes more than bare Lua is none of the debugger's.
    """
    script, alone = folder / "hot.lua", folder / "alone.lua"
    script.write_text(f"{_HOT}os.time()\n{_LOOPS}os.time()\nprint('done')\n")
    alone.write_text(f"{_HOT}local begun = os.clock()\n{_LOOPS}print(os.clock() - begun)\n")
    session = respell.run(script, store=store).session.id
    native = lupa.lua54.LuaRuntime().eval("function(code) return load(code) end")(_HOT + _LOOPS)

    def undebugged() -> float:
        ran = respell.run(alone, store=store).session
        return next(float(one.args["text"]) for one in respell.events(ran, store=store)
                    if one.name == "output.line")  # fmt: skip

    found = []
    with Debugger.open(session, store=store, keep_breakpoints=False) as debugger:
        for name, (line, bar) in _PLACES.items():
            point = debugger.breakpoints.add_line("hot.lua", line) if line else None
            rounds = [
                (_past(debugger), _seconds(native), undebugged() if line is None else 0.0)
                for _ in range(2 if bar > 5 else 5)
            ]
            value, bare, session_s = (min(one[i] for one in rounds) for i in (0, 1, 2))
            title = f"debugger: a breakpoint that is not hit, {name}"
            if line is None:
                note = f"{value / bare:.2f} times bare lupa, {session_s / bare:.2f} undebugged"
                undebugged_name = "the same loop as a session that nobody debugs"
                found.append(Figure(title, value, "s", bar, session_s, undebugged_name, note))
            else:
                found.append(Figure(title, value, "s", bar, bare, "the same loop in bare lupa"))
            if point is not None:
                debugger.breakpoints.remove(point.id)
    return found


def _past(debugger: Debugger) -> float:
    """Return the time from the event before the loop to the end."""
    debugger.go_to(2)
    return _seconds(debugger.continue_, 1)


def _living(folder: Path, store: Store) -> list[Figure]:
    """Measure what looking costs a session that runs, and how long a step of a held one takes."""
    script = folder / "live.lua"
    script.write_text("for i = 1, 4000 do State.set('i', i) end print('over')\n")

    def ran(looks: bool) -> float:
        with Debugger.launch(script, store=store) as debugger:
            live = debugger.live
            assert live is not None
            assert live.host is not None
            ended = select.poll()
            with open(os.pidfd_open(live.host.pid)) as process:
                ended.register(process, select.POLLIN)
                live.step()
                live.go_on()
                while not ended.poll(500):
                    if looks:
                        live.refresh()
                        debugger.end()
                        if debugger.stack():  # else it has just ended
                            debugger.variables()
            return float(store.sessions.get(debugger.session.key).usage["active_s"])

    rounds = [(ran(False), ran(True)) for _ in range(3)]
    alone, looked_at = (sorted(one[i] for one in rounds)[1] for i in (0, 1))
    with Debugger.launch(script, store=store) as debugger:
        live = debugger.live
        assert live is not None
        event = _seconds(debugger.next_event, 50) * 1000
        step = _seconds(live.step, 50) * 1000
    note = "twice a second: what there is by now is executed again, on another core"
    return [
        Figure("debugger: a session that runs, looked at", looked_at, "s", 1.25, alone,
               "the same one alone", note),
        Figure("debugger: let one event of a held session through", step, "ms", 25.0),
        Figure("debugger: go to the next event of a held session", event, "ms", 50.0),
    ]  # fmt: skip


def _seconds(action: Callable[[], object], times: int = 3) -> float:
    """Return the median time of a call."""
    samples = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        samples.append(time.perf_counter() - started)
    return sorted(samples)[times // 2]
