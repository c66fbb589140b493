"""http_request against a real server on the loopback interface."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from respell.errors import EffectFailed, PermissionDenied
from respell.tools import ToolRegistry
from workbench import tool_context

TOOLS = ToolRegistry()
QUICK = {"max_attempts": 3, "initial_delay_ms": 1, "max_delay_ms": 2}


class Handler(BaseHTTPRequestHandler):
    wbufsize = 1 << 16  # headers and body in one packet
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        path = self.path.partition("?")[0]
        self.server.routes[path](self)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Callable[[Handler], None]:
    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.ending.set()
        server.shutdown()
        thread.join()


def request(folder: Path, url: str, **params: Any) -> Any:
    ctx = tool_context(folder)
    return TOOLS.invoke("http_request", {"input": url, **params}, ctx)["result"]


def test_json_comes_back_as_a_table_in_v060s_envelope(server: Server, tmp_path: Path) -> None:
    body = json.dumps({"n": 1, "list": [1.5, None], "big": 2**70}).encode()
    server.routes["/data"] = reply(body, content_type="application/json; charset=utf-8")
    answer = TOOLS.invoke("http_request", {"url": f"{server.url}/data"}, tool_context(tmp_path))
    assert answer["success"] is True
    assert answer["result"]["status_code"] == 200
    assert answer["result"]["body"] == {"n": 1, "list": [1.5, None], "big": float(2**70)}
    assert answer["result"]["headers"]["content-type"].startswith("application/json")
    assert answer["result"]["timestamp"].endswith("Z")
    envelope = json.loads(answer["text"])
    assert envelope["operation"] == "http_request"
    assert envelope["metadata"]["method"] == "GET"
    assert envelope["metadata"]["url"] == f"{server.url}/data"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("text/plain; charset=latin-1", b"caf\xe9", "café"),
        ("text/html", b"<p>", "<p>"),
        ("application/atom+xml", b"<a/>", "<a/>"),
        ("application/problem+json", b'{"a": 1}', {"a": 1}),
        ("application/json", b"not json", "not json"),
        ("application/json", b"[" * 5000, "[" * 5000),
        ("image/png", b"\x89PNG\xff", b"\x89PNG\xff"),
        ("text/plain", b"\xff", b"\xff"),
    ],
)
def test_bodies_by_their_type(
    server: Server, tmp_path: Path, kind: str, body: bytes, expected: Any
) -> None:
    server.routes["/"] = reply(body, content_type=kind)
    assert request(tmp_path, f"{server.url}/")["body"] == expected


def test_every_status_is_an_answer_not_an_error(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = reply(b"gone", 410, content_type="text/plain")
    assert request(tmp_path, f"{server.url}/")["status_code"] == 410


def test_a_body_is_sent_as_json_and_a_raw_body_as_it_is(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = reply()
    request(tmp_path, f"{server.url}/", method="post", body={"a": [1, 2.5, "x"]})
    request(tmp_path, f"{server.url}/", method="PUT", body="text")
    request(tmp_path, f"{server.url}/", method="PATCH", raw_body=b"\xff",
            headers={"Content-Type": "x/y", "X-Number": 5})  # fmt: skip
    bodies = [(method, body) for method, _, _, body in server.seen]
    assert bodies == [("POST", b'{"a": [1, 2.5, "x"]}'), ("PUT", b'"text"'), ("PATCH", b"\xff")]
    assert server.seen[0][2]["content-type"] == "application/json"
    assert server.seen[2][2]["Content-Type"] == "x/y"
    assert server.seen[2][2]["X-Number"] == "5"


def test_every_kind_of_auth(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = reply()
    for auth in (
        {"type": "basic", "username": "u", "password": "p"},
        {"type": "bearer", "token": "t"},
        {"type": "api_key", "key": "k", "header_name": "X-Mine"},
        {"type": "custom", "headers": {"X-A": "1"}},
        {"type": "none"},
    ):
        request(tmp_path, f"{server.url}/", auth=auth)
    headers = [{name.lower(): value for name, value in seen[2].items()} for seen in server.seen]
    assert headers[0]["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert headers[1]["authorization"] == "Bearer t"
    assert headers[2]["x-mine"] == "k"
    assert headers[3]["x-a"] == "1"
    assert "authorization" not in headers[4]


def test_a_host_that_is_not_allowed_is_never_asked(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = reply()
    here = f"127.0.0.1:{server.server_port}"
    denied = tool_context(tmp_path, deny=["network"])
    with pytest.raises(PermissionDenied, match=f"--allow network={here}"):
        TOOLS.invoke("http_request", {"url": server.url}, denied)
    assert server.seen == []
    allowed = tool_context(tmp_path, allow=[f"network={here}"], deny=["network"])
    assert TOOLS.invoke("http_request", {"url": server.url}, allowed)["success"] is True


def test_redirects_are_followed_with_permission_at_each_host(
    server: Server, tmp_path: Path
) -> None:
    server.routes["/a"] = reply(b"", 302, location="/b?x=1")
    server.routes["/b"] = reply(b"there", content_type="text/plain")
    server.routes["/away"] = reply(b"", 307, location="http://example.invalid/")
    assert request(tmp_path, f"{server.url}/a")["body"] == "there"
    only_here = tool_context(tmp_path, allow=["network=127.0.0.1"], deny=["network"])
    with pytest.raises(PermissionDenied, match=r"example\.invalid:80"):
        TOOLS.invoke("http_request", {"url": f"{server.url}/away"}, only_here)


def test_secrets_are_not_carried_to_another_host(server: Server, tmp_path: Path) -> None:
    elsewhere = f"http://localhost:{server.server_port}/b"
    server.routes["/a"] = reply(b"", 307, location=elsewhere)
    server.routes["/b"] = reply()
    for auth in (
        {"type": "basic", "username": "u", "password": "p"},
        {"type": "bearer", "token": "t"},
        {"type": "api_key", "key": "k", "header_name": "X-Mine"},
    ):
        server.seen.clear()
        request(tmp_path, f"{server.url}/a", auth=auth, headers={"X-Other": "kept"})
        there = {name.lower(): value for name, value in server.seen[1][2].items()}
        assert server.seen[1][1] == "/b"
        assert there["x-other"] == "kept"
        assert not {"authorization", "x-mine"} & set(there)


def test_redirects_end_somewhere(server: Server, tmp_path: Path) -> None:
    server.routes["/loop"] = reply(b"", 302, location="/loop")
    with pytest.raises(EffectFailed, match="more than 10 redirects"):
        request(tmp_path, f"{server.url}/loop")
    assert len(server.seen) == 11


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_beyond_the_limit_is_an_error(server: Server, tmp_path: Path, packed: bool) -> None:
    body = b"x" * 100_000
    if packed:  # what counts is what it unpacks to
        server.routes["/"] = reply(gzip.compress(body), content_encoding="gzip")
    else:
        server.routes["/"] = reply(body)
    with pytest.raises(EffectFailed, match="longer than 50000 bytes; max_body_bytes"):
        request(tmp_path, f"{server.url}/", max_body_bytes=50_000)
    assert len(request(tmp_path, f"{server.url}/", max_body_bytes=100_000)["body"]) == 100_000


def test_a_server_that_does_not_answer_times_out(server: Server, tmp_path: Path) -> None:
    release = threading.Event()
    server.routes["/"] = lambda handler: (release.wait(20), reply()(handler))[1]
    start = time.monotonic()
    try:
        with pytest.raises(EffectFailed, match="timed out"):
            request(tmp_path, f"{server.url}/", timeout_ms=100)
    finally:
        release.set()
    assert time.monotonic() - start < 10


def test_a_server_that_trickles_times_out_too(server: Server, tmp_path: Path) -> None:
    done = threading.Event()

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100000")
        handler.end_headers()
        while not done.wait(0.02):
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return

    server.routes["/"] = trickle
    try:
        with pytest.raises(EffectFailed, match="timed out; timeout_s says"):
            request(tmp_path, f"{server.url}/", timeout_s=0.2)
    finally:
        done.set()


def test_a_broken_connection_is_tried_again_only_where_that_is_safe(
    server: Server, tmp_path: Path
) -> None:
    def cut(handler: Handler) -> None:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    server.routes["/"] = cut
    with pytest.raises(EffectFailed, match=f"GET {server.url}/"):
        request(tmp_path, f"{server.url}/", retry=QUICK)
    assert len(server.seen) == 3
    with pytest.raises(EffectFailed, match="POST"):
        request(tmp_path, f"{server.url}/", method="POST", retry=QUICK)
    assert len(server.seen) == 4


def test_statuses_to_try_again(server: Server, tmp_path: Path) -> None:
    def later(handler: Handler) -> None:
        reply(b"ok" if len(server.seen) == 2 else b"", 200 if len(server.seen) == 2 else 503,
              content_type="text/plain")(handler)  # fmt: skip

    server.routes["/"] = later
    retry = {**QUICK, "retry_on_status": [503]}
    assert request(tmp_path, f"{server.url}/", method="POST", retry=retry)["body"] == "ok"
    server.routes["/"] = reply(b"", 503)
    assert request(tmp_path, f"{server.url}/", retry=retry)["status_code"] == 503
    assert len(server.seen) == 5


def test_nobody_listening_is_said_after_all_attempts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EffectFailed, match=rf"GET http://127\.0\.0\.1:{port}: .*refused"):
        request(tmp_path, f"http://127.0.0.1:{port}", retry=QUICK)


def test_cancelling_leaves_the_wait_between_attempts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ctx = tool_context(tmp_path)
    timer = threading.Timer(0.1, ctx.cancel.set)
    timer.start()
    params = {"url": f"http://127.0.0.1:{port}", "retry": {"initial_delay_ms": 25_000}}
    start = time.monotonic()
    with pytest.raises(EffectFailed, match="cancelled"):
        TOOLS.invoke("http_request", params, ctx)
    assert time.monotonic() - start < 10
    timer.join()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "parameter input is missing"),
        ({"url": "ftp://x/"}, "must begin with http"),
        ({"url": "no url"}, "must begin with http"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://[::"}, "Invalid"),
        ({"url": "http://x", "method": "FETCH"}, "GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS"),
        ({"url": "http://x", "body": b"\xff"}, "raw_body"),
        ({"url": "http://x", "body": 1, "raw_body": "1"}, "not both"),
        ({"url": "http://x", "auth": {"type": "basic"}}, r"auth\.username is missing"),
        ({"url": "http://x", "auth": {"type": "oauth"}}, "basic, bearer, api_key, custom"),
        ({"url": "http://x", "timeout_s": 0}, "timeout_s"),
        ({"url": "http://x", "retry": {"attempts": 2}}, "did you mean max_attempts"),
        ({"url": "http://x", "headers": {"A\r\nB": "x"}}, "can't be the name of a header"),
        ({"url": "http://x", "headers": {"A": "x\r\nB: y"}}, "A can't be sent"),
        ({"url": "http://x", "auth": {"type": "bearer", "token": "a\nb"}}, r"auth\.token"),
    ],
)
def test_what_is_wrong_with_a_request(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("http_request", params, tool_context(tmp_path))


def dripping(handler: Handler) -> None:
    """Send a header letter by letter, for ever, until nobody listens."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        handler.wfile.flush()
        while not handler.server.ending.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def test_a_server_that_answers_letter_by_letter_does_not_hold_a_call_up(
    server: Server, tmp_path: Path
) -> None:
    server.routes["/"] = dripping
    start = time.monotonic()
    with pytest.raises(EffectFailed, match="timed out; timeout_s says"):
        request(tmp_path, f"{server.url}/", timeout_s=0.3, retry={"max_attempts": 1})
    assert time.monotonic() - start < 5


def test_cancelling_ends_a_request_that_waits(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = dripping
    ctx = tool_context(tmp_path)
    threading.Timer(0.2, ctx.cancel.set).start()
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        TOOLS.invoke("http_request", {"input": f"{server.url}/"}, ctx)


def test_half_an_answer_without_a_length_is_no_answer(server: Server, tmp_path: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhalf")
        handler.wfile.flush()
        handler.server.ending.wait(30)

    server.routes["/"] = endless
    with pytest.raises(EffectFailed, match="timed out"):
        request(tmp_path, f"{server.url}/", timeout_s=0.3)
