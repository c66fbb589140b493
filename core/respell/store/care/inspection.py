"""What all parts of a check share: the store, the report, and how things are put right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import apsw

from respell.errors import RespellError, StoreCorrupt
from respell.store.care.damaged import Damaged
from respell.store.care.findings import CheckReport, Finding
from respell.store.database import Database, Row
from respell.store.large import addresses_of
from respell.store.store import Store

OnProgress = Callable[[int, int], None]

_BACKUP = "Restore the folder from a backup, or export the sessions that can still be read"

GONE = "session.vanished"
"""The kind of a finding about a session that is not there, but should be."""

_LISTED = 200
_USERS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Mend:
    """How something is put right.

    Attributes:
        promise: What `respell check --repair` does, after these words.
        do: Does it; returns what was done, and what is left to do.
        key: Key of the session that is changed by it; 0 for none. It must not be held.
        still: Whether the damage is still there. Asked in the transaction that puts it right,
            because others may have stored the content again, or a new session has got the key.
            Not needed where `do` looks at everything anew.
    """

    promise: str
    do: Callable[[], str]
    key: int = 0
    still: Callable[[], bool] = lambda: True


class Inspection:
    """One run of a check.

    Attributes:
        store: The store.
        database: Its database.
        report: What was found so far.
        read_data: Whether every byte is read.
        damaged: Where repairs put what they take out.
        verified: Addresses of blobs whose bytes were read already.
        cut: Keys of sessions whose histories were cut.
        taken_out: How many blobs were taken out, because they were damaged.
    """

    def __init__(
        self, store: Store, *, read_data: bool, repair: bool, on_progress: OnProgress
    ) -> None:
        self.store = store
        self.database: Database = store._database
        self.report = CheckReport(read_data)
        self.read_data = read_data
        self.damaged = Damaged(self.database.folder / "damaged")
        self.verified: set[bytes] = set()
        self.cut: set[int] = set()
        self.taken_out = 0
        self._repair = repair
        self._on_progress = on_progress
        self._done = self._total = 0
        self._listed: Counter[str] = Counter()
        self._unreadable: set[str] = set()

    def run(self, part: Callable[[Inspection], None]) -> None:
        """Run one part of the check. In damaged pages it may come across anything."""
        try:
            part(self)
        except (RespellError, TypeError, ValueError, LookupError, AttributeError) as error:
            damaged = any(it.kind.startswith("database.") for it in self.report.findings)
            if not damaged and not isinstance(error, RespellError):
                raise
            name = part.__name__.removeprefix("check_")
            self.found("database.unreadable", f"the {name} can't be checked: {error}", _BACKUP)
        if self._repair:
            self.store.sync()  # what comes next must not take the repair for damage

    # ── findings ─────────────────────────────────────────────────────────────────────────

    def found(
        self,
        kind: str,
        what: str,
        advice: str,
        mend: Mend | None = None,
        *,
        session: str = "",
        blob: bytes = b"",
        path: str = "",
    ) -> None:
        """Report something, and put it right where that is wanted and safe.

        What is about a session that was deleted meanwhile is no finding, and neither is what
        turns out to be right again when it is about to be put right.
        """
        if session and kind != GONE and self._is_gone(session):
            return
        repaired = False
        if mend is not None and self._repair:
            outcome = self._mended(mend, advice, session)
            if outcome is None:
                return
            repaired, advice = outcome
        elif mend is not None:
            advice = f"`respell check --repair` {mend.promise}. {advice}".rstrip()
        self._listed[kind] += 1
        if self._listed[kind] > _LISTED:
            if not repaired:
                self.report.unlisted[kind] = self.report.unlisted.get(kind, 0) + 1
            return
        finding = Finding(kind, what, advice, repaired, session, blob.hex(), path)
        self.report.findings.append(finding)

    def _is_gone(self, session: str) -> bool:
        """Whether a session that was there is not any more, or is about to go."""
        rows = self.rows(
            "sessions",
            "SELECT 1 FROM sessions WHERE id = ? AND"
            " (deleted = 0 OR (deleted = 1 AND"
            " (key IN (SELECT fork_of FROM sessions) OR key IN (SELECT session FROM grants))))",
            (session,),
        )
        return not rows and "\\" not in session and "sessions" not in self._unreadable

    def _mended(self, mend: Mend, advice: str, session: str) -> tuple[bool, str] | None:
        """Put something right; None if there is nothing to put right any more."""
        try:
            with self.database:
                if mend.key and not self._is_still_of(mend.key, session):
                    return None
                holder = self.store.leases.holder(mend.key) if mend.key else None
                if holder is not None:
                    return False, (
                        f"it was left as it is, because {holder} holds the session: "
                        "`respell suspend` it and check again"
                    )
                return (True, mend.do()) if mend.still() else None
        except (RespellError, OSError, apsw.Error) as error:
            return False, f"the repair failed ({error}). {advice}".rstrip()

    def _is_still_of(self, key: int, session: str) -> bool:
        """Whether a key is still that session's: a free one may be given to a new one."""
        name = self.database.value("SELECT CAST(id AS BLOB) FROM sessions WHERE key = ?", (key,))
        return name is not None and text_of(name) == session

    def take_for_mended(self, kind: str) -> None:
        """Note that a repair of one finding has put all others of its kind right, too."""
        self.report.findings = [
            replace(it, repaired=True, advice="it was put right with the others")
            if it.kind == kind and not it.repaired
            else it
            for it in self.report.findings
        ]

    def progress(self, done: int = 1) -> None:
        """Tell that so many more things were looked at."""
        self._done += done
        self._on_progress(min(self._done, self._total), self._total)

    def finish(self) -> None:
        """Tell that all was looked at, however many things were skipped."""
        self._on_progress(self._total, self._total)

    def expect(self, things: int) -> None:
        """Tell that so many more things are to be looked at."""
        self._total += things

    # ── reading what may be damaged ──────────────────────────────────────────────────────

    def rows(self, table: str, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Return the rows of a query; a table that can't be read is a finding, once."""
        try:
            return self.database.rows(sql, bindings)
        except StoreCorrupt as error:
            self.unreadable(table, error)
            return []

    def unreadable(self, table: str, error: Exception) -> None:
        """Report that a table can't be read as a whole; which rows is found out later."""
        if table not in self._unreadable:
            self._unreadable.add(table)
            self.found(
                "database.unreadable",
                f"rows of the table {table} can't be read: {error.__cause__ or error}",
                _BACKUP,
            )

    @property
    def unreadable_tables(self) -> frozenset[str]:
        """The tables that could not be read so far."""
        return frozenset(self._unreadable)

    # ── names ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def names(self) -> dict[int, str]:
        """Ids of all sessions by key, hidden ones included."""
        sql = "SELECT key, CAST(id AS BLOB) FROM sessions ORDER BY key"
        return {key: text_of(name) for key, name in self.rows("sessions", sql)}

    def name(self, key: int) -> str:
        """Return a session's id, or how else to call it."""
        if key not in self.names:  # it was made meanwhile, or there is none
            for (name,) in self.rows(
                "sessions", "SELECT CAST(id AS BLOB) FROM sessions WHERE key = ?", (key,)
            ):
                self.names[key] = text_of(name)
        return self.names.get(key) or f"of key {key}"

    def users_of(self, address: bytes) -> str:
        """Return who refers to a blob, as the end of a sentence; empty for nobody."""
        wanted = [address, *self._lists.get(address, ())]
        users: list[str] = []
        for one in wanted:
            for session, name, version in self.rows(
                "artifacts",
                "SELECT session, CAST(name AS BLOB), version FROM artifacts"
                " WHERE content_hash = ? AND NOT deleted LIMIT 10",
                (one,),
            ):
                artifact = f"artifact {text_of(name)!r} version {version}"
                users.append(f"{artifact} of session {self.name(session)}")
            for (session,) in self.rows(
                "blob_refs", "SELECT session FROM blob_refs WHERE hash = ? LIMIT 10", (one,)
            ):
                users.append(f"the history of session {self.name(session)}")
            for (key,) in self.rows(
                "sessions", "SELECT key FROM sessions WHERE script_hash = ? LIMIT 10", (one.hex(),)
            ):
                users.append(f"session {self.name(key)} as its script")
        users = list(dict.fromkeys(users))
        more = f" and {len(users) - _USERS_NAMED} more" if len(users) > _USERS_NAMED else ""
        return f"; needed by {', '.join(users[:_USERS_NAMED])}{more}" if users else ""

    @cached_property
    def _lists(self) -> dict[bytes, list[bytes]]:
        """The lists that each chunk is part of."""
        found: dict[bytes, list[bytes]] = {}
        for (address,) in self.rows("blobs", "SELECT hash FROM blobs WHERE place = 2"):
            try:
                chunks = self.store.blobs.stored(address).chunks
            except RespellError:
                continue  # a finding of its own
            for chunk in chunks:
                found.setdefault(chunk, []).append(address)
        return found

    def large_values(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield session, sequence number and address of each large value of a record."""
        for key in self.names:
            for seq, large in self.rows(
                "records",
                "SELECT seq, large FROM records WHERE session = ? AND large IS NOT NULL",
                (key,),
            ):
                for address in addresses_of(large):
                    yield key, seq, address


def text_of(data: bytes | None) -> str:
    """Return text that was read as bytes because it may be damaged."""
    return (data or b"").decode(errors="backslashreplace")
