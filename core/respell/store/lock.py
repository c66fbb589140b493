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
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(timeout)
        return True

    def release(self) -> None:
        """Give the lock to whoever waits longest."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

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
            taken = self._waiter.is_answered(timeout)
        except BaseException:  # Ctrl-C while waiting
            if not self._abandon(self._waiter):
                self.release()
            raise
        return taken or not self._abandon(self._waiter)

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
    """A thread that blocks on locks for another one."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[int | None] = SimpleQueue()
        self._answered = threading.Semaphore(0)
        self._handover = threading.Lock()
        self._abandoned = False
        self._error: OSError | None = None
        # A daemon: the end of the program must not wait for another process's lock.
        threading.Thread(target=self._run, name="respell-writer-lock", daemon=True).start()

    def ask(self, fd: int) -> None:
        """Begin to wait for the lock on a file."""
        self._requests.put(fd)

    def is_answered(self, timeout: float) -> bool:
        """Return whether the lock was taken in time; raises what the system refused."""
        if not self._answered.acquire(timeout=timeout):
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def abandon(self) -> bool:
        """Leave the file to the thread; return False if the lock has been taken meanwhile."""
        with self._handover:
            self._abandoned = not self._answered.acquire(blocking=False)
        return self._abandoned

    def stop(self) -> None:
        """Let the thread end."""
        self._requests.put(None)

    def _run(self) -> None:
        while (fd := self._requests.get()) is not None:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
            except OSError as error:
                self._error = error
            with self._handover:
                if self._abandoned:
                    os.close(fd)
                    return
                self._answered.release()


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
