"""What the first screen does with a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from respell import values
from respell.engine.fork import fork
from respell.errors import UsageError
from respell.security import Permissions
from respell.sessions.changes import (
    delete_session,
    end_session,
    suspend_without_program,
)
from respell.sessions.pausing import ask_host, check_pausing
from respell.sessions.record import SessionRecord
from respell.sessions.session import Session
from respell.store import Store
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session
from respell_tui.describe import count
from respell_tui.paint import Line
from respell_tui.screens.dialog import Choice, Question
from respell_tui.screens.form import Form
from respell_tui.screens.home_artifacts import free_path
from respell_tui.screens.home_panes import HomePanes
from respell_tui.screens.new_run import new_run
from respell_tui.screens.resume import Resuming
from respell_tui.shown.fields import Field
from respell_tui.shown.sessions import SessionRow
from respell_tui.work import Job

BY = "ui"
"""Who acts, as histories and the audit log show it."""


class SessionActions(Resuming, HomePanes):
    """Part of `Home`."""

    def _row(self) -> SessionRow:
        row = self.sessions.row
        assert row is not None  # the table of actions sees to it
        return row

    def do_session_open(self) -> None:
        """Open it on a screen of its own."""
        self.respell.open_session(self._row().id)

    def do_session_copy(self) -> None:
        """Copy its id."""
        self.app.copy_to_clipboard(self._row().id)
        self.flash(f"copied {self._row().id}")

    # Running -----------------------------------------------------------------------------

    def do_session_new(self) -> None:
        """Ask what to run, and run it."""
        scripts = [row.record.script or "" for row in self.sessions.list.rows]
        self.app.push_screen(new_run(scripts), self._start)

    def _start(self, words: list[str] | None) -> None:
        if words:
            what = f"running {Path(words[0]).name}"
            self.respell.run_command(["run", *words], what, new=True)

    def do_session_demo(self) -> None:
        """Run the built-in example."""
        from respell_tui.commands.demo import SCRIPT, material

        _, files, flags = material()
        words = ["run", str(SCRIPT), *flags, "--name", "demo", "--", *files]
        self.respell.run_command(words, "running the demo", new=True)

    def do_session_resume(self) -> None:
        """Ask for what it needs, and go on."""
        self.resume(self._row().id)

    def do_session_suspend(self) -> None:
        """Ask it to stop."""
        row = self._row()
        if row.state == "active":
            self._do("suspending", suspend_without_program, "is suspended")
        else:
            self._ask("suspend", "stops at its next effect")

    def do_session_pause(self) -> None:
        """Let it wait, or go on."""
        paused = self._row().state == "paused"
        self._ask("unpause" if paused else "pause", "goes on" if paused else "waits where it is")

    def _ask(self, what: str, done: str) -> None:
        def ask(store: Store, record: SessionRecord, *, by: str) -> None:
            if what != "suspend":
                check_pausing(store, record, what)
            ask_host(store, record, what, by=by)

        self._do(f"asking to {what}", ask, done)

    def _do(self, what: str, change: Callable[..., Any], done: str) -> None:
        """Change the session in a thread.

        Args:
            what: What is done, e.g. `suspending`.
            change: Does it; given the store, the record and `by`.
            done: What is said of the session then.
        """
        ident = self._row().id

        def work(job: Job) -> None:
            with self.respell.store_apart() as store:
                job.on_cancel(store.stop_waiting)
                job.check()
                change(store, store.sessions.get(ident), by=BY)

        if self.working("change"):
            self.flash("one thing at a time: what was asked for before is not done yet", "warn")
            return
        self.work(f"{what} {ident[:8]}", work, lambda _: self._done(f"{ident[:8]} {done}"),
                  group="change", waited=True, cancels=True)  # fmt: skip

    def _done(self, text: str) -> None:
        self.flash(text)
        self.respell.changed()

    # Ending ------------------------------------------------------------------------------

    def do_session_complete(self) -> None:
        """Ask, and mark it as completed."""
        self._sure("Complete", "Mark it as completed? It can't be resumed then.", "completing",
                   lambda store, record, by: end_session(store, record, "completed", by=by),
                   "is completed")  # fmt: skip

    def do_session_archive(self) -> None:
        """Ask, and put it away."""
        self._sure("Archive", "Put it away? It stays in the list, and can still be looked at.",
                   "archiving",
                   lambda store, record, by: end_session(store, record, "archived", by=by),
                   "is archived")  # fmt: skip

    def do_session_delete(self) -> None:
        """Ask, and delete it."""
        record = self._row().record
        size = f"{count(record.events, 'event')} and {count(record.artifacts, 'artifact')}"
        self._sure("Delete", f"Delete it with {size}? That can't be undone.", "deleting",
                   delete_session, "is deleted", bad=True)  # fmt: skip

    def _sure(
        self, verb: str, question: str, what: str, change: Callable[..., Any], done: str,
        *, bad: bool = False,
    ) -> None:  # fmt: skip
        record = self._row().record
        text: list[Line] = [
            [(record.id[:8] + " ", "dim"), (record.name, "strong"), (f"  {record.status}", "dim")],
            [("", "")],
            [(question, "")],
        ]
        choices = [Choice("yes", verb, "y", bad=bad), Choice("no", "Leave it", "n")]

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._do(what, change, done)

        self.app.push_screen(Question(f"{verb} a session", text, choices), answered)

    def do_session_fail(self) -> None:
        """Ask for a reason, and mark it as failed."""
        field = Field("reason", "reason", hint="for people")

        def given(reason: str | None) -> None:
            if reason is not None:
                self._do(
                    "failing",
                    lambda store, record, by: end_session(
                        store, record, "failed", reason=reason, by=by
                    ),
                    "is failed",
                )

        self.app.push_screen(
            Form("Mark a session as failed", [field], lambda it: str(it["reason"]), done="Fail"),
            given,
        )

    # Making others -----------------------------------------------------------------------

    def do_session_fork(self) -> None:
        """Ask where, and fork it."""
        record = self._row().record
        fields = [
            Field("at", "after event", value=str(record.events), required=True,
                  hint="a number, or 12+340 for lines after it"),
            Field("outcome", "outcome", hint="JSON: another one for that event; empty for its own"),
            Field("name", "name", hint=f"{record.name} (fork)"),
        ]  # fmt: skip
        self.app.push_screen(
            Form("Fork a session", fields, _fork_wishes, done="Fork"),
            lambda wishes: self._fork(record, wishes) if wishes else None,
        )

    def _fork(self, record: SessionRecord, wishes: dict[str, Any]) -> None:
        def work(job: Job) -> SessionRecord:
            store = self.respell.store()
            return fork(store, store.sessions.get(record.id), created_by=BY,
                        config=self.respell.config, **wishes)  # fmt: skip

        def made(one: SessionRecord) -> None:
            self.sessions.select(one.id)
            self._done(f"forked to {one.id[:8]}: r lets it go on")

        self.work(f"forking {record.id[:8]}", work, made, group="fork", waited=True)

    def do_session_label(self) -> None:
        """Ask for name, description and tags, and change them."""
        record = self._row().record
        fields = [
            Field("name", "name", value=record.name),
            Field("description", "description", value=record.description),
            Field("tags", "tags", value=" ".join(record.tags), hint="words"),
        ]

        def given(wishes: dict[str, Any] | None) -> None:
            if wishes is not None:
                self._do("changing",
                         lambda store, record, by: Session(store, record).update(**wishes),
                         "is changed")  # fmt: skip

        self.app.push_screen(
            Form("Name and tags", fields, lambda it: {**it, "tags": it["tags"].split()}), given
        )

    # Files -------------------------------------------------------------------------------

    def do_session_export(self) -> None:
        """Ask for a file, and write it."""
        record = self._row().record
        path = Path.cwd() / f"{record.id[:8]}.respell"
        fields = [
            Field("path", "file", value=str(path), required=True),
            Field("redact", "replace", hint="a regular expression: what matches is [redacted]"),
        ]

        def work(job: Job, file: Path, redact: list[str]) -> Any:
            store = self.respell.store()
            return export_session(store, store.sessions.get(record.id), file, redact=redact,
                                  actor=BY, on_progress=job.progress)  # fmt: skip

        def given(wishes: tuple[Path, list[str]] | None) -> None:
            if wishes is not None:
                self.sessions.work(
                    f"exporting {record.id[:8]}", lambda job: work(job, *wishes),
                    lambda report: self._done(f"exported to {report.path}"), group="export",
                    failed=self.show_problem, waited=True, cancels=True,
                )  # fmt: skip

        self.app.push_screen(
            Form("Export a session", fields,
                 lambda it: (free_path(it), [it["redact"]] if it["redact"] else []),
                 done="Export"), given,
        )  # fmt: skip

    def do_session_import(self) -> None:
        """Ask for a file, and bring it in."""
        files = tuple(str(path) for path in sorted(Path.cwd().glob("*.respell")))
        field = Field("path", "file", value=files[0] if files else "", required=True,
                      suggestions=files, hint="what respell export wrote")  # fmt: skip

        def work(job: Job, file: Path) -> SessionRecord:
            given = Permissions.from_flags((), (), Path.cwd(), Path.cwd())
            return import_session(
                self.respell.store(create=True), file, actor=BY, on_progress=job.progress,
                permissions=self.respell.config.permissions(given),
                limits=self.respell.config.session.limits.given(),
            )  # fmt: skip

        def made(one: SessionRecord) -> None:
            self.sessions.select(one.id)
            self._done(f"imported {one.id[:8]} {one.name}")

        def given(file: Path | None) -> None:
            if file is not None:
                self.sessions.work(
                    f"importing {file.name}", lambda job: work(job, file), made, group="import",
                    failed=self.show_problem, waited=True, cancels=True,
                )  # fmt: skip

        self.app.push_screen(Form("Import a session", [field], _existing, done="Import"), given)


def _existing(given: Mapping[str, Any]) -> Path:
    path = Path(str(given["path"])).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return path


def _fork_wishes(given: Mapping[str, Any]) -> dict[str, Any]:
    wishes: dict[str, Any] = {"at": str(given["at"]).strip(), "name": given["name"]}
    if given["outcome"].strip():
        wishes["outcome"] = values.parse_json(given["outcome"], what="outcome")
    return wishes
