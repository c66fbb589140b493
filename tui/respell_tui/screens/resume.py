"""The dialog that lets a session go on: the value it waits for, effects in doubt, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell_tui.paint import Line, cell
from respell_tui.screens.form import Form
from respell_tui.screens.place import Place
from respell_tui.shown.fields import CHOICE, TEXT, Field, fields_of, value_of
from respell_tui.shown.summary import Summary, read_summary

_AGAIN, _OUTCOME, _FAILED = "perform it again", "its outcome is", "it failed because"
_WAYS = tuple(values.json_line(one) for one in (_AGAIN, _OUTCOME, _FAILED))


class Resuming(Place):
    """Part of a screen from which sessions are resumed."""

    def resume(self, session_id: str) -> None:
        """Ask for what a session needs, and let it go on in a process of its own."""
        self.work(f"resuming {session_id[:8]}",
                  lambda job: read_summary(self.respell.store(), session_id), self._resumable,
                  group="resume", waited=True, cancels=True)  # fmt: skip

    def _resumable(self, summary: Summary) -> None:
        record = summary.record

        def go_on(words: list[str] | None) -> None:
            if words is not None:
                self.respell.run_command(
                    ["resume", record.id, *words], f"resuming {record.id[:8]}", new=False
                )

        form = resume_form(record, summary.doubts)
        if form is None:
            go_on([])
        else:
            self.app.push_screen(form, go_on)


def resume_form(record: SessionRecord, doubts: Sequence[Mapping[str, Any]]) -> Form | None:
    """Return the dialog; its result is the options of `respell resume`. None: nothing is asked.

    Args:
        record: The session.
        doubts: number, name and args of its effects in doubt.
    """
    if doubts:
        return _doubt_form(doubts)
    waiting = record.waiting_for
    if record.status != "suspended" or waiting is None:
        return None
    schema = waiting.get("schema")
    fields = fields_of(schema)

    def words(given: Mapping[str, Any]) -> list[str]:
        return ["--value", values.json_line(value_of(schema, fields, given))]

    text: list[Line] = [
        [(cell(line), "strong")] for line in str(waiting.get("prompt") or "").splitlines()[:12]
    ]
    return Form(f"Answer {record.name or record.id[:8]}", fields, words, text=text, done="Resume")


def _doubt_form(doubts: Sequence[Mapping[str, Any]]) -> Form:
    text: list[Line] = [
        [("The process ended while these were performed: nobody knows whether they were.", "warn")],
        [("Look in the world outside, then say of each what became of it.", "dim")],
        [("", "")],
    ]
    fields: list[Field] = []
    for one in doubts:
        number = one["number"]
        shown = values.json_line(one["args"])[:300]
        text.append([(f"event {number}  ", "key"), (cell(f"{one['name']} {shown}"), "")])
        fields += [
            Field(f"way{number}", f"event {number}", CHOICE, "", "", _WAYS, True),
            Field(f"text{number}", "", TEXT, "", "JSON of the outcome, or why it failed"),
        ]

    def words(given: Mapping[str, Any]) -> list[str]:
        return [word for one in doubts for word in _settled(one["number"], given)]

    return Form("Effects in doubt", fields, words, text=text, done="Resume")


def _settled(number: int, given: Mapping[str, Any]) -> list[str]:
    way, text = given[f"way{number}"], given[f"text{number}"].strip()
    if not way:
        raise UsageError(f"say what became of event {number}")
    match values.parse_json(way, what="way"):
        case "its outcome is":
            values.parse_json(text, what=f"outcome of event {number}")
            return ["--outcome", f"{number}={text}"]
        case "it failed because":
            return ["--fail", f"{number}={text or 'it failed'}"]
    return ["--retry", str(number)]
