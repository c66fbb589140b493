"""Answers that come in pieces: from the thread that asks a model to the one that reads along."""

from __future__ import annotations

import threading
import time
from typing import Any

from respell.errors import EffectFailed

GATHER_S = 0.03
"""How long pieces are gathered once there is one: each batch is an event of its own."""

BATCH_PIECES = 1000
PIECE_BYTES = 64 * 1024
"""Where nobody reads along, pieces are put together up to this."""

_CANCEL_POLL_S = 0.05


class Stream:
    """The pieces of one answer.

    Args:
        cancel: Ends the request, when set.
        restarted: The request was begun before, and some of it may have been read then.
    """

    def __init__(self, cancel: threading.Event, *, restarted: bool) -> None:
        self._request_cancel = cancel
        self._restarted = restarted
        self._changed = threading.Condition()
        self._taken = 0
        self._ended = False
        self.pieces: list[str] = []
        self.size = 0  # of all pieces, in bytes
        self.stopped = False

    def put(self, text: str) -> None:
        """Add a piece."""
        if not text:
            return
        with self._changed:
            self.size += len(text.encode())
            untaken = len(self.pieces) - self._taken
            if untaken >= BATCH_PIECES and len(self.pieces[-1]) + len(text) <= PIECE_BYTES:
                self.pieces[-1] += text
            else:
                self.pieces.append(text)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that no more pieces come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End the request early: what has come so far is the answer."""
        self.stopped = True
        self._request_cancel.set()

    def take(self, cancel: threading.Event) -> dict[str, Any]:
        """Wait for pieces and return those that are there.

        Args:
            cancel: Ends the waiting, when set.

        Returns:
            `chunks`; `done` where they are the last; `restarted` in the first batch of a
            request that was begun again.

        Raises:
            EffectFailed: It was cancelled.
        """
        with self._changed:
            while self._taken == len(self.pieces) and not self._ended:
                if cancel.is_set():
                    raise EffectFailed("the stream is no longer read")
                self._changed.wait(_CANCEL_POLL_S)
            until = time.monotonic() + GATHER_S
            while not self._ended and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            batch = self.pieces[self._taken : self._taken + BATCH_PIECES]
            self._taken += len(batch)
            done = self._ended and self._taken == len(self.pieces)
        taken: dict[str, Any] = {"chunks": batch, "done": done}
        if self._restarted:
            taken["restarted"], self._restarted = True, False
        return taken


class Streams:
    """The streams of one host, by the number of the event that each request is."""

    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}

    def open(self, number: int, cancel: threading.Event, *, restarted: bool) -> Stream:
        """Begin a stream; see `Stream`."""
        stream = self._streams[number] = Stream(cancel, restarted=restarted)
        return stream

    def get(self, number: int) -> Stream | None:
        """Return a stream that has not been read to its end."""
        return self._streams.get(number)

    def close(self, number: int) -> None:
        """Forget a stream that has been read to its end."""
        self._streams.pop(number, None)
