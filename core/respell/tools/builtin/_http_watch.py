"""Ends a request when its time is up or nobody wants it any more, whatever the server does.

Timeouts of a request are about one read each: a server that sends a letter now and then keeps
it open for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

_LOOK_EVERY_S = 0.05


class Watch:
    """Watches over the connections that a request makes, as long as the block runs.

    Args:
        cancel: Ends them when set.
        deadline: Ends them then, by `time.monotonic`.

    Attributes:
        ended: Whether it has ended them; then no answer is complete.
    """

    def __init__(self, cancel: threading.Event, deadline: float) -> None:
        self._cancel = cancel
        self._deadline = deadline
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._look, name="respell-http-watch", daemon=True)
        self.ended = False

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of a connection; a `trace` extension of httpx."""
        if not event.endswith("connect_tcp.complete"):
            return
        connected = info["return_value"].get_extra_info("socket")
        with self._lock:
            # A descriptor of its own: with TLS the socket itself becomes another object.
            self._sockets.append(connected.dup())
            if self.ended:
                self._shut()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            if self._cancel.is_set() or time.monotonic() > self._deadline:
                with self._lock:
                    self.ended = True
                    self._shut()
                return

    def _shut(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)
