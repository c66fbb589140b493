"""Attacks on the host: floods, workers that die, and workers that were taken over."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from hostile import HARD_LIMIT_S, LOOP_S, Attacker, attacker
from respell.engine import channel
from respell.engine.doubt import in_doubt
from respell.engine.run import RunResult
from stories import begin, kill_group, write_script


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    """One store for all attacks of this module, with a quiet session in it."""
    with attacker(tmp_path_factory.mktemp("arena")) as one:
        (one.folder / "inside.txt").write_text("fine")
        yield one


@pytest.fixture
def attack(arena: Attacker) -> Iterator[Attacker]:
    """Runs one attack, and checks what it left behind."""
    arena.begin()
    yield arena
    arena.check_rest()


# Floods -------------------------------------------------------------------------------------


def resident_bytes() -> int:
    """Return how much memory this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "flood",
    [
        "while true do print('x') end",
        "local s = ('x'):rep(1000000) while true do print(s) end",
        "local s = ('x'):rep(1000000) while true do io.write(s) end",
        "while true do Logger.info('x', {y = 1}) end",
        "while true do os.clock() end",
        "local s = ('x'):rep(1000000) while true do State.set('key', s) end",
        "local s = ('x'):rep(1000000) while true do pcall(Artifact.store, nil, 'a', s) end",
        "while true do pcall(Tool.invoke, ('x'):rep(100000), {}) end",
        "Workflow.parallel{branches = {function() while true do io.open('inside.txt') end end,"
        " function() while true do io.open('inside.txt') end end}}:execute()",
    ],
)
def test_a_flood_is_stopped_and_the_hosts_memory_stays_flat(attack: Attacker, flood: str) -> None:
    before = resident_bytes()
    most = [before]
    attack.on_output = lambda _name, _text: most.append(max(most.pop(), resident_bytes()))
    attack.stopped_by("max_duration", flood, max_duration=1.5)
    most.append(resident_bytes())
    assert max(most) - before < 150_000_000


def test_a_huge_value_costs_the_host_about_as_much_as_the_script(attack: Attacker) -> None:
    before = resident_bytes()
    text = """
    local s = ("x"):rep(8000000)
    State.set("key", s)
    print(#State.get("key"))
    print(#Artifact.getContent(nil, Artifact.store(nil, "big", s)))
    print(pcall(error, s) == false)
    print(pcall(Tool.invoke, s, {}))
    print(pcall(Session.load, s))
    """
    lines = attack.completes(text, memory_bytes=256_000_000)
    assert lines[:3] == ["8000000", "8000000", "true"]
    assert all(line.startswith("false\tattack.lua:") for line in lines[3:])
    assert resident_bytes() - before < 250_000_000


# The worker ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGRTMIN + 3]
)
def test_a_worker_that_is_killed_leaves_a_session_to_resume(attack: Attacker, number: int) -> None:
    text = "print('begun') Utils.sleep(0.2) State.set('key', 1) print('done')"
    run = attack.start(text)
    attack.on_output = lambda _name, _text: os.kill(run.worker_pid, number)
    result = attack.go(run)
    attack.on_output = None
    check_broken_off(attack, result, "SIG" if number < signal.SIGRTMIN else f"signal {number}")
    assert attack.resume(result).ended.status == "completed"
    assert attack.lines == ["begun", "done"]


def test_a_worker_that_is_killed_while_it_computes_computes_again(attack: Attacker) -> None:
    run = attack.start("print('begun') for i = 1, 5e7 do end print('done')")
    attack.on_output = lambda _name, _text: os.kill(run.worker_pid, signal.SIGKILL)
    result = attack.go(run)
    attack.on_output = None
    check_broken_off(attack, result, "SIGKILL")
    assert attack.resume(result).ended.status == "completed"
    assert attack.lines == ["begun", "done"]


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties a worker to its host")
def test_a_worker_that_never_listens_dies_with_its_host(tmp_path: Path) -> None:
    script = write_script(tmp_path, "print('begun') while true do end")
    host = begin("run", script, store=tmp_path / "store")
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == "begun\n"
        (worker,) = children_of(host.pid)
        watched = os.pidfd_open(worker)
        host.kill()
        host.wait(HARD_LIMIT_S)
        ended, _, _ = select.select([watched], [], [], HARD_LIMIT_S)
        os.close(watched)
        assert ended, "the worker outlived its host"
    finally:
        kill_group(host)


