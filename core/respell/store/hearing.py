"""Who hears whom: which sessions' events a session's script may get."""

from __future__ import annotations

from respell.store.database import Database

LOADED = "respell:loaded:"
"""The scope, before a session's id, that lists the sessions without program it acts as."""

_CREATED = "SELECT 1 FROM sessions WHERE id = ? AND created_by = ?"
_WAS_LOADED = "SELECT 1 FROM state WHERE scope = ? AND key = ?"


def may_hear(
    database: Database, hearer: str, session: str | None, type: str, *, own_only: bool
) -> bool:
    """Return whether a session's script may get an event.

    It hears the sessions that it acts as: its own, those it created, and those without program
    that it loaded. An event of no session is for everybody.

    Args:
        database: The store's.
        hearer: Id of the session whose script listens.
        session: Id of the session the event is of; None for none.
        type: What happened, e.g. `artifact.stored`.
        own_only: The script acts as no session that it merely loaded.
    """
    if session is None or session == hearer:
        return True
    if database.row(_CREATED, (session, hearer)) is not None:
        return True
    return not own_only and database.row(_WAS_LOADED, (LOADED + hearer, session)) is not None
