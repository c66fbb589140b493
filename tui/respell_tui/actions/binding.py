"""From the table of actions to Textual's key bindings, and from a key to what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from respell_tui.actions import by_id, within


def bindings(where: str) -> list[BindingType]:
    """Return the key bindings of one place, for its class's `BINDINGS`."""
    return [
        Binding(
            ",".join(action.keys), f"act({action.id!r})", action.label, show=False,
            tooltip=action.description, id=action.id,
        )
        for action in within(where)
        if action.keys
    ]  # fmt: skip


def situation(screen: Screen[Any]) -> Any:
    """Return what a screen's actions are judged by; None for screens that have no own ones."""
    return getattr(screen, "situation", None)


def reason(screen: Screen[Any], ident: str) -> str | None:
    """Return why an action can't act on a screen now; None where it can."""
    return reasons(screen, [ident])[0]


def reasons(screen: Screen[Any], idents: Sequence[str]) -> list[str | None]:
    """Return of each of some actions why it can't act on a screen now; None for those that can."""
    now, place = situation(screen), getattr(screen, "place", "")
    found = []
    for ident in idents:
        action = by_id(ident)
        where = action.where.partition("/")[0]
        elsewhere = where not in ("app", "list", place)
        found.append(f"that belongs to the screen {where}" if elsewhere else action.when(now))
    return found


def perform(start: DOMNode, ident: str) -> None:
    """Carry out an action, or say why it can't be.

    Args:
        start: Where to look for its method first; then in what is around that.
        ident: The action's id.
    """
    app: Any = start.app
    why = reason(start.screen, ident)
    if why is not None:
        app.flash(why, "warn")
        return
    method = by_id(ident).method
    for node in start.ancestors_with_self:
        found = getattr(node, method, None)
        if found is not None:
            found()
            return
    pane = getattr(start.screen, "pane_of", lambda ident: None)(ident)
    getattr(start.screen if pane is None else pane, method)()


class Acting:
    """Gives a widget, screen or app the method that all bindings of the table call."""

    def action_act(self, ident: str) -> None:
        """Carry out an action of the table."""
        assert isinstance(self, DOMNode)
        start = self.focused if isinstance(self, App | Screen) and self.focused else self
        perform(start if by_id(ident).where != "list" else self, ident)
