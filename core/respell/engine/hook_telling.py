"""Telling hooks what happens, in its order, while the host goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from respell import values
from respell.engine.hook_calls import HookCalls
from respell.engine.hook_data import about_effect
from respell.history.record import Record
from respell.hooks.context import About
from respell.hooks.executor import LONG_S, Chain
from respell.hooks.registry import HookRegistry
from respell.store import Store
from respell.times import now_us

RENDEZVOUS_S = LONG_S
"""How long a host waits for a chain before it goes on with what else there is."""


class Telling:
    """What hooks of one run are still to be told; they can decide nothing.

    Args:
        store: The store.
        session_id: Id of the session that runs.
        hook_calls: Records the calls.
        registry: Which hooks there are.
        wake: Has the host look at what is done; from any thread.
    """

    def __init__(
        self,
        store: Store,
        session_id: str,
        hook_calls: HookCalls,
        registry: HookRegistry,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._session_id = session_id
        self._hook_calls = hook_calls
        self._registry = registry
        self._wake = wake
        self._waiting: deque[tuple[Chain, int]] = deque()  # the first of them runs

    @property
    def is_on(self) -> bool:
        """Whether something is being told."""
        return bool(self._waiting)

    def wanted(self, point: str) -> bool:
        """Return whether there is a hook at a point."""
        return bool(self._registry.at(point))

    def tell(self, point: str, data: Any, effect: Record | None = None, **more: Any) -> None:
        """Tell the hooks of a point something, once they have heard what was told before.

        Args:
            point: The point's own name.
            data: What they are told.
            effect: The effect that it is about, if it is about one.
            more: More for `About`.
        """
        hooks = self._registry.at(point)
        if not hooks:
            return
        if effect is not None:
            about = about_effect(self._store, self._session_id, effect, effect)
        else:
            more.setdefault("kind", "system")
            about = About(
                session_id=self._session_id, effect=point, at=now_us(),
                store=self._store, **more,
            )  # fmt: skip
        chain = Chain(hooks, "tell", values.encode(data), about)
        self._waiting.append((chain, 0 if effect is None else effect.number))
        if len(self._waiting) == 1:
            chain.start()
            if not chain.wait(RENDEZVOUS_S):
                chain.when_done(self._wake)
            self.go_on()

    def go_on(self) -> None:
        """Begin the next chain if one is done; give up a hook that takes too long."""
        while self._waiting:
            chain, number = self._waiting[0]
            if not chain.done:
                chain.give_up_late()
                return
            self._waiting.popleft()
            self._hook_calls.record(chain, number)
            if self._waiting:
                self._waiting[0][0].start()
                self._waiting[0][0].when_done(self._wake)

    def finish(self) -> None:
        """Wait for all of it, for each hook no longer than it may take."""
        while self._waiting:
            self._waiting[0][0].wait()
            self.go_on()
