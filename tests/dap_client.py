"""A client of `respell dap`: dap-python's, with every message held against the specification."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dap_types
from dap.client import Client
from pydantic import BaseModel, ValidationError

from stories import RESPELL

WITHIN_S = 60.0
Message = dict[str, Any]

# Sent by debug adapters, but not in the version of the specification that the types are of.
_OWN = "respell/"


class NotTheProtocol(AssertionError):
    """A message that is not as the specification has it."""


def check(message: Message) -> None:
    """Hold a message against the specification: types, and no fields that it does not have."""
    kind = message.get("type")
    if kind == "request":
        name, suffix = message["command"], "Request"
    elif kind == "event":
        name, suffix = message["event"], "Event"
    else:
        name, suffix = message["command"], "Response"
        if not message["success"]:
            suffix, name = "Response", "error"
    if name.startswith(_OWN):
        model: Any = {"Request": dap_types.Request, "Response": dap_types.Response}[suffix]
    else:
        model = getattr(dap_types, name[0].upper() + name[1:] + suffix)
    try:
        checked = model.model_validate(message)
    except ValueError as error:
        raise NotTheProtocol(f"{message}: {error}") from None
    if not name.startswith(_OWN):
        _no_more(checked, name)


_OPEN = ("LaunchRequestArguments", "AttachRequestArguments", "Module")


def _no_more(model: BaseModel, where: str) -> None:
    if model.model_extra and type(model).__name__ not in _OPEN:
        raise NotTheProtocol(f"{where}: the specification has no {sorted(model.model_extra)}")
    for name in type(model).model_fields:
        value = getattr(model, name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, BaseModel):
                _no_more(one, f"{where}.{name}")


class Failed(Exception):
    """A request that was refused; `.message` is the response."""

    def __init__(self, message: Message) -> None:
        super().__init__(message["body"]["error"]["format"])
        self.message = message


class Dap:
    """Talks to an adapter, and keeps what came.

    Attributes:
        client: dap-python's client, which makes the requests.
        events: The events that came and were not waited for yet.
        all: All messages that came.
        stop: The body of the last `stopped` event that was waited for.
    """

    def __init__(self, reading: int, writing: int, **about: Any) -> None:
        self._reading, self._writing = reading, writing
        self._raw = bytearray()
        self.client = Client("respell", client_name="a test", **about)
        self.events: list[Message] = []
        self.all: list[Message] = []
        self.responses: dict[int, Message] = {}
        self.stop: Message = {}
        self.ended = False
        self._seq = 0

    # Sending -----------------------------------------------------------------------------

    def begin(self) -> Message:
        """Send `initialize`, which dap-python has ready, and return what the adapter can do."""
        self._flush()
        return self.response(1)["body"]

    def send(self, command: str, arguments: Message | None = None) -> int:
        """Send a request and return its number."""
        seq = self.client.send_request(command, arguments)
        self._flush()
        return seq

    def _flush(self) -> None:
        data = bytes(self.client.send())
        for content in _contents(bytearray(data)):
            # dap-python leaves out arguments that are empty.
            check({"arguments": {}, **json.loads(content)})
        self.send_bytes(data)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        while data:
            data = data[os.write(self._writing, data) :]

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a request and return the body of its response.

        Raises:
            Failed: It was refused.
        """
        response = self.response(self.send(command, arguments))
        if not response["success"]:
            raise Failed(response)
        return response.get("body")

    def refused(self, command: str, **arguments: Any) -> str:
        """Send a request that is refused, and return why."""
        response = self.response(self.send(command, arguments))
        assert not response["success"], response
        error = response["body"]["error"]
        assert error["format"]
        return str(error["format"])

    # Receiving ---------------------------------------------------------------------------

    def response(self, seq: int) -> Message:
        """Wait for the response to a request."""
        while seq not in self.responses:
            self._receive()
        return self.responses.pop(seq)

    def event(self, name: str, **fields: Any) -> Message:
        """Wait for an event, and return its body."""
        while True:
            for i, one in enumerate(self.events):
                body = one.get("body") or {}
                if one["event"] == name and all(body.get(k) == v for k, v in fields.items()):
                    del self.events[i]
                    return body
            self._receive()

    def seen(self, name: str) -> list[Message]:
        """Return the bodies of all events of a name that came so far, and forget them."""
        found = [one.get("body") or {} for one in self.events if one["event"] == name]
        self.events = [one for one in self.events if one["event"] != name]
        return found

    def output(self, category: str = "stdout") -> str:
        """Return what was shown so far, and forget it."""
        return "".join(one["output"] for one in self.seen("output") if one["category"] == category)

    def _receive(self) -> None:
        ready, _, _ = select.select([self._reading], [], [], WITHIN_S)
        assert ready, f"nothing came; so far: {self.all[-5:]}"
        data = os.read(self._reading, 1 << 16)
        if not data:
            self.ended = True
            raise EOFError("the adapter has gone")
        self._raw += data
        for content in _contents(self._raw):
            message = json.loads(content)
            check(message)
            self._seq += 1
            assert message["seq"] == self._seq, message
            self.all.append(message)
            if message["type"] == "event":
                self.events.append(message)
            else:
                self.responses[message["request_seq"]] = message
            self._have_read(message, content)

    def _have_read(self, message: Message, content: bytes) -> None:
        """Have dap-python read a message, which has been held against the specification.

        Version 0.5.0 has types of its own for what is inside, some of which are wrong: it takes
        the body of an acknowledgement for the whole response, and checksums for an object.
        """
        known = self.client._pending_requests
        if message["type"] == "response" and message["request_seq"] not in known:
            return  # the request was none of dap-python's
        framed = b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
        with suppress(ValidationError):
            assert len(list(self.client.receive(framed))) == 1
        assert message.get("request_seq") not in known

    def until_it_ends(self) -> None:
        """Wait for the adapter to close the connection."""
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            try:
                self._receive()
            except (EOFError, ConnectionResetError):
                return
        raise AssertionError("the adapter did not close the connection")

    # What most stories do ----------------------------------------------------------------

    def launch(self, session: str, **arguments: Any) -> Message:
        """Initialize, launch and begin; return the body of the first `stopped`."""
        self.begin()
        self.ask("launch", session=session, **arguments)
        self.event("initialized")
        return self.configured()

    def configured(self) -> Message:
        """Say that all breakpoints are set, and return the body of the first `stopped`."""
        self.ask("configurationDone")
        return self.stopped()

    def stopped(self) -> Message:
        """Wait for it to stop."""
        self.stop = self.event("stopped")
        return self.stop

    def move(self, command: str, **arguments: Any) -> Message:
        """Make a move and return the body of `stopped`."""
        arguments.setdefault("threadId", self.stop["threadId"])
        self.ask(command, **arguments)
        return self.stopped()

    def travel(self, command: str, **arguments: Any) -> Message:
        """Make a move of ours and return its response's body; it has stopped then."""
        body = self.ask(command, **arguments)
        self.stopped()
        return body

    def stack(self, **arguments: Any) -> list[Message]:
        """Return the frames of the thread that stopped."""
        arguments.setdefault("threadId", self.stop["threadId"])
        return list(self.ask("stackTrace", **arguments)["stackFrames"])

    def line(self) -> int:
        """Return the line at which it stands."""
        return int(self.stack(levels=1)[0]["line"])

    def frame(self, index: int = 0) -> int:
        """Return the number of a frame."""
        return int(self.stack()[index]["id"])

    def scope(self, name: str, frame: int = 0) -> dict[str, Message]:
        """Return the variables of a scope by name."""
        scopes = self.ask("scopes", frameId=self.frame(frame))["scopes"]
        reference = next(one["variablesReference"] for one in scopes if one["name"] == name)
        return self.inside(reference)

    def inside(self, reference: int, **arguments: Any) -> dict[str, Message]:
        """Return what is inside of something, by name."""
        found = self.ask("variables", variablesReference=reference, **arguments)["variables"]
        return {one["name"]: one for one in found}

    def values(self, name: str = "Locals", frame: int = 0) -> dict[str, str]:
        """Return the variables of a scope as text."""
        return {key: one["value"] for key, one in self.scope(name, frame).items()}

    def evaluate(self, text: str, context: str = "watch", **arguments: Any) -> Message:
        """Evaluate in the innermost frame."""
        return self.ask(
            "evaluate", expression=text, context=context, frameId=self.frame(), **arguments
        )


