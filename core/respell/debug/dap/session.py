"""One debug session with one client: who is told what, and when."""

from __future__ import annotations

import os
import queue
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from respell.debug.dap.client import Client
from respell.debug.dap.connection import Connection
from respell.debug.dap.looking import thread_of
from respell.debug.dap.marks import Marks
from respell.debug.dap.messages import Body, Code, Refused, Request
from respell.debug.dap.output import Output
from respell.debug.dap.places import Places
from respell.debug.dap.progress import Progress, cancelled
from respell.debug.dap.requests import MEANWHILE, REQUESTS, Handler, Needs
from respell.debug.dap.shown import clean
from respell.debug.dap.source_map import SourceMap
from respell.debug.dap.sourcing import module_of
from respell.debug.debugger import Debugger
from respell.debug.stops import Stop
from respell.debug.worker import Cancelled
from respell.errors import RespellError
from respell.store import Store

DEBUG = "RESPELL_DEBUG"
FAILED, SUSPENDED = 1, 3  # exit codes, as `respell run` has them

OpenStore = Callable[[Path | None, bool], Store]
"""Opens the store of a folder; of None, the one that was chosen when the adapter was started.

It may be made where there is none if the second argument is true.
"""

_LOOK_S = 0.25  # how often a session that runs freely is looked at

_REASONS = {"event": "step", "cancelled": "pause"}


