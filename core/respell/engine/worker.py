"""The worker process: owns one Lua runtime, and reaches the world through one socket.

Started by `respell.engine.channel`; it confines itself, says READY, and then does what the
Lua side (`respell/lua/effects.lua`) asks: send a frame, receive a frame. It never sees the
store, the network, files or keys, and may be killed at any instant.

What is imported here is imported at every start of a session: keep it short.
"""

from __future__ import annotations

import os
import select
import sys
import time

from respell import sandbox
from respell.engine import runtime
from respell.engine.frames import Kind, frame

SPIN_S = 0.0003  # how long an answer is waited for awake
_WINDOWS_HELD = 5  # as often is the largest window in memory: read, waiting, and just received


def main(fd: int, memory_bytes: int, sockets_fd: int = -1) -> None:
    """Run one script as the host says; ends the process.

    Args:
        fd: The socket to the host.
        memory_bytes: Most that Lua may allocate; 0 for no limit.
        sockets_fd: The socket that brings the sockets of forks, where a debugger drives this
            worker; else -1.
    """
    os.environ.setdefault("TZ", ":/etc/localtime")
    time.tzset()  # reads the file while it still can
    stream = open(fd, "rb", buffering=1 << 18, closefd=False)  # noqa: SIM115 - for ever
    debugged = sockets_fd >= 0
    write = os.write

    def send(data: bytes) -> None:
        try:
            done = write(fd, data)
            if done < len(data):
                rest = memoryview(data)[done:]  # a copy of each rest would take for ever
                while rest:
                    rest = rest[write(fd, rest) :]
        except OSError:
            os._exit(0)  # the host is gone: nobody is there to tell

    def receive() -> bytes:
        head = stream.read(4)
        if len(head) < 4:
            os._exit(0)
        size = int.from_bytes(head, "little")
        data = stream.read(size)
        if len(data) < size:
            os._exit(0)
        if data[0] == Kind.HISTORY:
            make_room(size)
        return data

    # The history takes no memory from the script: what went well live must go well again.
    room = 0

    def make_room(size: int) -> None:
        nonlocal room
        if size > room and memory_bytes:
            room = size
            set_memory(memory_bytes + _WINDOWS_HELD * room)

    ready = select.poll()
    ready.register(fd, select.POLLIN)

    def receive_answer() -> bytes:
        nonlocal room
        if room and memory_bytes:
            room = 0
            set_memory(memory_bytes)
        # Most answers come soon, and to be woken up from sleep costs more than many an effect.
        # The processor is offered to others all the while.
        until = time.perf_counter() + SPIN_S
        while not ready.poll(0) and time.perf_counter() < until:
            os.sched_yield()
        return receive()

    def finish(payload: bytes) -> None:
        send(len(payload).to_bytes(4, "little") + payload)
        os._exit(0)

    def die(kind: bytes, message: bytes) -> None:
        finish(bytes((Kind.STOPPED,)) + _report(kind, message))

    port: runtime.Port = {
        "send": send,
        "receive": receive,
        "receive_answer": receive_answer,
        "finish": finish,
        "die": die,
        "trace": lambda data: send(frame(Kind.TRACE, data)),
        "entropy": os.urandom,
        "now": lambda: time.time_ns() // 1000,
    }
    if debugged:
        import signal
        import socket

        from blake3 import blake3

        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody needs to wait for forks
        sandbox.adopt_orphans()
        sockets = socket.socket(fileno=sockets_fd)

        def fork(tie: bool) -> int:
            """Fork; the child takes the sockets that the host has sent. Both return its id."""
            nonlocal fd, stream, sockets
            _, fds, _, _ = socket.recv_fds(sockets, 1, 2)
            parent = os.getpid()
            pid = -1
            try:
                pid = os.fork()
            finally:
                if pid:  # here, whether or not there is a child: they are the child's alone
                    for one in fds:
                        os.close(one)
            if pid:
                return pid
            if tie:
                sandbox.tie_to_parent(parent)
            os.close(fd)
            sockets.close()
            fd, sockets = fds[0], socket.socket(fileno=fds[1])
            stream = open(fd, "rb", buffering=1 << 18, closefd=False)  # noqa: SIM115
            return os.getpid()

        def digest(name: bytes, text: bytes) -> bytes:
            """Return what tells a chunk from others, of the same name or not."""
            made = blake3(len(name).to_bytes(8, "little") + name)
            made.update(text)
            return made.hexdigest(length=6).encode()

        port["fork"], port["digest"] = fork, digest
    library = runtime.load_library(runtime.DEBUGGER) if debugged else None
    start, set_memory = runtime.new_runtime(
        port, memory_bytes=memory_bytes or None, library=library
    )
    layers = sandbox.confine(memory_bytes=memory_bytes or None, allow_fork=debugged)
    send(frame(Kind.READY, ",".join(layers).encode()))
    start()


def _report(kind: bytes, message: bytes) -> bytes:
    """Return {kind = "limit", limit = …, message = …} in canonical form.

    By hand: the Lua side has no memory left, and the codec is not worth its import here.
    """

    def text(data: bytes) -> bytes:
        return b"\xd9" + bytes((len(data),)) + data

    return b"\x83" + b"".join(
        text(key) + text(value)
        for key, value in ((b"kind", b"limit"), (b"limit", kind), (b"message", message[:255]))
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
