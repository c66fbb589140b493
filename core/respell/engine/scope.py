"""Which variables a script has at a position: what a fork may set there."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from respell import values
from respell.engine.divergence import divergence
from respell.engine.executable import program_of
from respell.engine.replay import executed
from respell.errors import UsageError, WorkerFailed
from respell.history.record import Part, Record, Status
from respell.sessions.inheritance import edits_of, known_id
from respell.sessions.record import SessionRecord
from respell.store import Store

_SHOWN = 40  # names


def check_scope(
    store: Store,
    session: SessionRecord,
    *,
    point: Record,
    last: int,
    own: Sequence[Record],
    answered: bool,
    variables: Mapping[str, Any],
    steps: int,
    source: bytes | None,
    cancel: threading.Event | None = None,
) -> None:
    """Make sure that variables are there where a fork shall set them, by re-executing.

    Args:
        store: Where the session is.
        session: The session that is forked.
        point: The event of the position.
        last: The last record that the fork shares.
        own: What the fork's own history adds for the script.
        answered: Whether the event's outcome is among all these.
        variables: What shall be set, by name.
        steps: Line steps after the event.
        source: Another script that the fork goes on with.
        cancel: Ends it early when it is set, by another thread.

    Raises:
        UsageError: The position is not reached, or one of the variables is not there; names
            those that are.
        LimitReached: It took longer than the session was allowed to.
        EffectFailed: It was cancelled.
        Divergence: The history is not what the script does.
    """
    program = program_of(store, session)
    if source is not None:
        program = program.with_source(source, None)
    here = [
        {"ordinal": point.ordinal, "name": name, "value": None, "steps": steps, "check": True}
        for name in variables
    ]
    init = program.init(
        session_id=known_id(store, session),
        script_changed=program.script_changed or source is not None,
        edits=edits_of(store, session, last) + here,
    )
    history = _with(store.history.bodies(session.key, last), point, own, answered)
    report = executed(store, session, init, history, cancel=cancel)
    if report["kind"] == "divergence":
        raise divergence(report, store, session)
    at = f"event {point.number}" + (f" and {steps} line steps" if steps else "")
    if report["kind"] == "limit":
        raise WorkerFailed(f"the check needs more memory than the session had: {report}")
    if report["kind"] != "scope":
        after = report.get("steps") or 0
        raise UsageError(
            f"nothing can be set after {at}: the script's next event or its end comes after "
            f"{after} line steps"
        )
    names = sorted(map(_text, report["names"] or ()))
    missing = sorted(map(_text, report["missing"] or ()))
    if missing:
        raise UsageError(_absent(missing[0], names, at))


def _with(
    history: Iterator[list[bytes]], point: Record, own: Sequence[Record], answered: bool
) -> Iterator[list[bytes]]:
    yield from history
    more = [one.pack() for one in own]
    if not answered:
        # The variables are set before the script has its answer: any will do.
        nil = values.encode(None)
        answer = Record(Part.OUTCOME, point.number, point.ordinal, status=Status.OK, outcome=nil)
        more.append(answer.pack())
    if more:
        yield more


def _absent(name: str, names: Sequence[str], at: str) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"; is it {' or '.join(near)}?" if near else "."
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    there = f"In scope: {shown}" if names else "No variable of the script is in scope there"
    return f"there is no variable {name} after {at}{hint} {there}"


def _text(name: object) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)
