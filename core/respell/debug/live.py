"""A session that another process runs, while it is debugged.

Following it means to read its history and nothing else: the process that runs it never
notices. Holding it is asked of that process (`respell.engine.holding`), leaves no trace in the
history either, and lasts no longer than this process does.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Literal

from respell.debug.stopped import stopped_process
from respell.debug.worker import Cancelled
from respell.engine.wake import Wake
from respell.errors import InvalidTransition, SessionNotFound, UsageError, WorkerFailed
from respell.sessions.lifecycle import ACTIVE
from respell.sessions.pausing import is_paused
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.leases import Hold, Holder

Status = Literal[
    "running", "paused", "interrupted", "suspended", "completed", "failed", "archived", "deleted"
]

HEARD_WITHIN_S = 10.0
_LOOK_S = 0.002
_SURE_S = 0.1  # what no change of the store tells, a process that died, is looked at so often
_ENDS_WITHIN_S = 15.0  # of a suspend, calls in flight included

Extend = Callable[[SessionRecord, bool], None]


class Live:
    """What a debugger knows of the process that runs its session, and asks of it.

    Attributes:
        launched: The debugger has started it: without the debugger it is suspended.
        on_more: Called when more has been recorded, and taken in.
        on_wait: Called now and then while something is waited for.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        *,
        wake: Wake,
        extend: Extend,
        launched: bool,
    ) -> None:
        """Made by `Debugger`.

        Args:
            store: Where the session is.
            session: The session.
            wake: Ends waiting.
            extend: Called with the session as it is now, and whether a process still runs it.
            launched: See the class.
        """
        self._store, self._key = store, session.key
        self._wake, self._extend = wake, extend
        self._events = session.events
        self._seen: tuple[Status, int] = (self.status, session.records)
        self._last_step = 0
        self._left = False
        self._holds = launched  # another debugger of this process does not hold it for us
        self.launched = launched
        self.on_more: Callable[[], None] = lambda: None
        self.on_wait: Callable[[], None] = lambda: None

    # What is known -------------------------------------------------------------------------

    @property
    def host(self) -> Holder | None:
        """The process that runs the session; None where none does any more."""
        return self._store.leases.holder(self._key)

    @property
    def hold(self) -> Hold | None:
        """The hold that a debugger has on it, this one or another; None for none."""
        return self._store.leases.hold(self._key)

    @property
    def is_held(self) -> bool:
        """Whether it stands still for this debugger, which lets it through as it moves."""
        hold = self.hold
        return hold is not None and hold.is_ours and self._holds

    @property
    def runs(self) -> bool:
        """Whether a process runs it, paused or not."""
        return self.host is not None

    @property
    def status(self) -> Status:
        """What becomes of it just now.

        running; paused (by a debugger or `respell pause`); interrupted, where its process died;
        deleted; or the session's own status, where no process runs it any more.
        """
        runs = self.runs  # looked at first: a process that ends writes the status before
        try:
            session = self._store.sessions.get(self._key)
        except SessionNotFound:
            return "deleted"
        if runs:
            return "paused" if is_paused(self._store, session) else "running"
        if session.status == ACTIVE:
            return "interrupted"
        known: dict[str, Status] = {
            "suspended": "suspended", "completed": "completed", "failed": "failed",
        }  # fmt: skip
        return known.get(session.status, "archived")

    def describe(self) -> str:
        """Return one sentence about it for people."""
        status = self.status
        if status == "deleted":
            return "the session was deleted; what was read of it can still be looked at"
        session = self._store.sessions.get(self._key)
        after = f"after event {session.events}"
        if status == "running":
            stopped = self._stopped()
            return f"it runs ({self.host}), {session.events} events so far{stopped}"
        if status == "paused":
            hold = self.hold
            who = "`respell pause`" if hold is None else f"the debugger of process {hold.pid}"
            if self.is_held:
                who = "this debugger"
            return f"it is held by {who} {after}"
        if status == "interrupted":
            return f"its process died {after}; `respell resume {session.id[:8]}` goes on with it"
        if status == "suspended":
            why = (session.error or {}).get("message") or "as it was asked to be"
            if session.waiting_for is not None:
                why = f"it waits for a value: {session.waiting_for.get('prompt') or 'any'}"
            return f"it was suspended {after}: {why}"
        if status == "failed":
            return f"it failed {after}: {(session.error or {}).get('message', '')}"
        return f"it is {status}, with {session.events} events"

    # Following -----------------------------------------------------------------------------

    def refresh(self) -> int:
        """Take in what has been recorded since, and return how many events that is.

        The positions that there were stay what they are; the end moves. Where the debugger
        stands does not change.

        Raises:
            SessionNotFound: The session was deleted.
        """
        runs = self.runs
        session = self._store.sessions.get(self._key)
        before, self._events = self._events, session.events
        self._extend(session, runs)
        self._seen = (self.status, session.records)
        if session.events > before:
            self.on_more()
        return session.events - before

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until there is more, or its status changes; `Debugger.cancel` ends that too.

        Nothing is waited for where no process runs it any more.

        Args:
            timeout_s: Most seconds to wait; None waits without end.

        Returns:
            How many events more there are; 0 where it took too long, was cancelled or only the
            status changed.
        """

        def changed() -> bool:
            status = self.status
            if status not in ("running", "paused"):
                return True
            return (status, self._store.sessions.get(self._key).records) != self._seen

        self._wake.clear()
        try:
            self._until(changed, timeout_s)
        except Cancelled:
            return 0
        return 0 if self.status == "deleted" else self.refresh()

    # Holding -------------------------------------------------------------------------------

    def pause(self, *, timeout_s: float = HEARD_WITHIN_S) -> None:
        """Have it stand still: nothing more that it asks for is performed.

        What it has begun comes to its end and is recorded. It goes on when it is let, or when
        this process is gone.

        Args:
            timeout_s: Most seconds to wait until its process has heard.

        Raises:
            InvalidTransition: No process runs it.
            UsageError: That process is on another machine, or in another container.
            WorkerFailed: It has not heard in time.
        """
        self._ask("hold", Hold.current())
        self._sure(lambda: not self.runs or self.is_held, timeout_s)
        self.refresh()

    def step(self, *, timeout_s: float | None = None) -> int:
        """Let it go on to where one more event is recorded and it stands still again.

        Where the event takes its time (an answer of an agent, a sleep) so does this;
        `Debugger.cancel` ends the waiting, with the event under way.

        Args:
            timeout_s: Most seconds to wait for it; None waits without end.

        Returns:
            How many events there are more.

        Raises:
            Cancelled: The waiting was cancelled; it stands still after what it has begun.
            InvalidTransition: No process runs it.
            UsageError: That process is on another machine, or in another container.
        """
        number = self._last_step = max(time.time_ns(), self._last_step + 1)
        self._ask("step", Hold.current(number))

        def made() -> bool:
            if not self.runs:
                return True
            if self._store.inbox.waiting(self._key):
                return False
            hold = self.hold
            return hold is None or not hold.is_ours or hold.step == number

        try:
            self._until(made, timeout_s)
        except Cancelled:
            if self.runs:
                self._ask("hold", Hold.current())
            raise
        return self.refresh()

    def go_on(self, *, timeout_s: float = HEARD_WITHIN_S) -> None:
        """Let it run, whoever holds it.

        Args:
            timeout_s: Most seconds to wait until its process has heard.

        Raises:
            InvalidTransition: No process runs it.
            WorkerFailed: It has not heard in time.
        """
        self._ask("go", None)
        self._sure(lambda: self.status != "paused", timeout_s)
        self.refresh()

    def detach(self, *, suspend: bool | None = None) -> None:
        """Leave it: one that was there before runs on, one that was launched is suspended.

        Args:
            suspend: True or False to have it the other way; None for as it is said above.
        """
        if self._left:
            return
        held, self._left, self._holds = self.is_held, True, False
        if not self.runs:
            return
        if suspend if suspend is not None else self.launched:
            self._store.inbox.post(self._key, "suspend")
            self._until(lambda: not self.runs, _ENDS_WITHIN_S)
        elif self.launched:
            self._store.inbox.post(self._key, "leave")
            self._until(lambda: not self._store.inbox.waiting(self._key), HEARD_WITHIN_S)
        elif held:
            self._store.inbox.post(self._key, "go")
            self._until(lambda: self.status != "paused", HEARD_WITHIN_S)

    # ---------------------------------------------------------------------------------------

    def _ask(self, what: str, hold: Hold | None) -> None:
        host = self.host
        if host is None:
            raise InvalidTransition(
                f"no process runs the session any more: {self.describe()}",
                current=self.status, wanted=what,
            )  # fmt: skip
        if hold is not None and not host.is_near:
            raise UsageError(
                f"{host} could not tell whether this debugger still lives; hold it from there, or "
                "with `respell pause`"
            )
        self._left, self._holds = False, hold is not None
        payload = None
        if hold is not None:
            payload = {"pid": hold.pid, "start_time": hold.start_time, "step": hold.step}
        self._store.inbox.post(self._key, what, payload)

    def _sure(self, done: Callable[[], bool], timeout_s: float) -> None:
        if not self._until(done, timeout_s):
            why = self._stopped() or "; it may be stopped itself"
            raise WorkerFailed(f"{self.host} has not heard within {timeout_s:g} s{why}")

    def _stopped(self) -> str:
        """Return that a signal has stopped the process that runs it, or one of that; or nothing."""
        host = self.host
        pid = stopped_process(host.pid) if host is not None and host.is_near else None
        if host is None or pid is None:
            return ""
        if pid != host.pid and (self.hold is not None or self._store.inbox.waiting(self._key)):
            return ""  # its host may just have done that, to hold it
        which = "it" if pid == host.pid else f"its process {pid}"
        return f"; {which} is stopped by a signal and does nothing: `kill -CONT {pid}`"

    def _until(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until something is so; false where it took too long.

        Raises:
            Cancelled: The debugger was told to.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._wake.fd, select.POLLIN)
        while True:
            self.on_wait()
            seen, look_again = self._store.data_version(), time.monotonic() + _SURE_S
            if done():
                return True
            while self._store.data_version() == seen and time.monotonic() < look_again:
                if until is not None and time.monotonic() >= until:
                    return done()
                if poll.poll(_LOOK_S * 1000):
                    self._wake.clear()  # what is asked next was not meant
                    raise Cancelled("the waiting was cancelled")
