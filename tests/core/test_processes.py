"""Programs that scripts run: their limits, and that nothing of them is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from respell.errors import EffectFailed, UsageError
from respell.processes import Finished, Limits, run

USUAL = Limits(20, 1 << 20)
PATH = {"PATH": os.defpath}


def shell(
    command: str,
    folder: Path,
    *,
    limits: Limits = USUAL,
    feed: bytes = b"",
    cancel: threading.Event | None = None,
) -> Finished:
    return run(
        ["/bin/sh", "-c", command],
        cwd=str(folder),
        env=PATH,
        limits=limits,
        cancel=cancel or threading.Event(),
        feed=feed,
    )


def is_gone(pid: int) -> bool:
    """Wait until a process is dead."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def test_status_and_both_streams(tmp_path: Path) -> None:
    found = shell("cat; echo oops >&2; exit 3", tmp_path, feed=b"x" * 300_000)
    assert found == Finished(3, b"x" * 300_000, b"oops\n", False, False, False)
    assert shell("kill -9 $$", tmp_path).status == -signal.SIGKILL


def test_the_environment_is_what_is_given_and_nothing_else(tmp_path: Path) -> None:
    found = run(
        ["/usr/bin/env"], cwd=str(tmp_path), env={"A": "b=c\n"}, limits=USUAL,
        cancel=threading.Event(),
    )  # fmt: skip
    assert found.output == b"A=b=c\n\n"


@pytest.mark.parametrize(
    ("words", "number"),
    [(["/no/such/program"], 2), (["/etc/passwd"], 13), (["echo"], 2), (["/bin/echo"] * 900_000, 7)],
)
def test_what_can_not_be_started_says_why(tmp_path: Path, words: list[str], number: int) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        run(words, cwd=str(tmp_path), env=PATH, limits=USUAL, cancel=threading.Event())
    assert caught.value.errno == number


def test_a_word_with_a_nul_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NUL byte"):
        shell("a\0b", tmp_path)


@pytest.mark.parametrize("detached", ["sleep 600", "setsid sleep 600", "setsid setsid sleep 600"])
def test_nothing_is_left_behind_however_it_detaches_itself(tmp_path: Path, detached: str) -> None:
    found = shell(f"({detached}) & echo $!; {detached} & echo $!; sleep 0.2", tmp_path)
    assert found.status == 0
    assert all(is_gone(int(pid)) for pid in found.output.split())


def test_daemons_end_with_the_program(tmp_path: Path) -> None:
    daemon = (
        "import os, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "for fd in range(3): os.close(fd)\n"
        "time.sleep(600)\n"
    )
    (tmp_path / "daemon.py").write_text(daemon)
    shell(f"{sys.executable} daemon.py; while [ ! -s pid ]; do sleep 0.01; done", tmp_path)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_time_up_is_the_end_of_all_of_it(tmp_path: Path) -> None:
    start = time.monotonic()
    found = shell("setsid sleep 600 & echo $!; exec 2>&-; wait", tmp_path, limits=Limits(0.5, 100))
    assert found.timed_out
    assert is_gone(int(found.output))
    assert time.monotonic() - start < 10


def test_a_program_that_closes_its_streams_is_waited_for(tmp_path: Path) -> None:
    found = shell("exec >&- 2>&- <&-; sleep 0.3; exit 4", tmp_path)
    assert (found.status, found.timed_out) == (4, False)


def test_output_beyond_the_limit(tmp_path: Path) -> None:
    command = "head -c 300000 /dev/zero; exit 6"
    goes_on = shell(command, tmp_path, limits=Limits(20, 1000))
    assert (len(goes_on.output), goes_on.output_cut, goes_on.status) == (1000, True, 6)
    assert not goes_on.errors_cut
    ended = shell("yes", tmp_path, limits=Limits(20, 1000, ends_at_overflow=True))
    assert (len(ended.output), ended.output_cut) == (1000, True)


def test_exactly_as_much_output_as_is_kept_is_not_cut(tmp_path: Path) -> None:
    found = shell(
        "head -c 1000 /dev/zero", tmp_path, limits=Limits(20, 1000, ends_at_overflow=True)
    )
    assert (len(found.output), found.output_cut, found.status) == (1000, False, 0)


def test_cancelling_ends_it(tmp_path: Path) -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        shell("echo $$ > pid; exec sleep 600", tmp_path, cancel=cancel)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_who_ends_the_supervisor_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(EffectFailed, match="was ended by somebody else, with its supervisor"):
        shell("kill -9 $PPID", tmp_path)


def test_a_program_does_not_outlive_a_host_that_is_killed(tmp_path: Path) -> None:
    host = subprocess.Popen(
        [
            sys.executable, "-c",
            "import threading; from respell.processes import *; "
            "run(['/bin/sh', '-c', 'setsid sleep 600 & echo $! > pid; wait'], cwd='.', "
            f"env={PATH!r}, limits=Limits(600, 10), cancel=threading.Event())",
        ],
        cwd=tmp_path,
    )  # fmt: skip
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text().endswith("\n")):
        assert host.poll() is None
        time.sleep(0.01)
    host.kill()
    host.wait()
    assert is_gone(int(pid.read_text()))
