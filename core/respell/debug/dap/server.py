"""Where clients come from: standard input and output, or a port of this machine."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from respell.debug.dap.connection import Connection
from respell.debug.dap.framing import FrameReader, Malformed
from respell.debug.dap.messages import BadMessage, Code, request_of
from respell.debug.dap.session import DapSession, OpenStore
from respell.errors import UsageError

HOST = "127.0.0.1"
_CHUNK = 1 << 16
_REFUSED_WITHIN_S = 5.0
_GOING_WITHIN_S = 1.0


def serve_stdio(open_store: OpenStore) -> None:
    """Serve the client at standard input and output until it has gone or disconnects.

    Nothing else gets to them: whatever this process or a child of it writes to standard output
    goes to standard error.
    """
    with _own_streams() as (reading, writing):

        def write(data: bytes) -> None:
            while data:
                data = data[os.write(writing, data) :]

        connection = Connection(lambda: os.read(reading, _CHUNK), write, forgiving=True)
        DapSession(connection, open_store).serve()


@contextmanager
def _own_streams() -> Iterator[tuple[int, int]]:
    sys.stdout.flush()
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        yield reading, writing
    finally:
        sys.stdout.flush()
        os.dup2(reading, 0)
        os.dup2(writing, 1)
        os.close(nothing)
        # A read may still wait in the other thread: its end is that of the process.


def serve_port(port: int, open_store: OpenStore, on_listening: Callable[[int], None]) -> None:
    """Serve clients at a port of this machine, one after the other, until it is interrupted.

    Args:
        port: The port; 0 for any that is free.
        open_store: Opens stores.
        on_listening: Called with the port as soon as clients can come.

    Raises:
        UsageError: It can't be listened at.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"can't listen at {HOST}:{port}: {error}") from None
        listening.listen(8)
        on_listening(listening.getsockname()[1])
        while True:
            client, _ = listening.accept()
            with client:
                _serve(client, open_store, listening)


def _serve(client: socket.socket, open_store: OpenStore, listening: socket.socket) -> None:
    connection = Connection(lambda: client.recv(_CHUNK), client.sendall, forgiving=False)
    with _others_refused(listening, connection.over):
        try:
            DapSession(connection, open_store).serve()
        finally:
            with suppress(OSError):  # it has gone
                client.shutdown(socket.SHUT_RDWR)


@contextmanager
def _others_refused(listening: socket.socket, over: threading.Event) -> Iterator[None]:
    """Refuse all other clients for as long as one is served."""
    ours, theirs = socket.socketpair()

    def refuse_all() -> None:
        while True:
            ready, _, _ = select.select([listening, theirs], [], [])
            # One that comes right after the last one went is served as soon as that is cleared up.
            if theirs in ready or over.wait(_GOING_WITHIN_S):
                return
            with suppress(OSError):
                other, _ = listening.accept()
                with other:
                    _refuse(other)

    thread = threading.Thread(target=refuse_all, name="respell-dap-refusing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ours.close()
        thread.join()
        theirs.close()


def _refuse(client: socket.socket) -> None:
    """Answer a client's first request with why it is not served."""
    client.settimeout(_REFUSED_WITHIN_S)
    connection = Connection(lambda: b"", client.sendall, forgiving=False)
    message = "another client is served at this port; disconnect it, or start another adapter"
    with suppress(OSError, Malformed, BadMessage):
        content = FrameReader(lambda: client.recv(_CHUNK)).next()
        if content is not None:
            request = request_of(content)
            connection.fail(request.seq, request.command, message, Code.NOT_NOW)


__all__ = ["HOST", "serve_port", "serve_stdio"]
