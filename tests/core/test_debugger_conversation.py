"""What a debugger and its workers say to each other can't come to a stop, whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import cycle
from textwrap import dedent
from typing import Any

import pytest

from hostile import hard_limit
from live_processes import becomes, descendants, gone
from respell.debug import Debugger, Position
from respell.debug import worker as debugged
from respell.debug.execution import Execution
from respell.engine import stillness
from respell.errors import UsageError, WorkerFailed
from respell.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PATIENCE_S = 60.0

LOOP = """\
local total = 0
for i = 1, 200 do
  State.set('k', total)
  local add = function(x) return total + x end
  total = add(i)
end
print(total)
"""

# Another program in the place of a worker, as if it had been taken over.
ROGUE = """
import os, socket, struct, sys
fd, sockets = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))

def send(data):
    while data:
        data = data[os.write(fd, data):]

def frame(kind, payload=b""):
    return struct.pack("<IB", len(payload) + 1, kind) + payload

def text(key):
    return bytes((0xa0 + len(key),)) + key.encode()

def report(**more):
    named = {"reason": b"\\xa5entry", "event": b"\\x01", "steps": b"\\x00", "counted": b"\\xc3",
             "depth": b"\\x00", "used": b"\\x00", **more}
    return bytes((0x80 + len(named),)) + b"".join(text(k) + v for k, v in sorted(named.items()))

WINDOW, BLOB, FINISH, STOPPED, READY, PAUSED, REPLY = 3, 4, 5, 6, 8, 10, 11

stream = open(fd, "rb", closefd=False)

def take(kind):
    while True:
        size, found = struct.unpack("<IB", stream.read(5))
        stream.read(size - 1)
        if found == kind:
            return

INIT, COMMAND = 0x81, 0x86
"""


def rogue(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have the next workers run this Python code instead."""

    def start(theirs: list[socket.socket], _memory_bytes: int | None) -> subprocess.Popen[bytes]:
        fds = [one.fileno() for one in theirs]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ROGUE + dedent(code), *map(str, fds)],
            pass_fds=fds,
        )

    monkeypatch.setattr(debugged, "start_worker", start)


def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what stands still for a moment for something that stands still."""
    monkeypatch.setattr(stillness, "LOOK_S", 0.02)
    monkeypatch.setattr(debugged, "LOOK_S", 0.02)
    monkeypatch.setattr(debugged, "TELL_EVERY_S", 0.02)


def workers_of(debugger: Debugger) -> set[int]:
    """Return the processes of a debugger's workers."""
    execution = debugger._execution
    standing = {one.worker.pid for one in execution.checkpoints}
    return standing | ({execution.here.pid} if execution.here is not None else set())


