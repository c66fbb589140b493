"""`respell export` and `respell import`: a session as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from respell.security import Permissions
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.exchange.exporting import ExportReport, export_session
from respell.store.exchange.importing import import_session, recorded_permissions
from respell_tui.context import BY, Command, short
from respell_tui.describe import bytes_, count, session_object
from respell_tui.progress import Progress


def export(command: Command) -> int:
    """Write a session into a file."""
    args = command.args
    with (
        command.with_session(args.id) as (store, session),
        Progress(command.err, "exporting", "bytes") as progress,
    ):
        report = export_session(
            store, session, Path(args.file), redact=args.redact, actor=BY, on_progress=progress
        )
    if args.json:
        command.out.json(_object(report))
    else:
        _tell(command, report, redacting=bool(args.redact))
    return 0


def _object(report: ExportReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "session_id": report.session_id,
        "sessions": report.sessions,
        "records": report.records,
        "artifacts": report.artifacts,
        "blobs": report.blobs,
        "size": report.size,
        "redacted": report.redacted,
        "redactions": report.redactions,
        "left_out": list(report.left_out),
    }


def _tell(command: Command, report: ExportReport, *, redacting: bool) -> None:
    err = command.err
    err.line(
        f"exported session {report.session_id[:8]} to {report.path}: "
        f"{count(report.records, 'record')}, {count(report.artifacts, 'artifact')}, "
        f"{bytes_(report.size)}"
    )
    if redacting and not report.redactions:
        err.line(
            "no pattern matched anything: nothing was replaced. Are the patterns right? The file "
            "counts as redacted all the same: it can be viewed and compared, but not resumed or "
            "replayed"
        )
    elif report.redacted:
        places = count(report.redactions, "place")
        err.line(f"{places} redacted: it can be viewed and compared, but not resumed or replayed")
    for ident in report.left_out:
        err.line(f"left out: session {ident[:8]}, which it had only loaded")


def import_(command: Command) -> int:
    """Take a session out of a file."""
    args = command.args
    with (
        command.open_store(create=True) as store,
        Progress(command.err, "importing", "bytes") as progress,
    ):
        here = Path.cwd()
        given = Permissions.from_flags(args.allow, args.deny, here, here)
        session = import_session(
            store, Path(args.file), permissions=command.config.permissions(given), actor=BY,
            limits=command.config.session.limits.given(), on_progress=progress,
        )  # fmt: skip
        progress.end()
        if args.json:
            command.out.json(session_object(store, session))
        else:
            command.out.line(session.id)
            _tell_of_import(command, store, session)
    return 0


def _tell_of_import(command: Command, store: Store, session: SessionRecord) -> None:
    err = command.err
    err.line(f"imported {session.name}: {session.status}, {count(session.events, 'event')}, "
             f"{count(session.artifacts, 'artifact')}")  # fmt: skip
    if session.redacted:
        err.line("it was redacted: it can be viewed and compared, but not resumed or replayed")
        return
    given = store.sessions.permissions(session.key)
    if session.status in ("active", "suspended") and given is not None:
        here = Permissions.from_dict(given)
        err.line("resumed, it reads and writes below ", here.cwd)
        before = recorded_permissions(store, session)
        for rule in before.allow if before is not None else ():
            if rule not in here.allow:
                err.line(f"where it comes from it also had {rule}; it does not have that here")
    err.line("look at it with: ", command.respell("show", short(session)))
