"""What all screens have: a title, panes with numbers, keys in the last line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.screen import Screen
from textual.widget import Widget

from respell_tui.actions import Action, by_id, within
from respell_tui.actions.binding import Acting, perform, reasons
from respell_tui.actions.keys import display
from respell_tui.paint import Part
from respell_tui.panes.pane import Pane
from respell_tui.widgets.bars import Key, KeyBar, TitleBar
from respell_tui.widgets.search import Search
from respell_tui.work import Job, Problem, Working

if TYPE_CHECKING:
    from respell_tui.app import RespellApp


_LOOK_S = 0.25
_LONG_S = 0.5


class Place(Acting, Working, Screen[Any]):
    """A screen of the app.

    Subclasses set `place`, compose a `TitleBar`, their panes and a `KeyBar`, and have
    `BINDINGS = bindings(place)`.

    Attributes:
        place: Where its actions are in the table.
    """

    place: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - Textual has it so
    AUTO_FOCUS = ""

    DEFAULT_CSS = """
    Place {
        &.-zoom .zoomable { display: none; }
        &.-zoom .zoomable.-zoomed { display: block; width: 1fr; height: 1fr; max-width: 100%; }
    }
    """

    @property
    def respell(self) -> RespellApp:
        """The app."""
        return cast("RespellApp", self.app)

    @property
    def situation(self) -> Any:
        """What its actions are judged by: plain data."""
        return None

    @property
    def commands(self) -> str:
        """What can be typed behind `:`, in words."""
        return "an action's name"

    @property
    def behind(self) -> str:
        """What the footer says that escape goes back to; empty for nothing."""
        return ""

    # Panes -------------------------------------------------------------------------------

    def panes(self) -> list[Pane]:
        """Return its panes by their numbers."""
        return sorted(self.query(Pane), key=lambda pane: pane.number)

    @property
    def focused_pane(self) -> Pane | None:
        """The pane that has the focus."""
        node = self.focused
        if node is None:
            return None
        return next((one for one in node.ancestors_with_self if isinstance(one, Pane)), None)

    def pane_of(self, ident: str) -> Pane | None:
        """Return the pane that carries out an action, where one does."""
        where = by_id(ident).where
        return next((pane for pane in self.panes() if pane.place == where), None)

    def focus_pane(self, number: int) -> None:
        """Go to a pane, and leave the zoom of another."""
        pane = next((one for one in self.panes() if one.number == number), None)
        if pane is None:
            self.flash(f"there is no pane {number} here", "warn")
            return
        if self.has_class("-zoom") and not pane.has_class("-zoomed"):
            self.zoom(pane)
        self.reveal_pane(pane)
        target = pane.target()
        if target is not None:
            self.set_focus(target)
            self.remember()

    def reveal_pane(self, pane: Pane) -> None:
        """Show a pane that is hidden behind another, where a screen has such."""

    def zoom(self, pane: Pane | None) -> None:
        """Give all room to one pane; None takes it back."""
        self.query(".-zoomed").remove_class("-zoomed")
        self.set_class(pane is not None, "-zoom")
        if pane is not None:
            for node in pane.ancestors_with_self:
                if isinstance(node, Widget) and node.has_class("zoomable"):
                    node.add_class("-zoomed")

    def _beside(self, by: int) -> None:
        panes = [pane for pane in self.panes() if pane.display and pane.target() is not None]
        here = self.focused_pane
        if not panes:
            return
        at = panes.index(here) if here in panes else -by
        self.focus_pane(panes[(at + by) % len(panes)].number)

    # What all screens can do -------------------------------------------------------------

    def layout_now(self) -> dict[str, Any]:
        """Return what is remembered of this screen: plain data."""
        pane = self.focused_pane
        return {"pane": pane.number if pane is not None else 0, "zoom": self.has_class("-zoom")}

    def remember(self) -> None:
        """Remember how this screen looks, for the next start."""
        if self.panes():  # there are none any more while it goes
            self.respell.memory.layouts[self.place] = self.layout_now()

    def recall(self, first: int) -> None:
        """Go to the pane that had the focus the last time, zoomed if it was.

        Args:
            first: Number of the pane to begin with where nothing is remembered.
        """
        found = self.respell.memory.layouts.get(self.place)
        layout: dict[str, Any] = found if isinstance(found, dict) else {}
        numbers = {one.number: one for one in self.panes()}
        chosen = numbers.get(layout.get("pane", first), numbers[first])
        zoomed = layout.get("zoom") is True
        self.focus_pane(chosen.number)
        if zoomed:
            self.zoom(chosen)
            self.remember()

    def do_pane_zoom(self) -> None:
        """Zoom the pane that has the focus, or leave the zoom."""
        self.zoom(None if self.has_class("-zoom") else self.focused_pane)
        self.remember()

    def do_pane_next(self) -> None:
        """Go to the next pane."""
        self._beside(1)

    def do_pane_previous(self) -> None:
        """Go to the pane before."""
        self._beside(-1)

    def do_app_back(self) -> None:
        """Cancel what is waited for; else close what is open, the last first; then the screen."""
        if self._cancel_work() or self.close_something():
            return
        if self.has_class("-zoom"):
            self.zoom(None)
            self.remember()
        elif len(self.app.screen_stack) > 2:
            self.leave()
        else:
            self.flash("this is the first screen: q quits", "warn")

    def on_mount(self) -> None:
        """Look now and then what is being done."""
        self.set_interval(_LOOK_S, self._show_work)

    def _waited_for(self) -> list[Job]:
        return [job for node in (self, *self.query(Pane)) for job in node.waited_for()]

    def _show_work(self) -> None:
        """Say in the last line what is waited for, if that takes long."""
        jobs = [job for job in self._waited_for() if job.seconds >= _LONG_S]
        text = ""
        if jobs:
            job = jobs[0]
            share = f" {job.share:.0%}" if job.share else ""
            text = f"{job.what}{share}, {job.seconds:.0f} s" + (
                "  esc cancels" if job.cancels else ""
            )
        for bar in self.query(KeyBar):
            bar.busy(text)

    def _cancel_work(self) -> bool:
        """Cancel the newest of what is waited for; return whether there was any."""
        jobs = [job for job in self._waited_for() if job.cancels and job.seconds >= _LONG_S]
        for job in jobs[-1:]:
            job.node.stop_work(job.group)
            self._show_work()
            self.flash(f"{job.what} was cancelled", "warn")
        return bool(jobs)

    def close_something(self) -> bool:
        """Close a search or the like, if any is open, and return whether one was."""
        return False

    def leave(self) -> None:
        """Go back to the screen before."""
        self.respell.memory.open = self.respell.memory.position = ""
        self.app.pop_screen()

    def do_app_line(self) -> None:
        """Ask for a command."""
        self.ask_command()

    def ask_command(self, text: str = "", why: str = "") -> None:
        """Ask for a command, or for a better one.

        Args:
            text: What was typed before.
            why: Why that could not be carried out.
        """
        from respell_tui.screens.command_line import CommandLine

        line = CommandLine(self.known_commands(), self.commands, self.judge, text=text, why=why)
        self.app.push_screen(line, lambda typed: self.command(typed) if typed else None)

    def do_app_help(self) -> None:
        """Show what can be done here."""
        from respell_tui.screens.help import Help, help_of

        pane = self.focused_pane
        self.app.push_screen(Help(help_of(self.respell.keys, self, pane)))

    def known_commands(self) -> list[str]:
        """Return what can be typed into the command line here, for its suggestions."""
        return [action.id for place in dict.fromkeys(self._chain()) for action in within(place)]

    def judge(self, text: str) -> str:
        """Say why what was typed behind `:` can't be carried out; nothing where it can.

        Args:
            text: What was typed, neither empty nor with blanks around it.
        """
        found = self._meant(text)
        if not found:
            return f"there is no command {text!r}; ctrl+p finds all there are"
        if len(found) > 1:
            return "that may be " + ", ".join(one.id for one in found)
        return reasons(self, [found[0].id])[0] or ""

    def command(self, text: str) -> None:
        """Carry out what was typed behind `:`, with which nothing is wrong.

        Args:
            text: The same as for `judge`.
        """
        perform(self.focused or self, self._meant(text)[0].id)

    def _meant(self, text: str) -> list[Action]:
        """Return the actions that a text may mean: one, where its name is all of it."""
        wanted = text.lower()
        known = [by_id(ident) for ident in self.known_commands()]
        named = [one for one in known if wanted in (one.id, one.label)]
        return named[:1] or [one for one in known if one.id.startswith(wanted)]

    # The first and the last line ---------------------------------------------------------

    def entitle(self, *parts: Part | str, shorter: Sequence[Sequence[Part | str]] = ()) -> None:
        """Show where one is, behind the program's name.

        Args:
            parts: What there is to say.
            shorter: The same in fewer words each time, for when there is no room.
        """
        name = ("respell", "title"), f" {self.respell.icons.cursor} "
        short = [(*name, *one) for one in shorter]
        self.query_one(TitleBar).show(*name, *parts, shorter=short)

    def flash(self, text: str, role: str = "good") -> None:
        """Say something for a moment in the last line."""
        for bar in self.query(KeyBar):  # there is none while the app ends
            bar.flash(text, role)

    def show_problem(self, problem: Problem) -> None:
        """Say in the last line what went wrong with something that has no pane."""
        self.flash(f"{problem.what} failed: {problem.text}", "bad")

    def show_keys(self) -> None:
        """Show the keys that work here now."""
        typed = self.focused if isinstance(self.focused, Search) else None
        back = self.respell.keys.shown("app.back")
        self.query_one(KeyBar).show(tuple(self._keys_now()) if typed is None else typed.keys(back))

    def _keys_now(self) -> Iterator[Key]:
        keys, chain, now = self.respell.keys, self._chain(), self.situation
        taken = self.focused_pane.takes if self.focused_pane is not None else ()
        chosen = sorted(
            (one for place in chain for one in within(place) if one.footer and keys.of(one.id)),
            key=lambda one: one.footer,
        )
        why_not = reasons(self, [action.id for action in chosen])
        for action, why in zip(chosen, why_not, strict=True):
            label = action.now(now) if action.now is not None else action.label
            if action.id == "app.back":
                label = self.behind
            if label and not (action.shy and why):
                key = next((one for one in keys.of(action.id) if one not in taken), "")
                yield Key(action.id, display(key), label, why, _rank(action, chain[0], why, now))

    def _chain(self) -> list[str]:
        pane = self.focused_pane
        places = [self.place if pane is None or not pane.place else pane.place, self.place, "app"]
        return list(dict.fromkeys(places))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Other keys work in another pane."""
        self.show_keys()

    def on_screen_resume(self) -> None:
        """Something may have changed meanwhile."""
        if self.is_mounted and self.query(KeyBar):
            self.show_keys()
            self.respell.changed()

    def on_key(self, event: events.Key) -> None:
        """What was said was read."""
        self.query_one(KeyBar).unflash()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """What was said was read."""
        for bar in self.query(KeyBar):
            bar.unflash()

    @on(KeyBar.Pressed)
    def _pressed(self, message: KeyBar.Pressed) -> None:
        message.stop()
        perform(self.focused or self, message.ident)


def _rank(action: Action, place: str, why_not: str | None, now: Any) -> int:
    """Return which actions have room in the last line before others: those of the lowest."""
    can = why_not is None
    firsts = (
        action.always,
        can and (
            action.shy or place in action.must_in
            or (action.urgent is not None and action.urgent(now))
        ),
        action.must, can and place in action.first_in, can,
    )  # fmt: skip
    return next((rank for rank, so in enumerate(firsts) if so), len(firsts))


def _number(number: int) -> Any:
    def go(self: Place) -> None:
        self.focus_pane(number)

    go.__doc__ = f"Go to pane {number}."
    return go


for _n in range(1, 7):
    setattr(Place, f"do_pane_{_n}", _number(_n))
