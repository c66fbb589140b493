"""A suspend waits for calls that changed something, and for nothing that only reads."""

from __future__ import annotations

import threading
import time
from typing import Any

from respell.engine import run as running
from respell.engine.program import Program
from respell.store import Store
from respell.tools import Tool, ToolContext, ToolRegistry
from respell.tools.model import reads


def test_a_tool_that_only_reads_is_left_at_once_and_called_again(
    script: Any, store: Store, tmp_path: Any
) -> None:
    called = threading.Event()
    let_go = threading.Event()

    def look(params: dict[str, Any], ctx: ToolContext) -> str:
        if not let_go.is_set():
            called.set()
            ctx.cancel.wait(60)
            return "nobody hears this"
        return "seen"

    tools = ToolRegistry()
    tools.register(Tool("look", "Look.", {"type": "object"}, look, decide=reads))
    path = tmp_path / "main.lua"
    path.write_text('print(Tool.invoke("look", {}).result)')
    run = running.start(store, Program.from_file(path), script=str(path), tools=tools)

    def suspend() -> None:
        called.wait(30)
        run.suspend()

    thread = threading.Thread(target=suspend)
    thread.start()
    began = time.monotonic()
    ended = run.go()
    thread.join()
    assert ended.ended.status == "suspended"
    assert time.monotonic() - began < 9  # a call that is waited for gets ten seconds
    let_go.set()
    done = script.resume(ended.session, tools=tools)
    assert done.ended.status == "completed"
    assert script.lines == ["seen"]
