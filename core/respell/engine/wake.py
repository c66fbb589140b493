"""Waking a thread that waits in `poll` or `select`."""

from __future__ import annotations

import os
import threading


class Wake:
    """Lets another thread, or a signal handler, end a wait.

    Attributes:
        fd: What becomes readable; -1 once it is closed.
    """

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)
        # Whoever sets it late must not write into what has got its number since: a byte too many
        # in a conversation makes both sides wait for ever. Of the same thread: a signal handler
        # may come in between.
        self._using = threading.RLock()

    def set(self) -> None:
        """Wake the one who waits, or who waits next; nothing once it is closed."""
        with self._using:
            if self._write < 0:
                return
            try:
                os.write(self._write, b"!")
            except BlockingIOError:
                return  # it is full of wake-ups already

    def clear(self) -> None:
        """Forget what was set."""
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            return  # nothing was

    def close(self) -> None:
        """Free it; a second time is nothing."""
        with self._using:
            fds = self.fd, self._write
            self.fd = self._write = -1
            if fds[0] >= 0:
                os.close(fds[0])
                os.close(fds[1])
