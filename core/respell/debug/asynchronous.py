"""The debugger for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from respell.debug.checkpoints import BUDGET_BYTES
from respell.debug.debugger import Debugger, OnProgress
from respell.debug.position import Position
from respell.debug.stops import Stop
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class AsyncDebugger:
    """A `Debugger` in a thread of its own, to be awaited.

    The core is synchronous: a move is one order and one report, and the line mode, tests and
    scripts need no event loop for that. Its workers live as long as the thread that started
    them, so here one thread does everything, in the order it was asked for; a cancelled task
    cancels the move, which leaves the debugger where it was.

        async with await AsyncDebugger.open(session, store=store) as debugger:
            stop = await debugger.call(Debugger.step_over)
            frames = await debugger.call(Debugger.stack)
    """

    def __init__(self, thread: ThreadPoolExecutor, debugger: Debugger) -> None:
        """Use `AsyncDebugger.open`."""
        self._thread = thread
        self._debugger = debugger
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        session: SessionRecord | str,
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
    ) -> AsyncDebugger:
        """Open a session (see `Debugger.open`); `on_progress` is called in the thread."""
        return await cls._made(
            lambda: Debugger.open(
                session, store=store, checkpoints=checkpoints, budget_bytes=budget_bytes,
                on_progress=on_progress, keep_breakpoints=keep_breakpoints,
            )
        )  # fmt: skip

    @classmethod
    async def launch(
        cls, script: str | os.PathLike[str], *, store: Store, **options: Any
    ) -> AsyncDebugger:
        """Run a script as a new session that is debugged (see `Debugger.launch`).

        Args:
            script: The Lua file.
            store: Where the session is created.
            options: All that `Debugger.launch` takes.
        """
        return await cls._made(lambda: Debugger.launch(script, store=store, **options))

    @classmethod
    async def _made(cls, make: Callable[[], Debugger]) -> AsyncDebugger:
        thread = ThreadPoolExecutor(1, thread_name_prefix="respell-debugger")
        made = thread.submit(make)
        try:
            return cls(thread, await asyncio.shield(asyncio.wrap_future(made)))
        except asyncio.CancelledError:
            # The thread comes to it also where this loop ends before.
            closing = thread.submit(lambda: None if made.exception() else made.result().close())
            thread.shutdown(wait=False)
            await asyncio.wait([asyncio.wrap_future(closing)])
            raise
        except BaseException:
            thread.shutdown(wait=False)
            raise

    @property
    def stop(self) -> Stop:
        """Where the last move ended, and why."""
        return self._debugger.stop

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self._debugger.position

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the debugger in its thread.

        Args:
            method: A method of the class, `Debugger.step_in`; it gets the debugger first.
            args: The arguments behind that.
            kwargs: The arguments by name.
        """
        function: Callable[..., T] = method
        if getattr(Debugger, getattr(method, "__name__", ""), None) is not method:
            raise UsageError("call() takes a method of Debugger, such as Debugger.step_in")
        return await self.use(lambda debugger: function(debugger, *args, **kwargs))

    async def use(self, function: Callable[[Debugger], T]) -> T:
        """Call a function with the debugger, in its thread: to ask for several things at once.

        Args:
            function: What is called; it must not keep the debugger.
        """
        future = self._begun(lambda: function(self._debugger))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._debugger.cancel()
            await asyncio.wait([future])
            raise

    async def play(self, speed: float = 1.0) -> AsyncIterator[Stop]:
        """Go forward at the pace of the recording (see `Debugger.play`)."""
        stops = await self.use(lambda debugger: debugger.play(speed))
        while True:
            future = self._begun(lambda: next(stops, None))
            try:
                stop = await asyncio.shield(future)
            except asyncio.CancelledError:
                self._debugger.cancel()
                await asyncio.wait([future])
                raise
            if stop is None:
                return
            yield stop

    def _begun(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Begin to call something in the debugger's thread."""
        if self._is_closed:
            raise UsageError("the debugger is closed; open the session again")
        return asyncio.get_running_loop().run_in_executor(self._thread, function)

    def cancel(self) -> None:
        """End the move in progress; it returns with the reason cancelled."""
        self._debugger.cancel()

    async def close(self) -> None:
        """End all processes, and what is in progress; a second time does nothing."""
        if self._is_closed:
            return
        self._debugger.cancel()
        closing = self._begun(self._debugger.close)
        self._is_closed = True
        try:
            await asyncio.shield(closing)
        finally:
            self._thread.shutdown(wait=False)

    async def __aenter__(self) -> AsyncDebugger:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()
