"""How a figure is taken and shown."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside its floor.

    Attributes:
        name: What was measured.
        value: The median.
        unit: Its unit.
        floor: The floor's median in the same unit; None where the bar is absolute.
        floor_name: What the floor is.
        bar: What the ratio to the floor (or the value, without a floor) should not exceed.
        note: What a reader should know about it.
    """

    name: str
    value: float
    unit: str
    bar: float
    floor: float | None = None
    floor_name: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure in floors."""
        return self.value / self.floor if self.floor else None

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return (self.ratio if self.ratio is not None else self.value) <= self.bar


def median_us(action: Callable[[], object], *, count: int, warm_up: int = 20) -> float:
    """Return the median time of one call, in microseconds."""
    for _ in range(warm_up):
        action()
    samples = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        action()
        samples.append(time.perf_counter_ns() - begun)
    return statistics.median(samples) / 1000


def interleaved_us(
    first: Callable[[], object], second: Callable[[], object], *, count: int, rounds: int = 5
) -> tuple[float, float]:
    """Return both medians, measured in turns so that a noisy disk hits both alike."""
    ones, others = [], []
    for _ in range(rounds):
        ones.append(median_us(first, count=count // rounds))
        others.append(median_us(second, count=count // rounds))
    return statistics.median(ones), statistics.median(others)


def best_s(action: Callable[[], object], *, count: int = 5) -> float:
    """Return the median of a few whole runs, in seconds."""
    samples = []
    for _ in range(count):
        begun = time.perf_counter()
        action()
        samples.append(time.perf_counter() - begun)
    return statistics.median(samples)


def show(figures: list[Figure]) -> None:
    """Print the table."""
    print(f"{'figure':<58} {'value':>12} {'floor':>12} {'ratio':>7} {'bar':>8}")
    for one in figures:
        floor = f"{one.floor:.2f}" if one.floor is not None else ""
        ratio = f"{one.ratio:.2f}x" if one.ratio is not None else ""
        bar = f"{one.bar:g}{'x' if one.floor is not None else ' ' + one.unit}"
        mark = "" if one.met else "  ABOVE THE BAR"
        print(
            f"{one.name:<58} {one.value:>9.2f} {one.unit:<2} {floor:>12} {ratio:>7} {bar:>8}{mark}"
        )
        if one.floor_name:
            print(f"    floor: {one.floor_name}")
        if one.note:
            print(f"    {one.note}")


def save(figures: list[Figure], path: Path) -> None:
    """Write the figures as JSON."""
    data = [{**asdict(one), "ratio": one.ratio, "met": one.met} for one in figures]
    path.write_text(json.dumps(data, indent=2) + "\n")
