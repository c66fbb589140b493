"""Stories about sessions that run: real processes beside the app, and the screen of one."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import respell as core
from app_pages import WIDE, Page, opened
from gate import Gate, gated_server
from respell_tui.screens.replay import Replay
from stories import begin, kill_group, write_script

ASKS = """\
local url, n = ...
local total = 0
for i = 1, tonumber(n) do
  local answer = Tool.invoke("http_request", { input = url .. "/" .. i })
  total = total + i
  State.set("total", total)
  print("total " .. total)
end
print("done")
"""
"""Each round waits until the web server lets its answer out."""


class Beside:
    """A store, what runs in it beside the app, and the web server that it waits for."""

    def __init__(self, folder: Path, gate: Gate, opened: ExitStack) -> None:
        self.folder, self.gate, self._opened = folder, gate, opened
        self.store = folder / "store"
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, text: str = ASKS, *args: str, name: str = "story") -> subprocess.Popen[str]:
        """Have a process run a script as a session; it is killed in the end if it still lives."""
        path = write_script(self.folder, text, f"{name}.lua")
        given = args or (self.gate.url, "100")
        return self._begun("run", "--name", name, path, "--", *given)

    def resume(self, *words: str) -> subprocess.Popen[str]:
        """Have a process resume a session."""
        return self._begun("resume", *words)

    def _begun(self, *words: str) -> subprocess.Popen[str]:
        process = begin(*words, store=self.store, cwd=self.folder)
        self.processes.append(process)
        self._opened.callback(_end, process)
        return process

    def asked(self, count: int) -> None:
        """Return once the server was asked so often."""
        self.gate.wait_for(count)

    def tell(
        self,
        story: Callable[[Page], Awaitable[None]],
        *,
        size: tuple[int, int] = WIDE,
        opens: bool = True,
    ) -> None:
        """Open the app, and in it the newest session if `opens`; tell a story there."""

        async def told() -> None:
            async with opened(self.store, size=size) as it:
                if opens and not isinstance(it.app.screen, Replay):
                    await it.until(lambda: it.sessions.list.rows, "a session")
                    await it.press("enter")
                if opens:
                    await it.until(lambda: moment(it) is not None, "a moment")
                await story(it)

        asyncio.run(told())

    def session(self, name: str = "story") -> dict[str, Any]:
        """Return what `respell show` says of a session."""
        with core.open(self.store) as store:
            one = core.session(name, store=store)
            return {"status": one.status, "events": one.events}


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdout is not None and not process.stdout.closed:
        kill_group(process)


@contextmanager
def beside(folder: Path) -> Iterator[Beside]:
    """Have a store, a web server, and processes that end with the block."""
    with ExitStack() as stack:
        gate = stack.enter_context(gated_server())
        yield Beside(folder, gate, stack)


def replay(it: Page) -> Replay:
    """Return the screen of the session that is open."""
    assert isinstance(it.app.screen, Replay), it.app.screen
    return it.app.screen


def moment(it: Page) -> Any:
    """Return the moment that is shown; None while there is none."""
    return it.app.screen.moment if isinstance(it.app.screen, Replay) else None


async def rests(it: Page) -> None:
    """Wait until no move is under way."""
    await it.until(lambda: not replay(it).is_moving, "rest")
