"""Who hears whom: which sessions' events a session's script may get."""

from __future__ import annotations

from respell.access import READ, decide
from respell.store.database import Database
from respell.store.grants import Grants

LOADED = "respell:loaded:"
"""The scope, before a session's id, that lists the sessions without program it acts as."""

_CREATED = "SELECT 1 FROM sessions WHERE id = ? AND created_by = ?"
_WAS_LOADED = "SELECT 1 FROM state WHERE scope = ? AND key = ?"
_KEY = "SELECT key FROM sessions WHERE id = ?"


def may_hear(
    database: Database, hearer: str, session: str | None, type: str, at: int, *, own_only: bool
) -> bool:
    """Return whether a session's script may get an event.

    It hears the sessions that it acts as (its own, those it created, and those without program
    that it loaded), and what was granted to one of them. An event of no session is for everybody.

    Args:
        database: The store's.
        hearer: Id of the session whose script listens.
        session: Id of the session the event is of; None for none.
        type: What happened, e.g. `artifact.stored`.
        at: Now, in µs since 1970 UTC.
        own_only: The script acts as no session that it merely loaded.
    """
    if session is None:
        return True

    def acts_as(other: str) -> bool:
        if other == hearer or database.row(_CREATED, (other, hearer)) is not None:
            return True
        return not own_only and database.row(_WAS_LOADED, (LOADED + hearer, other)) is not None

    if acts_as(session):
        return True
    grants = Grants(database, lambda: at).list(
        owner=database.value(_KEY, (session,)) or 0, kind="events"
    )
    return decide(session, grants, type, READ, acts_as, at).allowed
