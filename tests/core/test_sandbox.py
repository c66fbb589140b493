"""A confined worker computes and talks over its socket; nothing else works any more."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from respell import sandbox
from respell.sandbox import seccomp

linux = pytest.mark.skipif(sys.platform != "linux", reason="these layers are Linux's")

PREAMBLE = """
import ctypes, errno, json, mmap, os, signal, socket, sys
from respell import sandbox
link = socket.socket(fileno=int(sys.argv[1]))
libc = ctypes.CDLL(None, use_errno=True)

def tell(value):
    link.sendall(json.dumps(value).encode() + b"\\n")

def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def call(name, *arguments):
    def action():
        if getattr(libc, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)
    return action

def syscall(*arguments):
    return call("syscall", *map(ctypes.c_long, arguments))
"""


class Child:
    """A child process and the other end of its socket."""

    def __init__(self, process: subprocess.Popen[bytes], link: socket.socket) -> None:
        self.process = process
        self.link = link
        self.lines = link.makefile("rb")

    def told(self) -> Any:
        line = self.lines.readline()
        assert line, "the child ended without an answer"
        return json.loads(line)


@contextmanager
def child(code: str, *arguments: str) -> Iterator[Child]:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    source = PREAMBLE + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", source, str(theirs.fileno()), *arguments],
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    started = Child(process, ours)
    try:
        yield started
    finally:
        process.kill()
        process.wait()
        started.lines.close()
        ours.close()


@linux
def test_all_four_layers_are_in_force_on_this_machine() -> None:
    with child("tell(sandbox.confine(memory_bytes=64 << 20))") as confined:
        layers = confined.told()
    available = sandbox.describe()["layers"]
    assert layers == [name for name in sandbox.LAYERS if available[name]["available"]]
    assert layers[:2] == ["rlimits", "no_new_privs"]


@linux
def test_files_network_processes_and_signals_are_out_of_reach(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read me")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = """
        path, port, victim = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
        inherited = socket.socket()
        sandbox.confine(memory_bytes=64 << 20)
        tell({
            "open": attempt(lambda: os.open(path, os.O_RDONLY)),
            "create": attempt(lambda: os.open(path + "2", os.O_CREAT | os.O_WRONLY)),
            "stat": attempt(lambda: os.stat(path)),
            "list": attempt(lambda: os.listdir("/")),
            "remove": attempt(lambda: os.remove(path)),
            "socket": attempt(socket.socket),
            "connect": attempt(lambda: inherited.connect(("127.0.0.1", port))),
            "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
            "fork": attempt(os.fork),
            "kill": attempt(lambda: os.kill(victim, 0)),
            "kill parent": attempt(lambda: os.kill(os.getppid(), signal.SIGTERM)),
            "ptrace": attempt(call("ptrace", 16, victim, None, None)),
            "setrlimit": attempt(call("setrlimit", 7, ctypes.c_char_p(b"\\xff" * 16))),
            "new namespace": attempt(call("unshare", 0x10000000)),
            "machine code": attempt(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC)),
            "io_uring": attempt(syscall(425, 1, 0)),
            "type on the terminal": attempt(call("ioctl", 0, 0x5412, ctypes.c_char_p(b"x"))),
            "stay when the parent dies": attempt(call("prctl", 1, 0, 0, 0, 0)),
            "x32": attempt(syscall(0x40000000 + 2, 0, 0)),
        })
        """
        port = server.getsockname()[1]
        with child(code, str(secret), str(port), str(os.getpid())) as confined:
            outcomes = confined.told()
    if os.uname().machine != "x86_64":
        outcomes.pop("x32")
    assert outcomes == dict.fromkeys(outcomes, "EPERM")
    assert secret.read_text() == "do not read me"


@linux
def test_computing_memory_and_the_socket_go_on() -> None:
    code = """
    import math, time
    sandbox.confine(memory_bytes=256 << 20)
    for size in iter(lambda: int(link.recv(64) or b"0"), 0):
        block = bytearray(size)
        block[-1] = 7
        link.settimeout(5)
        tell([len(block) + block[-1], round(math.sqrt(size)), len(os.urandom(8)),
              time.time() > 0, time.process_time() > 0])
    os._exit(3)
    """
    with child(code) as confined:
        for size in (1 << 10, 1 << 20, 100 << 20):
            confined.link.sendall(str(size).encode())
            assert confined.told() == [size + 7, round(size**0.5), 8, True, True]
        confined.link.sendall(b"0")
        assert confined.process.wait(20) == 3


@linux
def test_lua_runs_confined_and_its_memory_limit_is_an_error_not_a_crash() -> None:
    code = """
    from lupa import lua54
    lua = lua54.LuaRuntime(max_memory=32 << 20)
    sandbox.confine(memory_bytes=32 << 20)
    tell(lua.eval("(function() local t = {} for i = 1, 1e5 do t[i] = tostring(i) end "
                  "return #table.concat(t) end)()"))
    try:
        lua.execute("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end")
    except lua54.LuaMemoryError as error:
        tell("out of memory")
    """
    with child(code) as confined:
        assert confined.told() == 488_895
        assert confined.told() == "out of memory"


@linux
def test_memory_far_beyond_the_limit_is_refused_by_the_system() -> None:
    code = """
    sandbox.confine(memory_bytes=16 << 20)
    try:
        block = bytearray(2 << 30)
    except MemoryError:
        tell("refused")
    """
    with child(code) as confined:
        assert confined.told() == "refused"


@linux
def test_a_worker_that_may_fork_has_confined_children_with_sockets_of_their_own() -> None:
    code = """
    sandbox.confine(memory_bytes=64 << 20, allow_fork=True)
    _, fds, _, _ = socket.recv_fds(link, 1, 1)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        sandbox.tie_to_parent(parent)
        os.write(fds[0], json.dumps({
            "open": attempt(lambda: os.open("/etc/passwd", os.O_RDONLY)),
            "kill": attempt(lambda: os.kill(parent, 0)),
            "thread": attempt(syscall(56, 0x10f00, 0)),
        }).encode())
        os._exit(4)
    tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with ours, theirs, child(code) as confined:
        socket.send_fds(confined.link, [b"."], [theirs.fileno()])
        outcomes = json.loads(ours.recv(1000))
        assert confined.told() == 4
    if os.uname().machine != "x86_64":
        outcomes.pop("thread")
    assert outcomes == dict.fromkeys(outcomes, "EPERM")


