"""A list of any number of lines: only those on the screen are ever made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from respell_tui.actions.binding import Acting, bindings
from respell_tui.icons import UNICODE
from respell_tui.paint import ROLES, Line, cell

_FAINT = ("dim", "comment")
"""Roles that could not be read where the cursor is."""

MAX_CELLS = 4_000
"""What of a line is behind that is not drawn; nobody scrolls there."""


def _rules() -> str:
    """Return the style sheet's rules for all roles."""
    rules = []
    for role, style in ROLES.items():
        words = [
            f"{'color' if word.startswith('$') else 'text-style'}: {word};"
            for word in style.split()
        ]
        rules.append(f"& > .line-view--{role} {{ {' '.join(words)} }}")
    return "\n        ".join(rules)


_CSS = f"""
    LineView {{
        height: 1fr;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        & > .line-view--cursor {{ background: $primary 15%; }}
        &:focus > .line-view--cursor {{ background: $primary 35%; text-style: bold; }}
        &:ansi > .line-view--cursor {{ background: $background; text-style: underline; }}
        &:focus:ansi > .line-view--cursor {{ text-style: bold reverse; }}
        &:nocolor > .line-view--cursor {{ text-style: underline; }}
        &:focus:nocolor > .line-view--cursor {{ text-style: bold reverse; }}
        {_rules()}
        &:nocolor > .line-view--dim, &:ansi > .line-view--dim {{ text-style: dim; }}
    }}
"""


