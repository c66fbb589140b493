"""External effects in progress: helper threads that perform them while the host listens."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine.effects import Effect, EffectContext
from respell.errors import (
    EffectFailed,
    LimitExceeded,
    LimitReached,
    PermissionDenied,
    RespellError,
)
from respell.history.record import Status
from respell.policies.limits import REQUEST
from respell.quick import quick_dataclass

MAX_THREADS = 64
"""Most effects that are performed at the same time; the others wait."""

# What a performer ends in when a worker that was taken over calls it as our library never does.
ODD_ARGUMENTS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)

_ANSWERED = {PermissionDenied.__name__: 3, LimitExceeded.__name__: 4}


@quick_dataclass(frozen=True, slots=True)
class Outcome:
    """How an effect ended.

    Attributes:
        status: OK or ERROR.
        value: Canonical bytes of the value, or of the error's text.
        error_class: Name of the error's class; empty for OK.
        refused: What was refused; None where nothing was.
    """

    status: Status
    value: bytes
    error_class: str = ""
    refused: PermissionDenied | None = None

    @property
    def flag(self) -> str:
        """What `--allow` takes to allow what was refused; empty where nothing does."""
        return "" if self.refused is None else values.unicode(self.refused.flag)

    @property
    def answered(self) -> int:
        """What the worker is told of it: its status, or 3 for a refusal and 4 for a limit."""
        return _ANSWERED.get(self.error_class, int(self.status))

    @classmethod
    def of(cls, value: Any) -> Outcome:
        """Return the outcome of an effect that went well."""
        return cls(Status.OK, values.encode(value))

    @classmethod
    def error(cls, error: BaseException) -> Outcome:
        """Return the outcome of an effect that failed."""
        name = type(error).__name__
        text = str(error) if isinstance(error, RespellError) else f"{name}: {error}"
        refused = error if isinstance(error, PermissionDenied) else None
        # A path that is not UTF-8 may be in it.
        return cls(Status.ERROR, values.encode(values.unicode(text)), name, refused)

    def meta(self, **more: Any) -> bytes:
        """Return canonical metadata: the error's class and what else is given."""
        if self.error_class:
            more["error"] = self.error_class
        return values.encode(more) if more else b""


@dataclass(slots=True)
class InFlight:
    """An effect that a thread is performing."""

    ordinal: int
    number: int
    name: str
    reads: bool
    cancel: threading.Event = field(default_factory=threading.Event)


def attempt(perform: Callable[[], Any]) -> Outcome:
    """Return the outcome of a performer: its value, or its error's text.

    An error that is not one of ours is a bug in a tool; the script and the history get its
    type and text, and the session goes on.

    Raises:
        LimitReached: The effect was not performed, and the session ends here.
    """
    try:
        return Outcome.of(perform())
    except LimitReached:
        raise
    except Exception as error:  # noqa: BLE001 - a tool is somebody else's code
        return Outcome.error(error)


Result = Outcome | LimitReached
Ready = tuple[Effect, EffectContext, dict[Any, Any], Kind]
"""An effect's performer, its context, the arguments, and how these are performed."""


class Performing:
    """Performs effects in threads; the results are taken with `done`.

    Args:
        wake: Called from a thread when a result is there.

    Attributes:
        in_flight: Those that are performed or wait for a thread, by ordinal.
        left: Names of those whose script has gone on without them, by ordinal.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._results: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[tuple[int, Callable[[], None]] | None] = queue.SimpleQueue()
        self._threads = 0
        self.in_flight: dict[int, InFlight] = {}
        self.left: dict[int, str] = {}

    @property
    def worth_waiting_for(self) -> bool:
        """Whether a call is in flight whose outcome should be had; input may never come."""
        return any(
            not one.reads
            and one.name != "input.read"
            and (one.ordinal not in self.left or one.name == REQUEST)
            for one in self.in_flight.values()
        )

    def start(
        self, effect: Effect, ctx: EffectContext, ordinal: int, args: bytes, *, reads: bool
    ) -> None:
        """Begin to perform an effect; one that only reads may be given up at any time."""
        self.in_flight[ordinal] = InFlight(ordinal, ctx.number, effect.name, reads, ctx.cancel)

        def job() -> None:
            result: Result
            if ctx.cancel.is_set():  # nobody waits for it any more
                self._results.put((ordinal, Outcome.error(EffectFailed("it was not begun"))))
                self._wake()
                return
            try:
                result = attempt(lambda: effect.perform(ctx, values.decode(args) or {}))
            except LimitReached as limit:
                result = limit
            self._results.put((ordinal, result))
            self._wake()

        self._jobs.put((ordinal, job))
        if self._threads < min(len(self.in_flight), MAX_THREADS):
            self._threads += 1
            threading.Thread(target=self._work, name="respell-effect", daemon=True).start()

    def leave(self, ordinal: int) -> None:
        """Give up an effect that nobody waits for any more, if it is in flight."""
        if (call := self.in_flight.get(ordinal)) is not None:
            call.cancel.set()
            self.left[ordinal] = call.name

    def done(self) -> list[tuple[int, Result]]:
        """Return (ordinal, result) of what has ended since the last call, in that order.

        A result is the outcome, or the limit because of which it was not performed.
        """
        ended = []
        while not self._results.empty():
            ordinal, result = self._results.get()
            del self.in_flight[ordinal]
            ended.append((ordinal, result))
        return ended

    def drop_waiting(self) -> list[int]:
        """Drop what no thread has begun to perform; returns the ordinals."""
        dropped: list[int] = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return dropped
            if job is not None:
                del self.in_flight[job[0]]
                dropped.append(job[0])

    def cancel(self) -> None:
        """Ask all that is in flight to end early."""
        for one in self.in_flight.values():
            one.cancel.set()

    def close(self) -> None:
        """Let the threads end once they are idle."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job[1]()
