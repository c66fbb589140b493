"""A web server whose answers come when a test lets them out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gate(ThreadingHTTPServer):
    """An HTTP server whose answers wait until they are let out; counts what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.free = threading.Semaphore(0)
        self.came = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def let_out(self, count: int = 1) -> None:
        self.free.release(count)

    def wait_for(self, count: int) -> None:
        """Return once so many requests have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.asked) >= count, timeout=60)


class _Handler(BaseHTTPRequestHandler):
    wbufsize = 65536
    server: Gate

    def do_GET(self) -> None:
        with self.server.came:
            self.server.asked.append(self.path)
            self.server.came.notify_all()
        self.server.free.acquire()
        with suppress(OSError):  # the one that asked was killed
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.wfile.flush()

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def gated_server() -> Iterator[Gate]:
    """Serve on a free loopback port for as long as the block runs."""
    server = Gate()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.let_out(1000)
        server.shutdown()
        server.server_close()
        thread.join()