@linux
def test_a_worker_dies_with_its_host_even_by_kill_9() -> None:
    code = """
    import subprocess
    worker = '''
    import os, sys
    from respell import sandbox
    sandbox.confine(memory_bytes=None)
    os.write(1, b"ready")
    while True: pass
    '''
    import textwrap
    process = subprocess.Popen([sys.executable, "-I", "-c", textwrap.dedent(worker)],
                               stdout=subprocess.PIPE)
    assert process.stdout.read(5) == b"ready"
    tell(process.pid)
    signal.pause()
    """
    with child(code) as host:
        worker = os.pidfd_open(host.told())
        try:
            host.process.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([worker], [], [], 20)
            assert ended, "the worker outlived its host"
        finally:
            os.close(worker)


@linux
def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    with child("sandbox.tie_to_parent(os.getppid() + 1)") as orphan:
        assert orphan.process.wait(20) == 1


@linux
def test_a_process_with_threads_refuses_to_pretend_it_is_confined() -> None:
    code = """
    import threading
    stop = threading.Event()
    threading.Thread(target=stop.wait, daemon=True).start()
    try:
        sandbox.confine(memory_bytes=None)
    except sandbox.WorkerFailed as error:
        tell(str(error))
    """
    with child(code) as threaded:
        assert "threads" in threaded.told()


