"""What hooks written in Lua cost: a chain around effects, beside the same effects without."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import respell
from benchmarks.measure import Figure
from respell.store import Store

EFFECTS = 10_000
CHAIN = 5
BAR_US = 15.0

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
    """Measure a chain of hooks over many effects, in turns with the effects alone."""
    without, chained = [], []
    for _ in range(3):
        without.append(chain_us(folder, 0))
        chained.append(chain_us(folder, CHAIN))
    floor, value = statistics.median(without), statistics.median(chained)
    return [
        Figure(
            f"a Lua hook in a chain of {CHAIN}, {EFFECTS:,} effects, recorded",
            (value - floor) / CHAIN, "µs", BAR_US,
            note=f"{value:.0f} µs per effect with the chain, {floor:.0f} µs without",
        )
    ]  # fmt: skip
