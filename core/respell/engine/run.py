"""Run and resume: from a script or a session to a host that runs it, and to its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from respell.artifacts.collector import Collection
from respell.config import Config, default
from respell.engine.channel import OnProgress
from respell.engine.doubt import Settlements, take_up
from respell.engine.ending import Ended
from respell.engine.executable import check_resumable, program_of
from respell.engine.host import Host
from respell.engine.ledger import OnOutput
from respell.engine.policing import OnAlert
from respell.engine.program import START, Program
from respell.engine.services import Services
from respell.errors import (
    Divergence,
    InDoubt,
    InvalidTransition,
    LeaseLost,
    LimitReached,
    PermissionDenied,
    SessionBusy,
    UsageError,
)
from respell.history.record import Part, Record, Status
from respell.hooks.builtin import install
from respell.hooks.registry import HookRegistry, declared
from respell.hooks.telling import tell
from respell.policies.deciding import Policies
from respell.policies.limits import check_limits, merged
from respell.security import Ask
from respell.sessions.agreeing import agree_to_start
from respell.sessions.creating import checked_name, checked_tags
from respell.sessions.current import acting_for
from respell.sessions.inheritance import aliases_of, edits_of
from respell.sessions.record import SessionRecord, new_id
from respell.store import Store
from respell.store.leases import Hold
from respell.times import now_us
from respell.tools import ToolRegistry

_EXIT = {"active": 0, "completed": 0, "failed": 1, "suspended": 3}
_LIMIT_EXIT = 5

SESSION_GLOBALS = ("Session", "Artifact")
"""The globals that scripts do without where sessions are switched off."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        session: The session as it is now.
        ended: Status and reason.
    """

    session: SessionRecord
    ended: Ended

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        if self.ended.reason == "limit":
            return _LIMIT_EXIT
        return _EXIT[self.ended.status]


class Run:
    """A session that this process holds and is about to run.

    Attributes:
        session: The session.
    """

    def __init__(
        self, store: Store, session: SessionRecord, lease: int, program: Program, services: Services
    ) -> None:
        self._store = store
        self._lease = lease
        self._services = services
        self._asked: list[Callable[[Host], None]] = []  # of any of its hosts
        self.session = session
        try:
            self._host = Host(store, session, lease, program, services)
        except BaseException:
            store.leases.release(session.key, lease)
            raise

    def go(self) -> RunResult:
        """Run to the end; see `Host.run` for what it raises.

        A hook that took too long was stopped with the worker: the session begins anew where
        it stood, without that hook.
        """
        result, stopped = self._go(), set[int]()
        while result.ended.reason == "hook" and not self._asked:
            hook = self._host.stopped_hook
            if hook in stopped or not self._begin_anew():
                break  # it stays suspended
            stopped.add(hook)
            result = self._go()
        return result

    def _begin_anew(self) -> bool:
        """Hold the session again; false where nobody can go on with it just like that."""
        services = self._services
        services.hold = self._host.hold
        try:
            anew = resume(
                self._store, self.session, config=services.config, by="respell", services=services
            )
        except (SessionBusy, InDoubt, LimitReached, InvalidTransition):
            return False  # it stays suspended, and that says why
        self._host, self._lease, self.session = anew._host, anew._lease, anew.session
        for ask in [*self._asked]:
            ask(self._host)
        return True

    def _go(self) -> RunResult:
        key = self.session.key
        try:
            with acting_for(self._store, self.session.id):
                ended = self._host.run()
        except LeaseLost:
            raise
        except Divergence as error:
            self._store.sessions.update(
                key, status="suspended", error={"message": str(error), "traceback": ""}
            )
            self._store.leases.release(key, self._lease)
            raise
        except BaseException:
            self._store.leases.release(key, self._lease)
            raise
        self.session = self._store.sessions.get(key)
        return RunResult(self.session, ended)

    @property
    def worker_pid(self) -> int:
        """Process id of the worker."""
        return self._host.worker_pid

    def suspend(self) -> None:
        """Ask it to end at the next effect; from any thread or signal handler."""
        self._asked.append(Host.suspend)
        self._host.suspend()

    def kill(self) -> None:
        """End it now; a call in flight is left in doubt."""
        self._asked.append(Host.kill)
        self._host.kill()


def start(
    store: Store,
    program: Program,
    *,
    script: str,
    name: str = "",
    description: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    created_by: str | None = None,
    by: str = "python",
    on_output: OnOutput | None = None,
    tools: ToolRegistry | None = None,
    stdin: Any = None,
    config: Config | None = None,
    ask: Ask | None = None,
    hooks: HookRegistry | None = None,
    policies: Policies | None = None,
    on_alert: OnAlert | None = None,
    debugger: Hold | None = None,
) -> Run:
    """Create a session for a program and hold it.

    Args:
        store: Where it lives.
        program: What it runs.
        script: The script's path, as shown to people.
        name: Its name; empty for the script's own name without suffix.
        description: Free text.
        tags: Its tags.
        metadata: The user's own fields.
        limits: See `respell.policies.limits`; sizes in bytes, times in seconds.
        created_by: Who creates it, as shown to people.
        by: Who creates it, as the audit log shows it.
        on_output: Called with an output event's name and bytes once it is committed.
        tools: The tools the script can call; None for all that are registered.
        stdin: What `io.read` reads: a binary file, or None.
        config: The limits and permissions that hold unless others are given, and all else
            that can be set; None for the defaults.
        ask: Asked before something is refused that a flag could allow; true allows it for the
            session.
        hooks: The hooks written in Python; None for those of this process.
        policies: Policies besides the registered ones, and how all are put together.
        on_alert: Is told what is to be known before a limit is reached.
        debugger: The debugger that launches it: it stands still before the first thing the
            script does, and is suspended when that process is gone. None for none.

    Raises:
        UsageError: A limit is unknown or no positive number, two policies have one name,
            or the name or a tag is none that a session can have.
        LimitReached: So many sessions run already that no more may; nothing was created.
    """
    config = config or default()
    name, tags = checked_name("run", name), checked_tags("run", tags)
    services = _services(on_output, tools, stdin, config, ask, hooks, policies, on_alert)
    services.hold = services.launched_by = debugger
    program = _configured(program, config, os.path.realpath(store.path))
    session = SessionRecord(
        id=new_id(),
        name=name or program.name.removesuffix(".lua"),
        description=description,
        script=script,
        script_hash=blake3(program.source).hexdigest(),
        args=list(program.args),
        input=program.input,
        tags=tags,
        metadata=dict(metadata or {}),
        limits=merged(config.session.limits.given(), check_limits(limits or {}, lift=True)),
        created_by=created_by,
    )

    def insert() -> int:
        nonlocal session
        session = store.sessions.insert(session)
        store.audit.note("session.create", session=session.id, actor=by, target=session.name)
        lease = store.leases.acquire(session.key)
        _check_room(store, config)
        return lease

    made, agreed = agree_to_start(store, session, possible=insert, hooks=services.hooks)
    session = made
    with store.transaction():
        lease = insert()
        records = [_note(1, START, program.save(store)), *agreed.records(1)]
        store.history.writer(session.key, lease).append(records)
        store.leases.set_hold(session.key, lease, debugger)
        store.sessions.tell("session.started", session)
    session = store.sessions.get(session.key)
    return Run(store, session, lease, program, services)


def _configured(program: Program, config: Config, store: str) -> Program:
    """Return the program with what the configuration says of new sessions."""
    permissions = config.permissions(program.permissions)
    # No rule may open the store itself: a script could give itself another history.
    permissions = replace(permissions, closed=(*permissions.closed, store))
    without = () if config.session.enabled else SESSION_GLOBALS
    return replace(program, permissions=permissions, without=without)


def _check_room(store: Store, config: Config) -> None:
    """Do nothing while the session that was just taken may run besides all others.

    Raises:
        LimitReached: So many run already that no more may; the transaction has to be undone.
    """
    most = config.session.max_active_sessions
    if store.leases.taken() <= most:
        return
    running = len(store.leases.live()) - 1
    if running >= most:
        told = {"limit": "max_active_sessions", "value": most, "running": running}
        tell("ResourceLimitExceeded", told, component="max_active_sessions")
        raise LimitReached(
            f"{running} {'session' if running == 1 else 'sessions'} of the store {store.path} "
            f"{'runs' if running == 1 else 'run'} already, and no more than "
            f"{most} may. Wait for one, suspend one with `respell suspend ID`, or raise "
            f"session.max_active_sessions ({config.origin('session.max_active_sessions')})",
            limit="max_active_sessions",
        )


def resume(
    store: Store,
    session: SessionRecord,
    *,
    value: Any = None,
    settlements: Settlements | None = None,
    limits: Mapping[str, Any] | None = None,
    on_output: OnOutput | None = None,
    tools: ToolRegistry | None = None,
    stdin: Any = None,
    on_progress: OnProgress | None = None,
    config: Config | None = None,
    by: str = "python",
    ask: Ask | None = None,
    hooks: HookRegistry | None = None,
    policies: Policies | None = None,
    on_alert: OnAlert | None = None,
    services: Services | None = None,
) -> Run:
    """Hold a suspended or interrupted session, and get it ready to go on where it stood.

    Args:
        store: Where it lives.
        session: The session; it must have a program.
        value: What `Session.suspend()` returns in the script.
        settlements: What to do with effects in doubt.
        limits: Limits to set anew, None to lift one; the others stay.
        on_output: Called with each new output.
        tools: The tools the script can call; None for all that are registered.
        stdin: What `io.read` reads.
        ask: As for `start`.
        hooks: As for `start`.
        policies: As for `start`.
        on_alert: As for `start`.
        on_progress: Called with how many records of how many were re-executed.
        config: The configuration; None for the defaults. Limits and permissions are those
            that the session was begun with.
        by: Who resumes it, as the audit log shows it.
        services: Those of the run that has just suspended it, to begin anew in the place of
            what is given otherwise; what it may do was decided there.

    Raises:
        LimitReached: So many sessions run already that no more may.
        InvalidTransition: It has ended, or has no program.
        SessionBusy: Another host holds it; says who.
        InDoubt: Effects are in doubt and `settlements` does not cover them.
        UsageError: The value does not fit the schema, or a settlement fits no effect.
        PermissionDenied: It may do more than scripts may by default, and its store was chosen
            by the file of a project that nobody trusts.
    """
    new_limits = check_limits(limits or {}, lift=True)
    check_resumable(session)
    config = config or default()
    anew = services is not None
    if services is None:
        services = _services(on_output, tools, stdin, config, ask, hooks, policies, on_alert)
        services.on_progress = on_progress
    with store.transaction():
        lease = store.leases.acquire(session.key)
        _check_room(store, config)
    try:
        session = store.sessions.get(session.key)  # as it is now that nobody else holds it
        store.inbox.drain(session.key)  # what was asked of an earlier run
        check_resumable(session)
        program = program_of(store, session)
        if not anew:
            _check_reach(store, session, program, config)
        services.aliases = aliases_of(store, session)
        services.edits = edits_of(store, session)
        take_up(store, session, lease, program, services, value, settlements or Settlements(), by)
        with store.transaction():
            store.sessions.update(
                session.key,
                status="active",
                waiting_for=None,
                error=None,
                limits=merged(session.limits, new_limits),
            )
            store.audit.note("session.resume", session=session.id, actor=by, target=session.name)
            if new_limits:
                note_limits(store, session, new_limits, by)
    except BaseException:
        store.leases.release(session.key, lease)
        raise
    return Run(store, store.sessions.get(session.key), lease, program, services)


def note_limits(store: Store, session: SessionRecord, limits: Mapping[str, Any], by: str) -> None:
    """Note in the audit log which limits of a session were set anew, and by whom."""
    told = ", ".join(f"{name}={value}" for name, value in sorted(limits.items()))
    store.audit.note("session.limits", session=session.id, actor=by, target=told)


def _check_reach(store: Store, session: SessionRecord, program: Program, config: Config) -> None:
    """Do nothing unless a store that came with somebody's files opens what the project is not.

    Raises:
        PermissionDenied: It does; says how to resume the session in spite of it.
    """
    project = config.project_of_store()
    if project is None:
        return
    known = {*config.security.allow}
    more = [f"allow {rule}" for rule in program.permissions.allow if str(rule) not in known]
    for folder in dict.fromkeys((program.cwd, program.script_dir)):
        path = os.path.realpath(folder)
        if path != project and not path.startswith(project.rstrip("/") + "/"):
            more.append(f"work in {path}")
    if more:
        raise PermissionDenied(
            f"session {session.id[:8]} may do more than scripts may by default "
            f"({', '.join(more)}), and its store was chosen by "
            f"{config.origin('session.storage_path')}, which may have come with somebody else's "
            f"files. If the session is yours: `respell --store {store.path} resume "
            f"{session.id[:8]}`, or put {project} into security.trusted of your own respell.toml"
        )


def _note(number: int, name: str, args: bytes) -> Record:
    return Record(Part.NOTE, number, status=Status.OK, name=name, at=now_us(), args=args)


def _services(
    on_output: OnOutput | None,
    tools: ToolRegistry | None,
    stdin: Any,
    config: Config,
    ask: Ask | None,
    hooks: HookRegistry | None,
    policies: Policies | None,
    on_alert: OnAlert | None,
) -> Services:
    _check_kind("hooks", hooks, HookRegistry)
    _check_kind("policies", policies, Policies)
    artifacts = config.artifacts
    collection = Collection(
        tool_results=artifacts.collect_tool_results,
        agent_outputs=artifacts.collect_agent_outputs,
        min_bytes=artifacts.collect_min_bytes,
        max_bytes=artifacts.collect_max_bytes,
        sampling=artifacts.collect_sampling,
        tags=artifacts.collect_tags,
    )
    return Services(
        tools=tools or ToolRegistry(), on_output=on_output, stdin=stdin, collection=collection,
        config=config, ask=ask, hooks=_hooks(config, hooks),
        policies=(policies or Policies()).settled(config), on_alert=on_alert,
    )  # fmt: skip


def _check_kind(option: str, given: object, kind: type) -> None:
    if given is not None and not isinstance(given, kind):
        raise UsageError(
            f"{option} must be of the class respell.{kind.__name__}, or None; not {given!r:.80}"
        )


def _hooks(config: Config, given: HookRegistry | None) -> HookRegistry:
    """Return the hooks of one run: the given ones or those of the process, and built-in ones."""
    made = HookRegistry(declared if given is None else given)
    if not config.hooks.python:
        return HookRegistry()
    install(made, config.hooks)
    return made
