"""Clients that are broken, hostile, impatient or gone; and what is left of the adapter then."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import respell
from dap_client import WITHIN_S, Dap, adapter, port_adapter
from live_processes import descendants, gone
from respell.debug import Coroutine, Debugger
from respell.debug.dap.connection import Connection
from respell.debug.dap.framing import MOST_BYTES, FrameReader, Malformed, framed
from respell.debug.dap.messages import request_of
from respell.debug.dap.session import DapSession
from respell.store import Store

PLAIN = """\
local big = {}
for i = 1, 20000 do big[i] = i end
print("one")
print("two")
"""

# Quickly run, but not with a condition to compute at each line.
LONG = """\
print("begun")
local n = 0
for i = 1, 40000000 do
  n = n + 1
end
print("over")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short session, and one that computed long."""
    folder = tmp_path_factory.mktemp("ran")
    found = {}
    with Store(folder / "store", durability="process") as store:
        for name, text in (("plain", PLAIN), ("long", LONG)):
            script = folder / f"{name}.lua"
            script.write_text(text)
            found[name] = respell.run(script, store=store).session.id
    return SimpleNamespace(folder=folder, store=folder / "store", **found)


@pytest.fixture
def dap(ran: Any) -> Iterator[Dap]:
    with adapter(ran.store) as client:
        yield client


# Frames -------------------------------------------------------------------------------------


def reader(*pieces: bytes) -> FrameReader:
    rest = list(pieces)
    return FrameReader(lambda: rest.pop(0) if rest else b"")


def test_frames_are_read_however_they_are_cut() -> None:
    data = framed(b'{"a":1}') + b"Content-Type: x\r\ncontent-length: 2\r\n\r\n{}"
    frames = reader(*(data[i : i + 1] for i in range(len(data))))
    assert [frames.next(), frames.next(), frames.next()] == [b'{"a":1}', b"{}", None]


def test_a_message_that_is_too_long_is_passed_over_without_keeping_it() -> None:
    size = MOST_BYTES + 5
    pieces = [b"Content-Length: %d\r\n\r\n" % size] + [b"x" * (1 << 20)] * (size >> 20)
    frames = reader(*pieces, b"x" * (size % (1 << 20)) + framed(b"{}"))
    with pytest.raises(Malformed, match="longer than") as failure:
        frames.next()
    assert failure.value.in_step
    assert frames.next() == b"{}"
    assert frames.next() is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"Content-Length: many\r\n\r\n",
        b"Content-Length: -5\r\n\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"\x00" * 5000, b"Content-Length: 1\r\nX: y\r\n\r\n", b"\r\n\r\n",
    ],
)  # fmt: skip
def test_behind_what_is_no_frame_the_next_one_is_found(garbage: bytes) -> None:
    frames = reader(garbage + framed(b'{"seq":1}'))
    with pytest.raises(Malformed) as failure:
        frames.next()
    assert not failure.value.in_step
    assert frames.next() == b'{"seq":1}'


def test_a_stream_may_end_anywhere() -> None:
    data = framed(b'{"seq":1}')
    for end in range(len(data)):
        assert reader(data[:end]).next() is None


# Messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"), (b"\xff\xfe", "no JSON"), (b"[1]", "no object"),
        (b"[" * 100_000, "no JSON"), (b'{"type":"request"}', "no number seq"),
        (b'{"seq":7,"type":"response"}', "no request"),
        (b'{"seq":7,"type":"request","command":"x","arguments":[]}', "no object"),
        (b'{"seq":7,"type":"request","command":5}', "no request"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_and_the_adapter_lives(
    dap: Dap, content: bytes, words: str
) -> None:
    dap.begin()
    dap.send_bytes(framed(content))
    response = dap.response(7 if b"7" in content else 0)
    assert words in response["body"]["error"]["format"]
    assert response["body"]["error"]["showUser"] is True
    assert dap.ask("threads")["threads"] == [{"id": 1, "name": "main"}]


def test_garbage_between_messages_is_told_and_passed_over(dap: Dap) -> None:
    dap.begin()
    dap.send_bytes(b"hello\r\n\r\n")
    assert "no header" in dap.response(0)["body"]["error"]["format"]
    assert dap.ask("threads")["threads"]


def test_requests_out_of_order_are_refused_with_what_comes_first(dap: Dap, ran: Any) -> None:
    dap.client.send()  # `initialize`, which is not sent yet
    assert "comes before initialize" in dap.refused("launch", session=ran.plain)
    assert "comes before initialize" in dap.refused("threads")
    dap.ask("initialize", adapterID="respell")
    assert "comes once" in dap.refused("initialize", adapterID="respell")
    for command, arguments in (
        ("configurationDone", {}), ("next", {"threadId": 1}), ("stackTrace", {"threadId": 1}),
        ("scopes", {"frameId": 1}), ("evaluate", {"expression": "1"}), ("restart", {}),
    ):  # fmt: skip
        assert "launch or attach to one first" in dap.refused(command, **arguments)
    dap.ask("launch", session=ran.plain)
    dap.event("initialized")
    dap.configured()
    assert "comes once" in dap.refused("configurationDone")


def test_unknown_requests_and_wrong_arguments_say_what_is_wrong(dap: Dap, ran: Any) -> None:
    dap.launch(ran.plain)

    def refused(command: str, arguments: Any) -> str:
        content = {"seq": 900, "type": "request", "command": command, "arguments": arguments}
        dap.send_bytes(framed(json.dumps(content).encode()))
        response = dap.response(900)
        assert response["success"] is False
        return str(response["body"]["error"]["format"])

    assert "no request 'fly'" in refused("fly", {})
    assert "__init__" in refused("__init__", {})
    assert "threadId has to be an integer" in refused("next", {"threadId": "x"})
    assert "threadId has to be an integer" in refused("next", {"threadId": True})
    assert "an integer from 1 on, not 1e+300" in refused("next", {"threadId": 1e300})
    assert "granularity has to be one of" in refused("next", {"threadId": 1, "granularity": "no"})
    assert "source has to be an object" in refused("setBreakpoints", {"source": 3})
    assert "neither a path" in refused("setBreakpoints", {"source": {}, "breakpoints": []})
    assert "a list of objects" in refused("setFunctionBreakpoints", {"breakpoints": [1]})
    assert "expression has to be a text" in refused("evaluate", {})
    assert "none of this place" in refused("variables", {"variablesReference": 1 << 40})
    assert "none of this place" in refused("scopes", {"frameId": 12345})
    assert "none of this place" in refused("goto", {"threadId": 1, "targetId": 3})
    assert "none of this place" in refused("readMemory", {"memoryReference": "x", "count": 1})
    assert "no source of the number" in refused("source", {"sourceReference": 77})
    assert "history is fixed" in refused("terminateThreads", {"threadIds": [1]})
    assert dap.line() == 1


def test_text_of_a_script_can_not_steer_a_terminal(tmp_path: Path) -> None:
    script = tmp_path / "s.lua"
    script.write_text('print("\\27[2J\\27]0;title\\7 \\xc2\\x9b1m")\nlocal x = 1\n')
    with Store(tmp_path / "store", durability="process") as store:
        ident = respell.run(script, store=store).session.id
    with adapter(tmp_path / "store") as dap:
        dap.launch(ident)
        dap.move("continue")
        assert dap.output() == "␛[2J␛]0;title␇ \\x9b1m\n"


def test_a_table_with_many_entries_comes_in_pages_whatever_is_asked_for(dap: Dap, ran: Any) -> None:
    dap.launch(ran.plain)
    dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "effect output.*"}])
    dap.move("continue")
    reference = dap.scope("Locals")["big"]["variablesReference"]
    last = dap.inside(reference, filter="indexed", start=19_998, count=1 << 50)
    assert list(last) == ["[19999]", "[20000]"]
    assert len(dap.inside(reference)) == 10_000


# What takes long --------------------------------------------------------------------------------


def test_a_move_that_takes_long_tells_so_and_is_cancelled_by_its_progress(
    dap: Dap, ran: Any
) -> None:
    dap.launch(ran.long)
    dap.ask("setBreakpoints", source={"path": str(ran.folder / "long.lua")},
            breakpoints=[{"line": 4, "condition": "n < 0"}])  # fmt: skip
    before = dap.line()
    dap.ask("continue", threadId=1)
    progress = dap.event("progressStart")
    assert progress["cancellable"] is True
    dap.event("progressUpdate", progressId=progress["progressId"])
    dap.ask("cancel", progressId=progress["progressId"])
    stop = dap.stopped()
    assert (stop["reason"], dap.line()) == ("pause", before)
    dap.event("progressEnd", progressId=progress["progressId"])


def test_pause_gives_a_move_up(dap: Dap, ran: Any) -> None:
    dap.launch(ran.long)
    dap.ask("setBreakpoints", source={"path": str(ran.folder / "long.lua")},
            breakpoints=[{"line": 4, "condition": "n < 0"}])  # fmt: skip
    dap.ask("continue", threadId=1)
    dap.event("progressStart")
    dap.ask("pause", threadId=1)
    assert dap.stopped()["reason"] == "pause"
    assert dap.ask("threads")["threads"]
    assert dap.seen("stopped") == []
    dap.ask("pause", threadId=1)  # it stands still already, and says so
    assert dap.stopped()["reason"] == "pause"
    assert dap.values() is not None
    assert dap.evaluate("1 + 1")["result"] == "2"


def test_a_request_is_cancelled_while_it_runs_and_before(dap: Dap, ran: Any) -> None:
    dap.launch(ran.plain)
    long = dap.send("evaluate", {"expression": "(function() while true do end end)()"})
    next_ = dap.send("evaluate", {"expression": "1"})
    cancel = dap.send("cancel", {"requestId": next_})
    dap.send("cancel", {"requestId": long})
    responses = [dap.response(seq) for seq in (long, next_, cancel)]
    assert [one["success"] for one in responses] == [False, False, True]
    assert [one.get("message") for one in responses[:2]] == ["cancelled", "cancelled"]
    assert dap.evaluate("2")["result"] == "2"
    dap.move("next")


def test_hovering_over_what_does_not_end_is_given_up(dap: Dap, ran: Any) -> None:
    dap.launch(ran.plain)
    said = dap.refused(
        "evaluate", expression="(function() while true do end end)()", context="hover"
    )
    assert said == "it did not end within 2 s"
    assert dap.evaluate("2")["result"] == "2"


# Ends --------------------------------------------------------------------------------------------


LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")


def test_a_pause_that_comes_as_the_end_of_a_move_is_told_is_no_failure(
    ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    connection = Connection(
        lambda: b"", lambda data: sent.append(json.loads(data.partition(b"\r\n\r\n")[2])),
        forgiving=True,
    )  # fmt: skip
    session = DapSession(connection, lambda *_: Store(ran.store))

    def ask(number: int, command: str, **arguments: Any) -> None:
        told = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        session._serve(request_of(json.dumps(told).encode()))

    ask(1, "initialize", adapterID="respell")
    ask(2, "launch", session=ran.plain)
    ask(3, "configurationDone")
    coroutines = Debugger.coroutines

    def paused(debugger: Debugger) -> list[Coroutine]:
        monkeypatch.setattr(Debugger, "coroutines", coroutines)
        session.progress.heard(request_of(
            b'{"seq": 5, "type": "request", "command": "pause", "arguments": {"threadId": 1}}'
        ))  # fmt: skip
        return debugger.coroutines()

    monkeypatch.setattr(Debugger, "coroutines", paused)
    del sent[:]
    ask(4, "next", threadId=1)
    ask(5, "pause", threadId=1)
    session.close()
    assert [one.get("event", one.get("command")) for one in sent] == ["next", "stopped", "pause"]
    assert sent[1]["body"]["description"] == "pause, 1+2"


@pytest.mark.parametrize("stops", [True, False])
def test_where_it_can_not_begin_there_it_says_so_and_stops_once(
    ran: Any, dap: Dap, stops: bool
) -> None:
    dap.begin()
    dap.send("launch", {"session": ran.plain, "at": "nowhere", "stopOnEntry": stops})
    dap.event("initialized")
    dap.ask("configurationDone")
    assert dap.stopped()["description"] == "pause, 1+1"
    assert "'nowhere' is not a position" in dap.output("important")
    assert dap.move("next")["description"] == "step, 1+2"


@pytest.mark.parametrize("moves", [False, True])
def test_who_does_not_read_any_more_has_gone_though_the_other_pipe_stays_open(
    ran: Any, moves: bool
) -> None:
    with adapter(ran.store) as dap:
        dap.launch(ran.long)
        process = dap.process  # type: ignore[attr-defined]
        workers = descendants(process.pid)
        if moves:
            dap.ask("setBreakpoints", source={"path": str(ran.folder / "long.lua")},
                    breakpoints=[{"line": 4, "condition": "n < 0"}])  # fmt: skip
        process.stdout.close()
        dap.send("continue" if moves else "threads", {"threadId": 1} if moves else {})
        assert process.wait(WITHIN_S) == 0
        gone(workers)


@LINUX
@pytest.mark.parametrize("how", ["disconnect", "close", "close in a move", "kill"])
def test_nothing_is_left_however_it_ends(ran: Any, how: str) -> None:
    with port_adapter(ran.store) as served:
        process = served.process
        with served.connect() as dap:
            dap.launch(ran.long, at="2")
            dap.move("stepBack")
            workers = descendants(process.pid)
            assert workers
            if how == "disconnect":
                dap.ask("disconnect")
                dap.until_it_ends()
            elif how == "kill":
                os.kill(process.pid, signal.SIGKILL)
            elif how == "close in a move":
                dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "effect x"}])
                dap.ask("setBreakpoints", source={"path": str(ran.folder / "long.lua")},
                        breakpoints=[{"line": 4, "condition": "n < 0"}])  # fmt: skip
                dap.ask("continue", threadId=1)
                dap.event("progressStart")
                workers |= descendants(process.pid)
        gone(workers)
        if how != "kill":
            with served.connect() as again:
                assert again.launch(ran.plain)["reason"] == "entry"


def test_a_port_serves_one_client_at_a_time_and_says_so(ran: Any) -> None:
    with port_adapter(ran.store) as served:
        with served.connect() as first:
            first.launch(ran.plain)
            with served.connect() as second:
                second._flush()
                answer = second.response(1)
                assert "another client is served" in answer["body"]["error"]["format"]
                second.until_it_ends()
            first.move("next")
            first.ask("disconnect")
            first.until_it_ends()
        with served.connect() as third:
            assert third.launch(ran.plain)["reason"] == "entry"


def test_a_port_is_of_this_machine_only_and_no_browser_gets_through(ran: Any) -> None:
    with port_adapter(ran.store) as served:
        body = framed(b'{"seq":1,"type":"request","command":"initialize","arguments":{}}')
        with socket.create_connection(("127.0.0.1", served.port), timeout=WITHIN_S) as browser:
            browser.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n" + body)
            said = b""
            while piece := browser.recv(4096):
                said += piece
        assert b"no header" in said
        assert b"supportsStepBack" not in said
        with served.connect() as client:
            assert client.begin()["supportsStepBack"] is True


def test_a_port_that_is_taken_is_refused(ran: Any) -> None:
    from stories import respell as command

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command("dap", "--port", port, store=ran.store)
    assert (done.returncode, "can't listen at" in done.stderr) == (2, True)
    done = command("dap", "--port", "99999", store=ran.store)
    assert (done.returncode, "0 to 65535" in done.stderr) == (2, True)
