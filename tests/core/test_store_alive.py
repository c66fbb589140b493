"""Who lives: what leases ask the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from respell.store import processes


def test_a_living_process_has_one_start_time_and_a_dead_one_none() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = processes.start_time(child.pid)
    assert started == processes.start_time(child.pid)
    assert started is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(child.pid) is None  # a zombie
    child.communicate()
    assert processes.start_time(child.pid) is None


def test_a_name_with_parentheses_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as child:
        assert processes.start_time(child.pid) is not None
        child.kill()


def test_systems_without_proc_are_asked_by_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("ps") is None:
        pytest.skip("needs ps")
    assert processes.boot_id()  # known once and for all
    monkeypatch.setattr(processes, "_PROC", Path("/no/such/folder"))
    with subprocess.Popen(["sleep", "60"]) as child:
        started = processes.start_time(child.pid)
        assert started == processes.start_time(child.pid)
        assert isinstance(started, int)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.start_time(child.pid) is None
    assert processes.pid_namespace() == ""
