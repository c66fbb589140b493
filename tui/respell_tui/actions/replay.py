"""What can be done on the screen of one session."""

from __future__ import annotations

from respell_tui.actions.model import Action

REPLAY: tuple[Action, ...] = ()
