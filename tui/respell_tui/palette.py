"""The command palette: every action with its keys and why it can't act now, and all sessions."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider, SearchIcon
from textual.content import Content
from textual.widgets import Input

from respell.errors import StoreError
from respell.sessions.record import SessionQuery, SessionRecord
from respell_tui.actions import ACTIONS, Action
from respell_tui.actions.binding import perform, reason
from respell_tui.paint import content
from respell_tui.text import one_line


class Palette(CommandPalette):
    """The palette; like every line to type in, its cursor stands still."""

    def on_mount(self) -> None:
        """Still the cursor: over SSH each blink is sent, and pictures would depend on it.

        The sign before it is one that every terminal has, one cell wide.
        """
        self.query_one(Input).cursor_blink = False
        self.query_one(SearchIcon).icon = "/"


class ActionProvider(Provider):
    """Finds actions by a part of their name or label."""

    async def discover(self) -> Hits:
        """All that can act here."""
        for action in self._here():
            why = reason(self.screen, action.id)
            if why is None:
                yield DiscoveryHit(
                    self._shown(action, Content(_title(action))), self._run(action),
                    _title(action), action.description,
                )  # fmt: skip

    async def search(self, query: str) -> Hits:
        """Those that match, also those that can't act now: they say why."""
        matcher = self.matcher(query)
        for action in self._here():
            title = _title(action)
            score = matcher.match(f"{title} {action.label}")
            if score > 0:
                why = reason(self.screen, action.id)
                text = action.description if why is None else f"not now: {why}"
                yield Hit(
                    score, self._shown(action, matcher.highlight(title)), self._run(action),
                    title, text,
                )  # fmt: skip

    def _here(self) -> list[Action]:
        place = getattr(self.screen, "place", "")
        return [
            one for one in ACTIONS
            if one.where.partition("/")[0] in ("app", place)
            and one.id not in ("app.commands", "app.line", "app.back")
        ]  # fmt: skip

    def _shown(self, action: Action, title: Content) -> Content:
        app: Any = self.app
        key = app.keys.shown(action.id)
        return Content.assemble(title, content((f"  {key}", "dim"))) if key else title

    def _run(self, action: Action) -> Any:
        screen = self.screen
        return lambda: perform(screen.focused or screen, action.id)


def _title(action: Action) -> str:
    noun, _, verb = action.id.partition(".")
    return f"{noun}: {verb.replace('_', ' ')}"


_MOST_SESSIONS = 500


class SessionProvider(Provider):
    """Finds sessions by a part of their name, id, script or status, to go to one."""

    async def startup(self) -> None:
        """Read the newest ones."""
        self._sessions = await asyncio.to_thread(self._read)

    def _read(self) -> list[SessionRecord]:
        app: Any = self.app
        try:
            found: list[SessionRecord] = app.store().sessions.list(
                SessionQuery(limit=_MOST_SESSIONS)
            )
        except StoreError:  # the screen says so
            return []
        return found

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for record in self._sessions:
            text = one_line(f"{record.name} {record.id[:8]} {record.status}")
            score = matcher.match(f"session {text}")
            if score > 0:
                shown = content(("go to ", "dim"), one_line(record.name),
                                (f"  {record.id[:8]}  {record.status}", "dim"))  # fmt: skip
                # Below the actions: of those that are equally near the first to come were first.
                yield Hit(score / 2, shown, self._open(record.id), f"go to {record.id[:8]}")

    def _open(self, session_id: str) -> Any:
        app: Any = self.app
        return lambda: app.jump_to(session_id)
