"""Fork: a new session that shares another's history up to a position.

What the original did in the store (state, artifacts, sessions it created) up to there is
done again on copies of the fork's own, so that the fork never writes to its original; ids
that the script remembers mean the copies (`aliases`). The outside world is not rolled back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from respell import values
from respell.config import Config, default
from respell.engine.copying import copy_what_was_stored
from respell.engine.deadlines import DEADLINE, is_left
from respell.engine.executable import check_executable, program_of
from respell.engine.outcomes import fitting
from respell.engine.replay import replay
from respell.engine.scope import check_scope
from respell.engine.suspension import suspension_of
from respell.errors import Divergence, EventNotFound, UsageError
from respell.history.events import answers_the_script
from respell.history.record import Part, Record, Status
from respell.sessions.creating import checked_name, name_of_fork
from respell.sessions.record import SessionRecord, new_id
from respell.store import Store
from respell.times import now_us

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_POSITION = re.compile(r"(\d+)(?:\+(\d+))?")


class _Unset:
    """No outcome was given; None is one."""


UNSET = _Unset()


def parse_position(text: str) -> tuple[int, int]:
    """Return (event number, line steps) of a position such as `12` or `12+340`.

    Raises:
        UsageError: It is not a position.
    """
    match = _POSITION.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise UsageError(
            f"{text!r} is not a position: an event number (1, 2, …), or one and the line steps "
            "after it, as in 12+340"
        )
    return int(match[1]), int(match[2] or 0)


def fork(
    store: Store,
    session: SessionRecord,
    *,
    at: str,
    outcome: Any = UNSET,
    variables: Mapping[str, Any] | None = None,
    source: bytes | None = None,
    script: str | None = None,
    name: str = "",
    created_by: str | None = None,
    config: Config | None = None,
    inside: bool = False,
) -> SessionRecord:
    """Return a new, suspended session that goes on from a position of another.

    Args:
        store: Where both live.
        session: The original; it is left as it is, and may be running.
        at: The position: an event number, with line steps after a `+` where variables are set.
        outcome: Another outcome for that event.
        variables: Values to set at the position, by variable name.
        source: Another script to go on with; it must ask for the same up to the position.
        script: That script's path, as shown to people.
        name: The fork's name; empty for the original's with ` (fork)`.
        created_by: Who forks, as shown to people.
        config: The limits of the sessions that it creates again; None for the defaults.
        inside: This is part of a caller's transaction, so nothing here waits for the disk or
            re-executes anything: that was done before (`check_fork`).

    Raises:
        UsageError: The position is malformed, the event has no outcome to replace, a variable
            is not there, or the session was redacted.
        EventNotFound: The history has no such event.
        Divergence: The other script asks for something else before the position.
    """
    if not session.has_program:
        raise UsageError(f"session {session.id[:8]} has no program of its own to fork")
    check_executable(session)
    checked_name("fork", name)
    plan = _Plan.of(store, session, at, outcome, variables or {}, source)
    if not inside:
        _check(store, session, plan, script)
    return make_fork(
        store, session, at=f"{plan.point.number}+{plan.steps}", last=plan.point.seq,
        own=plan.records, source=source, script=script, name=name, created_by=created_by,
        config=config, inside=inside,
    )  # fmt: skip


def make_fork(
    store: Store,
    session: SessionRecord,
    *,
    at: str,
    last: int,
    own: Sequence[Record],
    source: bytes | None = None,
    script: str | None = None,
    name: str = "",
    created_by: str | None = None,
    config: Config | None = None,
    inside: bool = False,
    done: Sequence[Record] = (),
) -> SessionRecord:
    """Return a new session that shares records of another, and goes on from those of its own.

    Whether it can be re-executed is for the caller to know; the other arguments are those of
    `fork`.

    Args:
        at: The position, as it is kept.
        last: The last record that is shared.
        own: What its own history begins with; notes without a number get the next one.
        done: Records among those that tell of what was done in the store.

    Raises:
        UsageError: The name is none.
    """
    name = checked_name("fork", name) or name_of_fork(session.name)
    program = program_of(store, session)
    with store.transaction():
        made = store.sessions.insert(
            SessionRecord(
                id=new_id(),
                name=name,
                description=session.description,
                script=script or session.script,
                script_hash=(session.script_hash if source is None else blake3(source).hexdigest()),
                args=session.args,
                input=session.input,
                tags=session.tags,
                metadata=session.metadata,
                parent_session_id=session.parent_session_id,
                forked_from=session.id,
                forked_at=at,
                fork_of=session.key,
                fork_seq=last,
                created_by=created_by,
                limits=session.limits,
            )
        )
        if source is not None:
            store.blobs.put(source)
        copy_what_was_stored(store, session, made, last, program, config or default(), done)
        store.audit.note(
            "session.fork", session=made.id, actor=created_by or "", target=f"{session.id}:{at}"
        )
        lease = store.leases.acquire(made.key)
        writer = store.history.writer(made.key, lease)
        writer.append(_numbered(own, writer.number))
        opened = store.history.open_effects(made.key)
        waits = [one for one in opened if one.name == "session.suspend"]
        waiting = suspension_of(waits[0].record.arguments()) if waits else None
        store.sessions.update(made.key, status="suspended", waiting_for=waiting)
        store.leases.release(made.key, lease)
    if not inside:
        store.sync()
    return store.sessions.get(made.key)


def _numbered(own: Sequence[Record], number: int) -> list[Record]:
    """Give notes that have none the next number."""
    records = []
    for record in own:
        if record.part is Part.NOTE and not record.number:
            record = replace(record, number=number + 1)
        number = max(number, record.number)
        records.append(record)
    return records


def check_fork(
    store: Store,
    session: SessionRecord,
    *,
    at: str,
    outcome: Any = UNSET,
    variables: Mapping[str, Any] | None = None,
    source: bytes | None = None,
    script: str | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Make sure that a session can be forked like this, by re-executing it; see `fork`.

    Args:
        cancel: Ends the check early when it is set, by another thread.

    Raises:
        Divergence: The other script does something else up to the position; says what.
        UsageError: A variable is not there, or as `fork` says.
    """
    plan = _Plan.of(store, session, at, outcome, variables or {}, source)
    _check(store, session, plan, script, cancel)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a fork shall be.

    Attributes:
        point: Where the shared records end.
        steps: Line steps after it at which variables are set.
        variables: Those, by name.
        source: Another script; None for the original's.
        records: What the fork's own history begins with.
    """

    point: _Point
    steps: int
    variables: Mapping[str, Any]
    source: bytes | None
    records: list[Record]

    @classmethod
    def of(
        cls,
        store: Store,
        session: SessionRecord,
        at: str,
        outcome: Any,
        variables: Mapping[str, Any],
        source: bytes | None,
    ) -> _Plan:
        number, steps = parse_position(at)
        if steps and not variables:
            raise UsageError(
                "line steps after the + are where variables are set; give --var NAME=JSON"
            )
        _check_variables(store, session, number, variables)
        point = _Point.find(store, session, number, replacing=not isinstance(outcome, _Unset))
        if point.replaced is not None:
            outcome = fitting(point.asked, outcome)
        elif steps and not point.answered:
            raise UsageError(
                f"event {number} has no answer yet, so no line steps come after it; "
                f"fork at {number}"
            )
        records = _own_records(store, session, point, outcome, variables, steps, source)
        return cls(point, steps, variables, source, records)


def _check(
    store: Store,
    session: SessionRecord,
    plan: _Plan,
    script: str | None,
    cancel: threading.Event | None = None,
) -> None:
    if plan.source is not None:
        _check_script(store, session, plan.source, script, plan.point.number, cancel)
    if plan.variables:
        check_scope(
            store,
            session,
            point=plan.point.asked,
            last=plan.point.seq,
            own=[one for one in plan.records if one.part is not Part.NOTE],
            answered=plan.point.answered,
            variables=plan.variables,
            steps=plan.steps,
            source=plan.source,
            cancel=cancel,
        )


def _check_script(
    store: Store,
    session: SessionRecord,
    source: bytes,
    script: str | None,
    last: int,
    cancel: threading.Event | None,
) -> None:
    found = replay(
        store, session, source=source, script=script, last=last, cancel=cancel
    ).divergence
    if found is not None:
        raise Divergence(
            f"{script or 'the other script'} does not do what is recorded up to event {last}: it "
            f"differs at event {found['event']}. Fork before that event, or leave the "
            f"script as it was up to there.\n{found['diff']}",
            report=found,
        )


def _check_variables(
    store: Store, session: SessionRecord, number: int, variables: Mapping[str, Any]
) -> None:
    for name in variables:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no variable; a name has letters, digits and _ only")
    found = [record for _, record in store.history.events(session.key, number, number)]
    parts = {record.part for record in found if record.name != "hook.call"}
    if variables and found and not {Part.EFFECT, Part.INTENT} & parts:
        raise UsageError(
            f"no variable can be set at event {number}: it gives the script no answer; "
            "choose an effect or a line of output"
        )


class _Point:
    """Where the shared records end."""

    def __init__(
        self, number: int, seq: int, asked: Record, replaced: Record | None, answered: bool
    ) -> None:
        self.number = number
        self.seq = seq  # last shared record
        self.asked = asked  # the record that has the event's arguments
        self.ordinal = asked.ordinal
        self.replaced = replaced  # the record whose outcome is another in the fork
        self.answered = answered  # the script has its outcome there

    @classmethod
    def find(cls, store: Store, session: SessionRecord, number: int, *, replacing: bool) -> _Point:
        parts = list(store.history.events(session.key, number, number))
        if not parts:
            raise EventNotFound(
                f"session {session.id[:8]} has no event {number}; its last is {session.events}"
            )
        asked = parts[0][1]
        if not replacing:
            answered = any(it.part in (Part.EFFECT, Part.OUTCOME) for _, it in parts)
            return cls(number, parts[-1][0], asked, None, answered)
        for seq, record in parts:
            if answers_the_script(record):
                return cls(number, seq - 1, asked, record, True)
        raise UsageError(
            f"event {number} ({asked.name}) has no outcome from outside that could be "
            "replaced; choose an effect"
        )


def _own_records(
    store: Store,
    session: SessionRecord,
    point: _Point,
    outcome: Any,
    variables: Mapping[str, Any],
    steps: int,
    source: bytes | None,
) -> list[Record]:
    """Return what the fork's own history begins with."""
    records: list[Record] = []
    if point.replaced is not None:
        # First of all: an effect in one record has the next number, before any note.
        records.append(
            replace(
                point.replaced.with_outcome(Status.OK, values.encode(outcome)),
                at=now_us(),
                meta=values.encode({"edited": True}),
            )
        )
        records.append(_note("edit.outcome", {"number": point.number, "outcome": outcome}))
    if source is not None:
        script = blake3(source).digest()
        records.append(_note("edit.script", {"script": script, "was": session.script_hash}))
    records.extend(
        _note(
            "edit.variable",
            {"name": name, "value": value, "ordinal": point.ordinal, "steps": steps},
        )
        for name, value in variables.items()
    )
    records.extend(_known_outcomes(store, session, point))
    return records


