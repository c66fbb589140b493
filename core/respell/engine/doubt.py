"""Effects in doubt: which they are, and what a person decides about them at a resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.attempts import ATTEMPT, SETTLED, notes_about_attempts
from respell.engine.deadlines import DEADLINE
from respell.engine.effects import EffectContext
from respell.engine.executable import program_of
from respell.engine.outcomes import fitting
from respell.engine.program import Program
from respell.engine.services import Services
from respell.engine.suspension import check_value, suspension_of
from respell.errors import InDoubt, RespellError, UsageError
from respell.history.record import Part, Record, Status
from respell.sessions.agreeing import Operation, agree
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord
from respell.store import OpenEffect, Store
from respell.times import now_us
from respell.tools import ToolRegistry

_WAITS = ("timer.sleep", DEADLINE, "event.receive")  # nothing is attempted again: they wait on
_SHOWN_IN_DOUBT, _SHOWN_CHARS = 20, 500


@dataclass(frozen=True, slots=True)
class Settlements:
    """What to do with effects in doubt, by event number.

    Attributes:
        retry: Perform these again.
        outcome: These ended with this value.
        fail: These failed for this reason.
    """

    retry: frozenset[int] = frozenset()
    outcome: Mapping[int, Any] = field(default_factory=dict)
    fail: Mapping[int, str] = field(default_factory=dict)

    def numbers(self) -> set[int]:
        """Return the numbers of all effects that are settled."""
        return {*self.retry, *self.outcome, *self.fail}

    def listed(self) -> list[tuple[int, str]]:
        """Return each of those numbers with what was decided: retry, outcome or fail."""
        decided = [(number, "retry") for number in self.retry]
        decided += [(number, "outcome") for number in self.outcome]
        return sorted(decided + [(number, "fail") for number in self.fail])


def in_doubt(store: Store, session: SessionRecord) -> list[OpenEffect]:
    """Return the effects of which nobody knows whether they were performed.

    Those of a running session are not in doubt: its host waits for them.
    """
    if not session.has_program or session.redacted or session.status in ENDED:
        return []
    if store.leases.holder(session.key) is not None:
        return []
    opened = store.history.open_effects(session.key)
    if not opened:
        return []
    ctx = _context(store, session, program_of(store, session), ToolRegistry())
    return _doubtful(opened, ctx)


def _doubtful(opened: Sequence[OpenEffect], ctx: EffectContext) -> list[OpenEffect]:
    unsafe = [one for one in opened if not _safe_to_repeat(one, ctx)]
    notes = notes_about_attempts(ctx.store, ctx.session.key, unsafe)
    return [one for one in unsafe if notes[one.number].may_have_been_performed]


def _safe_to_repeat(one: OpenEffect, ctx: EffectContext) -> bool:
    if one.name in ("session.suspend", *_WAITS):
        return True
    args = one.record.arguments()
    if one.name == "tool.invoke" and not ctx.tools.exists(args["name"]):
        return False  # it is not installed here: a person has to decide
    try:
        manner = effects.lookup(one.name).manner(ctx, args)
    except RespellError:
        return False
    return manner.idempotent or manner.kind is Kind.READ


def _context(
    store: Store, session: SessionRecord, program: Program, tools: ToolRegistry
) -> EffectContext:
    return EffectContext(
        session=session, store=store, permissions=program.permissions,
        script_dir=program.script_dir, cwd=program.cwd, tools=tools,
    )  # fmt: skip


def take_up(
    store: Store,
    session: SessionRecord,
    lease: int,
    program: Program,
    services: Services,
    value: Any,
    settlements: Settlements,
    by: str,
) -> None:
    """Record what the value and the settlements decide, or refuse with `InDoubt`."""
    ctx = _context(store, session, program, services.tools)
    opened = store.history.open_effects(session.key)
    doubtful = _doubtful(opened, ctx)
    noted = notes_about_attempts(store, session.key, opened)
    unknown = settlements.numbers() - {one.number for one in doubtful}
    if unknown:
        raise UsageError(
            f"event {min(unknown)} is not in doubt; "
            + (f"in doubt: {_numbers(doubtful)}" if doubtful else "nothing is in doubt")
        )
    unsettled = [one for one in doubtful if one.number not in settlements.numbers()]
    if unsettled:
        if session.status != "suspended":
            store.sessions.update(session.key, status="suspended")
        raise _doubt(session, unsettled)
    writer_number = session.events
    records: list[Record] = []

    def note(name: str, args: dict[str, Any]) -> None:
        nonlocal writer_number
        writer_number += 1
        records.append(Record(
            Part.NOTE, writer_number, status=Status.OK, name=name, at=now_us(),
            args=values.encode(args),
        ))  # fmt: skip

    for number, how in settlements.listed():
        note(SETTLED, {"number": number, "how": how, "by": by})
    for one in opened:
        if one.name == "session.suspend":
            check_value(suspension_of(one.record.arguments()), value)
            records.append(_outcome(one.record, Status.OK, value))
        elif one.number in settlements.outcome:
            settled = fitting(one.record, settlements.outcome[one.number])
            records.append(_outcome(one.record, Status.OK, settled, by))
        elif one.number in settlements.fail:
            records.append(_outcome(one.record, Status.ERROR, settlements.fail[one.number], by))
        elif one.name not in _WAITS and not noted[one.number].waits_for_hooks:
            note(ATTEMPT, {"number": one.number})
    agreed = agree(
        store, Operation("SessionRestore", "session.resume", session.id, may_replace=False),
        {"status": session.status, "name": session.name, "value": value},
        possible=lambda: None, hooks=services.hooks,
    )  # fmt: skip
    note("lifecycle.resume", {"was": session.status})
    with store.transaction():
        store.history.writer(session.key, lease).append([*records, *agreed.records(writer_number)])
        for number, how in settlements.listed():
            store.audit.note(
                "session.settle", session=session.id, actor=by, target=f"event {number}: {how}"
            )


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _doubt(session: SessionRecord, unsettled: Sequence[OpenEffect]) -> InDoubt:
    one = unsettled[0].number
    short = session.id[:8]
    lines = [
        f"  event {it.number}: {it.name} {_cut(values.json_line(it.record.arguments()))}"
        for it in unsettled[:_SHOWN_IN_DOUBT]
    ]
    if len(unsettled) > _SHOWN_IN_DOUBT:
        lines.append(f"  … and {len(unsettled) - _SHOWN_IN_DOUBT} more")
    return InDoubt(
        f"session {short} stopped while these effects were under way; nobody knows whether "
        "they were performed:\n" + "\n".join(lines) + "\n"
        f"Settle each: `respell resume {short} --retry {one}` performs it again, "
        f"`--outcome {one}=JSON` gives its outcome, `--fail {one}=REASON` makes it fail.",
        effects=[
            {"number": it.number, "name": it.name, "args": it.record.arguments()}
            for it in unsettled
        ],
    )


def _numbers(opened: Sequence[OpenEffect]) -> str:
    return ", ".join(str(one.number) for one in opened)


def _outcome(intent: Record, status: Status, value: Any, by: str = "") -> Record:
    """Return the outcome of an effect, and by whom it was given where it did not come about."""
    return replace(
        intent, part=Part.OUTCOME, status=status, outcome=values.encode(value), args=b"",
        meta=values.encode({"settled": by}) if by else b"", at=now_us(),
    )  # fmt: skip
