"""The conversation: one command per line, one answer to each."""

from __future__ import annotations

from collections.abc import Callable

from respell.debug import Debugger, Stop
from respell.errors import UsageError
from respell_tui.line_mode import editing, keeping, living, looking, moving, over_time, stopping
from respell_tui.line_mode.words import Answer, Word
from respell_tui.output import Out


class LineMode:
    """Carries out commands and says what came of them.

    Args:
        debugger: What they are given to.
        out: Where answers go.
        json: Answer each command with one line of JSON.
        tidy: Called when a move has ended, to take away what was shown meanwhile.

    Attributes:
        frame: The frame that is looked at; 0 for the innermost.
        watched: Expressions whose values are shown at every stop.
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
        self.watched: list[str] = []
        self._sources: dict[str, list[str]] = {}
        self._printed = living.Printed(debugger)

    def say(self, command: str, answer: Answer | None) -> None:
        """Write the answer to a command, where it is to be JSON."""
        if self.is_json:
            self.out.json({"command": command, **(answer or {})})

    def begin(self) -> None:
        """Say where we are."""
        self.say("", self.stopped(self.debugger.stop))

    def perform(self, text: str) -> None:
        """Carry out one line; empty ones and comments (#) do nothing.

        Raises:
            UsageError: There is no such command, or it can't be done.
        """
        text = text.strip()
        if not text or text.startswith("#"):
            return
        name, _, rest = text.partition(" ")
        word = word_of(name)
        living.look(self.debugger)
        self.say(text, word.perform(self, rest.strip()))

    def line(self, *parts: str) -> None:
        """Write a line for people."""
        if not self.is_json:
            self.out.line(*parts)

    # Moves -------------------------------------------------------------------------------

    def stopped(self, stop: Stop) -> Answer:
        """Say where a move ended."""
        self.frame = 0
        self._tidy()
        printed = self.show_printed()
        for one in stop.logs:
            self.line(f"{one.position}  ", one.text)
        where = f"{stop.source}:{stop.line}" if stop.line else "no function runs"
        text = self._text_of(stop.source, stop.line)
        why = {"step": "", "goto": "", "event": ""}.get(stop.reason, stop.reason)
        if stop.breakpoints:
            why += " " + ", ".join(str(number) for number in stop.breakpoints)
        function = f" in {stop.function}" if stop.function else ""
        coroutine = f" [coroutine {stop.coroutine}]" if stop.coroutine else ""
        self.line(
            self.out.paint(str(stop.position), "cyan"), f"  {where}{function}{coroutine}",
            f"  ({why})" if why else "", f"\n    {text}" if text else "",
        )  # fmt: skip
        if stop.error:
            self.line("    ", self.out.paint(stop.error, "red"))
        for change in stop.changes:
            self.line("    ", self.out.paint(change.describe(), "cyan"))
        answer = stop.to_json()
        if self.debugger.live is not None:
            answer |= {"live": living.state_of(self.debugger.live), "printed": printed}
        if self.watched:
            answer["watched"] = {one: self.value_of(one) for one in self.watched}
            for name, value in answer["watched"].items():
                self.line(f"    {name} = {value}")
        return answer

    def show_printed(self) -> list[str]:
        """Show what a session that runs has written since the last time, and return it."""
        if self.debugger.live is None:
            return []
        lines = self._printed.take()
        for text in lines:
            self.line(self.out.paint("| ", "dim"), text)
        return lines

    def forget_sources(self) -> None:
        """Read sources again: another script goes on."""
        self._sources.clear()

    def value_of(self, expression: str) -> str:
        """Return what a watched expression comes to."""
        found = self.debugger.evaluate(expression)
        return found.error or ", ".join(one.text for one in found.values)

    def _text_of(self, source: str, line: int) -> str:
        lines = self.lines_of(source) if source else []
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def lines_of(self, source: str) -> list[str]:
        """Return the lines of a source; none where its text is not known."""
        if source not in self._sources:
            try:
                text = self.debugger.breakpoints.source_named(source)[1].decode(errors="replace")
            except UsageError:
                text = ""  # of a chunk that `load` made there is no file
            self._sources[source] = text.splitlines()
        return self._sources[source]


def _quit(mode: LineMode, _rest: str) -> Answer:
    mode.over = True
    return {}


def _help(mode: LineMode, rest: str) -> Answer:
    words = [word_of(rest)] if rest else list(_WORDS)
    for word in words:
        mode.line(f"{' / '.join(word.names)} {word.takes}".ljust(36), word.help)
    return {"commands": [word.names[0] for word in words]}


_INFO = {
    "breakpoints": "breakpoints", "locals": "locals", "globals": "globals", "frame": "bt",
    "stack": "bt", "threads": "coroutines", "display": "display", "source": "list",
}  # fmt: skip


def _info(mode: LineMode, rest: str) -> Answer | None:
    """Carry out gdb's `info`: other names of commands that show things."""
    found = [name for name in _INFO if rest and name.startswith(rest)]
    if not found:
        raise UsageError(f"info takes one of {', '.join(_INFO)}")
    return word_of(_INFO[found[0]]).perform(mode, "")


_WORDS = (
    *moving.WORDS, *stopping.WORDS, *looking.WORDS, *over_time.WORDS, *keeping.WORDS,
    *living.WORDS, *editing.WORDS,
    Word(("q", "quit"), _quit, "", "leave"),
    Word(("info", "i"), _info, "WHAT", "breakpoints, locals, frame …, as in gdb"),
    Word(("h", "help"), _help, "[COMMAND]", "this list, or what one does"),
)  # fmt: skip
_BY_NAME = {name: word for word in _WORDS for name in word.names}

COMMANDS = tuple(_BY_NAME)
"""The names of all commands."""


def word_of(name: str) -> Word:
    """Return the command of a name, or of the beginning of one that only one has.

    Raises:
        UsageError: There is none, or there are several.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    found = [full for full in COMMANDS if full.startswith(name)]
    if len({id(_BY_NAME[full]) for full in found}) == 1:
        return _BY_NAME[found[0]]
    if found:
        raise UsageError(f"{name} may be {', '.join(found)}")
    raise UsageError(f"there is no command {name}; `help` lists them")