class DapSession:
    """Carries out a client's requests, one after the other, in the thread that serves it.

    Attributes:
        connection: The client.
        open_store: Opens the store that a launch names.
        client: What it said about itself; None before `initialize`.
        places: What it refers to by number.
        marks: The breakpoints that it set.
        sources: The sources as it knows them.
        options: With what it launched or attached.
        configured: Whether it has said that all breakpoints are set.
        over: Whether it is at its end.
        gave_up: Whether the last move was given up for a `pause` that is still to be answered.
    """

    def __init__(self, connection: Connection, open_store: OpenStore) -> None:
        self.connection, self.open_store = connection, open_store
        self.client: Client | None = None
        self.places = Places()
        self.marks = Marks(self)
        self.sources = SourceMap(self)
        self.output = Output(self)
        self.progress = Progress(connection)
        self.options: Any = None
        self.configured = False
        self.over = False
        self._debugger: Debugger | None = None
        self._store: Store | None = None
        self._after: list[Callable[[], None]] = []
        self._threads: set[int] = {1}
        self.gave_up = False
        self._sources = 0
        self._follows = False
        connection.on_request = self.progress.heard
        connection.on_gone = self.progress.gone
        self.progress.meanwhile = self._answer_meanwhile

    # Serving -----------------------------------------------------------------------------

    def serve(self) -> None:
        """Carry out requests until the client has gone or disconnects; leave no process."""
        self.connection.start()
        try:
            while not self.over:
                try:
                    request = self.connection.requests.get(timeout=self._patience())
                except queue.Empty:
                    self._look()
                    continue
                if request is None or self.connection.is_deaf:
                    break
                self._serve(request)
        finally:
            self.connection.over.set()
            self.close()

    def _patience(self) -> float | None:
        """Return how long to wait for a request before a session that runs is looked at."""
        live = self._debugger.live if self._debugger is not None else None
        if live is None or not self.configured or live.is_held:
            return None
        return _LOOK_S if self._follows else None

    def _look(self) -> None:
        """Show what a session that runs has written since, or how it ended."""
        live = self.debugger.live
        assert live is not None
        status = live.status
        if status != "deleted":
            live.refresh()
        if not live.runs:
            self._tell_that_it_ended()

    def _tell_that_it_ended(self) -> None:
        """Tell once how a session that ran has ended."""
        if self._follows and self.debugger.live is not None:
            self.tell(f"{self.debugger.live.describe()}\n")
        self._follows = False

    def _serve(self, request: Request) -> None:
        self._after.clear()
        try:
            self.progress.begin(request)
            body = self._handler(request).perform(self, request.arguments)
            self.progress.check(moving=bool(self._after))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self.progress.over()
            self._fail(request, error)
            return
        self.connection.respond(request, body)
        try:
            for act in [] if self.connection.is_deaf else list(self._after):
                act()
        except Exception as error:  # noqa: BLE001 - as above; the response was sent already
            self._tell_failure(error)
        finally:
            self.progress.over()

    def _answer_meanwhile(self) -> None:
        """Answer what the worker, which is busy, does not have to be asked for."""
        if self._debugger is None:
            return
        for request in self.connection.take(lambda one: one.command in MEANWHILE):
            try:
                if request.command == "threads":
                    body: Body = {"threads": [thread_of(one - 1) for one in sorted(self._threads)]}
                else:
                    body = self._handler(request).perform(self, request.arguments) or {}
            except Exception as error:  # noqa: BLE001 - as in `_serve`
                self._fail(request, error)
            else:
                self.connection.respond(request, body)

    def _handler(self, request: Request) -> Handler:
        handler = REQUESTS.get(request.command)
        if handler is None:
            raise Refused(f"there is no request {request.command!r} here", Code.UNKNOWN)
        if handler.needs is not Needs.NOTHING and self.client is None:
            raise Refused(
                f"{request.command} comes before initialize; begin with that", Code.NOT_NOW
            )
        if handler.needs is Needs.DEBUGGER and self._debugger is None:
            raise Refused(
                f"{request.command} needs a session: launch or attach to one first", Code.NOT_NOW
            )
        return handler

    def _fail(self, request: Request, error: Exception) -> None:
        if isinstance(error, Cancelled):
            error = cancelled()
        if isinstance(error, Refused):
            code, short, show = error.code, error.short, error.show
        elif isinstance(error, RespellError):
            code, short, show = Code.REFUSED, "", True
        else:
            code, short, show = Code.UNEXPECTED, "", True
        self.connection.fail(
            request.seq, request.command, _words_of(error), code, short=short, show=show
        )

    def _tell_failure(self, error: Exception) -> None:
        """Tell of a move that failed after it was answered: one stands where one stood.

        A pause may come when it has ended already, as that is told: it is no failure.
        """
        if isinstance(error, Cancelled):
            self.gave_up = self.progress.pausing
        else:
            self.tell(f"{_words_of(error)}\n", "important")
        if self._debugger is not None and self.configured:
            self.stopped(self._debugger.stop, reason="pause")

    def after(self, act: Callable[[], None]) -> None:
        """Do something when the response has been sent."""
        self._after.append(act)

    def tell(self, text: str, category: str = "console", **more: Any) -> None:
        """Have the client show text."""
        self.connection.event("output", {"category": category, "output": clean(text), **more})

    # What is open ------------------------------------------------------------------------

    @property
    def debugger(self) -> Debugger:
        """The debugger; handlers that need one have it."""
        assert self._debugger is not None
        return self._debugger

    @property
    def store(self) -> Store:
        """The store of the session that is debugged."""
        assert self._store is not None
        return self._store

    @property
    def who(self) -> Client:
        """What the client said about itself."""
        assert self.client is not None
        return self.client

    @property
    def is_open(self) -> bool:
        """Whether a session is open."""
        return self._debugger is not None

    def take_up(self, store: Store, debugger: Debugger) -> None:
        """Debug with this from now on."""
        self._store, self._debugger = store, debugger
        self.places.clear()
        self.progress.aim(debugger.cancel, debugger.forget_cancel)
        self._sources = sum(one.file is not None for one in debugger.sources())
        self._follows = debugger.live is not None
        if debugger.live is not None:
            debugger.live.on_more = self.output.follow

    def close(self) -> None:
        """End all processes."""
        self.progress.aim(lambda: None, lambda: None)
        debugger, self._debugger = self._debugger, None
        store, self._store = self._store, None
        try:
            if debugger is not None:
                debugger.close()
        finally:
            if store is not None:
                store.close()

    # Moves -------------------------------------------------------------------------------

    def go(self, make: Callable[[Debugger], Stop], *, reason: str | None = None) -> None:
        """Make a move when the response has been sent, and tell where it led to."""

        def act() -> None:
            self.move(make, reason=reason)

        self.after(act)

    def move(self, make: Callable[[Debugger], Stop], *, reason: str | None = None) -> Stop:
        """Make a move, and tell where it led to."""
        self.places.clear()
        stop = make(self.debugger)
        given_up = stop.reason in ("cancelled", "pause")
        self.gave_up = given_up and self.progress.pausing
        if stop.reason == "cancelled":
            stop = self._where_it_is(stop)
        self.stopped(stop, reason="pause" if given_up else reason)
        return stop

    def travel(self, make: Callable[[Debugger], Stop], *, reason: str | None) -> Stop:
        """Make a move for a response that says where it led to; `stopped` follows that.

        One that is refused leaves the client where it was, with the numbers that it has.
        """
        leaves = self.leaving()
        try:
            stop = make(self.debugger)
        except Exception:
            self.looked_elsewhere()
            raise
        self.places.clear()
        self.after(leaves)
        self.after(
            lambda: self.stopped(stop, reason=None if stop.reason == "cancelled" else reason)
        )
        return stop

    def _where_it_is(self, stop: Stop) -> Stop:
        """Return where to stand after a move was given up: where a session that runs is now."""
        live = self.debugger.live
        if live is None or not live.runs:
            return stop
        if not live.is_held:
            live.pause()
        live.refresh()
        return self.debugger.end()

    def pause(self) -> None:
        """Stand still, and say so unless that was said as the move was given up."""
        said, self.gave_up, self.progress.pausing = self.gave_up, False, False
        if said:
            return
        live = self.debugger.live
        if live is not None and live.runs and not live.is_held:
            self.places.clear()
            self.stopped(self._where_it_is(self.debugger.stop), reason="pause")
        else:
            self.stopped(self.debugger.stop, reason="pause")

    def leaving(self) -> Callable[[], None]:
        """Return what tells that it went on from here, by a request that need not mean so.

        An editor that takes it for standing still has it go on when it stops in another coroutine.
        """
        body = {"threadId": self.debugger.stop.coroutine + 1, "allThreadsContinued": True}
        return lambda: self.connection.event("continued", body)

    def stopped(self, stop: Stop, *, reason: str | None = None) -> None:
        """Tell where the debugger stands now, and what there is to tell of the way there."""
        self.output.up_to(stop)
        live = self.debugger.live
        if stop.at_end and live is not None and not live.runs:
            self._tell_that_it_ended()
        if stop.at_end and not self.options.stop_at_end and not (live and live.runs):
            self.finish()
            return
        gone = self._tell_threads()
        self._tell_sources()
        reason = reason or _REASONS.get(stop.reason, stop.reason)
        word, sentence = self._at_the_end() if stop.at_end else (reason, "")
        body: Body = {
            # Beside a thread's name there is room for a few words.
            "reason": reason, "description": f"{word}, {stop.position}",
            "threadId": stop.coroutine + 1, "allThreadsStopped": True,
        }  # fmt: skip
        if stop.error:
            body["text"] = clean(stop.error)
        elif stop.changes:
            body["text"] = clean("; ".join(one.describe() for one in stop.changes))
        elif sentence:
            body["text"] = clean(sentence)
        ids = self.marks.ids_of(stop.breakpoints)
        if ids:
            body["hitBreakpointIds"] = ids
        self.connection.event("stopped", body)
        # After it: of a thread that has ended VS Code would still show why it stopped.
        for one in gone:
            self.connection.event("thread", {"reason": "exited", "threadId": one})

    def _at_the_end(self) -> tuple[str, str]:
        """Return what has become of the session, in a word or two and in a sentence."""
        live = self.debugger.live
        if live is not None:
            return live.status, live.describe()
        status = self.debugger.session.status
        if (now := self.debugger.gone_on()) is not None:
            return "gone on", (
                "the end when it was opened; it has gone on since, "
                f"{now.events} events by now: restart to see them"
            )
        return status, f"the end of what is recorded ({status})"

    def _tell_threads(self) -> list[int]:
        """Tell of coroutines that are new, and return those that are to be told to be gone."""
        now = {one.number + 1 for one in self.debugger.coroutines()}
        gone = sorted(self._threads - now)
        for new in sorted(now - self._threads):
            self.connection.event("thread", {"reason": "started", "threadId": new})
        self._threads = now
        return gone

    def _tell_sources(self) -> None:
        """Tell of sources that were loaded since, and of breakpoints that waited for them."""
        files = [one for one in self.debugger.sources() if one.file is not None]
        for one in files[self._sources :]:
            self.connection.event(
                "loadedSource", {"reason": "new", "source": self.sources.shown(one)}
            )
            self.connection.event("module", {"reason": "new", "module": module_of(self, one)})
        self._sources = len(files)
        self.marks.tell_settled()

    def looked_elsewhere(self) -> None:
        """Have the client ask anew for values: another worker stands here now."""
        self.places.clear_values()
        if self.who.invalidated:
            self.connection.event("invalidated", {"areas": ["variables"]})

    @property
    def can_set(self) -> bool:
        """Whether variables can be set here."""
        return not self.debugger.stop.at_end

    def edited(self) -> None:
        """Have the client ask anew for everything: from here on it is another execution."""
        self.places.clear_values()
        self.after(self._tell_edited)

    def _tell_edited(self) -> None:
        if self.who.invalidated:
            self.connection.event("invalidated", {"areas": ["stacks", "variables"]})

    def finish(self) -> None:
        """Tell that the program has ended, unless it runs on; there is no more to debug."""
        live = self.debugger.live
        if live is None or not live.runs:
            status = self.debugger.session.status
            code = {"failed": FAILED, "suspended": SUSPENDED, "active": SUSPENDED}.get(status, 0)
            self.connection.event("exited", {"exitCode": code})
        self.connection.event("terminated", {})


def _words_of(error: Exception) -> str:
    if isinstance(error, RespellError):
        return clean(str(error))
    if os.environ.get(DEBUG):
        traceback.print_exception(error, file=sys.stderr)
    return (
        f"this should not have happened: {type(error).__name__}: {clean(str(error))}. Please "
        f"report it, with what {DEBUG}=1 shows"
    )
