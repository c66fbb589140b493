"""The first line of a screen, which says where one is, and the last, which says what to press."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from respell_tui.paint import Part, cell, content
from respell_tui.text import fit, width, wrap

FLASH_S = 6.0
"""How long a word of the app stands in place of the keys, unless a key is pressed."""


MOST_SAID = 4
"""In how many lines at most that is said; in fewer on a screen that has few."""


class TitleBar(Static):
    """Says in one line where one is and what is touched: in full, or shorter on a small screen."""

    DEFAULT_CSS = """
    TitleBar { height: 1; dock: top; padding: 0 1; background: $panel; text-wrap: nowrap;
               text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._wordings: tuple[tuple[Part | str, ...], ...] = ((),)
        self._parts: tuple[Part | str, ...] = ()

    def show(self, *parts: Part | str, shorter: Sequence[Sequence[Part | str]] = ()) -> None:
        """Show some parts.

        Args:
            parts: What there is to say.
            shorter: The same in fewer words each time, for when there is no room.
        """
        self._wordings = (parts, *(tuple(one) for one in shorter))
        self._choose()

    def _choose(self) -> None:
        room = self.content_size.width
        fitting = (one for one in self._wordings if content(*one).cell_length <= room)
        parts = next(fitting, self._wordings[-1])
        if parts != self._parts:
            self._parts = parts
            self.update(content(*parts), layout=False)  # it has one line whatever stands in it

    def on_resize(self) -> None:
        """There is more room, or less."""
        self._choose()


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the last line.

    Attributes:
        ident: The action's id.
        key: The key as people call it.
        label: What it does.
        why_not: Why it can't act now; None where it can.
        rank: Those of the lowest have room first.
    """

    ident: str
    key: str
    label: str
    why_not: str | None = None
    rank: int = 0


class KeyBar(Widget):
    """Shows what to press: as many keys as there is room for. A click does the same."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "key-bar--key", "key-bar--off", "key-bar--warn", "key-bar--good", "key-bar--bad",
    }  # fmt: skip
    DEFAULT_CSS = """
    KeyBar {
        height: auto; dock: bottom; background: $panel;
        & > .key-bar--key { color: $footer-key-foreground; text-style: bold; }
        & > .key-bar--off { color: $text-disabled; }
        &:nocolor > .key-bar--off { text-style: dim; }
        &:ansi > .key-bar--off { text-style: dim; }
        & > .key-bar--warn { color: $text-warning; text-style: bold; }
        & > .key-bar--good { color: $text-success; text-style: bold; }
        & > .key-bar--bad { color: $text-error; text-style: bold; }
    }
    """

    class Pressed(Message):
        """Somebody clicked on a key."""

        def __init__(self, ident: str) -> None:
            super().__init__()
            self.ident = ident

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[Key, ...] = ()
        self._spots: list[tuple[int, int, str]] = []
        self._flash: Part | None = None
        self._timer: Timer | None = None
        self._work = ""
        self._said: list[str] = []
        self._hidden = False

    def show(self, keys: tuple[Key, ...]) -> None:
        """Show these keys."""
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def flash(self, text: str, role: str) -> None:
        """Say something for a moment, in place of the keys."""
        self._flash = (text, role)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(FLASH_S, self.unflash)
        self._say(self._lines_of(text))

    def busy(self, text: str) -> None:
        """Say what is being done, in place of the keys, for as long as it is; empty for nothing."""
        if text != self._work:
            self._work = text
            self.refresh()

    def unflash(self) -> None:
        """Show the keys again."""
        if self._flash is not None:
            self._flash = None
            self._say([])

    def _say(self, said: list[str]) -> None:
        """Take as many lines as there are to say, and have the screen laid out for that."""
        other = max(1, len(said)) != max(1, len(self._said))
        self._said = said
        self.refresh(layout=other)

    def _lines_of(self, text: str) -> list[str]:
        """Break what is said where the bar ends; what is far too long is cut."""
        room = max(20, self.size.width - 2)
        found = [line for one in text.splitlines() for line in wrap(cell(one), room)]
        most = max(1, min(MOST_SAID, self.screen.size.height // 5))
        rest = " ".join(found[most - 1 :])
        return [*found[: most - 1], *([fit(rest, room)] if rest else [])]

    @property
    def said(self) -> str:
        """What is said in place of the keys; empty for nothing."""
        return self._flash[0] if self._flash is not None else self._work

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line, or as many as what is said takes."""
        return max(1, len(self._said))

    def render_line(self, y: int) -> Strip:
        """Draw it."""
        base = self.rich_style
        if self._flash is not None or self._work:
            role = self._flash[1] if self._flash is not None else "warn"
            said = self._said if self._flash is not None else [cell(self._work)]
            shown = fit(f" {said[y]}" if y < len(said) else "", self.size.width)
            segments = [Segment(shown, base + self._style(role or "key"))]
        else:
            segments = self._drawn(base)
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _drawn(self, base: Style) -> list[Segment]:
        segments, at = [Segment(" ", base)], 1
        self._spots = []
        for key in self._chosen():
            used = width(key.key) + 1 + width(key.label)
            off = key.why_not is not None
            segments += [
                Segment(key.key, base + self._style("off" if off else "key")),
                Segment(" " + key.label, base + self._style("off") if off else base),
                Segment("  ", base),
            ]
            self._spots.append((at, at + used, key.ident))
            at += used + 2
        return segments

    def _chosen(self) -> list[Key]:
        """Return the keys there is room for, in their order."""
        left = self.size.width - 2
        chosen: set[Key] = set()

        for key in sorted(self._keys, key=lambda key: key.rank):
            if _room(key) > left:
                continue
            left -= _room(key)
            chosen.add(key)
        return [key for key in self._keys if key in chosen]

    def _style(self, role: str) -> Style:
        made = self.get_visual_style(f"key-bar--{role}").rich_style
        words: Style = self.get_component_styles(f"key-bar--{role}").text_style
        return words + Style(color=made.color)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Nobody means a key that was not seen when the button went down."""
        self._hidden = bool(self.said)

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked on."""
        if self._hidden:
            return
        for start, end, ident in self._spots:
            if start <= event.x < end:
                self.post_message(self.Pressed(ident))


def _room(key: Key) -> int:
    return width(key.key) + 1 + width(key.label) + 2
