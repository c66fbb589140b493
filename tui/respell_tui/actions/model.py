"""What an action is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

When = Callable[[Any], str | None]
"""Given a screen's situation: None where the action can act, else the reason why it can't."""


def possible(situation: Any) -> str | None:
    """Say of an action that it can always act."""
    return None


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    The widget, screen or app that carries it out has a method `do_` + the id, with `_` for
    each `.`, and no arguments.

    Attributes:
        id: Its name, noun first, e.g. `session.resume`: in the config, the palette and `:`.
        keys: The keys, as Textual names them; the first one is shown.
        label: A word or two for the footer.
        description: A sentence.
        where: `app`, a screen (`home`), a pane of one (`home/sessions`), or `list`.
        when: Whether it can act now.
        footer: Its place in the footer, from the left; 0 to leave it out.
        always: It is in the footer however small the screen is.
        must: It is there if there is any room besides those, and what a pane has of its own.
        shy: It is in the footer only while it can act; it has room before what must be there.
        must_in: Panes in whose footer it has room before what must be there.
        first_in: Panes in whose footer it has room before others have.
        urgent: Given a screen's situation, whether it has room before what must be there now.
        now: Given a screen's situation, what the footer calls it; None for `label`.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    description: str
    where: str
    when: When = possible
    footer: int = 0
    always: bool = False
    must: bool = False
    shy: bool = False
    must_in: tuple[str, ...] = ()
    first_in: tuple[str, ...] = ()
    now: Callable[[Any], str] | None = None
    urgent: Callable[[Any], bool] | None = None

    @property
    def method(self) -> str:
        """The name of the method that carries it out."""
        return "do_" + self.id.replace(".", "_")
