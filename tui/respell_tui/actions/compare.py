"""What can be done where two sessions stand side by side."""

from __future__ import annotations

from respell_tui.actions.model import Action

COMPARE: tuple[Action, ...] = (
    Action("difference.next", ("n",), "next", "Goes to the next place that differs.",
           "compare/both", footer=1),
    Action("difference.previous", ("N",), "before",
           "Goes back to the place before that differs.", "compare/both", footer=2),
    Action("difference.show", ("enter",), "both in full",
           "Shows what differs in this line in full, one side below the other.", "compare/both",
           footer=3),
)  # fmt: skip
