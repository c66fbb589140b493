"""What the bus tells of the calls of hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from respell.history.record import Part, Record, Status
from respell.hooks.results import recorded

if TYPE_CHECKING:
    from respell.engine.ledger import Ledger
    from respell.hooks.executor import Call
    from respell.store import Store


def tell_of_call(store: Store, ledger: Ledger, call: Call) -> None:
    """Have it told that a hook written in Python ran, in the transaction that records it.

    Args:
        store: The store.
        ledger: The session's; the call's record was added last.
        call: The call.
    """
    if not store.bus.wanted("hook.executed"):
        return
    result = "failed" if call.error else recorded(call.result)["type"]
    told = {"hook": call.hook.name, "point": call.hook.point.name, "result": result}
    cause = (ledger.session_id, ledger.number)
    ledger.along(lambda: store.bus.tell("hook.executed", cause[0], told, cause=cause))


class HookCalls:
    """Puts together what is told of a call: its arguments come before its outcome."""

    def __init__(self) -> None:
        self._begun: dict[int, dict[str, Any]] = {}  # by number

    def heard(self, record: Record) -> dict[str, Any] | None:
        """Take in a record of a `hook.call`.

        Returns:
            What is to be told, once the call has ended; None before, and where an earlier host
            began it.
        """
        if record.part is Part.BEGIN:
            args = record.arguments()
            self._begun[record.number] = {
                name: args.get(name) for name in ("hook", "point", "component")
            }
            return None
        if record.part is Part.EFFECT:
            args = record.arguments()
            told = {name: args.get(name) for name in ("hook", "point", "component")}
        elif (begun := self._begun.pop(record.number, None)) is not None:
            told = begun
        else:
            return None
        result = record.value() if record.status is Status.OK else None
        kind = result.get("type") if isinstance(result, dict) else "failed"
        return {**told, "result": kind}