def _contents(data: bytearray) -> Iterator[bytes]:
    """Yield the contents of the frames in some bytes, and take them away."""
    while (end := data.find(b"\r\n\r\n")) >= 0:
        length = int(data[:end].partition(b":")[2])
        if len(data) < end + 4 + length:
            return
        content = bytes(data[end + 4 : end + 4 + length])
        del data[: end + 4 + length]
        yield content


@contextmanager
def adapter(store: Path, *, cwd: Path | None = None, **about: Any) -> Iterator[Dap]:
    """Start an adapter at a pair of pipes; it ends by itself when they are closed."""
    process = start(store, cwd=cwd)
    assert process.stdin is not None
    assert process.stdout is not None
    dap = Dap(process.stdout.fileno(), process.stdin.fileno(), **about)
    dap.process = process  # type: ignore[attr-defined]
    try:
        yield dap
    finally:
        process.stdin.close()
        try:
            code = process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.stdout.close()
        assert process.stderr is not None
        with process.stderr:
            said = process.stderr.read().decode()
        assert (code, said) == (0, ""), said


def start(store: Path, *options: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the command."""
    return subprocess.Popen(
        [*RESPELL, "--store", str(store), "dap", *options], cwd=cwd, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip


@contextmanager
def port_adapter(store: Path) -> Iterator[Any]:
    """Start an adapter at a free port; `.port` is its number, `.connect()` a client at it."""
    process = start(store, "--port", "0")
    assert process.stderr is not None
    said = process.stderr.readline().decode()
    port = int(said.split(":")[1].split(";")[0])

    @contextmanager
    def connect(**about: Any) -> Iterator[Dap]:
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as client:
            client.setblocking(True)
            yield Dap(client.fileno(), client.fileno(), **about)

    try:
        yield SimpleNamespace(port=port, connect=connect, process=process)
    finally:
        process.terminate()
        process.wait(WITHIN_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