def check_broken_off(attack: Attacker, result: RunResult, why: str) -> None:
    """The session is suspended, says why, and has no effect in doubt."""
    assert (result.ended.status, result.ended.reason) == ("suspended", "worker")
    assert result.session.error is not None
    assert result.session.error["message"] == result.ended.message
    assert why in result.ended.message
    assert f"`respell resume {result.session.id[:8]}` runs it again" in result.ended.message
    assert in_doubt(attack.store, result.session) == []


ROGUE = """
import os, socket, struct, sys
fd = int(sys.argv[1])

def send(data):
    while data:
        data = data[os.write(fd, data):]

def frame(kind, payload=b""):
    return struct.pack("<IB", len(payload) + 1, kind) + payload

def caused(part, ordinal, name=b"state.set", args=b"\\x80", status=0, parent=0):
    return (struct.pack("<BQQB", part, ordinal, parent, status) + bytes([len(name)]) + name
            + b"\\x01x" + struct.pack("<II", 1, 0) + struct.pack("<I", len(args)) + args
            + struct.pack("<I", 0))

RECORD, CALL, WINDOW, BLOB, FINISH, STOPPED, READY = 1, 2, 3, 4, 5, 6, 8
EFFECT, BEGIN, INTENT, OUTCOME, END = 1, 2, 3, 4, 5
send(frame(READY, b"none"))
os.read(fd, 1 << 20)  # INIT
"""

NONSENSE = {
    "a frame of no bytes": "send(bytes(4))",
    "a frame of 4 GB": "send(b'\\xff' * 64)",
    "a frame longer than its memory": "send(struct.pack('<I', 200 << 20) + b'x' * 1000)",
    "an empty record": "send(frame(RECORD))",
    "an empty call": "send(frame(CALL))",
    "a record cut short": "send(frame(RECORD, caused(EFFECT, 1)[:20]))",
    "lengths that lie": "send(frame(RECORD, caused(EFFECT, 1)[:-4] + b'\\xff\\xff\\xff\\x7f'))",
    "an unknown part": "send(frame(RECORD, caused(77, 1)))",
    "an unknown status": "send(frame(RECORD, caused(EFFECT, 1, status=77)))",
    "an end of nothing": "send(frame(RECORD, caused(END, 9)))",
    "arguments that are no value": "send(frame(CALL, caused(EFFECT, 1, args=b'\\xc1')))",
    "arguments that are a number": "send(frame(CALL, caused(EFFECT, 1, args=b'\\x05')))",
    "output without a text": "send(frame(RECORD, caused(EFFECT, 1, b'output.line')))",
    "output that is no text": "send(frame(RECORD, caused(EFFECT, 1, b'output.line',"
                              " b'\\x81\\xa4text\\x05')))",
    "a name that is no text": "send(frame(CALL, caused(EFFECT, 1, b'\\xff\\xff')))",
    "an output's name that is no text": "send(frame(RECORD, caused(EFFECT, 1, b'output.\\xff',"
                                        " b'\\x81\\xa4text\\xa1x')))",
    "an empty end": "send(frame(FINISH))",
    "an end that is no value": "send(frame(FINISH, b'\\x02\\xc1'))",
    "a stop that is no map": "send(frame(STOPPED, b'\\x05'))",
    "a blob that is not there": "send(frame(BLOB, b'\\x20' + b'x' * 32 + bytes(16)))",
    "a blob without address": "send(frame(BLOB))",
    "hanging up": "os.close(fd); import time; time.sleep(60)",
    "windows that it has not got": "while True: send(frame(WINDOW) * 1000)",
    "blobs without end": "while True: send(frame(BLOB, b'\\x20' + SCRIPT + bytes(8)"
                         " + b'\\xff' * 8) * 1000)",
}  # fmt: skip


