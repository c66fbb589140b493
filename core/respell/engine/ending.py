"""How a run can end, and the transaction that makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from respell.engine.ledger import Ledger
from respell.history.record import Part, Record
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us

MAX_ERROR_CHARS = 16 * 1024  # of a message or traceback that is kept with the session

_VERB = {"completed": "complete", "failed": "fail", "suspended": "suspend"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        status: completed, failed or suspended.
        reason: Why, where suspended: `asked`, `script`, `limit`, `doubt`, `worker`, or
            `hook` where one took too long and the run begins anew.
        limit: Name of the limit that stopped it, if one did.
        message: One sentence for people; empty where there is nothing to say.
    """

    status: str
    reason: str = ""
    limit: str = ""
    message: str = ""


def close_session(
    store: Store,
    ledger: Ledger,
    session: SessionRecord,
    lease: int,
    ended: Ended,
    *,
    usage: dict[str, Any],
    error: dict[str, Any] | None,
    waiting_for: dict[str, Any] | None,
) -> None:
    """Record the end, change the session's row and give the lease up, all in one transaction.

    Args:
        store: The store.
        ledger: The session's, with whatever is not written yet.
        session: The session.
        lease: The lease's fencing token.
        ended: How the run ended.
        usage: What it used.
        error: message, traceback and event of what went wrong, if something did.
        waiting_for: prompt and schema of the value it waits for, if it does.
    """
    args: dict[str, Any] = {"reason": ended.reason} if ended.reason else {}
    if ended.limit:
        args["limit"] = ended.limit
    if error is not None:
        args["error"] = error
    ledger.note(f"lifecycle.{_VERB[ended.status]}", args)
    with store.transaction():
        ledger.write()
        store.sessions.update(
            session.key,
            status=ended.status,
            ended_at=None if ended.status == "suspended" else now_us(),
            waiting_for=waiting_for,
            error=error,
            # What was collected along with the last records counts as well.
            usage={**store.sessions.get(session.key).usage, **usage},
        )
        store.audit.note(
            f"session.{_VERB[ended.status]}", session=session.id, actor=session.id,
            target=session.name, reason=(ended.limit and f"limit {ended.limit}") or ended.reason,
        )  # fmt: skip
        store.leases.release(session.key, lease)
    ledger.commit()


def ended_by_itself(store: Store, session: SessionRecord) -> bool:
    """Whether a session ended where its script did, and not by a word from outside.

    Its last note says so: one from outside tells by whom it was ended, and one of a limit that
    it was that.
    """
    if session.status not in ENDED:
        return False
    for seq in range(session.records, 0, -1):
        _, body = next(store.history.records(session.key, seq, seq))
        record = Record.unpack(body)
        if record.part is not Part.NOTE:
            return False
        if record.name in ("lifecycle.complete", "lifecycle.fail"):
            args = record.arguments()
            return "by" not in args and args.get("reason") != "limit"
    return False


def shown_error(text: object) -> str:
    """Return the text of a script's error as it is kept with the session."""
    shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    if len(shown) <= MAX_ERROR_CHARS:
        return shown
    return f"{shown[:MAX_ERROR_CHARS]}… ({len(shown)} characters)"
