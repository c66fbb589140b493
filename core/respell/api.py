"""The verbs of `import respell`: what the command line does, from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respell.config import Config, default
from respell.engine import fork as forking
from respell.engine import replay as replaying
from respell.engine import run as running
from respell.engine.doubt import Settlements
from respell.engine.ledger import OnOutput
from respell.engine.policing import OnAlert
from respell.engine.program import Program, read_script
from respell.engine.replay import Mode, ReplayResult
from respell.engine.run import RunResult
from respell.history import diff as comparing
from respell.history.diff import Difference
from respell.history.events import Event
from respell.hooks.registry import HookRegistry
from respell.policies.deciding import Policies
from respell.sessions import building, causality
from respell.sessions.building import SessionBuilder
from respell.sessions.causality import Cause
from respell.sessions.creating import checked_words
from respell.sessions.record import SessionQuery, SessionRecord, SessionSort
from respell.sessions.session import Session, handles
from respell.sessions.timeline import events_of
from respell.store import Durability, Store, default_folder
from respell.times import microseconds
from respell.tools import ToolRegistry

if TYPE_CHECKING:
    from respell.analytics import By, OverTime, StoreStats
    from respell.store.care.collecting import GcReport
    from respell.store.care.findings import CheckReport

AnySession = Session | SessionRecord | str
"""A session, its record, or what finds it: id, unique prefix, unique name, `@last`."""

DAY_S = 86_400.0


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    durability: Durability | None = None,
    config: Config | None = None,
) -> Store:
    """Open a store; make it where there is none.

    Args:
        path: Its folder; None for the configuration's, else `RESPELL_STORE`, else the
            platform's data folder.
        durability: `full`: what is acknowledged survives a power cut; `process`: it survives
            the death of this process. None for the configuration's, else `full`.
        config: Where the store is and how it is kept: what `respell.config.load()` returned;
            None for the defaults.

    Raises:
        StoreError: It can't be opened; says why.
    """
    if path is None:
        path = default_folder() if config is None else config.store_folder()
    options = (config or default()).store_options()
    if durability is not None:
        options["durability"] = durability
    return Store(Path(path), **options)


def run(
    script: str | os.PathLike[str],
    *,
    store: Store,
    name: str = "",
    tags: Sequence[str] = (),
    args: Sequence[str] = (),
    input: Any = None,
    limits: Mapping[str, Any] | None = None,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    on_output: OnOutput | None = None,
    tools: ToolRegistry | None = None,
    hooks: HookRegistry | None = None,
    config: Config | None = None,
    policies: Policies | None = None,
    on_alert: OnAlert | None = None,
) -> RunResult:
    """Run a script as a new session, to its end or to where it is suspended.

    Args:
        script: The Lua file.
        store: Where the session lives.
        name: Its name; empty for the script's.
        tags: Its tags.
        args: `args` and `...` in the script.
        input: The global `input` in the script.
        limits: See `respell.policies.limits.LIMITS`; sizes in bytes, times in seconds.
        allow: Permissions to add, `KIND` or `KIND=PATTERN`.
        deny: Permissions to take away, by kind.
        on_output: Called with the name of each output event and its bytes, once committed.
        tools: The tools the script can call; None for all that are registered.
        hooks: The hooks around what it does; None for those of this process.
        config: What holds unless it is given here: limits, permissions and so on, as
            `respell.config.load()` returns it; None for the defaults.
        policies: Policies besides those that `respell.policy` has registered, and how all are
            put together; None for the registered ones, as configured.
        on_alert: Called with each `respell.Notice` before a limit is reached, once it is
            committed.

    Returns:
        How it ended. A script that fails is a result, not an exception.

    Raises:
        UsageError: The script can't be read, a limit or permission is unknown, or name, tags
            or args are none that a session can have.
        LimitReached: So many sessions of the store run already that no more may.
        WorkerFailed: The Lua process could not start.
        StoreError: The store refused.
    """
    program = Program.from_file(
        script,
        args=checked_words("run", "args", args),
        input=input,
        allow=checked_words("run", "allow", allow),
        deny=checked_words("run", "deny", deny),
    )
    return running.start(
        store, program, script=os.fspath(script), name=name, tags=tags, limits=limits,
        created_by="python", on_output=on_output, tools=tools, hooks=hooks, config=config,
        policies=policies, on_alert=on_alert,
    ).go()  # fmt: skip


def resume(
    session: AnySession,
    *,
    store: Store,
    value: Any = None,
    settlements: Settlements | None = None,
    limits: Mapping[str, Any] | None = None,
    on_output: OnOutput | None = None,
    tools: ToolRegistry | None = None,
    hooks: HookRegistry | None = None,
    config: Config | None = None,
    policies: Policies | None = None,
    on_alert: OnAlert | None = None,
) -> RunResult:
    """Go on with a suspended or interrupted session where it stood.

    Args:
        session: The session, or what `Store.sessions.find` takes: id, prefix, name, `@last`.
        store: Where it lives.
        value: What `Session.suspend()` returns in the script.
        settlements: What to do with effects in doubt.
        limits: Limits to set anew, None to lift one; the others stay.
        on_output: Called with each new output.
        tools: The tools the script can call.
        hooks: The hooks around what it does; None for those of this process.
        config: The configuration; None for the defaults. Limits and permissions stay those
            that the session was begun with.
        policies: As for `run`.
        on_alert: Likewise.

    Raises:
        SessionNotFound: There is no such session.
        LimitReached: So many sessions of the store run already that no more may.
        InvalidTransition: It has ended.
        SessionBusy: Another host holds it; says who.
        InDoubt: Effects are in doubt and not settled; says which.
        Divergence: The script asked for something else than was recorded.
    """
    return running.resume(
        store, _found(store, session), value=value, settlements=settlements, limits=limits,
        on_output=on_output, tools=tools, hooks=hooks, config=config,
        policies=policies, on_alert=on_alert,
    ).go()  # fmt: skip


def replay(
    session: AnySession,
    *,
    store: Store,
    mode: Mode = "exact",
    edits: Mapping[int, Any] | None = None,
    script: str | os.PathLike[str] | None = None,
    first: int | None = None,
    last: int | None = None,
    timeout: float | None = None,
    check_hooks: bool = False,
    hooks: HookRegistry | None = None,
) -> ReplayResult:
    """Re-execute a session with recorded answers; nothing outside is touched.

    Args:
        session: The session, or what finds it.
        store: Where it lives.
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
        SessionNotFound: There is no such session.
        UsageError: An option does not fit the mode or the session.
        LimitReached: It took too long.
    """
    return replaying.replay(
        store, _found(store, session), mode=mode, edits=edits, first=first, last=last,
        check_hooks=check_hooks, hooks=hooks,
        timeout_s=timeout, by="python",
        source=None if script is None else read_script(Path(script)),
        script=None if script is None else os.fspath(script),
    )  # fmt: skip


def fork(
    session: AnySession,
    *,
    store: Store,
    at: str | int,
    outcome: Any = forking.UNSET,
    variables: Mapping[str, Any] | None = None,
    script: str | os.PathLike[str] | None = None,
    name: str = "",
    config: Config | None = None,
) -> SessionRecord:
    """Return a new, suspended session that goes on from a position of another.

    Args:
        session: The original, or what finds it; it is left as it is.
        store: Where both live.
        at: The position, `12` or `12+340`.
        outcome: Another outcome for that event; None is one.
        variables: Values to set at the position, by variable name.
        script: Another script to go on with.
        name: The fork's name.
        config: The configuration; None for the defaults.

    Raises:
        SessionNotFound: There is no such session.
        EventNotFound: The history has no such event.
        UsageError: The position is malformed, or the event's outcome can't be replaced.
    """
    return forking.fork(
        store, _found(store, session), at=str(at), outcome=outcome, variables=variables, name=name,
        source=None if script is None else read_script(Path(script)),
        script=None if script is None else os.fspath(script), created_by="python", config=config,
    )  # fmt: skip


def diff(a: AnySession, b: AnySession, *, store: Store, exact: bool = False) -> Difference:
    """Compare two sessions: the first divergence, then events, output, artifacts and state.

    Args:
        a: The first, or what finds it.
        b: The second.
        store: Where both are.
        exact: What differs between any two runs counts as well: measured times, readings of the
            clock, the sessions' own ids.

    Raises:
        SessionNotFound: There is no such session.
    """
    return comparing.diff(store, _found(store, a), _found(store, b), exact=exact)


# Sessions --------------------------------------------------------------------------------


def session(session: AnySession, *, store: Store) -> Session:
    """Return a session of a store.

    Args:
        session: Its id, a unique prefix of it, its unique name, `@last`, or its record.
        store: Where it lives.

    Raises:
        SessionNotFound: None or several answer to that; names those that do.
    """
    return Session(store, _found(store, session))


def list_sessions(
    *,
    store: Store,
    status: str | None = None,
    tags: Sequence[str] = (),
    parent: AnySession | None = None,
    created_by: str | None = None,
    created_after: datetime | str | None = None,
    created_before: datetime | str | None = None,
    text: str | None = None,
    sort: SessionSort = "created_at",
    desc: bool | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Session]:
    """Return the sessions of a store that match all that is given.

    Args:
        store: Where they live.
        status: active, suspended, completed, failed or archived; None for all.
        tags: Only those that have all of these.
        parent: Only those below this session.
        created_by: Only those created by this session id (or person).
        created_after: Only those created at or after this time.
        created_before: Only those created before it.
        text: Only those whose name or description contains it, in any case.
        sort: created_at, updated_at, name, events, artifacts or status.
        desc: Descending; None means newest or most first, and names and statuses from A.
        limit: At most so many; None for all.
        offset: Skip so many first.

    Raises:
        UsageError: There is no such status, or they can't be sorted by that.
    """
    query = SessionQuery(
        status=status,
        tags=(tags,) if isinstance(tags, str) else tuple(tags),
        parent=None if parent is None else _found(store, parent).id,
        created_by=created_by,
        created_after=None if created_after is None else microseconds(created_after),
        created_before=None if created_before is None else microseconds(created_before),
        text=text,
        sort=sort,
        desc=desc,
        limit=limit,
        offset=offset,
    )
    return handles(store, query)


def events(
    session: AnySession,
    *,
    store: Store,
    first: int = 1,
    last: int | None = None,
    kind: str | None = None,
) -> Iterator[Event]:
    """Return an iterator of a session's events, oldest first; like `Session.events`.

    Args:
        session: The session, or what finds it.
        store: Where it lives.
        first: Number of the first event.
        last: Number of the last; None for all there are.
        kind: effect, output, lifecycle, hook, limit, edit or note; None for all.

    Raises:
        SessionNotFound: There is no such session.
        UsageError: There is no such kind.
    """
    return events_of(store, _found(store, session), first, last, kind)


def timeline(
    session: AnySession,
    *,
    store: Store,
    first: int = 1,
    last: int | None = None,
    kind: str | None = None,
    correlation_id: str | None = None,
    limit: int | None = None,
) -> list[Event]:
    """Return what happened in a session, oldest first; what `Session.getTimeline` is in scripts.

    Args:
        session: The session, or what finds it.
        store: Where it lives.
        first: Number of the first event.
        last: Number of the last; None for all there are.
        kind: effect, output, lifecycle, hook, limit, edit or note; None for all.
        correlation_id: Only what belongs to this; all events of a session belong to its id, but
            for those that publish something for another.
        limit: At most so many; None for all.

    Raises:
        SessionNotFound: There is no such session.
        UsageError: There is no such kind.
    """
    found = events_of(store, _found(store, session), first, last, kind, correlation_id)
    return list(found if limit is None else islice(found, limit))


def causes(session: AnySession, number: int, *, store: Store) -> list[Cause]:
    """Return why an event happened: itself, what caused it, what caused that, and so on.

    The last one is the first cause: an event that a line of the script caused by itself, or
    that came from outside. What was received from another session goes on in its history.

    Args:
        session: The session, or what finds it.
        number: The event's number.
        store: Where it lives.

    Raises:
        SessionNotFound: There is no such session.
        EventNotFound: Its history has no such event.
    """
    return causality.causes(store, _found(store, session), number)


def create(
    *,
    store: Store,
    name: str = "",
    description: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    parent: AnySession | None = None,
    max_duration: float | None = None,
    max_idle_time: float | None = None,
    limits: Mapping[str, Any] | None = None,
    rate: float | str | Mapping[str, Any] | None = None,
    created_by: str = "python",
) -> Session:
    """Make a session without program: a durable place for artifacts and state.

    It is like one that a script makes with `Session.create`, and scripts can load it.

    Args:
        store: Where it shall live.
        name: What people call it; need not be unique.
        description: Free text.
        tags: To find it by.
        metadata: The user's own fields.
        parent: The session that it belongs below.
        max_duration: For how many seconds it may be active.
        max_idle_time: For how many seconds it may do nothing.
        limits: operations, tokens, cost_usd, artifacts, artifact_bytes, …, by name.
        rate: How often it may be changed: a number a minute, a text such as `5/s`, or such by
            the names of effects.
        created_by: Who creates it, as shown to people.

    Raises:
        UsageError: One of them is wrong; says what is allowed.
        SessionNotFound: There is no such parent.
    """
    return building.create(
        store,
        {
            "name": name, "description": description, "tags": tags, "metadata": metadata,
            "parent": parent, "max_duration": max_duration, "max_idle_time": max_idle_time,
            "limits": limits, "rate": rate, "created_by": created_by,
        },
    )  # fmt: skip


def builder(*, store: Store) -> SessionBuilder:
    """Return a builder: `create` in a form whose calls can be chained."""
    return SessionBuilder(store)


def import_(
    path: str | os.PathLike[str],
    *,
    store: Store,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    config: Config | None = None,
) -> Session:
    """Bring in a session that `Session.export` wrote, with the same id.

    What it may do here does not come from the file: when it is resumed, it runs in the present
    working directory with the permissions given here.

    Args:
        path: The file.
        store: Where the session shall live.
        allow: Permissions to add, `KIND` or `KIND=PATTERN`.
        deny: Permissions to take away, by kind.
        config: The permissions that hold unless others are given, and limits that hold besides
            its own; None for the defaults.

    Raises:
        UsageError: The file is no export, or the session is in the store already.
        StoreCorrupt: The file was cut or changed; names the place.
        StoreTooNew: It was written by a newer Respell.
        StoreError: The store refused. In all these cases nothing was changed.
    """
    from respell.security import Permissions
    from respell.store.exchange.importing import import_session

    here = Path.cwd()
    given = Permissions.from_flags(
        checked_words("import", "allow", allow), checked_words("import", "deny", deny),
        script_dir=here, cwd=here,
    )  # fmt: skip
    config = config or default()
    record = import_session(
        store, Path(path), permissions=config.permissions(given), actor="python",
        limits=config.session.limits.given(),
    )  # fmt: skip
    return Session(store, record)


# The store -------------------------------------------------------------------------------


def stats(*, store: Store, privacy: bool = False) -> StoreStats:
    """Return a store's numbers: sessions by status, usage, and what the disk holds.

    `Session.stats` has those of one session.

    Args:
        store: The store.
        privacy: With a pseudonym in place of its path.
    """
    from respell.analytics import Pseudonyms, store_stats

    found = store_stats(store)
    return Pseudonyms(store).store(found) if privacy else found


def stats_over_time(
    *,
    store: Store,
    by: By = "day",
    since: datetime | str | None = None,
    until: datetime | str | None = None,
) -> OverTime:
    """Return the numbers of all sessions hour by hour, day by day or week by week.

    Reads all histories that reach into that time. `Session.stats_over_time` has those of one.

    Args:
        store: The store.
        by: hour, day or week, of UTC; weeks begin on Mondays.
        since: Leave out what was before.
        until: Leave out what was from then on.

    Raises:
        UsageError: There is no such width, the times leave nothing, or there are too many
            buckets.
    """
    from respell.analytics import over_time

    return over_time(
        store, by=by,
        since=None if since is None else microseconds(since),
        until=None if until is None else microseconds(until),
    )  # fmt: skip


def check(*, store: Store, read_data: bool = False, repair: bool = False) -> CheckReport:
    """Look for damage in a store.

    Args:
        store: The store.
        read_data: Read and verify every history and every artifact, not only what is said
            of them.
        repair: Do what can safely be done about it, and say so.
    """
    from respell.store.care.checking import check as look

    return look(store, read_data=read_data, repair=repair)


def gc(*, store: Store, grace: float = DAY_S, dry_run: bool = False) -> GcReport:
    """Remove what nothing in a store refers to any more; others may go on using it.

    Args:
        store: The store.
        grace: What was written within so many seconds stays.
        dry_run: Only say what would be removed.

    Raises:
        StoreError: The store can't be written to.
    """
    from respell.engine.effects.confined import remove_temporary_folder
    from respell.store.care.collecting import collect

    report = collect(store, grace_s=grace, dry_run=dry_run)
    if not dry_run:
        for session_id in report.sessions:
            remove_temporary_folder(session_id)
    return report


def _found(store: Store, session: AnySession) -> SessionRecord:
    if isinstance(session, Session):
        return store.sessions.get(session.id)
    return store.sessions.find(session) if isinstance(session, str) else session
