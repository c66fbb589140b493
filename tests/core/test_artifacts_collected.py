"""Artifacts that nobody stored: what tools returned, kept beside the effect that made it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.artifacts.collector import NOTHING, TAG, Collection, collected
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.engine.run import RunResult
from respell.store import Store
from respell.tools import ToolRegistry, make_tool

Script = Any


def measure(length: int) -> dict[str, Any]:
    """Return a measurement."""
    return {"length": length, "unit": "cm"}


def say(text: str) -> str:
    """Return the text."""
    return text


@pytest.fixture
def tools() -> ToolRegistry:
    registry = ToolRegistry()
    for function in (measure, say):
        registry.register(make_tool(function))
    return registry


def artifacts_of(store: Store, result: RunResult) -> list[ArtifactRecord]:
    query = ArtifactQuery(session_id=result.session.id, sort="created_at", desc=False)
    return store.artifacts.list(query)


def test_what_a_tool_returns_is_an_artifact_of_its_event(
    script: Script, store: Store, tools: ToolRegistry
) -> None:
    done = script(
        """
        Tool.invoke("measure", {length = 3})
        Tool.invoke("say", {text = "hello"})
        """,
        tools=tools,
    )
    first, second = artifacts_of(store, done)
    told = respell.events(done.session, store=store)
    invoked = [e.number for e in told if e.name == "tool.invoke"]
    assert [first.event, second.event] == invoked
    assert first.name == f"measure_result_{invoked[0]}.json"
    assert json.loads(store.blobs.get(first.content_hash)) == {"length": 3, "unit": "cm"}
    assert (first.artifact_type, first.mime_type) == ("tool_result", "application/json")
    assert first.tags == [TAG]
    assert first.custom == {"tool": "measure"}
    assert (second.name, second.mime_type) == (f"say_result_{invoked[1]}.txt", "text/plain")
    assert store.blobs.get(second.content_hash) == b"hello"
    assert done.session.artifacts == 2
    assert done.session.usage["artifact_bytes"] == first.size + second.size


def test_a_script_finds_what_was_collected_at_once(script: Script, tools: ToolRegistry) -> None:
    script(
        """
        Tool.invoke("measure", {length = 3})
        local found = Artifact.list()
        print(#found, found[1].artifact_type, Artifact.getContent(nil, found[1].id).length)
        local id = Artifact.store(nil, "own.txt", "mine")
        print(id.sequence, Session.get(Session.getCurrent()).artifacts)
        """,
        tools=tools,
    )
    assert script.lines == ["1\tToolResult\t3", "2\t2"]


def test_collecting_changes_nothing_at_re_execution(
    script: Script, store: Store, tools: ToolRegistry
) -> None:
    waits = script(
        """
        Tool.invoke("measure", {length = 3})
        Session.suspend()
        print(#Artifact.list())
        Tool.invoke("measure", {length = 4})
        print(#Artifact.list())
        """,
        tools=tools,
    )
    done = script.resume(waits.session, tools=tools)
    assert done.ended.status == "completed"
    assert script.lines == ["1", "2"]
    assert len(artifacts_of(store, done)) == 2
    assert respell.replay(done.session, store=store).identical
    assert len(artifacts_of(store, done)) == 2


def test_a_tool_written_in_lua_is_collected_once(
    script: Script, store: Store, tools: ToolRegistry
) -> None:
    done = script(
        """
        Tool.register("double", {description = "doubles", parameters = {type = "object"}},
            function(params) return Tool.invoke("measure", {length = 2 * params.n}).result end)
        Tool.invoke("double", {n = 2})
        """,
        tools=tools,
    )
    assert done.ended.status == "completed", done.session.error
    names = [it.name.rpartition("_")[0] for it in artifacts_of(store, done)]
    assert sorted(names) == ["double_result", "measure_result"]


def test_a_call_with_hooks_around_it_is_collected_once(
    script: Script, store: Store, tools: ToolRegistry
) -> None:
    done = script(
        """
        Hook.register("AfterToolExecution", function() return "continue" end)
        Tool.invoke("measure", {length = 3})
        """,
        tools=tools,
    )
    assert [it.custom for it in artifacts_of(store, done)] == [{"tool": "measure"}]


def test_failures_are_not_results(script: Script, store: Store) -> None:
    def breaks() -> None:
        """Fail."""
        raise OSError("no luck")

    registry = ToolRegistry()
    registry.register(make_tool(breaks))
    done = script('print(pcall(Tool.invoke, "breaks", {}))', tools=registry)
    assert artifacts_of(store, done) == []


def test_a_session_at_its_limit_collects_nothing_more_and_goes_on(
    script: Script, store: Store, tools: ToolRegistry
) -> None:
    done = script(
        'for n = 1, 3 do Tool.invoke("measure", {length = n}) end',
        tools=tools, limits={"artifacts": 1},
    )  # fmt: skip
    assert done.ended.status == "completed"
    assert len(artifacts_of(store, done)) == 1


def test_a_fork_has_copies_of_what_was_collected_up_to_its_position(
    script: Script, store: Store, tools: ToolRegistry, names: Callable[[RunResult], list[str]]
) -> None:
    waits = script(
        """
        local gone = Artifact.store(nil, "gone.txt", "x")
        Tool.invoke("measure", {length = 1})
        local kept = Artifact.store(nil, "kept.txt", "kept")
        Artifact.delete(nil, gone)
        for _, one in ipairs(Artifact.list(nil, {artifact_type = "ToolResult"})) do
            Artifact.delete(nil, one.id)
        end
        Tool.invoke("measure", {length = 2})
        Session.suspend()
        print(Artifact.getContent(nil, kept), #Artifact.list())
        """,
        tools=tools,
    )
    made = respell.fork(waits.session, store=store, at=waits.session.events - 1)
    done = script.resume(made, tools=tools)
    assert done.ended.status == "completed", done.session.error
    assert script.lines == ["kept\t2"]
    found = {it.name: it.sequence for it in artifacts_of(store, done)}
    original = {it.name: it.sequence for it in artifacts_of(store, waits)}
    assert found == original


def test_settings_decide_what_is_collected() -> None:
    args, outcome = {"name": "say"}, {"result": "hello"}

    def take(settings: Collection, number: int = 1) -> bool:
        return collected(settings, "id", number, "tool.invoke", args, outcome) is not None

    assert take(Collection())
    assert not take(NOTHING)
    assert not take(Collection(min_bytes=6))
    assert not take(Collection(max_bytes=4))
    assert not take(Collection(sampling=0))
    drawn = [take(Collection(sampling=0.25), number) for number in range(1, 2001)]
    assert 400 < sum(drawn) < 600
    assert drawn == [take(Collection(sampling=0.25), number) for number in range(1, 2001)]


def test_names_from_outside_become_names_that_artifacts_may_have() -> None:
    args = {"agent": "../../etc/\x1b[31m" + "é" * 300}
    found = collected(Collection(), "id", 7, "agent.request", args, {"text": "hi"})
    assert found is not None
    assert "/" not in found.name
    assert ".." not in found.name
    assert "\x1b" not in found.name
    assert len(found.name.encode()) <= 255
    assert found.name.endswith("_output_7.txt")


def test_an_output_that_nobody_takes_leaves_nothing_in_doubt(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.lua").write_text(
        'print("first") local f = io.open("out.txt", "w") f:write("x") f:close() print("last")'
    )

    def refuse(name: str, text: bytes) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError):
        respell.run(tmp_path / "main.lua", store=store, on_output=refuse)
    (session,) = store.sessions.list()
    assert session.status == "suspended"
    assert not (tmp_path / "out.txt").exists()
    lines: list[bytes] = []
    done = respell.resume(session, store=store, on_output=lambda name, text: lines.append(text))
    assert done.ended.status == "completed"


DIES_IN_THE_TOOL = """
import os, signal, sys
import respell
from respell.tools import ToolRegistry, make_tool

def measure(length: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)

tools = ToolRegistry()
tools.register(make_tool(measure, idempotent=True))
with respell.open(sys.argv[1], durability="process") as store:
    respell.run("main.lua", store=store, tools=tools)
"""


def test_a_call_that_a_kill_interrupted_is_collected_once(
    script: Script, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "main.lua").write_text(
        """
        Hook.register("AfterToolExecution", function() return "continue" end)
        print(Tool.invoke("measure", {length = 3}).result.length)
        """
    )
    died = subprocess.run(
        [sys.executable, "-c", DIES_IN_THE_TOOL, str(store.path)], cwd=tmp_path, check=False
    )
    assert died.returncode == -signal.SIGKILL
    registry = ToolRegistry()
    registry.register(make_tool(measure, idempotent=True))
    (session,) = store.sessions.list()
    done = script.resume(session, tools=registry)
    assert done.ended.status == "completed"
    assert script.lines == ["3"]
    assert [(it.version, it.custom) for it in artifacts_of(store, done)] == [
        (1, {"tool": "measure"})
    ]