def _note(name: str, args: dict[str, Any]) -> Record:
    return Record(Part.NOTE, 0, name=name, status=Status.OK, at=now_us(), args=values.encode(args))


def _known_outcomes(store: Store, session: SessionRecord, point: _Point) -> Iterator[Record]:
    replaced = point.replaced.ordinal if point.replaced is not None else 0
    return known_outcomes(store, session, point.seq, without=replaced)


def known_outcomes(
    store: Store, session: SessionRecord, last: int, *, without: int = 0
) -> Iterator[Record]:
    """Yield the outcomes of effects that were in flight after a record: they are known.

    Args:
        store: Where the session is.
        session: The session.
        last: The record.
        without: Ordinal of one that has another outcome; 0 for none.
    """
    opened: dict[int, str] = {}
    for _, body in store.history.records(session.key, 1, last):
        if body[0] not in (Part.INTENT, Part.OUTCOME):
            continue
        record = Record.unpack(body)
        if record.part is Part.INTENT:
            opened[record.ordinal] = record.name
        else:
            opened.pop(record.ordinal, None)
    opened.pop(without, None)
    # A deadline has the time that was left; what was left because of one is wanted again.
    timed = ("session.suspend", DEADLINE)
    waiting = {ordinal for ordinal, name in opened.items() if name not in timed}
    if not waiting:
        return
    for _, body in store.history.records(session.key, last + 1):
        record = Record.unpack(body)
        if record.part is Part.OUTCOME and record.ordinal in waiting:
            waiting.discard(record.ordinal)
            if not is_left(record):
                yield record
            if not waiting:
                return
