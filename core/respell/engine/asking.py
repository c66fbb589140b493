"""What a person allows while a session runs."""

from __future__ import annotations

import threading
from dataclasses import replace

from respell.engine.ledger import Ledger
from respell.errors import PermissionDenied
from respell.security import Ask, Permissions
from respell.store import Store


class Asking:
    """The permissions of one run, which grow when somebody who is asked agrees.

    Effects ask from their own threads; one question is asked at a time. What was allowed
    holds for the session: `write` keeps it in the store and notes it in the history.

    Args:
        permissions: What the script may do so far.
        ask: Asks somebody; None where nobody can be asked.
    """

    def __init__(self, permissions: Permissions, ask: Ask | None) -> None:
        self._ask = ask
        self._mutex = threading.Lock()
        self._permissions = permissions if ask is None else replace(permissions, ask=self._decide)
        self._answers: dict[str, bool] = {}
        self._news: list[str] = []

    @property
    def permissions(self) -> Permissions:
        """What the script may do now."""
        return self._permissions

    def _decide(self, refused: PermissionDenied) -> bool:
        with self._mutex:
            known = self._answers.get(refused.flag)
            if known is None:
                assert self._ask is not None
                known = self._answers[refused.flag] = self._ask(refused)
                if known:
                    self._permissions = self._permissions.allowing(refused.flag)
                    self._news.append(refused.flag)
            return known

    def write(self, store: Store, key: int, session_id: str, ledger: Ledger) -> None:
        """Keep what was allowed since the last call, before what it opened is recorded."""
        if not self._news:
            return
        with self._mutex:
            news, self._news = self._news, []
            permissions = self._permissions.to_dict()
        for flag in news:
            ledger.note("lifecycle.allow", {"permission": flag})
            ledger.along(
                lambda flag=flag: store.audit.note(  # type: ignore[misc]
                    "permission.allow", session=session_id, actor="terminal", target=flag
                )
            )
        ledger.along(lambda: store.sessions.set_permissions(key, permissions))
