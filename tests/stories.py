"""What several tests need: the real command, a real HTTP server, a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RESPELL = [sys.executable, "-m", "respell_tui"]


def respell(
    *args: str, store: Path, cwd: Path | None = None, timeout: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end."""
    return subprocess.run(
        [*RESPELL, "--store", str(store), *args],
        cwd=cwd, env={**os.environ, "NO_COLOR": "1", **env}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def begin(*args: str, store: Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the real command in a process group of its own."""
    return subprocess.Popen(
        [*RESPELL, "--store", str(store), *args],
        cwd=cwd, env={**os.environ, "NO_COLOR": "1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


class CountingServer(ThreadingHTTPServer):
    """An HTTP server that answers `GET /double/N` with 2N and counts each N it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[int] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    wbufsize = 65536
    server: CountingServer

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        with self.server.lock:
            self.server.asked.append(number)
        body = json.dumps({"double": 2 * number}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def counting_server() -> Iterator[CountingServer]:
    """Serve on a free loopback port for as long as the block runs."""
    server = CountingServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def session_json(store: Path, session: str) -> dict[str, Any]:
    """Return what `respell show --json` says."""
    shown = respell("show", session, "--json", store=store)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)  # type: ignore[no-any-return]


def event_lines(store: Path, session: str, *options: str) -> list[dict[str, Any]]:
    """Return what `respell events --json` says."""
    shown = respell("events", session, "--json", *options, store=store)
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def write_script(folder: Path, text: str, name: str = "main.lua") -> str:
    """Write a script and return its path."""
    path = folder / name
    path.write_text(text)
    return str(path)


def write_log(path: Path, megabytes: float) -> None:
    """Write a log of about that many MB, the same for everybody."""
    levels: Sequence[str] = ("INFO", "INFO", "INFO", "WARN", "ERROR")
    block = "".join(
        f"2026-01-01T00:00:{i % 60:02d}Z {levels[i % 5]} worker-{i % 7} request {i * 7919 % 10007} "
        f"took {i * 31 % 997} ms\n"
        for i in range(10_000)
    ).encode()
    with path.open("wb") as file:
        written = 0
        while written < megabytes * 1_000_000:
            file.write(block)
            written += len(block)
