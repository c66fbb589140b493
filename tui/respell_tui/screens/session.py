"""The screen of one session."""

from __future__ import annotations

from respell_tui.screens.place import Place


def screen_of(session_id: str, position: str | None) -> Place:
    """Return the screen that a session is opened on.

    Args:
        session_id: The session's id.
        position: Where to stand; None for its end.
    """
    from respell_tui.screens.replay import Replay

    return Replay(session_id, position)
