"""`[hooks.cost_tracking]`: what requests to models cost, told at amounts, refused at the last."""

from __future__ import annotations

import logging
import threading

from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.hooks.results import Cancel
from respell.settings import CostTrackingHookSettings

_log = logging.getLogger("respell.hooks.cost_tracking")


def install(registry: HookRegistry, settings: CostTrackingHookSettings) -> None:
    """Register it around requests to models."""
    costs = _Costs(settings)
    registry.register(
        "BeforeAgentExecution",
        costs.check,
        name="cost_tracking",
        priority="high",
        tags=(TAG,),
        quick=True,
    )
    registry.register(
        "AfterAgentExecution",
        costs.add,
        name="cost_tracking",
        priority="low",
        tags=(TAG,),
        quick=True,
    )


class _Costs:
    def __init__(self, settings: CostTrackingHookSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._total: dict[str, float] = {}  # by session: US dollars

    def check(self, context: HookContext) -> Cancel | None:
        most = self._settings.block_usd
        with self._lock:
            total = self._known(context)
        if total < most:
            return None
        return Cancel(f"the session's models have cost {total:g} USD; {most:g} are allowed")

    def add(self, context: HookContext) -> None:
        cost = float(context.data.get("cost_usd") or 0.0)
        with self._lock:
            before = self._known(context)
            after = self._total[context.session_id] = before + cost
        for amount in (self._settings.warn_usd, self._settings.alert_usd):
            if before < amount <= after:
                what = f"the session's models have cost {after:g} USD, more than {amount:g}"
                self._tell(context, what)

    def _known(self, context: HookContext) -> float:
        """Return what a session has cost; from its usage where this run has not met it."""
        known = self._total.get(context.session_id)
        if known is None:
            session = context.session
            used = session.record.usage if session is not None else {}
            known = self._total[context.session_id] = float(used.get("cost_usd", 0.0))
        return known

    @staticmethod
    def _tell(context: HookContext, what: str) -> None:
        _log.warning("%s", what)
        session = context.session
        if session is not None:
            session.store.audit.note(
                "hook.cost", session=session.id, actor=session.id, target=context.component,
                reason=what,
            )  # fmt: skip
