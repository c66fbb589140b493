"""Forking sessions, and moving them between stores, from a script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine import fork as forking
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.acting import (
    acting_as,
    begin_import,
    give_up_import,
    id_in_script,
    is_import_of,
)
from respell.engine.effects.confined import path_argument, permissions_of
from respell.engine.program import read_script
from respell.errors import EventNotFound, SessionNotFound, UsageError

if TYPE_CHECKING:
    from respell.tools.linear_patterns import LinearPattern

_OPTIONS = ("at", "outcome", "var", "script", "name", "source")
_MAX_NAME_BYTES = 255


# Fork ------------------------------------------------------------------------------------


@effect("session.check_fork", kind=Kind.READ)
def session_check_fork(ctx: EffectContext, args: dict[str, Any]) -> bytes | None:
    """Make sure that a fork's script does the same so far, and that its variables are there.

    This re-executes the session, so it is apart from the fork itself, which has to be quick.

    Returns:
        The address of the other script's source, which is kept; None where none was given.
    """
    call = "Session.fork"
    record = acting_as(ctx, args.get("session"), call)
    given = Arguments(call, args.get("options"), _OPTIONS)
    source = path = None
    if given.given("script") is not None:
        path = permissions_of(ctx).check_read(path_argument(given, "script"))
    with _named(call):
        if path is not None:
            source = read_script(path)
        forking.check_fork(
            ctx.store,
            record,
            at=_position(call, given),
            outcome=_outcome(given),
            variables=_variables(given),
            source=source,
            script=None if path is None else os.fspath(path),
            cancel=ctx.cancel,
        )
    if source is None:
        return None
    address = ctx.store.blobs.put(source)
    ctx.store.blobs.keep(address, ctx.session.key)
    return address


def _outcome(given: Arguments) -> Any:
    value = given.given("outcome")
    return forking.UNSET if value is None else value


def _variables(given: Arguments) -> dict[str, Any] | None:
    variables = given.given("var")
    if variables is not None and not isinstance(variables, dict):
        raise given.wrong("var", "a table of variables by name", variables)
    return variables


@effect("session.fork", kind=Kind.STORED)
def session_fork(ctx: EffectContext, args: dict[str, Any]) -> str:
    """Fork a session and return the id of the fork, which is suspended.

    In one transaction with its outcome, so a host that dies never makes two.
    """
    call = "Session.fork"
    record = acting_as(ctx, args.get("session"), call)
    given = Arguments(call, args.get("options"), _OPTIONS)
    source = given.given("source")
    with _named(call):
        made = forking.fork(
            ctx.store,
            record,
            at=_position(call, given),
            outcome=_outcome(given),
            variables=_variables(given),
            source=None if source is None else ctx.store.blobs.get(_address(source)),
            script=None if source is None else os.fsdecode(path_argument(given, "script")),
            name=given.text("name", most=_MAX_NAME_BYTES) or "",
            created_by=ctx.session.id,
            inside=True,
        )
    return id_in_script(ctx, made.id)


@contextmanager
def _named(call: str) -> Iterator[None]:
    """Begin the text of an error with the call, as scripts write it."""
    try:
        yield
    except (UsageError, EventNotFound) as error:
        if str(error).startswith(call):
            raise
        raise type(error)(f"{call}: {error}") from None


def _position(call: str, given: Arguments) -> str:
    at = given.given("at")
    if isinstance(at, int | float) and not isinstance(at, bool):
        at = str(given.integer("at", least=1))
    if not isinstance(at, str):
        raise UsageError(
            f"{call}: at is missing: the event to fork at, as a number or a position such as "
            "'12+340'; Session.getTimeline shows the events"
        )
    return at


def _address(source: object) -> bytes:
    if isinstance(source, str):
        return source.encode()
    return source if isinstance(source, bytes) else b""


# Export and import -----------------------------------------------------------------------


@effect("session.export", kind=Kind.EXTERNAL, idempotent=True)
def session_export(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Write a session to a file that the script may write."""
    from respell.store.exchange.exporting import export_session

    call = "Session.export"
    record = acting_as(ctx, args.get("session"), call)
    given = Arguments(call, args)
    options = Arguments(call, args.get("options"), ("redact",))
    path = permissions_of(ctx).check_write(path_argument(given, "path"))
    report = export_session(
        ctx.store, record, path, redact=_patterns(options), actor=ctx.session.id
    )
    return {
        "path": os.fsencode(path),
        "session_id": id_in_script(ctx, record.id),
        "records": report.records,
        "artifacts": report.artifacts,
        "size": report.size,
        "redacted": report.redacted,
    }


def _patterns(options: Arguments) -> list[LinearPattern]:
    """Return what to redact: Python's own patterns could keep the host busy for ever."""
    from respell.tools.linear_patterns import LinearPattern

    value = options.given("redact")
    texts = [value] if isinstance(value, str) else options.texts("redact", most=4096)
    return [LinearPattern("redact", text) for text in texts]


@effect("session.import", kind=Kind.EXTERNAL, idempotent=True)
def session_import(ctx: EffectContext, args: dict[str, Any]) -> str:
    """Take a session out of a file; the script acts as it from then on.

    The mark that lets it do so is made before. A host that dies on the way leaves it, and by
    it the next attempt knows a session that this very call has brought in.
    """
    from respell.store.exchange.importing import import_session, inspect

    call = "Session.import"
    path = permissions_of(ctx).check_read(path_argument(Arguments(call, args), "path"))
    known = inspect(path).session.id
    there = _has(ctx, known)
    if there and is_import_of(ctx, known):
        return id_in_script(ctx, known)
    if not there:
        begin_import(ctx, known)
    try:
        record = import_session(
            ctx.store, path, permissions=ctx.permissions, actor=ctx.session.id,
            limits=ctx.config.session.limits.given(),
        )  # fmt: skip
    except BaseException:
        if not there and not _has(ctx, known):
            give_up_import(ctx, known)
        raise
    return id_in_script(ctx, record.id)


def _has(ctx: EffectContext, session_id: str) -> bool:
    try:
        ctx.store.sessions.get(session_id)
    except SessionNotFound:
        return False
    return True
