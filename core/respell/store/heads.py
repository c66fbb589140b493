"""Where each history ended when it was durable last, kept outside of the database.

A WAL that lost its end still opens, as an older state that looks complete. What stands here
tells `check` which sessions are behind. It is a witness and nothing more: nothing is read
from it in normal use, and losing it loses no data.

The file has one slot for each session, at the place of its key, so that a process writes the
slots of the sessions it holds and no others. A session may be deleted, and its key given to
another, between a commit and the write of its slot: so a slot is written and emptied under a
lock on the file, and only as long as the key is that session's.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

_BODY = struct.Struct("<qq32sB75s")
_SUM = struct.Struct("<I")
SLOT_SIZE = _SUM.size + _BODY.size
_EMPTY = bytes(SLOT_SIZE)
_ID_SIZE = 75
_LAST_KEY = 2**24
"""Beyond, the file would be larger than a witness may be."""

_SLOTS_AT_ONCE = 8192
_LOCK_TIMEOUT_S = 1.0
_LOCK_POLL_S = 0.001

NameOf = Callable[[Sequence[int]], dict[int, str]]
"""Gives the ids of those sessions that are there, by key."""


class Head(NamedTuple):
    """Where a history ended.

    Attributes:
        key: The session's key.
        session: Its id.
        records: Sequence number of its last record.
        hash: The hash chain's value after it.
    """

    key: int
    session: str
    records: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class DamagedSlot:
    """A slot that holds something else than was written there.

    Attributes:
        key: Of the session it belongs to.
    """

    key: int


class Heads:
    """The file `heads` of a store."""

    def __init__(self, path: Path) -> None:
        """Use this file; it is opened, or made, by the first write."""
        self.path = path
        self._fd = -1
        self._mutex = Lock()
        self._noted: dict[int, Head] = {}
        self._committed: dict[int, Head] = {}
        self._durable: dict[int, Head] = {}
        self._removed: dict[int, str] = {}

    # ── noting, under the database's mutex ───────────────────────────────────────────────

    def note(self, head: Head) -> None:
        """Note a head within a transaction."""
        self._noted[head.key] = head

    def forget(self, key: int) -> None:
        """Take back what was noted about a session that was not inserted after all."""
        self._noted.pop(key, None)

    def commit(self) -> None:
        """What was noted is committed now."""
        if self._noted:
            self._committed.update(self._noted)
            self._noted = {}
        if self._removed:
            # Once more: a writer that saw the session still there may have filled its slot.
            self._empty(self._removed)
            self._removed = {}

    def roll_back(self) -> None:
        """What was noted is undone."""
        self._noted = {}
        self._removed = {}

    def remove(self, key: int, session: str) -> None:
        """Empty the slot of a session that is about to be removed.

        To be called in the transaction that removes it, and before the transaction ends with
        `commit`: a process that is killed in between leaves no slot of a session that is gone.
        """
        self._noted.pop(key, None)
        self._removed[key] = session
        self._empty({key: None})

    def _empty(self, sessions: dict[int, str] | dict[int, None]) -> None:
        """Empty slots, where an id is given only those that hold it."""
        with self._mutex, suppress(OSError):  # a slot too many is an alarm too many, and no loss
            if not self._open():
                return
            with self._locked():
                for key, session in sessions.items():
                    if key > _LAST_KEY:
                        continue
                    if session is not None:
                        found = _head(key, os.pread(self._fd, SLOT_SIZE, _place(key)))
                        if isinstance(found, DamagedSlot) or found.session != _written(session):
                            continue
                    os.pwrite(self._fd, _EMPTY, _place(key))

    # ── writing ──────────────────────────────────────────────────────────────────────────

    @property
    def is_missing(self) -> bool:
        """Whether there is no such file yet: then all sessions' heads have to be written."""
        if self._fd >= 0:
            return False
        with self._mutex, suppress(OSError):
            return not self._open()
        return False

    def take(self) -> dict[int, Head]:
        """Return what was committed since the last call, by key."""
        taken = self._committed
        if taken:
            self._committed = {}
        return taken

    def note_durable(self, heads: Iterable[Head]) -> None:
        """Note heads that the disk has, for the next `write`; the newest of a session last."""
        with self._mutex:
            self._durable.update((head.key, head) for head in heads)

    @property
    def has_durable(self) -> bool:
        """Whether there is something to write."""
        return bool(self._durable)

    def write(self, name_of: NameOf) -> None:
        """Write the slots of durable heads, without waiting for the disk.

        To be called under the database's mutex. What can't be written is left out: the records
        themselves are durable already, and their commit must not fail for the sake of its
        witness.

        Args:
            name_of: Tells which sessions are there. It is asked while others can empty no slot.
        """
        with self._mutex, suppress(OSError):
            heads, self._durable = self._durable, {}
            wanted = [key for key in heads if key <= _LAST_KEY]
            if self._fd < 0 and not self._open():
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self.path, flags, 0o600)
            with self._locked():
                there = name_of(wanted)
                for key in wanted:
                    if there.get(key) == heads[key].session:
                        os.pwrite(self._fd, _slot(heads[key]), _place(key))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock on the file, which is open; a process that was stopped keeps nobody."""
        end = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
            time.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _open(self) -> bool:
        """Open the file; return whether there is one."""
        if self._fd < 0:
            with suppress(FileNotFoundError):
                self._fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        return self._fd >= 0

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        with self._mutex:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    # ── reading ──────────────────────────────────────────────────────────────────────────

    def read(self) -> Iterator[Head | DamagedSlot]:
        """Yield what all slots hold, empty ones left out; nothing where there is no file.

        Raises:
            OSError: The file can't be read.
        """
        try:
            file = open(self.path, "rb", buffering=0, opener=_without_links)  # noqa: SIM115
        except FileNotFoundError:
            return
        with file:
            first = 1
            while data := file.read(SLOT_SIZE * _SLOTS_AT_ONCE):
                for at in range(0, len(data), SLOT_SIZE):
                    slot = data[at : at + SLOT_SIZE]
                    if slot != _EMPTY[: len(slot)]:
                        yield _head(first + at // SLOT_SIZE, slot)
                first += len(data) // SLOT_SIZE

    def slot(self, key: int) -> Head | DamagedSlot | None:
        """Return what the slot of a session holds now; None for nothing.

        Raises:
            OSError: The file can't be read.
        """
        with open(self.path, "rb", buffering=0, opener=_without_links) as file:
            file.seek(_place(key))
            data = file.read(SLOT_SIZE)
        return None if data == _EMPTY[: len(data)] else _head(key, data)


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _place(key: int) -> int:
    return (key - 1) * SLOT_SIZE


def _written(session: str) -> str:
    """Return an id as it comes back from a slot."""
    return session.encode(errors="replace")[:_ID_SIZE].decode(errors="replace")


def _slot(head: Head) -> bytes:
    key, session, records, chain = head
    name = session.encode(errors="replace")[:_ID_SIZE]
    body = _BODY.pack(key, records, chain, len(name), name)
    return _SUM.pack(zlib.crc32(body)) + body


def _head(key: int, slot: bytes) -> Head | DamagedSlot:
    body = slot[_SUM.size :]
    if len(slot) != SLOT_SIZE or _SUM.pack(zlib.crc32(body)) != slot[: _SUM.size]:
        return DamagedSlot(key)
    written, records, head, length, name = _BODY.unpack(body)
    if written != key:
        return DamagedSlot(key)
    return Head(key, name[:length].decode(errors="replace"), records, head)
