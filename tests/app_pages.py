"""The terminal UI as tests see it: pages that are driven by keys and read as text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from respell.config import Config
from respell_tui.app import RespellApp
from respell_tui.paint import plain
from respell_tui.panes.pane import Pane
from respell_tui.panes.sessions import SessionsPane
from respell_tui.screens.place import Place
from respell_tui.widgets.bars import KeyBar

PATIENCE_S = 30.0
WIDE, SMALL = (120, 40), (80, 24)


class Page:
    """What is on the screen of an app."""

    def __init__(self, app: RespellApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        """The whole screen as text."""
        # Textual has no public name for it.
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys, and let the app take them."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type text."""
        await self.press(*("space" if one == " " else one for one in text))

    async def until(self, true: Callable[[], Any], what: str = "") -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, f"{what or 'it'} never came; the screen:\n{self.text}"
            await asyncio.sleep(0.01)
            await self.pilot.pause(0)

    async def shows(self, *texts: str) -> None:
        """Wait until all of these are on the screen."""
        for text in texts:
            await self.until(lambda text=text: text in self.text, repr(text))

    async def hides(self, text: str) -> None:
        """Wait until this is not on the screen."""
        await self.until(lambda: text not in self.text, f"a screen without {text!r}")

    @property
    def said(self) -> str:
        """What the app says in its last line, in place of the keys."""
        place = next(one for one in reversed(self.app.screen_stack) if isinstance(one, Place))
        return place.query_one(KeyBar).said

    async def says(self, text: str) -> None:
        """Wait until the app says this in its last line."""
        await self.until(lambda: text in self.said, f"word of {text!r} (now {self.said!r})")

    @property
    def focused(self) -> Pane | None:
        """The pane that has the focus."""
        screen = self.app.screen
        return screen.focused_pane if isinstance(screen, Place) else None

    # The first screen --------------------------------------------------------------------

    @property
    def sessions(self) -> SessionsPane:
        """The pane of the sessions."""
        return self.app.screen.query_one(SessionsPane)

    @property
    def session_lines(self) -> list[str]:
        """The lines of the sessions."""
        view = self.sessions.list
        return [plain(view.line(at, 100)) for at in range(view.count)]

    async def lists(self, *names: str) -> None:
        """Wait until exactly the sessions of these names are in the list, in that order."""
        wanted = list(names)
        await self.until(
            lambda: [row.record.name for row in self.sessions.list.rows] == wanted,
            f"the list {wanted}",
        )


@asynccontextmanager
async def opened(
    store: Path, *, size: tuple[int, int] = WIDE, config: Config | None = None, **more: Any
) -> AsyncIterator[Page]:
    """Open the app over a store, without a terminal."""
    app = RespellApp(store, config=config, **more)
    async with app.run_test(size=size) as pilot:
        yield Page(app, pilot)
