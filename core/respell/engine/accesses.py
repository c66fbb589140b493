"""What scripts get by grants, for the audit log."""

from __future__ import annotations

from respell.access import Grant
from respell.store import Store

MOST = 1_000
"""What is noted of one run: a script in a loop must not push others out of the log."""


class Accesses:
    """Notes what scripts get by grants, so often and no more."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, store: Store, action: str, grant: Grant, target: str) -> None:
        """Note that the grantee of a grant made use of it.

        Args:
            store: Where the log is.
            action: What it did, as the effect is called.
            grant: By which grant.
            target: To what, as people call it.
        """
        self._count += 1
        if self._count > MOST + 1:
            return
        reason = f"{grant.level_name} was granted by {grant.granted_by}"
        if self._count > MOST:
            reason = f"it used grants more than {MOST} times; what follows is not noted"
        store.audit.note(
            action, session=grant.owner, actor=grant.grantee, target=target, reason=reason
        )
