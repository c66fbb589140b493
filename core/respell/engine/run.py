"""Run and resume: from a script or a session to a host that runs it, and to its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blake3 import blake3

from respell import values
from respell.artifacts.collector import Collection
from respell.config import Config, default
from respell.engine import effects
from respell.engine.attempts import ATTEMPT, SETTLED, notes_about_attempts
from respell.engine.channel import OnProgress
from respell.engine.deadlines import DEADLINE
from respell.engine.effects import EffectContext, Kind
from respell.engine.ending import Ended
from respell.engine.host import Host
from respell.engine.ledger import OnOutput
from respell.engine.lineage import aliases_of, edits_of, origin_of
from respell.engine.outcomes import fitting
from respell.engine.policing import OnAlert
from respell.engine.program import START, Program
from respell.engine.services import Services
from respell.engine.suspension import check_value, suspension_of
from respell.errors import (
    Divergence,
    InDoubt,
    InvalidTransition,
    LeaseLost,
    LimitReached,
    PermissionDenied,
    RespellError,
    SessionBusy,
    UsageError,
)
from respell.history.record import Part, Record, Status
from respell.hooks.builtin import install
from respell.hooks.registry import HookRegistry, declared
from respell.hooks.telling import tell
from respell.policies.deciding import Policies
from respell.policies.limits import check_limits, merged
from respell.security import Ask, Permissions
from respell.sessions.agreeing import Operation, agree, agree_to_start
from respell.sessions.creating import checked_name, checked_tags
from respell.sessions.current import acting_for
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord, new_id
from respell.store import OpenEffect, Store
from respell.times import now_us
from respell.tools import ToolRegistry

_EXIT = {"active": 0, "completed": 0, "failed": 1, "suspended": 3}
_LIMIT_EXIT = 5
_WAITS = ("timer.sleep", DEADLINE, "event.receive")  # nothing is attempted again: they wait on
_SHOWN_IN_DOUBT, _SHOWN_CHARS = 20, 500

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


@dataclass(frozen=True, slots=True)
class Settlements:
    """What to do with effects in doubt, by event number.

    Attributes:
        retry: Perform these again.
        outcome: These ended with this value.
        fail: These failed for this reason.
    """

    retry: frozenset[int] = frozenset()
    outcome: Mapping[int, Any] = field(default_factory=dict)
    fail: Mapping[int, str] = field(default_factory=dict)

    def numbers(self) -> set[int]:
        """Return the numbers of all effects that are settled."""
        return {*self.retry, *self.outcome, *self.fail}

    def listed(self) -> list[tuple[int, str]]:
        """Return each of those numbers with what was decided: retry, outcome or fail."""
        decided = [(number, "retry") for number in self.retry]
        decided += [(number, "outcome") for number in self.outcome]
        return sorted(decided + [(number, "fail") for number in self.fail])


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

    Raises:
        UsageError: A limit is unknown or no positive number, two policies have one name,
            or the name or a tag is none that a session can have.
        LimitReached: So many sessions run already that no more may; nothing was created.
    """
    config = config or default()
    name, tags = checked_name("run", name), checked_tags("run", tags)
    services = _services(on_output, tools, stdin, config, ask, hooks, policies, on_alert)
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
        _take_up(store, session, lease, program, services, value, settlements or Settlements(), by)
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


def check_resumable(session: SessionRecord) -> None:
    """Do nothing when a session can go on.

    Raises:
        InvalidTransition: It can't; says why.
        UsageError: It was redacted.
    """
    if not session.has_program:
        raise InvalidTransition(
            f"session {session.id[:8]} has no program of its own: the script that created it "
            "resumes it with Session.resume",
            current=session.status, wanted="active",
        )  # fmt: skip
    check_executable(session)
    if session.status in ENDED:
        raise InvalidTransition(
            f"session {session.id[:8]} is {session.status} and can't be resumed; "
            f"`respell fork {session.id[:8]} --at N` goes on from one of its events",
            current=session.status, wanted="active",
        )  # fmt: skip


def check_executable(session: SessionRecord) -> None:
    """Do nothing when a session's history can be executed again.

    Raises:
        UsageError: It was redacted, so that it isn't what happened.
    """
    if session.redacted:
        raise UsageError(
            f"session {session.id[:8]} was redacted when it was exported: its history is not what "
            "happened any more, so it can't be resumed, replayed or forked. It can be shown and "
            "compared; the original can still do all of that where it is"
        )


def program_of(store: Store, session: SessionRecord) -> Program:
    """Return what a session runs, and what it may do here.

    A fork may run another script than its original did. One that was imported runs where the
    person who imported it said, with what that person allowed: what was allowed elsewhere,
    or by whoever made the file, opens nothing here.

    Raises:
        UsageError: It was redacted.
    """
    check_executable(session)
    _, body = next(iter(store.history.records(session.key, 1, 1)))
    program = Program.load(store, Record.unpack(body))
    origin = origin_of(store, session)
    given = store.sessions.permissions(session.key)
    if given is None:
        given = store.sessions.permissions(origin.key)
    permissions = program.permissions if given is None else Permissions.from_dict(given)
    if given is not None:
        program = replace(
            program, script_dir=Path(permissions.script_dir), cwd=Path(permissions.cwd)
        )
    # The store may have been moved since.
    program = replace(program, permissions=permissions.without(store.path))
    if session.script_hash and blake3(program.source).hexdigest() != session.script_hash:
        source = store.blobs.get(bytes.fromhex(session.script_hash))
        program = program.with_source(source, os.path.basename(session.script or program.name))
        program = replace(program, script_changed=True)
    return program


