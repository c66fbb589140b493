"""What a person sets while going through a session: breakpoints, bookmarks, watches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from respell.debug import Breakpoint, Debugger, Evaluated, Frame
from respell.debug.known_names import known_keys, known_names
from respell.errors import UsageError
from respell_tui.paint import Line
from respell_tui.screens.evaluate import Evaluate, Log
from respell_tui.screens.form import Form
from respell_tui.screens.pick import Pick
from respell_tui.screens.replay_moves import ReplayMoves
from respell_tui.shown.fields import CHOICE, Field

_KINDS = ("function", "error", "effect", "value", "state", "artifact")

_EXAMPLES: tuple[Line, ...] = (
    [("function ", "dim"), ("fetch", ""), ("   effect ", "dim"), ("tool.*", ""),
     ("   value ", "dim"), ("total", ""), ("   state ", "dim"), ("city", "")],
    [("artifact ", "dim"), ("notes.md", ""), ("   error ", "dim"), ("uncaught", ""),
     (", or nothing for any", "dim")],
)  # fmt: skip


class ReplayMarks(ReplayMoves):
    """Part of `Replay`: what is set and asked."""

    def __init__(self) -> None:
        """Begin with nothing evaluated."""
        super().__init__()
        self.evaluated = Log()

    def ask(self, form: Form, what: str, change: Callable[[Debugger, Any], Any]) -> None:
        """Ask for something, and have the debugger do it.

        What it refuses is asked for again, with the reason: nothing that was typed is lost.

        Args:
            form: What is asked.
            what: What is done with it, for people.
            change: Called with the debugger, in its thread, and what was filled in.
        """

        def send(given: Any) -> None:
            if given is not None:
                self.move(what, lambda it: change(it, given),
                          refused=lambda why: self.ask(form.again(why), what, change))  # fmt: skip

        self.app.push_screen(form, send)

    # Breakpoints -------------------------------------------------------------------------

    def do_breakpoint_toggle(self) -> None:
        """Set a breakpoint at the line under the cursor, or take it away."""
        self.toggle(self.source.line)

    def toggle(self, line: int) -> None:
        """Set a breakpoint at a line, or take it away.

        Args:
            line: The line, 1-based.
        """
        name = self.source.chunk

        def change(debugger: Debugger) -> None:
            points = debugger.breakpoints
            there = [one for one in points.list() if one.source == name and one.line == line]
            for one in there:
                points.remove(one.id)
            if there:
                self._say(f"no breakpoint at line {line} any more")
                return
            made = points.add_line(name, line)
            moved = f" (line {line} has no code)" if made.line != line else ""
            self._say(f"breakpoint {made.id} at line {made.line}{moved}")

        self.move("setting a breakpoint", change)

    def do_breakpoint_condition(self) -> None:
        """Ask for a condition of the breakpoint of this line."""
        line, name = self.source.line, self.source.chunk
        there = self.breakpoints.get(line)
        fields = [
            Field("condition", "only if", value=there.condition if there else "",
                  hint="a Lua expression: total > 3"),
            Field("hits", "only hits", value=there.hits if there else "", hint="3, >= 3, % 3"),
            Field("log", "write instead", value=there.log if there else "",
                  hint="a text with {expressions}: it does not stop then"),
        ]  # fmt: skip

        def change(debugger: Debugger, given: Mapping[str, Any]) -> None:
            points = debugger.breakpoints
            before = [one for one in points.list() if one.source == name and one.line == line]
            options = {key: text.strip() for key, text in given.items() if text.strip()}
            made = points.add_line(name, line, **options)
            for one in before:  # only now: what is refused leaves what was there
                points.remove(one.id)
            self._say(f"breakpoint {made.id}: {made.describe()}")

        form = Form(f"Breakpoint at line {line}", fields, dict, done="Set")
        self.ask(form, "setting a breakpoint", change)

    def do_breakpoint_add(self) -> None:
        """Ask for a breakpoint of another kind."""
        fields = [
            Field("kind", "stop at", kind=CHOICE, value='"function"',
                  choices=tuple(f'"{kind}"' for kind in _KINDS)),
            Field("name", "which", hint="a name, a pattern, an expression"),
        ]  # fmt: skip
        form = Form("New breakpoint", fields, _kind_wanted, text=_EXAMPLES, done="Set")
        self.ask(form, "setting a breakpoint", partial(_add, say=self._say))

    def do_breakpoint_list(self) -> None:
        """Show the breakpoints."""

        def show(debugger: Debugger) -> None:
            found = list(debugger.breakpoints.list())
            self.app.call_from_thread(self._pick_breakpoint, found)

        self.move("listing breakpoints", show)

    def _pick_breakpoint(self, found: list[Breakpoint]) -> None:
        if not found:
            self.flash("there are no breakpoints: b sets one, ctrl+b one of another kind", "warn")
            return

        def chosen(answer: tuple[str, int] | None) -> None:
            if answer is None:
                return
            what, at = answer
            one = found[at]
            if what == "remove":
                self.move("removing a breakpoint", lambda it: it.breakpoints.remove(one.id))
            elif one.line and one.source == self.source.chunk:
                self.source.list.go_to(one.line - 1)

        rows: list[Line] = [[(f"{one.id:>3}  ", "number"), (one.describe(), "")] for one in found]
        self.app.push_screen(Pick("Breakpoints", rows, removable="takes it away"), chosen)

    # Bookmarks ---------------------------------------------------------------------------

    def do_bookmark_set(self) -> None:
        """Keep this position under a name."""
        fields = [
            Field("name", "name", required=True, hint="unique in this session"),
            Field("note", "note", hint="what is to be remembered"),
        ]

        def keep(debugger: Debugger, given: Mapping[str, Any]) -> None:
            mark = debugger.bookmark(given["name"].strip(), given["note"].strip())
            self._say(f"bookmark {mark.name} at {mark.position}")
            self.app.call_from_thread(self.read_marks)

        self.ask(Form("Bookmark", fields, _named, done="Keep"), "setting a bookmark", keep)

    def do_bookmark_list(self) -> None:
        """Show the bookmarks."""

        def show(debugger: Debugger) -> None:
            self.app.call_from_thread(self._pick_bookmark, debugger.bookmarks())

        self.move("listing bookmarks", show)

    def _pick_bookmark(self, found: list[Any]) -> None:
        if not found:
            self.flash("there are no bookmarks: m sets one", "warn")
            return

        def chosen(answer: tuple[str, int] | None) -> None:
            if answer is None:
                return
            what, at = answer
            mark = found[at]
            if what == "remove":
                self.move("removing a bookmark", partial(self._forget, name=mark.name))
            else:
                self.go_to(mark.position)

        rows: list[Line] = [
            [(f"{one.position:>9}  ", "number"), (one.name, "strong"), (f"  {one.note}", "dim")]
            for one in found
        ]  # fmt: skip
        self.app.push_screen(Pick("Bookmarks", rows, removable="forgets it"), chosen)

    def _forget(self, debugger: Debugger, name: str) -> None:
        debugger.delete_bookmark(name)
        self.app.call_from_thread(self.read_marks)

    @abstractmethod
    def read_marks(self) -> None:
        """Look for what is worth a mark in the line of time."""

    # Values ------------------------------------------------------------------------------

    def do_value_watch(self) -> None:
        """Watch an expression at every stop."""
        row = self.variables.row
        fields = [Field("text", "expression", required=True, value=row.expression if row else "")]

        def send(given: Mapping[str, str] | None) -> None:
            if given is not None and given["text"].strip() not in self.watches:
                self.watches = (*self.watches, given["text"].strip())
                self.remember()
                self.look_again()

        self.app.push_screen(Form("Watch", fields, dict, done="Watch"), send)

    def do_value_unwatch(self) -> None:
        """Watch the expression under the cursor no longer."""
        row = self.variables.row
        if row is None or row.path[0] != "watch":
            self.flash("that is no watch: W makes one", "warn")
            return
        self.watches = tuple(one for one in self.watches if one != row.expression)
        self.remember()
        self.look_again()

    def do_value_evaluate(self) -> None:
        """Evaluate expressions here."""
        debugger, moment = self.debugger, self.moment
        if debugger is None or moment is None:
            return

        async def ask(text: str) -> Evaluated:
            return await debugger.use(lambda it: it.evaluate(text, self.looked_at(it)))

        async def complete(before: str) -> tuple[str, Sequence[str]]:
            return await debugger.use(lambda it: _names(it, before, self.looked_at(it)))

        here = f"in {moment.here.name}, " if moment.here is not None else ""
        screen = Evaluate(f"{here}at {moment.position}", self.evaluated, ask, complete,
                          debugger.cancel)  # fmt: skip
        self.app.push_screen(screen)

    def _say(self, text: str, role: str = "good") -> None:
        """Say something from the debugger's thread."""
        self.app.call_from_thread(self.flash, text, role)

    @property
    def breakpoints(self) -> dict[int, Breakpoint]:
        """Those of the source that is shown, by line."""
        return dict(self.source.list.beside.breakpoints)


