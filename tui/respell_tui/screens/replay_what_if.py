"""What if: another value, outcome or script, tried without touching anything, or forked with."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from respell import values
from respell.debug import Debugger
from respell.errors import UsageError
from respell.history.diff import Difference, diff
from respell.sessions.record import SessionRecord
from respell_tui.screens.compare import Compare
from respell_tui.screens.form import Form
from respell_tui.screens.home_sessions import BY
from respell_tui.screens.replay_marks import ReplayMarks
from respell_tui.shown.fields import CHOICE, Field


class ReplayWhatIf(ReplayMarks):
    """Part of `Replay`: edits, forks and comparisons."""

    def __init__(self) -> None:
        """Begin without edits."""
        super().__init__()
        self.record: SessionRecord | None = None
        self.edits: Sequence[str] = ()

    def do_value_change(self) -> None:
        """Ask for another value of the variable under the cursor."""
        row = self.variables.row
        if row is None:
            return
        frame = self.frame
        now = row.value.text if row.value is not None and not row.value.ref else ""
        fields = [Field("lua", "becomes", required=True, value=now, hint="a Lua expression")]

        def send(given: Mapping[str, Any] | None) -> None:
            if given is not None:
                lua = given["lua"]
                self.move(f"setting {row.expression}",
                          lambda it: it.set_variable(row.expression, lua, frame))  # fmt: skip

        title = f"What if {row.expression} were …"
        self.app.push_screen(Form(title, fields, dict, done="Try it"), send)

    def do_event_change(self) -> None:
        """Ask for another outcome of the event under the cursor."""
        number = self.events.number_here
        fields = [
            Field("how", "ends with", kind=CHOICE, value='"a value"',
                  choices=('"a value"', '"an error"')),
            Field("text", "which", required=True, hint="JSON; of an error its text"),
        ]  # fmt: skip

        def send(given: Mapping[str, Any] | None) -> None:
            if given is not None:
                self.move(f"changing event {number}",
                          lambda it: it.set_outcome(given["value"], event=number,
                                                    error=given["error"]))  # fmt: skip

        title = f"What if event {number} had ended otherwise"
        self.app.push_screen(Form(title, fields, _outcome, done="Try it"), send)

    def do_edits_discard(self) -> None:
        """Stand in what was recorded again."""
        self.move("discarding the edits", Debugger.discard_edits)

    def do_source_edit(self) -> None:
        """Change the source in the editor, and try what would come of it."""
        code = self.source.list.code
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not editor:
            self.flash("neither $VISUAL nor $EDITOR says which editor: set one", "warn")
            return
        if code.name != self.main_chunk:
            self.flash(f"only the script itself can be changed, and {code.name} is none", "warn")
            return
        with tempfile.TemporaryDirectory(prefix="respell-") as folder:
            path = Path(folder) / (os.path.basename(code.name) or "script.lua")
            path.write_bytes(code.text)
            with self.app.suspend():
                ended = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
            changed = path.read_bytes()
        self.refresh()
        if ended:
            self.flash(f"{editor} ended with {ended}: nothing was changed", "warn")
        elif changed == code.text:
            self.flash("the script was not changed")
        else:
            self.move("executing the changed script", lambda it: it.set_script(changed))

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

        def send(given: Mapping[str, Any] | None) -> None:
            if given is None:
                return

            def make(debugger: Debugger) -> None:
                made = debugger.fork(given["name"].strip(), created_by=BY)
                self.app.call_from_thread(self.respell.choose_session, made.id)
                self._say(f"forked to {made.id[:8]}: esc goes to the sessions, where r resumes it")

            self.move("forking", make)

        title = f"Fork at {moment.position}"
        self.app.push_screen(Form(title, fields, dict, done="Fork"), send)

    def do_session_compare(self) -> None:
        """Compare: a dry run with what was recorded, a fork with its original, or ask with what."""
        record, debugger = self.record, self.debugger
        if record is None:
            return
        if self.edits and debugger is not None:
            self.move("comparing", self._compare_edits)
        elif record.forked_from:
            self._compare(record.forked_from)
        else:
            hint = "the beginning of a session's id, or its name"
            fields = [Field("other", "with", required=True, hint=hint)]
            self.app.push_screen(
                Form("Compare", fields, dict, done="Compare"),
                lambda given: self._compare(given["other"].strip()) if given else None,
            )

    def _compare_edits(self, debugger: Debugger) -> None:
        found = debugger.compare()
        self.app.call_from_thread(
            self.app.push_screen, Compare("as recorded", "what if", lambda: found)
        )

    def _compare(self, other: str) -> None:
        record = self.record
        assert record is not None

        def find() -> Difference:
            store = self.respell.store()
            return diff(store, store.sessions.find(other), store.sessions.get(record.id))

        self.app.push_screen(Compare(other[:12], record.id[:8], find))


def _outcome(given: Mapping[str, Any]) -> dict[str, Any]:
    text = str(given["text"])
    if str(given["how"]).strip('"') == "an error":
        if not text.strip():
            raise UsageError("an error needs a text")
        return {"value": None, "error": text}
    return {"value": values.parse_json(text, what="the outcome"), "error": None}