def test_frames_that_come_together_are_all_heard(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("print(1)").session
    rogue(
        monkeypatch,
        """
        send(frame(READY, b"none") + frame(PAUSED, report()))
        take(COMMAND)
        send(frame(PAUSED, report(reason=b"\\xa3end")) + frame(REPLY, b"\\xc0"))
        os.read(fd, 1 << 20)
        """,
    )
    with (
        hard_limit(PATIENCE_S),
        closing(Execution(store, session)) as execution,
        closing(execution._start()) as worker,
    ):
        assert worker.report["reason"] == "entry"
        assert worker.run({"order": "run"})["reason"] == "end"
        assert worker.ask("anything") is None


NONSENSE = {
    "a frame of no bytes": "send(bytes(4))",
    "a frame of 4 GB": "send(b'\\xff' * 64)",
    "a report that is no value": "send(frame(PAUSED, b'\\xc1'))",
    "windows that it has not got": "send(frame(WINDOW) * 10)",
    "an unknown frame": "send(frame(0x55, b'x'))",
    "a blob that is not there": "send(frame(BLOB, b'\\x20' + b'x' * 32 + bytes(16)))",
    "a blob without address": "send(frame(BLOB))",
    "an end that is no value": "send(frame(FINISH, b'\\x02\\xc1'))",
    "a stop that is no map": "send(frame(STOPPED, b'\\x05'))",
    "hanging up": "os.close(fd)",
    "an end": "sys.exit()",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_worker_that_sends_nonsense_is_ended(
    nonsense: str, script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("print(1)").session
    before = descendants()
    with monkeypatch.context() as patched, hard_limit(PATIENCE_S):
        rogue(patched, f"send(frame(READY))\ntake(INIT)\n{nonsense}\nos.read(0, 1)\n")
        execution = Execution(store, session)
        with pytest.raises(WorkerFailed):
            execution.seek(Position(1, 1))
    assert execution.seek_end()["reason"] == "end"  # with a worker as it should be
    execution.close()
    gone(descendants() - before)


def test_a_child_that_dies_before_it_says_a_word_is_noticed(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host holds no end of the child's socket: else nobody would ever hang up."""
    session = script("print(1)").session
    with monkeypatch.context() as patched, hard_limit(PATIENCE_S):
        rogue(
            patched,
            """
            import signal
            send(frame(READY))
            take(INIT)
            send(frame(PAUSED, report()))
            take(COMMAND)
            _, fds, _, _ = socket.recv_fds(sockets, 1, 2)
            child = os.fork()
            if not child:
                os._exit(1)
            for one in fds:
                os.close(one)
            send(frame(REPLY, b"\\x81\\xa3pid\\xce" + struct.pack(">I", child)))
            os.read(fd, 1 << 20)
            """,
        )
        with (
            closing(Execution(store, session)) as execution,
            pytest.raises(WorkerFailed, match="broke off"),
        ):
            execution.seek(Position(1, 1))


@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_worker_that_is_stopped_is_noticed_and_replaced(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch, checkpoints: bool
) -> None:
    session = script(LOOP).session
    soon(monkeypatch)
    with (
        hard_limit(PATIENCE_S),
        Debugger.open(session, store=store, checkpoints=checkpoints) as debugger,
    ):
        debugger.go_to("100+3")
        at, seen = debugger.position, debugger.variables()
        here = debugger._execution.here
        assert here is not None
        os.kill(here.pid, signal.SIGSTOP)
        becomes(here.pid, "T")
        with pytest.raises(WorkerFailed, match=f"process {here.pid} .* is stopped and says noth"):
            debugger.step_over()
        gone({here.pid})
        assert (debugger.position, debugger.variables()) == (at, seen)
        assert debugger.step_over().position > at


def test_a_worker_that_neither_computes_nor_says_anything_is_noticed(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("print(1)").session
    soon(monkeypatch)
    with monkeypatch.context() as patched, hard_limit(PATIENCE_S):
        rogue(
            patched,
            """
            import signal
            send(frame(READY))
            take(INIT)
            signal.pause()
            """,
        )
        with (
            closing(Execution(store, session)) as execution,
            pytest.raises(WorkerFailed, match="sleeps and says nothing"),
        ):
            execution.seek(Position(1, 1))


def test_one_that_computes_is_never_taken_for_one_that_stands_still(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("local n = 0\nfor i = 1, 4e7 do n = n + i end\nprint(n)").session
    soon(monkeypatch)
    with hard_limit(PATIENCE_S), Debugger.open(session, store=store) as debugger:
        assert debugger.end().reason == "end"


MOVES: dict[str, Callable[[Debugger], Any]] = {
    "step": Debugger.step_over,
    "back": Debugger.reverse_continue,
    "evaluate": lambda debugger: debugger.evaluate("total"),
    "look": Debugger.variables,
    "last": lambda debugger: debugger.last_change("total"),
    "values": lambda debugger: debugger.values("total"),
    "end": Debugger.end,
}


@pytest.mark.parametrize("checkpoints", [True, False])
def test_whichever_of_its_processes_dies_the_debugger_goes_on(
    script: Any, store: Store, checkpoints: bool
) -> None:
    session = script(LOOP).session
    with (
        hard_limit(PATIENCE_S),
        Debugger.open(session, store=store, checkpoints=checkpoints) as debugger,
    ):
        debugger.end()
        debugger.go_to("100+3")
        seen = {one.name: one.value.text for one in debugger.variables().locals}
        for name, move in MOVES.items():
            for victim in sorted(workers_of(debugger)):
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                gone({victim})
                while True:
                    with suppress(WorkerFailed):  # once for each of the dead ones at most
                        move(debugger)
                        break
                debugger.go_to("100+3")
                found = {one.name: one.value.text for one in debugger.variables().locals}
                assert found == seen, name


class Interrupted(BaseException):
    """As a Ctrl-C that comes in the middle of something."""


def test_an_interrupt_in_the_middle_leaves_no_answer_to_be_taken_for_another(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("local n = 0\nfor i = 1, 1e6 do n = n + i end\nprint(n)\nprint(2)").session
    monkeypatch.setattr(debugged, "TELL_EVERY_S", 0.01)
    monkeypatch.setattr("respell.debug.execution.TELL_EVERY_S", 0.01)
    interrupts = cycle((True, False))

    def interrupt(_seconds: float) -> None:
        if next(interrupts):
            raise Interrupted

    with hard_limit(PATIENCE_S):
        debugger = Debugger.open(session, store=store, on_progress=interrupt)
        with pytest.raises(Interrupted):
            debugger.run_to_line(3)
        assert debugger.stop.line == 1
        assert {one.name for one in debugger.variables().locals} == set()
        debugger._execution.on_wait = None
        assert debugger.run_to_line(3).line == 3
        assert debugger.variables().locals[0].name == "n"
    with debugger:
        assert debugger.step_over().line == 4


def test_where_no_more_processes_are_to_be_had_it_says_so(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("print(1)").session
    with monkeypatch.context() as patched, hard_limit(PATIENCE_S):
        rogue(
            patched,
            """
            send(frame(READY))
            take(INIT)
            send(frame(PAUSED, report()))
            while True:
                take(COMMAND)
                _, fds, _, _ = socket.recv_fds(sockets, 1, 2)
                for one in fds:
                    os.close(one)
                send(frame(REPLY, b"\\x81\\xa7refused\\xb2no more processes!"))
            """,
        )
        with closing(Execution(store, session)) as execution:
            for _ in range(3):  # the worker itself can still be used
                with pytest.raises(UsageError, match="no more processes"):
                    execution.seek(Position(1, 1))
