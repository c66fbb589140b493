"""`respell.current()`: a tool, a callback and a task know which session they run for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.store import Store
from respell.tools import make_tool


@pytest.fixture
def tools() -> Callable[..., respell.ToolRegistry]:
    """Return what makes a registry of functions."""

    def registry(*functions: Callable[..., Any]) -> respell.ToolRegistry:
        made = respell.ToolRegistry()
        for function in functions:
            made.register(make_tool(function))
        return made

    return registry


@pytest.fixture(autouse=True)
def _outside() -> Iterator[None]:
    """Outside of all there is none, before and after each test."""
    assert respell.current() is None
    yield
    assert respell.current() is None


def test_a_tool_stores_into_the_session_that_called_it(
    script: Any, store: Store, tools: Any
) -> None:
    def keep(text: str) -> str:
        """Keep a text."""
        session = respell.current()
        assert session is not None
        session.state["kept"] = text
        return session.artifacts.store("kept.txt", text).id

    done = script("print(Tool.invoke('keep', {text = 'abc'}).result)", tools=tools(keep))
    session = respell.session(done.session, store=store)
    assert script.lines == [session.artifacts.get("kept.txt").id]
    (call,) = (it for it in session.events() if it.name == "tool.invoke")
    kept = session.artifacts.get("kept.txt")
    assert (kept.event, kept.created_by) == (call.number, session.id)
    assert session.state["kept"] == "abc"
    assert session.usage["artifact_bytes"] == sum(it.size for it in session.artifacts)
    assert session.replay().identical


def test_a_fork_after_the_tool_has_what_it_stored(script: Any, store: Store, tools: Any) -> None:
    def keep() -> str:
        """Keep a text."""
        session = respell.current()
        assert session is not None
        session.artifacts.store("kept.txt", "abc")
        return "done"

    done = script("Tool.invoke('keep') print(1)", tools=tools(keep))
    session = respell.session(done.session, store=store)
    (call,) = (it for it in session.events() if it.name == "tool.invoke")
    assert session.fork(call.number).artifacts.read("kept.txt") == b"abc"
    assert "kept.txt" not in session.fork(call.number - 1).artifacts


def test_a_limit_reached_inside_a_tool_fails_the_tool_only(
    script: Any, store: Store, tools: Any
) -> None:
    calls: list[int] = []

    def keep() -> str:
        """Keep much."""
        calls.append(1)
        session = respell.current()
        assert session is not None
        return session.artifacts.store("big", "x" * 100).id

    done = script(
        "print(pcall(Tool.invoke, 'keep'))", tools=tools(keep), limits={"artifact_bytes": 50}
    )
    assert done.session.status == "completed"
    assert "artifact_bytes" in script.lines[0]
    assert len(calls) == 1


def test_a_coroutine_is_a_tool_too(script: Any, tools: Any) -> None:
    async def whoami() -> str:
        """Say who."""
        await asyncio.sleep(0)
        session = await asyncio.create_task(_current())
        assert session is not None
        return session.id

    done = script("print(Tool.invoke('whoami').result)", tools=tools(whoami))
    assert script.lines == [done.session.id]


async def _current() -> respell.Session | None:
    return respell.current()


def test_a_callback_knows_whose_output_it_gets(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "main.lua"
    path.write_text("print('hello')")
    seen: list[respell.Session | None] = []
    done = respell.run(path, store=store, on_output=lambda *_: seen.append(respell.current()))
    assert seen == [respell.session(done.session, store=store)]


def test_a_session_is_made_the_current_one_for_a_block(store: Store) -> None:
    outer, inner = respell.create(store=store), respell.create(store=store)
    with outer.as_current():
        assert respell.current() == outer
        with contextlib.suppress(RuntimeError), inner.as_current():
            assert respell.current() == inner
            raise RuntimeError
        assert respell.current() == outer
        kept = outer.artifacts.store("a", "x")
        assert (kept.event, kept.created_by) == (None, outer.id)


def test_threads_and_tasks_have_each_their_own(store: Store) -> None:
    sessions = [respell.create(store=store) for _ in range(3)]
    seen: dict[str, respell.Session | None] = {}

    def in_thread() -> None:
        seen["thread"] = respell.current()
        with sessions[1].as_current():
            seen["thread's"] = respell.current()

    async def in_task(session: respell.Session) -> respell.Session | None:
        with session.as_current():
            await asyncio.sleep(0.01)
            return respell.current()

    async def all_tasks() -> list[respell.Session | None]:
        return await asyncio.gather(*map(in_task, sessions))

    with sessions[0].as_current():
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        assert asyncio.run(all_tasks()) == sessions
        assert respell.current() == sessions[0]
    assert seen == {"thread": None, "thread's": sessions[1]}


def test_eight_threads_run_sessions_of_one_store_at_once(
    store: Store, tmp_path: Path, tools: Any
) -> None:
    def keep(number: int) -> str:
        """Keep a number."""
        session = respell.current()
        assert session is not None
        session.artifacts.store("number.txt", str(number))
        return session.id

    registry = tools(keep)
    path = tmp_path / "main.lua"
    path.write_text("""
        for i = 1, 20 do State.set('i', i) end
        local id = Tool.invoke('keep', {number = input}).result
        assert(id == Session.getCurrent())
        print(input)
    """)
    results: dict[int, list[respell.RunResult]] = {number: [] for number in range(8)}
    outputs: dict[str, list[bytes]] = {}

    def heard(_: str, text: bytes) -> None:
        session = respell.current()
        assert session is not None
        outputs.setdefault(session.id, []).append(text)

    def one(number: int) -> None:
        for _ in range(2):
            results[number].append(
                respell.run(path, store=store, input=number, tools=registry, on_output=heard)
            )

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, both in results.items():
        assert len(both) == 2
        for done in both:
            assert done.session.status == "completed", done.session.error
            session = respell.session(done.session, store=store)
            assert session.artifacts.read("number.txt") == str(number).encode()
            assert outputs[session.id] == [str(number).encode()]
            assert store.history.verify(done.session.key) == session.record.records