def test_the_layers_of_this_machine_are_described_without_confining_us(tmp_path: Path) -> None:
    described = sandbox.describe()
    assert list(described["layers"]) == list(sandbox.LAYERS)
    assert described["layers"]["rlimits"]["available"] is True
    (tmp_path / "still").write_text("writable")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("allow_fork", [True, False])
def test_every_known_machine_gets_a_filter_whose_jumps_stay_inside(
    machine: str, allow_fork: bool
) -> None:
    code = seccomp.program(machine, allow_fork=allow_fork)
    assert code is not None
    count = len(code) // 8
    assert len(code) % 8 == 0
    assert count < 4096
    for index in range(count):
        operation, if_true, if_false = code[index * 8], code[index * 8 + 2], code[index * 8 + 3]
        if operation & 7 == 5:
            assert index + 1 + max(if_true, if_false) < count


def test_an_unknown_machine_gets_no_filter_rather_than_a_wrong_one() -> None:
    assert seccomp.program("riscv64", allow_fork=False) is None


def decide(machine: str, number: int, *args: int, allow_fork: bool = False) -> int:
    """Interpret the filter as the kernel would; 0 for allowed, else the error number."""
    code = seccomp.program(machine, allow_fork=allow_fork)
    assert code is not None
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*args, *[0] * (6 - len(args))))
    loaded, at = 0, 0
    while True:
        operation, if_true, if_false, constant = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        match operation:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", data, constant)
            case 0x15:
                at += if_true if loaded == constant else if_false
            case 0x35:
                at += if_true if loaded >= constant else if_false
            case 0x45:
                at += if_true if loaded & constant else if_false
            case _:
                assert operation == 0x06
                return 0 if constant == 0x7FFF0000 else constant & 0xFFFF


CALLS = {
    "x86_64": {"mmap": 9, "sendto": 44, "clone": 56, "clone3": 435, "prctl": 157, "ioctl": 16,
               "openat": 257, "execve": 59, "kill": 62, "socket": 41, "ptrace": 101, "wait4": 61},
    "aarch64": {"mmap": 222, "sendto": 206, "clone": 220, "clone3": 435, "prctl": 167, "ioctl": 29,
                "openat": 56, "execve": 221, "kill": 129, "socket": 198, "ptrace": 117,
                "wait4": 260},
}  # fmt: skip


@pytest.mark.parametrize("machine", CALLS)
def test_the_filter_decides_the_same_on_every_known_machine(machine: str) -> None:
    call = CALLS[machine]
    for name in ("openat", "execve", "kill", "socket", "ptrace"):
        assert decide(machine, call[name]) == errno.EPERM
        assert decide(machine, call[name], allow_fork=True) == errno.EPERM
    assert decide(machine, call["mmap"], 0, 4096, 3) == 0
    assert decide(machine, call["mmap"], 0, 4096, 7) == errno.EPERM
    assert decide(machine, call["sendto"], 3, 0x1000, 10) == 0
    assert decide(machine, call["sendto"], 3, 0x1000, 10, 0, 1 << 40) == errno.EPERM
    assert decide(machine, call["ioctl"], 0, 0x5421) == 0
    assert decide(machine, call["ioctl"], 0, 0x5412) == errno.EPERM
    assert decide(machine, call["clone3"]) == errno.ENOSYS
    fork, thread = 0x01200011, 0x3D0F00
    assert decide(machine, call["clone"], fork) == errno.EPERM
    assert decide(machine, call["wait4"]) == errno.EPERM
    assert decide(machine, call["clone"], fork, allow_fork=True) == 0
    assert decide(machine, call["wait4"], allow_fork=True) == 0
    assert decide(machine, call["clone"], thread, allow_fork=True) == errno.EPERM
    assert decide(machine, call["prctl"], 1, 9, allow_fork=True) == 0
    assert decide(machine, call["prctl"], 1, 0, allow_fork=True) == errno.EPERM
    assert decide(machine, call["prctl"], 38, 1, allow_fork=True) == errno.EPERM
