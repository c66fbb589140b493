"""What can be done on the first screen: with sessions and with artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell_tui.actions.model import Action

if TYPE_CHECKING:
    from respell_tui.shown.sessions import HomeSituation


def _chosen(it: HomeSituation) -> str | None:
    return None if it.session is not None else "there is no session under the cursor"


HOME: tuple[Action, ...] = (
    Action("session.open", ("enter", "o"), "open", "Opens the session in the debugger.",
           "home", _chosen, footer=10),
    Action("list.filter", ("slash",), "find", "Shows only what has these words.", "home",
           footer=70),
)  # fmt: skip
