"""What becomes of sessions that have ended: after some days archived, after more deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from respell.config import Config
from respell.errors import HookCancelled, InvalidTransition, SessionBusy, SessionNotFound
from respell.sessions.changes import delete_session, end_session
from respell.sessions.lifecycle import ARCHIVED, COMPLETED, ENDED, FAILED
from respell.sessions.record import SessionQuery, SessionRecord
from respell.store import Store
from respell.times import SECOND, now_us, rfc3339

BY = "retention"
"""Who acts, as histories and the audit log show it."""

DAY = 86_400 * SECOND
IN_PASSING_S = 0.1
"""How long a command that does something else may be kept by this."""

_LAST = "retention.last"
_AT_ONCE = 500
_LONG = 100_000  # records; a history that takes a while to delete is left to `respell gc`


@dataclass(slots=True)
class RetentionReport:
    """What was done to sessions that ended long ago.

    Attributes:
        archived: Ids of those that were archived.
        deleted: Ids of those that were deleted.
        dry_run: Nothing was done; it is what would have been.
        finished: Nothing is left to be done now.
    """

    archived: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    dry_run: bool = False
    finished: bool = True


def apply_retention(
    store: Store,
    config: Config,
    now: int | None = None,
    *,
    dry_run: bool = False,
    within_s: float | None = None,
) -> RetentionReport:
    """Archive and delete the sessions whose time has come.

    Those that are active or suspended are left alone, and so are those without program that a
    session which has not ended created: its script may still use them. Of one whose history a
    fork needs, the history stays, hidden.

    Args:
        store: Where they are.
        config: `session.retention` says after how many days.
        now: The time, in µs since 1970 UTC; None for the clock's.
        dry_run: Do nothing, and say what would be done.
        within_s: Begin nothing more after so many seconds; None to finish in any case.

    Raises:
        StoreError: The store refused.
    """
    report = RetentionReport(dry_run=dry_run)
    until = None if within_s is None else time.monotonic() + within_s
    now = now_us() if now is None else now
    settings = config.session.retention
    for days, statuses, act in (
        (settings.delete_after_days, tuple(ENDED), _delete),
        (settings.archive_after_days, (COMPLETED, FAILED), _archive),
    ):
        if days is None:
            continue
        for session in _ended(store, statuses, now - int(days * DAY), report):
            if until is not None:
                if session.records > _LONG:
                    continue
                if time.monotonic() >= until:
                    report.finished = False
                    return report
            act(store, session, days, report)
    return report


def apply_in_passing(store: Store, config: Config, now: int | None = None) -> RetentionReport:
    """Do the same at the end of another command: at most once a day, and for a moment only.

    What is left then is done at the end of the next command, and very long sessions are left
    to `respell gc`.
    """
    settings = config.session.retention
    if settings.delete_after_days is None and settings.archive_after_days is None:
        return RetentionReport()
    now = now_us() if now is None else now
    last = store.notes.get(_LAST)
    if isinstance(last, int) and 0 <= now - last < DAY:
        return RetentionReport()
    report = apply_retention(store, config, now, within_s=IN_PASSING_S)
    if report.finished:
        store.notes.set(_LAST, now)
    return report


def _ended(
    store: Store, statuses: tuple[str, ...], before: int, report: RetentionReport
) -> Iterator[SessionRecord]:
    """Yield the sessions that ended before a time, a page at a time, the oldest first."""
    gone = set(report.deleted)
    for status in statuses:
        skipped = 0
        while True:
            done = len(report.archived) + len(report.deleted)
            query = SessionQuery(
                status=status, ended_before=before, sort="created_at", desc=False,
                limit=_AT_ONCE, offset=skipped,
            )  # fmt: skip
            page = store.sessions.list(query)
            for session in page:
                if session.id not in gone and not _is_in_use(store, session):
                    yield session
            if len(page) < _AT_ONCE:
                break
            # What was done is not in the next page; what was left alone is.
            done = len(report.archived) + len(report.deleted) - done
            skipped += _AT_ONCE if report.dry_run else _AT_ONCE - done


def _is_in_use(store: Store, session: SessionRecord) -> bool:
    if session.has_program or not session.created_by:
        return False
    try:
        return store.sessions.get(session.created_by).status not in ENDED
    except SessionNotFound:
        return False


def _archive(store: Store, session: SessionRecord, days: float, report: RetentionReport) -> None:
    if not report.dry_run:
        try:
            end_session(store, session, ARCHIVED, reason=_reason(session, days), by=BY)
        except (SessionBusy, SessionNotFound, InvalidTransition, HookCancelled):
            return  # somebody does something to it just now, or a hook keeps it: next time
    report.archived.append(session.id)


def _delete(store: Store, session: SessionRecord, days: float, report: RetentionReport) -> None:
    if not report.dry_run:
        try:
            delete_session(store, session, by=BY, reason=_reason(session, days))
        except (SessionBusy, SessionNotFound, HookCancelled):
            return  # somebody does something to it just now, or a hook keeps it: next time
    report.deleted.append(session.id)


def _reason(session: SessionRecord, days: float) -> str:
    ended = "" if session.ended_at is None else f"it ended at {rfc3339(session.ended_at)[:19]}Z, "
    return f"{ended}more than {days:g} days ago"
