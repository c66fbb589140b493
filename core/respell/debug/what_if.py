"""What if: edits at positions, and what would have come of them, as a dry run or as a fork."""

from __future__ import annotations

import difflib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from respell.debug.collected_again import collected_again
from respell.debug.edits import Edit, OutcomeEdit, ScriptEdit, VariableEdit, shown
from respell.debug.inspecting import Frame, value_of
from respell.debug.inspector import EVALUATE_WITHIN_S
from respell.debug.position import Position
from respell.debug.rehearsal import (
    OnWait,
    Rehearsed,
    number_of_ordinal,
    program_with,
    rehearse,
    worker_edits,
)
from respell.debug.worker import Cancelled, as_text
from respell.engine.fork import known_outcomes, make_fork
from respell.engine.outcomes import fitting
from respell.engine.program import Program, read_script
from respell.errors import EventNotFound, UsageError
from respell.history.events import answers_the_script, event_of
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.edited import edited_store, with_artifacts

if TYPE_CHECKING:
    from respell.debug.debugger import Debugger

_SHOWN_NAMES = 40
_VARIABLE = re.compile(r"\s*[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Edited:
    """A session as it would have been with edits.

    Attributes:
        store: The store, in which the session's history is that one.
        session: The session, likewise.
        program: What it runs.
        worker_edits: The variables that a worker has to set.
        edits: What is different.
        made: How it came about.
    """

    store: Store
    session: SessionRecord
    program: Program
    worker_edits: list[dict[str, Any]]
    edits: tuple[Edit, ...]
    made: Rehearsed

    def close(self) -> None:
        """Throw away what it stored."""
        if self.made.overlay is not None:
            self.made.overlay.close()


def edited(
    store: Store,
    session: SessionRecord,
    edits: Sequence[Edit],
    cancel: threading.Event,
    tell: OnWait | None = None,
) -> Edited:
    """Return a session as it would have been with edits (see `rehearse`)."""
    made = rehearse(store, session, edits, cancel, tell)
    last = store.history.event_at(session.key, made.shared)
    view = edited_store(
        store, session.key, shared=made.shared, replaced=made.replaced, own=made.own,
        artifacts=made.overlay.artifacts(last) if made.overlay is not None else (),
    )  # fmt: skip
    with_artifacts(view, *collected_again(store, view, session, made))
    events = view.history.event_at(session.key, made.records)
    status, error = session.status, session.error
    if made.own or made.shared < session.records or made.replaced:
        status, error = "suspended", None
    if made.why == "finished":
        status = "failed" if made.failed else "completed"
        error = {"message": made.message} if made.failed else None
    program = program_with(store, session, edits)
    return Edited(
        view,
        replace(
            session, records=made.records, events=events, status=status, error=error,
            script_hash=blake3(program.source).hexdigest(),
        ),
        program, worker_edits(store, session, edits), tuple(edits), made,
    )  # fmt: skip


class WhatIf:
    """Edits that are not applied yet: to be tried in a dry run, or to be forked with.

    `Debugger.what_if` makes it.

    Attributes:
        edits: What is different.
    """

    def __init__(self, debugger: Debugger, edits: Sequence[Edit]) -> None:
        self._debugger = debugger
        self.edits = tuple(edits)

    def dry_run(self) -> Debugger:
        """Return another debugger, over the session as it would have been.

        It performs nothing: where the script asks for what was never recorded it ends, and
        says so (`stop.reason` is `unrecorded`). Close it like any.

        Raises:
            UsageError: An edit can't be done.
            Divergence: The other script does something else before its position.
        """
        return self._debugger.apart(self.edits)

    def fork(self, name: str = "") -> SessionRecord:
        """Return a new, suspended session with the edits in it, that goes live when resumed.

        Args:
            name: Its name; empty for the original's with ` (fork)`.
        """
        with self.dry_run() as dry:
            return dry.fork(name)


class Editing:
    """Makes edits where a debugger stands.

    Args:
        debugger: The debugger.
        store: The store itself.
        session: The session as it was recorded.
    """

    def __init__(self, debugger: Debugger, store: Store, session: SessionRecord) -> None:
        self._debugger, self._store, self._session = debugger, store, session
        self.cancel = threading.Event()

    def recorded(self, session: SessionRecord) -> None:
        """Take in that the session has recorded more."""
        self._session = session

    def variable(self, name: str, expression: str, frame: Frame | int) -> VariableEdit:
        """Return the edit that sets a variable where the debugger stands.

        Raises:
            UsageError: It is not there, or the expression fails, would be an effect, or takes
                longer than 10 s.
        """
        debugger, stop = self._debugger, self._debugger.stop
        if stop.at_end:
            raise UsageError(
                "nothing can be set where the execution ends; step back, or give what it waits for "
                "an outcome first"
            )
        if not expression.strip():
            raise UsageError("a variable is set to a Lua expression, such as 5, nil or total * 2")
        if not _VARIABLE.match(name):
            raise UsageError(f"{name!r} is no variable: give a name, with fields where need be")
        chosen = debugger.frame(frame)
        coroutine = None if chosen.coroutine == stop.coroutine else chosen.coroutine
        order = {} if coroutine is None else {"coroutine": coroutine}
        try:
            said = debugger.ask_copy(
                "assign", EVALUATE_WITHIN_S, name=name, text=expression, frame=chosen.index, **order
            )
        except Cancelled:
            raise UsageError(
                f"{name} = {expression}: it did not end within {EVALUATE_WITHIN_S:g} s"
            ) from None
        if "missing" in said:
            raise _absent(as_text(said["missing"]), said["names"] or [], stop.position)
        if "error" in said:
            raise UsageError(f"{name} = {expression}: {as_text(said['error'])}")
        return VariableEdit(
            stop.position, self._ordinal_at(stop.position), name.strip(), expression.strip(),
            chosen.index, coroutine, value_of(said["old"]).text, value_of(said["new"]).text,
        )  # fmt: skip

    def _ordinal_at(self, position: Position) -> int:
        if position.event <= 1:
            return 0
        return self._records(position.event)[0].ordinal

    def _records(self, number: int) -> list[Record]:
        key = self._session.key
        return [one for _, one in self._debugger.store.history.events(key, number, number)]

    def outcome(
        self, event: int | None, outcome: Any, error: str | None, *, later: bool = False
    ) -> OutcomeEdit:
        """Return the edit that gives an event another outcome.

        Args:
            event: Its number; None for the event of the position, or what the execution waits
                for where that ends.
            outcome: The value.
            error: The text of the error that it ends with instead.
            later: It may come after the position.

        Raises:
            EventNotFound: There is no such event.
            UsageError: It comes after the position, has no outcome from outside, or can't end
                like this.
        """
        stop = self._debugger.stop
        asked = self._asked_at_end()
        if event is None and asked is None:
            event = self._waiting() if stop.at_end else stop.position.event
        if asked is not None and event in (None, asked.number):
            return self._outcome(asked, [], outcome, error)
        assert event is not None
        last = self._debugger.session.events
        if not 1 <= event <= last:
            raise EventNotFound(
                f"there is no event {event}; the {'dry run' if self._debugger.edits else 'session'}"
                f" has events 1 to {last}"
            )
        if event > stop.position.event and not later and not stop.at_end:
            raise UsageError(
                f"event {event} is in the future of {stop.position}: go there first (goto {event})"
            )
        records = self._records(event)
        if not any(answers_the_script(one) or one.part is Part.INTENT for one in records):
            raise UsageError(
                f"event {event} ({records[0].name}) has no outcome from outside that could be "
                "another; choose an effect"
            )
        return self._outcome(records[0], records, outcome, error)

    def _outcome(
        self, asked: Record, records: list[Record], outcome: Any, error: str | None
    ) -> OutcomeEdit:
        if error is None:
            outcome = fitting(asked, outcome)
        elif not isinstance(error, str) or not error:
            raise UsageError("an event fails with a text that says why")
        old = ""
        if records and (was := event_of(records)).ended:
            old = was.error if was.error is not None else shown(was.outcome)
        return OutcomeEdit(Position(asked.number), asked.ordinal, asked.name, outcome, error, old)

    def _asked_at_end(self) -> Record | None:
        """Return what the execution asks for where it ends, and what was never recorded."""
        end = self._debugger.end_report()
        found = (end or {}).get("found") or {}
        if end is None or as_text(end["kind"]) != "frontier" or not found.get("name"):
            return None
        args = found.get("args") or b""
        return Record(
            Part.INTENT, self._debugger.session.events + 1, end["ordinal"],
            name=as_text(found["name"]), args=args.encode() if isinstance(args, str) else args,
        )  # fmt: skip

    def _waiting(self) -> int:
        """Return the event that the execution waits for where it ends."""
        history, key = self._debugger.store.history, self._session.key
        opened: dict[int, int] = {}
        for batch in history.bodies(key):
            for body in batch:
                if body[0] in (Part.INTENT, Part.OUTCOME):
                    record = Record.unpack(body)
                    if record.part is Part.INTENT:
                        opened[record.ordinal] = record.number
                    else:
                        opened.pop(record.ordinal, None)
        if len(opened) == 1:
            return next(iter(opened.values()))
        if not opened:
            raise UsageError("nothing is waited for here; say which event's outcome it is")
        raise UsageError(
            "several events wait for an outcome: "
            f"{', '.join(map(str, sorted(opened.values())))}; say which one it is"
        )

    def script(self, script: str | bytes | os.PathLike[str]) -> ScriptEdit:
        """Return the edit that has another script go on from here.

        Args:
            script: Its text as bytes, or the path of a file.

        Raises:
            UsageError: The file can't be read, does not compile, or is the script that runs anyway.
        """
        path = "" if isinstance(script, bytes) else os.fspath(script)
        source = script if isinstance(script, bytes) else read_script(Path(path))
        self._check_compiles(source, path)
        if source == self._debugger.program.source:
            raise UsageError("that is the script as it is: nothing would be different")
        return ScriptEdit(
            self._debugger.position, source, path, self._debugger.session.script_hash or ""
        )

    def _check_compiles(self, source: bytes, path: str) -> None:
        try:
            self._debugger.ask_copy("lines", EVALUATE_WITHIN_S, source=source)
        except UsageError as error:
            said = re.sub(r"^lines:(\d+)", r"line \1", str(error))
            raise UsageError(f"{path or 'the edited script'} does not compile: {said}") from None

    def fork(
        self, now: Edited | None, used: int, name: str, created_by: str | None
    ) -> SessionRecord:
        """Return a new session that goes on from where the debugger stands, or the last edit.

        Args:
            now: The session with edits; None where there are none.
            used: How many records were re-executed up to here.
            name: Its name.
            created_by: Who forks.
        """
        position = self._debugger.position
        used = max(used, 1)  # before its first event the script has not looked at any
        if now is None:
            own = list(known_outcomes(self._store, self._session, used))
            return make_fork(
                self._store, self._session, at=str(position), last=used, own=own, name=name,
                created_by=created_by,
            )  # fmt: skip
        made = now.made
        last = max(used, *made.done.values())
        shared = min([made.shared, last, *(seq - 1 for seq in made.replaced)])
        view = now.store.history
        records = [
            Record.unpack(body)
            for _, body in view.records(self._session.key, shared + 1, last)
        ]  # fmt: skip
        records += known_outcomes(now.store, now.session, last)
        scripts = [one for one in now.edits if isinstance(one, ScriptEdit)]
        at = max(position, *(one.position for one in now.edits))
        return make_fork(
            self._store, self._session, at=str(at), last=shared,
            own=[*records, *(one.note() for one in now.edits)],
            source=scripts[-1].source if scripts else None,
            script=(scripts[-1].path or None) if scripts else None,
            name=name, created_by=created_by, done=records,
        )  # fmt: skip

    def place(self, now: Edited, edit: Edit) -> Position | int:
        """Return where an edit is in the session that has it."""
        if isinstance(edit, OutcomeEdit):
            return number_of_ordinal(now.store, now.session, edit.ordinal) or edit.position.event
        return edit.position


def edits_of_mapping(
    debugger: Debugger,
    editing: Editing,
    variables: Mapping[str, str],
    outcomes: Mapping[int, Any],
    errors: Mapping[int, str],
    script: str | bytes | os.PathLike[str] | None,
    frame: Frame | int,
) -> list[Edit]:
    """Return the edits that `Debugger.what_if` was given."""
    made: list[Edit] = [editing.variable(name, text, frame) for name, text in variables.items()]
    made += [editing.outcome(event, value, None, later=True) for event, value in outcomes.items()]
    made += [editing.outcome(event, None, text, later=True) for event, text in errors.items()]
    if script is not None:
        made.append(editing.script(script))
    if not made:
        raise UsageError("say what is different: a variable, an outcome, an error or a script")
    return made


def _absent(name: str, names: Sequence[object], position: Position) -> UsageError:
    known = sorted(map(as_text, names))
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"; is it {' or '.join(near)}?" if near else "."
    listed = ", ".join(known[:_SHOWN_NAMES]) + (", …" if len(known) > _SHOWN_NAMES else "")
    there = f"In scope: {listed}" if known else "No variable of the script is in scope there"
    return UsageError(f"there is no variable {name} at {position}{hint} {there}")
