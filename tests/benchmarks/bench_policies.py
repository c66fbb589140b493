"""Policies and middleware: what they add to an effect that the world can see."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import respell
from benchmarks.measure import Figure, median_us
from respell.engine import run
from respell.engine.program import Program
from respell.hooks import HookRegistry
from respell.policies import Policies, PolicyContext
from respell.policies.meter import Meter
from respell.store import Store

_EFFECTS, _ROUNDS = 1_000, 7
_LIMITS = {
    "operations": 10**9, "tokens": 10**9, "cost_usd": 1e9, "artifacts": 10**9,
    "history_bytes": 10**12, "max_duration": 1e9, "max_idle_time": 1e9, "idle_grace": 1e9,
    "rate": "900000000/min burst 900000000", "rate.tool.invoke": "900000000/min burst 900000000",
}  # fmt: skip


def figures(folder: Path) -> list[Figure]:
    """Measure effects with and without policies, in turns, so that the disk's noise hits all."""
    own = Policies([_watch])
    registry = HookRegistry()
    respell.middleware("bench", [_member], around="tool.invoke", registry=registry)
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "every limit and two rates": {"limits": _LIMITS},
        "a policy of one's own besides": {"limits": _LIMITS, "policies": own},
        "middleware of one member besides": {
            "limits": _LIMITS, "policies": own, "hooks": registry,
        },
    }  # fmt: skip
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(_ROUNDS):
        for name, options in ways.items():
            taken[name].append(_per_effect_us(folder / f"{round_}-{len(taken[name])}", options))
    plain = statistics.median(taken.pop("plain"))
    found = [
        Figure(
            f"external effect (a Python tool) with {name}",
            statistics.median(values), "us", 1.1, plain, "the same without any, in turns",
        )
        for name, values in taken.items()
    ]  # fmt: skip
    return [*found, *_deciding()]


def _watch(context: PolicyContext) -> None:
    """Allow everything."""


def _member(context: Any) -> None:
    """Let everything go on."""


def _per_effect_us(folder: Path, options: dict[str, Any]) -> float:
    @respell.tool(name="bench_policed")
    def bench_policed() -> int:
        """Do nothing, outside."""
        return 1

    folder.mkdir(exist_ok=True)
    script = folder / "bench.lua"
    script.write_text(f"for i = 1, {_EFFECTS} do Tool.invoke('bench_policed', {{}}) end")
    with Store(folder / "store", durability="full") as store:
        begun = run.start(store, Program.from_file(script), script=str(script), **options)
        started = time.perf_counter()
        result = begun.go()
        took = time.perf_counter() - started
    assert result.exit_code == 0, result.ended
    return took / _EFFECTS * 1e6


def _deciding() -> list[Figure]:
    meter, limits = Meter({}, time.monotonic()), {**_LIMITS}

    def look() -> None:
        meter.over("agent.request", limits)

    def notices() -> None:
        list(meter.notices(limits, time.monotonic(), 0, 0))

    return [
        _figure("asking the limits before an effect", look),
        _figure("looking for alerts", notices),
    ]


def _figure(name: str, action: Callable[[], object]) -> Figure:
    return Figure(name, median_us(action, count=5_000), "us", 20.0)
