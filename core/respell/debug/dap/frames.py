"""Which frame a request means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug.dap.messages import Arguments
from respell.debug.inspecting import Frame

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession


def frame_of(session: DapSession, args: Arguments) -> Frame | int:
    """Return the frame that is meant; without one, that of the function that runs."""
    if not args.has("frameId"):
        return 0
    frame = session.places.frame(args.integer("frameId"))
    return 0 if frame is None else frame
