"""What if: another value, outcome or script, tried without touching anything, or forked with."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from respell import values
from respell.debug import Debugger
from respell.errors import SessionNotFound, UsageError
from respell.history.diff import Difference, diff
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell_tui.editor import edited
from respell_tui.screens.compare import Compare
from respell_tui.screens.form import Form
from respell_tui.screens.home_sessions import BY
from respell_tui.screens.pick import Pick
from respell_tui.screens.replay_over_time import ReplayOverTime
from respell_tui.shown.fields import CHOICE, Field
from respell_tui.shown.others import Other, other_line, read_others
from respell_tui.work import Job

_MOST_TYPED = 2_000
"""Characters of an outcome that are put into a line to type in; longer ones are for an editor."""


class ReplayWhatIf(ReplayOverTime):
    """Part of `Replay`: edits, forks and comparisons."""

    def __init__(self) -> None:
        """Begin without edits."""
        super().__init__()
        self.record: SessionRecord | None = None
        self.edits: Sequence[str] = ()
        self._drafts: dict[str, bytes] = {}

    # Variables ---------------------------------------------------------------------------

    def do_value_change(self) -> None:
        """Ask for another value of the variable under the cursor."""
        row = self.variables.row
        if row is None:
            return
        now = row.value.text if row.value is not None and not row.value.ref else ""
        fields = [Field("lua", "becomes", required=True, value=now, hint="a Lua expression")]
        form = Form(f"What if {row.expression} were …", fields, dict, done="Try it")
        self.ask(form, f"setting {row.expression}", lambda it, given: self._set(
            it, row.expression, given["lua"]))  # fmt: skip

    def do_value_edit(self) -> None:
        """Write another value of the variable under the cursor in the editor."""
        row = self.variables.row
        if row is None or row.value is None:
            return
        now = row.value.text if not row.value.ref else row.expression
        head = f"-- A Lua expression for {row.expression}, which is\n-- {row.value.text}\n"

        def change(debugger: Debugger, written: bytes) -> Any:
            lines = written.decode(errors="replace").splitlines()
            lua = "\n".join(it for it in lines if not it.startswith("--"))
            return self._set(debugger, row.expression, lua)

        text = f"{head}{now}\n".encode()
        self._edit("value.edit", f"setting {row.expression}", text, "value.lua", change)

    def _set(self, debugger: Debugger, expression: str, lua: str) -> Any:
        return debugger.set_variable(expression, lua, self.looked_at(debugger))

    # Outcomes ----------------------------------------------------------------------------

    def do_event_change(self) -> None:
        """Ask for another outcome of the event under the cursor."""
        self._with_event(self._ask_outcome)

    def _ask_outcome(self, event: Event) -> None:
        failed = event.error is not None
        now = event.error if event.error is not None else _as_json(event.outcome)
        fields = [
            Field("how", "ends with", kind=CHOICE, choices=('"a value"', '"an error"'),
                  value='"an error"' if failed else '"a value"'),
            Field("text", "which", required=True, value=now if len(now) <= _MOST_TYPED else "",
                  hint="JSON; of an error its text"),
        ]  # fmt: skip

        title = f"What if event {event.number} ({event.name}) had ended otherwise"
        self.ask(
            Form(title, fields, _outcome, done="Try it"), f"changing event {event.number}",
            lambda it, given: it.set_outcome(event=event.number, **given),
        )  # fmt: skip

    def do_event_edit(self) -> None:
        """Write another outcome of the event under the cursor in the editor."""
        self._with_event(self._edit_outcome)

    def _edit_outcome(self, event: Event) -> None:
        text = json.dumps(values.to_json(event.outcome), ensure_ascii=False, indent=2)

        def change(debugger: Debugger, written: bytes) -> Any:
            value = values.parse_json(written.decode(errors="replace"), what="the outcome")
            return debugger.set_outcome(value, event=event.number)

        what, name = f"changing event {event.number}", f"event-{event.number}.json"
        self._edit("event.edit", what, f"{text}\n".encode(), name, change)

    def _with_event(self, use: Callable[[Event], None]) -> None:
        """Read the event under the cursor, and do something with it."""
        number, view = self.events.number_here, self.events.view
        record = self.record
        if record is None:
            return

        def read(job: Job) -> Event | None:
            return next(events(self.events.store(view), record.key, number, number), None)

        self.work(
            "reading an event", read, lambda it: use(it) if it else None, group="edited event"
        )

    def _edit(
        self, action: str, what: str, text: bytes, name: str,
        change: Callable[[Debugger, bytes], Any],
    ) -> None:  # fmt: skip
        """Have a person change a text in the editor, and the debugger take it.

        What it refuses is kept, and opened again the next time: nothing that was written is lost.

        Args:
            action: The id of the action that this is.
            what: What is done with it, for people; the drafts are told apart by that.
            text: The text.
            name: The name of its file.
            change: Called with the debugger, in its thread, and what was written.
        """
        draft = self._drafts.get(what)
        try:
            changed = edited(self.app, text if draft is None else draft, name)
        except UsageError as error:
            self.flash(str(error), "warn")
            return
        written = draft if changed is None else changed
        self._drafts.pop(what, None)
        if written is None or written == text:
            self.flash("nothing was changed")
            return

        def refused(why: str) -> None:
            self._drafts[what] = written
            key = self.respell.keys.shown(action)
            self.flash(f"{what}: {key} opens again what was written\n{why}", "bad")

        self.move(what, lambda it: change(it, written), refused=refused)

    # The script --------------------------------------------------------------------------

    def do_edits_discard(self) -> None:
        """Stand in what was recorded again."""
        self.move("discarding the edits", Debugger.discard_edits)

    def do_source_edit(self) -> None:
        """Change the source in the editor, and try what would come of it."""
        code = self.source.list.code
        if code.name != self.main_chunk:
            self.flash(f"only the script itself can be changed, and {code.name} is none", "warn")
            return
        what = "executing the changed script"
        self._edit("source.edit", what, code.text, code.name, Debugger.set_script)

    @property
    @abstractmethod
    def main_chunk(self) -> str:
        """Name of the script itself."""

    # Forks -------------------------------------------------------------------------------

    def do_session_fork_here(self) -> None:
        """Make a session of the history up to here, with the edits that there are."""
        record, moment = self.record, self.moment
        if record is None or moment is None:
            return
        fields = [Field("name", "name", hint=f"{record.name} (fork)")]

        def make(debugger: Debugger, given: Mapping[str, Any]) -> None:
            made = debugger.fork(given["name"].strip(), created_by=BY)
            self.app.call_from_thread(self._go_to_fork, made.id)

        self.ask(Form(f"Fork at {moment.position}", fields, dict, done="Fork"), "forking", make)

    def _go_to_fork(self, ident: str) -> None:
        """Open a fork above what it was made from: escape goes back there."""
        self.respell.choose_session(ident)
        key = self.respell.keys.shown("live.resume")
        said = f"forked to {ident[:8]}: {key} resumes it, esc goes back to what it was made from"
        self.respell.open_session(ident, saying=said)

    def do_session_compare(self) -> None:
        """Compare: a dry run with what was recorded, a fork with its original, or ask with what."""
        record, debugger = self.record, self.debugger
        if record is None:
            return
        if self.edits and debugger is not None:
            self.move("comparing", self._compare_edits)
        elif record.forked_from:
            self._compare_with_original(record.forked_from)
        else:
            self.do_session_compare_with()

    def do_session_compare_with(self) -> None:
        """Ask with which session to compare this one."""
        record = self.record
        if record is not None:
            self.work("reading the sessions", lambda job: read_others(self.respell.store(), record),
                      self._pick_other, group="others")  # fmt: skip

    def _compare_with_original(self, ident: str) -> None:
        """Compare a fork with what it was forked from; where that is gone, ask."""

        def read(job: Job) -> SessionRecord | None:
            try:
                return self.respell.store().sessions.get(ident)
            except SessionNotFound:
                return None

        def then(found: SessionRecord | None) -> None:
            if found is not None:
                self._compare(found)
            else:
                self.do_session_compare_with()

        self.work("reading the original", read, then, group="others")

    def _pick_other(self, others: Sequence[Other]) -> None:
        if not others:
            self.flash("there is no other session to compare with: F makes one, a fork", "warn")
            return

        def chosen(answer: tuple[str, int] | None) -> None:
            if answer is not None:
                self._compare(others[answer[1]].record)

        rows = [other_line(one, self.respell.icons) for one in others]
        title = f"Compare {self.record.name if self.record else ''} with"
        self.app.push_screen(Pick(title, rows, verb="compares"), chosen)

    def _compare_edits(self, debugger: Debugger) -> None:
        found = debugger.compare()
        self.app.call_from_thread(
            self.app.push_screen, Compare("as recorded", "what if", lambda: found)
        )

    def _compare(self, other: SessionRecord) -> None:
        assert self.record is not None
        # What was there first is on the left: a fork differs from its original, not the other way.
        a, b = sorted((self.record, other), key=lambda one: one.created_at)

        def find() -> Difference:
            store = self.respell.store()
            return diff(store, store.sessions.get(a.id), store.sessions.get(b.id))

        names = (a.name, b.name)
        if a.name == b.name:
            names = (a.id[:8], b.id[:8])
        self.app.push_screen(Compare(*names, find))


def _as_json(value: Any) -> str:
    return json.dumps(values.to_json(value), ensure_ascii=False)


def _outcome(given: Mapping[str, Any]) -> dict[str, Any]:
    text = str(given["text"])
    if str(given["how"]).strip('"') == "an error":
        if not text.strip():
            raise UsageError("an error needs a text")
        return {"value": None, "error": text}
    return {"value": values.parse_json(text, what="the outcome"), "error": None}
