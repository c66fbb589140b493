"""What a script was refused, for the audit log."""

from __future__ import annotations

from collections.abc import Callable

from respell import values
from respell.engine.accesses import MOST
from respell.engine.performing import Outcome
from respell.errors import PermissionDenied
from respell.history.record import Record
from respell.store import Store

_ID_CHARS = 36


class Refusals:
    """Turns refused effects of one session into entries of the audit log.

    Args:
        store: Where the log is.
        session_id: Id of the session that runs.
    """

    def __init__(self, store: Store, session_id: str) -> None:
        self._store = store
        self._id = session_id
        self._count = 0

    def of_outcome(self, effect: Record, outcome: Outcome) -> Callable[[], None] | None:
        """Return what notes a refusal; None where nothing was refused.

        Args:
            effect: The effect, with its name and arguments.
            outcome: What it came to.

        Returns:
            A function to be called in the transaction that records the outcome.
        """
        if outcome.error_class != PermissionDenied.__name__ or self._count > MOST:
            return None
        self._count += 1
        if self._count > MOST:
            reason = f"it was refused more than {MOST} times; what follows is not noted"
            return lambda: self._note("session.run", self._id, "", reason)
        about, target = _about(effect)
        reason = str(values.decode(outcome.value))
        if (refused := outcome.refused) is None:
            return lambda: self._note(effect.name, about or self._id, target, reason)
        about = refused.about or about or self._id
        target = values.unicode(refused.flag or refused.target) or target
        return lambda: self._note(effect.name, about, target, reason, refused.actor)

    def _note(self, action: str, about: str, target: str, reason: str, actor: str = "") -> None:
        self._store.audit.note(
            action, session=about, actor=actor or self._id, target=target, allowed=False,
            reason=reason,
        )  # fmt: skip


def _about(effect: Record) -> tuple[str, str]:
    """Return the id of the session that an effect was about, and what it was about there."""
    args = effect.arguments()
    if not isinstance(args, dict):
        return "", ""
    session = args.get("session")
    about = session if isinstance(session, str) and len(session) == _ID_CHARS else ""
    target = next((args[key] for key in ("id", "name", "key", "path") if key in args), about)
    return about, target if isinstance(target, str) else str(target)
