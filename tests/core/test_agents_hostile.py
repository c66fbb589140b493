"""A model's answer is somebody else's text, and a provider somebody else's code."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell.agents import asking, registry
from respell.agents.mock import PROVIDER
from respell.agents.protocol import ProviderContext, Request, Response, ToolCall, Usage
from respell.agents.registry import FunctionProvider, provider
from respell.engine import run as running
from respell.engine.program import Program
from respell.errors import EffectFailed, PermissionDenied, UsageError
from respell.security import Permissions
from respell.store import Store
from stories import respell as command
from stories import write_script

SAY = """
local a = Agent.create{model = "test/m"}
local ok, r = pcall(a.execute, a, "say")
print(ok, ok and r.text or r)
"""


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


# Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("\x1b]0;owned\x07\x1b[2J", "\x1b]0;owned\x07\x1b[2J"),
        ("half a \ud83d pair", "half a � pair"),
        ("\ud83d\ude00", "\N{GRINNING FACE}"),
        ("null \0 byte", "null \0 byte"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("way", ["execute", "stream"])
def test_any_text_reaches_the_script_as_it_is_but_valid(
    script: Any, model: Model, store: Store, text: str, heard: str, way: str
) -> None:
    model.answer = lambda request: iter([text]) if way == "stream" else Response(text)
    done = script(f"""
        local function hear(piece) assert(#piece > 0) end
        local r = Agent.create{{model = "test/m"}}:{way}("say", hear)
        print(r.text)
        assert(utf8.len(r.text))
    """)
    assert done.session.status == "completed", done.session.error
    assert script.lines == [heard]
    assert respell.replay(done.session, store=store).identical


def test_no_escape_of_a_model_reaches_the_terminal(tmp_path: Path) -> None:
    path = write_script(
        tmp_path,
        """
        local evil = "\\27]52;c;ZXZpbA==\\7\\27[31mred"
        print(Agent.create{model = "mock/echo"}:execute(evil).text)
        """,
    )
    store = tmp_path / "store"
    command("run", path, store=store, cwd=tmp_path)
    shown = command("events", "@last", store=store)
    assert "agent.request" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (5, "it returned a int instead of a Response"),
        (None, "it returned a NoneType instead of a Response"),
        (Response(b"bytes"), "its answer is a bytes instead of text"),  # type: ignore[arg-type]
        (Response("x" * (asking.MAX_ANSWER_BYTES + 1)), "longer than 16 MiB"),
        (Response("x", usage=Usage(-1, 0)), "input_tokens is -1"),
        (Response("x", usage=Usage(0, 2**80)), "output_tokens is 1208"),
        (Response("x", usage=Usage(1.5, 0)), "input_tokens is 1.5"),  # type: ignore[arg-type]
        (Response("x", cost_usd=-1.0), "costs -1.0"),
        (Response("x", cost_usd=float("nan")), "costs nan"),
        (Response("x", (ToolCall("1", "a", {}),) * 200), "asked for 200 tools at once"),
        (Response("x", (ToolCall("1", "a", {"x": object()}),)), "object"),
        (Response("x", (ToolCall("1", "a", {"x": 10**400}),)), "too large"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    script: Any, model: Model, answer: Any, error: str
) -> None:
    model.answer = lambda request: answer
    done = script(SAY)
    assert done.session.status == "completed", done.session.error
    assert script.lines[0].startswith("false\tmain.lua:3: test/m: ")
    assert error in script.lines[0]
    assert done.session.usage["tokens"] == 0


def test_a_number_of_any_size_may_be_an_argument(script: Any, model: Model) -> None:
    model.answers = [Response("", (ToolCall("1", "a", {"x": 2**70, "y": 2**63 - 1}),)), "fine"]
    script("""
        local r = Agent.create{model = "test/m"}:execute("go")
        print(r.tool_calls[1].arguments.x == 2.0^70, r.tool_calls[1].arguments.y == math.maxinteger)
    """)
    assert script.lines == ["true\ttrue"]


def test_arguments_as_deep_as_a_well_are_an_error(script: Any, model: Model) -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"x": [deep]}
    model.answer = lambda request: Response("", (ToolCall("1", "a", deep),))
    script(SAY)
    assert script.lines[0].startswith("false\tmain.lua:3: test/m: ")


def test_a_stream_without_end_is_cut_off(script: Any, model: Model, monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "MAX_ANSWER_BYTES", 100_000)

    def babble(request: Any) -> Iterator[str]:
        while True:
            yield "bla " * 100

    model.answer = babble
    script("""
        local a, heard = Agent.create{model = "test/m"}, 0
        local ok, message = pcall(a.stream, a, "say", function(text) heard = heard + #text end)
        print(ok, message, heard)
    """)
    assert script.lines == ["false\tmain.lua:3: test/m: its answer is longer than 0 MiB\t100000"]


@pytest.mark.parametrize("piece", [5, None, b"bytes", ["a"]])
def test_a_piece_that_is_no_text_is_an_error(script: Any, model: Model, piece: Any) -> None:
    model.answer = lambda request: iter(["good", piece])
    script("""
        local a = Agent.create{model = "test/m"}
        print(pcall(a.stream, a, "say", function(text) print(text) end))
    """)
    assert script.lines[0] == "good"
    assert "it streamed a" in script.lines[1]


def test_a_model_can_name_no_tool_that_breaks_the_script(
    script: Any, model: Model, store: Store
) -> None:
    name = "\x1b[31m%s\n\ud800" + "x" * 1000
    model.answers = [
        Response("", (ToolCall("", name, {1: 2, "\udfff": "\ud800"}), ToolCall("same", "", [1]))),
        "fine",
    ]
    done = script("""
        local r = Agent.create{model = "test/m"}:execute("go")
        print(r.text, #r.tool_calls, r.tool_calls[1].id, #r.tool_calls[1].name <= 1024)
    """)
    assert script.lines == ["fine\t2\tcall_1\ttrue"], done.session.error
    assert respell.replay(done.session, store=store).identical


# Providers -----------------------------------------------------------------------------------


def test_no_key_is_told_in_an_error(script: Any, model: Model, monkeypatch: Any) -> None:
    monkeypatch.setenv("ACME_API_KEY", "very-secret-value-1234")

    def fail(request: Any) -> str:
        raise RuntimeError("401 for Authorization: Bearer very-secret-value-1234")

    model.answer = fail
    done = script(SAY)
    assert "401 for Authorization: Bearer ****" in script.lines[0]
    recorded = repr(list(respell.events(done.session, store=script._store)))
    assert "very-secret-value-1234" not in recorded + script.lines[0]


def test_a_request_ends_as_soon_as_nobody_wants_it(
    model: Model, store: Store, tmp_path: Path
) -> None:
    ended, left = threading.Event(), []

    def think(request: Any) -> str:
        try:
            model.contexts[-1].wait(60)
        finally:
            left.append(time.monotonic())
            ended.set()
        return "never"

    model.answer = think
    (tmp_path / "main.lua").write_text(SAY)
    program = Program.from_file(tmp_path / "main.lua")
    run = running.start(store, program, script="main.lua")
    killed: list[float] = []

    def kill() -> None:
        model.begun.wait(30)
        killed.append(time.monotonic())
        run.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run.go()
    killer.join()
    assert ended.wait(30)
    assert left[0] - killed[0] < 2


def context(folder: Path) -> ProviderContext:
    return ProviderContext("id", Permissions.from_flags((), (), folder, folder))


def test_a_function_is_a_provider(script: Any, tmp_path: Path) -> None:
    @provider("shout")
    def shout(request: Request, ctx: ProviderContext) -> str:
        return request.messages[-1].text.upper()

    @provider("spell", idempotent=True)
    def spell(request: Request, ctx: ProviderContext) -> Iterator[Any]:
        yield from request.messages[-1].text
        yield Response(usage=Usage(1, 2))

    try:
        done = script("""
            print(Agent.create{model = "shout/loud"}:execute("hey").text)
            local a = Agent.create{model = "spell/out"}
            print(a:execute("abc").text, a:execute("abc").usage.output_tokens)
            a:stream("xy", function(text) print(text) end)
        """)
        assert done.session.status == "completed", done.session.error
        assert script.lines == ["HEY", "abc\t2", "x", "y"]
        assert registry.find("spell").is_idempotent(Request("out"))
        assert not registry.find("shout").is_idempotent(Request("loud"))
        with pytest.raises(UsageError, match="already"):
            provider("shout")(shout)
    finally:
        registry.unregister("shout")
        registry.unregister("spell")


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "mock", "x" * 65])
def test_a_provider_needs_a_name_of_its_own(name: str) -> None:
    with pytest.raises(UsageError):
        registry.register(name, FunctionProvider(lambda request, ctx: ""))


def test_an_installed_package_brings_a_provider(
    script: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    site = tmp_path / "site"
    (site / "acme-1.0.dist-info").mkdir(parents=True)
    (site / "acme-1.0.dist-info" / "METADATA").write_text("Name: acme\nVersion: 1.0\n")
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text(
        "[respell.providers]\nacme = acme_models:Acme\nbroken = acme_models:Missing\n"
    )
    (site / "acme_models.py").write_text(
        "from respell.agents import Provider, Response\n"
        "class Acme(Provider):\n"
        "    def complete(self, request, ctx):\n"
        "        return Response('acme says ' + request.messages[-1].text)\n"
    )
    monkeypatch.syspath_prepend(str(site))
    registry._installed.cache_clear()
    try:
        script("""
            print(Agent.create{model = "acme/one"}:execute("hi").text)
            Agent.create{model = "acme/one"}:stream("hi", function(text) print(text) end)
            print(pcall(Agent.create, {model = "broken/one"}))
        """)
    finally:
        registry._installed.cache_clear()
        registry._from_package.cache_clear()
    assert script.lines[:2] == ["acme says hi", "acme says hi"]
    assert "the provider 'broken' of the package acme can't be loaded" in script.lines[2]


# Workers that were taken over ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({}, "model must be a string"),
        ({"model": b"\xff"}, "model must be UTF-8"),
        ({"model": "m", "messages": {"x": 1}}, "messages must be a list"),
        ({"model": "m", "messages": [5]}, "message must be a table"),
        ({"model": "m", "messages": [{"role": "king"}]}, "role system, user, assistant or tool"),
        ({"model": "m", "messages": [{"role": "user", "text": 5}]}, "must be a string"),
        ({"model": "m", "tools": [{"name": 5}]}, "a tool's name must be a string"),
        ({"model": "m", "temperature": "hot"}, "temperature must be a number"),
        ({"model": "m", "max_tokens": float("nan")}, "max_tokens is out of range"),
        ({"model": "m", "seed": True}, "seed must be a number"),
        ({"model": "m", "turn": 2**60}, "turn is out of range"),
    ],
)
def test_a_malformed_request_is_refused(args: Any, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        asking.request_of(args)


def test_scripted_answers_are_read_only_where_the_script_may_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text('["secret"]')
    inside = tmp_path / "inside"
    inside.mkdir()
    request = Request("scripted", options={"file": str(outside)})
    with pytest.raises(PermissionDenied):
        PROVIDER.check(request, context(inside))
    PROVIDER.check(request, context(tmp_path))
    outside.write_text('[{"txt": 1}]')
    with pytest.raises(UsageError, match="did you mean text"):
        PROVIDER.check(request, context(tmp_path))
    outside.write_text("[" * 100_000)
    with pytest.raises(EffectFailed, match="is not JSON"):
        PROVIDER.check(request, context(tmp_path))
