"""The engine: records, effects, replay, start-up and memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import respell
from benchmarks.measure import Figure, best_s, median_us
from respell import values
from respell.engine import run
from respell.engine.channel import Channel
from respell.engine.program import Program
from respell.engine.replay import replay
from respell.engine.run import RunResult
from respell.history.record import Part, Record, Status
from respell.sessions.record import SessionRecord
from respell.store import Store

_EFFECTS = 10_000


def figures(folder: Path) -> list[Figure]:
    """Measure everything that goes through host and worker."""
    return [
        *_records(folder),
        *_external(folder),
        *_replays(folder),
        *_starting(),
        *_memory(folder),
        *_million(folder),
    ]


def _run(folder: Path, text: str, *, durability: str = "process") -> tuple[Store, RunResult, float]:
    """Run a script and return how long it took from the worker being ready."""
    script = folder / "bench.lua"
    script.write_text(f"local file = io.open('{folder}/bench.out', 'w') {text}")
    store = Store(folder / f"store-{durability}", durability=durability)  # type: ignore[arg-type]
    program = Program.from_file(script, allow=(f"write={folder}",))
    begun = run.start(store, program, script=str(script))
    started = time.perf_counter()
    result = begun.go()
    took = time.perf_counter() - started
    assert result.exit_code == 0, result.ended
    return store, result, took


def _per_effect_us(folder: Path, body: str, count: int, durability: str = "process") -> float:
    """Return microseconds per round of a loop: two lengths, so that start-up cancels out."""
    _, _, short = _run(folder, f"for i = 1, {count // 10} do {body} end", durability=durability)
    _, _, long = _run(folder, f"for i = 1, {count} do {body} end", durability=durability)
    return (long - short) / (count - count // 10) * 1e6


def _records(folder: Path) -> list[Figure]:
    figures = []
    for name, body in (
        ("clock", "os.time()"),
        ("print of 20 bytes", "print('01234567890123456789')"),
    ):
        value = sorted(_per_effect_us(folder, body, 50_000) for _ in range(3))[1]
        figures.append(
            Figure(
                f"one record that needs no answer: {name}",
                value,
                "us",
                11.0,
                note="seed's hook overhead: 11 us, one sample; the host's and the worker's work "
                "overlap, so this is the slower of the two",
            )
        )
    return figures


def _external(folder: Path) -> list[Figure]:
    @respell.tool(name="bench_noop")
    def bench_noop() -> int:
        """Do nothing, outside."""
        return 1

    # A write that is flushed is the smallest effect there is that the world can see.
    write = "file:write('x') file:flush()"
    tool = "Tool.invoke('bench_noop', {})"
    floor, trip, commit = _append_us(folder), _round_trip_us(), _commit_us(folder)
    figures = []
    for name, body, costs in (
        ("a file write", write, "the file is opened, written, closed, and synced with full"),
        ("a Python tool", tool, "two more wake-ups: a thread performs it; schema and result"),
    ):
        process, full = (
            sorted(_per_effect_us(folder, body, 2_000, durability) for _ in range(3))[1]
            for durability in ("process", "full")
        )
        note = (
            f"in this run: waking two sleeping processes {trip:.0f} us, a commit of one row "
            f"{commit:.0f} us; besides, {costs}"
        )
        figures += [
            Figure(
                f"external effect ({name}), durability process", process, "us", 200.0, note=note
            ),
            Figure(
                f"external effect ({name}), durability full", full, "us", 2.6, floor,
                "append of 200 bytes + fdatasync",
                "an outcome shares its commit with the next intent, if that comes within 2 ms",
            ),
        ]  # fmt: skip
    return figures


def _round_trip_us() -> float:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        while data := theirs.recv(64):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()

    def trip() -> None:
        ours.sendall(b"x")
        ours.recv(64)

    try:
        return median_us(trip, count=2_000)
    finally:
        ours.close()
        os.waitpid(child, 0)


def _commit_us(folder: Path) -> float:
    with Store(folder / "commits", durability="process") as store:
        turns = iter(range(10_000))
        return median_us(
            lambda: store.state.set("global", "key", str(next(turns)).encode()), count=1_000
        )


def _append_us(folder: Path) -> float:
    fd = os.open(folder / "floor.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    data = b"x" * 200

    def append() -> None:
        os.write(fd, data)
        os.fdatasync(fd)

    try:
        return median_us(append, count=500)
    finally:
        os.close(fd)


def _replays(folder: Path) -> list[Figure]:
    figures = []
    for name, body, bar in (
        ("scalar arguments", "State.get('key')", 3.0),
        (
            "a table of five keys",
            "State.set('key', {a = 1, b = 'two', c = 3.5, d = true, e = 'five'})",
            15.0,
        ),
    ):
        store, short, _ = _run(folder, f"for i = 1, {_EFFECTS} do {body} end")
        _, long, _ = _run(folder, f"for i = 1, {4 * _EFFECTS} do {body} end")
        took = [
            best_s(lambda session=one.session, db=store: replay(db, session))
            for one in (short, long)
        ]
        figures.append(
            Figure(
                f"replay of one effect with {name}",
                (took[1] - took[0]) / (3 * _EFFECTS) * 1e6,
                "us",
                bar,
                note="reading the history, re-execution and comparison",
            )
        )
    store, done = _suspended(folder)
    begun = time.perf_counter()
    run.resume(store, done.session).go()
    figures.append(
        Figure(
            "10,000 effects resumed to the end, worker's start included",
            time.perf_counter() - begun,
            "s",
            0.4,
        )
    )
    return figures


def _suspended(folder: Path) -> tuple[Store, RunResult]:
    script = folder / "suspend.lua"
    script.write_text(f"for i = 1, {_EFFECTS} do State.get('key') end Session.suspend() print(1)")
    store = Store(folder / "store-process", durability="process")
    return store, run.start(store, Program.from_file(script), script=str(script)).go()


def _starting() -> list[Figure]:
    def worker() -> None:
        channel = Channel(memory_bytes=None, read_blob=lambda *_: b"")
        channel.wait_ready()
        channel.close()

    def show_help() -> None:
        subprocess.run(
            [sys.executable, "-m", "respell_tui", "--help"], stdout=subprocess.DEVNULL, check=True
        )

    return [
        Figure("worker ready", best_s(worker, count=15) * 1000, "ms", 60.0),
        Figure("respell --help", best_s(show_help, count=9), "s", 0.15),
    ]


def _private_kib(pid: int) -> int:
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1])
    return total


_HOLD = "local t = {} for i = 1, 100 do t[i] = string.rep(string.char(i), 1024 * 1024) end "


def _memory(folder: Path) -> list[Figure]:
    bare = subprocess.Popen(
        [
            sys.executable, "-I", "-c",
            "import lupa.lua54 as l, sys; r = l.LuaRuntime(); "
            f"r.execute('''{_HOLD} held = t'''); print('ready', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert bare.stdout is not None
    bare.stdout.readline()
    floor = _private_kib(bare.pid)
    bare.communicate()
    held: list[int] = []
    script = folder / "hold.lua"
    script.write_text(_HOLD + "print('ready') Utils.sleep(0.5) print(#t)")
    store = Store(folder / "store-process", durability="process")
    begun: run.Run

    def measure(name: str, text: bytes) -> None:
        if text == b"ready":
            held.append(_private_kib(begun.worker_pid))

    begun = run.start(store, Program.from_file(script), script=str(script), on_output=measure)
    begun.go()
    return [
        Figure(
            "private memory of a worker that holds 100 MB", held[0] / 1024, "MB", 1.1,
            floor / 1024, "a bare lupa process that holds the same",
        )
    ]  # fmt: skip


def _million(folder: Path) -> list[Figure]:
    """Look at a session of 1,000,000 events, beyond what any command takes to start."""
    path = folder / "million"
    count = 1_000_000
    with Store(path, durability="process") as store:
        session = store.sessions.insert(SessionRecord(name="million", script="million.lua"))
        lease = store.leases.acquire(session.key)
        writer = store.history.writer(session.key, lease)
        args, outcome = values.encode({}), values.encode(1_800_000_000)
        for first in range(1, count + 1, 10_000):
            writer.append(
                [
                    Record(
                        Part.EFFECT, number, number, 0, Status.OK, "clock.time", "million.lua", 1,
                        args=args, outcome=outcome,
                    )
                    for number in range(first, first + 10_000)
                ]
            )  # fmt: skip
        store.leases.release(session.key, lease)

    def command(*words: str) -> float:
        call = [sys.executable, "-m", "respell_tui", *words]
        return best_s(lambda: subprocess.run(call, stdout=subprocess.DEVNULL, check=True), count=7)

    start = command("--version")
    shown = command("show", "--store", str(path), "@last")
    last = command("events", "--store", str(path), "@last", "--from", str(count - 49))
    return [
        Figure("respell show of 1,000,000 events, beyond process start", shown - start, "s", 0.2),
        Figure("its last 50 events, beyond process start", last - start, "s", 0.2),
    ]
