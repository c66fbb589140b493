"""The command palette: every action, with its keys and why it can't act now."""

from __future__ import annotations

from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from respell_tui.actions import ACTIONS, Action
from respell_tui.actions.binding import perform, reason
from respell_tui.paint import content


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
