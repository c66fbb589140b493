"""Policies and middleware: what they add to an effect that the world can see.

Such an effect has its intent on the disk (`durability="full"`: a sync) before it is performed, and
its outcome after. A request over loopback HTTP is the least that such an effect can be: of that a
tenth may be added. A Python tool in the host's own process that does nothing is nothing outside at
all; it shows how much that is.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

_ROUNDS = 11
_BAR_US = 200.0
_LIMITS = {
    "operations": 10**9, "tokens": 10**9, "cost_usd": 1e9, "artifacts": 10**9,
    "history_bytes": 10**12, "max_duration": 1e9, "max_idle_time": 1e9, "idle_grace": 1e9,
    "rate": "900000000/min burst 900000000", "rate.tool.invoke": "900000000/min burst 900000000",
}  # fmt: skip

_SERVER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        client, _ = server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            while client.recv(65536):
                client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""


def figures(folder: Path) -> list[Figure]:
    """Measure both effects with and without policies, in turns, so that noise hits all alike."""

    @respell.tool(name="bench_policed")
    def bench_policed() -> int:
        """Do nothing."""
        return 1

    with _server() as url:
        request = f"Tool.invoke('http_request', {{url = '{url}'}})"
        return [
            *_share(_around(folder, request, 200)),
            *_added(_around(folder, "Tool.invoke('bench_policed', {})", 400)),
            *_deciding(),
        ]


@contextmanager
def _server() -> Iterator[str]:
    """Answer requests in a process of its own; give its address."""
    command = [sys.executable, "-I", "-c", _SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.kill()


@dataclass(frozen=True, slots=True)
class _Took:
    """Medians of one way, in microseconds an effect; and the rounds' ratios to none."""

    name: str
    plain: float
    added: float
    ratios: list[float]


def _around(folder: Path, call: str, effects: int) -> list[_Took]:
    own, registry = Policies([_watch]), HookRegistry()
    middleware = respell.middleware("bench", [_member], around="tool.invoke", registry=registry)
    ways: dict[str, dict[str, Any]] = {
        "every limit and two rates": {"limits": _LIMITS},
        "those and a policy of one's own": {"limits": _LIMITS, "policies": own},
        "middleware of one member": {"hooks": registry},
        "all of that": {"limits": _LIMITS, "policies": own, "hooks": registry},
    }
    plain: list[float] = []
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        plain.append(_per_effect_us(folder, call, effects, {}))
        for name, options in ways.items():
            took[name].append(_per_effect_us(folder, call, effects, options))
    middleware.unregister()
    return [
        _Took(
            name, statistics.median(plain),
            statistics.median(one - none for one, none in zip(values, plain, strict=True)),
            sorted(one / none for one, none in zip(values, plain, strict=True)),
        )
        for name, values in took.items()
    ]  # fmt: skip


def _share(ways: list[_Took]) -> list[Figure]:
    return [
        Figure(
            f"external effect (a request over loopback HTTP) with {way.name}",
            way.plain * statistics.median(way.ratios), "us", 1.1, way.plain,
            "the same without any, in turns",
            f"ratios of {_ROUNDS} rounds from {way.ratios[0]:.2f} to {way.ratios[-1]:.2f}",
        )
        for way in ways
    ]  # fmt: skip


def _added(ways: list[_Took]) -> list[Figure]:
    return [
        Figure(
            f"what it adds to a Python tool in process: {way.name}", way.added, "us", _BAR_US,
            note=f"alone that takes {way.plain:.0f} us",
        )
        for way in ways
    ]  # fmt: skip


def _watch(context: PolicyContext) -> None:
    """Allow everything."""


def _member(context: Any) -> None:
    """Let everything go on."""


def _per_effect_us(folder: Path, call: str, effects: int, options: dict[str, Any]) -> float:
    script = folder / "policed.lua"
    script.write_text(f"for i = 1, {effects} do {call} end")
    path = folder / f"policed-{time.monotonic_ns()}"
    with Store(path, durability="full") as store:
        begun = run.start(store, Program.from_file(script), script=str(script), **options)
        started = time.perf_counter()
        result = begun.go()
        took = time.perf_counter() - started
    assert result.exit_code == 0, result.ended
    return took / effects * 1e6


def _deciding() -> list[Figure]:
    meter, limits = Meter({}, time.monotonic()), {**_LIMITS}

    def look() -> None:
        meter.over("agent.request", limits)

    def notices() -> None:
        meter.notices(limits, time.monotonic(), 0, 0)

    return [
        _figure("asking the limits before an effect", look),
        _figure("looking for alerts", notices),
    ]


def _figure(name: str, action: Callable[[], object]) -> Figure:
    return Figure(name, median_us(action, count=5_000), "us", 20.0)
