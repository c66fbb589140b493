"""Which session the present code runs for: per thread, and per task of asyncio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from respell.quick import quick_dataclass

if TYPE_CHECKING:
    from respell.store import Store


@quick_dataclass(frozen=True, slots=True)
class Acting:
    """The session that something is done for.

    Attributes:
        store: Where it is.
        session_id: Its id.
        event: Number of the event that this is done inside of; None for none.
    """

    store: Store
    session_id: str
    event: int | None = None


_present: ContextVar[Acting | None] = ContextVar("respell_acting", default=None)


@contextmanager
def acting_for(store: Store, session_id: str, event: int | None = None) -> Iterator[None]:
    """Make a session the current one for as long as the block runs.

    Args:
        store: Where it is.
        session_id: Its id.
        event: Number of the event that the block is done inside of.
    """
    token = _present.set(Acting(store, session_id, event))
    try:
        yield
    finally:
        _present.reset(token)


def act_for(store: Store, session_id: str, event: int | None = None) -> None:
    """Make a session the current one for the rest of the present context of variables."""
    _present.set(Acting(store, session_id, event))


def acting() -> Acting | None:
    """Return the session that the present code runs for; None outside of all."""
    return _present.get()
