"""Coming to an end: who asks for it, how long it waits for calls, and why it was.

A run ends at the worker's next effect, or at once; only a call in flight is waited for, so
that none is in doubt. Whatever the worker says after that is void: it is said again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from respell.engine.channel import Channel
from respell.engine.ending import Ended, shown_error
from respell.engine.hook_telling import Telling
from respell.engine.hook_watch import TIMED_OUT, HookWatch
from respell.engine.ledger import Ledger
from respell.engine.performing import Performing
from respell.engine.policing import Policing, remedy
from respell.engine.row import Row
from respell.history.record import Status
from respell.policies.limits import Reached, value_of

NEXT_EFFECT_WITHIN_S = 2.0  # of a suspend: then the computing worker is killed
CALL_ENDS_WITHIN_S = 10.0  # of a suspend: then the external call in flight is in doubt


@dataclass(slots=True)
class _Pending:
    """An end that waits for the next effect, or for calls.

    Attributes:
        why: How the run will have ended.
        worker_until: When the worker is killed, by time.monotonic().
        calls_until: When calls in flight are given up, likewise.
    """

    why: Ended
    worker_until: float
    calls_until: float


class Stopping:
    """How one run comes to its end.

    Args:
        row: The session's row.
        ledger: The session's.
        channel: Leads to the worker.
        performing: Knows which calls are in flight.
        policing: Knows the limits.
        telling: Tells hooks of a limit that is reached.
        watch: Watches how long hooks of the script compute.
        waits: Tells whether an effect waits for something (a timer, a call, a hook).

    Attributes:
        ended: How it has ended; None while it has not.
        error: message, traceback and event of what went wrong, if something did.
        waiting_for: prompt and schema of the value that the script waits for, if it does.
        is_deaf: Whether the worker was killed, so that whatever it still said is void.
    """

    def __init__(
        self,
        row: Row,
        ledger: Ledger,
        channel: Channel,
        performing: Performing,
        policing: Policing,
        telling: Telling,
        watch: HookWatch,
        waits: Callable[[], bool],
    ) -> None:
        self._row = row
        self._ledger = ledger
        self._channel = channel
        self._performing = performing
        self._policing = policing
        self._telling = telling
        self._watch = watch
        self._waits = waits
        self._pending: _Pending | None = None
        self._asked: list[Ended] = []  # from other threads and signal handlers
        self.ended: Ended | None = None
        self.error: dict[str, Any] | None = None
        self.waiting_for: dict[str, Any] | None = None
        self.is_deaf = False

    @property
    def is_on(self) -> bool:
        """Whether the run is about to end."""
        return self._pending is not None

    @property
    def due(self) -> float | None:
        """When something is to be done about it, by time.monotonic(); None for never."""
        if self._asked:
            return 0.0
        if self._pending is None:
            return None
        return min(self._pending.worker_until, self._pending.calls_until)

    # Asked for -----------------------------------------------------------------------------

    def ask(self, why: Ended) -> None:
        """Ask for the end from any thread or signal handler; the reason `now` waits for nothing."""
        self._asked.append(why)
        self._channel.wake()

    def take_asked(self) -> None:
        """Do the first of what was asked for."""
        if not self._asked:
            return
        asked = self._asked.pop(0)
        if asked.reason == "now":
            self.silence()
            self.ended = replace(asked, reason="asked")
        else:
            self.stop(asked)

    def stop(self, why: Ended) -> None:
        """End the run at the next effect, unless it is about to end already."""
        if self._pending is not None:
            return
        now = time.monotonic()
        self._pending = _Pending(why, now + NEXT_EFFECT_WITHIN_S, now + CALL_ENDS_WITHIN_S)
        if not self._performing.worth_waiting_for and self._waits():
            self.stop_worker()

    def stop_worker(self) -> None:
        """The worker has reached an effect: it is no longer needed, a call may still be."""
        if self._pending is None:
            return
        self.silence()
        if not self._performing.worth_waiting_for:
            self.ended = self._pending.why

    def end_after_calls(self, why: Ended) -> None:
        """End the run now; only calls in flight are waited for, so that none is in doubt."""
        self._pending = None
        self.stop(why)
        self.stop_worker()

    def silence(self) -> None:
        """Kill the worker and hear nothing more: what comes after an unrecorded call is void."""
        self.is_deaf = True
        self._channel.kill()

    # By the script -------------------------------------------------------------------------

    def script_ended(self, status: int, report: dict[str, Any]) -> None:
        """End the run where the script did.

        Args:
            status: Its status.
            report: The message and traceback of its error, where it failed.
        """
        if status == Status.OK:
            self.end_after_calls(Ended("completed"))
            return
        self.error = {
            "message": shown_error(report.get("message", "")),
            "traceback": shown_error(report.get("traceback", "")),
            "event": self._ledger.number,
        }
        self.end_after_calls(Ended("failed", message=self.error["message"]))

    def wait_for_value(self, waiting_for: dict[str, Any]) -> None:
        """Suspend the run because the script waits for a value.

        Args:
            waiting_for: As `respell.engine.suspension` makes it.
        """
        self.waiting_for = waiting_for
        self.stop(Ended("suspended", "script", message=str(waiting_for.get("prompt") or "")))
        self.stop_worker()

    # By what went wrong --------------------------------------------------------------------

    def worker_gone(self) -> None:
        """End because the worker ended of itself."""
        self.broke_off(f"the Lua process ended by itself ({self._channel.describe_end()})")

    def broke_off(self, what: str) -> None:
        """End because of the worker: the script may be at fault, or somebody killed it."""
        self.silence()
        after = self._ledger.number
        message = (
            f"{what} after event {after}; "
            f"`respell resume {self._row.session.id[:8]}` runs it again from there"
        )
        self.error = {"message": message, "traceback": "", "event": after}
        self.end_after_calls(Ended("suspended", "worker", message=message))

    def hook_took_too_long(self) -> None:
        """Stop the hook that the worker computes in, and have the run begin anew without it."""
        self.silence()
        seconds = self._watch.limit_s
        message = (
            f"a hook computed for longer than {seconds:g} s after event {self._ledger.number}; "
            "the session goes on without it"
        )
        self._ledger.note(TIMED_OUT, {"ordinal": self._watch.ordinal, "seconds": seconds})
        self.end_after_calls(Ended("suspended", "hook", message=message))

    # By limits -----------------------------------------------------------------------------

    def check_time(self, now: float, *, paused: bool) -> None:
        """End the run where its time is over, or that of what it still waits for.

        Args:
            now: By time.monotonic().
            paused: Nobody expects it to go on.
        """
        pending = self._pending
        if pending is not None:
            busy = self._performing.worth_waiting_for
            if (busy and now >= pending.calls_until) or (
                not busy and (self._channel.closed or now >= pending.worker_until)
            ):
                self.silence()
                self.ended = pending.why
            return
        session = self._row.session
        reached = self._policing.meter.over_time(
            session.limits, now, busy=self._waits(), paused=paused
        )
        self._policing.look(session, now)
        if reached:
            self.limit_reached(reached)

    def limit_reached(self, reached: Reached) -> None:
        """End the run here, because of a limit or a policy."""
        session = self._row.session
        self._policing.look(session, time.monotonic())
        limit, after = reached.limit, self._ledger.number
        failed = reached.fail or self._policing.fails
        said = "policy " if limit.startswith("policy.") or limit == "vote" else "limit "
        message = (
            f"stopped by the {said}{limit.removeprefix('policy.')} after event {after}: "
            f"{reached.what}. {remedy(reached, session, after, failed=failed)}."
        )
        self.error = {"message": message, "traceback": "", "event": after}
        told = {"limit": limit, "after": after, "what": reached.what}
        self._ledger.note(f"limit.{limit}", {**told, "value": value_of(session.limits, limit)})
        self._telling.tell("ResourceLimitExceeded", told, component=limit)
        self.end_after_calls(Ended("failed" if failed else "suspended", "limit", limit, message))
