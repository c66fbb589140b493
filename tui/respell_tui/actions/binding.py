"""From the table of actions to Textual's key bindings, and from a key to what it does."""

from __future__ import annotations

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
    action = by_id(ident)
    if action.where.partition("/")[0] not in ("app", "list", getattr(screen, "place", "")):
        return f"that belongs to the screen {action.where.partition('/')[0]}"
    return action.when(situation(screen))


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
