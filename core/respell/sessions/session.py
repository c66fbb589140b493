"""A session as a Python object: it is looked at, asked, changed and gone on with by this."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respell.access import Grant
from respell.arguments import Arguments
from respell.config import Config
from respell.engine import fork as forking
from respell.engine import run as running
from respell.engine.doubt import Settlements
from respell.engine.ending import Ended
from respell.engine.fork import UNSET
from respell.engine.ledger import OnOutput
from respell.engine.policing import OnAlert
from respell.engine.program import read_script
from respell.engine.run import RunResult
from respell.errors import InvalidTransition, SessionNotFound, UsageError
from respell.history.events import Event
from respell.hooks.registry import HookRegistry
from respell.policies.deciding import Policies
from respell.sessions import causality, changes, granting
from respell.sessions.causality import Cause
from respell.sessions.creating import MAX_NAME_BYTES, MAX_TAG_BYTES
from respell.sessions.current import acting, acting_for
from respell.sessions.facts import SessionFacts
from respell.sessions.lifecycle import ACTIVE, ARCHIVED, COMPLETED, FAILED
from respell.sessions.limiting import set_limits
from respell.sessions.pausing import ask_host, check_pausing, is_paused
from respell.sessions.record import SessionQuery, SessionRecord
from respell.sessions.timeline import events_of
from respell.store import AuditEntry, Store
from respell.times import microseconds
from respell.tools import ToolRegistry

if TYPE_CHECKING:
    from respell.analytics import By, OverTime, SessionStats
    from respell.engine.replay import Mode, ReplayResult
    from respell.history.diff import Difference
    from respell.sessions.artifacts import SessionArtifacts
    from respell.sessions.state import SessionState
    from respell.store.exchange.exporting import ExportReport

_LOOK_S = 0.02
_BY = "python"


class Session(SessionFacts):
    """One session of a store, in any status.

    It holds nothing but the store and the id: every property reads what is so now, also
    what another process has just written. Two are equal when they mean the same session. It
    can be shared by threads, as the store can.

    Get one from `respell.session`, `respell.list_sessions`, `respell.create`,
    `respell.import_` or `respell.current`.
    """

    __slots__ = ()

    # Relatives ---------------------------------------------------------------------------

    @property
    def parent(self) -> Session | None:
        """The session it belongs below, if any and not deleted."""
        return self._other(self.record.parent_session_id)

    @property
    def forked_from(self) -> Session | None:
        """The session it was forked from, if any and not deleted."""
        return self._other(self.record.forked_from)

    def children(self) -> list[Session]:
        """Return the sessions that belong below it, oldest first."""
        return self._others(SessionQuery(parent=self._id, desc=False))

    def forks(self) -> list[Session]:
        """Return the sessions that were forked from it, oldest first."""
        return self._others(SessionQuery(forked_from=self._id, desc=False))

    def _other(self, session_id: str | None) -> Session | None:
        if session_id is None:
            return None
        try:
            return Session(self._store, session_id)
        except SessionNotFound:
            return None

    def _others(self, query: SessionQuery) -> list[Session]:
        return handles(self._store, query)

    # What it did and has -----------------------------------------------------------------

    def events(
        self, first: int = 1, last: int | None = None, *, kind: str | None = None
    ) -> Iterator[Event]:
        """Return an iterator of its events, oldest first.

        Of a session without program these are the events of its creator's history that are
        about it, under their numbers there.

        Args:
            first: Number of the first event.
            last: Number of the last; None for all there are.
            kind: effect, output, lifecycle, hook, limit, edit or note; None for all.

        Raises:
            UsageError: There is no such kind.
        """
        return events_of(self._store, self.record, first, last, kind)

    def causes(self, number: int) -> list[Cause]:
        """Return why an event happened: itself, what caused it, what caused that, and so on.

        Args:
            number: The event's number.

        Raises:
            EventNotFound: The history has no such event.
        """
        return causality.causes(self._store, self.record, number)

    def output(self) -> str:
        """Return all that its script printed."""
        parts: list[str] = []
        for event in self.events(kind="output"):
            if event.name.startswith("output."):
                text = event.args.get("text", "")
                parts.append(text.decode(errors="replace") if isinstance(text, bytes) else text)
                if event.name == "output.line":
                    parts.append("\n")
        return "".join(parts)

    @property
    def artifacts(self) -> SessionArtifacts:
        """Its artifacts: to store, find, read and derive."""
        from respell.sessions.artifacts import SessionArtifacts

        return SessionArtifacts(self._store, self._id)

    @property
    def state(self) -> SessionState:
        """What it keeps by key: a mapping, the same as `State` in its script."""
        from respell.sessions.state import SessionState

        return SessionState(self._store, self._id)

    def stats(self, *, privacy: bool = False) -> SessionStats:
        """Return its numbers: durations, effects, usage, artifacts, hooks, output.

        Args:
            privacy: With pseudonyms in place of ids and names.
        """
        from respell.analytics import Pseudonyms, session_stats

        found = session_stats(self._store, self.record)
        return Pseudonyms(self._store).session(found) if privacy else found

    def stats_over_time(
        self,
        by: By = "day",
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        privacy: bool = False,
    ) -> OverTime:
        """Return its numbers hour by hour, day by day or week by week.

        Args:
            by: hour, day or week, of UTC; weeks begin on Mondays.
            since: Leave out what was before.
            until: Leave out what was from then on.
            privacy: With a pseudonym in place of its id.

        Raises:
            UsageError: There is no such width, the times leave nothing, or there are too many
                buckets.
        """
        from respell.analytics import Pseudonyms, over_time

        found = over_time(
            self._store, self.record, by=by,
            since=None if since is None else microseconds(since),
            until=None if until is None else microseconds(until),
        )  # fmt: skip
        return Pseudonyms(self._store).over_time(found) if privacy else found

    def diff(self, other: Session | str, *, exact: bool = False) -> Difference:
        """Return where it and another session part, and how they differ.

        Args:
            other: The other session, or what `respell.session` finds it by.
            exact: What differs between any two runs counts as well: measured times, readings of
                the clock, the sessions' own ids.
        """
        from respell.history.diff import diff

        found = self._store.sessions.find(other) if isinstance(other, str) else other.record
        return diff(self._store, self.record, found, exact=exact)

    def export(self, path: str | os.PathLike[str], *, redact: Sequence[str] = ()) -> ExportReport:
        """Write it to one self-contained file that `respell.import_` reads.

        Args:
            path: The file.
            redact: Regular expressions; what they match becomes `[redacted]` everywhere, and
                what is imported then can be looked at, but not resumed.

        Raises:
            UsageError: The file can't be written, or an expression is wrong.
        """
        from respell.store.exchange.exporting import export_session

        return export_session(self._store, self.record, Path(path), redact=tuple(redact), actor=_BY)

    # Who else may ------------------------------------------------------------------------

    def grant_events(
        self,
        pattern: str,
        to: Session | SessionRecord | str,
        level: str = "read",
        *,
        expires_at: datetime | str | None = None,
    ) -> None:
        """Let another session's script hear its events; replaces what that was granted of them.

        Args:
            pattern: A type of events, `*`, or the beginning of types and `*`.
            to: The session that may from now on, or what `respell.session` finds it by.
            level: read or admin.
            expires_at: When that ends; None for never.

        Raises:
            PermissionDenied: To this session itself, which owns them.
            UsageError: Pattern or level is none, or the time has passed already.
        """
        call = "grant_events"
        granting.give(
            self._store, granting.events_thing(self.record, pattern, call),
            granting.found(self._store, to), level, by=granting.as_actor(), call=call,
            expires_at=None if expires_at is None else microseconds(expires_at),
        )  # fmt: skip
        self._store.sync()

    def revoke_events(self, pattern: str, grantee: Session | SessionRecord | str) -> bool:
        """Take back what a session was granted of its events; return whether it was anything.

        Args:
            pattern: The pattern, as it was granted.
            grantee: The session, or its id, which need not be there any more.

        Raises:
            PermissionDenied: It is this session itself, which owns them.
        """
        call = "revoke_events"
        had = granting.take_back(
            self._store, granting.events_thing(self.record, pattern, call),
            granting.id_of(self._store, grantee), by=granting.as_actor(), call=call,
        )  # fmt: skip
        self._store.sync()
        return had

    def grants(self) -> list[Grant]:
        """Return what it granted to others, from the oldest to the newest, ended ones too."""
        return self._store.grants.list(owner=self.record.key)

    def granted(self) -> list[Grant]:
        """Return what others granted to it, from the oldest to the newest, ended ones too."""
        return self._store.grants.list(grantees=[self._id])

    def audit(self, *, refused: bool = False, limit: int = 500) -> list[AuditEntry]:
        """Return the newest entries of the audit log about it or of what it did, oldest first.

        Args:
            refused: Only what was refused.
            limit: At most so many.
        """
        return self._store.audit.list(session=self._id, refused=refused, limit=limit)

    # Asking its host ---------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nobody runs it, and return whether that is so.

        Args:
            timeout: Most seconds to wait; None for as long as it takes.
        """
        key = self.record.key
        return _until(lambda: self._store.leases.holder(key) is None, timeout)

    def suspend(self, *, timeout: float | None = 30.0) -> bool:
        """Suspend it; return whether it is, or has ended, by then.

        A running program is asked, and stops at its next effect. A session without program
        is simply suspended.

        Args:
            timeout: Most seconds to wait for that; 0 only asks, None waits without end.

        Raises:
            InvalidTransition: It does not run, or is not active.
        """
        if not self.record.has_program:
            changes.suspend_without_program(self._store, self.record, by=_BY)
            return True
        self._ask("suspend")
        return self.wait(timeout)

    def pause(self, *, timeout: float | None = 30.0) -> bool:
        """Let a running program wait where it is, and return whether its host has heard.

        Unlike a suspended one it stays in memory and keeps its host; `unpause` goes on.

        Args:
            timeout: Most seconds to wait for the host; 0 only asks, None waits without end.

        Raises:
            InvalidTransition: It does not run, or is paused already.
        """
        return self._ask("pause", timeout)

    def unpause(self, *, timeout: float | None = 30.0) -> bool:
        """Let a paused program go on, and return whether its host has heard.

        Args:
            timeout: As for `pause`.

        Raises:
            InvalidTransition: It does not run, or is not paused.
        """
        return self._ask("unpause", timeout)

    def set_limits(
        self,
        limits: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = 30.0,
        **more: Any,
    ) -> bool:
        """Set some of its limits anew; where it runs they hold within 100 ms.

            session.set_limits(tokens=5000, operations=None)
            session.set_limits({"rate.agent.request": "60/min"})

        Args:
            limits: By name; None takes one back. The others stay.
            timeout: Most seconds to wait for a running session's host; 0 only asks, None waits
                without end.
            more: Limits whose names are words, likewise.

        Returns:
            Whether they hold by then.

        Raises:
            UsageError: A limit is unknown or no positive number, or none is given, or the memory
                of a running session should change.
            InvalidTransition: It has ended.
        """
        record = self.record
        if not set_limits(self._store, record, {**(limits or {}), **more}, by=_BY):
            return True

        def heard() -> bool:
            return not self._store.inbox.waiting(record.key)

        return _until(heard, timeout)

    def _ask(self, what: str, timeout: float | None = 0.0) -> bool:
        record = self.record
        if self._store.leases.holder(record.key) is None:
            raise InvalidTransition(
                f"session {self._id[:8]} is {self._idle_word(record)}: there is no process to "
                f"{what} it", current=record.status, wanted=what,
            )  # fmt: skip
        if what in ("pause", "unpause"):
            check_pausing(self._store, record, what)
        ask_host(self._store, record, what, by=_BY)

        def heard() -> bool:
            if self._store.leases.holder(record.key) is None:
                return True
            if self._store.inbox.waiting(record.key):
                return False
            return what == "suspend" or is_paused(self._store, record) == (what == "pause")

        return _until(heard, timeout)

    def _idle_word(self, record: SessionRecord) -> str:
        if record.status == ACTIVE:
            return "interrupted" if record.has_program else "without a program"
        return record.status

    # Going on ----------------------------------------------------------------------------

    def resume(
        self,
        value: Any = None,
        *,
        settlements: Settlements | None = None,
        limits: Mapping[str, Any] | None = None,
        on_output: OnOutput | None = None,
        tools: ToolRegistry | None = None,
        hooks: HookRegistry | None = None,
        config: Config | None = None,
        policies: Policies | None = None,
        on_alert: OnAlert | None = None,
    ) -> RunResult:
        """Go on where it stood, to its end or to where it is suspended again.

        A session without program just becomes active; `ended.status` is `active` then.

        Args:
            value: What `Session.suspend()` returns in the script.
            settlements: What to do with effects in doubt.
            limits: Limits to set anew, None to lift one; the others stay.
            on_output: Called with the name and bytes of each new output, once committed.
            tools: The tools the script can call; None for all that are registered.
            hooks: The hooks around what it does; None for those of this process.
            config: What `respell.config.load()` returned; None for the defaults.
            policies: As for `respell.run`.
            on_alert: Likewise.

        Raises:
            InvalidTransition: It has ended.
            SessionBusy: Another host holds it; says who.
            InDoubt: Effects are in doubt and not settled; says which.
            Divergence: The script asked for something else than was recorded.
            UsageError: The value does not fit what the script waits for.
        """
        record = self.record
        if not record.has_program:
            if value is not None or settlements is not None:
                raise UsageError(f"session {self._id[:8]} has no program that could take a value")
            now = changes.activate_without_program(self._store, record, by=_BY)
            return RunResult(now, Ended(ACTIVE))
        return running.resume(
            self._store, record, value=value, settlements=settlements, limits=limits,
            on_output=on_output, tools=tools, hooks=hooks, config=config,
            policies=policies, on_alert=on_alert,
        ).go()  # fmt: skip

    def replay(
        self,
        *,
        mode: Mode = "exact",
        edits: Mapping[int, Any] | None = None,
        script: str | os.PathLike[str] | None = None,
        first: int | None = None,
        last: int | None = None,
        timeout: float | None = None,
        check_hooks: bool = False,
        hooks: HookRegistry | None = None,
    ) -> ReplayResult:
        """Re-execute it with recorded answers; nothing outside is touched.

        Args:
            mode: exact, modified or simulate (see `respell.engine.replay`).
            edits: Other outcomes by event number, for `modified`.
            script: Another script to re-execute with.
            first: Event number the trace begins at.
            last: Event number to stop after.
            timeout: Most seconds it may take; None for what the session's limits say.
            check_hooks: Call the hooks in Python that are replayable again, and compare what they
                decide; see `hook_differences` of the result.
            hooks: Those there are now; None for those of this process.

        Raises:
            UsageError: An option does not fit the mode or the session.
            LimitReached: It took too long.
        """
        from respell.engine.replay import replay

        return replay(
            self._store, self.record, mode=mode, edits=edits, first=first, last=last,
            check_hooks=check_hooks, hooks=hooks,
            source=None if script is None else read_script(Path(script)),
            script=None if script is None else os.fspath(script), timeout_s=timeout, by=_BY,
        )  # fmt: skip

    def fork(
        self,
        at: str | int,
        *,
        outcome: Any = UNSET,
        variables: Mapping[str, Any] | None = None,
        script: str | os.PathLike[str] | None = None,
        name: str = "",
        config: Config | None = None,
    ) -> Session:
        """Return a new, suspended session that goes on from one of its positions.

        Args:
            at: The position: an event's number, `12`, with line steps after it, `"12+340"`.
            outcome: Another outcome for that event; None is one.
            variables: Values to set at the position, by variable name.
            script: Another script to go on with.
            name: The fork's name; this one's with ` (fork)` if not given.
            config: What `respell.config.load()` returned; None for the defaults.

        Raises:
            EventNotFound: It has no such event.
            UsageError: The position is malformed, or the outcome can't be one of that event.
            Divergence: The other script asks for something else before the position.
        """
        made = forking.fork(
            self._store, self.record, at=str(at), outcome=outcome, variables=variables, name=name,
            source=None if script is None else read_script(Path(script)),
            script=None if script is None else os.fspath(script), created_by=_BY,
            config=config,
        )  # fmt: skip
        return Session(self._store, made)

    # Changing it -------------------------------------------------------------------------

    def complete(self) -> None:
        """Mark it as completed.

        Raises:
            InvalidTransition: It has ended already.
            SessionBusy: A host runs it.
        """
        changes.end_session(self._store, self.record, COMPLETED, by=_BY)

    def fail(self, reason: str = "") -> None:
        """Mark it as failed.

        Args:
            reason: Why, for people.

        Raises:
            InvalidTransition: It has ended already.
            SessionBusy: A host runs it.
        """
        changes.end_session(self._store, self.record, FAILED, reason=reason, by=_BY)

    def archive(self) -> None:
        """Put it away.

        Raises:
            InvalidTransition: It has not ended yet, or is archived.
        """
        changes.end_session(self._store, self.record, ARCHIVED, by=_BY)

    def delete(self) -> None:
        """Delete it with its history, artifacts and state.

        While a fork still needs its history, that is only hidden, and goes with the fork.

        Raises:
            SessionBusy: A host runs it.
        """
        changes.delete_session(self._store, self.record, by=_BY)

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
    ) -> None:
        """Change what is given; the rest stays.

        Args:
            name: What people call it, at most 255 bytes.
            description: Free text.
            tags: All its tags.
            metadata: Fields to set; one whose value is None is removed, others stay.

        Raises:
            UsageError: One of them can't be what it is; says why.
        """
        given = Arguments(
            "Session.update",
            {
                "name": name,
                "description": description,
                "tags": tags if tags is None or isinstance(tags, str) else list(tags),
                "metadata": dict(metadata) if isinstance(metadata, Mapping) else metadata,
            },
        )
        fields: dict[str, Any] = {
            "name": given.text("name", most=MAX_NAME_BYTES),
            "description": given.text("description"),
            "tags": None if tags is None else given.texts("tags", most=MAX_TAG_BYTES),
        }
        fields = {key: value for key, value in fields.items() if value is not None}
        with self._store.transaction():
            record = self.record
            if metadata is not None:
                merged = {**record.metadata, **given.table("metadata")}
                fields["metadata"] = {k: v for k, v in merged.items() if v is not None}
            if fields:
                self._store.sessions.update(record.key, **fields)
        self._store.sync()

    def add_tag(self, tag: str) -> None:
        """Add a tag; one that is there already stays where it is.

        Raises:
            UsageError: It is empty, too long or has control characters.
        """
        Arguments("Session.add_tag", {}).check_tag("tag", tag, most=MAX_TAG_BYTES)
        self._retag(lambda tags: tags if tag in tags else [*tags, tag])

    def remove_tag(self, tag: str) -> bool:
        """Remove a tag, and return whether it was there."""
        return self._retag(lambda tags: [one for one in tags if one != tag])

    def _retag(self, change: Callable[[list[str]], list[str]]) -> bool:
        with self._store.transaction():
            record = self.record
            tags = change(record.tags)
            changed = tags != record.tags
            if changed:
                self._store.sessions.update(record.key, tags=tags)
        self._store.sync()
        return changed

    # The current one ---------------------------------------------------------------------

    def as_current(self) -> AbstractContextManager[None]:
        """Make it what `respell.current` returns, for as long as a `with` block runs.

        In this thread and in this task of asyncio only.
        """
        return acting_for(self._store, self._id)


def handles(store: Store, query: SessionQuery) -> list[Session]:
    """Return the sessions of a store that match a query."""
    return [Session._known(store, record.id) for record in store.sessions.list(query)]


def current() -> Session | None:
    """Return the session that the present code runs for; None where it runs for none.

    There is one inside a Python tool (the session whose script called it), inside an
    `on_output` callback, and in a block of `Session.as_current`. Each thread and each task
    of asyncio has its own.
    """
    here = acting()
    return None if here is None else Session(here.store, here.session_id)


def _until(done: Callable[[], bool], timeout: float | None) -> bool:
    until = None if timeout is None else time.monotonic() + timeout
    while not done():
        if until is not None and time.monotonic() >= until:
            return False
        time.sleep(_LOOK_S)
    return True
