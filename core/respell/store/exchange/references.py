"""Which content a session refers to, in its row and in its history."""

from __future__ import annotations

import re

from respell.history.record import HASH_SIZE, Record
from respell.sessions.record import SessionRecord
from respell.store.lineage import Segment, lineage
from respell.store.store import Store

# A hash inside a packed value: 32 bytes, or 32 bytes that are text as well.
_ADDRESS = re.compile(rb"[\xc4\xd9]\x20(?=(.{32}))", re.DOTALL)


class References:
    """What sessions of a store refer to; what can't change any more is read once."""

    def __init__(self, store: Store, *, large: bool) -> None:
        """Look there.

        Args:
            store: The store.
            large: Whether large values of records, which are blobs, count as well.
        """
        self._store = store
        self._database = store._database
        self._with_large = large
        self._shared: dict[int, set[bytes]] = {}
        self._larges: dict[Segment, set[bytes]] = {}

    def of(self, session: SessionRecord) -> set[bytes]:
        """Return the addresses that a session's row and history refer to."""
        found = self._own_refs(session.key)
        if not self._with_large:
            found -= self._large(Segment(session.key, session.fork_seq, session.records))
        if session.has_program:
            found |= self._scripts(session)
        if session.fork_of is not None:
            if session.key not in self._shared:
                self._shared[session.key] = self._shared_refs(session)
            found |= self._shared[session.key]
        return found

    def _own_refs(self, key: int) -> set[bytes]:
        rows = self._database.rows("SELECT hash FROM blob_refs WHERE session = ?", (key,))
        return {address for (address,) in rows}

    def _large(self, segment: Segment) -> set[bytes]:
        """Return the addresses of large values of records."""
        if segment not in self._larges:
            rows = self._database.rows(
                "SELECT large FROM records WHERE session = ? AND seq > ? AND seq <= ?"
                " AND large IS NOT NULL",
                (segment.key, segment.after, segment.up_to),
            )
            self._larges[segment] = {it for (large,) in rows for it in _addresses(large)}
        return self._larges[segment]

    def _scripts(self, session: SessionRecord) -> set[bytes]:
        """Return the script that the history begins with, and the one a fork goes on with."""
        found = {bytes.fromhex(session.script_hash)} if session.script_hash else set()
        for _, body in self._store.history.records(session.key, 1, 1):
            script = Record.unpack(body).arguments().get("script")
            if isinstance(script, str):
                script = script.encode()
            if isinstance(script, bytes) and script in self._store.blobs:
                found.add(script)
        return found

    def _shared_refs(self, session: SessionRecord) -> set[bytes]:
        """Return what the records a fork shares refer to; their session may refer to more."""
        found: set[bytes] = set()
        for segment in lineage(self._database, session.key)[:-1]:
            candidates = self._own_refs(segment.key)
            large = self._large(segment)
            if self._with_large:
                found |= large
            for _, body in self._store.history.records(
                session.key, segment.after + 1, segment.up_to
            ):
                found.update(
                    address
                    for match in _ADDRESS.finditer(body)
                    if (address := match[1]) in candidates and address not in large
                )
        return found


def _addresses(large: bytes) -> list[bytes]:
    """Return the addresses in the column `large` of a record."""
    return [large[at : at + HASH_SIZE] for at in range(1, len(large), HASH_SIZE)]
