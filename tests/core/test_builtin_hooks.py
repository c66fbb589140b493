"""The hooks that come with Respell, switched on in a real `respell.toml`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import respell
from respell import config as configuration
from respell.config import Config
from respell.hooks.builtin.rate_limit import Bucket
from respell.store import Store

Configured = Callable[[str], Config]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    def load(text: str) -> Config:
        path = tmp_path / "own.toml"
        path.write_text(text)
        return configuration.load(path)

    return load


@pytest.fixture
def counted() -> list[str]:
    """A tool that says how often it was called, and fails as often as it is told."""
    called: list[str] = []

    @respell.tool
    def count(name: str, failures: int = 0) -> int:
        called.append(name)
        if len(called) <= failures:
            raise RuntimeError("not yet")
        return len(called)

    return called


def count(name: str = "a", failures: int = 0) -> str:
    return f'print(Tool.invoke("count", {{name = "{name}", failures = {failures}}}).result) '


def kept(store: Store, session: Any, name: str) -> Any:
    artifacts = respell.session(session, store=store).artifacts
    (found,) = [one for one in artifacts.list() if one.name == name]
    return json.loads(artifacts.read(found.id))


def audited(store: Store, action: str) -> list[Any]:
    return [entry for entry in store.audit.list() if entry.action == action]


def test_without_its_table_no_built_in_hook_runs(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    result = script(count(), config=configured(""))
    assert "hook" not in {it.kind for it in respell.events(result.session, store=store)}


def test_logging_tells_of_each_effect(
    script: Any, store: Store, counted: list[str], configured: Configured, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    file = tmp_path / "hooks.log"
    config = configured(
        f'[hooks.logging]\nenabled = true\nlevel = "warn"\ninclude_data = true\nfile = "{file}"\n'
    )
    with caplog.at_level(logging.WARNING, "respell.hooks.logging"):
        result = script(count(), config=config)
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    told = [(it["point"], it["component"]) for it in entries if it["effect"] == "tool.invoke"]
    assert told == [("BeforeEffect", "count"), ("AfterEffect", "count")]
    assert entries[0]["point"] == "SessionStart"
    assert {it["session"] for it in entries[1:]} == {result.session.id}
    messages = [it.getMessage() for it in caplog.records if it.name == "respell.hooks.logging"]
    assert any(it.startswith("BeforeEffect tool.invoke count") and '"a"' in it for it in messages)
    assert {it.levelname for it in caplog.records} == {"WARNING"}


def test_metrics_are_kept_with_the_session(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    result = script(
        count() * 3 + 'pcall(Tool.invoke, "count", {name = "b", failures = 9}) State.get("x")',
        config=configured("[hooks.metrics]\nenabled = true"),
    )
    found = kept(store, result.session, "hook-metrics.json")
    counts = found["tool.invoke count"]
    assert (counts["calls"], counts["failures"]) == (4, 1)
    assert 0 <= counts["p50_s"] <= counts["p95_s"] <= counts["p99_s"]
    assert found["state.get"]["calls"] == 1
    assert respell.replay(result.session, store=store).identical


def test_security_notes_what_is_too_large_or_named_like_a_secret(
    script: Any, store: Store, configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured("[hooks.security]\nenabled = true\nmax_param_bytes = 100")
    script(
        'Tool.invoke("base64_encoder", {operation = "encode", input = ("x"):rep(200)})'
        'pcall(Tool.invoke, "template_engine", {template = "t", context = {Password = "x"}})',
        config=config,
    )
    reasons = [entry.reason for entry in audited(store, "hook.security")]
    assert any("have 2" in it and "100 are allowed" in it for it in reasons), reasons
    assert any("context.Password" in it for it in reasons), reasons
    assert all(entry.allowed for entry in audited(store, "hook.security"))


def test_security_blocks_if_it_is_told_to(
    script: Any, store: Store, configured: Configured
) -> None:
    config = configured("[hooks.security]\nenabled = true\nblock = true\nmax_param_bytes = 50")
    result = script(
        'local p = {operation = "encode", input = ("x"):rep(99)} '
        'print(pcall(Tool.invoke, "base64_encoder", p))',
        config=config,
    )
    assert script.lines[0].startswith(
        "false\tmain.lua:1: cancelled by security: base64_encoder: its"
    )
    assert [entry.allowed for entry in audited(store, "hook.security")] == [False]
    assert respell.replay(result.session, store=store).identical


def test_the_originals_cache_never_stored_anything(
    script: Any, store: Store, configured: Configured
) -> None:
    """In v0.6.0 it only looked up; here a model is asked once."""
    config = configured("[hooks.caching]\nenabled = true")
    text = """
    for _, name in ipairs{"ann", "bob"} do
      print(Agent.create{model = "mock/echo", name = name}:execute("hello").text)
    end
    """
    first, second = script(text, config=config), script(text, config=config)
    assert len(set(script.lines)) == 1
    assert len(script.lines) == 4
    asked = [
        event for result in (first, second)
        for event in respell.events(result.session, store=store)
        if event.name == "hook.call"
    ]  # fmt: skip
    assert len(asked) == 4
    for result in (first, second):
        assert respell.replay(result.session, store=store).identical


def test_caching_calls_the_tools_that_are_named_once_and_all_others_each_time(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    named = configured('[hooks.caching]\nenabled = true\ntools = ["count"]\nttl_seconds = 60')
    script(count("a") + count("a") + count("b"), config=named)
    assert counted == ["a", "b"]
    script(count("a"), config=configured("[hooks.caching]\nenabled = true"))
    assert counted == ["a", "b", "a"]


def test_the_cache_keeps_no_more_than_it_may(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    config = configured('[hooks.caching]\nenabled = true\ntools = ["count"]\nmax_entries = 2')
    script(count("a") + count("b") + count("c") + count("a"), config=config)
    assert counted == ["a", "b", "c", "a"]
    assert len(store.state.list("respell:hook-cache")) == 2


def test_rate_limit_refuses_what_is_too_much(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    config = configured("[hooks.rate_limit]\nenabled = true\nper_second = 0.001\nburst = 2")
    result = script(count() * 2 + 'print(pcall(Tool.invoke, "count", {name = "c"}))', config=config)
    assert len(counted) == 2
    assert "cancelled by rate_limit: more than 0.001 calls per second" in script.lines[-1]
    assert respell.replay(result.session, store=store).identical


def test_rate_limit_of_each_component_and_in_turn(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    config = configured(
        '[hooks.rate_limit]\nenabled = true\nper_second = 100\nburst = 1\naction = "wait"\n'
        'scope = "component"'
    )
    result = script(count() * 4 + 'Tool.invoke("calculator", {input = "1"})', config=config)
    assert result.ended.status == "completed", result.ended
    assert counted == ["a"] * 4
    assert respell.replay(result.session, store=store).identical


def test_a_bucket_fills_again_at_its_rate() -> None:
    now = [0.0]
    bucket = Bucket(2.0, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    now[0] = 0.5
    assert [bucket.take(), bucket.take()] == [0, 0.5]
    now[0] = 1000.0
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]


def test_retry_tries_again_until_it_goes_well_or_was_enough(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    config = configured("[hooks.retry]\nenabled = true\ndelay_s = 0.01\njitter = false")
    result = script(count("a", failures=2), config=config)
    assert script.lines == ["3"]
    (call,) = [it for it in respell.events(result.session, store=store) if it.name == "tool.invoke"]
    assert call.attempts == 3
    assert respell.replay(result.session, store=store).identical
    counted.clear()
    script(f"print(pcall(function() {count('a', failures=9)} end))", config=config)
    assert len(counted) == 3, "three attempts, and no more"


def test_retry_leaves_alone_what_can_not_become_better_and_tools_that_are_not_named(
    script: Any, counted: list[str], configured: Configured
) -> None:
    config = configured('[hooks.retry]\nenabled = true\ndelay_s = 0\ntools = ["other"]')
    script(f"pcall(function() {count('a', failures=9)} end)", config=config)
    assert len(counted) == 1
    config = configured("[hooks.retry]\nenabled = true\ndelay_s = 0")
    text = 'pcall(Tool.invoke, "process_executor", {command = "true"})'
    result = script(text, config=config)
    assert result.ended.status == "completed"


def test_cost_tracking_tells_and_in_the_end_refuses(
    script: Any, store: Store, configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(
        "[hooks.cost_tracking]\nenabled = true\nwarn_usd = 0.4\nalert_usd = 0.9\nblock_usd = 1.0"
    )
    text = """
    local a = Agent.create{model = "mock/echo", options = {prices = {input = 0, output = 1000000}}}
    for i = 1, 2 do print(pcall(function() return a:execute("hello").text end)) end
    """
    result = script(text, config=config)
    assert [line.split("\t")[0] for line in script.lines] == ["true", "false"]
    assert "cancelled by cost_tracking: the session's models have cost" in script.lines[1]
    assert len(audited(store, "hook.cost")) == 2
    assert respell.replay(result.session, store=store).identical


def test_debugging_keeps_the_last_effects_with_their_data(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    config = configured("[hooks.debugging]\nenabled = true\nmax_traces = 3")
    result = script(count() * 2, config=config)
    traces = kept(store, result.session, "hook-traces.json")
    assert [it["point"] for it in traces] == ["AfterEffect", "BeforeEffect", "AfterEffect"]
    assert traces[1]["data"] == {"name": "a", "failures": 0}
    assert respell.replay(result.session, store=store).identical


def test_all_of_them_together_and_beside_hooks_of_ones_own(
    script: Any, store: Store, counted: list[str], configured: Configured
) -> None:
    names = (
        "logging", "metrics", "security", "caching", "rate_limit", "retry", "cost_tracking",
        "debugging",
    )  # fmt: skip
    respell.hooks.register("BeforeToolExecution", lambda _: {"type": "skip"}, name="own")
    text = "\n".join(f"[hooks.{name}]\nenabled = true" for name in names)
    result = script(count() * 2, config=configured(text))
    assert counted == ["a", "a"]
    assert respell.replay(result.session, store=store).identical
    assert respell.check(store=store).findings == []


def test_hooks_in_python_can_be_switched_off_altogether(
    script: Any, counted: list[str], configured: Configured
) -> None:
    respell.hooks.register("BeforeToolExecution", lambda _: "no", name="own")
    config = configured("[hooks]\npython = false\n[hooks.metrics]\nenabled = true")
    script(count(), config=config)
    assert counted == ["a"]
