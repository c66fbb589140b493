"""The worker process: owns one Lua runtime, and reaches the world through one socket.

Started by `respell.engine.process`; it confines itself, says READY, and then does what the
Lua side (`respell/lua/effects.lua`) asks: send a frame, receive a frame. It never sees the
store, the network, files or keys, and may be killed at any instant.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from blake3 import blake3

from respell.engine import runtime, sandbox
from respell.engine.wire import Kind, frame


def main(fd: int, memory_bytes: int) -> None:
    """Run one script as the host says; ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the host's to handle
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a host that died ends us, quietly
    os.environ.setdefault("TZ", ":/etc/localtime")
    time.tzset()
    sock = socket.socket(fileno=fd)
    stream = sock.makefile("rb", buffering=1 << 18)
    hasher = blake3()
    traced = False

    def receive() -> bytes:
        head = stream.read(4)
        if len(head) < 4:
            os._exit(0)
        return stream.read(int.from_bytes(head, "little")) or b""

    def finish(payload: bytes) -> None:
        if traced:
            sock.sendall(frame(Kind.TRACE, hasher.digest()))
        sock.sendall(len(payload).to_bytes(4, "little") + payload)
        os._exit(0)

    def die(kind: bytes, message: bytes) -> None:
        finish(bytes((Kind.STOPPED,)) + _report(kind, message))

    def trace(data: bytes) -> None:
        nonlocal traced
        traced = True
        hasher.update(data)

    port: runtime.Port = {
        "send": sock.sendall,
        "receive": receive,
        "finish": finish,
        "die": die,
        "trace": trace,
        "entropy": os.urandom,
        "now": lambda: time.time_ns() // 1000,
    }
    start = runtime.new_runtime(port, memory_bytes=memory_bytes or None)
    layers = sandbox.confine(memory_bytes=memory_bytes or None)
    sock.sendall(frame(Kind.READY, ",".join(layers).encode()))
    start()


def _report(kind: bytes, message: bytes) -> bytes:
    """Return {kind = "limit", limit = …, message = …} in canonical form, without an import."""

    def text(data: bytes) -> bytes:
        return b"\xd9" + bytes((len(data),)) + data

    return b"\x83" + b"".join(
        text(key) + text(value)
        for key, value in ((b"kind", b"limit"), (b"limit", kind), (b"message", message[:255]))
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
