"""How often an effect was begun, where one host died and another took it up."""

from __future__ import annotations

from collections.abc import Sequence

from respell.history.record import Part, Record
from respell.store import OpenEffect, Store

ATTEMPT, NOT_PERFORMED = "note.attempt", "note.not_performed"
SETTLED = "note.settled"  # somebody said what became of one in doubt, or had it done again


def notes_about_attempts(
    store: Store, session: int, opened: Sequence[OpenEffect]
) -> dict[int, list[str]]:
    """Return which attempts were noted of open effects since they were first begun.

    Args:
        store: Where the session is.
        session: The session's key.
        opened: Its open effects.

    Returns:
        For each event number `ATTEMPT` where it was begun again and `NOT_PERFORMED` where the
        attempt before came to nothing, in their order.
    """
    notes: dict[int, list[str]] = {one.number: [] for one in opened}
    if not notes:
        return notes
    # In one pass: a script can leave thousands of effects open.
    first = store.history.first_record_of(session, min(notes))
    for _, body in store.history.records(session, first):
        if body[0] != Part.NOTE:
            continue
        note = Record.unpack(body)
        number = note.arguments().get("number")
        if note.name in (ATTEMPT, NOT_PERFORMED) and number in notes:
            notes[number].append(note.name)
    return notes
