"""How often an effect was begun, where one host died and another took it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from respell import values
from respell.history.record import Part, Record
from respell.store import OpenEffect, Store

ATTEMPT, NOT_PERFORMED = "note.attempt", "note.not_performed"
SETTLED = "note.settled"  # somebody said what became of one in doubt, or had it done again
STAGE = "note.hooks"
"""How far an effect has come that hooks written in Python are around."""

BEFORE, WAIT, PERFORM, PERFORMED = "before", "wait", "perform", "performed"
"""Its stages: hooks run before it; a hook has it wait; it is about to be performed, and may have
been; it was performed, and hooks run after it."""

_ABOUT_TO = {"stage": PERFORM}
_ONLY_ABOUT_TO = values.encode(_ABOUT_TO)


def about_to_be_performed(intent: Record) -> Record:
    """Return an intent that says itself that hooks have let the effect be performed as it is."""
    if not intent.meta:
        return intent.with_meta(_ONLY_ABOUT_TO)
    return intent.with_meta(values.encode({**intent.metadata(), **_ABOUT_TO}))


class Attempts(list[str]):
    """What was noted of one open effect since it was first begun.

    `ATTEMPT` where it was begun again and `NOT_PERFORMED` where the attempt before came to
    nothing, in their order.

    Attributes:
        stage: How far it has come that hooks are around, as its last `STAGE` says, or else its
            intent; None where neither does.
    """

    def __init__(self, intent: Record) -> None:
        super().__init__()
        about_to = bool(intent.meta) and intent.metadata().get("stage") == PERFORM
        self.stage: dict[str, Any] | None = dict(_ABOUT_TO) if about_to else None

    @property
    def number(self) -> int:
        """The how-manieth time it is performed now, from 1."""
        return 1 + self.count(ATTEMPT) - self.count(NOT_PERFORMED)

    @property
    def may_have_been_performed(self) -> bool:
        """Whether nobody knows if the last attempt was."""
        if self[-1:] == [NOT_PERFORMED]:
            return False
        return self.stage is None or self.stage["stage"] == PERFORM

    @property
    def is_first(self) -> bool:
        """Whether it was begun and never performed, so that no hook was asked about it."""
        return self.stage is None and NOT_PERFORMED in self and self.number == 1

    @property
    def waits_for_hooks(self) -> bool:
        """Whether it is not about to be performed: hooks have to run first, or afterwards."""
        return self.stage is not None and self.stage["stage"] != PERFORM


def notes_about_attempts(
    store: Store, session: int, opened: Sequence[OpenEffect]
) -> dict[int, Attempts]:
    """Return what was noted of open effects since they were first begun.

    Args:
        store: Where the session is.
        session: The session's key.
        opened: Its open effects.

    Returns:
        By event number.
    """
    notes = {one.number: Attempts(one.record) for one in opened}
    if not notes:
        return notes
    # In one pass: a script can leave thousands of effects open.
    first = store.history.first_record_of(session, min(notes))
    for _, body in store.history.records(session, first):
        if body[0] != Part.NOTE:
            continue
        note = Record.unpack(body)
        if note.name not in (ATTEMPT, NOT_PERFORMED, STAGE):
            continue
        args = note.arguments()
        one = notes.get(args.get("number", 0))
        if one is None:
            continue
        if note.name != STAGE:
            one.append(note.name)
            continue
        one.stage = args
        if args["stage"] == PERFORM and one[-1:] == [NOT_PERFORMED]:
            one.append(ATTEMPT)
    return notes
