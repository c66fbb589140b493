"""The conversation: one command per line, one answer to each."""

from __future__ import annotations

import re
from collections.abc import Callable

from respell.debug import Debugger, Frame, Origin, Stop, Value
from respell.debug.breakpoints import OF_EVENTS
from respell.errors import RespellError, UsageError
from respell_tui.line_mode import living, reading
from respell_tui.line_mode.events import in_a_line
from respell_tui.line_mode.interrupts import Interrupts
from respell_tui.line_mode.moving import Places
from respell_tui.line_mode.vocabulary import word_of
from respell_tui.line_mode.whole_values import in_full
from respell_tui.line_mode.words import Answer
from respell_tui.output import Out
from respell_tui.text import fit, one_line

_NAME = re.compile(r"\s*([A-Za-z_]\w*)")
_SHOWN = 400  # columns of a line among others, where nobody says how wide it may be
_MOST_NUMBERS = 10
_MOST_SOURCES = 64  # whose lines are kept
_MOST_DEEP = 20  # files of commands that take commands from others


class LineMode:
    """Carries out commands and says what came of them.

    Args:
        debugger: What they are given to.
        out: Where answers go.
        json: Answer each command with one line of JSON.
        tidy: Called before anything is written, to take away what was shown meanwhile.

    Attributes:
        frame: The frame that is looked at; 0 for the innermost.
        coroutine: The coroutine that is looked at; None for the one that runs.
        watched: Expressions whose values are shown at every stop.
        listed: Source, first and last line that were listed last; None since the last move.
        examined: What is looked into, and how much of it was shown.
        searched: The text that was looked for last.
        places: Where one has been.
        interrupts: Hears Ctrl-C, from when it is told to.
        origin: What was answered last to `origin`.
        over: Whether it was asked to end.
        is_json: Each command is answered with one line of JSON.
    """

    def __init__(
        self, debugger: Debugger, out: Out, *, json: bool, tidy: Callable[[], None]
    ) -> None:
        self.debugger = debugger
        self.over = False
        self.out, self.is_json, self._tidy = out, json, tidy
        self.frame = 0
        self.coroutine: int | None = None
        self.watched: list[str] = []
        self.listed: tuple[str, int, int] | None = None
        self.examined = ("", 0)
        self.searched = ""
        self.places = Places()
        self.interrupts = Interrupts(debugger)
        self.origin: Origin | None = None
        self._sources: dict[str, list[str]] = {}
        self._printed = living.Printed(debugger)
        self._reading = 0

    @property
    def chosen(self) -> Frame | int:
        """The frame that is looked at, for the debugger."""
        if self.coroutine is None:
            return self.frame
        frames = self.debugger.stack(self.coroutine, first=self.frame, count=1)
        if not frames:
            raise UsageError(f"there is no frame {self.frame} in coroutine {self.coroutine}")
        return frames[0]

    @property
    def prompt(self) -> str:
        """What stands before the line that is typed."""
        return f"(respell {self.debugger.position}{' dry run' if self.debugger.edits else ''}) "

    def say(self, command: str, answer: Answer | None) -> None:
        """Write the answer to a command, where it is to be JSON."""
        if self.is_json:
            self.out.json({"command": command, **(answer or {})})

    def begin(self) -> None:
        """Say where we are, and which breakpoints there are already."""
        answer = self.stopped(self.debugger.stop)
        numbers = [one.id for one in self.debugger.breakpoints.list()]
        if numbers:
            shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
            more = ", …" if len(numbers) > _MOST_NUMBERS else ""
            self.line(f"    breakpoints are set: {shown}{more}; `b` lists them")
        if self.debugger.store.read_only:
            self.line("    the store can only be read: breakpoints are not kept")
        self.say("", answer)

    def perform(self, text: str) -> None:
        """Carry out one line; empty ones and comments (#) do nothing.

        Raises:
            RespellError: There is no such command, or it can't be done. In JSON that is said.
        """
        text = text.strip()
        if not text or text.startswith("#"):
            return
        with self.interrupts.end_a_move():
            try:
                word, rest = word_of(text)
                living.look(self.debugger)
                answer = word.perform(self, rest)
            except RespellError as error:
                self._tidy()
                self.say(text, {"refused": reading.with_place(error)})
                raise
            self.say(text, answer)

    def source(self, rest: str) -> Answer:
        """Take commands from a file; an error in it says where.

        Raises:
            RespellError: It can't be read, or one of its commands can't be carried out.
        """
        if not rest:
            raise UsageError("source takes a file with commands")
        if self._reading == _MOST_DEEP:
            raise UsageError(f"{rest}: files of commands take commands from each other endlessly")
        self._reading += 1
        try:
            reading.carry_out(self, reading.lines_of(rest))
        finally:
            self._reading -= 1
        return {}

    def line(self, *parts: str) -> None:
        """Write a line for people."""
        if not self.is_json:
            self._tidy()
            self.out.line(*parts)

    def shortened(self, text: str) -> str:
        """Return a text in one line, no longer than the terminal is wide."""
        return fit(one_line(text), self.out.columns() or _SHOWN)

    def as_written(self, text: str) -> str:
        """Return a line that the script has written: as it is, but for a person in one line."""
        return self.shortened(text) if self.out.is_terminal else text

    # Moves -------------------------------------------------------------------------------

    def stopped(self, stop: Stop, before: Stop | None = None, *, keep: bool = True) -> Answer:
        """Say where a move ended.

        Args:
            stop: Where.
            before: Where it began, of a move that may not have led anywhere.
            keep: Remember the place for `back`.
        """
        self.frame, self.coroutine, self.listed = 0, None, None
        if keep:
            self.places.add(str(stop.position))
        self._tidy()
        printed = self.show_printed()
        for one in stop.logs:
            self.line(f"{one.position}  ", self.shortened(one.text))
        self._show_place(stop)
        self._show_event(stop)
        if stop.error:
            self.line("    ", self.out.paint(stop.error, "red"))
        for change in stop.changes:
            self.line("    ", self.out.paint(self.shortened(change.describe()), "cyan"))
        note = _nowhere(stop, before) or self._end_of(stop)
        if note:
            self.line("    ", self.shortened(note))
        answer = {**stop.to_json(), "dry_run": bool(self.debugger.edits), "note": note or None}
        if self.debugger.live is not None:
            answer |= {"live": living.state_of(self.debugger.live), "printed": printed}
        if self.watched:
            answer["watched"] = {one: self.value_of(one) for one in self.watched}
            for number, (name, value) in enumerate(answer["watched"].items(), 1):
                self.line(self.shortened(f"    {number}: {name} = {value}"))
        return answer

    def _show_event(self, stop: Stop) -> None:
        """Show the event that a breakpoint on events stopped for."""
        kinds = {one.id: one.kind for one in self.debugger.breakpoints.list()}
        if any(kinds.get(number) in OF_EVENTS for number in stop.breakpoints):
            event = self.debugger.event()
            if event is not None:
                self.line(self.shortened(f"    {event.number}  {in_a_line(event)}"))

    def _show_place(self, stop: Stop) -> None:
        where = f"{stop.source}:{stop.line}" if stop.line else "no function runs"
        text = self._text_of(stop.source, stop.line)
        live = self.debugger.live
        end = "the end so far" if live is not None and live.runs else "end"
        known = {"step": "", "goto": "", "event": "", "end": end}
        why = known.get(stop.reason, stop.reason)
        if stop.breakpoints:
            why += " " + ", ".join(str(number) for number in stop.breakpoints)
        function = f" in {stop.function}" if stop.function else ""
        coroutine = f" [coroutine {stop.coroutine}]" if stop.coroutine else ""
        dry = "  [dry run]" if self.debugger.edits else ""
        self.line(
            self.out.paint(str(stop.position), "cyan"), f"  {where}{function}{coroutine}",
            f"  ({why})" if why else "", self.out.paint(dry, "yellow"),
            f"\n    {self.shortened(text)}" if text else "",
        )  # fmt: skip

    def _end_of(self, stop: Stop) -> str:
        """Return in words why there is no more, where that is not plain to see."""
        debugger = self.debugger
        if not stop.at_end or stop.error or debugger.edits:
            return ""
        if debugger.live is not None:
            return "" if debugger.live.runs else debugger.live.describe()
        session = debugger.session
        if (now := debugger.gone_on()) is not None:
            return (
                f"it has gone on since this was opened: {now.events} events by now, and it is "
                f"{now.status}; `q`, and open it again"
            )
        if session.status == "active":
            return "its process died here: nothing more is recorded"
        if session.status != "suspended":
            return ""
        if session.waiting_for is not None:
            prompt = session.waiting_for.get("prompt") or "any"
            return f"it waits for a value: {prompt}; `outcome JSON` tries one"
        return "it is suspended here: nothing more is recorded"

    def show_printed(self) -> list[str]:
        """Show what a session that runs has written since the last time, and return it."""
        if self.debugger.live is None:
            return []
        lines = self._printed.take()
        for text in lines:
            self.line(self.out.paint("| ", "dim"), self.as_written(text))
        return lines

    # What is looked at -------------------------------------------------------------------

    def forget_sources(self) -> None:
        """Read sources again: another script goes on."""
        self._sources.clear()

    def value_of(self, expression: str) -> str:
        """Return what a watched expression comes to."""
        found = self.debugger.evaluate(expression, self.chosen, keep=True)
        return found.error or ", ".join(self._value_text(one) for one in found.values)

    def _value_text(self, value: Value) -> str:
        return in_full(self.debugger, value, _SHOWN)

    def taken_as(self, expression: str, scope: str = "") -> str:
        """Return in words that a name was taken for a global, where that may surprise.

        Args:
            expression: A variable, with fields.
            scope: What it was taken as, if that is known.
        """
        match = _NAME.match(expression)
        if match is None:
            return ""
        name = match[1]
        if not scope:
            found = self.debugger.breakpoints.whose(name, self.chosen)
            scope = str(found.scope["scope"])
        if scope != "global":
            return ""
        frames = self.debugger.stack(self.coroutine)
        if not frames:
            return (
                f"no function runs here, so {name} is taken for a global; `rs` goes to where one "
                "runs"
            )
        here = frames[self.frame]
        for one in frames[self.frame + 1 :]:
            seen = self.debugger.variables(one)
            if any(it.name == name for it in (*seen.locals, *seen.upvalues)):
                return (
                    f"{name} is no variable of {here.name}, so it is taken for a global; "
                    f"`frame {one.index}` chooses {one.name}, which has one"
                )
        value = self.debugger.look(f"_G.{name}", self.chosen)
        if value is not None and value.type != "nil":
            return ""
        later = self._begins_later(name, here)
        if later:
            return (
                f"{name} is no variable here yet, so it is taken for a global; `until {later + 1}` "
                f"goes on to where line {later} has made a local of that name"
            )
        return f"{name} is no variable here: it is taken for a global, which is nil"

    def _begins_later(self, name: str, frame: Frame) -> int:
        """Return the next line that makes a local of a name; 0 where none does."""
        made = re.compile(rf"^\s*local\s+(function\s+)?([\w<>]+\s*,\s*)*{name}\b")
        lines = self.lines_of(frame.source)
        for number in range(max(frame.line, 1), len(lines)):
            if made.match(lines[number - 1]):
                return number
        return 0

    def source_named(self, name: str) -> str:
        """Return the chunk name that a file's name means."""
        return self.debugger.breakpoints.source_named(name)[0]

    def _text_of(self, source: str, line: int) -> str:
        lines = self.lines_of(source) if source else []
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def lines_of(self, source: str) -> list[str]:
        """Return the lines of a source; none where its text is not known."""
        if source not in self._sources:
            try:
                text = self.debugger.breakpoints.source_named(source)[1].decode(errors="replace")
            except UsageError:
                text = ""  # there is none, or it is too long
            if len(self._sources) >= _MOST_SOURCES:
                self._sources.pop(next(iter(self._sources)))
            self._sources[source] = text.removesuffix("\n").split("\n")
        return self._sources[source]


def _nowhere(stop: Stop, before: Stop | None) -> str:
    """Return in words that a move led nowhere; empty where it did lead somewhere."""
    if before is None or before.position != stop.position or stop.reason == "cancelled":
        return ""
    if stop.at_end:
        return "nothing comes after this; `rc` and `rs` go back, `start` to the first line"
    if stop.reason == "entry":
        return "nothing comes before this"
    return ""
