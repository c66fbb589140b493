"""The calls of hooks: those of Python are recorded here, and the bus is told of all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from respell.history.record import Part, Record, Status
from respell.hooks.records import notes_of
from respell.hooks.results import recorded
from respell.times import now_us

if TYPE_CHECKING:
    from respell.engine.ledger import Ledger
    from respell.hooks.executor import Call, Chain
    from respell.store import Store


class HookCalls:
    """Records what hooks written in Python do, and has told what hooks of both languages do.

    It is told in the transaction that records it; whether anybody listens is asked once for all
    of a batch.

    Args:
        store: The store.
        ledger: The session's; `tell` is to be called before it writes.
    """

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._bus = store.bus
        self._ledger = ledger
        # Of the batch; calls in Python with the number of the first.
        self._untold: list[Record | bytes | tuple[list[Call], int]] = []
        self._begun: dict[int, dict[str, Any]] = {}  # by number

    def record(self, chain: Chain, number: int) -> None:
        """Record the calls of hooks written in Python.

        Args:
            chain: What has run.
            number: Number of the event that it ran inside of; 0 for none.
        """
        calls = chain.calls
        if not calls:
            return
        first = self._ledger.next_number(len(calls))
        # First: with the records the batch may be full, and is written.
        self._untold.append((calls, first))
        self._ledger.add_all(notes_of(calls, first, number, now_us()))

    def add(self, record: Record | bytes) -> None:
        """Take in a record of a call of the script's hooks, which is in the batch."""
        self._untold.append(record)

    def tell(self) -> None:
        """Have told what was taken in."""
        untold, self._untold = self._untold, []
        wanted = bool(untold) and self._bus.wanted("hook.executed")
        for one in untold:
            if isinstance(one, tuple):
                for number, call in enumerate(one[0], one[1]) if wanted else ():
                    self._ledger.along(partial(self._tell, _of_call(call), number))
                continue
            if isinstance(one, Record):
                told = self._heard(one)
            elif wanted:
                told = self._heard(one := Record.unpack(one))
            else:
                continue
            if told is not None and wanted:
                self._ledger.along(partial(self._tell, told, one.number))

    def _tell(self, told: dict[str, Any], number: int) -> None:
        session = self._ledger.session_id
        self._bus.tell("hook.executed", session, told, cause=(session, number))

    def _heard(self, record: Record) -> dict[str, Any] | None:
        """Return what is to be told of a call that has ended: its arguments came before.

        None before it has, and where an earlier host began it.
        """
        if record.part is Part.BEGIN:
            self._begun[record.number] = _of_arguments(record)
            return None
        if record.part is Part.EFFECT:
            told = _of_arguments(record)
        elif (begun := self._begun.pop(record.number, None)) is not None:
            told = begun
        else:
            return None
        result = record.value() if record.status is Status.OK else None
        kind = result.get("type") if isinstance(result, dict) else "failed"
        return {**told, "result": kind}


def _of_arguments(record: Record) -> dict[str, Any]:
    args = record.arguments()
    return {name: args.get(name) for name in ("hook", "point", "component")}


def _of_call(call: Call) -> dict[str, Any]:
    result = "failed" if call.error else recorded(call.result)["type"]
    return {"hook": call.hook.name, "point": call.hook.point.name, "result": result}
