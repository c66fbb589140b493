"""Relief for a thread that a hook holds up: another one goes on with the loop.

To hand a hook to another thread and wait for it takes longer than most hooks do. So the thread that
runs a host's loop calls them itself, and is watched meanwhile by the one that waits for the
loop to end. Where a hook takes too long for others to wait, the watcher lets another thread
go on with the loop; the one in the hook comes back to nothing but the end of its hook.

So whatever a loop has taken out of a queue, and would go on with after a hook, has to be kept
where another thread finds it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, copy_context

LOOK_S = 0.005
"""A hook that two looks in a row find running is left: it has held the loop up for 5 to 10 ms."""


class Relieved(BaseException):
    """Another thread goes on with the loop: nothing more is to be done in this one."""


class _Inside:
    """One call of hooks that the loop waits for."""

    __slots__ = ("late",)

    def __init__(self, late: Callable[[], None]) -> None:
        self.late = late


class Relief:
    """Runs a loop in threads that relieve each other.

    Args:
        wake: Has the loop take its next turn; from any thread.

    Attributes:
        is_on: Whether a loop is running.
        is_over: Whether the loop has to end, because who waited for it does not any more.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._runner: object = None  # the thread's that runs the loop; None once it has ended
        self._inside: _Inside | None = None
        self._calls = 0
        self._watcher_sleeps = False
        self._error: BaseException | None = None
        self.is_on = False
        self.is_over = False

    def run(self, loop: Callable[[], None]) -> None:
        """Run a loop to its end, in other threads than this one.

        Args:
            loop: Goes on with the loop, from wherever it is, until it ends or `is_over`.
        """
        context = copy_context()
        self.is_on = True
        self._start(loop, context, None)
        try:
            self._watch(loop, context)
        except BaseException:
            self._break_off()
            raise
        finally:
            self.is_on = False
        if self._error is not None:
            raise self._error

    def inside(self, work: Callable[[], None], late: Callable[[], None]) -> None:
        """Call hooks in the thread of the loop.

        Args:
            work: Calls them; raises nothing.
            late: What the loop begins with in another thread, if that takes too long.

        Raises:
            Relieved: It took too long.
        """
        mark = _Inside(late)
        with self._lock:
            if self.is_over:
                raise Relieved
            self._inside = mark
            self._calls += 1
            if self._watcher_sleeps:
                self._changed.notify()
        work()
        with self._lock:
            if self._inside is not mark:
                raise Relieved
            self._inside = None

    def _watch(self, loop: Callable[[], None], context: Context) -> None:
        with self._lock:
            while self._runner is not None:
                inside, calls = self._inside, self._calls
                self._changed.wait(LOOK_S)
                if inside is not None and self._inside is inside:
                    self._inside = None
                    self._start(loop, context, inside.late)
                elif inside is None and self._calls == calls and self._runner is not None:
                    self._watcher_sleeps = True
                    self._changed.wait()
                    self._watcher_sleeps = False

    def _start(
        self, loop: Callable[[], None], context: Context, first: Callable[[], None] | None
    ) -> None:
        runner = self._runner = object()

        def work() -> None:
            error: BaseException | None = None
            try:
                if first is not None:
                    first()
                loop()
            except Relieved:
                pass  # the hook is over; it has told so itself
            except BaseException as failure:  # noqa: BLE001 - who waits for the loop raises it
                error = failure
            with self._lock:
                if self._runner is runner:
                    self._runner, self._error = None, error
                    self._changed.notify()

        threading.Thread(
            target=lambda: context.copy().run(work), name="respell-loop", daemon=True
        ).start()

    def _break_off(self) -> None:
        """End the loop, and leave a hook that it is inside of."""
        with self._lock:
            self.is_over = True
            if self._inside is not None:
                self._inside = self._runner = None
        self._wake()
        with self._lock:
            while self._runner is not None:
                self._changed.wait()