def let_loose(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have the next workers run this Python code instead, as if they had been taken over."""

    def start(theirs: list[socket.socket], memory_bytes: int | None) -> subprocess.Popen[bytes]:
        fd = theirs[0].fileno()
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ROGUE + dedent(code), str(fd)], pass_fds=(fd,)
        )

    monkeypatch.setattr(channel, "start_worker", start)


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_worker_that_sends_nonsense_is_stopped(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch, nonsense: str
) -> None:
    address = attack.store.blobs.put(os.urandom(1 << 20))
    with monkeypatch.context() as patched:
        let_loose(patched, f"SCRIPT = {address!r}\n{NONSENSE[nonsense]}\nos.read(fd, 1 << 20)\n")
        before = resident_bytes()
        result = attack("print('as it should be')", max_duration=10)
        assert resident_bytes() - before < 150_000_000
    check_broken_off(attack, result, "the Lua process")
    assert attack.resume(result).ended.status == "completed"
    assert attack.lines == ["as it should be"]


def test_a_worker_that_begins_an_event_twice_is_stopped(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = "b'\\x81\\xa7seconds\\x01'"
    code = f"send(frame(CALL, caused(INTENT, 1, b'timer.sleep', {args})) * 2)\nos.read(fd, 99)\n"
    with monkeypatch.context() as patched:
        let_loose(patched, code)
        result = attack("", max_duration=10)
    check_broken_off(attack, result, "the Lua process began event 1 twice")


def test_a_worker_can_only_do_what_its_script_could(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = r"""
    def text(s):
        return b"\xd9" + bytes([len(s)]) + s
    EMPTY = b"\x80"
    def call(effect, **args):
        body = bytes([0x80 + len(args)])
        for key in sorted(args):
            body += text(key.encode())
            body += EMPTY if args[key] == EMPTY else text(args[key])
        send(frame(CALL, caused(EFFECT, call.ordinal, effect, body)))
        call.ordinal += 1
    call.ordinal = 1
    call(b"file.open", path=b"/etc/shadow", mode=b"r")
    call(b"file.rename", **{"from": b"/etc/passwd", "to": b"stolen"})
    call(b"file.rename", **{"from": b"\x80", "to": b"stolen"})
    call(b"process.execute", command=b"touch stolen")
    call(b"state.set", scope=b"\x80", key=b"\x80", value=b"x")
    call(b"session.create", name=b"\x80")
    call(b"session.get", field=b"\x80")
    call(b"lifecycle.complete")
    call(b"no.such")
    call(b"__init__.x")
    call(b"session.suspend")
    send(frame(CALL, caused(INTENT, 99, b"timer.sleep", b"\x81\xa7seconds\xcb\x7f\xf8" + bytes(6))))
    send(frame(CALL, caused(INTENT, 98, b"timer.sleep", b"\x81\xa7seconds\xa1x")))
    send(frame(CALL, caused(INTENT, 97, b"no.such")))
    send(frame(RECORD, caused(EFFECT, 200, b"os.time", b"\xc1\xc1")))
    send(frame(RECORD, caused(EFFECT, 201, b"os.time", b"\x93\x01\x02\x03")))
    send(frame(FINISH, b"\x01\x80"))
    os.read(fd, 1 << 20)
    """
    with monkeypatch.context() as patched:
        let_loose(patched, code)
        result = attack("", max_duration=10)
    failed = [one for one in attack.events(result) if one.error is not None]
    assert [one.name for one in failed][:3] == ["file.open", "file.rename", "file.rename"]
    assert len(failed) == 14, [(one.name, one.error) for one in failed]
    assert not (attack.folder / "stolen").exists()


FLOODS = {
    "records": """
        n = 0
        while True:
            send(b"".join(frame(RECORD, caused(EFFECT, n + i, b"os.time")) for i in range(1000)))
            n += 1000""",
    "unknown kinds": "while True: send(frame(0x55, b'x') * 1000)",
    "bytes of a frame": """
        send(struct.pack("<I", 60 << 20))
        for _ in range(59): send(bytes(1 << 20))
        while True: pass""",
}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_frames_is_stopped_by_the_time_limit(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch, flood: str
) -> None:
    before = resident_bytes()
    with monkeypatch.context() as patched:
        let_loose(patched, FLOODS[flood])
        attack.stopped_by("max_duration", "", max_duration=2 * LOOP_S)
    assert resident_bytes() - before < 150_000_000


def test_what_a_worker_said_before_its_end_is_heard_though_it_takes_nothing_more(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have run out of memory while a window was sent to it."""
    let_loose(monkeypatch, "send(frame(STOPPED, b'\\x80'))\n")
    conversation = channel.Channel(memory_bytes=None, read_blob=attack.store.blobs.read)
    try:
        conversation.wait_ready()
        watched = os.pidfd_open(conversation.pid)
        conversation.begin(b"", iter([[b"x"]]), live=False)
        ended, _, _ = select.select([watched], [], [], HARD_LIMIT_S)
        os.close(watched)
        assert ended
        for _ in range(3):
            conversation.send(bytes(1 << 20))
        assert not conversation.closed
        heard = []
        while not conversation.closed:
            heard += conversation.poll(HARD_LIMIT_S)
        assert heard == [(6, b"\x80")]
    finally:
        conversation.close()
    conversation.wake()  # late, from another thread: nothing is written anywhere
