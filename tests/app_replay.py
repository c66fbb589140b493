"""The screen of a session in tests: a script that ran, and what a person does there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import respell
from app_pages import WIDE, Page, opened
from respell_tui.screens.replay import Replay

SUM = """\
local function collect(prices)
  local total = 0
  for name, price in pairs(prices) do
    total = total + price
    State.set("last", name)
  end
  return total
end

local prices = {apple = 3, pear = 5, plum = 2}
local sum = collect(prices)
print("sum is " .. sum)
Artifact.store(nil, "sum.txt", "The sum is " .. sum)
print((pcall(error, "oh")))
"""


def ran(folder: Path, source: str, name: str = "story") -> Path:
    """Run a script, and return its store's folder."""
    script = folder / f"{name}.lua"
    script.write_text(source)
    with respell.open(folder / "store") as store:
        respell.run(script, store=store, name=name)
    return folder / "store"


def story(
    store: Path,
    tell: Callable[[Page], Awaitable[None]],
    size: tuple[int, int] = WIDE,
    at: str = "end",
) -> None:
    """Open the first session of a store, which stands at its end at first; tell a story there."""

    async def told() -> None:
        async with opened(store, size=size) as it:
            if not isinstance(it.app.screen, Replay):  # what was open the last time is open again
                await it.until(lambda: it.sessions.list.rows, "a session")
                await it.press("enter")
            await stands(it, at)
            await tell(it)

    asyncio.run(told())


def screen(it: Page) -> Replay:
    assert isinstance(it.app.screen, Replay), it.app.screen
    return it.app.screen


async def stands(it: Page, where: str) -> None:
    """Wait until the screen stands at a position, at its end, or in a line (`line 4`)."""

    def so() -> bool:
        shown = it.app.screen
        if not isinstance(shown, Replay) or shown.moment is None or shown._moving:
            return False
        stop = shown.moment.stop
        if where == "end":
            return stop.at_end
        return where in (f"line {stop.line}", str(stop.position))

    await it.until(so, where)


async def does(it: Page, key: str, where: str) -> None:
    await it.press(key)
    await stands(it, where)


async def goes(it: Page, where: str) -> None:
    """Go to a position by the command line."""
    await it.press("colon")
    await it.type(where)
    await does(it, "enter", where)


async def chooses(it: Page, name: str) -> None:
    """Put the cursor on a variable."""
    await it.press("3")
    pane = screen(it).variables
    await it.until(lambda: any(row.name == name for row in pane.rows), name)
    pane.list.go_to(next(at for at, row in enumerate(pane.rows) if row.name == name))