def _names(debugger: Debugger, before: str, frame: Frame | int) -> tuple[str, Sequence[str]]:
    """Return what has been begun at the end of a text, and the names it may become, by nearness."""
    begun, found = known_keys(debugger, before, frame) if "[" in before else ("", [])
    if not found:
        begun, found = known_names(debugger, before, frame)
    return begun, [one.name for one in sorted(found, key=lambda one: (one.order, one.name))]


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    if not str(given["name"]).strip():
        raise UsageError("a bookmark needs a name")
    return dict(given)


def _kind_wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    if str(given["kind"]).strip('"') != "error" and not str(given["name"]).strip():
        raise UsageError("say which: a name, a pattern such as tool.*, or an expression")
    return dict(given)


def _add(debugger: Debugger, given: Mapping[str, Any], *, say: Any) -> None:
    kind, name = str(given["kind"]).strip('"'), str(given["name"]).strip()
    points = debugger.breakpoints
    if kind == "function":
        made = points.add_function(name)
    elif kind == "error":
        made = points.add_error(caught=name != "uncaught")
    elif kind == "effect":
        made = points.add_effect(name)
    elif kind == "value":
        made = points.add_data(name)
    elif kind == "state":
        made = points.add_state(name)
    else:
        made = points.add_artifact(name)
    say(f"breakpoint {made.id}: {made.describe()}")
