"""The writer lock: one process at a time writes to a store.

SQLite's own lock is polled by those who wait, without a queue, so a busy writer starves
the others for seconds. `flock` makes them queue up in the kernel instead.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from queue import SimpleQueue


class GivenUp(Exception):
    """Nobody waits for the lock any more, as `stop_waiting` wanted it."""


class WriterLock:
    """An exclusive lock between processes, on a file that is never removed.

    One thread at a time may use it; the caller sees to that.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock's file, making it where there is none."""
        self._path = path
        self._fd = _open(path)
        self._waiter: _Waiter | None = None

    def acquire(self, timeout: float) -> bool:
        """Take the lock and return True, or False when it was not free in time.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            GivenUp: `stop_waiting` was called meanwhile.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(timeout)
        return True

    def release(self) -> None:
        """Give the lock to whoever waits longest."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def stop_waiting(self) -> None:
        """Have whoever waits for the lock give up; nothing where nobody does. From any thread."""
        waiter = self._waiter
        if waiter is not None:
            waiter.give_up()

    def close(self) -> None:
        """Close the file, and with it the lock."""
        if self._waiter is not None:
            self._waiter.stop()
            self._waiter = None
        os.close(self._fd)

    def _wait(self, timeout: float) -> bool:
        # A blocking flock keeps its place in the kernel's queue but knows no timeout, so a
        # thread of its own blocks and this one waits for it.
        if self._waiter is None:
            self._waiter = _Waiter()
        self._waiter.ask(self._fd)
        try:
            if self._waiter.is_answered(timeout):
                return True
        except BaseException:  # Ctrl-C while waiting
            if not self._abandon(self._waiter):
                self.release()
            raise
        given_up = self._waiter.is_given_up
        if not self._abandon(self._waiter):
            return True
        if given_up:
            raise GivenUp
        return False

    def _abandon(self, waiter: _Waiter) -> bool:
        """Stop waiting; return False if the lock was taken in the very last moment."""
        if not waiter.abandon():
            return False
        # That thread will get the lock some day: it keeps this file, and gives the lock
        # back by closing it.
        self._waiter = None
        self._fd = _open(self._path)
        return True


class _Waiter:
    """A thread that blocks on locks for another one.

    Attributes:
        is_given_up: Nobody wants the lock any more that was asked for last.
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[int | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._is_asked = self._is_answered = self._is_abandoned = False
        self.is_given_up = False
        self._error: OSError | None = None
        # A daemon: the end of the program must not wait for another process's lock.
        threading.Thread(target=self._run, name="respell-writer-lock", daemon=True).start()

    def ask(self, fd: int) -> None:
        """Begin to wait for the lock on a file."""
        with self._changed:
            self._is_asked, self._is_answered, self.is_given_up = True, False, False
        self._requests.put(fd)

    def give_up(self) -> None:
        """Have the one who waits, if anybody does, wait no longer."""
        with self._changed:
            self.is_given_up = self._is_asked
            self._changed.notify_all()

    def is_answered(self, timeout: float) -> bool:
        """Return whether the lock was taken in time; raises what the system refused."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_answered or self.is_given_up, timeout)
            return self._is_answered and self._is_taken()

    def abandon(self) -> bool:
        """Leave the file to the thread; return False if the lock has been taken meanwhile."""
        with self._changed:
            self._is_asked = False
            self._is_abandoned = not (self._is_answered and self._is_taken())
            return self._is_abandoned

    def stop(self) -> None:
        """Let the thread end."""
        self._requests.put(None)

    def _is_taken(self) -> bool:
        self._is_asked = False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def _run(self) -> None:
        while (fd := self._requests.get()) is not None:
            error = None
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
            except OSError as refused:
                error = refused
            with self._changed:
                if self._is_abandoned:
                    os.close(fd)
                    return
                self._is_answered, self._error = True, error
                self._changed.notify_all()


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
