"""What takes long: told to the client, and ended where it asks for that."""

from __future__ import annotations

import threading
from collections.abc import Callable

from respell.debug.dap.connection import Connection
from respell.debug.dap.messages import Arguments, Code, Refused, Request

_ENDING = ("disconnect", "terminate", "restart", "pause")

# What is over before it can be cancelled is answered. VS Code cancels its questions at each step,
# and shows that they were cancelled beside the answers to the next ones.
_QUICK = frozenset(("threads", "stackTrace", "scopes", "variables", "exceptionInfo"))


class Progress:
    """Which request is carried out, which are to be cancelled, and how long it has been.

    `heard` is called in the connection's thread, all else in the debugger's.

    Attributes:
        shown: Whether the client wants to be told.
        cancel: Ends the move in progress.
        forget: Takes a `cancel` back that came too late.
        pausing: Whether the move was ended by `pause` or the like.
        meanwhile: Called now and then while something takes long.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._at: Request | None = None
        self._asked = False
        self._unwanted: set[int] = set()
        self._name = ""
        self._count = 0
        self.shown = False
        self.pausing = False
        self.meanwhile: Callable[[], None] = lambda: None
        self.cancel: Callable[[], None] = lambda: None
        self.forget: Callable[[], None] = lambda: None

    # In the connection's thread ------------------------------------------------------------

    def heard(self, request: Request) -> None:
        """Take note of a request that just came."""
        if request.command == "cancel":
            self._cancel(request.arguments)
        elif request.command in _ENDING:
            with self._lock:
                self.pausing = True
                self._end()

    def gone(self) -> None:
        """Take note that the client has gone."""
        with self._lock:
            self._end()

    def _cancel(self, args: Arguments) -> None:
        request = args.given.get("requestId")
        progress = args.given.get("progressId")
        with self._lock:
            at = self._at
            if at is not None and (at.seq == request or (progress and progress == self._name)):
                if at.command not in _QUICK:
                    self._end()
            elif isinstance(request, int):
                self._unwanted.add(request)

    def _end(self) -> None:
        if self._at is not None:
            self._asked = True
            self.cancel()

    # In the debugger's thread --------------------------------------------------------------

    def aim(self, cancel: Callable[[], None], forget: Callable[[], None]) -> None:
        """Say how the move in progress is ended from now on."""
        with self._lock:
            self.cancel, self.forget = cancel, forget

    def begin(self, request: Request) -> None:
        """Begin to carry out a request.

        Raises:
            Refused: It is not wanted any more.
        """
        with self._lock:
            if request.seq in self._unwanted:
                self._unwanted.discard(request.seq)
                if request.command not in _QUICK:
                    raise cancelled()
            self._at = request
            self._asked = False

    def over(self) -> bool:
        """End what was begun; return whether it was asked to be cancelled meanwhile."""
        with self._lock:
            asked, self._at, self._asked = self._asked, None, False
            self._unwanted = {seq for seq in self._unwanted if len(self._unwanted) < 1000}
        if asked:
            self.forget()
        if self._name:
            self._connection.event("progressEnd", {"progressId": self._name})
            self._name = ""
        return asked

    def check(self, *, moving: bool) -> None:
        """Take note that a request is carried out, up to its move.

        Raises:
            Refused: It was cancelled, and there is no move that will tell so.
        """
        with self._lock:
            if self._asked and not moving:
                raise cancelled()

    def tell(self, seconds: float) -> None:
        """Say that it takes long."""
        self.meanwhile()
        at = self._at
        if not self.shown or at is None:
            return
        message = f"executing for {seconds:.1f} s"
        if self._name:
            body = {"progressId": self._name, "message": message}
            self._connection.event("progressUpdate", body)
            return
        self._count += 1
        self._name = f"move-{self._count}"
        self._connection.event(
            "progressStart",
            {
                "progressId": self._name, "title": "Re-executing", "requestId": at.seq,
                "cancellable": True, "message": message,
            },
        )  # fmt: skip


def cancelled() -> Refused:
    """Return how a cancelled request is answered."""
    return Refused("it was cancelled", Code.CANCELLED, short="cancelled", show=False)
