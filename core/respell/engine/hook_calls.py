"""What the bus tells of the calls of a script's hooks."""

from __future__ import annotations

from typing import Any

from respell.history.record import Part, Record, Status


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