def in_doubt(store: Store, session: SessionRecord) -> list[OpenEffect]:
    """Return the effects of which nobody knows whether they were performed.

    Those of a running session are not in doubt: its host waits for them.
    """
    if not session.has_program or session.redacted or session.status in ENDED:
        return []
    if store.leases.holder(session.key) is not None:
        return []
    opened = store.history.open_effects(session.key)
    if not opened:
        return []
    ctx = _context(store, session, program_of(store, session), ToolRegistry())
    return _doubtful(opened, ctx)


def _doubtful(opened: Sequence[OpenEffect], ctx: EffectContext) -> list[OpenEffect]:
    unsafe = [one for one in opened if not _safe_to_repeat(one, ctx)]
    notes = notes_about_attempts(ctx.store, ctx.session.key, unsafe)
    return [one for one in unsafe if notes[one.number].may_have_been_performed]


def _safe_to_repeat(one: OpenEffect, ctx: EffectContext) -> bool:
    if one.name in ("session.suspend", *_WAITS):
        return True
    args = one.record.arguments()
    if one.name == "tool.invoke" and not ctx.tools.exists(args["name"]):
        return False  # it is not installed here: a person has to decide
    try:
        manner = effects.lookup(one.name).manner(ctx, args)
    except RespellError:
        return False
    return manner.idempotent or manner.kind is Kind.READ


def _context(
    store: Store, session: SessionRecord, program: Program, tools: ToolRegistry
) -> EffectContext:
    return EffectContext(
        session=session, store=store, permissions=program.permissions,
        script_dir=program.script_dir, cwd=program.cwd, tools=tools,
    )  # fmt: skip


def _take_up(
    store: Store,
    session: SessionRecord,
    lease: int,
    program: Program,
    services: Services,
    value: Any,
    settlements: Settlements,
    by: str,
) -> None:
    """Record what the value and the settlements decide, or refuse with `InDoubt`."""
    ctx = _context(store, session, program, services.tools)
    opened = store.history.open_effects(session.key)
    doubtful = _doubtful(opened, ctx)
    noted = notes_about_attempts(store, session.key, opened)
    unknown = settlements.numbers() - {one.number for one in doubtful}
    if unknown:
        raise UsageError(
            f"event {min(unknown)} is not in doubt; "
            + (f"in doubt: {_numbers(doubtful)}" if doubtful else "nothing is in doubt")
        )
    unsettled = [one for one in doubtful if one.number not in settlements.numbers()]
    if unsettled:
        if session.status != "suspended":
            store.sessions.update(session.key, status="suspended")
        raise _doubt(session, unsettled)
    writer_number = session.events
    records: list[Record] = []

    def note(name: str, args: dict[str, Any]) -> None:
        nonlocal writer_number
        writer_number += 1
        records.append(_note(writer_number, name, values.encode(args)))

    for number, how in settlements.listed():
        note(SETTLED, {"number": number, "how": how, "by": by})
    for one in opened:
        if one.name == "session.suspend":
            check_value(suspension_of(one.record.arguments()), value)
            records.append(_outcome(one.record, Status.OK, value))
        elif one.number in settlements.outcome:
            settled = fitting(one.record, settlements.outcome[one.number])
            records.append(_outcome(one.record, Status.OK, settled, by))
        elif one.number in settlements.fail:
            records.append(_outcome(one.record, Status.ERROR, settlements.fail[one.number], by))
        elif one.name not in _WAITS and not noted[one.number].waits_for_hooks:
            note(ATTEMPT, {"number": one.number})
    agreed = agree(
        store, Operation("SessionRestore", "session.resume", session.id, may_replace=False),
        {"status": session.status, "name": session.name, "value": value},
        possible=lambda: None, hooks=services.hooks,
    )  # fmt: skip
    note("lifecycle.resume", {"was": session.status})
    with store.transaction():
        store.history.writer(session.key, lease).append([*records, *agreed.records(writer_number)])
        for number, how in settlements.listed():
            store.audit.note(
                "session.settle", session=session.id, actor=by, target=f"event {number}: {how}"
            )


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _doubt(session: SessionRecord, unsettled: Sequence[OpenEffect]) -> InDoubt:
    one = unsettled[0].number
    short = session.id[:8]
    lines = [
        f"  event {it.number}: {it.name} {_cut(values.json_line(it.record.arguments()))}"
        for it in unsettled[:_SHOWN_IN_DOUBT]
    ]
    if len(unsettled) > _SHOWN_IN_DOUBT:
        lines.append(f"  … and {len(unsettled) - _SHOWN_IN_DOUBT} more")
    return InDoubt(
        f"session {short} stopped while these effects were under way; nobody knows whether "
        "they were performed:\n" + "\n".join(lines) + "\n"
        f"Settle each: `respell resume {short} --retry {one}` performs it again, "
        f"`--outcome {one}=JSON` gives its outcome, `--fail {one}=REASON` makes it fail.",
        effects=[
            {"number": it.number, "name": it.name, "args": it.record.arguments()}
            for it in unsettled
        ],
    )


def _numbers(opened: Sequence[OpenEffect]) -> str:
    return ", ".join(str(one.number) for one in opened)


def _outcome(intent: Record, status: Status, value: Any, by: str = "") -> Record:
    """Return the outcome of an effect, and by whom it was given where it did not come about."""
    return replace(
        intent, part=Part.OUTCOME, status=status, outcome=values.encode(value), args=b"",
        meta=values.encode({"settled": by}) if by else b"", at=now_us(),
    )  # fmt: skip


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