class LineView(Acting, ScrollView, can_focus=True):
    """Shows a sequence of lines, with a cursor.

    The lines can be any sequence that has a length and gives one line by index, also one that
    reads or computes it just then. For lines that depend on the width there is `line`, to be
    overridden.
    """

    BINDINGS: ClassVar = bindings("list")

    margin: ClassVar[int] = 0
    """Lines that are seen above and below the cursor, where there are such."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-view--cursor", *(f"line-view--{role}" for role in ROLES),
    }  # fmt: skip

    DEFAULT_CSS = _CSS

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, view: LineView, index: int) -> None:
            super().__init__()
            self.view, self.index = view, index

        @property
        def control(self) -> LineView:
            """The list."""
            return self.view

        def can_replace(self, message: Message) -> bool:
            """Let the last one take the place of those before."""
            return isinstance(message, LineView.Moved) and message.view is self.view

    class Chosen(Message):
        """Somebody wants what the cursor is on opened."""

        def __init__(self, view: LineView, index: int) -> None:
            super().__init__()
            self.view, self.index = view, index

        @property
        def control(self) -> LineView:
            """The list."""
            return self.view

    def __init__(
        self, lines: Sequence[Line] = (), *, id: str | None = None, cursor: bool = True
    ) -> None:
        """Show some lines.

        Args:
            lines: Those at first.
            id: The widget's id.
            cursor: Whether there is one; without, the keys scroll.
        """
        super().__init__(id=id)
        self._lines = lines
        self._has_cursor = cursor
        self._cursor = 0
        self._strips: dict[tuple[int, int], Strip] = {}
        self._painted: dict[int, Strip] = {}
        self._styles: dict[str, Style] = {}
        self._plain: Style | None = None
        self._longest = 0
        self._height = 0
        self._to_reveal = False

    # What is shown -----------------------------------------------------------------------

    def show(self, lines: Sequence[Line], *, cursor: int | None = None, longest: int = 0) -> None:
        """Show other lines.

        Args:
            lines: The lines.
            cursor: Index of the line to go to; None to stay where it is.
            longest: How many cells the longest one has, to scroll sideways; 0 for not at all.
        """
        self._lines = lines
        self._longest = min(longest, MAX_CELLS)
        self._cursor = max(0, min(self._cursor if cursor is None else cursor, self.count - 1))
        self.redraw()
        if cursor is not None:
            self.call_after_refresh(self._reveal)

    def redraw(self) -> None:
        """Draw all lines anew, and have those painted that look different from before.

        A step changes two or three lines of each pane; to paint the others as well would be
        most of what a step takes.
        """
        self._strips.clear()
        size = Size(self._longest, self.count)
        if size != self.virtual_size:
            # How long it is changes nothing around it: the screen need not be laid out anew.
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
        offset, width = self.scroll_offset, self.scrollable_content_region.width
        different = [
            Region(0, y, self.size.width, 1)
            for y in range(self.size.height)
            if self._painted.get(y) != self._line(y, offset, width)
        ]
        if different:
            self.refresh(*different)
        elif not self.size.height:
            self.refresh()  # it is hidden: what was painted before would be seen again later

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:
        """Return one line.

        Args:
            index: Its index.
            width: How many cells there are for it.
        """
        return self._lines[index]

    @property
    def cursor(self) -> int:
        """Index of the line the cursor is on; 0 where there is none."""
        return self._cursor

    def go_to(self, index: int, *, tell: bool = True) -> None:
        """Move the cursor to a line, or as near as there are any.

        Args:
            index: The line's index.
            tell: Send `Moved`.
        """
        index = max(0, min(index, self.count - 1))
        if self.count == 0:
            return
        moved = index != self._cursor
        if moved:
            for one in (self._cursor, index):
                self._strips = {key: it for key, it in self._strips.items() if key[0] != one}
                self.refresh_line_at(one)
            self._cursor = index
        self._reveal()
        if moved and tell:
            self.post_message(self.Moved(self, index))

    def refresh_line_at(self, index: int) -> None:
        """Draw one line anew."""
        y = index - self.scroll_offset.y
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _reveal(self) -> None:
        height = self.scrollable_content_region.height
        top = round(self.scroll_y)
        if height <= 0:
            return
        margin = min(self.margin, (height - 1) // 2)
        first, last = self._cursor - margin, self._cursor + margin
        if first < top:
            self.scroll_to(y=max(0, first), animate=False, immediate=True)
        elif last >= top + height:
            self.scroll_to(y=last - height + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Where the cursor was seen it is seen still."""
        top = round(self.scroll_y)
        seen = self._to_reveal or top <= self._cursor < top + self._height
        # It has no height for a moment while a screen is laid out anew.
        self._height = self.scrollable_content_region.height or self._height
        if seen:
            self._to_reveal = True
            self.call_after_refresh(self._reveal_still)

    def _reveal_still(self) -> None:
        if self.scrollable_content_region.height > 0:
            self._to_reveal = False
            self._reveal()

    # Drawing -----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width = self.scrollable_content_region.width
        strip = self._painted[y] = self._line(y, self.scroll_offset, width)
        return strip

    def _line(self, y: int, offset: Offset, width: int) -> Strip:
        left, top = offset
        index = y + top
        base = self._plain_style()
        if index >= self.count:
            return Strip.blank(width, base)
        key = (index, width)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) > 1_000:
                self._strips.clear()
            strip = self._strips[key] = self._drawn(index, width)
        base = self._base(index, base)
        if strip.cell_length > left + width > 1:
            more = getattr(self.app, "icons", UNICODE).more
            cut = Segment(more, base + self._style("dim"))
            return Strip([*strip.crop(left, left + width - 1), cut], width)
        return strip.crop_extend(left, left + width, base)

    def _drawn(self, index: int, width: int) -> Strip:
        base = self._base(index, self._plain_style())
        on_cursor = self._has_cursor and index == self._cursor
        # The colours of the terminal are few: one of them may be that of the cursor itself.
        faint = frozenset(ROLES) - {"mark"} if self.app.current_theme.ansi else _FAINT
        room = MAX_CELLS
        segments = []
        for text, role in self.line(index, width):
            shown = cell(text[:room])
            room -= len(shown)
            if on_cursor and role in faint:
                role = ""
            segments.append(Segment(shown, base + self._style(role) if role else base))
            if room <= 0:
                break
        return Strip(segments)

    def _plain_style(self) -> Style:
        if self._plain is None:
            self._plain = self.rich_style
        return self._plain

    def _base(self, index: int, base: Style) -> Style:
        if self._has_cursor and index == self._cursor:
            return base + self._style("cursor")
        return base

    def _style(self, role: str) -> Style:
        style = self._styles.get(role)
        if style is None:
            # Of the cursor only the background counts, of a role only the colour of its text.
            on_cursor = role == "cursor"
            name = f"line-view--{role}"
            # Over the background it has: what is half transparent is blended with that.
            made = self.get_visual_style(name).rich_style
            words = self.get_component_styles(name).text_style
            style = words + Style(
                color=made.color if "$" in ROLES.get(role, "") else None,
                bgcolor=made.bgcolor if on_cursor and not words.reverse else None,
            )
            self._styles[role] = style
        return style

    def notify_style_update(self) -> None:
        """Forget what was drawn in other colours."""
        super().notify_style_update()
        self._forget_styles()

    def _forget_styles(self) -> None:
        self._strips.clear()
        self._styles.clear()
        self._plain = None

    def on_focus(self) -> None:
        """The cursor looks different now."""
        self._forget_styles()
        self.redraw()

    def on_blur(self) -> None:
        """The cursor looks different now."""
        self._forget_styles()
        self.redraw()

    # Keys and mouse ----------------------------------------------------------------------

    def _move(self, by: int) -> None:
        if self._has_cursor:
            self.go_to(self._cursor + by)
        else:
            self.scroll_relative(y=by, animate=False)

    def do_list_up(self) -> None:
        """Go one line up."""
        self._move(-1)

    def do_list_down(self) -> None:
        """Go one line down."""
        self._move(1)

    def do_list_page_up(self) -> None:
        """Go one page up."""
        self._move(-max(1, self.size.height - 1))

    def do_list_page_down(self) -> None:
        """Go one page down."""
        self._move(max(1, self.size.height - 1))

    def do_list_first(self) -> None:
        """Go to the first line."""
        self._move(-self.count)

    def do_list_last(self) -> None:
        """Go to the last line."""
        self._move(self.count)

    def do_list_left(self) -> None:
        """Scroll to the left."""
        self.scroll_relative(x=-8, animate=False)

    def do_list_right(self) -> None:
        """Scroll to the right."""
        self.scroll_relative(x=8, animate=False)

    def do_list_choose(self) -> None:
        """Open what the cursor is on."""
        if self.count:
            self.post_message(self.Chosen(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; a second click opens it."""
        if not self._has_cursor or not self.count:
            return
        index = event.y + self.scroll_offset.y
        if 0 <= index < self.count:
            self.go_to(index)
            if event.chain == 2:
                self.do_list_choose()
