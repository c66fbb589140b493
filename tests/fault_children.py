"""A scripted run over a store that says what it was promised, and how a system call fails in it."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from respell.artifacts.record import ArtifactRecord
from respell.errors import RespellError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from store_children import effect

ROUNDS = 4
SIZES = (200, 20_000, 300_000, 9_000_000)


def content(number: int) -> bytes:
    """What the n-th artifact holds: the last kind is stored in pieces."""
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


def scripted_run(folder: Path) -> None:
    """Write some of everything, and say each thing once it is durable."""
    with Store(folder) as store:
        key = store.sessions.insert(SessionRecord(name="scripted")).key
        writer = store.history.writer(key, store.leases.acquire(key))
        store.sync()
        print("session 1", flush=True)
        for number in range(1, ROUNDS + 1):
            with store.transaction():
                store.state.set("global", "last", bytes((number,)))
                writer.append([effect(number)])
            store.sync()
            print(f"event {number}", flush=True)
            address = store.blobs.put(content(number))
            store.artifacts.insert(
                ArtifactRecord(session_key=key, name=f"a{number}", content_hash=address, size=0)
            )
            store.sync()
            print(f"artifact {number}", flush=True)
        store.leases.release(key, writer.lease)
    print("done", flush=True)


@dataclass(frozen=True)
class Ended:
    """How a scripted run ended.

    Attributes:
        promised: What it said, e.g. `event` -> 3.
        error: The error it ended with, empty for none; `killed` where it was.
    """

    promised: dict[str, int]
    error: str

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return "done" in self.promised


def ended(process: subprocess.CompletedProcess[str]) -> Ended:
    """Return how a scripted run ended; anything but a clear error is a failure."""
    promised: dict[str, int] = {}
    error = "killed" if process.returncode in (-9, 137) else ""
    for line in process.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "error":
            error = rest
        else:
            promised[word] = int(rest or 0)
    assert "Traceback" not in process.stderr, process.stderr
    assert error or "done" in promised, process
    return Ended(promised, error)


COMMAND = [sys.executable, "-m", "fault_children"]


def run_plainly(folder: Path) -> Ended:
    """Run it where nothing fails."""
    return ended(_run([*COMMAND, str(folder)]))


def run_with_fault(folder: Path, calls: str, fault: str, when: int) -> Ended:
    """Run it with a fault at the n-th of some system calls.

    Args:
        folder: Of the store.
        calls: e.g. `fdatasync,fsync`.
        fault: e.g. `error=EIO` or `signal=SIGKILL`.
        when: Which of them.
    """
    return ended(
        _run(
            [
                *strace(), "-o", "/dev/null", "-e", f"trace={calls}",
                "-e", f"inject={calls}:{fault}:when={when}", *COMMAND, str(folder),
            ]
        )
    )  # fmt: skip


def count_of(folder: Path, calls: str) -> int:
    """Return how many of these system calls a whole run makes."""
    log = folder.with_name("calls.log")
    assert ended(
        _run([*strace(), "-o", str(log), "-e", f"trace={calls}", *COMMAND, str(folder)])
    ).done
    return len(re.findall(r"^\d+ +\w+\(", log.read_text(), re.M))


def strace() -> list[str]:
    """Return how strace is called; skips the test where it can't be used."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("needs strace, to let a system call fail")
    plain = [program, "-f", "-qq", "--seccomp-bpf"]
    tried = subprocess.run(
        [*plain, "-o", "/dev/null", "-e", "trace=fsync", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode != 0:
        pytest.skip(f"this system lets nobody trace system calls: {tried.stderr}")
    return plain


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False,
        cwd=Path(__file__).parent,
    )  # fmt: skip


def assert_kept(folder: Path, run: Ended) -> None:
    """Everything that was promised is there, nothing is half there, and the store works."""
    with Store(folder) as store:
        findings = check(store, read_data=True).findings
        assert findings == [], findings
        sessions = store.sessions.list()
        if run.promised.get("session"):
            session = store.sessions.find("scripted")
            events = store.history.verify(session.key)
            assert events >= run.promised.get("event", 0)
            last = store.state.get("global", "last")
            assert (last or b"\0")[0] == events
            names = {it.name: it for it in store.artifacts.list()}
            assert len(names) >= run.promised.get("artifact", 0)
            for number in range(1, len(names) + 1):
                assert store.blobs.get(names[f"a{number}"].content_hash) == content(number)
        assert len(sessions) <= 1
        store.sessions.insert(SessionRecord(name="afterwards"))
        assert store.blobs.get(store.blobs.put(content(2))) == content(2)
        store.sync()


if __name__ == "__main__":
    try:
        scripted_run(Path(sys.argv[1]))
    except RespellError as failure:
        print("error", str(failure).replace("\n", " "), flush=True)
