"""Conditions and messages of breakpoints that a worker can't compute without a trace."""

from __future__ import annotations

from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.breakpoints import parse_log
from respell.debug.execution import Execution
from respell.debug.inspector import EVALUATE_WITHIN_S, evaluated
from respell.debug.worker import DebugWorker, Report


class Deciding:
    """Computes them in workers that are thrown away."""

    def __init__(self, execution: Execution, breakpoints: BreakpointTable) -> None:
        self._execution, self._breakpoints = execution, breakpoints

    def decide(self, worker: DebugWorker, report: Report) -> Any:
        """Evaluate a condition or a message that would leave a trace, in a copy of a worker."""
        point = self._breakpoints.get(report["at_breakpoint"])
        if report["reason"] == "condition":
            return bool(self._evaluate_in(worker, point.condition).get("truth"))
        texts = []
        for piece in parse_log(point.log):
            if isinstance(piece, str):
                texts.append(piece)
                continue
            outcome = evaluated(self._evaluate_in(worker, piece[0]))
            shown = ", ".join(one.text for one in outcome.values)
            texts.append(shown if outcome.error is None else f"<{outcome.error}>")
        return "".join(texts)

    def _evaluate_in(self, worker: DebugWorker, text: str) -> dict[str, Any]:
        copy = self._execution.throw_away(worker)
        try:
            said: dict[str, Any] = copy.ask("evaluate", text=text, timeout_s=EVALUATE_WITHIN_S)
            return said
        finally:
            copy.close()
