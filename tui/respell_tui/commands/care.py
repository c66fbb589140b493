"""`respell check` and `respell gc`: the store's health, and the space it takes."""

from __future__ import annotations

from dataclasses import asdict

from respell.engine.effects.confined import remove_temporary_folder
from respell.errors import StoreCorrupt
from respell.sessions.retention import RetentionReport, apply_retention
from respell.store.care.checking import check as examine
from respell.store.care.collecting import LEAST_GRACE, GcReport, collect
from respell.store.care.findings import CheckReport
from respell.times import SECOND
from respell_tui.context import Command
from respell_tui.describe import bytes_, count
from respell_tui.progress import Progress

_HOUR_S = 3600.0
_LEAST_S = LEAST_GRACE / SECOND


def check(command: Command) -> int:
    """Check the store; exit code 6 where something is wrong and stays so."""
    args = command.args
    with (
        command.open_store() as store,
        Progress(command.err, "checking", "rows and blobs") as progress,
    ):
        report = examine(
            store, read_data=args.read_data, repair=args.repair, on_progress=progress
        )  # fmt: skip
    if args.json:
        command.out.json({"ok": report.ok, **asdict(report)})
    else:
        _tell_of_check(command, report)
    return 0 if report.ok else StoreCorrupt.exit_code


def _tell_of_check(command: Command, report: CheckReport) -> None:
    out, err = command.out, command.err
    for one in report.findings:
        word = out.paint("repaired", "green") if one.repaired else out.paint("wrong", "red")
        out.line(word, ": ", one.what)
        if one.advice:
            out.line("    ", one.advice)
    for kind, number in report.unlisted.items():
        out.line(out.paint("wrong", "red"), f": {number} more like these ({kind})")
    looked_at = (
        f"{count(report.sessions, 'session')}, {count(report.records, 'record')}, "
        f"{count(report.artifacts, 'artifact')}, {count(report.blobs, 'blob')}"
    )
    how = "read all of" if report.read_data else "looked at"
    left = sum(not one.repaired for one in report.findings) + sum(report.unlisted.values())
    verdict = "nothing is wrong"
    if left:
        verdict = f"{count(left, 'finding')}"
    elif report.findings:
        verdict = "all of it was put right"
    err.line(f"{how} {looked_at}: {verdict}")
    if not report.read_data and not left:
        err.line("to read and verify every byte: ", command.respell("check", "--read-data"))


def gc(command: Command) -> int:
    """Remove what nothing refers to any more, and sessions that ended long enough ago."""
    dry_run = command.args.dry_run
    grace_s = command.config.storage.gc_grace_hours * _HOUR_S
    with (
        command.open_store() as store,
        Progress(command.err, "looking for what is unused", "blobs") as progress,
    ):
        kept = apply_retention(store, command.config, dry_run=dry_run)
        report = collect(store, grace_s=grace_s, dry_run=dry_run, on_progress=progress)
    if not dry_run:
        for session_id in report.sessions:
            remove_temporary_folder(session_id)
    if command.args.json:
        command.out.json(
            {**asdict(report), "archived": list(kept.archived), "deleted": list(kept.deleted)}
        )  # fmt: skip
    else:
        _tell_of_gc(command, report, kept, grace_s)
    return 0


def _tell_of_gc(
    command: Command, report: GcReport, kept: RetentionReport, grace_s: float
) -> None:  # fmt: skip
    lines = [
        (len(kept.archived), "archived", count(len(kept.archived), "session")),
        (len(kept.deleted), "deleted", count(len(kept.deleted), "session")),
        (len(report.sessions), "removed for good",
         count(len(report.sessions), "session") + " deleted before"),
        (report.grants, "removed", count(report.grants, "grant") + " that had ended"),
        (report.imports, "given up", count(report.imports, "import") + " that was cut short"),
        (report.bus_events, "expired", count(report.bus_events, "event") + " of the bus"),
        (report.subscriptions, "ended",
         count(report.subscriptions, "subscription") + " of processes that have died"),
        (report.blobs, "removed",
         f"{count(report.blobs, 'blob')} of {bytes_(report.blob_bytes)}"),
        (report.leftovers, "taken away",
         f"{count(report.leftovers, 'file')} of {bytes_(report.leftover_bytes)} that writers left"),
        (report.trash_files, "deleted", count(report.trash_files, "file") + " from the trash"),
    ]  # fmt: skip
    would = "would be " if report.dry_run else ""
    told = [f"{would}{done}: {what}" for number, done, what in lines if number]
    for line in told:
        command.err.line(line)
    if not told:
        age = f"{grace_s / _HOUR_S:g} hours" if grace_s > _LEAST_S else "two minutes"
        command.err.line(f"nothing to remove: all is in use, or not {age} old yet")
    elif not report.dry_run:
        command.err.line(
            f"given back to the file system: {bytes_(report.freed_bytes)}; free within the "
            f"database: {bytes_(report.reusable_bytes)}"
        )
