"""Computations over hostile input: limits, crashes, isolation, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from respell.errors import EffectFailed, UsageError
from respell.tools import confinement

TESTS = Path(__file__).parents[1]
MIB = 1 << 20


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No child of one test works for another."""
    confinement.close()
    yield
    confinement.close()


def compute(function: str, payload: Any = None, **options: Any) -> Any:
    options.setdefault("cancel", threading.Event())
    return confinement.call(f"computations:{function}", payload, **options)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    "value",
    [None, True, 7, -(2**63), 1.5, "héllo", b"\x00\xff", [1, [2]], {"a": None, 1: "b"}, "\ud800"],
)
def test_values_go_in_and_come_out(value: Any) -> None:
    assert compute("echo", value) == value


def test_a_process_is_used_again_and_again() -> None:
    assert [compute("count") for _ in range(3)] == [1, 2, 3]


def test_a_refusal_is_a_usage_error_and_the_process_goes_on() -> None:
    pid = compute("pid")
    for function, error in (("refuse", UsageError), ("fail", EffectFailed)):
        with pytest.raises(error, match="not like this"):
            compute(function, "not like this")
    with pytest.raises(EffectFailed, match="nests too deep"):
        compute("nest", 0)
    assert compute("pid") == pid


def test_what_never_ends_is_stopped_by_the_clock() -> None:
    began = time.monotonic()
    with pytest.raises(EffectFailed, match=r"longer than the 0\.3 seconds"):
        compute("loop", timeout_s=0.3)
    assert time.monotonic() - began < 5
    assert compute("echo", "the next one works") == "the next one works"


def test_a_regular_expression_that_explodes_is_stopped() -> None:
    bomb = {"pattern": "(a+)+$", "text": "a" * 40 + "b"}
    with pytest.raises(EffectFailed, match="longer than"):
        compute("regex", bomb, timeout_s=0.3)
    assert compute("regex", {"pattern": "a+", "text": "caat"}) is True


def test_what_eats_memory_is_stopped_and_the_limit_named() -> None:
    with pytest.raises(EffectFailed, match="more than the 32 MiB of memory"):
        compute("eat", 64 * MIB, memory_bytes=32 * MIB)
    assert compute("eat", 8 * MIB, memory_bytes=32 * MIB) == 8 * MIB


def test_a_process_that_has_kept_memory_is_replaced() -> None:
    first = compute("keep", 16 * MIB, memory_bytes=64 * MIB)
    assert compute("keep", MIB, memory_bytes=64 * MIB) != first


def test_a_crash_is_an_error_and_nothing_else() -> None:
    with pytest.raises(EffectFailed, match="crashed"):
        compute("crash")
    assert compute("echo", 1) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"\x05\x00\x00\x00\x00\xc1\xc1\xc1\xc1",
        b"\x01\x00\x00\x00\x09",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x02\x00",
    ],
)
def test_a_process_that_was_taken_over_can_only_make_its_call_fail(answer: bytes) -> None:
    with pytest.raises(EffectFailed):
        compute("misbehave", answer)
    assert compute("echo", 1) == 1


def test_a_result_and_an_input_that_are_too_large_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(confinement, "MAX_VALUE_BYTES", 1000)
    with pytest.raises(UsageError, match="the input is larger"):
        compute("echo", "x" * 2000)
    with pytest.raises(EffectFailed, match="its result is larger"):
        compute("large", 2000)


def test_what_is_no_plain_data_is_refused() -> None:
    with pytest.raises(UsageError, match="can't be passed"):
        compute("echo", object())
    with pytest.raises(UsageError, match="can't be passed"):
        compute("echo", 2**70)


def test_a_call_can_be_cancelled() -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(EffectFailed, match="cancelled"):
        compute("loop", cancel=cancel, timeout_s=60)


def test_there_is_nothing_to_be_found_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    assert set(compute("environment")) <= {"TZ", "LC_CTYPE"}
    if not {"landlock", "seccomp"} <= set(confinement.layers()):
        pytest.skip("this system has neither Landlock nor seccomp")
    for attempt in ("read", "write", "list", "socket", "fork", "exec", "kill"):
        assert compute("escape", attempt) in ("PermissionError", "OSError"), attempt
    assert not Path("/tmp/respell-escaped").exists()


def test_many_calls_at_once_share_a_few_processes() -> None:
    found: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: (compute("sleep", 0.05), found.append(compute("pid"))),
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) <= 2 * confinement.MAX_CHILDREN


def test_a_call_that_gets_no_turn_in_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "MAX_CHILDREN", 1)
    cancel = threading.Event()
    busy = threading.Thread(target=loop_until, args=[cancel])
    busy.start()
    try:
        wait_until(lambda: confinement._pool._children == 1)
        with pytest.raises(EffectFailed, match="longer than"):
            compute("echo", 1, timeout_s=0.2)
    finally:
        cancel.set()
        busy.join()


def loop_until(cancel: threading.Event) -> None:
    with contextlib.suppress(EffectFailed):
        compute("loop", cancel=cancel, timeout_s=60)


def test_the_thread_that_called_first_may_end() -> None:
    pids: list[int] = []
    thread = threading.Thread(target=lambda: pids.append(compute("pid")))
    thread.start()
    thread.join()
    time.sleep(0.05)
    assert compute("pid") == pids[0]


def test_a_process_that_died_meanwhile_is_replaced() -> None:
    pid = compute("pid")
    os.kill(pid, signal.SIGKILL)
    assert compute("pid") != pid


def test_a_process_that_ends_just_as_it_is_asked_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = compute("pid")
    (child,) = confinement._pool._idle
    monkeypatch.setattr(child._process, "poll", lambda: None)  # not noticed yet
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_running(first))
    assert compute("pid") != first


def test_a_process_that_has_nothing_to_do_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    pid = compute("end_soon")
    wait_until(lambda: not is_running(pid))
    assert compute("pid") != pid


def test_a_fork_of_the_host_has_processes_of_its_own() -> None:
    first = compute("pid")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(compute("pid")).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    other = int(os.read(read, 20))
    os.close(read)
    os.close(write)
    assert other != first
    assert compute("pid") == first


HOST = """
import threading, sys
sys.path.insert(0, {tests!r})
from respell.tools import confinement
never = threading.Event()
def busy():
    confinement.call("computations:loop", None, cancel=never)
threading.Thread(target=busy, daemon=True).start()
while not confinement._pool._children:
    pass
print(confinement.call("computations:pid", None, cancel=never), flush=True)
{then}
"""


def host(then: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HOST.format(tests=str(TESTS), then=then)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def children_of(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
    return found


def test_no_process_outlives_a_host_that_is_killed() -> None:
    process, idle = host("import time; time.sleep(60)")
    wait_until(lambda: len(children_of(process.pid)) == 2)
    children = children_of(process.pid)
    assert idle in children
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(child) for child in children))


def test_a_host_that_ends_leaves_neither_processes_nor_warnings() -> None:
    process, idle = host("")
    _, errors = process.communicate(timeout=20)
    assert errors == ""
    assert process.returncode == 0
    wait_until(lambda: not is_running(idle))
