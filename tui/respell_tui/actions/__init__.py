"""The one table of everything a person can do in the app.

Key bindings, footer, help, command palette, command line and docs/keys.md are made from it;
nothing else knows a key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from respell_tui.actions.compare import COMPARE
from respell_tui.actions.everywhere import EVERYWHERE, LISTS
from respell_tui.actions.home import HOME
from respell_tui.actions.model import Action, possible
from respell_tui.actions.replay import REPLAY, REPLAY_GROUPS

__all__ = ["ACTIONS", "Action", "by_id", "groups", "in_chain", "nearest", "possible", "within"]

ACTIONS: tuple[Action, ...] = (*EVERYWHERE, *LISTS, *HOME, *REPLAY, *COMPARE)

_BY_ID = {action.id: action for action in ACTIONS}


def by_id(ident: str) -> Action:
    """Return the action of an id.

    Raises:
        KeyError: There is none.
    """
    return _BY_ID[ident]


def within(where: str) -> tuple[Action, ...]:
    """Return the actions of exactly one place, e.g. `home` or `home/sessions`."""
    return tuple(action for action in ACTIONS if action.where == where)


def groups(where: str) -> Iterator[tuple[str, tuple[Action, ...]]]:
    """Yield the actions of a place in groups, each with a title; an empty one for all of them."""
    if where == "replay":
        yield from REPLAY_GROUPS
    else:
        yield "", within(where)


def in_chain(where: str) -> Iterator[Action]:
    """Yield what a place can do: its own actions, those of its screen, those of the app."""
    screen = where.partition("/")[0]
    for place in dict.fromkeys((where, screen, "app")):
        yield from within(place)


def nearest(text: str) -> str:
    """Return a hint at the id that was meant, to be put behind a message; empty for none."""
    near = difflib.get_close_matches(text, _BY_ID, n=1)
    return f"; did you mean {near[0]}?" if near else ""
