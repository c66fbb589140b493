"""The last gate before the terminal: no control character in a line that is drawn passes it.

Every text from outside is made visible where it enters (`respell_tui.paint`). Should one ever
reach a widget past that, this takes the harm out of it all the same.
"""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from respell_tui.text import one_line

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Inert(LineFilter):
    """Makes control characters in segments visible."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without any."""
        # Nearly all text is printable, which is found out fastest.
        if all(one.control or one.text.isprintable() for one in segments):
            return segments
        return [
            one if one.control else Segment(one_line(one.text), one.style) for one in segments
        ]  # fmt: skip
