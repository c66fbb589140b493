"""What hooks cost: a chain around effects, in Lua or Python, beside the same effects without.

Of a hook in Python about 1.2 µs are its call (a context, its breaker, its figures), 1.5 µs its
record (packed, and hashed into the chain), and 1 to 2 µs the record's row in SQLite. The rest is
its share of what the first hook brings along: some 15 µs an effect, a fifth of that each here. Part
of those is to find out first whether the effect is refused anyway.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import respell
from benchmarks.measure import Figure
from respell.engine import run
from respell.engine.program import Program
from respell.hooks import HookContext, HookRegistry
from respell.store import Store

EFFECTS = 10_000
CHAIN = 5
ROUNDS = 5
BAR_US = 15.0
PYTHON_BAR_US = 11.0

_SCRIPT = """
Tool.register('nothing', {{}}, function() return 1 end)
for i = 1, {hooks} do
  Hook.register('BeforeToolExecution', function(call) return nil end, {{name = 'hook ' .. i}})
end
for i = 1, {effects} do Tool.invoke('nothing', {{n = i}}) end
"""


def chain_us(folder: Path, hooks: int, effects: int = EFFECTS) -> float:
    """Return how long a script with so many hooks around each effect takes, per effect."""
    script = folder / "hooks.lua"
    script.write_text(_SCRIPT.format(hooks=hooks, effects=effects))
    with Store(folder / f"store-{hooks}-{time.monotonic_ns()}", durability="process") as store:
        begun = time.perf_counter()
        done = respell.run(script, store=store)
        took = time.perf_counter() - begun
    if done.session.status != "completed":
        raise RuntimeError(f"the script of the benchmark {done.session.status}")
    return took / effects * 1e6


def figures(folder: Path) -> list[Figure]:
    """Measure chains of hooks of both languages."""
    return [*_in_lua(folder), *_in_python(folder)]


def _in_lua(folder: Path) -> list[Figure]:
    """Measure a chain of hooks over many effects, in turns with the effects alone."""
    without, chained = [], []
    for _ in range(ROUNDS):
        without.append(chain_us(folder, 0))
        chained.append(chain_us(folder, CHAIN))
    return [
        _figure(
            f"a Lua hook in a chain of {CHAIN}, {EFFECTS:,} effects, recorded",
            without, chained, BAR_US,
        )
    ]  # fmt: skip


def _figure(name: str, without: list[float], chained: list[float], bar: float) -> Figure:
    """Return what one hook costs: rounds are compared with themselves, as the machine's load is."""
    more = [one - other for one, other in zip(chained, without, strict=True)]
    return Figure(
        name, statistics.median(more) / CHAIN, "µs", bar,
        note=f"{statistics.median(chained):.0f} µs per effect with the chain, "
        f"{statistics.median(without):.0f} µs without; in {len(more)} rounds "
        f"{min(more) / CHAIN:.1f} to {max(more) / CHAIN:.1f} µs a hook",
    )  # fmt: skip


def python_us(folder: Path, hooks: HookRegistry) -> float:
    """Return how long reading the state takes, per effect, from the worker being ready."""
    script = folder / "python-hooks.lua"
    script.write_text(f'for i = 1, {EFFECTS} do State.get("key") end')
    path = folder / f"store-python-{time.monotonic_ns()}"
    with Store(path, durability="process") as store:
        begun = run.start(store, Program.from_file(script), script=str(script), hooks=hooks)
        started = time.perf_counter()
        done = begun.go()
        took = time.perf_counter() - started
    if done.session.status != "completed":
        raise RuntimeError(f"the script of the benchmark {done.session.status}")
    return took / EFFECTS * 1e6


def _nothing(context: HookContext) -> None:
    return None


def _in_python(folder: Path) -> list[Figure]:
    """Measure the same of Python: hooks without a thread of their own, and with one."""
    found: dict[str, list[float]] = {"without": [], "registered as quick": [], "in a thread": []}
    for _ in range(ROUNDS):
        for name, times in found.items():
            hooks = HookRegistry()
            for number in range(0 if name == "without" else CHAIN):
                hooks.register(
                    "BeforeStateRead", _nothing, name=f"hook {number}",
                    quick=name == "registered as quick",
                )  # fmt: skip
            times.append(python_us(folder, hooks))
    without = found.pop("without")
    return [
        _figure(
            f"a Python hook {name} in a chain of {CHAIN}, {EFFECTS:,} effects, recorded",
            without, times, PYTHON_BAR_US,
        )
        for name, times in found.items()
    ]  # fmt: skip
